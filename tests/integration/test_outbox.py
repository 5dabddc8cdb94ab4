"""The outbox: what a producer sends by SQL, in a transaction of its own."""

import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest
from psycopg import errors

from notify.app import Service
from notify.settings import Settings
from support.audiences import subscribe, titles
from support.calls import ALICE, count, everything, mark, send
from support.clock import ManualClock
from support.invariants import check_inboxes, rows
from support.processes import ADMIN, ADMIN_KEY
from support.waiting import eventually


@pytest.fixture
def producer(any_database_url: str) -> Iterator[psycopg.Connection]:
    """A connection with the rights of a producer, and no others."""
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute("SET ROLE notify_producer")
        yield connection


@pytest.fixture
async def deaf(any_database_url: str) -> AsyncIterator[Service]:
    """A service whose outbox does not ring, and which looks for itself twenty times a second."""
    settings = Settings(
        database_url=any_database_url, admin_key=ADMIN_KEY, outbox_doorbell=False, outbox_poll_seconds=0.05
    )
    async with Service(settings).running() as running:
        yield running


async def arrived(client: httpx.AsyncClient, how_many: int = 1) -> list[dict[str, Any]]:
    """What is in alice's inbox, once there is so much."""

    async def look() -> list[dict[str, Any]]:
        found = await everything(client)
        return found if len(found) == how_many else []

    return await eventually(look)


async def set_aside(url: str, how_many: int = 1) -> list[dict[str, Any]]:
    async def look() -> list[dict[str, Any]]:
        found = rows(url, "SELECT * FROM notify.outbox WHERE failed_at IS NOT NULL ORDER BY id")
        return found if len(found) == how_many else []

    return await eventually(look)


async def emptied(url: str) -> None:
    async def look() -> bool:
        return not rows(url, "SELECT FROM notify.outbox WHERE failed_at IS NULL")

    await eventually(look)


