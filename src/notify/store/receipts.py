"""Exports and erasures: how far they are, and that they were. A receipt does not say whom it was about."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

from notify.core.clock import Clock
from notify.core.ids import uuid7
from notify.store.database import Database

__all__ = ("EraseOperation", "ExportOperation", "Receipts")


class _Receipt(Struct, frozen=True):
    id: UUID
    actor: Annotated[str, Meta(description="Who asked for it, as the audit log calls them.", examples=["admin key"])]
    state: Literal["running", "done", "stopped"]
    done: Annotated[int, Meta(description="How much was exported or removed by now.")]
    total: Annotated[int | None, Meta(description="Of how much, as far as that is known.")]
    started_at: datetime
    ended_at: datetime | None


class ExportOperation(_Receipt, frozen=True, tag_field="kind", tag="export"):
    """An export of what is held about a user. `stopped` where whoever read it left, or the service did."""


class EraseOperation(_Receipt, frozen=True, tag_field="kind", tag="erase"):
    """An erasure of what is held about a user. It goes on until it is `done`, whichever process began it."""


_KINDS: dict[str, type[ExportOperation | EraseOperation]] = {"export": ExportOperation, "erase": EraseOperation}


class Receipts:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def get(self, app_id: str, id_: UUID) -> ExportOperation | EraseOperation | None:
        rows = await self._database.fetch("receipt", id_, app_id)
        if not rows:
            return None
        columns = dict(rows[0])
        return _KINDS[columns.pop("kind")](**columns)

    async def begin_export(self, app_id: str, actor: str, total: int) -> UUID:
        id_ = uuid7()
        await self._database.execute("receipt_begin", id_, app_id, actor, total, self._clock.now())
        return id_

    async def step(self, id_: UUID, done: int) -> None:
        await self._database.execute("receipt_step", id_, done, self._clock.now())

    async def end_export(self, id_: UUID, done: int, *, is_complete: bool) -> None:
        state = "done" if is_complete else "stopped"
        await self._database.execute("receipt_end", id_, state, done, self._clock.now())
