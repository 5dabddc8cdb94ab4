"""Reading an inbox: each answer is one statement, so that what it says and where it stands are of one moment."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from notify.core.cursor import ListCursor
from notify.core.errors import InvalidError, NotFoundError
from notify.core.event import Arrived, Deleted, Event, Gone, Reset, Resetting, Updated
from notify.core.notification import Notification
from notify.core.position import Position
from notify.core.states import STATES_OF, State, Status
from notify.store.database import Database, Record
from notify.store.rows import InboxState, inbox_state, notification_from

__all__ = ("Changes", "Counts", "Filters", "Inboxes", "Page")


class Filters(Struct, frozen=True):
    status: Status = "inbox"
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        return repr((self.status, self.type, self.since, self.until))


class Page(Struct, frozen=True):
    items: list[Notification]
    next_cursor: str | None
    inbox: InboxState


class Counts(Struct, frozen=True):
    unread: int
    unseen: int
    total: int


class Changes(Struct, frozen=True):
    items: list[Event]
    position: Position
    more: bool
    inbox: InboxState


class Inboxes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def state(self, app_id: str, user_id: str) -> InboxState:
        rows = await self._opened("inbox", app_id, user_id)
        return inbox_state(rows[0])

    async def page(self, app_id: str, user_id: str, filters: Filters, limit: int, cursor: str | None) -> Page:
        after = None if cursor is None else ListCursor.parse(cursor, str(filters))
        # A page ends where the one before it did, the first one at `until`.
        end = (filters.until, 0) if after is None else (after.arrived_at, after.position)
        arguments: list[Any] = [STATES_OF[filters.status], limit + 1, filters.since, *end]
        if filters.type is None:
            rows = await self._opened("list", app_id, user_id, *arguments)
        else:
            rows = await self._opened("list_by_type", app_id, user_id, *arguments, filters.type)
        inbox = inbox_state(rows[0])
        if after is not None and after.epoch != inbox.bounds.epoch:
            raise InvalidError.at("cursor", "This inbox was reset since the cursor was given; start the list again.")
        found = [row for row in rows if row["id"] is not None]
        shown = found[:limit]
        more = len(found) > limit
        return Page(
            items=[notification_from(row, user_id) for row in shown],
            next_cursor=_cursor_after(shown[-1], filters) if more else None,
            inbox=inbox,
        )

    async def count(self, app_id: str, user_id: str, types: list[str]) -> tuple[InboxState, dict[str, Counts]]:
        rows = await self._opened("count", app_id, user_id, types)
        counts = {type_: Counts(0, 0, 0) for type_ in types}
        for row in rows:
            if row["type"] is not None:
                counts[row["type"]] = Counts(row["type_unread"], row["type_unseen"], row["type_total"])
        return inbox_state(rows[0]), counts

    async def get(self, app_id: str, user_id: str | None, id_: UUID) -> tuple[Notification, InboxState]:
        rows = await self._database.fetch("get", id_, app_id, user_id)
        if not rows:
            raise NotFoundError
        return notification_from(rows[0], rows[0]["user_id"]), inbox_state(rows[0])

    async def changes(self, app_id: str, user_id: str, after: Position | None, limit: int) -> Changes:
        """What changed after a position. A position that cannot be resumed from gets a `reset` and a fresh start."""
        seq = 0 if after is None else after.seq
        rows = await self._opened("changes", app_id, user_id, seq, limit + 1)
        inbox = inbox_state(rows[0])
        bounds = inbox.bounds
        events: list[Event] = []
        reason = None if after is None else after.invalid_in(bounds)
        if reason is not None:
            head, floor = Position(bounds.epoch, bounds.head), Position(bounds.epoch, bounds.floor)
            events.append(Resetting(Reset(reason, str(floor), str(head))))
            rows = await self._opened("changes", app_id, user_id, 0, limit + 1)
            inbox = inbox_state(rows[0])
            bounds = inbox.bounds
        fresh = after is None or reason is not None
        since_floor = bounds.floor if fresh or after is None else after.since_floor
        changed = [row for row in rows if row["id"] is not None]
        more = len(changed) > limit
        changed = changed[:limit]
        end = changed[-1]["changed_position"] if more else bounds.head
        events.extend(_event(row, user_id, bounds.epoch) for row in changed)
        return Changes(events, Position(bounds.epoch, end, since_floor), more, inbox)

    async def _opened(self, statement: str, app_id: str, user_id: str, *arguments: Any) -> list[Record]:
        """The rows of a statement that gives at least one if the inbox exists; whoever shows up first makes it."""
        rows = await self._database.fetch(statement, app_id, user_id, *arguments)
        if not rows:
            await self._database.execute("open", app_id, user_id)
            rows = await self._database.fetch(statement, app_id, user_id, *arguments)
        return rows


def _cursor_after(row: Record, filters: Filters) -> str:
    return str(ListCursor.after(row["epoch"], row["arrived_at"], row["arrived_position"], str(filters)))


def _event(row: Record, user_id: str, epoch: str) -> Event:
    position = str(Position(epoch, row["changed_position"]))
    if row["state"] == State.DELETED:
        return Deleted(position, Gone(row["id"]))
    notification = notification_from(row, user_id)
    if row["arrived_position"] == row["changed_position"]:
        return Arrived(position, notification)
    return Updated(position, notification)
