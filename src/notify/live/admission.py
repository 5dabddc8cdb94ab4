"""Who may open a live connection, as far as there is room for one more."""

from collections.abc import Hashable

from msgspec import Struct

from notify.core.buckets import Buckets, Rate
from notify.core.clock import Clock
from notify.core.errors import OverloadedError
from notify.live.roster import Roster
from notify.metrics import Metrics

__all__ = ("Admission", "AdmissionLimits")


class AdmissionLimits(Struct, frozen=True):
    """In all of them, 0 is no limit."""

    connections: int
    connections_per_address: int
    connects_per_second: float
    connect_burst: int


class Admission:
    def __init__(self, roster: Roster, clock: Clock, metrics: Metrics, limits: AdmissionLimits) -> None:
        self._roster = roster
        self._metrics = metrics
        self._limits = limits
        self._connects: Buckets[None] | None = None
        if limits.connects_per_second:
            rate = Rate(limits.connects_per_second, limits.connect_burst)
            self._connects = Buckets(rate, clock, most=1)

    def check(self, source: Hashable) -> None:
        limits = self._limits
        if limits.connections and len(self._roster) >= limits.connections:
            self._refuse("connections", "All places for live connections are taken (NOTIFY_MAX_CONNECTIONS).")
        if (
            limits.connections_per_address
            and source is not None
            and self._roster.count_from(source) >= limits.connections_per_address
        ):
            self._refuse(
                "connections-per-address",
                "All places for live connections from this address are taken (NOTIFY_MAX_CONNECTIONS_PER_ADDRESS).",
            )
        if self._connects is not None and self._connects.take(None) < 0:
            self._refuse("connects", "Too many come at once (NOTIFY_CONNECTS_PER_SECOND).")

    def _refuse(self, limit: str, detail: str) -> None:
        self._metrics.limited.labels(limit).inc()
        raise OverloadedError(f"{detail} Connect again after as long as `Retry-After` says.")
