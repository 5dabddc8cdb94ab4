"""What fresh connections begin with, read for many of them at once."""

from itertools import groupby
from operator import itemgetter

from msgspec import Struct

from notify.core.notification import Notification
from notify.core.states import STATES_OF
from notify.store.database import Database
from notify.store.following import InboxKey
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
    def __init__(self, database: Database) -> None:
        self._database = database
        self._together = Together(self._read, _INBOXES_PER_READ)

    async def of(self, key: InboxKey) -> Snapshot:
        """As it is now or a little later."""
        return await self._together.get(key)

    async def _read(self, keys: list[InboxKey]) -> dict[InboxKey, Snapshot]:
        rows = await self._database.fetch(
            "snapshots",
            [key.app_id for key in keys],
            [key.user_id for key in keys],
            STATES_OF["unread"],
            _MOST_ITEMS,
        )
        found: dict[InboxKey, Snapshot] = {}
        for place, group in groupby(rows, itemgetter("place")):
            key = keys[place - 1]
            of_inbox = list(group)
            items = [notification_from(row, key.user_id) for row in of_inbox if row["id"] is not None]
            found[key] = Snapshot(items, inbox_state(of_inbox[0]))
        return found
