"""How long things took: counts in buckets that grow with the value, so that any percentile is within 1 % and histograms
of several processes add up.
"""

import math

from msgspec import Struct, field

__all__ = ("Histogram",)

_FINE_BITS = 7
_FINE = 1 << _FINE_BITS
"""Buckets per doubling: the middle of one is within 0.4 % of everything in it."""


class Histogram(Struct):
    """Of times in whole nanoseconds."""

    buckets: dict[int, int] = field(default_factory=dict)
    count: int = 0
    least: int = 0
    most: int = 0

    def add(self, nanoseconds: int) -> None:
        value = max(nanoseconds, 0)
        bucket = _bucket_of(value)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.least = min(self.least, value) if self.count else value
        self.most = max(self.most, value)
        self.count += 1

    def merge(self, other: "Histogram") -> None:
        if not other.count:
            return
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count
        self.least = min(self.least, other.least) if self.count else other.least
        self.most = max(self.most, other.most)
        self.count += other.count

    def percentile(self, share: float) -> float:
        """The value that this share (0 to 1) of all values does not exceed; 0 when there are none."""
        rank = max(1, math.ceil(share * self.count))
        passed = 0
        for bucket in sorted(self.buckets):
            passed += self.buckets[bucket]
            if passed >= rank:
                return min(max(_middle_of(bucket), self.least), self.most)
        return 0

    def up_to(self, nanoseconds: float) -> int:
        """How many values do not exceed this one, to the bucket."""
        return sum(count for bucket, count in self.buckets.items() if _middle_of(bucket) <= nanoseconds)


def _bucket_of(value: int) -> int:
    if value < 2 * _FINE:
        return value
    doublings = value.bit_length() - _FINE_BITS - 1
    return doublings * _FINE + (value >> doublings)


def _middle_of(bucket: int) -> float:
    if bucket < 2 * _FINE:
        return bucket
    doublings = bucket // _FINE - 1
    return ((bucket - doublings * _FINE) << doublings) + ((1 << doublings) - 1) / 2
