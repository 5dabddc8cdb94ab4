"""Live progress and resurfacing: `PATCH` changes a notification on every device, and may bring it back to the top."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from support.audiences import EVERYONE, publish, titles
from support.calls import ALICE, changes, count, everything, mark, send
from support.clock import ManualClock, hurried


async def edit(client: httpx.AsyncClient, id_: str, **fields: Any) -> dict[str, Any]:
    answer = await client.patch(f"/v1/notifications/{id_}", json=fields)
    assert answer.status_code == 200, answer.text
    notification: dict[str, Any] = answer.json()["notification"]
    return notification


async def test_progress_goes_on_in_place(client: httpx.AsyncClient) -> None:
    id_ = await send(client, "An upload", progress=0)
    assert (await edit(client, id_, progress=0.25))["progress"] == 0.25
    (item,) = await everything(client)
    assert (item["progress"], item["title"]) == (0.25, "An upload")
    assert (await edit(client, id_, progress=None))["progress"] is None


async def test_a_hundred_steps_take_few_positions_and_the_last_one_lands(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    id_ = await send(client, "An upload")
    before = (await count(client))["position"]
    steps = [asyncio.create_task(edit(client, id_, progress=step / 100)) for step in range(1, 101)]

    answers = await hurried(clock, asyncio.gather(*steps))
    (event,) = (await changes(client, before))["items"]
    assert (event["event"], event["data"]["progress"]) == ("update", 1.0)
    taken = int(event["id"].split(".")[1]) - int(before.split(".")[1])
    assert 1 <= taken <= 50
    # Each was answered with a state at or past its own.
    for step, answer in zip(range(1, 101), answers, strict=True):
        assert answer["progress"] >= step / 100


@pytest.mark.parametrize("progress", [-0.01, 1.01, "half", True])
async def test_what_is_no_progress_is_refused(client: httpx.AsyncClient, progress: object) -> None:
    id_ = await send(client)
    for answer in (
        await client.patch(f"/v1/notifications/{id_}", json={"progress": progress}),
        await client.post("/v1/notifications", json={"to": "alice", "title": "x", "progress": progress}),
    ):
        assert answer.status_code == 422
        assert [error["pointer"] for error in answer.json()["errors"]] == ["/progress"]


def as_read(client: httpx.AsyncClient, id_: str) -> Any:
    return mark(client, id_, "read")


def as_archived(client: httpx.AsyncClient, id_: str) -> Any:
    return mark(client, id_, "archive")


@pytest.mark.parametrize("before", [as_read, as_archived])
async def test_what_resurfaces_is_at_the_top_and_unread(
    client: httpx.AsyncClient, clock: ManualClock, before: Callable[[httpx.AsyncClient, str], Any]
) -> None:
    id_ = await send(client, "old", type="order")
    await before(client, id_)
    await send(client, "newer")
    clock.advance(timedelta(minutes=1))
    position = (await count(client))["position"]
    shown = await edit(client, id_, title="there is news", resurface=True)
    assert (shown["read_at"], shown["seen_at"], shown["archived_at"]) == (None, None, None)
    assert [item["title"] for item in await everything(client, status="inbox")] == ["there is news", "newer"]
    counted = await count(client, "order")
    assert (counted["unread"], counted["unseen"], counted["total"]) == (2, 2, 2)
    assert counted["types"]["order"] == {"unread": 1, "unseen": 1, "total": 1}
    (event,) = (await changes(client, position))["items"]
    assert (event["event"], event["data"]["id"]) == ("notification", id_)


async def test_it_may_resurface_as_it_is(client: httpx.AsyncClient) -> None:
    id_ = await send(client, "old")
    await send(client, "newer")
    await edit(client, id_, resurface=True)
    assert [item["title"] for item in await everything(client)] == ["old", "newer"]


async def test_what_is_snoozed_stays_so_until_its_time(client: httpx.AsyncClient, clock: ManualClock) -> None:
    id_ = await send(client, "old")
    body = {"until": (clock.now() + timedelta(hours=1)).isoformat()}
    await client.post(f"/v1/notifications/{id_}/snooze", params=ALICE, json=body)
    await edit(client, id_, title="there is news", resurface=True)
    assert await everything(client, status="inbox") == []
    clock.advance(timedelta(hours=1))
    assert [item["title"] for item in await everything(client, status="inbox")] == ["there is news"]


async def test_a_publication_resurfaces_for_those_who_have_it(client: httpx.AsyncClient, clock: ManualClock) -> None:
    assert await titles(client, "alice") == []
    id_ = await publish(client, EVERYONE, "An outage", progress=0.1)
    (item,) = await everything(client)
    assert item["progress"] == 0.1
    await mark(client, item["id"], "read")
    await send(client, "newer")
    for fields in ({"progress": 0.5, "resurface": True}, {"title": "Nearly over"}):
        asked = client.patch(f"/v1/operations/{id_}", json=fields)
        assert (await hurried(clock, asked)).status_code == 200
    first, _ = await everything(client)
    assert (first["title"], first["progress"], first["read_at"]) == ("Nearly over", 0.5, None)
    # Whoever shows up only now has it once, as it is now.
    (item,) = await everything(client, user_id="bob")
    assert (item["title"], item["progress"]) == ("Nearly over", 0.5)


async def test_a_list_of_one_topic(client: httpx.AsyncClient) -> None:
    for topic in ("a", "b"):
        await client.put("/v1/subscriptions", params={**ALICE, "topic": topic})
    await publish(client, {"topic": "a"}, "of a", type="t")
    await publish(client, {"topic": "b"}, "of b", type="t")
    await send(client, "of none", type="t")
    assert [item["title"] for item in await everything(client, topic="a")] == ["of a"]
    assert [item["title"] for item in await everything(client, topic="b", type="t")] == ["of b"]
    assert await everything(client, topic="b", type="other") == []
    assert await everything(client, topic="a", status="archived") == []
    refused = await client.get("/v1/notifications", params={**ALICE, "topic": "a//b"})
    assert refused.status_code == 422
