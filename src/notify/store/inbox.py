"""Reading an inbox: each answer is of one statement, so that what it says and where it stands are of one moment. Those
who ask together share the statement.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

from notify.core.cursor import ListCursor
from notify.core.errors import InvalidError, NotFoundError
from notify.core.event import Arrived, Deleted, Event, Gone, Reset, Resetting, Updated
from notify.core.notification import Notification
from notify.core.position import Position
from notify.core.states import STATES_OF, Status
from notify.store.database import Record
from notify.store.following import Change, Following
from notify.store.many import InboxKey, Reader
from notify.store.rows import InboxState, inbox_state, notification_from
from notify.store.together import Together

__all__ = ("Changes", "Counts", "Filters", "Inboxes", "Page")

_INBOXES_PER_READ = 25
_READS = 2
_STATES_OF = {status: f"{{{','.join(str(int(state)) for state in states)}}}" for status, states in STATES_OF.items()}
"""As PostgreSQL writes arrays."""


class Filters(Struct, frozen=True):
    status: Status = "inbox"
    type: str | None = None
    topic: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        return repr((self.status, self.type, self.topic, self.since, self.until))


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


class _List(NamedTuple):
    key: InboxKey
    filters: Filters
    most: int
    older_than: datetime | None
    older_position: int


class _Count(NamedTuple):
    key: InboxKey
    types: tuple[str, ...]


class Inboxes:
    def __init__(self, reader: Reader, following: Following) -> None:
        self._reader = reader
        self._following = following
        timeout_seconds = reader.database.timeout_seconds
        self._states = Together(
            self._read_states, most=_INBOXES_PER_READ, timeout_seconds=timeout_seconds, reads=_READS
        )
        self._lists = Together(self._read_lists, most=_INBOXES_PER_READ, timeout_seconds=timeout_seconds, reads=_READS)
        self._counts = Together(
            self._read_counts, most=_INBOXES_PER_READ, timeout_seconds=timeout_seconds, reads=_READS
        )

    async def state(self, app_id: str, user_id: str) -> InboxState:
        return await self._states.get(InboxKey(app_id, user_id))

    async def page(self, app_id: str, user_id: str, filters: Filters, limit: int, cursor: str | None) -> Page:
        after = None if cursor is None else ListCursor.parse(cursor, str(filters))
        # A page ends where the one before it did, the first one at `until`.
        end = (filters.until, 0) if after is None else (after.arrived_at, after.position)
        rows = await self._lists.get(_List(InboxKey(app_id, user_id), filters, limit + 1, *end))
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
        rows = await self._counts.get(_Count(InboxKey(app_id, user_id), tuple(types)))
        counts = {type_: Counts(0, 0, 0) for type_ in types}
        for row in rows:
            if row["type"] is not None:
                counts[row["type"]] = Counts(row["type_unread"], row["type_unseen"], row["type_total"])
        return inbox_state(rows[0]), counts

    async def get(self, app_id: str, user_id: str | None, id_: UUID) -> tuple[Notification, InboxState]:
        rows = await self._reader.database.fetch("get", id_, app_id, user_id, self._reader.clock.now())
        if rows and rows[0]["unsettled"]:
            await self._reader.settle([InboxKey(app_id, rows[0]["user_id"])])
            rows = await self._reader.database.fetch("get", id_, app_id, user_id, self._reader.clock.now())
        if not rows:
            raise NotFoundError
        return notification_from(rows[0], rows[0]["user_id"]), inbox_state(rows[0])

    async def changes(self, app_id: str, user_id: str, after: Position | None, limit: int) -> Changes:
        """What changed after a position. A position that cannot be resumed from gets a `reset` and a fresh start."""
        key = InboxKey(app_id, user_id)
        news = await self._following.page(key, 0 if after is None else after.seq, limit)
        bounds = news.inbox.bounds
        events: list[Event] = []
        reason = None if after is None else after.invalid_in(bounds)
        if reason is not None:
            head, floor = Position(bounds.epoch, bounds.head), Position(bounds.epoch, bounds.floor)
            events.append(Resetting(Reset(reason, str(floor), str(head))))
            news = await self._following.page(key, 0, limit)
            bounds = news.inbox.bounds
        fresh = after is None or reason is not None
        since_floor = bounds.floor if fresh or after is None else after.since_floor
        end = news.changes[-1].seq if news.more else bounds.head
        events.extend(_event(change, bounds.epoch) for change in news.changes)
        return Changes(events, Position(bounds.epoch, end, since_floor), news.more, news.inbox)

    async def _read_states(self, asked: list[InboxKey]) -> dict[InboxKey, InboxState]:
        found = await self._reader.rows_of("inbox", asked)
        return {key: inbox_state(rows[0]) for key, rows in zip(asked, found, strict=True)}

    async def _read_lists(self, asked: list[_List]) -> dict[_List, list[Record]]:
        found = await self._reader.rows_of(
            "list",
            [each.key for each in asked],
            [_STATES_OF[each.filters.status] for each in asked],
            [each.most for each in asked],
            [each.filters.since for each in asked],
            [each.older_than for each in asked],
            [each.older_position for each in asked],
            [each.filters.type for each in asked],
            [each.filters.topic for each in asked],
        )
        return dict(zip(asked, found, strict=True))

    async def _read_counts(self, asked: list[_Count]) -> dict[_Count, list[Record]]:
        types = [msgspec.json.encode(each.types).decode() for each in asked]
        found = await self._reader.rows_of("count", [each.key for each in asked], types)
        return dict(zip(asked, found, strict=True))


def _cursor_after(row: Record, filters: Filters) -> str:
    return str(ListCursor.after(row["epoch"], row["arrived_at"], row["arrived_position"], str(filters)))


def _event(change: Change, epoch: str) -> Event:
    position = str(Position(epoch, change.seq))
    if change.notification is None:
        return Deleted(position, Gone(change.id))
    if change.kind == "notification":
        return Arrived(position, change.notification)
    return Updated(position, change.notification)
