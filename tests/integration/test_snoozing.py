"""Snooze: out of the inbox until its time, then back as unread and newest."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from support.calls import ALICE, changes, count, everything, mark, send
from support.clock import ManualClock

HOUR = timedelta(hours=1)


async def snooze(client: httpx.AsyncClient, id_: str, clock: ManualClock, by: timedelta = HOUR) -> dict[str, Any]:
    body = {"until": (clock.now() + by).isoformat()}
    answer = await client.post(f"/v1/notifications/{id_}/snooze", params=ALICE, json=body)
    assert answer.status_code == 200, answer.text
    notification: dict[str, Any] = answer.json()["notification"]
    return notification


async def titles(client: httpx.AsyncClient, status: str = "inbox") -> list[str]:
    return [item["title"] for item in await everything(client, status=status)]


async def counters(client: httpx.AsyncClient) -> tuple[int, int, int]:
    counted = await count(client)
    return counted["unread"], counted["unseen"], counted["total"]


async def test_it_leaves_the_inbox_and_its_counters(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "later")
    await send(client, "stays")
    until = (await snooze(client, id_, clock))["snoozed_until"]
    assert until is not None
    assert await titles(client) == ["stays"]
    assert await titles(client, status="snoozed") == ["later"]
    assert await titles(client, status="all") == ["stays", "later"]
    assert await counters(client) == (1, 1, 1)


async def test_it_comes_back_at_its_time_as_unread_and_newest(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "later", type="order")
    await mark(client, id_, "read")
    await snooze(client, id_, clock)
    await send(client, "in between")
    position = (await count(client))["position"]
    clock.advance(HOUR)
    (back, _) = await everything(client)
    assert (back["title"], back["read_at"], back["seen_at"], back["snoozed_until"]) == ("later", None, None, None)
    assert back["arrived_at"] > back["created_at"]
    assert await counters(client) == (2, 2, 2)
    (event,) = (await changes(client, position))["items"]
    assert (event["event"], event["data"]["id"]) == ("notification", id_)


async def test_a_whole_answer_says_so_without_having_been_asked_before(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    id_ = await send(client, "later")
    await snooze(client, id_, clock)
    clock.advance(HOUR)
    one = (await client.get(f"/v1/notifications/{id_}", params=ALICE)).json()
    assert one["snoozed_until"] is None


async def test_what_is_due_comes_before_a_mark(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "later")
    await snooze(client, id_, clock)
    clock.advance(HOUR)
    await mark(client, id_, "read")
    (item,) = await everything(client)
    assert item["read_at"] is not None
    assert await counters(client) == (0, 0, 1)


async def test_unsnooze_brings_it_back_at_once(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "later")
    await send(client, "newer")
    await snooze(client, id_, clock)
    answer = await client.post(f"/v1/notifications/{id_}/unsnooze", params=ALICE)
    assert answer.json()["notification"]["snoozed_until"] is None
    assert await titles(client) == ["later", "newer"]
    before = (await count(client))["position"]
    await client.post(f"/v1/notifications/{id_}/unsnooze", params=ALICE)
    clock.advance(2 * HOUR)
    assert (await count(client))["position"] == before


async def test_doing_it_again_moves_the_time(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "later")
    await snooze(client, id_, clock)
    await snooze(client, id_, clock, 3 * HOUR)
    clock.advance(2 * HOUR)
    assert await titles(client) == []
    clock.advance(2 * HOUR)
    assert await titles(client) == ["later"]


@pytest.mark.parametrize("mark_", ["archive", "delete"])
async def test_who_archives_or_deletes_it_is_done_with_it(
    client: httpx.AsyncClient, clock: ManualClock, mark_: str
) -> None:
    id_ = await send(client, "later")
    await snooze(client, id_, clock)
    if mark_ == "delete":
        assert (await client.delete(f"/v1/notifications/{id_}", params=ALICE)).status_code == 204
    else:
        await mark(client, id_, mark_)
    clock.advance(2 * HOUR)
    assert await titles(client) == []
    assert await titles(client, status="snoozed") == []
    assert await counters(client) == (0, 0, 0)


async def test_snoozing_takes_it_out_of_the_archive(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "later")
    await mark(client, id_, "archive")
    assert (await snooze(client, id_, clock))["archived_at"] is None
    assert await titles(client, status="archived") == []
    clock.advance(HOUR)
    assert await titles(client) == ["later"]


@pytest.mark.parametrize(
    ("until", "why"),
    [("2026-03-01T11:59:59Z", "past"), ("2027-06-01T00:00:00Z", "400 days"), ("2026-03-02", "RFC 3339")],
)
async def test_a_time_that_makes_no_sense_is_refused(client: httpx.AsyncClient, until: str, why: str) -> None:
    id_ = await send(client, "later")
    answer = await client.post(f"/v1/notifications/{id_}/snooze", params=ALICE, json={"until": until})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/until"
    assert why in error["detail"] or why == "RFC 3339"
