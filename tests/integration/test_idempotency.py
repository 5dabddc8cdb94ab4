"""`Idempotency-Key`: whatever is sent again, and to whichever process, there is never a second notification."""

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, LiteralString, cast

import httpx
import psycopg
import pytest

from notify.app import Service
from notify.settings import Settings
from support.calls import everything, send
from support.clock import ManualClock
from support.credentials import bearer, key, token
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY, NotifyProcess
from support.waiting import eventually

HELLO = {"to": "alice", "title": "hello"}
REPLAYED = "idempotency-replayed"


async def create(client: httpx.AsyncClient, key_: str, body: Any = None, **headers: str) -> httpx.Response:
    return await client.post("/v1/notifications", json=body or HELLO, headers={"Idempotency-Key": key_, **headers})


async def batch(client: httpx.AsyncClient, key_: str, *items: Any) -> httpx.Response:
    return await client.post("/v1/notifications/batch", json={"items": items}, headers={"Idempotency-Key": key_})


def assert_replays(first: httpx.Response, again: httpx.Response) -> None:
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)


@asynccontextmanager
async def another_process(database_url: str, clock: ManualClock, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A second service on the same database, which shares nothing else with the first."""
    service = Service(Settings(database_url=database_url, admin_key=ADMIN_KEY, **settings), clock)
    async with service.running():
        transport = httpx.ASGITransport(cast(Any, service.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://other", headers=ADMIN) as client:
            yield client


@contextmanager
def held(database_url: str, statement: LiteralString, *arguments: Any) -> Iterator[None]:
    """Whatever this statement locks stays locked, by somebody else's transaction."""
    with psycopg.connect(database_url) as connection:
        connection.execute(statement, arguments)
        yield
        connection.rollback()


@contextmanager
def held_inbox(database_url: str, user_id: str) -> Iterator[None]:
    with held(database_url, "SELECT 1 FROM notify.inboxes WHERE user_id = %s FOR UPDATE", user_id):
        yield


async def somebody_waits(database_url: str) -> None:
    """Until a statement of ours waits for a lock."""
    looking = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with psycopg.connect(database_url, autocommit=True) as connection:
        await eventually(lambda: connection.execute(looking).rowcount, what="somebody who waits for a lock")


async def test_the_same_request_again_gets_the_first_answer(client: httpx.AsyncClient) -> None:
    first = await create(client, "order-7")
    assert first.status_code == 201
    assert_replays(first, await create(client, "order-7"))
    assert_replays(first, await create(client, "order-7"))
    assert [item["title"] for item in await everything(client)] == ["hello"]
    # It is the first answer, whatever has become of the notification.
    id_ = first.json()["id"]
    await client.patch(f"/v1/notifications/{id_}", json={"title": "changed"})
    assert_replays(first, await create(client, "order-7"))
    await client.delete(f"/v1/notifications/{id_}")
    assert_replays(first, await create(client, "order-7"))
    assert await everything(client) == []


async def test_the_same_request_is_the_same_however_its_json_is_written(client: httpx.AsyncClient) -> None:
    body = '{"to":"alice","title":"h\u00e9","level":"info","data":{"a":1,"b":[2.0,null]}}'
    again = ' {"data": {"b": [2.0, null], "a": 1},\n"title": "h\\u00e9", "to": "alice"} '
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    first = await client.post("/v1/notifications", content=body.encode(), headers=headers)
    assert_replays(first, await client.post("/v1/notifications", content=again.encode(), headers=headers))


async def test_without_a_key_the_same_request_is_another(client: httpx.AsyncClient) -> None:
    assert await send(client, "hello") != await send(client, "hello")
    assert len(await everything(client)) == 2


async def test_several_users_get_it_once_each(client: httpx.AsyncClient) -> None:
    body = {"to": ["alice", "bob", "alice"], "title": "hello", "collapse_key": "k"}
    first = await create(client, "k", body)
    assert [item["user_id"] for item in first.json()["items"]] == ["alice", "bob"]
    assert_replays(first, await create(client, "k", body))
    assert len(await everything(client)) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"to": "alice", "title": "hello!"},
        {"to": "bob", "title": "hello"},
        {"to": ["alice"], "title": "hello"},
        {"to": "alice", "title": "hello", "level": "error"},
        {"to": "alice", "title": "hello", "data": {}},
    ],
)
async def test_another_request_with_the_same_key_is_refused(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    first = await create(client, "k")
    problem_in(await create(client, "k", body), 422, "idempotency-mismatch")
    problem_in(await batch(client, "k", HELLO), 422, "idempotency-mismatch")
    assert_replays(first, await create(client, "k"))
    assert len(await everything(client)) == 1


async def test_a_key_has_1_to_255_characters(client: httpx.AsyncClient) -> None:
    for key_ in ("k" * 255, "k", "a b", "{}", "caf\u00e9", "%00", "\t."):
        raw = key_.encode("latin-1")
        for call in range(2):
            answer = await client.post("/v1/notifications", json=HELLO, headers=[(b"Idempotency-Key", raw)])
            assert (key_, answer.status_code, REPLAYED in answer.headers) == (key_, 201, call == 1)
    for key_ in ("k" * 256, ""):
        for answer in (await create(client, key_), await batch(client, key_, HELLO)):
            problem = problem_in(answer, 422, "invalid")
            assert problem["errors"][0]["pointer"] == "Idempotency-Key"
            assert "255" in problem["errors"][0]["detail"]


async def test_one_that_still_runs_in_this_process_is_told_to_wait(service: Service, client: httpx.AsyncClient) -> None:
    database_url = str(service.settings.database_url)
    await send(client)
    with held_inbox(database_url, "alice"):
        running = asyncio.create_task(create(client, "k"))
        await somebody_waits(database_url)
        answer = await create(client, "k")
        assert int(answer.headers["retry-after"]) >= 1
        problem_in(answer, 409, "idempotency-busy")
        # Whatever it asks for: what the key means is not settled yet.
        problem_in(await create(client, "k", {"to": "bob", "title": "other"}), 409, "idempotency-busy")
        problem_in(await batch(client, "k", HELLO), 409, "idempotency-busy")
    first = await running
    assert first.status_code == 201
    assert_replays(first, await create(client, "k"))


async def test_one_that_still_runs_in_another_process_is_told_to_wait(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    database_url = str(service.settings.database_url)
    await send(client)
    async with another_process(database_url, clock) as other:
        with held_inbox(database_url, "alice"):
            running = asyncio.create_task(create(other, "k"))
            await somebody_waits(database_url)
            started = time.monotonic()
            answer = await create(client, "k")
            # Tried, not awaited.
            assert time.monotonic() - started < 2
            problem_in(answer, 409, "idempotency-busy")
            problem_in(await batch(client, "k", HELLO), 409, "idempotency-busy")
            # Who uses another key, or none, is not kept waiting for this one.
            assert (await create(client, "another", {"to": "bob", "title": "hello"})).status_code == 201
        first = await running
        assert first.status_code == 201
        assert_replays(first, await create(client, "k"))
        assert_replays(first, await create(other, "k"))
    assert [item["title"] for item in await everything(client)] == ["hello", "a title"]


async def test_the_lock_of_a_key_is_an_advisory_one_that_is_gone_after_the_answer(
    service: Service, client: httpx.AsyncClient
) -> None:
    database_url = str(service.settings.database_url)
    owner_and_key = hashlib.sha256(b"\x00k").hexdigest()
    name = f"default {owner_and_key} 0"
    with held(database_url, "SELECT pg_advisory_lock(hashtextextended(%s, 7))", name):
        problem_in(await create(client, "k"), 409, "idempotency-busy")
    assert (await create(client, "k")).status_code == 201
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'").fetchall() == []


async def test_a_key_is_free_again_after_24_hours(client: httpx.AsyncClient, clock: ManualClock) -> None:
    first = await create(client, "k")
    clock.advance(timedelta(hours=23, minutes=59))
    assert_replays(first, await create(client, "k"))
    problem_in(await create(client, "k", {"to": "alice", "title": "other"}), 422, "idempotency-mismatch")
    clock.advance(timedelta(minutes=1, seconds=1))
    other = await create(client, "k", {"to": "alice", "title": "other"})
    assert (other.status_code, REPLAYED in other.headers) == (201, False)
    # From here on the key means that.
    problem_in(await create(client, "k"), 422, "idempotency-mismatch")
    clock.advance(timedelta(hours=23))
    assert_replays(other, await create(client, "k", {"to": "alice", "title": "other"}))


async def test_what_failed_is_not_remembered(client: httpx.AsyncClient) -> None:
    only_inbox = bearer(await key(client, "inbox"))
    for headers, body, expected in (
        ({}, {"to": "alice", "title": ""}, 422),
        ({}, {"to": "alice", "title": "hello", "data": {"n": 2**64}}, 422),
        ({}, {"to": "alice", "title": "hello", "data": _nested(40)}, 422),
        ({}, {"to": "alice", "title": "hello", "data": _nested(900)}, 422),
        ({}, {"to": "alice", "title": "hello", "colour": "red"}, 422),
        ({}, {"to": "alice", "title": "hello", "body": 300_000 * "x"}, 413),
        (only_inbox, HELLO, 403),
        ({"Authorization": "Bearer nonsense"}, HELLO, 401),
    ):
        answer = await create(client, "k", body, **headers)
        assert (body["title"], answer.status_code) == (body["title"], expected)
    first = await create(client, "k")
    assert (first.status_code, REPLAYED in first.headers) == (201, False)
    assert_replays(first, await create(client, "k"))


def _nested(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for _ in range(depth):
        data = {"x": data}
    return data


async def test_what_the_database_did_not_take_is_not_remembered(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    database_url = str(service.settings.database_url)
    await send(client)
    async with another_process(database_url, clock, database_timeout_seconds=0.3) as hasty:
        with held_inbox(database_url, "alice"):
            problem_in(await create(hasty, "k"), 503, "database-away")
    answer = await create(client, "k", {"to": "alice", "title": "another body"})
    assert (answer.status_code, REPLAYED in answer.headers) == (201, False)
    assert [item["title"] for item in await everything(client)] == ["another body", "a title"]


async def test_users_and_keys_of_an_app_share_no_idempotency_key(client: httpx.AsyncClient) -> None:
    callers = [
        dict(client.headers),
        bearer(await token(client, "alice", "send")),
        bearer(await token(client, "bob", "send")),
    ]
    ids = set()
    for headers in callers:
        first = await create(client, "k", **headers)
        assert first.status_code == 201
        assert_replays(first, await create(client, "k", **headers))
        ids.add(first.json()["id"])
    assert len(ids) == 3
    # The API keys of an app are one producer, so that one of them may be rotated while calls are under way.
    answer = await create(client, "k", **bearer(await key(client, "send")))
    assert answer.headers[REPLAYED] == "true"
    # A new token of the same user is the same user.
    assert (await create(client, "k", **bearer(await token(client, "bob", "send inbox")))).headers[REPLAYED] == "true"


# Batches -------------------------------------------------------------------------------------------------------------


def item(number: int, to: str = "alice") -> dict[str, Any]:
    return {"to": to, "title": f"item {number}"}


WRONG = {"to": "alice", "title": ""}


async def test_a_batch_again_gets_the_first_answer_to_every_item(client: httpx.AsyncClient) -> None:
    for key_, items in (("1", [item(1)]), ("2", [item(1), item(1), item(2)]), ("3", [WRONG, item(3), WRONG, item(4)])):
        first = await batch(client, key_, *items)
        assert [answered["status"] for answered in first.json()["items"]] == [
            201 if wanted["title"] else 422 for wanted in items
        ]
        assert_replays(first, await batch(client, key_, *items))
    assert len(await everything(client)) == 1 + 3 + 2


async def test_another_batch_with_the_same_key_is_refused_whole(client: httpx.AsyncClient) -> None:
    await batch(client, "k", item(1), item(2))
    await batch(client, "w", WRONG, item(3))
    before = await everything(client)
    for key_, items in (
        ("k", [item(1)]),
        ("k", [item(2)]),
        ("k", [item(1), item(2), item(3)]),
        ("k", [item(2), item(1)]),
        ("k", [WRONG, item(1), item(2)]),
        ("w", [item(4)]),
        ("w", [item(4), item(3)]),
        ("w", [WRONG, item(4)]),
    ):
        problem_in(await batch(client, key_, *items), 422, "idempotency-mismatch")
    problem_in(await create(client, "w", item(3)), 422, "idempotency-mismatch")
    assert await everything(client) == before


async def test_a_batch_of_nothing_right_leaves_its_key_free(client: httpx.AsyncClient) -> None:
    assert REPLAYED not in (await batch(client, "k", WRONG)).headers
    assert REPLAYED not in (await batch(client, "k", WRONG)).headers
    assert (await batch(client, "k", item(1))).json()["items"][0]["status"] == 201


async def test_a_batch_that_was_cut_off_goes_on_where_it_was(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    database_url = str(service.settings.database_url)
    await send(client, "the inbox is there", to="bob")
    items = [item(1), item(2, "bob"), item(3)]
    async with another_process(database_url, clock, database_timeout_seconds=0.3) as hasty:
        with held_inbox(database_url, "bob"):
            problem_in(await batch(hasty, "k", *items), 503, "database-away")
    assert [found["title"] for found in await everything(client)] == ["item 1"]
    first_id = (await everything(client))[0]["id"]

    resumed = await batch(client, "k", *items)
    assert [answered["status"] for answered in resumed.json()["items"]] == [201, 201, 201]
    assert resumed.json()["items"][0]["id"] == first_id
    # Not all of it is an answer of before.
    assert REPLAYED not in resumed.headers
    assert_replays(resumed, await batch(client, "k", *items))
    assert [found["title"] for found in await everything(client)] == ["item 3", "item 1"]


async def test_a_batch_that_still_runs_in_another_process_is_told_to_wait(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    database_url = str(service.settings.database_url)
    await send(client)
    async with another_process(database_url, clock) as other:
        with held_inbox(database_url, "alice"):
            running = asyncio.create_task(batch(other, "k", item(1), item(2, "bob")))
            await somebody_waits(database_url)
            problem_in(await batch(client, "k", item(1), item(2, "bob")), 409, "idempotency-busy")
            problem_in(await batch(client, "k", item(3, "carol")), 409, "idempotency-busy")
        first = await running
        assert_replays(first, await batch(client, "k", item(1), item(2, "bob")))


# All of it at once ---------------------------------------------------------------------------------------------------


def test_of_many_identical_requests_to_two_processes_one_is_sent(
    start_notify: Callable[..., NotifyProcess], database_url: str
) -> None:
    processes = [start_notify(), start_notify()]
    calls = 48
    with httpx.Client(headers=ADMIN, timeout=30) as client, ThreadPoolExecutor(16) as threads:

        def call(number: int) -> httpx.Response:
            url = processes[number % 2].url
            if number % 4 < 2:
                return client.post(f"{url}/v1/notifications", json=HELLO, headers={"Idempotency-Key": "one"})
            items = [item(1, "bob"), item(2, "bob"), item(3, "carol")]
            return client.post(
                f"{url}/v1/notifications/batch", json={"items": items}, headers={"Idempotency-Key": "many"}
            )

        answers = list(threads.map(call, range(calls)))
        statuses = Counter(answer.status_code for answer in answers)
        assert statuses.keys() <= {200, 201, 409}, statuses
        assert statuses[201] >= 1
        for answer in answers:
            if answer.status_code == 409:
                problem_in(answer, 409, "idempotency-busy")
        # Whoever was told to wait gets the answer then, and everyone gets the same.
        for number in range(4):
            answers.append(call(number))
            assert answers[-1].headers[REPLAYED] == "true"
        for kind in (200, 201):
            assert len({answer.content for answer in answers if answer.status_code == kind}) == 1
    with psycopg.connect(database_url) as connection:
        written = connection.execute(
            "SELECT user_id, title FROM notify.notifications JOIN notify.inboxes ON inboxes.id = inbox_id ORDER BY 1, 2"
        ).fetchall()
    assert written == [("alice", "hello"), ("bob", "item 1"), ("bob", "item 2"), ("carol", "item 3")]
