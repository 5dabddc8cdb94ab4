"""The one source of time: whatever stamps or waits asks this clock, so that tests run days in milliseconds.

What bounds how long somebody else may take to answer (a database, a client's socket) is real time, and no part of it.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

__all__ = ("Clock", "SystemClock", "Timer")


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
        await self.wait(asyncio.Event(), seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Until it is set, but no longer than that; whether it is set."""
        if event.is_set():
            return True
        waiting = asyncio.ensure_future(event.wait())
        timer = self.call_later(seconds, waiting.cancel)
        try:
            await asyncio.wait([waiting])
        finally:
            timer.cancel()
            waiting.cancel()
        return event.is_set()


class SystemClock(Clock):
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)
