"""The counters: of the inbox, and of several types in one call."""

from uuid import uuid4

import httpx
from hypothesis import HealthCheck, given, settings

from support.calls import count, mark, send
from support.model import TYPES, ModelInbox, Operation, histories

# The service lives for all examples: each has a user of its own.
of_one_service = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@of_one_service
@given(history=histories)
async def test_the_counters_are_those_of_a_recount(client: httpx.AsyncClient, history: list[Operation]) -> None:
    inbox = ModelInbox(client, f"user {uuid4()}")
    await inbox.run(history)
    types = [type_ for type_ in TYPES if type_]
    answer = await count(client, *types, "none-such", user_id=inbox.user_id)
    expected = {type_: inbox.counts(type_) for type_ in types} | {"none-such": dict.fromkeys(inbox.counts(), 0)}
    assert answer.pop("types") == expected
    assert inbox.epoch in {"", answer["position"].partition(".")[0]}
    assert answer.pop("position").endswith(f".{inbox.head}")
    assert answer == inbox.counts()


async def test_without_types_only_the_inbox_is_counted(client: httpx.AsyncClient) -> None:
    await send(client, type="order")
    answer = await count(client)
    assert answer == {"unread": 1, "unseen": 1, "total": 1, "position": answer["position"]}


async def test_each_named_type_is_counted_once(client: httpx.AsyncClient) -> None:
    for type_ in ("order", "order", "chat"):
        await send(client, type=type_)
    answer = await count(client, "chat", "order", "chat", "absent")
    assert answer["types"] == {
        "chat": {"unread": 1, "unseen": 1, "total": 1},
        "order": {"unread": 2, "unseen": 2, "total": 2},
        "absent": {"unread": 0, "unseen": 0, "total": 0},
    }


async def test_what_is_read_counts_as_there_and_what_is_archived_does_not(client: httpx.AsyncClient) -> None:
    first, second, third = [await send(client, f"{number}") for number in range(3)]
    await mark(client, first, "read")
    await mark(client, second, "seen")
    await mark(client, third, "archive")
    answer = await count(client)
    assert (answer["unread"], answer["unseen"], answer["total"]) == (1, 0, 2)


async def test_an_inbox_that_nobody_has_opened_counts_nothing(client: httpx.AsyncClient) -> None:
    first = await count(client, "order", user_id="new")
    assert first["types"] == {"order": {"unread": 0, "unseen": 0, "total": 0}}
    assert (first["unread"], first["unseen"], first["total"]) == (0, 0, 0)
    assert (await count(client, user_id="new"))["position"] == first["position"], "showing up makes the inbox, once"
