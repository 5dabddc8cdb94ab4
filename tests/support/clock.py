"""A clock whose time of day stands still until it is told to move."""

import time
from datetime import UTC, datetime, timedelta


class ManualClock:
    def __init__(self) -> None:
        self._now = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self._skipped = timedelta()

    def now(self) -> datetime:
        # A microsecond a look, so that what happens later is later.
        self._now += timedelta(microseconds=1)
        return self._now

    def advance(self, by: timedelta) -> None:
        self._now += by
        self._skipped += by

    def monotonic(self) -> float:
        return time.monotonic() + self._skipped.total_seconds()
