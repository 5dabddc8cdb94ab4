"""What reaches whoever is connected and is kept for nobody: a row that lives until every process has read it.

The table is not logged: after a crash of the server it is empty, and nobody misses anything that was promised.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from notify.core.notification import Notification
from notify.store.commands import FlashCommand
from notify.store.commits import Created
from notify.store.database import Connection, Database, Record
from notify.store.rows import as_json
from notify.store.statements import Statements

__all__ = ("Flash", "Flashes", "OnFlash", "find_flashed", "flash")


class Flash(Struct, frozen=True):
    """For these users, for these topics, or for everyone if it names neither."""

    app_id: str
    user_ids: list[str]
    topics: list[str]
    excluded: list[str]
    notification: Notification
    """As it is for everybody: whose it is, and by which topic, differs."""

    @property
    def id(self) -> UUID:
        return self.notification.id

    def notification_of(self, user_id: str, topic: str | None) -> Notification:
        return msgspec.structs.replace(self.notification, user_id=user_id, topic=topic)


OnFlash = Callable[[list[Flash]], None]


class Flashes:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, ids: Sequence[UUID]) -> list[Flash]:
        """Those of them that are still there, in whatever order."""
        return [_flash(row) for row in await self._database.fetch("flashes", ids)]

    async def subscribed(self, app_id: str, user_ids: Sequence[str], keys: Iterable[str]) -> dict[str, set[str]]:
        """By which of the keys these users are subscribed now."""
        found: dict[str, set[str]] = {}
        for row in await self._database.fetch("subscribed", app_id, user_ids, list(keys)):
            found.setdefault(row["user_id"], set()).add(row["topic"])
        return found


async def flash(
    connection: Connection, statements: Statements, wanted: Sequence[FlashCommand], at: datetime
) -> list[Flash]:
    """What is to be shown once it is committed."""
    flashes = [
        Flash(
            each.app_id,
            each.user_ids,
            each.topics,
            each.excluded,
            Created(each.content, None, at, at).notification(each.id, user_id=""),
        )
        for each in wanted
    ]
    await connection.execute(
        statements["flash"],
        [each.id for each in flashes],
        [each.app_id for each in flashes],
        [as_json(each.user_ids) for each in flashes],
        [as_json(each.topics) for each in flashes],
        [as_json(each.excluded) for each in flashes],
        [as_json(each.notification) for each in flashes],
        at,
    )
    return flashes


async def find_flashed(connection: Connection, statements: Statements, ids: Sequence[UUID]) -> list[Flash]:
    """Those that are written already, after a connection was lost while they were under way (law 3)."""
    return [_flash(row) for row in await connection.fetch(statements["flashes"], ids)]


class _Stored(Notification, frozen=True, kw_only=True, gc=False):
    """As it is read back. msgspec decodes `Raw | None` as nothing but null, and Raw as null too."""

    data: msgspec.Raw
    actions: msgspec.Raw
    actor: msgspec.Raw


_decode_notification = msgspec.json.Decoder(_Stored).decode


def _flash(row: Record) -> Flash:
    return Flash(
        row["app_id"], row["user_ids"], row["topics"], row["excluded"], _decode_notification(row["notification"])
    )
