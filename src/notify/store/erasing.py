"""Erasing what is held about a user, in phases that any process carries on.

First the user's connections end. A second later their inbox does, all at once: what arrives from then on is in a new
one, with another epoch, and what was in the old one is removed in small transactions. Once every process has heard that
the connections had to end, what those have left is removed too, and with it whom the erasure was about.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog
from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.core.ids import uuid7
from notify.core.position import Bounds
from notify.metrics import Metrics
from notify.store.commits import Commit, OnCommit
from notify.store.database import TRY_AGAIN, Connection, Database, Record
from notify.store.many import InboxKey
from notify.store.rows import InboxState

__all__ = ("LEFT_OUT", "PARTS", "Erasing", "Part")

T = TypeVar("T")

log = structlog.get_logger(__name__)

_ROWS_PER_TRANSACTION = 500
_REST = 4
"""Times as long as a transaction took: what can wait takes a fifth of a connection's time from those who cannot."""

_ENDING = timedelta(seconds=1)
"""Within which connections end that have to."""

_LEASE = timedelta(seconds=30)
_LOOK_SECONDS = 5.0
_ENDED = InboxState(Bounds("", 0, 0), 0, 0, 0)
"""Of no inbox: whoever follows the one that has ended reads anew."""


class Part(NamedTuple):
    """What one statement removes, until it finds no more or, where it takes `after`, has walked over all there is; and
    the columns that say whose it is.
    """

    statement: str
    takes: tuple[str, ...]
    covers: tuple[str, ...]


_OF_USER = ("app_id", "user_id", "limit")
_WALKS = ("app_id", "user_id", "after", "limit")
_SINCE_LEFT = ("app_id", "user_id", "left_at")
_OF_INBOXES = ("inbox_ids", "limit")

# What waits to be sent comes first: what is just being sent is waited for, and then goes with the inbox.
_BEFORE = (
    Part("erase_outbox", (*_WALKS, "now"), ("outbox.user_id", "outbox.user_ids", "outbox.exclude")),
    Part("erase_subscriptions", _OF_USER, ("subscriptions.user_id",)),
)
_REST_OF_INBOXES = (
    Part("erase_notifications", _OF_INBOXES, ("notifications.inbox_id",)),
    Part("erase_type_counts", _OF_INBOXES, ("type_counts.inbox_id",)),
    Part("erase_devices", _OF_INBOXES, ("devices.inbox_id",)),
    Part("erase_acks", _OF_INBOXES, ("acks.inbox_id",)),
)
_ELSEWHERE = (
    Part("erase_answers", _WALKS, ("idempotency.answer",)),
    Part("erase_exclusions", _WALKS, ("publications.excluded",)),
    Part("erase_flashes", _OF_USER, ("flashes.user_ids", "flashes.excluded")),
)
_TRACES = (
    Part("erase_sessions", _SINCE_LEFT, ("sessions.user_id",)),
    Part("erase_tickets", _SINCE_LEFT, ("tickets.user_id",)),
    Part("erase_seen", ("app_id", "user_id"), ("seen.user_id",)),
    Part("erase_audit", _OF_USER, ("audit.user_id", "audit.actor")),
)
_LAST = (Part("erase_revocations", _SINCE_LEFT, ("revocations.user_id",)),)
PARTS = (*_BEFORE, *_REST_OF_INBOXES, *_ELSEWHERE, *_TRACES, *_LAST)

LEFT_OUT: Mapping[str, str] = {
    "sign_outs.user_id": "refuses the tokens that the user was given; goes when none of them can be good any more",
    "inboxes.user_id": "ends by itself, before what was in it is removed",
    "erasures.user_id": "goes as the erasure ends",
    "erasures.inbox_ids": "goes as the erasure ends",
}


class _Work(Struct):
    """An erasure that this process is at."""

    operation_id: UUID
    app_id: str
    user_id: str
    phase: str
    inbox_ids: list[int]
    left_at: datetime | None

    @property
    def key(self) -> InboxKey:
        return InboxKey(self.app_id, self.user_id)


class _TakenError(Exception):
    """Another process is at it: it took us for gone."""


