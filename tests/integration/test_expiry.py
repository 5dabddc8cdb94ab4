"""`expires_at` and `ttl_seconds`: gone on time from lists, counters and devices."""

from datetime import timedelta

import httpx
import pytest

from notify.app import Service
from notify.live.feed import Follower
from notify.store.many import InboxKey
from support.audiences import EVERYONE, publish
from support.calls import ALICE, changes, count, everything, mark, send
from support.clock import ManualClock
from support.waiting import eventually

HOUR = timedelta(hours=1)


class Watching(Follower):
    def wake(self) -> None:
        """Whoever follows is enough for the inbox to be kept in step."""


async def test_it_is_gone_on_time(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "until noon", type="order", ttl_seconds=3600)
    await send(client, "stays", type="order")
    position = (await count(client))["position"]
    (_, item) = await everything(client)
    assert item["expires_at"] is not None
    clock.advance(HOUR)
    assert [item["title"] for item in await everything(client)] == ["stays"]
    counted = await count(client, "order")
    assert (counted["unread"], counted["total"], counted["types"]["order"]["total"]) == (1, 1, 1)
    (event,) = (await changes(client, position))["items"]
    assert (event["event"], event["data"]["id"]) == ("delete", id_)
    assert (await client.get(f"/v1/notifications/{id_}", params=ALICE)).status_code == 404


async def test_it_is_gone_before_anybody_marks_or_edits_it(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "until noon", ttl_seconds=3600)
    clock.advance(HOUR)
    assert (await client.post(f"/v1/notifications/{id_}/read", params=ALICE)).status_code == 404
    assert (await client.patch(f"/v1/notifications/{id_}", json={"title": "b"})).status_code == 404


@pytest.mark.parametrize("mark_", ["read", "archive"])
async def test_whatever_was_done_with_it(client: httpx.AsyncClient, clock: ManualClock, mark_: str) -> None:
    id_ = await send(client, "until noon", ttl_seconds=3600)
    await mark(client, id_, mark_)
    clock.advance(HOUR)
    assert await everything(client, status="all") == []
    assert (await count(client))["total"] == 0


async def test_what_expires_while_it_is_snoozed_does_not_come_back(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    id_ = await send(client, "until noon", ttl_seconds=3600)
    body = {"until": (clock.now() + HOUR / 2).isoformat()}
    assert (await client.post(f"/v1/notifications/{id_}/snooze", params=ALICE, json=body)).status_code == 200
    clock.advance(HOUR)
    assert await everything(client, status="all") == []


async def test_nothing_collapses_into_what_has_expired(client: httpx.AsyncClient, clock: ManualClock) -> None:
    old = await send(client, "old", collapse_key="k", ttl_seconds=3600)
    clock.advance(HOUR)
    assert await send(client, "new", collapse_key="k") != old
    assert [item["title"] for item in await everything(client)] == ["new"]


async def test_what_it_collapses_into_lasts_as_long_as_the_new_one(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await send(client, "for an hour", collapse_key="k", ttl_seconds=3600)
    await send(client, "for good", collapse_key="k")
    clock.advance(HOUR)
    assert [item["title"] for item in await everything(client)] == ["for good"]


async def test_more_than_one_transaction_should_remove(client: httpx.AsyncClient, clock: ManualClock) -> None:
    for _ in range(2):
        items = [{"to": "alice", "title": "x", "ttl_seconds": 60}] * 400
        assert (await client.post("/v1/notifications/batch", json={"items": items})).status_code == 200
    clock.advance(HOUR)
    counted = await count(client)
    assert (counted["total"], counted["unread"]) == (0, 0)


async def test_a_publication_expires_for_those_who_have_it_and_for_those_who_do_not(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    for user in ("alice", "bob"):
        await count(client, user_id=user)
    await publish(client, EVERYONE, "until noon", ttl_seconds=3600)
    assert len(await everything(client)) == 1
    clock.advance(HOUR)
    for user in ("alice", "bob", "carol"):
        assert await everything(client, user_id=user) == []


async def test_whoever_is_connected_sees_it_go(service: Service, client: httpx.AsyncClient, clock: ManualClock) -> None:
    feed = service.hub.follow(InboxKey("default", "alice"), Watching())
    await feed.loaded()
    await send(client, "until noon", ttl_seconds=3600)
    await send(client, "for longer", ttl_seconds=7200)

    async def shown() -> bool:
        return feed.total == 2

    async def one_gone() -> bool:
        return feed.total == 1

    async def all_gone() -> bool:
        return feed.total == 0

    await eventually(shown)
    clock.advance(HOUR)
    await eventually(one_gone)
    clock.advance(HOUR)
    await eventually(all_gone)
    assert feed.due_at is None


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"expires_at": "2026-03-01T11:00:00Z"}, "/expires_at"),
        ({"expires_at": "2026-04-01T11:00:00Z", "ttl_seconds": 60}, "/ttl_seconds"),
        ({"ttl_seconds": 0}, "/ttl_seconds"),
        ({"expires_at": "2026-03-03T00:00:00Z", "send_at": "2026-03-04T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2026-03-03T00:00:00"}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-01:00"}, "/expires_at"),
        ({"send_at": "2027-06-03T00:00:00Z"}, "/send_at"),
    ],
)
async def test_a_time_that_makes_no_sense_is_refused(
    client: httpx.AsyncClient, asked: dict[str, object], pointer: str
) -> None:
    answer = await client.post("/v1/notifications", json={"to": "alice", "title": "x", **asked})
    assert answer.status_code == 422, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
