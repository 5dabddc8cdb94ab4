"""The audit log: each administrative act is noted before it is done, and how it ended after that. What cannot be noted
is not done.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog
from msgspec import Meta, Struct

from notify.core.clock import Clock
from notify.core.cursor import TimeCursor
from notify.core.errors import DatabaseAwayError, InternalError, ProblemError
from notify.core.ids import uuid7
from notify.store.database import Database, Record
from notify.store.rows import as_json

__all__ = ("Act", "Audit", "AuditEntry", "AuditFilters", "Noted")

log = structlog.get_logger(__name__)

_DONE = 200
_THE_NEWEST = TimeCursor.after(datetime.max.replace(tzinfo=UTC), UUID(int=2**128 - 1))


class Act(Struct, frozen=True):
    """Who does what, to what, and from where. A `user_id` in `about` is a user of the app."""

    app_id: str
    actor: str
    action: str
    about: dict[str, Any]
    key_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None


class Noted:
    """An act under way: what becomes known of it meanwhile, and how it ends if nothing fails."""

    def __init__(self) -> None:
        self.status = _DONE
        self.details: dict[str, Any] = {}


class AuditEntry(Struct, frozen=True):
    """An act. `status` is what it was answered with, or on the command line would have been; without one the process
    died, or the database was away, before anybody could tell how it ended.
    """

    id: UUID
    app: str
    at: datetime
    actor: Annotated[
        str,
        Meta(
            description="`admin key`, `key:` and its id, `user:` and their id, `cli:`, the account and the host, or "
            "`demo page`.",
            examples=["key:01996b5e-8d3c-7c9a-b1f0-3a9e5d2c7f41"],
        ),
    ]
    actor_name: Annotated[str | None, Meta(description="What a key begins with, and its name.")]
    action: Annotated[str, Meta(description="The `operationId` of what was called.", examples=["revokeKey"])]
    about: Annotated[dict[str, Any], Meta(description="What it was about, by name; never a credential.")]
    address: str | None
    request_id: str | None
    status: int | None
    ended_at: datetime | None


class AuditFilters(Struct, frozen=True):
    app_id: str | None = None
    action: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class Audit:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    @asynccontextmanager
    async def noted(self, act: Act) -> AsyncIterator[Noted]:
        """Around an act. Raises DatabaseAwayError, before anything is done, if it cannot be noted."""
        id_ = uuid7()
        noted = Noted()
        await self._begin(id_, act, None)
        try:
            yield noted
        except DatabaseAwayError:
            # Nobody can tell whether it was done.
            raise
        except Exception as error:
            status = error.status if isinstance(error, ProblemError) else InternalError.status
            await self._end(id_, status, noted.details)
            raise
        await self._end(id_, noted.status, noted.details)

    async def refused(self, act: Act, status: int) -> None:
        """What was refused before anything was done."""
        await self._begin(uuid7(), act, status)

    async def list(self, filters: AuditFilters, limit: int, after: TimeCursor | None) -> list[AuditEntry]:
        """Newest first, past the last that was shown."""
        place = after or _THE_NEWEST
        time, id_ = place.time, place.id
        if filters.until is not None and filters.until <= time:
            time, id_ = filters.until, UUID(int=0)
        rows = await self._database.fetch(
            "audit_list", filters.app_id, filters.action, filters.actor, filters.since, time, id_, limit
        )
        return [_entry(row) for row in rows]

    async def _begin(self, id_: UUID, act: Act, status: int | None) -> None:
        await self._database.execute(
            "audit_begin",
            id_,
            act.app_id,
            self._clock.now(),
            act.actor,
            act.key_id,
            act.action,
            as_json(act.about),
            act.address,
            act.request_id,
            status,
        )

    async def _end(self, id_: UUID, status: int, details: dict[str, Any]) -> None:
        try:
            await self._database.execute("audit_end", id_, status, self._clock.now(), as_json(details))
        except DatabaseAwayError as error:
            # What was done is done, and whoever asked for it is told so.
            log.warning("how an act ended is not noted", action="audit_cut_off", entry=str(id_), cause=repr(error))


def _entry(row: Record) -> AuditEntry:
    return AuditEntry(
        row["id"],
        row["app_id"],
        row["at"],
        row["actor"],
        row["actor_name"],
        row["action"],
        msgspec.json.decode(row["about"]),
        row["address"],
        row["request_id"],
        row["status"],
        row["ended_at"],
    )
