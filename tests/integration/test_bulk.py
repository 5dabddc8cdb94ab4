"""read-all, seen-all and archive-all."""

from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notify.app import Service
from notify.store import bulk
from support.calls import ALICE, changes, count, everything, mark, send
from support.invariants import check_inboxes
from support.model import ModelInbox, Operation, histories

# The service lives for all examples: each has a user of its own.
of_one_service = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


async def mark_all(client: httpx.AsyncClient, mark: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/notifications/{mark}-all", params=ALICE, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def states(client: httpx.AsyncClient) -> list[str]:
    """Each title with what was done to it, oldest first."""
    letters = {"seen_at": "s", "read_at": "r", "archived_at": "a"}
    return [
        item["title"] + "".join(letter for name, letter in letters.items() if item[name])
        for item in reversed(await everything(client))
    ]


@pytest.mark.parametrize(
    ("name", "after", "updated"),
    [
        ("read", ["new sr", "seen sr", "read sr", "archived a"], 2),
        ("seen", ["new s", "seen s", "read sr", "archived a"], 1),
        ("archive", ["new a", "seen sa", "read sra", "archived a"], 3),
    ],
)
async def test_everything_that_is_not_so_yet_is_marked(
    client: httpx.AsyncClient, name: str, after: list[str], updated: int
) -> None:
    for title in ("new ", "seen ", "read ", "archived "):
        id_ = await send(client, title)
        if title != "new ":
            await mark(client, id_, title.strip().removesuffix("d") if title == "archived " else title.strip())
    head = int((await count(client))["position"].partition(".")[2])
    answer = await mark_all(client, name)
    assert answer["updated"] == updated
    assert answer["position"].endswith(f".{head + updated}")
    assert await states(client) == after


@pytest.mark.parametrize("name", ["read", "seen", "archive"])
async def test_a_second_time_changes_nothing(client: httpx.AsyncClient, name: str) -> None:
    for number in range(3):
        await send(client, f"{number}")
    first = await mark_all(client, name)
    assert await mark_all(client, name) == {"updated": 0, "position": first["position"]}


async def test_only_the_named_type_is_marked(client: httpx.AsyncClient) -> None:
    for title, type_ in (("a", "order"), ("b", None), ("c", "chat"), ("d", "order")):
        await send(client, title, type=type_)
    assert (await mark_all(client, "read", type="order"))["updated"] == 2
    assert await states(client) == ["asr", "b", "c", "dsr"]
    types = (await count(client, "order", "chat"))["types"]
    assert (types["order"]["unread"], types["chat"]["unread"]) == (0, 1)


@pytest.mark.parametrize("type_", [None, "order"])
async def test_only_what_had_arrived_by_then_is_marked(client: httpx.AsyncClient, type_: str | None) -> None:
    for title in ("a", "b"):
        await send(client, title, type="order")
    before = (await count(client))["position"]
    await send(client, "c", type="order")
    await send(client, "d")
    body = {"before": before} | ({"type": type_} if type_ else {})
    assert (await mark_all(client, "read", **body))["updated"] == 2
    assert await states(client) == ["asr", "bsr", "c", "d"]


async def test_before_means_arrived_whatever_happened_since(client: httpx.AsyncClient) -> None:
    a, b = await send(client, "a"), await send(client, "b", collapse_key="key")
    rendered = (await count(client))["position"]
    await mark(client, a, "seen")
    await send(client, "b again", collapse_key="key")
    assert (await mark_all(client, "archive", before=rendered))["updated"] == 1
    assert await states(client) == ["asa", "b again"]
    assert [item["id"] for item in await everything(client)] == [b, a]


async def test_before_the_beginning_nothing_is_marked(client: httpx.AsyncClient) -> None:
    await send(client, "a")
    head = (await count(client))["position"]
    beginning = head.partition(".")[0] + ".0"
    assert await mark_all(client, "archive", before=beginning) == {"updated": 0, "position": head}


async def test_a_position_that_the_inbox_has_not_reached_is_refused(client: httpx.AsyncClient) -> None:
    await send(client, "a")
    head = (await count(client))["position"]
    for before in (head.partition(".")[0] + ".2", "0000000000.1"):
        answer = await client.post("/v1/notifications/read-all", params=ALICE, json={"before": before})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/before")
    assert await states(client) == ["a"]


async def test_the_body_may_be_absent(client: httpx.AsyncClient) -> None:
    await send(client, "a")
    answer = await client.post("/v1/notifications/read-all", params=ALICE)
    assert answer.json()["updated"] == 1


async def test_an_empty_inbox_has_nothing_to_mark(client: httpx.AsyncClient) -> None:
    assert (await mark_all(client, "read"))["updated"] == 0


async def test_other_inboxes_stay_as_they_are(client: httpx.AsyncClient) -> None:
    await send(client, to="bob")
    await send(client)
    await mark_all(client, "read")
    assert (await count(client, user_id="bob"))["unread"] == 1


@pytest.mark.parametrize(("name", "body"), [("read", {}), ("archive", {}), ("seen", {"type": "order"})])
async def test_more_than_fit_into_one_transaction_are_marked_oldest_first(
    client: httpx.AsyncClient, any_database_url: str, name: str, body: dict[str, str]
) -> None:
    for part in range(3):
        items = [{"to": "alice", "title": f"{part * 500 + n}", "type": "order"} for n in range(500)]
        assert (await client.post("/v1/notifications/batch", json={"items": items})).status_code == 200
    start = (await count(client))["position"]
    answer = await mark_all(client, name, **body)
    assert answer["updated"] == 1500
    assert answer["position"].endswith(".3000")
    marked: list[str] = []
    position, more = start, True
    while more:
        page = await changes(client, position)
        marked += [event["data"]["title"] for event in page["items"]]
        position, more = page["position"], page["more"]
    with psycopg.connect(any_database_url) as connection:
        rows = connection.execute("SELECT title FROM notify.notifications ORDER BY arrived_position").fetchall()
    assert marked == [title for (title,) in rows]
    check_inboxes(any_database_url)


@of_one_service
@given(history=histories, name=st.sampled_from(["read", "seen", "archive"]), rows_each=st.integers(1, 4))
async def test_however_few_fit_into_one_transaction_the_outcome_is_that_of_the_model(
    client: httpx.AsyncClient, history: list[Operation], name: str, rows_each: int
) -> None:
    inbox = ModelInbox(client, f"user {uuid4()}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_ROWS_PER_TRANSACTION", rows_each)
        await inbox.run(history)
        before = inbox.head
        await inbox.all_(name, None, None)
    if inbox.head:
        query = {"user_id": inbox.user_id, "after": f"{inbox.epoch}.{before}"}
        events = (await client.get("/v1/changes", params=query)).json()["items"]
        assert [(event["event"], event["id"], event["data"]["id"]) for event in events] == inbox.changes(before)


async def test_what_arrives_meanwhile_is_left_alone(
    client: httpx.AsyncClient, service: Service, any_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two of its transactions: a new one, and one that arrives again."""
    items = [{"to": "alice", "title": f"{n}", "collapse_key": f"{n}"} for n in range(600)]
    await client.post("/v1/notifications/batch", json={"items": items})
    late = f"{uuid4()}"
    mark_some = service.bulk_marks._mark_some
    calls = 0

    async def interrupted(wanted: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            await send(client, late)
            await send(client, late, collapse_key="599")
        return await mark_some(wanted)

    monkeypatch.setattr(service.bulk_marks, "_mark_some", interrupted)
    assert (await mark_all(client, "read"))["updated"] == 599
    unread = await everything(client, status="unread")
    assert [item["title"] for item in unread] == [late, late]
    check_inboxes(any_database_url)
