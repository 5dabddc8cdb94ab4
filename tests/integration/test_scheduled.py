"""What is to be sent later: on time, once, to everyone it is for; and taken back, with the truth about it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID, uuid4

import httpx
import psycopg
import pytest

from notify.app import Service
from notify.live.feed import Follower
from notify.settings import Settings
from notify.store.many import InboxKey
from notify.store.statements import Statements
from support.audiences import EVERYONE, publish, subscribe, titles
from support.calls import ALICE, everything
from support.clock import ManualClock
from support.credentials import app, bearer, key
from support.invariants import check_inboxes, rows
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY
from support.waiting import eventually


class Watching(Follower):
    def wake(self) -> None:
        """Whoever follows is enough for the inbox to be kept in step."""


MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def later(clock: ManualClock, by: timedelta = HOUR) -> str:
    return (clock.now() + by).isoformat()


async def schedule(
    client: httpx.AsyncClient, send_at: str, title: str = "later", to: Any = "alice", **more: Any
) -> str:
    body = {"to": to, "title": title, "send_at": send_at, **more}
    answer = await client.post("/v1/notifications", json=body)
    assert (answer.status_code, list(answer.json())) == (202, ["id"]), answer.text
    id_: str = answer.json()["id"]
    return id_


async def scheduled(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/scheduled", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def cancel(client: httpx.AsyncClient, id_: str) -> int:
    return (await client.delete(f"/v1/scheduled/{id_}")).status_code


async def arrived(client: httpx.AsyncClient, *wanted: str, user: str = "alice") -> None:
    """Once these titles are there, newest first."""

    async def look() -> bool:
        return await titles(client, user) == list(wanted)

    await eventually(look, what=f"{wanted} for {user}")


def emptied(url: str) -> Callable[[], bool]:
    return lambda: not rows(url, "SELECT FROM notify.outbox WHERE failed_at IS NULL")


@asynccontextmanager
async def calling(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(cast(Any, service.asgi))
    async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
        yield client


@asynccontextmanager
async def another(url: str, clock: ManualClock, **settings: Any) -> AsyncIterator[tuple[Service, httpx.AsyncClient]]:
    """One more process on the same database."""
    made = Service(Settings(database_url=url, admin_key=ADMIN_KEY, **settings), clock)
    async with made.running() as running, calling(running) as client:
        yield running, client


async def test_it_is_sent_at_its_time_and_not_before(
    service: Service, client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    send_at = clock.now() + HOUR
    id_ = await schedule(client, send_at.isoformat(), body="a body", data={"n": 1}, progress=0.5, type="a.type")
    clock.advance(HOUR - MINUTE)
    assert not await service.outbox.claim(500)
    assert await titles(client, "alice") == []
    clock.advance(MINUTE)
    await arrived(client, "later")
    (item,) = await everything(client)
    assert item["id"] == id_
    assert datetime.fromisoformat(item["created_at"]) >= send_at
    assert (item["body"], item["data"], item["progress"], item["type"]) == ("a body", {"n": 1}, 0.5, "a.type")
    assert emptied(any_database_url)()
    assert not await service.outbox.claim(500)
    assert await titles(client, "alice") == ["later"]
    check_inboxes(any_database_url)


async def test_whatever_is_due_first_is_sent_first(client: httpx.AsyncClient, clock: ManualClock) -> None:
    for minutes in (3, 1, 2):
        await schedule(client, later(clock, minutes * MINUTE), f"{minutes}")
    clock.advance(MINUTE)
    await arrived(client, "1")
    clock.advance(2 * MINUTE)
    await arrived(client, "3", "2", "1")


async def test_what_is_past_is_sent_at_once(client: httpx.AsyncClient, clock: ManualClock) -> None:
    for send_at in (later(clock, -HOUR), later(clock, timedelta())):
        body = {"to": "alice", "title": "now", "send_at": send_at}
        assert (await client.post("/v1/notifications", json=body)).status_code == 201
    assert await titles(client, "alice") == ["now", "now"]
    assert (await scheduled(client))["items"] == []


async def test_it_outlives_the_process_that_scheduled_it(any_database_url: str, clock: ManualClock) -> None:
    async with another(any_database_url, clock) as (_, client):
        await schedule(client, later(clock), "still ahead")
        await schedule(client, later(clock, MINUTE), "due meanwhile")
    clock.advance(2 * MINUTE)
    async with another(any_database_url, clock) as (_, client):
        await arrived(client, "due meanwhile")
        clock.advance(HOUR)
        await arrived(client, "still ahead", "due meanwhile")


async def test_nothing_but_its_time_has_to_wake_the_process_that_scheduled_it(
    any_database_url: str, clock: ManualClock
) -> None:
    async with another(any_database_url, clock, outbox_doorbell=False, outbox_poll_seconds=3600) as (_, client):
        await schedule(client, later(clock, 20 * MINUTE))
        await schedule(client, later(clock, 10 * MINUTE), "sooner")
        clock.advance(10 * MINUTE)
        await arrived(client, "sooner")
        clock.advance(10 * MINUTE)
        await arrived(client, "later", "sooner")


async def test_it_is_on_time_in_a_process_that_only_heard_of_it(any_database_url: str, clock: ManualClock) -> None:
    async with (
        another(any_database_url, clock, outbox_poll_seconds=3600) as (scheduling, client),
        another(any_database_url, clock, outbox_poll_seconds=3600) as (other, _),
    ):
        await eventually(lambda: other.listener.connected)
        await scheduling.outbox.stop()
        await schedule(client, later(clock, MINUTE))
        clock.advance(MINUTE)
        await arrived(client, "later")
        assert other.metrics.created.labels("outbox")._value.get() == 1


async def test_what_a_process_held_that_died_another_one_sends_soon(any_database_url: str, clock: ManualClock) -> None:
    """Nothing rings when a transaction is rolled back."""
    async with another(any_database_url, clock, outbox_poll_seconds=3600) as (service, client):
        await schedule(client, later(clock, MINUTE))
        with psycopg.connect(any_database_url) as other:
            other.execute("SELECT FROM notify.outbox FOR UPDATE")
            clock.advance(MINUTE)
            assert not await service.outbox.claim(500)
            other.rollback()
        await arrived(client, "later")


async def test_an_idempotency_key_schedules_once(client: httpx.AsyncClient, clock: ManualClock) -> None:
    body = {"to": "alice", "title": "once", "send_at": later(clock, MINUTE)}
    answers = [
        await client.post("/v1/notifications", json=body, headers={"Idempotency-Key": "a key"}) for _ in range(2)
    ]
    clock.advance(MINUTE)
    await arrived(client, "once")
    answers.append(await client.post("/v1/notifications", json=body, headers={"Idempotency-Key": "a key"}))
    assert [answer.status_code for answer in answers] == [202, 202, 202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true", "true"]
    assert await titles(client, "alice") == ["once"]


async def test_in_a_batch_each_has_its_own_time(client: httpx.AsyncClient, clock: ManualClock) -> None:
    items = [
        {"to": "alice", "title": "now"},
        {"to": "alice", "title": "in a minute", "send_at": later(clock, MINUTE)},
        {"to": "alice", "title": "never", "send_at": later(clock, timedelta(days=401))},
    ]
    answer = (await client.post("/v1/notifications/batch", json={"items": items})).json()["items"]
    assert [item["status"] for item in answer] == [201, 202, 422]
    clock.advance(MINUTE)
    await arrived(client, "in a minute", "now")


async def test_to_several_users_it_is_sent_to_each_or_to_none(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    users = [f"user-{n}" for n in range(40)]
    await schedule(client, later(clock, MINUTE), to=[*users, users[0]], exclude=[users[1]])
    clock.advance(MINUTE)
    for user in users:
        await arrived(client, *(["later"] if user != users[1] else []), user=user)
    found = rows(any_database_url, "SELECT count(*), count(DISTINCT id) AS ids FROM notify.notifications")
    assert found == [{"count": 39, "ids": 39}]
    check_inboxes(any_database_url)


async def test_to_topics_and_to_everyone_it_is_published_at_its_time(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    for user in ("alice", "bob", "carol"):
        assert await titles(client, user) == []
    await subscribe(client, "alice", "a/b")
    await subscribe(client, "carol", "a/*")
    topic = await schedule(client, later(clock, MINUTE), "to a topic", {"topic": "a/b"})
    several = await schedule(client, later(clock, 2 * MINUTE), "to topics", {"topics": ["a/b", "c"]}, exclude=["carol"])
    every = await schedule(client, later(clock, 3 * MINUTE), "to all", EVERYONE, exclude=["alice"])
    for id_ in (topic, several, every):
        assert (await client.get(f"/v1/operations/{id_}")).status_code == 404
        clock.advance(MINUTE)

        async def is_published(id_: str = id_) -> bool:
            return (await client.get(f"/v1/operations/{id_}")).status_code == 200

        await eventually(is_published)
    assert await titles(client, "alice") == ["to topics", "to a topic"]
    assert await titles(client, "bob") == ["to all"]
    assert await titles(client, "carol") == ["to all", "to a topic"]
    assert service.metrics.published._value.get() == 3


async def test_who_is_connected_gets_what_is_published_at_its_time(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    feed = service.hub.follow(InboxKey("default", "alice"), Watching())
    await feed.loaded()
    await schedule(client, later(clock, MINUTE), to=EVERYONE)
    clock.advance(MINUTE)
    await eventually(lambda: feed.total == 1)


async def test_how_long_it_lasts_counts_from_when_it_is_sent(client: httpx.AsyncClient, clock: ManualClock) -> None:
    send_at = clock.now() + HOUR
    await schedule(client, send_at.isoformat(), ttl_seconds=60)
    (item,) = (await scheduled(client))["items"]
    assert datetime.fromisoformat(item["expires_at"]) == send_at + MINUTE
    clock.advance(HOUR)
    await arrived(client, "later")
    clock.advance(MINUTE)
    await arrived(client)


async def test_what_is_over_before_anybody_could_send_it_is_not_sent(
    service: Service, client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    await service.outbox.stop()
    id_ = await schedule(client, later(clock), ttl_seconds=60)
    kept = await schedule(client, later(clock), "kept", ttl_seconds=3600)
    clock.advance(HOUR + MINUTE)
    assert not await service.outbox.claim(500)
    assert await titles(client, "alice") == ["kept"]
    assert rows(any_database_url, "SELECT FROM notify.outbox") == []
    assert [await cancel(client, each) for each in (id_, kept)] == [204, 409]


async def test_what_is_cancelled_is_not_sent(
    service: Service, client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    id_, kept = await schedule(client, later(clock), "cancelled"), await schedule(client, later(clock), "kept")
    assert [await cancel(client, id_) for _ in range(2)] == [204, 204]
    assert [item["id"] for item in (await scheduled(client))["items"]] == [kept]
    clock.advance(HOUR)
    await arrived(client, "kept")
    assert await cancel(client, id_) == 204
    assert emptied(any_database_url)()
    assert not await service.outbox.claim(500)


async def test_what_was_sent_cannot_be_cancelled_and_the_problem_says_what_can_be_done(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    id_ = await schedule(client, later(clock))
    clock.advance(HOUR)
    await arrived(client, "later")
    for _ in range(2):
        problem = problem_in(await client.delete(f"/v1/scheduled/{id_}"), 409, "already-sent")
        assert "same id" in problem["detail"]
    assert (await client.delete(f"/v1/notifications/{id_}", params=ALICE)).status_code == 204


async def test_what_was_never_scheduled_is_not_found(
    service: Service, client: httpx.AsyncClient, any_database_url: str
) -> None:
    await service.outbox.stop()
    at_once = rows(any_database_url, "INSERT INTO notify.outbox (user_id, title) VALUES ('alice', 'x') RETURNING id")
    for id_ in (uuid4(), UUID(int=0), at_once[0]["id"]):
        problem_in(await client.delete(f"/v1/scheduled/{id_}"), 404, "not-found")
    assert len(rows(any_database_url, "SELECT FROM notify.outbox")) == 1


async def test_nobody_sees_or_cancels_what_another_app_has_scheduled(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await app(client, "shop")
    headers = bearer(await key(client, "send", app_id="shop"))
    ids = [await schedule(client, later(clock, minutes * MINUTE)) for minutes in (1, 60)]
    clock.advance(MINUTE)
    await arrived(client, "later")
    assert (await client.get("/v1/scheduled", headers=headers)).json() == {"items": [], "next_cursor": None}
    for id_ in ids:
        problem_in(await client.delete(f"/v1/scheduled/{id_}", headers=headers), 404, "not-found")
    clock.advance(HOUR)
    await arrived(client, "later", "later")


async def test_whoever_cancels_what_is_just_being_sent_waits_and_is_told_the_truth(
    service: Service, client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    await publish(client, EVERYONE)
    await titles(client, "alice")
    await service.outbox.stop()
    id_ = await schedule(client, later(clock, MINUTE))
    clock.advance(MINUTE)

    async def so_many_wait(how_many: int) -> None:
        waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        await eventually(lambda: len(rows(any_database_url, waiting)) == how_many)

    with psycopg.connect(any_database_url) as slow:
        slow.execute("SELECT FROM notify.inboxes FOR UPDATE")
        sending = asyncio.create_task(service.outbox.claim(500))
        await so_many_wait(1)
        cancelling = asyncio.create_task(cancel(client, id_))
        await so_many_wait(2)
        slow.rollback()
    await sending
    assert await cancelling == 409


async def test_the_list_shows_what_was_asked_for_in_the_order_of_the_times(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    send_at, expires_at = clock.now() + HOUR, clock.now() + 2 * HOUR
    whole: dict[str, Any] = {
        "title": "all of it",
        "body": "a body",
        "type": "a.type",
        "level": "warning",
        "data": {"n": [1]},
        "url": "/a",
        "actions": [{"label": "Open"}],
        "actor": {"name": "Bob"},
        "collapse_key": "k",
        "progress": 0.25,
    }
    id_ = await schedule(client, send_at.isoformat(), to="alice", expires_at=expires_at.isoformat(), **whole)
    (item,) = (await scheduled(client))["items"]
    times = {name: datetime.fromisoformat(item.pop(name)) for name in ("send_at", "expires_at", "created_at")}
    assert item == {"id": id_, "to": "alice", "exclude": [], "failure": None, **whole}
    assert (times["send_at"], times["expires_at"]) == (send_at, expires_at)
    assert times["created_at"] <= clock.now()
    audiences: list[Any] = [["alice", "bob"], {"topic": "a"}, {"topics": ["a", "b"]}, EVERYONE]
    for n, to in enumerate(audiences, 1):
        await schedule(client, later(clock, n * MINUTE), to=to, exclude=["carol"])
    shown = (await scheduled(client))["items"][:-1]
    assert [each["to"] for each in shown] == audiences
    assert [each["exclude"] for each in shown] == [[], ["carol"], ["carol"], ["carol"]]


async def test_the_list_comes_in_pages(client: httpx.AsyncClient, clock: ManualClock) -> None:
    same = later(clock)
    for n in range(9):
        await schedule(client, same if n % 3 else later(clock, HOUR + n * MINUTE), f"{n}")
    whole = (await scheduled(client, limit=100))["items"]
    paged: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await scheduled(client, limit=2, **cursor)
        assert len(page["items"]) <= 2
        paged += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        # What comes and goes meanwhile moves nothing.
        await cancel(client, paged[0]["id"])
    assert [item["id"] for item in paged] == [item["id"] for item in whole]
    assert [item["send_at"] for item in paged] == sorted(item["send_at"] for item in paged)
    assert len(paged) == 9
    answer = await client.get("/v1/scheduled", params={"cursor": "abc"})
    assert problem_in(answer, 422)["errors"][0]["pointer"] == "cursor"


@pytest.mark.parametrize("send_at", ["9999-12-31 00:00:00+00", "2990-01-01 00:00:00.000001+00"])
async def test_what_sql_producers_schedule_is_listed_and_cancelled_too(
    client: httpx.AsyncClient, any_database_url: str, send_at: str
) -> None:
    with psycopg.connect(any_database_url, autocommit=True) as producer:
        producer.execute("SET ROLE notify_producer")
        for title in ("1", "2", "3"):
            producer.execute("SELECT notify.send('alice', %s, send_at => %s)", (title, send_at))
    first = await scheduled(client, limit=2)
    rest = await scheduled(client, limit=2, cursor=first["next_cursor"])
    items = first["items"] + rest["items"]
    assert [(item["title"], item["to"]) for item in items] == [(title, "alice") for title in ("1", "2", "3")]
    assert [await cancel(client, item["id"]) for item in items] == [204] * 3
    assert rows(any_database_url, "SELECT FROM notify.outbox") == []


async def test_what_cannot_be_sent_at_its_time_is_listed_with_the_reason_until_it_is_cancelled(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    with psycopg.connect(any_database_url, autocommit=True) as producer:
        producer.execute(
            "INSERT INTO notify.outbox (user_id, title, type, send_at) VALUES ('alice', 'bad', 'not a type', %s)",
            [clock.now() + MINUTE],
        )
    good = await schedule(client, later(clock, MINUTE), "good")
    clock.advance(MINUTE)
    await arrived(client, "good")
    (item,) = (await scheduled(client))["items"]
    assert (item["title"], item["failure"] is None) == ("bad", False)
    assert [await cancel(client, item["id"]) for _ in range(2)] == [204, 204]
    assert await cancel(client, good) == 409
    assert rows(any_database_url, "SELECT FROM notify.outbox") == []


async def test_an_id_that_was_sent_is_not_sent_again_and_stays_sent(
    service: Service, client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    ids = {"user_id": uuid4(), "user_ids": uuid4(), "everyone": uuid4()}
    values = {"user_id": "alice", "user_ids": ["alice", "bob"], "everyone": True}
    assert await titles(client, "alice") == []
    await service.outbox.stop()
    with psycopg.connect(any_database_url, autocommit=True) as producer:
        for _ in range(2):
            for name, id_ in ids.items():
                columns = f"INSERT INTO notify.outbox (id, title, send_at, {name}) VALUES (%s, %s, %s, %s)"
                producer.execute(columns.encode(), (id_, name, clock.now(), values[name]))
            clock.advance(MINUTE)
            assert not await service.outbox.claim(500)
    assert rows(any_database_url, "SELECT FROM notify.outbox") == []
    assert sorted(await titles(client, "alice")) == sorted(ids)
    assert [await cancel(client, str(id_)) for id_ in ids.values()] == [409] * 3


async def test_how_it_ended_is_forgotten_after_thirty_days(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await service.housekeeping.stop()
    id_ = await schedule(client, later(clock, MINUTE))
    clock.advance(MINUTE)
    await arrived(client, "later")
    clock.advance(timedelta(days=29))
    await service.housekeeping.tidy()
    assert await cancel(client, id_) == 409
    clock.advance(timedelta(days=2))
    await service.housekeeping.tidy()
    assert await cancel(client, id_) == 404


async def test_what_waits_for_later_is_no_backlog(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await service.outbox.stop()
    for minutes in (10, 20, 60):
        await schedule(client, later(clock, minutes * MINUTE))
    clock.advance(30 * MINUTE)
    lines = (await client.get("/metrics")).text.splitlines()
    found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}
    assert found['notify_outbox_rows{state="waiting"}'] == 2
    assert found['notify_outbox_rows{state="scheduled"}'] == 1
    assert found["notify_outbox_age_seconds"] == pytest.approx(20 * 60, abs=1)


async def test_what_is_due_longest_goes_first_whether_it_was_scheduled_or_not(
    service: Service, clock: ManualClock, any_database_url: str
) -> None:
    await service.outbox.stop()
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO notify.outbox (user_id, title, created_at, send_at) SELECT 'alice', n::text,"
            " %(since)s + n * interval '1 second', CASE WHEN n %% 2 = 0 THEN %(since)s + n * interval '1 second' END"
            " FROM generate_series(0, 29) AS n",
            {"since": clock.now() - HOUR},
        )
    for claimed in (10, 20, 30):
        assert await service.outbox.claim(10)
        left = rows(any_database_url, "SELECT title FROM notify.outbox")
        assert sorted(int(row["title"]) for row in left) == list(range(claimed, 30))


async def test_what_is_to_be_sent_at_once_is_sent_at_once_however_far_the_clocks_are_apart(
    client: httpx.AsyncClient, clock: ManualClock, any_database_url: str
) -> None:
    for ahead in (-timedelta(days=3650), timedelta(days=7300)):
        clock.advance(ahead)
        with psycopg.connect(any_database_url, autocommit=True) as producer:
            producer.execute("SELECT notify.send(%s, 'at once')", [f"{ahead.days}"])
        await arrived(client, "at once", user=f"{ahead.days}")


@pytest.mark.parametrize("plan", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("analyzed", [True, False])
def test_what_is_scheduled_for_later_is_never_walked_over(
    any_database_url: str,
    plan: Literal["force_custom_plan"],
    analyzed: bool,  # noqa: FBT001
) -> None:
    statements = Statements("notify")
    now = datetime.now(UTC)
    with psycopg.connect(any_database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO notify.outbox (user_id, title, send_at)"
            " SELECT 'user ' || n, 'x', now() + interval '1 day' + n * interval '1 second'"
            " FROM generate_series(1, 20000) AS n"
        )
        connection.execute(
            "INSERT INTO notify.outbox (user_id, title, send_at)"
            " SELECT 'alice', 'x', CASE WHEN n % 2 = 0 THEN now() - interval '1 day' END"
            " FROM generate_series(1, 10) AS n"
        )
        if analyzed:
            connection.execute("ANALYZE notify.outbox")
        connection.execute(f"SET plan_cache_mode = {plan}")
        far = now + timedelta(days=1, hours=2)
        for name, arguments, expected in (
            ("outbox_claim", f"'{now.isoformat()}', 500", 10),
            ("outbox_next", "", 1),
            ("scheduled", f"'default', '{far.isoformat()}', '{UUID(int=0)}', 20", 20),
        ):
            connection.execute(f"PREPARE {name} AS {statements[name]}".encode())
            explain = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {name}" + (f"({arguments})" if arguments else "")
            row = connection.execute(explain.encode()).fetchone()
            assert row is not None
            top = row[0][0]["Plan"]
            assert top["Actual Rows"] == expected, name
            for node in nodes(top):
                if node.get("Relation Name") == "outbox":
                    assert node["Node Type"].startswith("Index"), json.dumps(row[0], indent=1)
                    assert node["Actual Rows"] + node.get("Rows Removed by Filter", 0) <= expected


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(each for part in plan.get("Plans", []) for each in nodes(part))]
