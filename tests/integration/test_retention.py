"""What has stayed long enough is archived or deleted: how long that is, what is left alone, and how it is done."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any, cast

import httpx
import psycopg
import pytest

from notify import logs
from notify.app import Service
from notify.core.errors import DatabaseAwayError
from notify.live.feed import Follower
from notify.settings import Settings
from notify.store import retention as engine
from notify.store.many import InboxKey
from notify.store.retention import Round
from support.audiences import EVERYONE, publish, subscribe, titles
from support.calls import ALICE, changes, count, everything, mark, send
from support.clock import ManualClock
from support.credentials import app, bearer, key
from support.invariants import check_inboxes, check_positions, keep_history, rows
from support.processes import ADMIN, ADMIN_KEY
from support.waiting import eventually

DAY = timedelta(days=1)
DELETED = 'notify_retention_rows_total{action="delete"}'


class Watching(Follower):
    def wake(self) -> None:
        """Whoever follows is enough for the inbox to be kept in step."""


@pytest.fixture
def log() -> Iterator[StringIO]:
    stream = StringIO()
    logs.configure("info", "json", stream)
    yield stream
    logs.configure("warning", "json")


@pytest.fixture
async def service(service: Service) -> Service:
    """Its own rounds do not meddle."""
    await service.housekeeping.stop()
    await service.retention.stop()
    return service


@pytest.fixture
async def other(any_database_url: str, clock: ManualClock) -> AsyncIterator[Service]:
    """Another process on the same database."""
    async with Service(Settings(database_url=any_database_url, admin_key=ADMIN_KEY), clock).running() as other:
        await other.retention.stop()
        yield other


def client_of(service: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(cast(Any, service.asgi))
    return httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN)


async def say(client: httpx.AsyncClient, type_: str | None = None, **policy: Any) -> None:
    query = {} if type_ is None else {"type": type_}
    answer = await client.put("/v1/retention", params=query, json=policy)
    assert answer.status_code == 200, answer.text


async def walk(service: Service) -> Round:
    """A whole round."""
    return [round_ async for round_ in service.retention.run()][-1]


def due(service: Service, clock: ManualClock) -> None:
    """The last round was a day ago."""
    url = str(service.settings.database_url)
    rows(url, "UPDATE notify.retention_round SET ended_at = %s RETURNING 1", clock.now() - DAY)


def state(service: Service) -> dict[str, Any]:
    (found,) = rows(str(service.settings.database_url), "SELECT * FROM notify.retention_round")
    return found


def figure(service: Service, name: str) -> float:
    """Of the metrics; 0 if it is not there."""
    lines = service.metrics.exposition().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


async def left(client: httpx.AsyncClient, **filters: Any) -> list[str]:
    return sorted(item["title"] for item in await everything(client, **filters))


async def fill(client: httpx.AsyncClient, rows_: int, to: str = "alice") -> None:
    for start in range(0, rows_, 400):
        items = [{"to": to, "title": f"{n}"} for n in range(start, min(rows_, start + 400))]
        assert (await client.post("/v1/notifications/batch", json={"items": items})).status_code == 200


# How long ------------------------------------------------------------------------------------------------------------


async def test_unless_it_is_said_otherwise_read_ones_stay_180_days_and_unread_ones_365(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    for title, how in {"read": "read", "archived": "archive", "seen": "seen"}.items():
        await mark(client, await send(client, title), how)
    await send(client, "unseen")
    clock.advance(180 * DAY - timedelta(minutes=1))
    await walk(service)
    assert await left(client) == ["archived", "read", "seen", "unseen"]
    clock.advance(timedelta(minutes=2))
    await walk(service)
    assert await left(client) == ["seen", "unseen"]
    clock.advance(185 * DAY - timedelta(minutes=2))
    await walk(service)
    assert await left(client) == ["seen", "unseen"]
    clock.advance(timedelta(minutes=2))
    done = await walk(service)
    assert await left(client) == []
    assert (done.archived, done.deleted, done.started_at) == (0, 2, None)
    assert check_inboxes(any_database_url) == 1


@pytest.mark.parametrize(("mark_", "days"), [("read", 1), ("seen", 3)])
async def test_what_an_app_says_counts_and_what_it_leaves_open_the_settings_say(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, mark_: str, days: int
) -> None:
    await say(client, read_days=1, unread_days=3)
    await mark(client, await send(client), mark_)
    clock.advance(days * DAY - timedelta(minutes=1))
    await walk(service)
    assert len(await left(client)) == 1
    clock.advance(timedelta(minutes=2))
    await walk(service)
    assert await left(client) == []

    await say(client, read_days=1)
    await send(client, "not read")
    clock.advance(364 * DAY)
    await walk(service)
    assert await left(client) == ["not read"]
    clock.advance(2 * DAY)
    await walk(service)
    assert await left(client) == []


async def test_what_is_said_of_a_type_counts_whole_and_for_that_type_alone(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    await say(client, unread_days=10)
    await say(client, "order", unread_days=2)
    await say(client, "invoice", unread_days=0)
    await say(client, "chat", read_days=1)
    for type_ in ("order", "invoice", "chat", "other", None):
        await send(client, str(type_), **({} if type_ is None else {"type": type_}))
    clock.advance(3 * DAY)
    await walk(service)
    assert await left(client) == ["None", "chat", "invoice", "other"]
    clock.advance(8 * DAY)
    await walk(service)
    assert await left(client) == ["chat", "invoice"], "of chats the settings say how long they stay unread"
    clock.advance(355 * DAY)
    await walk(service)
    assert await left(client) == ["invoice"]
    counted = await count(client, "order", "invoice")
    assert (counted["total"], counted["types"]["order"]["total"], counted["types"]["invoice"]["total"]) == (1, 0, 1)
    assert check_inboxes(any_database_url) == 1


async def test_zero_is_for_ever(client: httpx.AsyncClient, service: Service, clock: ManualClock) -> None:
    await say(client, read_days=0, unread_days=0)
    await mark(client, await send(client, "read"), "read")
    await mark(client, await send(client, "archived"), "archive")
    await send(client, "unread")
    clock.advance(36_500 * DAY)
    await walk(service)
    assert await left(client) == ["archived", "read", "unread"]


async def test_the_settings_may_say_for_ever_too(any_database_url: str, clock: ManualClock) -> None:
    settings = Settings(
        database_url=any_database_url, admin_key=ADMIN_KEY, retention_read_days=0, retention_unread_days=1
    )
    async with Service(settings, clock).running() as service, client_of(service) as client:
        await service.retention.stop()
        await mark(client, await send(client, "read"), "read")
        await send(client, "unread")
        clock.advance(3650 * DAY)
        await walk(service)
        assert await left(client) == ["read"]


async def test_it_counts_from_the_latest_arrival(
    client: httpx.AsyncClient, service: Service, clock: ManualClock
) -> None:
    await say(client, unread_days=10)
    await send(client, "first", collapse_key="k")
    clock.advance(9 * DAY)
    await send(client, "again", collapse_key="k")
    clock.advance(9 * DAY)
    await walk(service)
    assert await left(client) == ["again"]


async def test_what_is_snoozed_is_left_alone_and_then_is_as_new(
    client: httpx.AsyncClient, service: Service, clock: ManualClock
) -> None:
    await say(client, read_days=1, unread_days=1)
    id_ = await send(client, "later")
    until = {"until": (clock.now() + 20 * DAY).isoformat()}
    assert (await client.post(f"/v1/notifications/{id_}/snooze", params=ALICE, json=until)).status_code == 200
    clock.advance(19 * DAY)
    await walk(service)
    assert await left(client) == ["later"]
    clock.advance(timedelta(days=1, hours=12))
    await count(client)
    await walk(service)
    assert await left(client) == ["later"], "it has come back"
    clock.advance(DAY)
    await walk(service)
    assert await left(client) == []


async def test_each_app_says_it_for_itself(client: httpx.AsyncClient, service: Service, clock: ManualClock) -> None:
    await app(client, "shop")
    shops = bearer(await key(client, "admin", "send", "inbox", app_id="shop"))
    await send(client, "ours")
    sent = await client.post("/v1/notifications", json={"to": "alice", "title": "theirs"}, headers=shops)
    assert sent.status_code == 201
    assert (await client.put("/v1/retention", json={"unread_days": 1}, headers=shops)).status_code == 200
    clock.advance(2 * DAY)
    await walk(service)
    assert await left(client) == ["ours"]
    assert (await client.get("/v1/notifications", params=ALICE, headers=shops)).json()["items"] == []


# What becomes of it --------------------------------------------------------------------------------------------------


async def test_what_is_archived_instead_stays_and_is_not_touched_again(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    await say(client, read_days=1, unread_days=2, action="archive")
    read = await send(client, "read", type="order")
    await mark(client, read, "read")
    await send(client, "unread", type="order")
    before = (await count(client))["position"]
    clock.advance(DAY * 3)
    done = await walk(service)
    assert (done.archived, done.deleted) == (2, 0)
    assert await left(client, status="archived") == ["read", "unread"]
    counted = await count(client, "order")
    assert (counted["unread"], counted["total"], counted["types"]["order"]["total"]) == (0, 0, 0)
    events = (await changes(client, before))["items"]
    assert [event["event"] for event in events] == ["update", "update"]
    assert all(event["data"]["archived_at"] is not None for event in events)
    position = (await count(client))["position"]
    clock.advance(DAY * 3650)
    done = await walk(service)
    assert (done.archived, (await count(client))["position"]) == (0, position)
    assert check_inboxes(any_database_url) == 1
    assert figure(service, 'notify_retention_rows_total{action="archive"}') == 2


async def test_what_is_deleted_is_a_change_like_any_other_and_the_floor_moves_with_its_tombstone(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    keep_history(any_database_url)
    old = await send(client, "old", type="order")
    clock.advance(200 * DAY)
    await send(client, "young", type="order")
    away = (await count(client))["position"]
    clock.advance(166 * DAY)
    await walk(service)
    (event,) = (await changes(client, away))["items"]
    assert (event["event"], event["data"]) == ("delete", {"id": old})
    counted = await count(client, "order")
    assert (counted["unread"], counted["total"], counted["types"]["order"]["unread"]) == (1, 1, 1)
    (inbox,) = rows(any_database_url, "SELECT floor, head FROM notify.inboxes")
    assert (inbox["floor"], inbox["head"]) == (0, 3)
    check_positions(any_database_url)

    clock.advance(31 * DAY)
    await service.housekeeping.tidy()
    (inbox,) = rows(any_database_url, "SELECT floor, head FROM notify.inboxes")
    assert (inbox["floor"], inbox["head"]) == (3, 3)
    assert (await changes(client, away))["items"][0]["data"]["reason"] == "purged"
    assert check_inboxes(any_database_url) == 1
    assert figure(service, DELETED) == 1


async def test_whoever_is_connected_sees_it_go_on_every_process(
    client: httpx.AsyncClient, service: Service, other: Service, clock: ManualClock
) -> None:
    await send(client)
    feeds = [each.hub.follow(InboxKey("default", "alice"), Watching()) for each in (service, other)]
    for feed in feeds:
        await feed.loaded()
        assert feed.total == 1
    clock.advance(366 * DAY)
    await walk(service)
    await eventually(lambda: [feed.total for feed in feeds] == [0, 0])


async def test_what_expires_meanwhile_is_deleted_once(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    keep_history(any_database_url)
    await say(client, unread_days=1)
    await send(client, "expires", ttl_seconds=3600)
    await send(client, "grows old")
    clock.advance(2 * DAY)
    done = await walk(service)
    assert await left(client) == []
    assert done.deleted == 1, "what had expired was gone by itself"
    assert check_positions(any_database_url) == 4


# How it goes about it ------------------------------------------------------------------------------------------------


async def test_no_transaction_changes_more_than_100_rows(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    keep_history(any_database_url)
    await fill(client, 1200)
    await fill(client, 3, to="bob")
    await send(client, "before anybody", to="aaron")
    clock.advance(366 * DAY)
    done = await walk(service)
    assert done.deleted == 1204
    assert (await count(client))["total"] == 0
    transactions = rows(
        any_database_url, "SELECT count(*) AS rows FROM observed.given WHERE title = '' GROUP BY transaction"
    )
    assert sorted(each["rows"] for each in transactions) == [4, *[100] * 12]
    assert check_inboxes(any_database_url) == 3
    assert check_positions(any_database_url) == 2408


async def test_many_inboxes_are_walked_in_slices(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(7):
        await send(client, to=f"user {n}")
    monkeypatch.setattr(engine, "INBOXES_PER_READ", 3)
    service.retention._inboxes = 3
    clock.advance(366 * DAY)
    steps = [round_ async for round_ in service.retention.run()]
    assert [step.deleted for step in steps] == [0, 3, 6, 7, 7]
    assert [round(step.share, 2) for step in steps] == [0, 0.43, 0.86, 1, 1]


async def test_what_is_changed_between_being_found_and_locked_is_left_for_the_next_round(
    client: httpx.AsyncClient,
    service: Service,
    clock: ManualClock,
    any_database_url: str,
) -> None:
    """A user holds the inbox, and unread is what was read by the time that it is had."""
    await mark(client, await send(client, "a"), "read")
    await mark(client, await send(client, "b"), "read")
    clock.advance(200 * DAY)
    with psycopg.connect(any_database_url) as user:
        user.execute("SELECT FROM notify.inboxes FOR NO KEY UPDATE")
        user.execute("UPDATE notify.notifications SET read_at = NULL WHERE title = 'a'")
        user.execute("UPDATE notify.inboxes SET unread = 1")
        walking = asyncio.create_task(walk(service))

        async def waits() -> bool:
            return bool(rows(any_database_url, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))

        await eventually(waits)
        user.commit()
    assert (await walking).deleted == 1
    assert await left(client) == ["a"]
    assert check_inboxes(any_database_url) == 1


async def test_two_processes_take_turns_and_do_nothing_twice(
    client: httpx.AsyncClient, service: Service, other: Service, clock: ManualClock, any_database_url: str
) -> None:
    keep_history(any_database_url)
    await fill(client, 1200)
    due(service, clock)
    clock.advance(366 * DAY)
    await asyncio.gather(service.retention.look(), other.retention.look())
    assert (await count(client))["total"] == 0
    assert check_positions(any_database_url) == 2400
    assert {figure(each, DELETED) for each in (service, other)} == {0, 1200}, "one of them did it all"


async def test_nobody_makes_a_step_while_another_does(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    await send(client)
    due(service, clock)
    clock.advance(366 * DAY)
    sql = service.database.statements["retention_lock"]
    with psycopg.connect(any_database_url) as another:
        assert another.execute(sql.encode()).fetchone() == (True,)
        await service.retention.look()
        assert (await count(client))["total"] == 1
    await service.retention.look()
    assert (await count(client))["total"] == 0


async def test_a_round_that_was_stopped_goes_on_where_it_was_in_another_process(
    client: httpx.AsyncClient,
    service: Service,
    other: Service,
    clock: ManualClock,
    log: StringIO,
) -> None:
    await fill(client, 600)
    await fill(client, 600, to="bob")
    due(service, clock)
    clock.advance(366 * DAY)
    walking = asyncio.create_task(service.retention.look())

    await eventually(lambda: figure(service, DELETED) >= 100)
    walking.cancel()
    await asyncio.gather(walking, return_exceptions=True)
    before = state(service)

    await other.retention.look()
    assert state(service) == before, "whoever was at it just now may still be"
    assert figure(other, "notify_retention_progress") == 0
    clock.advance(timedelta(seconds=61))
    await other.retention.look()
    assert (state(service)["started_at"], state(service)["deleted"]) == (None, 1200)
    assert figure(other, "notify_retention_progress") == 1
    assert figure(service, DELETED) + figure(other, DELETED) == 1200, "nothing twice"
    assert log.getvalue().count("retention_done") == 1
    assert '"deleted":1200' in log.getvalue()


async def test_a_round_begins_once_a_day(client: httpx.AsyncClient, service: Service, clock: ManualClock) -> None:
    await say(client, unread_days=1)
    due(service, clock)
    await service.retention.look()
    ended = figure(service, "notify_retention_ended_timestamp_seconds")
    assert ended == state(service)["ended_at"].timestamp()
    await send(client)
    clock.advance(timedelta(hours=23))
    await service.retention.look()
    clock.advance(timedelta(hours=23))
    await service.retention.look()
    assert await left(client) == []


async def test_the_first_round_waits_a_day_for_the_operator(
    client: httpx.AsyncClient, service: Service, any_database_url: str
) -> None:
    await send(client)
    rows(any_database_url, "UPDATE notify.notifications SET arrived_at = '2020-01-01' RETURNING 1")
    await service.retention.look()
    assert len(await left(client)) == 1


async def test_by_hand_it_begins_anew_and_the_process_that_was_at_it_leaves_it(
    client: httpx.AsyncClient, service: Service, other: Service, clock: ManualClock
) -> None:
    await fill(client, 600)
    due(service, clock)
    clock.advance(366 * DAY)
    theirs = service.retention.run()
    assert (await anext(theirs)).walked == 0
    assert (await anext(theirs)).deleted == 100
    ours = await walk(other)
    assert (ours.deleted, ours.started_at) == (500, None)
    assert [round_ async for round_ in theirs] == []


async def test_a_step_that_takes_too_long_is_made_again_with_fewer_inboxes(
    any_database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_REST", 0)
    settings = Settings(database_url=any_database_url, admin_key=ADMIN_KEY, database_timeout_seconds=0.5)
    async with Service(settings, clock).running() as service, client_of(service) as client:
        await service.retention.stop()
        for n in range(3):
            await send(client, to=f"user {n}")
        clock.advance(366 * DAY)
        with psycopg.connect(any_database_url) as user:
            user.execute("SELECT FROM notify.inboxes WHERE user_id = 'user 2' FOR NO KEY UPDATE")
            walking = asyncio.create_task(walk(service))
            await eventually(lambda: service.retention._inboxes < 200)
            user.rollback()
        assert (await walking).deleted == 3


async def test_it_works_by_itself_and_after_whatever_went_wrong(
    client: httpx.AsyncClient,
    service: Service,
    clock: ManualClock,
    log: StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await send(client)
    due(service, clock)
    clock.advance(366 * DAY)
    failures: list[Exception] = [RuntimeError("a fault"), DatabaseAwayError()]
    look = service.retention.look

    async def fail_first() -> None:
        if failures:
            raise failures.pop()
        await look()

    monkeypatch.setattr(service.retention, "look", fail_first)
    service.retention.start()
    await eventually(lambda: "retention_put_off" in log.getvalue())
    clock.advance(timedelta(seconds=61))
    await eventually(lambda: "retention_failed" in log.getvalue())
    clock.advance(timedelta(seconds=61))
    await eventually(lambda: "retention_done" in log.getvalue())
    assert await left(client) == []


async def test_a_long_round_says_each_minute_how_far_it_is(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, log: StringIO
) -> None:
    await fill(client, 250)
    due(service, clock)
    clock.advance(366 * DAY)
    on_commit = service.writer.on_commit

    def take_half_a_minute(commits: Any) -> None:
        on_commit(commits)
        clock.advance(timedelta(seconds=31))

    service.writer.on_commit = take_half_a_minute
    await service.retention.look()
    actions = [part.split('"')[1] for part in log.getvalue().split('"action":')[1:]]
    assert [each for each in actions if each.startswith("retention")] == [
        "retention_begun",
        "retention_goes_on",
        "retention_done",
    ]


# What was published --------------------------------------------------------------------------------------------------


async def test_publications_and_their_entries_are_forgotten(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    await subscribe(client, "alice", "orders/*")
    await subscribe(client, "bob", "orders/*")
    assert await titles(client, "bob") == []
    old = await publish(client, {"topic": "orders/eu"}, "old")
    edited = await publish(client, {"topic": "orders/eu"}, "to be edited")
    assert await titles(client, "alice") == ["to be edited", "old"]
    clock.advance(100 * DAY)
    assert (await client.patch(f"/v1/operations/{edited}", json={"title": "edited"})).status_code == 200
    young = await publish(client, EVERYONE, "young")
    clock.advance(266 * DAY)
    await service.housekeeping.tidy()
    assert (await client.get(f"/v1/operations/{old}")).status_code == 404
    assert (await client.delete(f"/v1/operations/{old}")).status_code == 404
    for id_ in (edited, young):
        assert (await client.get(f"/v1/operations/{id_}")).status_code == 200
    found = rows(any_database_url, "SELECT DISTINCT change FROM notify.entries WHERE key <> '*'")
    assert found == [{"change": "edit"}]
    assert await titles(client, "alice") == ["young", "edited", "old"], "what she has is hers"
    assert await titles(client, "bob") == ["young"], "what he had not pulled by then he does not get"

    clock.advance(366 * DAY)
    await service.housekeeping.tidy()
    for table in ("entries", "publications"):
        with psycopg.connect(any_database_url) as connection:
            assert connection.execute(f"SELECT FROM notify.{table}".encode()).fetchall() == []
    assert await titles(client, "bob") == ["young"]
    await publish(client, EVERYONE, "news")
    assert await titles(client, "bob") == ["news", "young"]


async def test_a_publication_that_goes_while_somebody_pulls_it_is_not_missed(
    client: httpx.AsyncClient, any_database_url: str
) -> None:
    """Between its entry being read and itself."""
    await count(client)
    await publish(client, EVERYONE, "gone")
    await publish(client, EVERYONE, "there")
    rows(any_database_url, "DELETE FROM notify.publications WHERE title = 'gone' RETURNING 1")
    assert await titles(client, "alice") == ["there"]
