"""ETag with If-None-Match, and Notify-Position."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest

from notify.app import Service
from notify.live.feed import Follower
from notify.settings import Settings
from notify.store.many import InboxKey
from support.calls import ALICE, count, mark, send
from support.clock import ManualClock
from support.processes import ADMIN, ADMIN_KEY
from support.proxy import Proxy
from support.waiting import eventually


@pytest.fixture
async def urls(client: httpx.AsyncClient) -> list[str]:
    """Every route that shows an inbox and has an ETag."""
    id_ = await send(client, type="order")
    return [
        "/v1/notifications?user_id=alice",
        "/v1/notifications?user_id=alice&status=all&limit=1",
        "/v1/notifications/count?user_id=alice&type=order",
        f"/v1/notifications/{id_}?user_id=alice",
    ]


async def get(client: httpx.AsyncClient, url: str, **headers: str) -> httpx.Response:
    return await client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})


async def test_the_etag_is_the_position(client: httpx.AsyncClient, urls: list[str]) -> None:
    position = (await count(client))["position"]
    for url in urls:
        answer = await get(client, url)
        assert answer.headers["etag"] == f'"{position}"'
        assert answer.headers["cache-control"] == "private, no-cache"
        assert "Authorization" in answer.headers["vary"]


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient, urls: list[str]) -> None:
    for url in urls:
        tag = (await get(client, url)).headers["etag"]
        for condition in (tag, f"W/{tag}", f'"other", {tag}', f'"other",W/{tag} , "more"', "*"):
            answer = await get(client, url, If_None_Match=condition)
            assert (answer.status_code, answer.content) == (304, b""), (url, condition)
            assert answer.headers["etag"] == tag


async def test_what_has_changed_is_sent(client: httpx.AsyncClient, urls: list[str]) -> None:
    tags = [(await get(client, url)).headers["etag"] for url in urls]
    await send(client)
    for url, tag in zip(urls, tags, strict=True):
        for condition in (tag, f"W/{tag}", tag.strip('"'), '""', '"', tag[:-1], f'"{tag}"'):
            answer = await get(client, url, If_None_Match=condition)
            assert (answer.status_code, answer.headers["etag"] != tag) == (200, True), (url, condition)


async def test_the_answer_to_a_mark_has_the_etag_of_the_next_list(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    marked = await client.post(f"/v1/notifications/{id_}/read", params=ALICE)
    answer = await get(client, "/v1/notifications?user_id=alice", If_None_Match=marked.headers["etag"])
    assert answer.status_code == 304


async def test_a_user_who_is_not_there_yet_has_an_etag_too(client: httpx.AsyncClient) -> None:
    tag = (await get(client, "/v1/notifications?user_id=new")).headers["etag"]
    assert (await get(client, "/v1/notifications?user_id=new", If_None_Match=tag)).status_code == 304


async def test_a_position_that_is_reached_is_answered(client: httpx.AsyncClient, urls: list[str]) -> None:
    before = (await count(client))["position"]
    await send(client)
    now = (await count(client))["position"]
    for url in [*urls, "/v1/changes?user_id=alice"]:
        for position in (before, now, now.partition(".")[0] + ".0"):
            answer = await get(client, url, Notify_Position=position)
            assert answer.status_code == 200, (url, answer.text)


async def test_a_position_that_is_not_reached_is_412(client: httpx.AsyncClient, urls: list[str]) -> None:
    now = (await count(client))["position"]
    beyond, elsewhere = now.partition(".")[0] + ".2", "0000000000.1"
    for url in [*urls, "/v1/changes?user_id=alice"]:
        for position in (beyond, elsewhere):
            answer = await get(client, url, Notify_Position=position)
            assert (answer.status_code, answer.json()["type"]) == (412, "/problems/position-unknown"), url


async def test_a_position_that_is_not_reached_is_412_even_if_nothing_has_changed(
    client: httpx.AsyncClient, urls: list[str]
) -> None:
    """Whoever has seen more elsewhere must not be told that what they hold is the newest."""
    now = (await count(client))["position"]
    for url in urls:
        answer = await get(client, url, If_None_Match=f'"{now}"', Notify_Position=now.partition(".")[0] + ".2")
        assert answer.status_code == 412, url
        assert (await get(client, url, If_None_Match=f'"{now}"', Notify_Position=now)).status_code == 304, url


@pytest.mark.parametrize("position", ["", "abc", "abc.", ".1", "abc.-1", "ABC.1", "abc.01", "abc.1.2.3", "abc.9" * 30])
async def test_a_malformed_position_is_422(client: httpx.AsyncClient, urls: list[str], position: str) -> None:
    for url in [*urls, "/v1/changes?user_id=alice"]:
        answer = await get(client, url, Notify_Position=position)
        body: dict[str, Any] = answer.json()
        assert (answer.status_code, body["errors"][0]["pointer"]) == (422, "Notify-Position"), url


async def test_marks_do_not_mind_a_position(client: httpx.AsyncClient) -> None:
    """They are answered from after the change, whatever that is, and so at or past any position of this inbox."""
    id_ = await send(client)
    position = (await mark(client, id_, "seen"))["position"]
    answer = await client.post(f"/v1/notifications/{id_}/read", params=ALICE, headers={"Notify-Position": position})
    assert answer.status_code == 200


# From memory


class Watching(Follower):
    def wake(self) -> None:
        pass


class Watched:
    """A process in which somebody follows alice's inbox, and the client of another."""

    def __init__(self, service: Service, client: httpx.AsyncClient, proxy: Proxy | None = None) -> None:
        self.proxy = proxy
        self.service = service
        self.client = client
        self.feed = service.hub.follow(ALICES, Watching())

    async def is_known(self) -> bool:
        return self.service.hub.known(ALICES) is not None and self.service.listener.is_hearing

    async def is_cut_off(self) -> bool:
        return not self.service.listener.connected

    async def forbid_reading(self, monkeypatch: pytest.MonkeyPatch) -> None:
        await eventually(self.is_known)

        def fail(*_: object) -> None:
            raise AssertionError("the database is asked")

        for name in ("state", "page", "count"):
            monkeypatch.setattr(self.service.inboxes, name, fail)


