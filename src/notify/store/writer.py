"""Group commit (law 4): what is asked for while one commit is under way shares the next. There is no timer."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import cast
from uuid import UUID

import structlog

from notify.core.clock import Clock
from notify.core.errors import (
    DatabaseAwayError,
    IdempotencyBusyError,
    InternalError,
    OverloadedError,
    ProblemError,
)
from notify.core.ids import uuid7
from notify.metrics import Metrics
from notify.store.batch import MOST_STEPS, Batch, Outcome
from notify.store.commands import (
    AckCommand,
    Action,
    ChangeCommand,
    Changed,
    Command,
    FlashCommand,
    IdempotencyKey,
    PublishCommand,
    SendCommand,
    Sent,
    Steps,
)
from notify.store.commits import OnCommit, OnPublish, OnSchedule
from notify.store.database import TRY_AGAIN, Database
from notify.store.deadlines import Deadlines
from notify.store.edits import Amendment, Edits
from notify.store.flashes import OnFlash

__all__ = ("Writer",)

log = structlog.get_logger(__name__)

_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 0.5


class _Waiting:
    """A command and whoever waits for its outcome."""

    __slots__ = ("command", "future")

    def __init__(self, command: Command, future: asyncio.Future[Outcome]) -> None:
        self.command = command
        self.future = future


class Writer:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        batch_rows: int,
        queue_rows: int,
        idempotency_live: timedelta,
        edits_per_second: float,
        on_commit: OnCommit,
        on_publish: OnPublish,
        on_schedule: OnSchedule,
        on_flash: OnFlash,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._batch_rows = batch_rows
        self._queue_rows = queue_rows
        self._idempotency_live = idempotency_live
        self.on_commit = on_commit
        self._on_publish = on_publish
        self._on_schedule = on_schedule
        self._on_flash = on_flash
        self._queue: deque[_Waiting] = deque()
        self._queued_rows = 0
        metrics.queued_rows.set_function(lambda: self._queued_rows)
        self._edits = Edits(self._edit, clock, per_second=edits_per_second)
        self._deadlines = Deadlines(database.timeout_seconds)
        self._keys: set[IdempotencyKey] = set()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="writer")

    async def stop(self) -> None:
        """Writes what still waits, then ends."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def create(self, command: SendCommand) -> Sent:
        outcome = await self._submit(command)
        assert isinstance(outcome, Sent)  # noqa: S101 - a create is answered with nothing else
        if not outcome.replayed:
            self._metrics.created.labels("api").inc(len(outcome.items))
            self._metrics.published.inc(isinstance(command, PublishCommand))
            self._metrics.flashed.inc(isinstance(command, FlashCommand))
        return outcome

    async def change(self, command: ChangeCommand) -> Changed | None:
        """The notification as it is now, or None if there is no such notification."""
        outcome = cast(Changed | None, await self._submit(command))
        if outcome is not None and outcome.changed:
            self._metrics.changed.labels(command.action).inc()
        return outcome

    async def edit(self, app_id: str, user_id: str | None, id_: UUID, edit: Amendment) -> Changed | None:
        """The same for an edit. At most so many a second take a position; those in between are merged."""
        return await self._edits.make((app_id, user_id, id_), edit)

    async def _edit(self, key: tuple[str, str | None, UUID], edit: Amendment) -> Changed | None:
        action: Action = "resurface" if edit.resurfaces else "edit"
        return await self.change(ChangeCommand(*key, action, edit.columns, trace=uuid7()))

    async def ack(self, command: AckCommand) -> None:
        await self._submit(command)
        self._metrics.acks.inc()

    def batch_of(self, commands: Sequence[Command]) -> Batch:
        return Batch(commands, self._database.statements, self._clock.now(), self._idempotency_live)

    def tell(self, batch: Batch) -> None:
        """Tells whoever listens what a batch did, now that it is committed."""
        self.on_commit(batch.commits)
        if batch.published:
            self._on_publish(batch.published)
        if batch.has_scheduled:
            self._on_schedule()
        if batch.flashed:
            self._on_flash(batch.flashed)

    async def _submit(self, command: Command) -> Outcome:
        if self._stopping or self._queued_rows + command.rows > self._queue_rows:
            raise OverloadedError
        key = command.key if isinstance(command, SendCommand) else None
        named = None if key is None else IdempotencyKey(key.app_id, key.key_hash, b"", key.part)
        if named is not None:
            if named in self._keys:
                raise IdempotencyBusyError
            self._keys.add(named)
        waiting = _Waiting(command, asyncio.get_running_loop().create_future())
        if named is not None:
            waiting.future.add_done_callback(lambda _: self._keys.discard(named))
        self._queue.append(waiting)
        self._queued_rows += command.rows
        self._wake.set()
        # Once its future is done, for whatever reason, a command that still waits is skipped: it is out for good.
        self._deadlines.set_for(waiting.future)
        outcome = await waiting.future
        if isinstance(outcome, ProblemError):
            raise outcome
        return outcome

    async def _run(self) -> None:
        while True:
            if not self._queue:
                if self._stopping:
                    return
                self._wake.clear()
                await self._wake.wait()
            batch = self._take()
            if not batch:
                continue
            try:
                await self._write(batch)
            except Exception:
                log.exception("a batch failed in an unforeseen way", action="batch_failed", commands=len(batch))
                self._answer(batch, [InternalError()] * len(batch))

    def _take(self) -> list[_Waiting]:
        """The next batch: at most so many rows, in at most so many steps, in the order they were asked for."""
        batch: list[_Waiting] = []
        rows = 0
        steps = Steps()
        while self._queue:
            waiting = self._queue[0]
            if not waiting.future.done():
                rows += waiting.command.rows
                step = steps.add(waiting.command)
                if batch and (rows > self._batch_rows or step >= MOST_STEPS):
                    break
                batch.append(waiting)
            self._queue.popleft()
            self._queued_rows -= waiting.command.rows
        return batch

    async def _write(self, batch: list[_Waiting], *, perhaps_written: bool = False) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while batch := [waiting for waiting in batch if not waiting.future.done()]:
            try:
                self._answer(batch, await self._commit(batch, perhaps_written=perhaps_written))
                return
            except TRY_AGAIN:
                self._metrics.batch_retries.labels("conflict").inc()
            except DatabaseAwayError as error:
                self._metrics.batch_retries.labels("away").inc()
                log.warning("a group commit was cut off", action="commit_cut_off", cause=repr(error.__cause__))
                perhaps_written = True
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            except Exception:
                if len(batch) == 1:
                    log.exception("a command cannot be written", action="command_failed")
                    self._answer(batch, [InternalError()])
                    return
                # One bad item fails alone: halve until it is found.
                middle = len(batch) // 2
                await self._write(batch[:middle], perhaps_written=perhaps_written)
                await self._write(batch[middle:], perhaps_written=perhaps_written)
                return

    async def _commit(self, batch: list[_Waiting], *, perhaps_written: bool) -> list[Outcome]:
        work = self.batch_of([waiting.command for waiting in batch])
        started = time.perf_counter()
        if work.is_one_statement and not perhaps_written:
            async with self._database.connection() as connection:
                outcomes = await work.apply(connection)
        else:
            async with self._database.transaction() as connection:
                outcomes = await work.apply(connection, perhaps_written=perhaps_written)
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.batch_rows.observe(sum(waiting.command.rows for waiting in batch))
        self.tell(work)
        return outcomes

    def _answer(self, batch: list[_Waiting], outcomes: Sequence[Outcome]) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            _resolve(waiting.future, outcome)


def _resolve(future: asyncio.Future[Outcome], outcome: Outcome) -> None:
    if not future.done():
        future.set_result(outcome)
