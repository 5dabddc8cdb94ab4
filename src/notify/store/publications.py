"""What was published, edited and recalled: for those who have it, and for those who have not pulled it yet."""

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import NotFoundError
from notify.core.topic import CHANGED, keys_of
from notify.store.changing import EDITABLE
from notify.store.commands import Columns
from notify.store.commits import OnPublish
from notify.store.database import Connection, Database, Record
from notify.store.edits import Amendment, Edits
from notify.store.rows import shown_content

__all__ = ("Counted", "Operation", "Publications")

_Change = Literal["edit", "resurface", "recall"]

_UNKNOWN = (
    "There is no such operation in this app, or not any more (NOTIFY_PUBLICATION_DAYS). What went to named users has "
    "none: edit or delete it there."
)


class Counted(Struct, frozen=True):
    """How many it is for, where that is known, and how many of those have it, have acknowledged, seen and read it."""

    audience: int | None
    pulled: int
    delivered: int
    seen: int
    read: int


class Operation(Struct, frozen=True, tag_field="kind", tag="publication"):
    """A publication as it is now. With no topics it is for everyone."""

    id: UUID
    topics: list[str]
    exclude: list[str]
    type: str | None
    level: str
    title: str
    body: str | None
    data: msgspec.Raw | None
    url: str | None
    actions: msgspec.Raw | None
    actor: msgspec.Raw | None
    collapse_key: str | None
    progress: float | None
    expires_at: datetime | None
    published_at: datetime
    edited_at: datetime | None
    recalled_at: datetime | None
    counted: Counted


class Publications:
    def __init__(self, database: Database, clock: Clock, on_publish: OnPublish, *, edits_per_second: float) -> None:
        self._database = database
        self._clock = clock
        self._on_publish = on_publish
        self._edits = Edits(self._edit, clock, per_second=edits_per_second)

    async def operation(self, app_id: str, id_: UUID) -> Operation:
        """Counted when it is asked for, so that nobody who pulls has a counter to wait for."""
        found = await self._database.fetch("publication_topics", id_, app_id)
        rows = await self._database.fetch("operation", id_, app_id, keys_of(found[0]["topics"])) if found else []
        if not rows:
            raise NotFoundError(_UNKNOWN)
        return _operation(rows[0])

    async def edit(self, app_id: str, id_: UUID, edit: Amendment) -> Operation:
        """At most so many a second are entered in the log; those in between are merged."""
        await self._edits.make((app_id, id_), edit)
        return await self.operation(app_id, id_)

    async def _edit(self, key: tuple[str, UUID], edit: Amendment) -> None:
        await self._change(*key, "resurface" if edit.resurfaces else "edit", edit.columns)

    async def recall(self, app_id: str, id_: UUID) -> None:
        """Recalling it again is fine."""
        await self._change(app_id, id_, "recall", {})

    async def _change(self, app_id: str, id_: UUID, change: _Change, columns: Columns) -> None:
        head = await self._database.committed(
            lambda connection: self._change_in(connection, app_id, id_, change, columns)
        )
        if head is not None:
            self._on_publish({app_id: head})

    async def _change_in(
        self, connection: Connection, app_id: str, id_: UUID, change: _Change, columns: Columns
    ) -> int | None:
        """Where the log stands after it; None if there was nothing to do."""
        statements = self._database.statements
        now = self._clock.now()
        await connection.execute(statements["lock_logs"], [app_id])
        row = await connection.fetchrow(statements["publication_lock"], id_, app_id)
        if row is None or (change != "recall" and row["recalled_at"] is not None):
            raise NotFoundError(_UNKNOWN if row is None else "This was recalled: nobody has it any more.")
        if row["recalled_at"] is not None:
            return None
        if change != "recall":
            values = [columns.get(name, row[name]) for name in EDITABLE]
            await connection.execute(statements["publication_edit"], id_, *values, now)
        else:
            await connection.execute(statements["publication_recall"], id_, now)
        head: int = await connection.fetchval(statements["enter"], app_id, CHANGED, id_, change, now)
        return head


def _operation(row: Record) -> Operation:
    return Operation(
        id=row["id"],
        topics=row["topics"],
        exclude=row["excluded"],
        **shown_content(row),
        published_at=row["published_at"],
        edited_at=row["edited_at"],
        recalled_at=row["recalled_at"],
        counted=Counted(row["audience"], row["pulled"], row["delivered"], row["seen"], row["read"]),
    )