ALICES = InboxKey("default", "alice")
SHOWN = ("/v1/notifications?user_id=alice", "/v1/notifications/count?user_id=alice")


@pytest.fixture
async def watched(service: Service, client: httpx.AsyncClient) -> Watched:
    return Watched(service, client)


async def test_nothing_new_is_said_from_memory_where_somebody_follows(
    watched: Watched, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await send(client)
    tag = (await get(client, SHOWN[0])).headers["etag"]
    await watched.forbid_reading(monkeypatch)
    for url in SHOWN:
        answer = await get(client, url, If_None_Match=tag)
        assert (answer.status_code, answer.headers["etag"]) == (304, tag)


async def test_what_this_process_has_written_is_known_when_it_is_answered(
    watched: Watched, client: httpx.AsyncClient
) -> None:
    await send(client)
    await eventually(watched.is_known)
    for _ in range(20):
        tags = [(await get(client, url)).headers["etag"] for url in SHOWN]
        await send(client)
        for url, tag in zip(SHOWN, tags, strict=True):
            assert (await get(client, url, If_None_Match=tag)).status_code == 200


@pytest.fixture
async def other(any_database_url: str, clock: ManualClock) -> AsyncIterator[Watched]:
    """Another process, whose listener can be cut off."""
    with Proxy(any_database_url) as proxy:
        settings = Settings(database_url=any_database_url, listen_database_url=proxy.url, admin_key=ADMIN_KEY)
        async with Service(settings, clock).running() as service:
            transport = httpx.ASGITransport(cast(Any, service.asgi))
            async with httpx.AsyncClient(transport=transport, base_url="http://other", headers=ADMIN) as client:
                yield Watched(service, client, proxy)


async def test_what_another_process_has_written_is_known_as_soon_as_it_has_rung(
    other: Watched, client: httpx.AsyncClient
) -> None:
    await send(client)
    tag = (await get(other.client, SHOWN[0])).headers["etag"]
    await eventually(other.is_known)
    await send(client)

    async def has_news() -> bool:
        return (await get(other.client, SHOWN[0], If_None_Match=tag)).status_code == 200

    await eventually(has_news, 2)


async def test_whoever_has_seen_a_position_elsewhere_is_not_answered_from_memory(
    other: Watched, client: httpx.AsyncClient
) -> None:
    await eventually(other.is_known)
    for _ in range(20):
        tag = (await get(other.client, SHOWN[0])).headers["etag"]
        await send(client)
        seen = (await count(client))["position"]
        for url in SHOWN:
            answer = await get(other.client, url, If_None_Match=tag, Notify_Position=seen)
            assert (answer.status_code, answer.headers["etag"]) == (200, f'"{seen}"')


async def test_whoever_may_not_hear_asks_the_database(
    other: Watched, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await eventually(other.is_known)
    tag = (await get(other.client, SHOWN[0])).headers["etag"]
    clock.advance(timedelta(seconds=2))
    await send(client)
    assert (await get(other.client, SHOWN[0], If_None_Match=tag)).status_code == 200


async def test_whoever_was_cut_off_asks_the_database_until_everything_was_compared(
    other: Watched, client: httpx.AsyncClient
) -> None:
    await eventually(other.is_known)
    assert other.proxy is not None
    for _ in range(3):
        tag = (await get(other.client, SHOWN[0])).headers["etag"]
        other.proxy.cut()
        await eventually(other.is_cut_off)
        await send(client)
        for url in SHOWN:
            assert (await get(other.client, url, If_None_Match=tag)).status_code == 200
        await eventually(other.is_known)
