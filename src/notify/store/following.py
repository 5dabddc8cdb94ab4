"""What changed in inboxes past the positions they are known up to."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from notify.core.notification import Notification
from notify.core.position import Position
from notify.core.states import State
from notify.store.database import Record
from notify.store.many import InboxKey, Reader
from notify.store.rows import InboxState, inbox_state, notification_from
from notify.store.together import Together

__all__ = ("Change", "Following", "News", "change_from")

_PAGES_PER_READ = 25
_READS = 2


class _Asked(NamedTuple):
    key: InboxKey
    after: int | None
    limit: int


class Change(Struct, frozen=True, gc=False):
    """A notification's latest change; None of it is left where it was deleted."""

    seq: int
    kind: Literal["notification", "update", "delete"]
    id: UUID
    notification: Notification | None


class Head(NamedTuple):
    """Where an inbox stands, and whether settling it would move it on."""

    position: Position
    is_unsettled: bool
    due_at: datetime | None

    def is_past(self, known: Position) -> bool:
        return self.position.epoch != known.epoch or self.position.seq > known.seq


class News(Struct, frozen=True):
    """Where an inbox stands and what is new in it. `more` says that there was more than fitted."""

    inbox_id: int
    inbox: InboxState
    changes: list[Change]
    more: bool


class Following:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._pages = Together(
            self._read, most=_PAGES_PER_READ, timeout_seconds=reader.database.timeout_seconds, reads=_READS
        )

    async def news(self, wanted: Sequence[tuple[InboxKey, int | None]], limit: int) -> dict[InboxKey, News]:
        """What is new in each of these inboxes, or only where it stands, past which position nothing is asked for."""
        asked = [_Asked(key, after, limit) for key, after in wanted]
        return {each.key: news for each, news in (await self._read(asked)).items()}

    async def page(self, key: InboxKey, after: int, limit: int) -> News:
        """What is new in one inbox, read with the pages that others ask for."""
        return await self._pages.get(_Asked(key, after, limit))

    async def heads(self, keys: Sequence[InboxKey]) -> dict[InboxKey, Head]:
        names = [key.app_id for key in keys], [key.user_id for key in keys]
        rows = await self._reader.database.fetch("heads", *names, self._reader.clock.now())
        return {
            InboxKey(row["app_id"], row["user_id"]): Head(
                Position(row["epoch"], row["head"]), row["unsettled"], row["due_at"]
            )
            for row in rows
        }

    async def _read(self, asked: Sequence[_Asked]) -> dict[_Asked, News]:
        rows_of_each = await self._reader.rows_of(
            "follow",
            [each.key for each in asked],
            [each.after for each in asked],
            [each.limit + 1 for each in asked],
        )
        return {each: _news(each, rows) for each, rows in zip(asked, rows_of_each, strict=True)}


def _news(asked: _Asked, rows: list[Record]) -> News:
    changes = [change_from(row, asked.key.user_id) for row in rows[: asked.limit] if row["id"] is not None]
    return News(rows[0]["followed_id"], inbox_state(rows[0]), changes, len(rows) > asked.limit)


def change_from(row: Record, user_id: str) -> Change:
    if row["state"] == State.DELETED:
        return Change(row["changed_position"], "delete", row["id"], None)
    arrived = row["arrived_position"] == row["changed_position"]
    kind: Literal["notification", "update"] = "notification" if arrived else "update"
    return Change(row["changed_position"], kind, row["id"], notification_from(row, user_id))
