"""Retention: what has stayed as long as its app wants it to is archived or deleted, inbox by inbox, in transactions so
small and so far apart that nobody who waits for the database notices.

A round walks over all inboxes. How far it has come is in the database, so that any process can go on with it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import compress
from typing import NamedTuple

import structlog
from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.core.ids import uuid7
from notify.metrics import Metrics
from notify.store.commands import ChangeCommand, Changed
from notify.store.commits import Commit
from notify.store.database import TRY_AGAIN, Connection, Database, Record
from notify.store.writer import Writer

__all__ = ("INBOXES_PER_READ", "Kept", "Retention", "Round")

log = structlog.get_logger(__name__)

_ROWS_PER_TRANSACTION = 100
"""Fewer than law 4 allows: the next commit of users may wait for these inboxes, and with it all that shares it."""

INBOXES_PER_READ = 200
_REST = 4
"""Times as long as a transaction took: what can wait takes a fifth of a connection's time from those who cannot."""

_LOOK_SECONDS = 60.0
_LEFT_AFTER = timedelta(seconds=60)
"""A process that has made no step for so long is not at it any more."""

_SAY_SECONDS = 60.0
_BUSY_SECONDS = 0.5
"""Pause where a step is under way: another process's, or one that we gave up and the server has not noticed."""


class Kept(NamedTuple):
    """How many days notifications stay where their app does not say; 0 is for ever."""

    read_days: int
    unread_days: int


class Round(Struct, frozen=True):
    """Over the inboxes in the order of their ids. With no `started_at` it is over."""

    started_at: datetime | None
    ended_at: datetime
    """When the last one was over."""

    walked: int
    upto: int
    archived: int
    deleted: int

    @property
    def share(self) -> float:
        """How much of it is done."""
        return self.walked / self.upto if self.upto else 1.0


class _Step(NamedTuple):
    round: Round | None
    """None if it is another process's now."""

    done: Counter[str]
    commits: list[Commit]


