"""The list: every filter, every page size, against an inbox in plain Python."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.clock import ManualClock
from support.model import TYPES, ModelInbox, ModelNotification, Operation, histories

STATUSES = ("inbox", "unread", "read", "archived", "all")
ALICE = {"user_id": "alice"}

# The service lives for all examples: each has a user of its own.
of_one_service = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def pages(client: httpx.AsyncClient, **filters: Any) -> list[list[dict[str, Any]]]:
    """Every page from the first to the last."""
    found: list[list[dict[str, Any]]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.get("/v1/notifications", params=filters | cursor)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        assert len(page["items"]) == filters.get("limit", 20), "only the last page may be shorter"
        cursor = {"cursor": page["next_cursor"]}


async def titles(client: httpx.AsyncClient, **filters: Any) -> list[str]:
    return [item["title"] for page in await pages(client, **ALICE, **filters) for item in page]


async def send(client: httpx.AsyncClient, title: str, **fields: Any) -> dict[str, Any]:
    answer = await client.post("/v1/notifications", json={"to": "alice", "title": title, **fields})
    assert answer.status_code == 201, answer.text
    item: dict[str, Any] = answer.json()["items"][0]
    return item


def windows(inbox: ModelInbox, times: list[int]) -> Iterator[dict[str, datetime]]:
    """None, one side, the other, both: at the very times when something arrived, where an edge would show."""
    arrivals = [one.arrived_at for one in inbox.all] or [datetime.fromisoformat("2026-03-01T12:00:00Z")]
    since, until = (arrivals[number % len(arrivals)] for number in times)
    yield from ({}, {"since": since}, {"until": until}, {"since": since, "until": until})


@of_one_service
@given(
    history=histories, times=st.lists(st.integers(0, 30), min_size=2, max_size=2), limit=st.sampled_from([1, 2, 7, 100])
)
async def test_every_filter_and_page_size_shows_what_the_model_shows(
    client: httpx.AsyncClient, history: list[Operation], times: list[int], limit: int
) -> None:
    inbox = ModelInbox(client, f"user {uuid4()}")
    await inbox.run(history)
    for status, type_, window in product(STATUSES, TYPES, windows(inbox, times)):
        chosen = {"status": status, **({"type": type_} if type_ else {}), **window}
        shown = [
            item["id"]
            for page in await pages(client, user_id=inbox.user_id, limit=limit, **wire(chosen))
            for item in page
        ]
        assert shown == [one.id for one in inbox.listed(status, type_, **window)], chosen
    answer = (await client.get("/v1/notifications", params={"user_id": inbox.user_id})).json()
    assert {name: answer[name] for name in ("unread", "unseen", "total")} == inbox.counts()
    if inbox.all:
        assert answer["position"] == inbox.position


def wire(filters: dict[str, Any]) -> dict[str, str]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in filters.items()}


async def test_the_states_of_what_is_listed_are_those_of_the_model(client: httpx.AsyncClient) -> None:
    inbox = ModelInbox(client, "alice")
    history: list[Operation] = [
        ("create", "order", None),
        ("create", None, None),
        ("create", "chat", None),
        ("create", None, None),
        ("mark", "read", 0),
        ("mark", "seen", 1),
        ("mark", "archive", 2),
    ]
    await inbox.run(history)
    (page,) = await pages(client, **ALICE, status="all")
    by_id: dict[str, ModelNotification] = {one.id: one for one in inbox.all}
    for item in page:
        one = by_id[item["id"]]
        times = (item["seen_at"], item["read_at"], item["archived_at"])
        assert tuple(time is not None for time in times) == (one.seen, one.read, one.archived)
        assert item["user_id"] == "alice"


async def test_a_notification_is_shown_with_all_that_was_sent(client: httpx.AsyncClient) -> None:
    sent: dict[str, Any] = {
        "title": "Your table is ready",
        "body": "Table 7, by the window.",
        "type": "booking.ready",
        "level": "success",
        "data": {"table": 7, "guests": ["Ada", "Grace"], "nested": {"a": None}},
        "url": "/bookings/7",
        "actions": [{"label": "Open", "url": "https://shop.example/7", "primary": True}, {"label": "No", "id": "no"}],
        "actor": {"name": "The kitchen", "id": "kitchen", "image_url": "https://shop.example/k.png"},
        "collapse_key": "booking-7",
    }
    item = await send(client, **sent)
    ((shown,),) = await pages(client, **ALICE)
    assert {name: shown[name] for name in sent} == sent
    assert shown["id"] == item["id"]
    assert shown["created_at"] == shown["arrived_at"] == shown["updated_at"]
    absent = ("topic", "progress", "seen_at", "read_at", "archived_at", "snoozed_until", "expires_at")
    assert {name: shown[name] for name in absent} == dict.fromkeys(absent)
    assert set(shown) == {*sent, *absent, "id", "user_id", "created_at", "arrived_at", "updated_at"}
    assert (await client.get(f"/v1/notifications/{item['id']}", params=ALICE)).json() == shown


async def test_what_arrives_while_somebody_pages_does_not_move_their_pages(client: httpx.AsyncClient) -> None:
    for number in range(6):
        await send(client, f"old {number}", collapse_key=f"key {number}")
    first = (await client.get("/v1/notifications", params={**ALICE, "limit": 2})).json()
    assert [item["title"] for item in first["items"]] == ["old 5", "old 4"]
    await send(client, "new")
    await send(client, "old 0 again", collapse_key="key 0")
    second = (
        await client.get("/v1/notifications", params={**ALICE, "limit": 2, "cursor": first["next_cursor"]})
    ).json()
    assert [item["title"] for item in second["items"]] == ["old 3", "old 2"]
    third = (
        await client.get("/v1/notifications", params={**ALICE, "limit": 2, "cursor": second["next_cursor"]})
    ).json()
    # What moved to the top has left its old place; it is on a new first page.
    assert [item["title"] for item in third["items"]] == ["old 1"]
    assert third["next_cursor"] is None


async def test_a_page_that_ends_with_the_last_notification_has_no_next(client: httpx.AsyncClient) -> None:
    for number in range(4):
        await send(client, f"{number}")
    assert [len(page) for page in await pages(client, **ALICE, limit=2)] == [2, 2]


async def test_twenty_are_shown_unless_another_number_is_asked_for(client: httpx.AsyncClient) -> None:
    for number in range(21):
        await send(client, f"{number}")
    assert [len(page) for page in await pages(client, **ALICE)] == [20, 1]


async def test_the_order_is_that_of_arrival_even_if_the_clock_goes_back(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await send(client, "first")
    clock.advance(timedelta(hours=-3))
    await send(client, "second")
    clock.advance(timedelta(hours=-3))
    await send(client, "third")
    assert await titles(client) == ["third", "second", "first"]
    assert await titles(client, limit=1) == ["third", "second", "first"]


async def test_what_arrived_in_one_moment_is_paged_without_loss(client: httpx.AsyncClient) -> None:
    batch = {"items": [{"to": "alice", "title": f"{number}"} for number in range(10)]}
    assert (await client.post("/v1/notifications/batch", json=batch)).status_code == 200
    shown = await titles(client, limit=3)
    assert sorted(shown, key=int) == [f"{number}" for number in range(10)]
    times = {item["arrived_at"] for page in await pages(client, **ALICE) for item in page}
    assert len(times) < 10, "the group commit gives them one time, so the position has to part them"


async def test_since_and_until_take_any_offset(client: httpx.AsyncClient, clock: ManualClock) -> None:
    await send(client, "at noon")
    clock.advance(timedelta(hours=2))
    await send(client, "at two")
    assert await titles(client, since="2026-03-01T14:00:00+01:00") == ["at two"]
    assert await titles(client, until="2026-03-01T08:00:00-05:00") == ["at noon"]
    assert await titles(client, since="2026-03-01T12:00:00Z", until="2026-03-01T12:00:00Z") == []


async def test_an_empty_inbox_is_an_empty_page(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/v1/notifications", params={"user_id": "nobody yet"})).json()
    assert answer.pop("position").endswith(".0")
    assert answer == {"items": [], "next_cursor": None, "unread": 0, "unseen": 0, "total": 0}


@pytest.mark.parametrize("other", [{"status": "all"}, {"type": "order"}, {"since": "2026-01-01T00:00:00Z"}])
async def test_a_cursor_belongs_to_the_filters_it_was_given_for(
    client: httpx.AsyncClient, other: dict[str, str]
) -> None:
    for number in range(3):
        await send(client, f"{number}")
    page = (await client.get("/v1/notifications", params={**ALICE, "limit": 1})).json()
    answer = await client.get("/v1/notifications", params={**ALICE, **other, "cursor": page["next_cursor"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "cursor"


async def test_the_page_size_may_change_from_page_to_page(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await send(client, f"{number}")
    page = (await client.get("/v1/notifications", params={**ALICE, "limit": 1})).json()
    rest = (await client.get("/v1/notifications", params={**ALICE, "cursor": page["next_cursor"], "limit": 100})).json()
    assert [item["title"] for item in rest["items"]] == ["3", "2", "1", "0"]


async def test_a_cursor_of_another_inbox_is_refused(client: httpx.AsyncClient) -> None:
    for number in range(2):
        await send(client, f"{number}")
    page = (await client.get("/v1/notifications", params={**ALICE, "limit": 1})).json()
    answer = await client.get("/v1/notifications", params={"user_id": "bob", "cursor": page["next_cursor"]})
    assert answer.status_code == 422
    assert "start the list again" in answer.text
