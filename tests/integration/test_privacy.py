"""What is held about a user can be exported as a whole and erased as a whole; a receipt says so, and not whom of."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any, cast

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from notify.app import Service
from notify.core.position import Position
from notify.live.feed import Follower
from notify.settings import Settings
from notify.store import erasing, exporting, tables
from notify.store.many import InboxKey
from support.audiences import EVERYONE, publish, subscribe, titles
from support.calls import changes, count, send
from support.clock import ManualClock, hurried
from support.credentials import app, bearer, key, token
from support.invariants import check_inboxes, rows
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY
from support.waiting import eventually

# Long and odd, so that nothing else in a database looks like it.
ALICE = {"user_id": 'alice 1f3a "ß"'}
NAME = ALICE["user_id"]
NAMING = {"user_id", "user_ids", "users", "excluded", "exclude", "inbox_id", "inbox_ids"}
ALSO_NAMING = {"idempotency.answer", "audit.actor"}
"""Columns that hold users among other things."""

SIGNED_OUT = {"sign_outs"}
"""The one trace of an erased user, until none of their tokens can be good any more."""


@pytest.fixture
async def service(any_database_url: str, clock: ManualClock) -> AsyncIterator[Service]:
    settings = Settings(database_url=any_database_url, admin_key=ADMIN_KEY, edits_per_second=1000, presence_seconds=1)
    async with Service(settings, clock).running() as running:
        yield running


async def exported(client: httpx.AsyncClient, user_id: str = NAME) -> list[dict[str, Any]]:
    answer = await client.get("/v1/users/export", params={"user_id": user_id})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def erased(client: httpx.AsyncClient, clock: ManualClock, user_id: str = NAME) -> dict[str, Any]:
    """Erases, and waits until that is done; the operation."""
    answer = await client.delete("/v1/users", params={"user_id": user_id})
    assert answer.status_code == 202, answer.text
    return await hurried(clock, done(client, answer.json()["id"]))


async def done(client: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found = await operation(client, id_)
        return found if found["state"] == "done" else {}

    return await eventually(look)


async def operation(client: httpx.AsyncClient, id_: str) -> dict[str, Any]:
    answer = await client.get(f"/v1/operations/{id_}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def tables_naming(url: str, text: str) -> dict[str, list[Any]]:
    """Every row of every table that holds this in any column, however deep."""
    found: dict[str, list[Any]] = {}
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'notify'::regnamespace AND relkind = 'r'"
        ).fetchall()
        assert len(names) > 20
        for (name,) in names:
            table = connection.execute(SQL("SELECT * FROM notify.{}").format(Identifier(name)))
            hits = [row for row in table if holds(row, text)]
            if hits:
                found[name] = hits
    return found


def holds(value: Any, text: str) -> bool:
    if isinstance(value, dict):
        return any(holds(each, text) for each in value.items())
    if isinstance(value, list | tuple):
        return any(holds(each, text) for each in value)
    return text.encode() in value if isinstance(value, bytes) else text in str(value)


async def live(client: httpx.AsyncClient, service: Service, url: str) -> dict[str, str]:
    """Something of everything about alice, and of others beside her; the titles of hers by what they are in."""
    for user_id in (NAME, "bob"):
        await subscribe(client, user_id, "news/eu")
        await count(client, user_id=user_id)
    await publish(client, EVERYONE, "to everyone", exclude=["carol"])
    await publish(client, {"topic": "news/eu"}, "of a topic")
    await publish(client, EVERYONE, "to others", exclude=[NAME, "carol"])
    for number in range(3):
        await send(client, f"number {number}", to=NAME, type="order")
    answer = await client.post(
        "/v1/notifications",
        json={"to": ["bob", NAME], "title": "to both"},
        headers={"Idempotency-Key": "both"},
    )
    assert answer.status_code == 201
    alone = await client.post(
        "/v1/notifications", json={"to": NAME, "title": "to one"}, headers={"Idempotency-Key": "one"}
    )
    deleted = await send(client, "deleted", to=NAME)
    assert (await client.delete(f"/v1/notifications/{deleted}", params=ALICE)).status_code == 204
    read = alone.json()["id"]
    assert (await client.post(f"/v1/notifications/{read}/read", params=ALICE)).status_code == 200
    position = (await count(client, user_id=NAME))["position"]
    assert (
        await client.post("/v1/ack", params=ALICE, json={"device": "phone", "position": position})
    ).status_code == 204
    later = {"send_at": (service.clock.now() + timedelta(days=1)).isoformat()}
    for to in (NAME, [NAME, "bob"], ["bob", "carol"]):
        answer = await client.post("/v1/notifications", json={"to": to, "title": "later", **later})
        assert answer.status_code == 202
    await publish(client, EVERYONE, "later to others", exclude=[NAME], **later)
    flash = {"title": "typing", "durable": False}
    for fields in ({"to": NAME}, {"to": [NAME, "bob"]}, {"to": {"everyone": True}, "exclude": [NAME]}):
        assert (await client.post("/v1/notifications", json={**flash, **fields})).status_code == 202
    assert (await client.post("/v1/tickets", json=ALICE)).status_code == 201
    assert (await client.delete("/v1/sessions", params=ALICE)).status_code == 204
    refused = await client.delete("/v1/sessions", params=ALICE, headers=bearer(await token(client, NAME)))
    assert refused.status_code == 403
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO notify.seen VALUES ('default', %s, now())", [NAME])
        connection.execute(
            "INSERT INTO notify.sessions (id, process_id, app_id, user_id, transport, connected_at)"
            " SELECT gen_random_uuid(), id, 'default', %s, 'sse', now() FROM notify.processes",
            [NAME],
        )
    return {"alone": alone.json()["id"]}


# The whole of it


def test_every_column_that_names_users_is_exported_and_erased_or_there_is_a_reason() -> None:
    columns = {f"{table.name}.{column.name}" for table in tables._metadata.tables.values() for column in table.columns}
    naming = {column for column in columns if column.partition(".")[2] in NAMING} | ALSO_NAMING
    assert naming <= columns
    exports = {column for section in exporting.SECTIONS for column in section.covers}
    erases = {column for part in erasing.PARTS for column in part.covers}
    assert exports | exporting.LEFT_OUT.keys() == naming
    assert erases | erasing.LEFT_OUT.keys() == naming
    assert not exports & exporting.LEFT_OUT.keys()
    assert not erases & erasing.LEFT_OUT.keys()


async def test_after_an_erasure_no_table_names_the_user_and_the_export_before_held_it_all(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    await live(client, service, any_database_url)
    naming = tables_naming(any_database_url, NAME)
    assert naming.keys() == {
        "audit", "flashes", "idempotency", "inboxes", "outbox", "publications", "revocations", "seen", "sessions",
        "subscriptions", "tickets",
    }  # fmt: skip
    (inbox,) = rows(any_database_url, "SELECT * FROM notify.inboxes WHERE user_id = %s", NAME)
    held = {
        name: rows(any_database_url, f"SELECT * FROM notify.{name} WHERE inbox_id = %s", inbox["id"])
        for name in ("notifications", "devices", "acks")
    }
    first, *lines, last = await exported(client)
    assert first["records"] == [section.record for section in exporting.SECTIONS]
    assert (first["record"], first["user_id"], first["app"]) == ("export", NAME, "default")
    found = {record: [line for line in lines if line["record"] == record] for record in first["records"]}
    assert last == {"record": "end", "counts": {record: len(each) for record, each in found.items()}}
    ids = {str(row["id"]) for row in held["notifications"]}
    assert {line["id"] for line in found["notification"]} == ids
    assert {line["title"] for line in found["notification"] if line["deleted_at"]} == {""}
    assert {line["title"] for line in found["notification"]} == {
        "to everyone", "of a topic", "number 0", "number 1", "number 2", "to both", "to one", "",
    }  # fmt: skip
    counts = {record: len(each) for record, each in found.items()}
    assert counts == {
        "inbox": 1, "notification": 8, "device": 1, "ack": 1, "subscription": 1, "session": 1, "seen": 1,
        "ticket": 1, "sign_out": 0, "revocation": 1, "waiting": 3, "exclusion": 1, "flash": 3, "answer": 2, "act": 3,
        "erasure": 0,
    }  # fmt: skip
    assert [line["action"] for line in found["act"]] == ["revokeSessions", "revokeSessions", "exportUser"]
    assert "bob" not in str(lines)
    assert "carol" not in str(lines)
    finished = await erased(client, clock)
    assert (finished["kind"], finished["actor"]) == ("erase", "admin key")
    assert finished["done"] == finished["total"] > len(held["notifications"])
    assert tables_naming(any_database_url, NAME).keys() == SIGNED_OUT
    for name in ("notifications", "devices", "acks", "type_counts"):
        assert rows(any_database_url, f"SELECT * FROM notify.{name} WHERE inbox_id = %s", inbox["id"]) == []
    assert rows(any_database_url, "SELECT * FROM notify.erasures") == []
    check_inboxes(any_database_url)


async def test_what_others_have_stays(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    ids = await live(client, service, any_database_url)
    await erased(client, clock)
    assert set(await titles(client, "bob")) == {"to everyone", "of a topic", "to others", "to both"}
    waiting = rows(any_database_url, "SELECT * FROM notify.outbox ORDER BY id")
    assert [(row["user_id"], row["user_ids"], row["everyone"], row["exclude"]) for row in waiting] == [
        (None, ["bob"], None, []),
        (None, ["bob", "carol"], None, []),
        (None, None, True, []),
    ]
    assert [row["excluded"] for row in rows(any_database_url, "SELECT * FROM notify.publications ORDER BY position")][
        -1
    ] == ["carol"]
    flashes = rows(any_database_url, "SELECT user_ids, excluded FROM notify.flashes ORDER BY id")
    assert flashes == [{"user_ids": ["bob"], "excluded": []}, {"user_ids": [], "excluded": []}]
    # What was asked with a key is not done again.
    replayed = await client.post(
        "/v1/notifications", json={"to": ["bob", NAME], "title": "to both"}, headers={"Idempotency-Key": "both"}
    )
    assert replayed.headers["idempotency-replayed"] == "true"
    assert [item["user_id"] for item in replayed.json()["items"]] == ["bob"]
    replayed = await client.post(
        "/v1/notifications", json={"to": NAME, "title": "to one"}, headers={"Idempotency-Key": "one"}
    )
    assert (replayed.status_code, replayed.json()) == (202, {"id": ids["alone"]})
    assert tables_naming(any_database_url, NAME).keys() == SIGNED_OUT


async def test_what_was_to_be_sent_to_them_alone_is_cancelled(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    send_at = (clock.now() + timedelta(days=1)).isoformat()
    scheduled = await client.post("/v1/notifications", json={"to": NAME, "title": "later", "send_at": send_at})
    await erased(client, clock)
    assert rows(any_database_url, "SELECT * FROM notify.outbox") == []
    # It will not be sent, as for any other that was cancelled.
    assert (await client.delete(f"/v1/scheduled/{scheduled.json()['id']}")).status_code == 204


async def test_another_app_and_another_user_are_not_touched(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    await app(client, "shop")
    of_shop = bearer(await key(client, "send", "inbox", "admin", app_id="shop"))
    for headers in (dict(client.headers), of_shop):
        await client.post("/v1/notifications", json={"to": [NAME, "alice"], "title": "mine"}, headers=headers)
    before = rows(any_database_url, "SELECT * FROM notify.inboxes ORDER BY id")
    await erased(client, clock)
    kept = [row for row in before if (row["app_id"], row["user_id"]) != ("default", NAME)]
    assert rows(any_database_url, "SELECT * FROM notify.inboxes ORDER BY id") == kept
    # And what one app erased, another one does not hear of.
    receipt = rows(any_database_url, "SELECT id FROM notify.operations")[0]["id"]
    problem_in(await client.get(f"/v1/operations/{receipt}", headers=of_shop), 404, "not-found")
    problem_in(
        await client.get(f"/v1/operations/{receipt}", headers=bearer(await key(client, "send"))), 404, "not-found"
    )


async def test_erasing_whom_nobody_knows_and_erasing_twice_is_fine(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    for _ in range(2):
        finished = await erased(client, clock)
        assert finished["state"] == "done"
    await send(client, to=NAME)
    both = [(await client.delete("/v1/users", params=ALICE)).json()["id"] for _ in range(2)]
    for id_ in both:
        await hurried(clock, done(client, id_))
    assert tables_naming(any_database_url, NAME).keys() == SIGNED_OUT


async def test_the_receipt_and_the_audit_log_do_not_say_whom(client: httpx.AsyncClient, clock: ManualClock) -> None:
    await exported(client)
    receipt = await erased(client, clock)
    assert receipt.keys() == {"kind", "id", "actor", "state", "done", "total", "started_at", "ended_at"}
    acts = (await client.get("/v1/audit")).json()["items"]
    assert [(act["action"], act["about"], act["status"]) for act in acts] == [
        ("eraseUser", {"user_id": None, "operation_id": receipt["id"]}, 202),
        ("exportUser", {"user_id": None, "operation_id": acts[1]["about"]["operation_id"]}, 200),
    ]
    export = await operation(client, acts[1]["about"]["operation_id"])
    assert (export["kind"], export["state"]) == ("export", "done")


# Positions


async def test_an_old_position_is_unknown_and_none_is_given_again(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    for number in range(3):
        await send(client, f"number {number}", to=NAME)
    old = (await count(client, user_id=NAME))["position"]
    await erased(client, clock)
    await send(client, "new life", to=NAME)
    missed = await changes(client, old, user_id=NAME)
    assert [event["event"] for event in missed["items"]] == ["reset", "notification"]
    assert missed["items"][0]["data"]["reason"] == "epoch"
    assert missed["position"].partition(".")[0] != old.partition(".")[0]
    assert missed["items"][1]["data"]["title"] == "new life"


async def test_who_comes_back_is_a_new_user_and_gets_what_late_comers_get(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await count(client, user_id=NAME)
    await publish(client, EVERYONE, "a moment ago")
    assert await titles(client, NAME) == ["a moment ago"]
    # Not hurried by more than that is recent.
    await erased(client, clock)
    assert await titles(client, NAME) == ["a moment ago"]
    clock.advance(timedelta(hours=2))
    await erased(client, clock)
    assert await titles(client, NAME) == []


# Followers


class Watching(Follower):
    def __init__(self) -> None:
        self.wakes = 0

    def wake(self) -> None:
        self.wakes += 1


async def test_who_follows_goes_on_in_another_epoch(
    client: httpx.AsyncClient, clock: ManualClock, start: Callable[[], Any]
) -> None:
    elsewhere, _ = await start()
    await send(client, to=NAME)
    watching = Watching()
    feed = elsewhere.hub.follow(InboxKey("default", NAME), watching)
    await feed.loaded()
    before, wakes = feed.head, watching.wakes
    await erased(client, clock)
    await eventually(lambda: feed.epoch != before.epoch)
    assert (feed.tail.head, feed.total) == (0, 0)
    assert watching.wakes > wakes
    await send(client, "new life", to=NAME)
    await eventually(lambda: feed.total == 1)
    assert feed.head == Position.parse((await count(client, user_id=NAME))["position"])
    elsewhere.hub.unfollow(feed, watching)


async def test_what_nobody_follows_any_more_is_forgotten_and_makes_no_inbox(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str, start: Callable[[], Any]
) -> None:
    elsewhere, _ = await start()
    await send(client, to=NAME)
    feed = elsewhere.hub.follow(InboxKey("default", NAME), watching := Watching())
    await feed.loaded()
    elsewhere.hub.unfollow(feed, watching)
    assert elsewhere.hub.followed == 1
    await erased(client, clock)
    await eventually(lambda: elsewhere.hub.followed == 0)
    assert tables_naming(any_database_url, NAME).keys() == SIGNED_OUT


# Crashes and crowds


@pytest.fixture
async def start(any_database_url: str, clock: ManualClock) -> AsyncIterator[Callable[[], Any]]:
    async with AsyncExitStack() as stack:

        async def another() -> tuple[Service, httpx.AsyncClient]:
            settings = Settings(
                database_url=any_database_url, admin_key=ADMIN_KEY, edits_per_second=1000, presence_seconds=1
            )
            running = await stack.enter_async_context(Service(settings, clock).running())
            transport = httpx.ASGITransport(cast(Any, running.asgi))
            client = httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN)
            return running, await stack.enter_async_context(client)

        yield another


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 8, 13, 20])
async def test_whoever_is_left_carries_on_with_what_a_process_that_died_has_begun(  # noqa: PLR0917 - fixtures
    client: httpx.AsyncClient,
    service: Service,
    clock: ManualClock,
    any_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    start: Callable[[], Any],
    steps: int,
) -> None:
    await live(client, service, any_database_url)
    step = service.erasing._step
    made = 0

    async def dies(work: Any, what: Any) -> Any:
        nonlocal made
        made += 1
        if made > steps:
            raise asyncio.CancelledError
        return await step(work, what)

    monkeypatch.setattr(service.erasing, "_step", dies)
    id_ = (await client.delete("/v1/users", params=ALICE)).json()["id"]
    task = service.erasing._task
    assert task is not None
    await hurried(clock, eventually(task.done))
    assert (await operation(client, id_))["state"] == "running"
    await start()
    await hurried(clock, done(client, id_))
    assert tables_naming(any_database_url, NAME).keys() == SIGNED_OUT
    check_inboxes(any_database_url)


async def test_beside_writers_nothing_deadlocks_and_what_came_first_is_gone(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str, start: Callable[[], Any]
) -> None:
    _, elsewhere = await start()
    early = [await send(client, f"early {number}", to=NAME) for number in range(30)]
    ended = asyncio.Event()
    errors: list[str] = []

    async def write(through: httpx.AsyncClient, number: int) -> None:
        made = 0
        while not ended.is_set():
            made += 1
            users = [NAME, "bob"] if number % 2 else ["bob", NAME]
            answers = [
                await through.post(
                    "/v1/notifications", json={"to": users, "title": f"late {number}.{made}", "type": "t"}
                ),
                await through.post("/v1/notifications/read-all", params=ALICE, json={}),
                await through.post(f"/v1/notifications/{early[made % 30]}/archive", params=ALICE),
                await through.get("/v1/notifications", params=ALICE),
            ]
            await publish(through, EVERYONE, f"all {number}.{made}", exclude=[NAME])
            errors.extend(answer.text for answer in answers if answer.status_code not in {200, 201, 404})

    writers = [asyncio.create_task(write(through, n)) for n, through in enumerate([client, elsewhere] * 3)]
    try:
        for _ in range(2):
            id_ = (await client.delete("/v1/users", params=ALICE)).json()["id"]
            await hurried(clock, done(client, id_))
    finally:
        ended.set()
        await asyncio.gather(*writers)
    assert errors == []
    left = rows(any_database_url, "SELECT title FROM notify.notifications WHERE title LIKE 'early%%'")
    assert left == []
    orphans = rows(
        any_database_url, "SELECT id FROM notify.notifications WHERE inbox_id NOT IN (SELECT id FROM notify.inboxes)"
    )
    assert orphans == []
    check_inboxes(any_database_url)
    # And once everybody is quiet, it is as if they had never been.
    await erased(client, clock)
    assert tables_naming(any_database_url, NAME).keys() == SIGNED_OUT


# Exports


async def test_an_export_is_read_in_pages_and_told_of(client: httpx.AsyncClient, service: Service) -> None:
    for start in range(0, 450, 150):
        items = [{"to": NAME, "title": f"number {number}"} for number in range(start, start + 150)]
        assert (await client.post("/v1/notifications/batch", json={"items": items})).status_code == 200
    export = await service.exports.begin(InboxKey("default", NAME), "admin key")
    seen = []
    async with export.running() as pages:
        async for page in pages:
            seen.append(page.count(b"\n"))
            told = await operation(client, str(export.id))
            assert (told["kind"], told["state"], told["total"]) == ("export", "running", 452)
    assert max(seen) == exporting.ROWS_PER_PAGE
    told = await operation(client, str(export.id))
    assert (told["state"], told["done"], told["total"]) == ("done", sum(seen), sum(seen))
    assert told["ended_at"] is not None


async def test_walking_over_much_that_is_others_is_done_in_pages_too(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ROWS_PER_PAGE", 3)
    monkeypatch.setattr(erasing, "_ROWS_PER_TRANSACTION", 3)
    send_at = (clock.now() + timedelta(days=1)).isoformat()
    for number in range(11):
        to = NAME if number % 4 == 3 else f"user {number}"
        for fields in ({"to": to}, {"to": to, "send_at": send_at}):
            answer = await client.post(
                "/v1/notifications",
                json={"title": f"number {number}", **fields},
                headers={"Idempotency-Key": f"key {number} {len(fields)}"},
            )
            assert answer.status_code in {201, 202}
        await publish(client, EVERYONE, f"all {number}", exclude=[to])
    counts = (await exported(client))[-1]["counts"]
    assert {record: counts[record] for record in ("notification", "waiting", "exclusion", "answer")} == {
        "notification": 2,
        "waiting": 2,
        "exclusion": 2,
        "answer": 2,
    }
    await erased(client, clock)
    assert tables_naming(any_database_url, NAME).keys() == SIGNED_OUT
    assert len(rows(any_database_url, "SELECT id FROM notify.outbox")) == 9


async def test_what_changes_while_it_is_exported_comes_again_and_nothing_is_missed(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ROWS_PER_PAGE", 2)
    ids = [await send(client, f"number {number}", to=NAME) for number in range(6)]
    export = await service.exports.begin(InboxKey("default", NAME), "admin key")
    lines = []
    async with export.running() as pages:
        async for page in pages:
            lines += [json.loads(line) for line in page.splitlines()]
            if len(lines) == 4:
                await client.post(f"/v1/notifications/{ids[0]}/read", params=ALICE)
    shown = [line for line in lines if line["record"] == "notification"]
    assert [line["id"] for line in shown] == [*ids, ids[0]]
    assert (shown[0]["read_at"], shown[-1]["read_at"] is None) == (None, False)


async def test_an_export_that_is_left_is_stopped(client: httpx.AsyncClient, service: Service) -> None:
    await send(client, to=NAME)
    export = await service.exports.begin(InboxKey("default", NAME), "admin key")
    async with export.running() as pages:
        await anext(pages)
    told = await operation(client, str(export.id))
    assert (told["state"], told["done"]) == ("stopped", 1)


async def test_an_export_whose_process_died_is_found_to_have_stopped(
    client: httpx.AsyncClient, service: Service, clock: ManualClock
) -> None:
    await service.housekeeping.stop()
    export = await service.exports.begin(InboxKey("default", NAME), "admin key")
    await service.housekeeping.tidy()
    assert (await operation(client, str(export.id)))["state"] == "running"
    clock.advance(timedelta(minutes=6))
    await service.housekeeping.tidy()
    assert (await operation(client, str(export.id)))["state"] == "stopped"
    clock.advance(timedelta(days=366))
    await service.housekeeping.tidy()
    problem_in(await client.get(f"/v1/operations/{export.id}"), 404, "not-found")


async def test_receipts_do_not_get_in_the_way_of_publications(client: httpx.AsyncClient) -> None:
    id_ = await publish(client, EVERYONE)
    assert (await operation(client, id_))["kind"] == "publication"
    only_admin = bearer(await key(client, "admin"))
    problem_in(await client.get(f"/v1/operations/{id_}", headers=only_admin), 404, "not-found")
