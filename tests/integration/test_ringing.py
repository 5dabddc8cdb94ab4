"""Ringing (laws 6 and 7 of DESIGN section 2): a ring is never more than a hint, and leaves after the commit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
import psycopg
import pytest

from notify.app import Service
from notify.core.clock import SystemClock
from notify.core.position import Bounds
from notify.live.doorbell import COMPARE_ALL, Doorbell, rings_in
from notify.live.listener import Listener
from notify.metrics import Metrics
from notify.settings import Settings
from notify.store.commits import Commit
from notify.store.rows import InboxState
from support.calls import ALICE, count, mark, send
from support.clock import ManualClock
from support.invariants import rows
from support.processes import ADMIN, ADMIN_KEY
from support.proxy import Proxy
from support.waiting import eventually


@asynccontextmanager
async def hearing(url: str) -> AsyncIterator[Callable[[], Awaitable[list[str]]]]:
    """Hears what rings in this database; each call is answered with all that has rung since the one before."""
    payloads: list[str] = []

    async def heard() -> list[str]:
        rows(url, "SELECT pg_notify('notify', 'so far')")

        async def all_of_it() -> bool:
            await connection.execute("SELECT")
            return "so far" in payloads

        await eventually(all_of_it)
        end = payloads.index("so far")
        told = payloads[:end]
        del payloads[: end + 1]
        return told

    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        connection.add_notify_handler(lambda ring: payloads.append(ring.payload))
        await connection.execute("LISTEN notify")
        yield heard


def is_empty(url: str) -> Callable[[], Awaitable[bool]]:
    """Whether nothing waits in the outbox."""

    async def look() -> bool:
        return not rows(url, "SELECT FROM notify.outbox")

    return look


def commit(inbox_id: int, seq: int, epoch: str = "abcdefghij") -> Commit:
    return Commit("default", "alice", inbox_id, InboxState(Bounds(epoch, 0, seq), 0, 0, 0), seq, "update")


# Hearing


async def test_a_listener_that_hears_nothing_because_the_network_has_parted_finds_out(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notify.live.listener._PROBE_EVERY_SECONDS", 0.1)
    monkeypatch.setattr("notify.live.listener._PROBE_TIMEOUT_SECONDS", 0.1)

    def is_connected(*, wanted: bool) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            return service.listener.connected is wanted

        return look

    with Proxy(database_url) as proxy:
        settings = Settings(
            database_url=database_url, listen_database_url=proxy.url, admin_key=ADMIN_KEY, outbox_poll_seconds=3600
        )
        async with Service(settings).running() as service:
            await eventually(is_connected(wanted=True))
            proxy.stall()
            # psycopg first asks the server in vain to cancel the question, for twice 5 s.
            await eventually(is_connected(wanted=False), 20)
            rows(database_url, "SELECT notify.send('alice', 'One')")
            proxy.resume()
            await eventually(is_empty(database_url))


class SkippingClock(ManualClock):
    """Nobody waits for it; it notes for how long they would have."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)


async def test_listeners_that_lost_the_database_together_do_not_come_back_together() -> None:
    def nothing(*_: str) -> None:
        raise AssertionError("there is nothing to hear")

    url = "postgresql://nobody@127.0.0.1:1/nothing"
    clocks = [SkippingClock(), SkippingClock()]
    listeners = [Listener(url, "notify", clock, Metrics(), on_connect=nothing, on_ring=nothing) for clock in clocks]
    for listener in listeners:
        listener.start()
    await eventually(lambda: all(len(clock.pauses) >= 10 for clock in clocks))
    for listener in listeners:
        await listener.stop()
    one, other = (clock.pauses[:10] for clock in clocks)
    assert one != other
    assert max(one[:3] + other[:3]) < 1, "soon at first"
    assert max(one + other) <= 10


# Ringing


