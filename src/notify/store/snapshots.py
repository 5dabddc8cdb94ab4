"""What fresh connections begin with. Those that come while a statement is under way share the next one."""

import asyncio
from itertools import groupby, islice
from operator import itemgetter

from msgspec import Struct

from notify.core.errors import NotFoundError
from notify.core.notification import Notification
from notify.core.states import STATES_OF
from notify.store.database import Database
from notify.store.following import InboxKey
from notify.store.rows import InboxState, inbox_state, notification_from

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
        self._asked: dict[InboxKey, asyncio.Future[Snapshot]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def of(self, key: InboxKey) -> Snapshot:
        """As it is now or a little later."""
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all(), name="snapshots")
        # Others may wait for the same.
        return await asyncio.shield(asked)

    async def _read_all(self) -> None:
        try:
            while self._asked:
                # Whoever asks from now on may want what is not there yet when this is read.
                asked = {key: self._asked.pop(key) for key in list(islice(self._asked, _INBOXES_PER_READ))}
                try:
                    found = await self._read(list(asked))
                except Exception as error:  # noqa: BLE001 - passed on to whom it belongs
                    for future in asked.values():
                        future.set_exception(error)
                        future.exception()  # Perhaps nobody waits any more.
                    continue
                for key, future in asked.items():
                    if key in found:
                        future.set_result(found[key])
                    else:
                        future.set_exception(NotFoundError())
        finally:
            self._reading = None

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