class Erasing:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        end_connections: Callable[[InboxKey], Awaitable[None]],
        on_commit: OnCommit,
        heard_within: timedelta,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._end_connections = end_connections
        self._on_commit = on_commit
        self._heard_within = heard_within
        self._id = uuid7()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="erasing")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def begin(self, key: InboxKey, actor: str) -> UUID:
        """The operation that it is from now on. Doing it again is fine."""
        id_ = uuid7()
        await self._database.execute("erase_begin", id_, *key, actor, self._clock.now())
        self._wake.set()
        return id_

    async def _run(self) -> None:
        while True:
            seconds = _LOOK_SECONDS
            try:
                while await self.look():
                    pass
                seconds = min(seconds, await self.seconds_to_next())
            except (DatabaseAwayError, *TRY_AGAIN) as error:
                log.warning("erasing goes on later", action="erase_put_off", cause=repr(error))
            except Exception:
                log.exception("erasing failed", action="erase_failed")
            await self._clock.wait(self._wake, seconds)
            self._wake.clear()

    async def look(self) -> bool:
        """Does a phase that is due, of one erasure; whether there was any."""
        now = self._clock.now()
        rows = await self._database.execute("erase_claim", self._id, now, now + _LEASE)
        if not rows:
            return False
        work = _Work(**dict(rows[0]))
        try:
            await {"leave": self._leave, "remove": self._remove, "sweep": self._sweep}[work.phase](work)
        except _TakenError:
            log.info("another process goes on with an erasure", action="erase_taken", operation=str(work.operation_id))
        return True

    async def seconds_to_next(self) -> float:
        """Until a phase is due. One that is due by now another process is at, which may die."""
        due_at = (await self._database.fetch("erase_next"))[0]["due_at"]
        seconds = _LOOK_SECONDS if due_at is None else (due_at - self._clock.now()).total_seconds()
        return seconds if seconds > 0 else _LOOK_SECONDS

    async def _leave(self, work: _Work) -> None:
        await self._end_connections(work.key)
        await self._next(work, "remove", _ENDING)

    async def _remove(self, work: _Work) -> None:
        held = await self._database.fetch("held", *work.key)
        await self._step(work, partial(self._count, total=held[0]["held"]))
        await self._do(work, _BEFORE)
        await self._end_inbox(work, "erase_inbox")
        await self._do(work, (*_REST_OF_INBOXES, *_ELSEWHERE, *_TRACES))
        await self._next(work, "sweep", self._heard_within)

    async def _sweep(self, work: _Work) -> None:
        await self._end_inbox(work, "erase_revenant")
        # What was under way as the inbox ended may have come after what it belongs to was gone.
        await self._do(work, (*_REST_OF_INBOXES, *_TRACES, *_LAST))
        await self._step(work, self._end)
        log.info("an erasure is done", action="erase_done", operation=str(work.operation_id))

    async def _next(self, work: _Work, phase: str, within: timedelta) -> None:
        await self._step(work, partial(self._pass_on, phase=phase, due_at=self._clock.now() + within))

    async def _end_inbox(self, work: _Work, statement: str) -> None:
        ended = await self._step(work, partial(self._end_inbox_in, statement=statement))
        work.inbox_ids += ended
        self._on_commit([Commit(*work.key, id_, _ENDED, 0, "delete") for id_ in ended])

    async def _do(self, work: _Work, parts: Sequence[Part]) -> None:
        for part in parts:
            after: str | None = None
            while True:
                started = time.perf_counter()
                row = await self._step(work, partial(self._remove_some, part=part, after=after))
                self._metrics.erased.inc(row["removed"])
                after = row.get("after")
                if after is None and ("after" in part.takes or row["removed"] < _ROWS_PER_TRANSACTION):
                    break
                await self._clock.sleep(_REST * (time.perf_counter() - started))

    async def _step(self, work: _Work, step: Callable[[Connection, _Work], Awaitable[T]]) -> T:
        """In a transaction of its own, unless another process is at it by now."""

        async def held(connection: Connection) -> T:
            leased_until = self._clock.now() + _LEASE
            statement = self._database.statements["erase_hold"]
            if not await connection.fetch(statement, work.operation_id, self._id, leased_until):
                raise _TakenError
            return await step(connection, work)

        return await self._database.committed(held)

    async def _remove_some(self, connection: Connection, work: _Work, *, part: Part, after: str | None) -> Record:
        given = {"after": after, "limit": _ROWS_PER_TRANSACTION, "now": self._clock.now()}
        arguments = [given[name] if name in given else getattr(work, name) for name in part.takes]
        row = (await connection.fetch(self._database.statements[part.statement], *arguments))[0]
        if row["removed"]:
            await self._count(connection, work, removed=row["removed"])
        return row

    async def _count(self, connection: Connection, work: _Work, *, removed: int = 0, total: int | None = None) -> None:
        statement = self._database.statements["erase_step"]
        await connection.execute(statement, work.operation_id, removed, total, self._clock.now())

    async def _end_inbox_in(self, connection: Connection, work: _Work, *, statement: str) -> list[int]:
        rows = await connection.fetch(self._database.statements[statement], *work.key, work.operation_id)
        return [row["id"] for row in rows]

    async def _pass_on(self, connection: Connection, work: _Work, *, phase: str, due_at: datetime) -> None:
        await connection.execute(self._database.statements["erase_phase"], work.operation_id, phase, due_at)

    async def _end(self, connection: Connection, work: _Work) -> None:
        await connection.execute(self._database.statements["erase_end"], work.operation_id, self._clock.now())