async def test_no_transaction_of_ours_carries_a_ring(any_database_url: str) -> None:
    settings = Settings(database_url=any_database_url, admin_key=ADMIN_KEY, outbox_doorbell=False, tombstone_days=0)
    async with Service(settings).running() as service, hearing(any_database_url) as heard:
        await service.doorbell.stop()
        transport = httpx.ASGITransport(cast(Any, service.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
            id_ = await send(client)
            for _ in range(2):
                await send(client, collapse_key="k")
            await mark(client, id_, "read")
            rows(any_database_url, "SELECT notify.send('alice', 'One')")
            while await service.outbox.claim(10):
                pass
            await eventually(is_empty(any_database_url))
            for answer in (
                await client.patch(f"/v1/notifications/{id_}", json={"body": "Two"}),
                await client.post("/v1/notifications/read-all", params=ALICE),
                await client.delete(f"/v1/notifications/{id_}"),
            ):
                assert answer.is_success, answer.text
            await service.housekeeping.tidy()
            assert (await count(client))["position"].endswith(".9")
        assert await heard() == []


@pytest.mark.parametrize(("inboxes", "fits"), [(1, True), (4_000, True), (8_000, False)])
async def test_what_is_rung_together_goes_out_in_as_few_payloads_as_postgresql_takes(
    any_database_url: str,
    inboxes: int,
    fits: bool,  # noqa: FBT001
) -> None:
    doorbell = Doorbell(any_database_url, "notify", SystemClock())
    async with hearing(any_database_url) as heard:
        doorbell.ring(commit(inbox_id, seq) for seq in (98, 99, 100) for inbox_id in range(100_000, 100_000 + inboxes))
        doorbell.start()
        payloads = await eventually(heard)
        await doorbell.stop()
    if not fits:
        assert payloads == [COMPARE_ALL]
        return
    assert 1 <= len(payloads) <= 16
    assert max(map(len, payloads)) < 7_600
    rung = [ring for payload in payloads for ring in rings_in(payload)]
    assert rung == [(inbox_id, "abcdefghij", 100) for inbox_id in range(100_000, 100_000 + inboxes)]


async def test_rings_that_follow_each_other_at_once_share_a_notify(
    database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notify.live.doorbell._GATHER_SECONDS", 60)
    doorbell = Doorbell(database_url, "notify", clock)
    async with hearing(database_url) as heard:
        doorbell.start()
        for inbox_id in (1, 2, 3):
            doorbell.ring([commit(inbox_id, 1)])
            await eventually(lambda: clock.waiting)
        clock.advance(timedelta(seconds=60))
        assert await eventually(heard) == ["inboxes 1.abcdefghij.1,2.abcdefghij.1,3.abcdefghij.1"]
        await doorbell.stop()


async def test_a_ring_that_postgresql_refuses_does_not_end_the_ringing(database_url: str) -> None:
    """As it does while its queue of notifications is full."""
    doorbell = Doorbell(database_url, "notify", SystemClock())
    async with hearing(database_url) as heard:
        doorbell.ring([commit(1, 1, epoch="x" * 9_000)])
        doorbell.start()
        await eventually(has_taken(doorbell))
        doorbell.ring([commit(2, 1)])
        assert await eventually(heard) == ["inboxes 2.abcdefghij.1"]
        await doorbell.stop()


async def test_rings_that_could_not_be_sent_are_made_up_for(
    database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notify.live.doorbell._PAUSE_WHEN_AWAY_SECONDS", 60)
    with Proxy(database_url) as proxy:
        doorbell = Doorbell(proxy.url, "notify", clock)
        async with hearing(database_url) as heard:
            proxy.refuse()
            doorbell.start()
            doorbell.ring([commit(1, 1)])
            await eventually(lambda: doorbell._has_lost_rings)
            assert await heard() == []
            proxy.accept()
            clock.advance(timedelta(seconds=60))
            assert await eventually(heard) == [COMPARE_ALL]
            doorbell.ring([commit(2, 1)])
            assert await eventually(heard) == ["inboxes 2.abcdefghij.1"]
            await doorbell.stop()


def has_taken(doorbell: Doorbell) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return not doorbell._rings

    return look
