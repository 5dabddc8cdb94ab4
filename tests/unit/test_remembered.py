"""What is remembered is never too old, never too much, and never what somebody has said is no longer so."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from notify.store.remembered import Remembered
from support.clock import ManualClock

LIVE = timedelta(seconds=10)


class Source:
    """Somewhere to look things up, and what was looked up there."""

    def __init__(self) -> None:
        self.looked: list[str] = []
        self.value: str | None = "a value"
        self.meanwhile: Callable[[], None] = lambda: None

    def of(self, key: str) -> Callable[[], Awaitable[str | None]]:
        async def look() -> str | None:
            self.looked.append(key)
            found = self.value
            self.meanwhile()
            return found

        return look


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def source() -> Source:
    return Source()


def remembered(clock: ManualClock, *, most: int = 3, is_trusted: bool = True) -> Remembered[str, str]:
    return Remembered(clock, most, LIVE, lambda: is_trusted)


def get(values: Remembered[str, str], source: Source, key: str = "key") -> str | None:
    return asyncio.run(_get(values, source, key))


async def _get(values: Remembered[str, str], source: Source, key: str) -> str | None:
    return await values.get(key, source.of(key))


def test_it_is_looked_up_once_for_as_long_as_it_lives(clock: ManualClock, source: Source) -> None:
    values = remembered(clock)
    for _ in range(2):
        assert get(values, source) == "a value"
    assert source.looked == ["key"]
    clock.advance(LIVE)
    assert get(values, source) == "a value"
    assert source.looked == ["key", "key"]


def test_what_is_not_there_is_looked_for_again(clock: ManualClock, source: Source) -> None:
    values = remembered(clock)
    source.value = None
    assert get(values, source) is None
    source.value = "there now"
    assert get(values, source) == "there now"


def test_what_was_looked_up_longest_ago_makes_room(clock: ManualClock, source: Source) -> None:
    values = remembered(clock, most=3)
    for key in ("a", "b", "c", "d", "b", "c", "d", "a"):
        get(values, source, key)
    assert source.looked == ["a", "b", "c", "d", "a"]


def test_what_is_forgotten_is_looked_up_again(clock: ManualClock, source: Source) -> None:
    values = remembered(clock)
    get(values, source)
    values.forget()
    source.value = "another"
    assert get(values, source) == "another"


def test_what_is_forgotten_while_it_is_looked_up_is_not_kept(clock: ManualClock, source: Source) -> None:
    values = remembered(clock)
    source.meanwhile = values.forget
    get(values, source)
    source.meanwhile = lambda: None
    source.value = "another"
    assert get(values, source) == "another"


def test_nothing_is_remembered_while_no_change_would_be_heard_of(clock: ManualClock, source: Source) -> None:
    values = remembered(clock, is_trusted=False)
    for _ in range(2):
        get(values, source)
    assert source.looked == ["key", "key"]
