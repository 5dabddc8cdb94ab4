"""What was read holds for a moment, and no longer than somebody who takes it back waits."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from notify.store import leases
from notify.store.leases import LEASE_SECONDS, Leases
from support.clock import ManualClock
from support.waiting import eventually

LEASE = timedelta(seconds=LEASE_SECONDS)


class Source:
    """A table with one row that may be slow to read."""

    def __init__(self) -> None:
        self.value: str | None = "a"
        self.reads = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.fails = False

    async def read(self, _: str) -> str | None:
        self.reads += 1
        value = self.value
        await self.may_answer.wait()
        if self.fails:
            raise ConnectionError
        return value


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def held(source: Source, clock: ManualClock) -> Leases[str, str]:
    return Leases(source.read, clock)


async def test_it_is_read_once_in_a_while(held: Leases[str, str], source: Source, clock: ManualClock) -> None:
    assert [await held.get("k") for _ in range(3)] == ["a"] * 3
    source.value = "b"
    assert await held.get("k") == "a"
    clock.advance(LEASE)
    assert await held.get("k") == "b"
    assert source.reads == 2


async def test_whoever_asks_meanwhile_shares_the_reading(held: Leases[str, str], source: Source) -> None:
    source.may_answer.clear()
    asking = [asyncio.ensure_future(held.get("k")) for _ in range(10)]
    await eventually(is_true(lambda: source.reads == 1))
    source.may_answer.set()
    assert await asyncio.gather(*asking) == ["a"] * 10
    assert source.reads == 1


async def test_a_reading_that_took_long_is_only_for_those_who_asked_in_time(
    held: Leases[str, str], source: Source, clock: ManualClock
) -> None:
    """It may have begun before something was taken back, and end after that was said to be done."""
    source.may_answer.clear()
    early = asyncio.ensure_future(held.get("k"))
    await eventually(is_true(lambda: source.reads == 1))
    source.value = "b"
    clock.advance(LEASE)
    late = asyncio.ensure_future(held.get("k"))
    await eventually(is_true(lambda: source.reads == 2))
    source.may_answer.set()
    assert (await early, await late) == ("a", "b")
    assert await held.get("k") == "b"


async def test_what_is_not_there_is_looked_for_again(held: Leases[str, str], source: Source) -> None:
    source.value = None
    assert await held.get("k") is None
    source.value = "a"
    assert await held.get("k") == "a"


async def test_a_failure_is_told_to_those_who_waited_and_not_remembered(held: Leases[str, str], source: Source) -> None:
    source.fails = True
    for outcome in await asyncio.gather(*(held.get("k") for _ in range(3)), return_exceptions=True):
        assert isinstance(outcome, ConnectionError)
    source.fails = False
    assert await held.get("k") == "a"


async def test_whoever_gives_up_takes_the_reading_from_nobody(held: Leases[str, str], source: Source) -> None:
    source.may_answer.clear()
    first, second = (asyncio.ensure_future(held.get("k")) for _ in range(2))
    await eventually(is_true(lambda: source.reads == 1))
    first.cancel()
    source.may_answer.set()
    assert await second == "a"
    assert source.reads == 1


async def test_only_so_many_are_kept(held: Leases[str, str], source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_MOST", 2)
    for key in ("k", "l", "m", "l", "m", "k"):
        await held.get(key)
    assert source.reads == 4


def is_true(check: Callable[[], bool]) -> Callable[[], "asyncio.Future[bool]"]:
    async def look() -> bool:
        return check()

    return lambda: asyncio.ensure_future(look())
