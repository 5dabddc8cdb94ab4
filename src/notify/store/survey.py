"""What a round of retention would find now, without doing it."""

from collections.abc import Callable
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from notify.core.clock import Clock
from notify.store.database import Database, Record
from notify.store.policies import RetentionAction
from notify.store.retention import INBOXES_PER_READ, Kept

__all__ = ("Found", "Survey")

_READ_SECONDS = 60.0
"""What one read may take: nobody else waits for it."""


class Found(Struct, frozen=True):
    """By one rule of an app. `type` is empty for all that the app says nothing else of."""

    app_id: str
    type: str
    is_read: bool
    days: int
    action: RetentionAction
    rows: int
    oldest: datetime


class Survey:
    def __init__(self, database: Database, clock: Clock, kept: Kept) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept

    async def take(self, show: Callable[[int, int], None]) -> list[Found]:
        """Shows how far it has come, and of how much."""
        statements = self._database.statements
        now, walked, found = self._clock.now(), 0, dict[tuple[str, str, bool], Found]()
        upto: int = (await self._database.fetch("last_inbox"))[0]["id"]
        while walked < upto:
            show(walked, upto)
            async with self._database.connection(_READ_SECONDS) as connection:
                last = await connection.fetchval(statements["retention_slice"], walked, upto, INBOXES_PER_READ)
                if last is None:
                    break
                rows = await connection.fetch(statements["retention_survey"], walked, last, now, *self._kept)
            for row in rows:
                _add(found, row)
            walked = last
        return [found[key] for key in sorted(found)]


def _add(found: dict[tuple[str, str, bool], Found], row: Record) -> None:
    more = Found(**dict(row))
    key = more.app_id, more.type, more.is_read
    before = found.get(key, more)
    rows = more.rows if before is more else before.rows + more.rows
    found[key] = replace(more, rows=rows, oldest=min(before.oldest, more.oldest))
