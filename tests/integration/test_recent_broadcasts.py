"""What everyone was told last: from the database, and from memory while that is away."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest

from notify.app import Service
from notify.core.errors import DatabaseAwayError
from notify.metrics import Metrics
from notify.settings import Settings
from notify.store.broadcasts import Broadcasts
from support.audiences import EVERYONE, publish
from support.calls import everything
from support.clock import ManualClock
from support.credentials import app, bearer, key, signed
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY
from support.proxy import Proxy
from support.waiting import eventually

SECRET = "a secret of at least 32 bytes for tests"


async def recent(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/broadcasts/recent", params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"items", "source", "as_of"}
    return body


async def told(client: httpx.AsyncClient, source: str = "database", **query: Any) -> list[str]:
    """The titles of what is shown."""
    body = await recent(client, **query)
    assert body["source"] == source
    return [item["title"] for item in body["items"]]


def calling(client: httpx.AsyncClient, headers: dict[str, str]) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=client._transport, base_url="http://notify", headers=headers)


# From the database


async def test_they_are_shown_whole_and_newest_first(client: httpx.AsyncClient) -> None:
    content = {
        "body": "a body",
        "type": "news",
        "level": "warning",
        "data": {"n": 1},
        "url": "/a",
        "actions": [{"label": "Look"}],
        "actor": {"name": "Bob"},
        "collapse_key": "k",
        "progress": 0.5,
        "expires_at": "2026-04-01T00:00:00Z",
    }
    first = await publish(client, EVERYONE, "first", **content)
    second = await publish(client, EVERYONE, "second")
    await client.patch(f"/v1/operations/{first}", json={"title": "edited"})
    body = await recent(client)
    assert body["source"] == "database"
    newest, oldest = body["items"]
    assert (newest["id"], newest["title"], newest["edited_at"]) == (second, "second", None)
    assert newest["published_at"] > oldest["published_at"]
    assert body["as_of"] > oldest["edited_at"] > oldest["published_at"]
    times = {name: oldest[name] for name in ("published_at", "edited_at")}
    assert oldest == {"id": first, "title": "edited", **content, **times}
    operation = (await client.get(f"/v1/operations/{first}")).json()
    assert {name: operation[name] for name in oldest} == oldest


async def test_what_is_for_topics_recalled_or_expired_is_not_among_them(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await publish(client, EVERYONE, "stays")
    await publish(client, EVERYONE, "expires", ttl_seconds=60)
    recalled = await publish(client, EVERYONE, "recalled")
    await publish(client, {"topic": "a"}, "to a topic")
    await publish(client, EVERYONE, "passing", durable=False)
    assert await told(client) == ["recalled", "expires", "stays"]
    await client.delete(f"/v1/operations/{recalled}")
    clock.advance(timedelta(seconds=60))
    assert await told(client) == ["stays"]


async def test_as_many_are_shown_as_are_asked_for(client: httpx.AsyncClient) -> None:
    items = [{"to": EVERYONE, "title": f"{n}"} for n in range(101)]
    await client.post("/v1/notifications/batch", json={"items": items})
    newest_first = [f"{n}" for n in reversed(range(101))]
    assert await told(client) == newest_first[:20]
    for limit in (1, 100):
        assert await told(client, limit=limit) == newest_first[:limit]
    for wrong in (0, 101, "many"):
        problem = problem_in(await client.get("/v1/broadcasts/recent", params={"limit": wrong}), 422)
        assert [error["pointer"] for error in problem["errors"]] == ["limit"]


async def test_who_is_left_out_is_not_shown_it(client: httpx.AsyncClient) -> None:
    await publish(client, EVERYONE, "for all")
    items = [{"to": EVERYONE, "title": "not alice", "exclude": ["alice"]} for _ in range(100)]
    await client.post("/v1/notifications/batch", json={"items": items})
    made = (await client.post("/v1/tokens", json={"user_id": "alice"})).json()["token"]
    async with calling(client, bearer(made)) as alice:
        assert await told(alice) == ["for all"]
        problem_in(await alice.get("/v1/broadcasts/recent", params={"user_id": "bob"}), 403)
    assert await told(client, user_id="alice", limit=100) == ["for all"]
    assert await told(client, user_id="bob", limit=1) == ["not alice"]
    assert await told(client, limit=1) == ["not alice"]


async def test_an_app_sees_its_own_and_looking_puts_nothing_into_an_inbox(client: httpx.AsyncClient) -> None:
    await app(client, "shop")
    await publish(client, EVERYONE, "of the default app", exclude=["alice"])
    async with calling(client, bearer(await key(client, "inbox", "send", app_id="shop"))) as shop:
        assert await told(shop) == []
        await publish(shop, EVERYONE, "of the shop")
        assert await told(shop) == ["of the shop"]
    assert await told(client, user_id="bob") == ["of the default app"]
    assert await everything(client) == []


# From memory


@pytest.fixture
async def proxied(database_url: str, clock: ManualClock) -> AsyncIterator[tuple[Proxy, Service]]:
    with Proxy(database_url) as proxy:
        settings = Settings(database_url=proxy.url, admin_key=ADMIN_KEY, jwt_secret=SECRET)
        async with Service(settings, clock).running() as service:
            yield proxy, service


@pytest.fixture
def proxy(proxied: tuple[Proxy, Service]) -> Proxy:
    return proxied[0]


@pytest.fixture
def behind(proxied: tuple[Proxy, Service]) -> Service:
    return proxied[1]


@pytest.fixture
async def away(behind: Service) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the service whose database can be taken away."""
    transport = httpx.ASGITransport(cast(Any, behind.asgi))
    async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
        yield client


