"""The one source of time: whatever stamps or waits asks this clock, so that tests run days in milliseconds.

What bounds how long somebody else may take to answer (a database, a client's socket) is real time, and no part of it.
"""

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

__all__ = ("Clock", "SystemClock", "Timer")

_AT_ONCE = -math.inf


class Timer(Protocol):
    def cancel(self) -> None: ...


class Clock(ABC):
    @abstractmethod
    def now(self) -> datetime: ...

    @abstractmethod
    def monotonic(self) -> float:
        """Seconds since some moment, whatever is done to the time of day."""

    @abstractmethod
    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer: ...

    async def sleep(self, seconds: float) -> None:
        over = asyncio.Event()
        timer = self.call_later(seconds, over.set)
        try:
            await over.wait()
        finally:
            timer.cancel()

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Until it is set, but no longer than that; whether it is set."""
        with suppress(TimeoutError):
            # No task of its own, which whoever gives up waiting would leave behind.
            async with asyncio.timeout(None) as limit:
                timer = self.call_later(seconds, partial(limit.reschedule, _AT_ONCE))
                try:
                    await event.wait()
                finally:
                    timer.cancel()
        return event.is_set()


class SystemClock(Clock):
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)