async def test_what_is_sent_arrives_with_all_that_was_sent(
    client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    row = producer.execute(
        """
        SELECT notify.send(
            'alice', 'Your table is ready', body => 'Table 7', type => 'booking.ready', level => 'success',
            data => '{"table": 7}', url => '/bookings/7', actions => '[{"label": "Open"}]',
            actor => '{"name": "The kitchen"}', collapse_key => 'booking-7'
        ) AS id
        """
    ).fetchone()
    assert row is not None
    (shown,) = await arrived(client)
    expected = {
        "id": str(row[0]),
        "title": "Your table is ready",
        "body": "Table 7",
        "type": "booking.ready",
        "level": "success",
        "data": {"table": 7},
        "url": "/bookings/7",
        "actions": [{"label": "Open"}],
        "actor": {"name": "The kitchen"},
        "collapse_key": "booking-7",
    }
    assert {name: shown[name] for name in expected} == expected
    assert rows(any_database_url, "SELECT FROM notify.outbox") == []
    assert (await count(client, "booking.ready"))["types"]["booking.ready"]["unread"] == 1


async def test_the_least_that_can_be_sent(client: httpx.AsyncClient, producer: psycopg.Connection) -> None:
    producer.execute("SELECT notify.send('alice', 'hello')")
    producer.execute("INSERT INTO notify.outbox (user_id, title) VALUES ('alice', 'hello again')")
    second, first = await arrived(client, 2)
    assert (first["title"], second["title"]) == ("hello", "hello again")
    for shown in (first, second):
        assert UUID(shown["id"]).version == 7
        assert (shown["level"], shown["body"], shown["data"], shown["type"]) == ("info", None, None, None)


async def test_rolled_back_nothing_happened(client: httpx.AsyncClient, producer: psycopg.Connection) -> None:
    with producer.transaction(force_rollback=True):
        producer.execute("SELECT notify.send('alice', 'never')")
    producer.execute("SELECT notify.send('alice', 'sent')")
    assert [item["title"] for item in await arrived(client)] == ["sent"]
    assert (await count(client))["position"].endswith(".1")


async def test_one_statement_may_send_many_and_they_arrive_in_their_order(
    client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    with producer.transaction():
        for n in range(60):
            producer.execute("SELECT notify.send('alice', %s)", [f"{n}"])
    found = await arrived(client, 60)
    assert [item["title"] for item in found] == [f"{n}" for n in range(59, -1, -1)]
    producer.execute(
        "INSERT INTO notify.outbox (user_id, title) SELECT 'user ' || n % 100, 'x' FROM generate_series(1, 1200) AS n"
    )
    await emptied(any_database_url)
    assert check_inboxes(any_database_url) == 101
    assert (await count(client, user_id="user 7"))["unread"] == 12


async def test_a_collapse_key_works_here_too(
    client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    first = await send(client, "first", collapse_key="k")
    with producer.transaction():
        for n in range(3):
            producer.execute("SELECT notify.send('alice', %s, collapse_key => 'k')", [f"{n}"])
    await emptied(any_database_url)
    assert [(item["id"], item["title"]) for item in await everything(client)] == [(first, "2")]
    assert (await count(client))["position"].endswith(".4")


async def test_an_id_is_written_once(
    client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    id_ = uuid4()
    for _ in range(2):
        producer.execute("INSERT INTO notify.outbox (id, user_id, title) VALUES (%s, 'alice', 'once')", [id_])
        await emptied(any_database_url)
    assert [item["id"] for item in await everything(client)] == [str(id_)]
    assert (await count(client))["position"].endswith(".1")
    await mark(client, str(id_), "read")


async def test_deleting_a_row_that_still_waits_cancels_it(any_database_url: str, deaf: Service) -> None:
    await deaf.outbox.stop()
    with psycopg.connect(any_database_url) as connection:
        connection.execute("SELECT notify.send('alice', 'cancelled')")
        assert connection.execute("DELETE FROM notify.outbox").rowcount == 1
    assert not await deaf.outbox.claim(500)


async def test_several_users_are_sent_one_each_or_none(
    service: Service, client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    with producer.transaction():
        for users, excluded in ((["alice", "bob", "alice"], None), (["alice", "bob", "carol"], ["alice", "bob"])):
            row = "INSERT INTO notify.outbox (user_ids, exclude, title, progress) VALUES (%s, %s, 'to several', 0.5)"
            producer.execute(row, (users, excluded))
    await emptied(any_database_url)
    assert [await titles(client, user) for user in ("alice", "bob", "carol")] == [["to several"]] * 3
    assert (await everything(client))[0]["progress"] == 0.5
    assert check_inboxes(any_database_url) == 3
    assert service.metrics.created.labels("outbox")._value.get() == 3


async def test_topics_and_everyone_are_published_to_once_with_the_id_of_the_row(
    service: Service, client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    for user in ("alice", "bob", "carol"):
        await titles(client, user)
    await subscribe(client, "alice", "a/b")
    await subscribe(client, "bob", "c")
    ids: list[UUID] = []
    with producer.transaction():
        for topics, title, excluded in ((["a/b", "c"], "topics", ["bob"]), (None, "everyone", ["carol"])):
            row = producer.execute("SELECT notify.publish(%s, %s, exclude => %s)", (topics, title, excluded)).fetchone()
            assert row is not None
            ids.append(row[0])
    await emptied(any_database_url)
    again = "INSERT INTO notify.outbox (id, everyone, title) VALUES (%s, true, 'again')"
    for statement, arguments in (
        ("INSERT INTO notify.outbox (topic, title, data) VALUES ('c', 'one topic', '{\"n\": 1}')", ()),
        (again, ids[:1]),
        (again, ids[1:]),
    ):
        producer.execute(statement.encode(), arguments)
    await emptied(any_database_url)
    assert await titles(client, "alice") == ["everyone", "topics"]
    assert await titles(client, "bob") == ["one topic", "everyone"]
    assert await titles(client, "carol") == []
    for id_, topics in zip(ids, (["a/b", "c"], []), strict=True):
        found = (await client.get(f"/v1/operations/{id_}")).json()
        assert (found["topics"], found["counted"]["pulled"]) == (topics, 2 - len(topics) // 2)
    assert service.metrics.published._value.get() == 3
    assert service.metrics.created.labels("outbox")._value.get() == 0


async def test_all_kinds_of_rows_are_written_in_one_transaction(
    service: Service, client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    for user in ("alice", "bob"):
        await titles(client, user)
    await service.outbox.stop()
    with producer.transaction():
        producer.execute("SELECT notify.publish(NULL, 'to everyone')")
        producer.execute("SELECT notify.send('alice', 'to one')")
        producer.execute("INSERT INTO notify.outbox (user_ids, title) VALUES ('{alice,bob}', 'to two')")
        producer.execute("INSERT INTO notify.outbox (topic, app_id, title) VALUES ('a', 'nowhere', 'to nobody')")
    # What is set aside fails all of them first.
    while await service.outbox.claim(500):
        pass
    (failed,) = await set_aside(any_database_url)
    assert failed["title"] == "to nobody"
    for user, expected in (("alice", ["to everyone", "to one", "to two"]), ("bob", ["to everyone", "to two"])):
        assert sorted(await titles(client, user)) == expected
    check_inboxes(any_database_url)


async def test_a_transaction_writes_only_so_many_notifications(
    service: Service, client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    await service.outbox.stop()
    users = [f"user {n}" for n in range(300)]
    for _ in range(3):
        producer.execute("INSERT INTO notify.outbox (user_ids, title) VALUES (%s, 'x')", [users])
    claimed = [await service.outbox.claim(500) for _ in range(3)]
    assert claimed == [True, True, False]
    assert rows(any_database_url, "SELECT FROM notify.outbox") == []
    assert (await count(client, user_id="user 7"))["unread"] == 3


async def test_what_has_expired_by_then_is_removed_and_what_has_not_expires_in_time(
    client: httpx.AsyncClient, producer: psycopg.Connection, clock: ManualClock, any_database_url: str
) -> None:
    for title, hours in (("over", -1), ("lasts", 1)):
        expires_at = clock.now() + timedelta(hours=hours)
        producer.execute("SELECT notify.send('alice', %s, expires_at => %s)", (title, expires_at))
        producer.execute("SELECT notify.publish(NULL, %s, expires_at => %s)", (title, expires_at))
    await emptied(any_database_url)
    assert await titles(client, "alice") == ["lasts", "lasts"]
    clock.advance(timedelta(hours=1))
    assert await titles(client, "alice") == []
    assert rows(any_database_url, "SELECT FROM notify.outbox") == []
    assert rows(any_database_url, "SELECT FROM notify.releases") == [], "nothing was scheduled"


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"user_ids": ["alice", None]}, "str"),
        ({"user_ids": ["alice", "line\nbreak"]}, "regex|matching"),
        ({"user_ids": [f"user {n}" for n in range(1001)]}, "/to: At most 1000 users"),
        ({"user_id": "alice", "exclude": ["alice"]}, "/exclude: This leaves nobody"),
        ({"topic": "not a topic"}, "regex|matching"),
        ({"topic": "a/*"}, "regex|matching"),
        ({"topics": ["a", ""]}, "regex|matching"),
        ({"topics": [f"topic-{n}" for n in range(200)]}, "/to/topics: At most"),
        ({"everyone": True, "exclude": [f"user {n}" for n in range(1001)]}, "/exclude: At most 1000 users"),
    ],
    ids=["null", "user", "users", "nobody", "topic", "pattern", "empty", "topics", "exclude"],
)
async def test_an_audience_that_http_refuses_is_set_aside(
    client: httpx.AsyncClient,
    producer: psycopg.Connection,
    any_database_url: str,
    columns: dict[str, Any],
    reason: str,
) -> None:
    names = ", ".join(columns)
    statement = f"INSERT INTO notify.outbox (title, {names}) VALUES ('bad', {', '.join(['%s'] * len(columns))})"
    producer.execute(statement.encode(), list(columns.values()))
    producer.execute("SELECT notify.send('alice', 'behind')")
    assert [item["title"] for item in await arrived(client)] == ["behind"]
    (failed,) = await set_aside(any_database_url)
    assert re.search(reason, failed["failure"]), failed["failure"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"app_id": "nowhere"}, "app"),
        ({"user_id": "line\nbreak"}, "allowed|regex|matching"),
        ({"type": "not a type"}, "regex|matching"),
        ({"url": "javascript:alert(1)"}, "regex|matching"),
        ({"actions": '[{"label": 1}]'}, "str"),
        ({"actor": '{"unknown": 1}'}, "unknown|missing"),
        ({"body": "x" * 8193}, "/body: At most 8192 bytes"),
        ({"data": '{"x": "' + "x" * 16384 + '"}'}, "/data: At most 16384 bytes"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_what_can_never_be_written_is_set_aside_with_the_reason_and_nothing_waits_behind_it(
    client: httpx.AsyncClient,
    producer: psycopg.Connection,
    any_database_url: str,
    columns: dict[str, str],
    reason: str,
) -> None:
    row = {"user_id": "alice", "title": "bad"} | columns
    names = ", ".join(row)
    statement = f"INSERT INTO notify.outbox ({names}) VALUES ({', '.join(['%s'] * len(row))})"
    with producer.transaction():
        producer.execute("SELECT notify.send('alice', 'before')")
        producer.execute(statement.encode(), list(row.values()))
        producer.execute("SELECT notify.send('alice', 'behind')")
    assert [item["title"] for item in await arrived(client, 2)] == ["behind", "before"]
    (failed,) = await set_aside(any_database_url)
    assert re.search(reason, failed["failure"]), failed["failure"]
    assert check_inboxes(any_database_url)


async def test_what_was_set_aside_can_be_mended_and_tried_again(
    client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    producer.execute("INSERT INTO notify.outbox (user_id, title, type) VALUES ('alice', 'mended', 'not a type')")
    await set_aside(any_database_url)
    with psycopg.connect(any_database_url) as connection:
        connection.execute("UPDATE notify.outbox SET type = 'a.type', failed_at = NULL")
        connection.execute("NOTIFY notify, 'outbox'")
    assert [item["title"] for item in await arrived(client)] == ["mended"]


@pytest.mark.parametrize(
    "values",
    [
        "('', 'title')",
        "('alice', '')",
        "(repeat('x', 256), 'title')",
        "('alice', repeat('x', 256))",
        "(NULL, 'title')",
        "('alice', NULL)",
    ],
)
def test_what_the_table_can_judge_fails_in_the_producers_own_statement(
    producer: psycopg.Connection, values: str
) -> None:
    with pytest.raises((errors.CheckViolation, errors.NotNullViolation)):
        producer.execute(f"INSERT INTO notify.outbox (user_id, title) VALUES {values}".encode())


@pytest.mark.parametrize(
    "row",
    [
        "(user_id, everyone, title) VALUES ('alice', true, 'two audiences')",
        "(topic, topics, title) VALUES ('a', '{b}', 'two audiences')",
        "(title) VALUES ('none')",
        "(everyone, title) VALUES (false, 'nobody')",
        "(user_ids, title) VALUES ('{}', 'nobody')",
        "(topics, title) VALUES ('{}', 'nowhere')",
        "(user_id, title, progress) VALUES ('alice', 'x', 1.1)",
        "(user_id, title, progress) VALUES ('alice', 'x', 'NaN')",
        "(user_id, title, send_at, expires_at) VALUES ('alice', 'x', now(), now())",
        "(user_id, title, send_at) VALUES ('alice', 'x', 'infinity')",
        "(user_id, title, send_at) VALUES ('alice', 'x', '20000-01-01')",
        "(user_id, title, expires_at) VALUES ('alice', 'x', 'infinity')",
        "(user_id, title, expires_at) VALUES ('alice', 'x', '-infinity')",
    ],
)
def test_an_audience_and_the_times_are_judged_at_once_too(producer: psycopg.Connection, row: str) -> None:
    with pytest.raises(errors.CheckViolation):
        producer.execute(f"INSERT INTO notify.outbox {row}".encode())


@pytest.mark.parametrize(
    "column", ["level => 'loud'", "data => '[]'", "data => '1'", "actions => '{}'", "actor => '\"x\"'"]
)
def test_the_shape_of_json_and_the_level_are_checked_at_once(producer: psycopg.Connection, column: str) -> None:
    with pytest.raises(errors.CheckViolation):
        producer.execute(f"SELECT notify.send('alice', 'title', {column})".encode())


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM notify.outbox",
        "DELETE FROM notify.outbox",
        "UPDATE notify.outbox SET title = 'x'",
        "INSERT INTO notify.outbox (user_id, title) VALUES ('alice', 'x') RETURNING id",
        "INSERT INTO notify.outbox (user_id, title, created_at) VALUES ('alice', 'x', 'epoch')",
        "INSERT INTO notify.outbox (user_id, title, failed_at) VALUES ('alice', 'x', now())",
        "SELECT FROM notify.notifications",
        "SELECT FROM notify.inboxes",
        "SELECT FROM notify.api_keys",
        "SELECT jwt_secret FROM notify.apps",
        "SELECT FROM notify.store",
        "SELECT FROM notify.idempotency",
        "UPDATE notify.store SET generation = 'x'",
        "SELECT notify.ring_outbox()",
        "CREATE TABLE notify.mine ()",
    ],
)
def test_a_producer_may_do_nothing_else(producer: psycopg.Connection, statement: LiteralString) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        producer.execute(statement)


def test_nobody_else_may_send(any_database_url: str) -> None:
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE stranger")
        try:
            connection.execute("SET ROLE stranger")
            for call in ("SELECT notify.send('alice', 'title')", "SELECT notify.publish(NULL, 'title')"):
                with pytest.raises(errors.InsufficientPrivilege):
                    connection.execute(call)
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP ROLE stranger")


async def test_a_doorbell_that_is_off_does_not_ring_and_the_outbox_is_looked_at_anyway(
    deaf: Service, any_database_url: str
) -> None:
    async def is_listening() -> bool:
        return deaf.listener.connected

    # From then on nothing but the clock makes it look, at the latest after it has found the first.
    await eventually(is_listening)
    with psycopg.connect(any_database_url, autocommit=True) as listening:
        listening.execute("LISTEN notify")
        transport = httpx.ASGITransport(deaf.asgi)  # type: ignore[arg-type]  # Litestar's own ASGI types
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
            for how_many in (1, 2):
                listening.execute("SELECT notify.send('alice', 'quietly')")
                assert [item["title"] for item in await arrived(client, how_many)] == ["quietly"] * how_many
        assert [ring.payload for ring in listening.notifies(timeout=0) if ring.payload == "outbox"] == []


def test_a_doorbell_that_is_on_rings_once_a_statement(any_database_url: str) -> None:
    with psycopg.connect(any_database_url, autocommit=True) as listening:
        listening.execute("LISTEN notify")
        listening.execute("INSERT INTO notify.outbox (user_id, title) SELECT 'alice', 'x' FROM generate_series(1, 9)")
        (ring,) = [ring for ring in listening.notifies(timeout=5, stop_after=1) if ring.payload == "outbox"]
    assert ring.channel == "notify"


async def test_the_setting_turns_the_doorbell_on_again(any_database_url: str, deaf: Service) -> None:
    assert deaf.settings.outbox_doorbell is False
    assert rows(any_database_url, "SELECT outbox_doorbell FROM notify.store") == [{"outbox_doorbell": False}]
    async with Service(Settings(database_url=any_database_url, admin_key=ADMIN_KEY)).running():
        assert rows(any_database_url, "SELECT outbox_doorbell FROM notify.store") == [{"outbox_doorbell": True}]


async def test_many_bad_rows_among_good_ones_are_each_set_aside(
    client: httpx.AsyncClient, producer: psycopg.Connection, any_database_url: str
) -> None:
    """What only PostgreSQL refuses fails a whole group, which is halved until the bad ones are alone."""
    with producer.transaction():
        for n in range(40):
            app_id = "nowhere" if n % 13 == 5 else "default"
            producer.execute(
                "INSERT INTO notify.outbox (app_id, user_id, title) VALUES (%s, 'alice', %s)", [app_id, f"{n}"]
            )
    found = await arrived(client, 37)
    assert [int(item["title"]) for item in found] == [n for n in range(39, -1, -1) if n % 13 != 5]
    failed = await set_aside(any_database_url, 3)
    assert [row["title"] for row in failed] == ["5", "18", "31"]
    page = (await client.get("/v1/notifications", params=ALICE)).json()
    assert page["position"].endswith(".37"), "what failed took no position"
