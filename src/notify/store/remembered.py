"""What was looked up a moment ago: bounded in number and in time, and forgotten at once when somebody says so."""

from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from notify.core.clock import Clock

__all__ = ("Remembered",)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    def __init__(self, clock: Clock, most: int, live: timedelta, is_trusted: Callable[[], bool]) -> None:
        self._clock = clock
        self._most = most
        self._live = live
        self._is_trusted = is_trusted
        """Whether it would be heard if this were no longer so."""

        self._values: dict[K, tuple[datetime, V]] = {}
        self._times_forgotten = 0

    async def get(self, key: K, look: Callable[[], Awaitable[V | None]]) -> V | None:
        """What `look` finds, or found lately."""
        known = self._values.get(key)
        if known is not None and self._clock.now() < known[0] and self._is_trusted():
            return known[1]
        before = self._times_forgotten
        found = await look()
        # What was forgotten meanwhile may be what has just been found.
        if found is not None and before == self._times_forgotten and self._is_trusted():
            self._keep(key, found)
        return found

    def forget(self) -> None:
        self._times_forgotten += 1
        self._values.clear()

    def _keep(self, key: K, value: V) -> None:
        self._values.pop(key, None)
        if len(self._values) >= self._most:
            # The one that was looked up longest ago.
            del self._values[next(iter(self._values))]
        self._values[key] = (self._clock.now() + self._live, value)
