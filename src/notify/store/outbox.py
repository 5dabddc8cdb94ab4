"""The outbox: what producers put there in transactions of their own, and what is to be sent later, any process claims
when it is due, writes and removes in one transaction of ours (law 5).
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec
import structlog

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError, FieldError, ProblemError
from notify.core.notification import Limits
from notify.metrics import Metrics
from notify.store.batch import MOST_STEPS, Batch
from notify.store.commands import CreateCommand, PublishCommand, Steps
from notify.store.database import AWAY, TRY_AGAIN, Connection, Database, Record
from notify.store.outbox_rows import command_in
from notify.store.writer import Writer

__all__ = ("Outbox",)

log = structlog.get_logger(__name__)

_PAUSE_SECONDS = 0.2


class _TogetherError(Exception):
    """So many rows cannot be written together, because of at least one of them."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        super().__init__(rows)


class _Taken:
    """What one transaction can do of what was claimed, and how each of the rows ends."""

    def __init__(self) -> None:
        self.rows: list[Record] = []
        self.commands: list[CreateCommand | PublishCommand] = []
        self.expired: list[UUID] = []
        self.failed: dict[UUID, str] = {}
        """Why some of them cannot be written."""

    @property
    def done(self) -> list[UUID]:
        return [row["id"] for row in self.rows if row["id"] not in self.failed]


class Outbox:
    """Empties the outbox of what is due whenever it rings and whenever something becomes due, and looks into it now and
    then in case a ring was missed.
    """

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
        for state in ("waiting", "scheduled", "failed"):
            self._metrics.outbox_rows.labels(state).set(row[state])
        self._metrics.outbox_age_seconds.set(row["age_seconds"])

    async def _run(self) -> None:
        while True:
            self._bell.clear()
            looked_at = self._clock.now()
            seconds = self._poll_seconds
            try:
                while await self.claim(self._rows):
                    pass
                seconds = await self._seconds_to_next(looked_at)
            except (DatabaseAwayError, *TRY_AGAIN) as error:
                log.warning(
                    "the outbox cannot be emptied yet", action="outbox_away", cause=repr(error.__cause__ or error)
                )
                await self._clock.sleep(_PAUSE_SECONDS)
                continue
            except Exception:
                log.exception("the outbox could not be emptied", action="outbox_failed")
            await self._clock.wait(self._bell, seconds)

    async def _seconds_to_next(self, looked_at: datetime) -> float:
        rows = await self._database.fetch("outbox_next")
        if not rows:
            return self._poll_seconds
        send_at: datetime | None = rows[0]["send_at"]
        if send_at is None or send_at <= looked_at:
            # It was due as we looked: another process has it, and may die.
            return min(_PAUSE_SECONDS, self._poll_seconds)
        return min(max((send_at - self._clock.now()).total_seconds(), 0), self._poll_seconds)

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
        now = self._clock.now()
        async with self._database.transaction() as connection:
            claimed = await connection.fetch(statements["outbox_claim"], now, limit)
            if not claimed:
                return False
            taken = self._take(claimed, now)
            batch = self._writer.batch_of(taken.commands)
            try:
                await self._write(connection, batch)
            except (*AWAY, *TRY_AGAIN, asyncpg.InterfaceError):
                raise
            except Exception as error:
                if len(taken.commands) > 1:
                    raise _TogetherError(len(taken.rows)) from error
                await connection.execute("ROLLBACK TO unwritten")
                taken.failed[taken.commands[0].id] = str(error)
                batch = self._writer.batch_of([])
            await connection.execute(statements["outbox_done"], taken.done, taken.expired, now)
            if taken.failed:
                await connection.execute(
                    statements["outbox_fail"], list(taken.failed), list(taken.failed.values()), now
                )
        for id_ in taken.expired:
            log.info("an outbox row was over before it was sent", action="outbox_expired", id=str(id_))
        for id_, reason in taken.failed.items():
            log.warning("an outbox row was set aside", action="outbox_set_aside", id=str(id_), reason=reason)
        self._count(batch)
        self._writer.tell(batch)
        return len(claimed) == limit or len(taken.rows) < len(claimed)

    def _take(self, claimed: Sequence[Record], now: datetime) -> _Taken:
        """As many of the rows, in their order, as may be written together."""
        taken = _Taken()
        steps = Steps()
        written = 0
        for row in claimed:
            expires_at: datetime | None = row["expires_at"]
            if row["known"]:
                pass
            elif expires_at is not None and expires_at <= now:
                taken.expired.append(row["id"])
            else:
                try:
                    command = command_in(row, self._limits)
                except (ProblemError, msgspec.MsgspecError) as error:
                    taken.failed[row["id"]] = _reason(error)
                else:
                    step = steps.add(command)
                    written += command.rows
                    if step >= MOST_STEPS or (taken.commands and written > self._rows):
                        return taken
                    taken.commands.append(command)
            taken.rows.append(row)
        return taken

    async def _write(self, connection: Connection, batch: Batch) -> None:
        if len(batch.commands) == 1:
            # What PostgreSQL refuses can then be recorded in the same transaction.
            await connection.execute("SAVEPOINT unwritten")
        await batch.apply(connection)

    def _count(self, batch: Batch) -> None:
        for command in batch.commands:
            if isinstance(command, CreateCommand):
                self._metrics.created.labels("outbox").inc(command.rows)
            elif isinstance(command, PublishCommand):
                self._metrics.published.inc()


def _reason(error: Exception) -> str:
    errors: tuple[FieldError, ...] = getattr(error, "errors", ())
    return "; ".join(f"{field.pointer}: {field.detail}" for field in errors) or str(error)