async def test_while_the_database_is_away_they_are_as_they_were(
    proxy: Proxy, away: httpx.AsyncClient, clock: ManualClock
) -> None:
    await publish(away, EVERYONE, "first", data={"n": 1})
    await publish(away, EVERYONE, "expires", ttl_seconds=60)
    await publish(away, EVERYONE, "not alice", exclude=["alice"])
    before = await recent(away)
    await publish(away, {"topic": "a"}, "elsewhere")
    proxy.refuse()
    shown = await recent(away)
    assert (shown["source"], shown["items"]) == ("memory", before["items"])
    assert shown["as_of"] < clock.now().isoformat()
    assert await told(away, "memory", limit=1) == ["not alice"]
    async with calling(away, bearer(signed(SECRET, clock))) as alice:
        assert await told(alice, "memory") == ["expires", "first"]
        assert await told(alice, "memory", limit=1) == ["expires"]
    clock.advance(timedelta(seconds=60))
    assert await told(away, "memory", user_id="alice") == ["first"]
    # Everything else says that the database is away.
    problem_in(await away.get("/v1/notifications", params={"user_id": "alice"}), 503)
    proxy.accept()
    await eventually(lambda: _is_back(away))
    assert await told(away) == ["not alice", "first"]


async def test_a_database_that_does_not_answer_is_away_too(away: httpx.AsyncClient, proxy: Proxy) -> None:
    await publish(away, EVERYONE, "news")
    assert await told(away) == ["news"]
    proxy.stall()
    assert await told(away, "memory") == ["news"]
    proxy.resume()


async def test_an_app_that_nobody_asked_for_is_answered_as_ever(away: httpx.AsyncClient, proxy: Proxy) -> None:
    await publish(away, EVERYONE, "news")
    proxy.refuse()
    problem_in(await away.get("/v1/broadcasts/recent"), 503)


async def test_what_others_publish_edit_and_recall_is_remembered_without_being_asked_for(
    behind: Service, away: httpx.AsyncClient, proxy: Proxy, database_url: str, clock: ManualClock
) -> None:
    other = Service(Settings(database_url=database_url, admin_key=ADMIN_KEY), clock)
    async with other.running():
        transport = httpx.ASGITransport(cast(Any, other.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://other", headers=ADMIN) as elsewhere:
            first = await publish(elsewhere, EVERYONE, "first")
            second = await publish(elsewhere, EVERYONE, "second")
            assert await told(away) == ["second", "first"]
            await publish(elsewhere, EVERYONE, "third")
            await eventually(lambda: remembered(behind) == ["third", "second", "first"])
            await elsewhere.patch(f"/v1/operations/{first}", json={"title": "edited"})
            await elsewhere.delete(f"/v1/operations/{second}")
            await eventually(lambda: remembered(behind) == ["third", "edited"])
    proxy.refuse()
    assert await told(away, "memory") == ["third", "edited"]


async def test_what_was_published_while_nothing_could_be_heard_is_found_afterwards(
    behind: Service, away: httpx.AsyncClient, proxy: Proxy, database_url: str, clock: ManualClock
) -> None:
    assert await told(away) == []
    proxy.refuse()
    await eventually(lambda: not behind.listener.connected)
    settings = Settings(database_url=database_url, admin_key=ADMIN_KEY, jwt_secret=SECRET)
    async with Service(settings, clock).running() as other:
        transport = httpx.ASGITransport(cast(Any, other.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://other", headers=ADMIN) as elsewhere:
            await publish(elsewhere, EVERYONE, "unheard")
    proxy.accept()
    await eventually(lambda: remembered(behind) == ["unheard"], 20)


async def test_memory_is_bounded_and_those_that_were_asked_for_last_stay(
    behind: Service, away: httpx.AsyncClient, proxy: Proxy, clock: ManualClock
) -> None:
    for app_id in ("one", "two", "three"):
        await app(away, app_id)
        async with calling(away, bearer(await key(away, "send", app_id=app_id))) as producer:
            for n in range(3):
                await publish(producer, EVERYONE, f"{n}", body="x" * 1000)
    metrics = Metrics()
    broadcasts = Broadcasts(behind.database, clock, metrics, most_bytes=9000)
    for app_id in ("one", "two", "three", "one", "two"):
        found = await broadcasts.recent(app_id, None, 10)
        assert [item.title for item in found.items] == ["2", "1", "0"]
        # One has three broadcasts of a kilobyte and a half, and two do not fit.
        assert _bytes(metrics) <= 9000
    small = Broadcasts(behind.database, clock, Metrics(), most_bytes=4000)
    await small.recent("one", None, 10)
    proxy.refuse()
    assert [item.title for item in (await broadcasts.recent("two", None, 10)).items] == ["2", "1", "0"]
    with pytest.raises(DatabaseAwayError):
        await broadcasts.recent("three", None, 10)
    assert [item.title for item in (await small.recent("one", None, 10)).items] == ["2", "1"]


def remembered(service: Service) -> list[str]:
    page = service.broadcasts._memory.of("default").page
    return [] if page is None else [each.broadcast.title for each in page.shown]


def _bytes(metrics: Metrics) -> float:
    (line,) = [
        each for each in metrics.exposition().decode().splitlines() if each.startswith("notify_broadcast_bytes ")
    ]
    return float(line.split(" ")[1])


async def _is_back(client: httpx.AsyncClient) -> bool:
    return (await client.get("/v1/notifications", params={"user_id": "alice"})).status_code == 200
