"""The outbox: what producers put there in transactions of their own, any process claims, writes and removes in one
transaction of ours (law 5).
"""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError, FieldError, ProblemError
from notify.core.notification import Create, Limits, content_of
from notify.metrics import Metrics
from notify.store.batch import MOST_STEPS
from notify.store.commands import CreateCommand, Recipient, Steps
from notify.store.commits import Commit
from notify.store.database import AWAY, TRY_AGAIN, Connection, Database, Record
from notify.store.writer import Writer

__all__ = ("Outbox",)

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.2
_JSON_COLUMNS = ("data", "actions", "actor")
_TEXT_COLUMNS = ("title", "body", "type", "level", "url", "collapse_key")


class _TogetherError(Exception):
    """So many rows cannot be written together, because of at least one of them."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        super().__init__(rows)


class Outbox:
    """Empties the outbox whenever it rings, and looks into it now and then in case a ring was missed."""

    def __init__(
        self,
        database: Database,
        writer: Writer,
        clock: Clock,
        metrics: Metrics,
        limits: Limits,
        *,
        rows: int,
        poll_seconds: float,
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._limits = limits
        self._rows = rows
        self._poll_seconds = poll_seconds
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="outbox")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def ring(self) -> None:
        self._bell.set()

    async def measure(self) -> None:
        """Brings the gauges up to date."""
        (row,) = await self._database.fetch("outbox_depth", self._clock.now())
        self._metrics.outbox_rows.labels("waiting").set(row["waiting"])
        self._metrics.outbox_rows.labels("failed").set(row["failed"])
        self._metrics.outbox_age_seconds.set(row["age_seconds"])

    async def _run(self) -> None:
        while True:
            self._bell.clear()
            try:
                while await self.claim(self._rows):
                    pass
            except (DatabaseAwayError, *TRY_AGAIN) as error:
                log.warning(
                    "the outbox cannot be emptied yet", action="outbox_away", cause=repr(error.__cause__ or error)
                )
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            except Exception:
                log.exception("the outbox could not be emptied", action="outbox_failed")
            try:
                async with asyncio.timeout(self._poll_seconds):
                    await self._bell.wait()
            except TimeoutError:
                pass

    async def claim(self, limit: int) -> bool:
        """Writes up to so many rows; whether there may be more. One that cannot be written is set aside alone."""
        try:
            return await self._claim(limit)
        except _TogetherError as error:
            log.warning(
                "outbox rows failed together and are halved", action="outbox_split", cause=repr(error.__cause__)
            )
            rows = error.rows
        # The same rows come first again, unless another process was faster.
        await self.claim(rows // 2)
        return await self.claim(rows - rows // 2)

    async def _claim(self, limit: int) -> bool:
        statements = self._database.statements
        async with self._database.transaction() as connection:
            claimed = await connection.fetch(statements["outbox_claim"], limit)
            if not claimed:
                return False
            rows, commands, failed = self._take(claimed)
            try:
                commits = await self._write(connection, commands)
            except (*AWAY, *TRY_AGAIN, asyncpg.InterfaceError):
                raise
            except Exception as error:
                if len(commands) > 1:
                    raise _TogetherError(len(rows)) from error
                await connection.execute("ROLLBACK TO unwritten")
                failed[commands[0].id] = str(error)
                commits = []
            await connection.execute(statements["outbox_done"], [row["id"] for row in rows if row["id"] not in failed])
            if failed:
                await connection.execute(
                    statements["outbox_fail"], list(failed), list(failed.values()), self._clock.now()
                )
        for id_, reason in failed.items():
            log.warning("an outbox row was set aside", action="outbox_set_aside", id=str(id_), reason=reason)
        self._metrics.created.labels("outbox").inc(len(commits))
        self._writer.on_commit(commits)
        return len(claimed) == limit or len(rows) < len(claimed)

    def _take(self, claimed: list[Record]) -> tuple[list[Record], list[CreateCommand], dict[UUID, str]]:
        """The rows that one transaction can do, what they ask for, and why some of them cannot be understood."""
        commands: list[CreateCommand] = []
        failed: dict[UUID, str] = {}
        steps = Steps()
        for place, row in enumerate(claimed):
            if row["known"]:
                continue
            try:
                command = self._command(row)
            except (ProblemError, msgspec.MsgspecError) as error:
                failed[row["id"]] = _reason(error)
                continue
            if steps.add(command) >= MOST_STEPS:
                return claimed[:place], commands, failed
            commands.append(command)
        return claimed, commands, failed

    async def _write(self, connection: Connection, commands: list[CreateCommand]) -> list[Commit]:
        if len(commands) == 1:
            # What PostgreSQL refuses can then be recorded in the same transaction.
            await connection.execute("SAVEPOINT unwritten")
        batch = self._writer.batch_of(commands)
        await batch.apply(connection)
        return batch.commits

    def _command(self, row: Record) -> CreateCommand:
        asked: dict[str, Any] = {name: row[name] for name in _TEXT_COLUMNS if row[name] is not None}
        asked |= {name: msgspec.json.decode(row[name]) for name in _JSON_COLUMNS if row[name] is not None}
        create = msgspec.convert({"to": row["user_id"], **asked}, Create)
        return CreateCommand(
            row["app_id"], [Recipient(row["user_id"], row["id"])], content_of(create, self._limits), row["id"]
        )


def _reason(error: Exception) -> str:
    errors: tuple[FieldError, ...] = getattr(error, "errors", ())
    return "; ".join(f"{field.pointer}: {field.detail}" for field in errors) or str(error)
