"""`/v1/changes`: what changed after a position."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.calls import ALICE, changes, count, everything, mark, send
from support.model import ModelInbox, Operation, histories

# The service lives for all examples: each has a user of its own.
of_one_service = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def read_on(client: httpx.AsyncClient, after: str | None, limit: int, **query: Any) -> list[dict[str, Any]]:
    """Every event past a position, by pages of one size."""
    events: list[dict[str, Any]] = []
    while True:
        page = await changes(client, after, limit=limit, **query)
        events += page["items"]
        if not page["more"]:
            assert page["position"] == (await count(client, **query))["position"]
            return events
        assert len(page["items"]) >= limit
        assert page["position"] == page["items"][-1]["id"] or page["position"].startswith(page["items"][-1]["id"] + ".")
        after = page["position"]


@of_one_service
@given(history=histories, after=st.integers(0, 30), limit=st.sampled_from([1, 2, 100]))
async def test_from_any_position_by_any_page_size_the_events_are_those_of_the_model(
    client: httpx.AsyncClient, history: list[Operation], after: int, limit: int
) -> None:
    inbox = ModelInbox(client, f"user {uuid4()}")
    await inbox.run(history)
    if not inbox.epoch:
        return
    after = min(after, inbox.head)
    events = await read_on(client, f"{inbox.epoch}.{after}", limit, user_id=inbox.user_id)
    assert [(event["event"], event["id"], event["data"]["id"]) for event in events] == inbox.changes(after)


@of_one_service
@given(history=histories, then=histories, limit=st.sampled_from([1, 3, 100]))
async def test_a_client_that_upserts_by_id_holds_what_the_list_shows(
    client: httpx.AsyncClient, history: list[Operation], then: list[Operation], limit: int
) -> None:
    inbox = ModelInbox(client, f"user {uuid4()}")
    held: dict[str, Any] = {}
    position = None
    for part in (history, then):
        await inbox.run(part)
        for event in await read_on(client, position, limit, user_id=inbox.user_id):
            if event["event"] == "delete":
                held.pop(event["data"]["id"], None)
            else:
                held[event["data"]["id"]] = event["data"]
        position = (await count(client, user_id=inbox.user_id))["position"]
    shown = await everything(client, user_id=inbox.user_id)
    assert {item["id"]: item for item in shown} == held


async def test_without_a_position_it_starts_at_the_beginning(client: httpx.AsyncClient) -> None:
    ids = [await send(client, f"{number}") for number in range(3)]
    answer = await changes(client)
    assert [(event["event"], event["data"]["id"]) for event in answer["items"]] == [
        ("notification", id_) for id_ in ids
    ]
    assert [event["id"] for event in answer["items"]] == [
        answer["position"].partition(".")[0] + f".{n}" for n in (1, 2, 3)
    ]
    assert answer["more"] is False


async def test_at_the_head_there_is_nothing(client: httpx.AsyncClient) -> None:
    await send(client)
    position = (await count(client))["position"]
    assert await changes(client, position) == {"items": [], "position": position, "more": False}


async def test_an_event_carries_the_whole_notification_as_it_is_now(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    start = (await count(client))["position"]
    await client.patch(f"/v1/notifications/{id_}", json={"title": "edited"})
    marked = await mark(client, id_, "read")
    assert (await changes(client, start))["items"] == [
        {"event": "update", "id": marked["position"], "data": marked["notification"]}
    ]


async def test_what_arrives_between_two_pages_is_on_the_later_one(client: httpx.AsyncClient) -> None:
    ids = [await send(client, f"{number}") for number in range(4)]
    first = await changes(client, limit=2)
    assert first["more"] is True
    await mark(client, ids[0], "read")
    await send(client, "new")
    rest = await changes(client, first["position"], limit=100)
    assert [(event["event"], event["data"]["title"]) for event in rest["items"]] == [
        ("notification", "2"),
        ("notification", "3"),
        ("update", "0"),
        ("notification", "new"),
    ]


async def test_a_position_of_another_epoch_is_reset(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    head = (await count(client))["position"]
    answer = await changes(client, "0000000000.1")
    epoch = head.partition(".")[0]
    reset, arrived = answer["items"]
    assert reset == {"event": "reset", "data": {"reason": "epoch", "floor": f"{epoch}.0", "head": head}}
    assert (arrived["event"], arrived["data"]["id"]) == ("notification", id_)
    assert (answer["position"], answer["more"]) == (head, False)


async def test_a_position_past_the_head_is_reset(client: httpx.AsyncClient) -> None:
    await send(client)
    head = (await count(client))["position"]
    epoch = head.partition(".")[0]
    answer = await changes(client, f"{epoch}.2")
    assert [event["event"] for event in answer["items"]] == ["reset", "notification"]
    assert answer["items"][0]["data"]["reason"] == "ahead"


async def test_a_position_of_another_user_is_reset(client: httpx.AsyncClient) -> None:
    await send(client, to="bob")
    await send(client)
    position = (await count(client, user_id="bob"))["position"]
    assert (await changes(client, position))["items"][0]["data"]["reason"] == "epoch"


async def test_a_reset_is_paged_like_any_start(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await send(client, f"{number}")
    first = await changes(client, "0000000000.7", limit=2)
    assert [event["event"] for event in first["items"]] == ["reset", "notification", "notification"]
    assert first["more"] is True
    rest = await read_on(client, first["position"], 2)
    assert [event["data"]["title"] for event in rest] == ["2", "3", "4"]


async def test_an_inbox_that_nobody_has_opened_has_no_changes(client: httpx.AsyncClient) -> None:
    answer = await changes(client)
    assert (answer["items"], answer["more"]) == ([], False)
    assert answer["position"] == (await count(client))["position"]
    assert await changes(client, answer["position"]) == answer


async def test_a_new_generation_resets_every_position(client: httpx.AsyncClient, any_database_url: str) -> None:
    await send(client)
    before = (await count(client))["position"]
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute("UPDATE notify.store SET generation = 'new1'")
    after = (await count(client))["position"]
    assert after.startswith("new1")
    assert (await changes(client, before))["items"][0]["data"]["reason"] == "epoch"
    assert (await changes(client, after))["items"] == []


@pytest.mark.parametrize("limit", [1, 100])
async def test_a_page_holds_what_was_asked_for(client: httpx.AsyncClient, limit: int) -> None:
    items = [{"to": "alice", "title": f"{number}"} for number in range(101)]
    await client.post("/v1/notifications/batch", json={"items": items})
    answer = await changes(client, limit=limit)
    assert (len(answer["items"]), answer["more"]) == (limit, True)
    assert len((await client.get("/v1/changes", params=ALICE)).json()["items"]) == 100, "a hundred unless asked for"
