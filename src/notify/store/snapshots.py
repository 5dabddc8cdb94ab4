"""What fresh connections begin with, read for many of them at once."""

from msgspec import Struct

from notify.core.notification import Notification
from notify.core.states import STATES_OF
from notify.store.database import Record
from notify.store.many import InboxKey, Reader
from notify.store.rows import InboxState, inbox_state, notification_from
from notify.store.together import Together

__all__ = ("Snapshot", "Snapshots")

_INBOXES_PER_READ = 200
_MOST_ITEMS = 100


class Snapshot(Struct, frozen=True):
    """The newest unread notifications, oldest first, and where the inbox stands, of one moment."""

    items: list[Notification]
    inbox: InboxState


class Snapshots:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._together = Together(self._read, most=_INBOXES_PER_READ, timeout_seconds=reader.database.timeout_seconds)

    async def of(self, key: InboxKey) -> Snapshot:
        """As it is now or a little later."""
        return await self._together.get(key)

    async def _read(self, keys: list[InboxKey]) -> dict[InboxKey, Snapshot]:
        rows_of_each = await self._reader.rows_of("snapshots", keys, STATES_OF["unread"], _MOST_ITEMS)
        return {key: _snapshot(key, rows) for key, rows in zip(keys, rows_of_each, strict=True)}


def _snapshot(key: InboxKey, rows: list[Record]) -> Snapshot:
    items = [notification_from(row, key.user_id) for row in rows if row["id"] is not None]
    return Snapshot(items, inbox_state(rows[0]))
