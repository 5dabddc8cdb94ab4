"""Edits of one thing are merged while it is not their turn."""

import asyncio
from datetime import timedelta

import pytest

from notify.store.edits import Amendment, Edits
from support.clock import ManualClock
from support.waiting import eventually

PAUSE = timedelta(seconds=1)


class CannotBeWrittenError(Exception):
    pass


class Written:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.all: list[tuple[str, Amendment]] = []
        self.fails = False
        self.edits = Edits(self._write, self.clock, per_second=1)

    async def _write(self, key: str, edit: Amendment) -> int:
        if self.fails:
            raise CannotBeWrittenError
        self.all.append((key, edit))
        return len(self.all)

    def make(self, key: str, *, resurfaces: bool = False, **columns: str | float | None) -> "asyncio.Task[int]":
        return asyncio.create_task(self.edits.make(key, Amendment(dict(columns), resurfaces)))


async def begun() -> None:
    """Whoever was started has come as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_first_is_not_held_up() -> None:
    written = Written()
    assert await written.make("a", title="first") == 1


async def test_those_that_come_meanwhile_go_out_as_one_when_it_is_their_turn() -> None:
    written = Written()
    await written.make("a", progress=0.1)
    waiting = [
        written.make("a", progress=0.2, title="on its way"),
        written.make("a", progress=0.3, resurfaces=True),
        written.make("a", progress=0.4),
    ]
    await begun()
    assert len(written.all) == 1
    written.clock.advance(PAUSE)
    assert await asyncio.gather(*waiting) == [2, 2, 2]
    merged = Amendment({"progress": 0.4, "title": "on its way"}, resurfaces=True)
    assert written.all[1:] == [("a", merged)]


async def test_the_turn_after_a_turn_comes_a_pause_later() -> None:
    written = Written()
    await written.make("a", progress=0.1)
    second = written.make("a", progress=0.2)
    await begun()
    written.clock.advance(PAUSE)
    await second
    third = written.make("a", progress=0.3)
    await begun()
    assert not third.done()
    written.clock.advance(PAUSE)
    assert await third == 3


async def test_one_thing_does_not_wait_for_another() -> None:
    written = Written()
    await written.make("a", progress=0.1)
    assert await written.make("b", progress=0.1) == 2


async def test_what_is_left_alone_is_forgotten() -> None:
    written = Written()
    await written.make("a", progress=0.1)
    written.clock.advance(PAUSE)
    await eventually(lambda: not written.edits._turns)
    assert await written.make("a", progress=0.2) == 2


async def test_each_hears_what_went_wrong_and_the_next_is_tried() -> None:
    written = Written()
    await written.make("a", progress=0.1)
    written.fails = True
    waiting = [written.make("a", progress=0.2), written.make("a", progress=0.3)]
    await begun()
    written.clock.advance(PAUSE)
    for each in waiting:
        with pytest.raises(CannotBeWrittenError):
            await each
    written.fails = False
    last = written.make("a", progress=0.4)
    await begun()
    written.clock.advance(PAUSE)
    assert await last == 2


async def test_whoever_leaves_takes_nothing_along() -> None:
    written = Written()
    await written.make("a", progress=0.1)
    gone, stays = written.make("a", progress=0.2), written.make("a", title="stays")
    await begun()
    gone.cancel()
    written.clock.advance(PAUSE)
    assert await stays == 2
    assert written.all[1] == ("a", Amendment({"progress": 0.2, "title": "stays"}))
