"""Forgetting what is old enough: tombstones and the answers to idempotency keys."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from io import StringIO

import httpx
import pytest

from notify import logs
from notify.app import Service
from notify.core.errors import DatabaseAwayError
from support.calls import ALICE, changes, count, send
from support.clock import ManualClock, hurried
from support.invariants import check_inboxes, rows
from support.waiting import eventually

KEPT = timedelta(days=30)


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


async def delete(client: httpx.AsyncClient, *ids: str) -> None:
    for id_ in ids:
        assert (await client.delete(f"/v1/notifications/{id_}", params=ALICE)).status_code == 204


async def test_tombstones_are_kept_as_long_as_was_said(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    old, young, kept = [await send(client, title) for title in ("old", "young", "kept")]
    await delete(client, old)
    clock.advance(timedelta(hours=1))
    await delete(client, young)
    clock.advance(KEPT - timedelta(minutes=30))
    await service.housekeeping.tidy()
    left = rows(any_database_url, "SELECT id FROM notify.notifications ORDER BY id")
    assert [str(row["id"]) for row in left] == [young, kept]
    assert check_inboxes(any_database_url) == 1


async def test_nothing_else_is_touched_however_old(
    client: httpx.AsyncClient, service: Service, clock: ManualClock
) -> None:
    first, second = await send(client), await send(client)
    await client.post(f"/v1/notifications/{first}/read", params=ALICE)
    await client.post(f"/v1/notifications/{second}/archive", params=ALICE)
    before = await count(client)
    clock.advance(timedelta(days=3650))
    await service.housekeeping.tidy()
    assert await count(client) == before
    assert len((await changes(client))["items"]) == 2


async def test_whoever_was_away_for_longer_starts_fresh_and_nobody_else(
    client: httpx.AsyncClient, service: Service, clock: ManualClock
) -> None:
    first, second, kept = [await send(client, title) for title in ("first", "second", "kept")]
    away = (await count(client))["position"]
    await delete(client, first)
    floor = (await count(client))["position"]
    await send(client, "later")
    clock.advance(KEPT + timedelta(seconds=1))
    await delete(client, second)
    await service.housekeeping.tidy()

    missed = await changes(client, away)
    head = (await count(client))["position"]
    assert missed["items"][0] == {"event": "reset", "data": {"reason": "purged", "floor": floor, "head": head}}
    assert [event["data"].get("title") for event in missed["items"][1:]] == ["kept", "later", None]

    assert [event["event"] for event in (await changes(client, floor))["items"]] == ["notification", "delete"]
    assert kept in {event["data"]["id"] for event in missed["items"][1:]}


async def test_a_fresh_start_may_be_paged_from_below_the_floor(
    client: httpx.AsyncClient, service: Service, clock: ManualClock
) -> None:
    """Whoever began with nothing cannot have missed what was gone before they began."""
    ids = [await send(client, f"{n}") for n in range(6)]
    await delete(client, ids[5])
    clock.advance(KEPT + timedelta(seconds=1))
    await service.housekeeping.tidy()
    titles: list[str] = []
    page = await changes(client, limit=2)
    while True:
        assert "reset" not in {event["event"] for event in page["items"]}
        titles += [event["data"]["title"] for event in page["items"]]
        if not page["more"]:
            break
        page = await changes(client, page["position"], limit=2)
    assert titles == ["0", "1", "2", "3", "4"]


async def test_what_is_purged_while_somebody_pages_a_fresh_start_resets_them(
    client: httpx.AsyncClient, service: Service, clock: ManualClock
) -> None:
    ids = [await send(client, f"{n}") for n in range(4)]
    page = await changes(client, limit=2)
    await delete(client, ids[0])
    clock.advance(KEPT + timedelta(seconds=1))
    await service.housekeeping.tidy()
    rest = await changes(client, page["position"])
    assert rest["items"][0]["data"]["reason"] == "purged", "they hold what has gone since"


async def test_more_than_fit_into_one_transaction_are_purged(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    for part in range(3):
        items = [{"to": f"user {n % 7}", "title": f"{part} {n}"} for n in range(400)]
        await client.post("/v1/notifications/batch", json={"items": items})
    ids = [str(row["id"]) for row in rows(any_database_url, "SELECT id FROM notify.notifications")]
    await asyncio.gather(*(client.delete(f"/v1/notifications/{id_}") for id_ in ids))
    clock.advance(KEPT + timedelta(seconds=1))
    await hurried(clock, service.housekeeping.tidy())
    assert rows(any_database_url, "SELECT FROM notify.notifications") == []
    inboxes = rows(any_database_url, "SELECT head, floor FROM notify.inboxes")
    assert len(inboxes) == 7
    assert all(inbox["floor"] == inbox["head"] for inbox in inboxes)
    assert b'notify_purged_total{kind="tombstone"} 1200.0' in service.metrics.exposition()


async def test_the_answers_to_idempotency_keys_are_forgotten(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    body, headers = {"to": "alice", "title": "x"}, {"Idempotency-Key": "one"}
    first = await client.post("/v1/notifications", json=body, headers=headers)
    clock.advance(timedelta(hours=23))
    again = await client.post("/v1/notifications", json=body, headers=headers)
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    await client.post("/v1/notifications", json=body, headers={"Idempotency-Key": "two"})
    clock.advance(timedelta(hours=2))
    await service.housekeeping.tidy()
    assert len(rows(any_database_url, "SELECT FROM notify.idempotency")) == 1
    new = await client.post("/v1/notifications", json=body, headers=headers)
    assert new.json()["id"] != first.json()["id"]
    assert "idempotency-replayed" not in new.headers


async def test_an_answer_too_old_to_be_given_again_is_replaced_even_before_it_is_forgotten(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    headers = {"Idempotency-Key": "one"}
    await client.post("/v1/notifications", json={"to": "alice", "title": "x"}, headers=headers)
    clock.advance(timedelta(hours=25))
    other = {"to": "alice", "title": "another body"}
    first = await client.post("/v1/notifications", json=other, headers=headers)
    again = await client.post("/v1/notifications", json=other, headers=headers)
    assert (first.status_code, again.json()) == (201, first.json())


async def test_many_answers_are_forgotten_in_batches(
    service: Service, clock: ManualClock, any_database_url: str
) -> None:
    old = clock.now() - timedelta(hours=25)
    inserted = rows(
        any_database_url,
        "INSERT INTO notify.idempotency SELECT 'default', sha256(n::text::bytea), 0, '', '{}', %s"
        " FROM generate_series(1, 1300) AS n RETURNING 1",
        old,
    )
    assert len(inserted) == 1300
    await hurried(clock, service.housekeeping.tidy())
    assert rows(any_database_url, "SELECT FROM notify.idempotency") == []
    assert b'notify_purged_total{kind="idempotency_answer"} 1300.0' in service.metrics.exposition()


async def test_it_goes_on_after_whatever_went_wrong(
    service: Service, clock: ManualClock, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    housekeeping = service.housekeeping
    failures: list[Exception] = [RuntimeError("a fault"), DatabaseAwayError()]
    tidy, done = housekeeping.tidy, asyncio.Event()

    async def fail_first() -> None:
        if failures:
            raise failures.pop()
        await tidy()
        done.set()

    monkeypatch.setattr(housekeeping, "tidy", fail_first)
    housekeeping.start()
    await eventually(lambda: "housekeeping_put_off" in log.getvalue())
    assert not done.is_set(), "it rests first"

    def is_done() -> bool:
        clock.advance(timedelta(seconds=service.settings.housekeeping_seconds))
        return done.is_set()

    await eventually(is_done)
    assert "housekeeping_failed" in log.getvalue()


async def test_it_works_by_itself_again_and_again(
    client: httpx.AsyncClient, service: Service, clock: ManualClock
) -> None:
    def so_many_are_purged(how_many: int) -> bool:
        clock.advance(timedelta(seconds=service.settings.housekeeping_seconds))
        return b'kind="tombstone"} %.1f' % how_many in service.metrics.exposition()

    service.housekeeping.start()
    for round_ in (1, 2, 3):
        await delete(client, await send(client))
        clock.advance(KEPT + timedelta(seconds=1))
        await eventually(partial(so_many_are_purged, round_))
