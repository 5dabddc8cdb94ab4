"""Marking all of an inbox, in transactions of at most 500 rows so that nobody waits long for the inbox's lock."""

from typing import Any

from notify.core.clock import Clock
from notify.core.errors import InvalidError
from notify.core.position import Position
from notify.core.states import BulkMark, State
from notify.metrics import Metrics
from notify.store.commits import Commit, OnCommit
from notify.store.database import Connection, Database, Record
from notify.store.inbox import Inboxes
from notify.store.rows import inbox_state

__all__ = ("BulkMarks",)

_ROWS_PER_TRANSACTION = 500
_STATES_BEFORE: dict[BulkMark, tuple[State, ...]] = {
    "read": (State.UNSEEN, State.SEEN),
    "seen": (State.UNSEEN,),
    "archive": (State.UNSEEN, State.SEEN, State.READ),
}


class BulkMarks:
    def __init__(
        self, database: Database, inboxes: Inboxes, clock: Clock, metrics: Metrics, on_commit: OnCommit
    ) -> None:
        self._on_commit = on_commit
        self._database = database
        self._inboxes = inboxes
        self._clock = clock
        self._metrics = metrics

    async def mark_all(
        self, app_id: str, user_id: str, mark: BulkMark, type_: str | None, before: Position | None
    ) -> tuple[int, Position]:
        """Marks what is there now and had arrived by `before`; how many that were, and where the inbox stands after."""
        inbox = await self._inboxes.state(app_id, user_id)
        if before is not None and before.invalid_in(inbox.bounds) in {"epoch", "ahead"}:
            raise InvalidError.at(
                "/before", "The inbox is not at that position; list it again and send what that says."
            )
        # What arrives while this runs is not what the user saw when they asked.
        arrived_by = inbox.bounds.head if before is None else before.seq
        updated = 0
        wanted = (app_id, user_id, _STATES_BEFORE[mark], type_, arrived_by, mark, _ROWS_PER_TRANSACTION)
        while True:
            row = await self._mark_some(wanted)
            updated += row["changes"]
            if row["changes"]:
                inbox = inbox_state(row)
                self._on_commit([Commit(app_id, user_id, row["inbox_id"], inbox, inbox.bounds.head, "update")])
            self._metrics.changed.labels(mark).inc(row["changes"])
            if row["changes"] < _ROWS_PER_TRANSACTION:
                return updated, Position(row["epoch"], row["head"])

    async def _mark_some(self, wanted: tuple[Any, ...]) -> Record:
        statements = self._database.statements
        app_id, user_id, *_ = wanted

        async def mark(connection: Connection) -> Record:
            now = self._clock.now()
            await connection.execute(statements["lock"], [app_id], [user_id], [], now)
            rows = await connection.fetch(statements["change_all"], *wanted, now)
            return rows[0]

        return await self._database.committed(mark)