class Retention:
    def __init__(
        self, database: Database, writer: Writer, clock: Clock, metrics: Metrics, kept: Kept, *, every: timedelta
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._kept = kept
        self._every = every
        self._id = uuid7()
        self._inboxes = INBOXES_PER_READ
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="retention")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except (DatabaseAwayError, *TRY_AGAIN) as error:
                log.warning("retention will go on later", action="retention_put_off", cause=repr(error))
            except Exception:
                log.exception("retention failed", action="retention_failed")
            await self._clock.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """Sees a round through if one is due or was left, unless another process is at it."""
        row = (await self._database.fetch("retention_round"))[0]
        self._show(_round(row))
        if not self._may_take(row):
            return
        taken = await self._database.committed(partial(self._take, by_hand=False))
        if taken is None:
            return
        event = "retention goes on where it was left" if taken.walked else "retention begins"
        log.info(event, action="retention_begun", **_told(taken))
        said_at = self._clock.monotonic()
        async for round_ in self._steps():
            self._show(round_)
            if round_.started_at is None:
                log.info("retention is done", action="retention_done", **_told(round_))
            elif self._clock.monotonic() >= said_at + _SAY_SECONDS:
                said_at = self._clock.monotonic()
                log.info("retention goes on", action="retention_goes_on", **_told(round_))

    async def run(self) -> AsyncIterator[Round]:
        """A round from the beginning, though none may be due, or another process may be at one, which then leaves it to
        us. If somebody takes this one from us, it ends before it is over.
        """
        while (taken := await self._database.committed(partial(self._take, by_hand=True))) is None:
            await self._clock.sleep(_BUSY_SECONDS)
        yield taken
        async for round_ in self._steps():
            yield round_

    def _may_take(self, row: Record) -> bool:
        now = self._clock.now()
        if row["started_at"] is None:
            return bool(now >= row["ended_at"] + self._every)
        return bool(row["worker"] == self._id or now >= row["stepped_at"] + _LEFT_AFTER)

    async def _alone(self, connection: Connection) -> Record | None:
        """Where the round is, if nobody else is in the middle of a step."""
        statements = self._database.statements
        if not await connection.fetchval(statements["retention_lock"]):
            return None
        return await connection.fetchrow(statements["retention_round"])

    async def _take(self, connection: Connection, *, by_hand: bool) -> Round | None:
        row = await self._alone(connection)
        if row is None or not (by_hand or self._may_take(row)):
            return None
        taken = await connection.fetch(
            self._database.statements["retention_take"],
            self._id,
            self._clock.now(),
            by_hand or row["started_at"] is None,
        )
        return _round(taken[0])

    async def _steps(self) -> AsyncIterator[Round]:
        """Where the round is after each step, to its end or until another process is at it."""
        while True:
            began = time.perf_counter()
            try:
                step = await self._database.committed(self._step)
            except DatabaseAwayError:
                # Perhaps these inboxes hold so much that reading so many takes too long.
                if self._inboxes == 1:
                    raise
                self._inboxes = max(1, self._inboxes // 4)
                await self._clock.sleep(_REST * (time.perf_counter() - began))
                continue
            if step is None:
                await self._clock.sleep(_BUSY_SECONDS)
                continue
            if step.round is None:
                return
            self._inboxes = min(INBOXES_PER_READ, 2 * self._inboxes)
            for action, rows in step.done.items():
                self._metrics.retention_rows.labels(action).inc(rows)
            self._writer.on_commit(step.commits)
            yield step.round
            if step.round.started_at is None:
                return
            await self._clock.sleep(_REST * (time.perf_counter() - began))

    async def _step(self, connection: Connection) -> "_Step | None":
        statements = self._database.statements
        row = await self._alone(connection)
        if row is None:
            return None
        if row["worker"] != self._id or row["started_at"] is None:
            return _Step(None, Counter(), [])
        now, walked, upto = self._clock.now(), row["walked"], row["upto"]
        last = await connection.fetchval(statements["retention_slice"], walked, upto, self._inboxes)
        if last is None:
            done, commits, walked = Counter[str](), list[Commit](), upto
        else:
            found = await connection.fetch(
                statements["retention_find"], walked, last, now, *self._kept, _ROWS_PER_TRANSACTION
            )
            done, commits = await self._apply(connection, found, now)
            # The last of them may hold more.
            walked = last if len(found) < _ROWS_PER_TRANSACTION else found[-1]["inbox_id"] - 1
        kept = await connection.fetch(
            statements["retention_step"], walked, done["archive"], done["delete"], now, last is None
        )
        return _Step(_round(kept[0]), done, commits)

    async def _apply(
        self, connection: Connection, found: Sequence[Record], now: datetime
    ) -> tuple[Counter[str], list[Commit]]:
        """What somebody has changed since it was found is left to the next round."""
        statements = self._database.statements
        if not found:
            return Counter(), []
        columns = [[row[name] for row in found] for name in ("id", "state", "arrived_at")]
        await connection.execute(statements["lock"], [], [], columns[0], now)
        same = await connection.fetch(statements["retention_same"], *columns)
        chosen = [found[row["place"] - 1] for row in same]
        batch = self._writer.batch_of([ChangeCommand(row["app_id"], None, row["id"], row["action"]) for row in chosen])
        outcomes = await batch.apply(connection)
        changed = [isinstance(outcome, Changed) and outcome.changed for outcome in outcomes]
        return Counter(row["action"] for row in compress(chosen, changed)), batch.commits

    def _show(self, round_: Round) -> None:
        self._metrics.retention_progress.set(1 if round_.started_at is None else round_.share)
        self._metrics.retention_ended.set(round_.ended_at.timestamp())


def _round(row: Record) -> Round:
    return Round(row["started_at"], row["ended_at"], row["walked"], row["upto"], row["archived"], row["deleted"])


def _told(round_: Round) -> dict[str, int | str]:
    return {"archived": round_.archived, "deleted": round_.deleted, "walked": f"{round_.share:.0%}"}
