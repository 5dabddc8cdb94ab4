"""Token buckets: how much each of many callers may do at once, and per second in the long run."""

import math
from collections import OrderedDict
from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

from msgspec import Struct

from notify.core.clock import Clock

__all__ = ("Buckets", "Rate")

K = TypeVar("K", bound=Hashable)

_ROUNDING = 1e-3
"""Of a token: what a sum of many small times may be off by."""


class Rate(Struct, frozen=True):
    """`burst` tokens at once, and `per_second` more from then on."""

    per_second: float
    burst: int

    @property
    def refill_seconds(self) -> float:
        """How long an empty bucket takes to be full."""
        return self.burst / self.per_second


class Buckets(Generic[K]):
    """A bucket for each key. It is one number: when it will be full again. Full ones are as good as none and are let
    go of, and so is the one that was not touched for longest where there would be more than `most`.
    """

    def __init__(self, rate: Rate, clock: Clock, *, most: int) -> None:
        self.rate = rate
        self._per_second = rate.per_second
        self._spare = rate.burst - 1
        """What a full bucket holds when a token was taken from it."""

        self._clock = clock
        self._most = most
        self._full_at: OrderedDict[K, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def left(self, key: K) -> float:
        """Tokens in this bucket."""
        now = self._clock.monotonic()
        return self.rate.burst - max(0.0, self._full_at.get(key, now) - now) * self.rate.per_second

    def take(self, key: K) -> float:
        """Takes a token. How many are left then; below zero, there was none to take, and so much of one is missing."""
        now = self._clock.monotonic()
        buckets = self._full_at
        full_at = buckets.get(key, now)
        full_at = max(full_at, now)
        left = self._spare - (full_at - now) * self._per_second
        if left < -_ROUNDING:
            return left
        buckets[key] = full_at + 1 / self._per_second
        buckets.move_to_end(key)
        # Of one at most, so that no call takes long: no more than one has come.
        oldest = next(iter(buckets))
        if buckets[oldest] <= now or len(buckets) > self._most:
            del buckets[oldest]
        return left if left > 0 else 0.0

    def take_each(self, keys: Collection[K]) -> list[K]:
        """Takes a token from each of these buckets, or none from any: those that are empty are returned."""
        empty = [key for key in keys if self.left(key) < 1 - _ROUNDING]
        if not empty:
            for key in keys:
                self.take(key)
        return empty

    def wait(self, missing: float) -> int:
        """Whole seconds until so many tokens have come."""
        return max(1, math.ceil(missing / self.rate.per_second))
