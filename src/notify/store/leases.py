"""What was read holds for a moment, so that a thousand requests a second with one key read it once. Whoever takes
something back says so only when that moment has passed: by then no process goes by what it read before.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from notify.core.clock import Clock

__all__ = ("LEASE_SECONDS", "Leases", "run_out")

LEASE_SECONDS = 0.1

_MARGIN_SECONDS = 0.05
"""Timers may be early by what a turn of the loop takes, and clocks of two machines differ a little."""

_MOST = 10_000
_NEVER = (0.0, None)

K = TypeVar("K")
V = TypeVar("V")


async def run_out(clock: Clock) -> None:
    """Returns when whatever was read before this began is gone by no more, in any process."""
    await clock.sleep(LEASE_SECONDS + _MARGIN_SECONDS)


class Leases(Generic[K, V]):
    def __init__(self, read: Callable[[K], Coroutine[Any, Any, V | None]], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._readings: dict[K, tuple[float, asyncio.Task[V | None]]] = {}
        """The newest reading of each key, and until when it may be gone by: counted from its beginning, because it may
        not know what was committed since.
        """

    async def get(self, key: K) -> V | None:
        until, reading = self._readings.get(key, _NEVER)
        if reading is not None and self._clock.monotonic() < until:
            value: V | None = reading.result() if reading.done() else await asyncio.shield(reading)
            if value is not None:
                return value
        # What was not there is not remembered: it may have come since.
        return await asyncio.shield(self._begin(key))

    def _begin(self, key: K) -> "asyncio.Task[V | None]":
        until = self._clock.monotonic() + LEASE_SECONDS
        reading = asyncio.create_task(self._read(key))
        reading.add_done_callback(lambda _: self._forget_failed(key, reading))
        self._readings.pop(key, None)
        self._readings[key] = until, reading
        if len(self._readings) > _MOST:
            del self._readings[next(iter(self._readings))]
        return reading

    def _forget_failed(self, key: K, reading: "asyncio.Task[V | None]") -> None:
        failed = reading.cancelled() or reading.exception() is not None
        if failed and self._readings.get(key, _NEVER)[1] is reading:
            del self._readings[key]
