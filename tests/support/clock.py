"""A clock whose time of day stands still until it is told to move. Whoever waits for it wakes when it has moved far
enough, or when that has really gone by.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from notify.core.clock import Clock, Timer
from support.waiting import eventually

__all__ = ("ManualClock", "hurried")

T = TypeVar("T")

_SECOND = timedelta(seconds=1)


async def hurried(clock: "ManualClock", work: Awaitable[T]) -> T:
    """What comes of it, while time flies."""
    task = asyncio.ensure_future(work)

    def is_done() -> bool:
        clock.advance(_SECOND)
        return task.done()

    await eventually(is_done)
    return await task


class ManualClock(Clock):
    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self._skipped = timedelta()
        self._timers: dict[_ManualTimer, None] = {}

    def now(self) -> datetime:
        # A microsecond a look, so that what happens later is later.
        self._now += timedelta(microseconds=1)
        return self._now

    def advance(self, by: timedelta) -> None:
        """Those whose time has come wake in its order. The time of day may be set back; no other time ever is."""
        self._now += by
        self._skipped += max(by, timedelta())
        for timer in sorted(self._timers, key=lambda timer: timer.at):
            timer.look()

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped.total_seconds()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        timer = _ManualTimer(self.monotonic() + seconds, callback, self)
        self._timers[timer] = None
        timer.look()
        return timer

    @property
    def waiting(self) -> int:
        """How many timers are set."""
        return len(self._timers)

    def forget(self, timer: "_ManualTimer") -> None:
        self._timers.pop(timer, None)


class _ManualTimer:
    def __init__(self, at: float, callback: Callable[[], object], clock: ManualClock) -> None:
        self.at = at
        self._callback = callback
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.Handle | None = None
        self._is_due = False

    def look(self) -> None:
        if self._is_due:
            return  # It fires at the loop's next turn, however fast time goes.
        if self._handle is not None:
            self._handle.cancel()
        seconds = self.at - self._clock.monotonic()
        self._is_due = seconds <= 0
        # Timers of the loop that are due at once have no order among themselves.
        self._handle = self._loop.call_soon(self._fire) if self._is_due else self._loop.call_later(seconds, self._fire)

    def cancel(self) -> None:
        self._clock.forget(self)
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self) -> None:
        self._clock.forget(self)
        self._callback()
