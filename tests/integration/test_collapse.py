"""`collapse_key`: while there is an unread notification with it, a new one updates that in place."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from support.calls import ALICE, changes, count, everything, mark, send
from support.clock import ManualClock

OLD: dict[str, Any] = {
    "title": "old",
    "body": "old",
    "type": "old",
    "level": "warning",
    "data": {"old": 1},
    "url": "/old",
    "actions": [{"label": "Old"}],
    "actor": {"name": "Old"},
}


async def test_it_is_updated_in_place_with_all_that_was_sent(client: httpx.AsyncClient, clock: ManualClock) -> None:
    first = await send(client, **OLD, collapse_key="k")
    (before,) = await everything(client)
    clock.advance(timedelta(hours=1))
    assert await send(client, "new", collapse_key="k") == first
    (after,) = await everything(client)
    kept = {name: before[name] for name in ("id", "user_id", "created_at", "collapse_key")}
    assert {name: after[name] for name in kept} == kept
    assert after["arrived_at"] == after["updated_at"] > before["arrived_at"]
    # As a whole: what the new one does not have, the old one had.
    assert {name: after[name] for name in OLD} == {**dict.fromkeys(OLD), "title": "new", "level": "info"}


async def test_it_moves_to_the_top_as_unseen(client: httpx.AsyncClient) -> None:
    first = await send(client, "first", collapse_key="k")
    await send(client, "second")
    await mark(client, first, "seen")
    assert (await count(client))["unseen"] == 1
    await send(client, "first again", collapse_key="k")
    assert [(item["title"], item["seen_at"]) for item in await everything(client)] == [
        ("first again", None),
        ("second", None),
    ]
    counted = await count(client)
    assert (counted["unread"], counted["unseen"], counted["total"]) == (2, 2, 2)


async def test_it_is_an_arrival_for_every_device(client: httpx.AsyncClient) -> None:
    id_ = await send(client, "first", collapse_key="k")
    position = (await count(client))["position"]
    await send(client, "again", collapse_key="k")
    (event,) = (await changes(client, position))["items"]
    assert (event["event"], event["data"]["id"], event["data"]["title"]) == ("notification", id_, "again")
    assert event["id"].endswith(".2")


async def test_the_counters_of_its_types_follow(client: httpx.AsyncClient) -> None:
    await send(client, type="order", collapse_key="k")
    await send(client, type="chat", collapse_key="k")
    await send(client, collapse_key="k")
    await send(client, type="chat", collapse_key="k")
    assert (await count(client, "order", "chat"))["types"] == {
        "order": {"unread": 0, "unseen": 0, "total": 0},
        "chat": {"unread": 1, "unseen": 1, "total": 1},
    }
    assert [item["type"] for item in await everything(client, type="chat")] == ["chat"]
    assert await everything(client, type="order") == []


@pytest.mark.parametrize("done", ["read", "archive", "delete"])
async def test_what_is_read_archived_or_deleted_is_left_alone(client: httpx.AsyncClient, done: str) -> None:
    first = await send(client, "first", collapse_key="k")
    if done == "delete":
        await client.delete(f"/v1/notifications/{first}", params=ALICE)
    else:
        await mark(client, first, done)
    second = await send(client, "second", collapse_key="k")
    assert second != first
    titles = [item["title"] for item in await everything(client)]
    assert titles == (["second"] if done == "delete" else ["second", "first"])


async def test_of_several_unread_ones_the_newest_is_updated(client: httpx.AsyncClient) -> None:
    first = await send(client, "first", collapse_key="k")
    await mark(client, first, "read")
    second = await send(client, "second", collapse_key="k")
    await mark(client, first, "unread")
    assert await send(client, "third", collapse_key="k") == second
    assert [item["title"] for item in await everything(client)] == ["third", "first"]


async def test_other_keys_users_and_creates_without_one_are_left_alone(client: httpx.AsyncClient) -> None:
    ids = {
        await send(client, collapse_key="k"),
        await send(client, collapse_key="K"),
        await send(client, to="bob", collapse_key="k"),
        await send(client),
        await send(client),
    }
    assert len(ids) == 5


async def test_of_many_recipients_each_is_updated_or_created(client: httpx.AsyncClient) -> None:
    bobs = await send(client, "old", to="bob", collapse_key="k")
    body = {"to": ["alice", "bob", "carol"], "title": "new", "collapse_key": "k"}
    answer = (await client.post("/v1/notifications", json=body)).json()
    assert [item["user_id"] for item in answer["items"]] == ["alice", "bob", "carol"]
    assert answer["items"][1]["id"] == bobs
    assert [item["position"].partition(".")[2] for item in answer["items"]] == ["1", "2", "1"]
    for user in ("alice", "bob", "carol"):
        assert (await count(client, user_id=user))["total"] == 1


async def test_two_in_one_batch_collapse(client: httpx.AsyncClient) -> None:
    items = [{"to": "alice", "title": f"{n}", "collapse_key": "k"} for n in range(3)]
    answers = (await client.post("/v1/notifications/batch", json={"items": items})).json()["items"]
    assert len({answer["items"][0]["id"] for answer in answers}) == 1
    assert [answer["items"][0]["position"].partition(".")[2] for answer in answers] == ["1", "2", "3"]
    assert [item["title"] for item in await everything(client)] == ["2"]
