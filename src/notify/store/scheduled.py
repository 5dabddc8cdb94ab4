"""What waits in the outbox for its time: what there is, and taking it back."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from notify.core.clock import Clock
from notify.core.cursor import TimeCursor
from notify.core.errors import AlreadySentError, NotFoundError
from notify.core.notification import Audience
from notify.store.database import Database, Record
from notify.store.outbox_rows import audience_in
from notify.store.rows import shown_content

__all__ = ("Scheduled", "ScheduledSend")

_THE_FIRST = TimeCursor.after(datetime.min.replace(tzinfo=UTC), UUID(int=0))


class ScheduledSend(Struct, frozen=True):
    """What is to be sent at its time, as it was asked for."""

    id: UUID
    to: str | list[str] | Audience
    exclude: list[str]
    title: str
    body: str | None
    type: str | None
    level: str
    data: msgspec.Raw | None
    url: str | None
    actions: msgspec.Raw | None
    actor: msgspec.Raw | None
    collapse_key: str | None
    progress: float | None
    send_at: datetime
    expires_at: datetime | None
    created_at: datetime
    failure: Annotated[
        str | None, Meta(description="Why it could not be sent when its time came; null while that is ahead.")
    ]


class Scheduled:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(self, app_id: str, limit: int, after: TimeCursor | None) -> list[ScheduledSend]:
        place = after or _THE_FIRST
        rows = await self._database.fetch("scheduled", app_id, place.time, place.id, limit)
        return [_send(row) for row in rows]

    async def cancel(self, app_id: str, id_: UUID) -> None:
        """It will not be sent. Doing it again is fine; whoever is just sending it is waited for."""
        # Two statements: one that had to wait for a row does not see what was written meanwhile (law 1).
        rows = await self._database.execute("scheduled_cancel", id_, app_id, self._clock.now())
        rows = rows or await self._database.fetch("release", id_, app_id)
        if not rows:
            raise NotFoundError("Nothing with this id is or was scheduled in this app within the last 30 days.")
        if rows[0]["is_sent"]:
            raise AlreadySentError


def _send(row: Record) -> ScheduledSend:
    return ScheduledSend(
        id=row["id"],
        to=audience_in(row),
        exclude=row["exclude"] or [],
        **shown_content(row),
        send_at=row["send_at"],
        created_at=row["created_at"],
        failure=row["failure"],
    )
