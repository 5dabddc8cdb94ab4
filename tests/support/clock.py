"""A clock whose time of day stands still until it is told to move. Whoever waits for it wakes when it has moved far
enough, or when that has really gone by.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from notify.core.clock import Clock, Timer


class ManualClock(Clock):
    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self._skipped = timedelta()
        self._timers: set[_ManualTimer] = set()

    def now(self) -> datetime:
        # A microsecond a look, so that what happens later is later.
        self._now += timedelta(microseconds=1)
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._skipped += by
        for timer in sorted(self._timers, key=lambda timer: timer.at):
            timer.look()

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped.total_seconds()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        timer = _ManualTimer(self.monotonic() + seconds, callback, self)
        self._timers.add(timer)
        timer.look()
        return timer

    async def pass_until(self, done: "asyncio.Future[Any]", step: timedelta = timedelta(seconds=1)) -> None:
        """Time goes by in steps, with a moment for everybody between them, until something is done."""
        while not done.done():
            self.advance(step)
            await asyncio.wait([done], timeout=0.005)

    def forget(self, timer: "_ManualTimer") -> None:
        self._timers.discard(timer)


class _ManualTimer:
    def __init__(self, at: float, callback: Callable[[], object], clock: ManualClock) -> None:
        self.at = at
        self._callback = callback
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        self._is_due = False

    def look(self) -> None:
        if self._is_due:
            return  # It fires at the loop's next turn, however fast time goes.
        if self._handle is not None:
            self._handle.cancel()
        seconds = self.at - self._clock.monotonic()
        self._is_due = seconds <= 0
        self._handle = self._loop.call_later(max(0.0, seconds), self._fire)

    def cancel(self) -> None:
        self._clock.forget(self)
        if self._handle is not None:
            self._handle.cancel()

    def _fire(self) -> None:
        self._clock.forget(self)
        self._callback()
