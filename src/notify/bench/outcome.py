"""What a process of the load generator has seen in a phase, and what all of them have seen together."""

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct, field

from notify.bench.histogram import Histogram

__all__ = ("Outcome", "together")


class Outcome(Struct):
    latencies: dict[str, Histogram] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    begun_at: int | None = None
    """Of the monotonic clock, which processes of one machine share."""

    ended_at: int | None = None
    cpu_shares: list[float] = field(default_factory=list)
    """What each process used of a core."""

    wait_shares: list[float] = field(default_factory=list)
    """What part of the time each process waited for a core that others had, where the system tells."""

    def latency(self, name: str) -> Histogram:
        return self.latencies.setdefault(name, Histogram())

    @property
    def seconds(self) -> float:
        """From the first beginning to the last end; not 0, so that rates are numbers."""
        return max(((self.ended_at or 0) - (self.begun_at or 0)) / 1e9, 1e-9)


def together(outcomes: Iterable[Outcome]) -> Outcome:
    all_ = Outcome()
    for outcome in outcomes:
        for name, histogram in outcome.latencies.items():
            all_.latency(name).merge(histogram)
        all_.counts.update(outcome.counts)
        all_.errors.update(outcome.errors)
        all_.cpu_shares += outcome.cpu_shares
        all_.wait_shares += outcome.wait_shares
        if outcome.begun_at is not None:
            all_.begun_at = min(all_.begun_at or outcome.begun_at, outcome.begun_at)
        if outcome.ended_at is not None:
            all_.ended_at = max(all_.ended_at or outcome.ended_at, outcome.ended_at)
    return all_
