"""Time reaches whoever is connected: their inboxes are settled as soon as something in them expires or comes back."""

import asyncio
import heapq
from collections.abc import Sequence
from datetime import datetime

import structlog

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.store.following import Following
from notify.store.many import InboxKey
from notify.store.settle import Settle

__all__ = ("Timing",)

log = structlog.get_logger(__name__)

_INBOXES_PER_SETTLE = 500
_LONGEST_WAIT_SECONDS = 3600.0
_PAUSE_WHEN_AWAY_SECONDS = 0.5


class Timing:
    def __init__(self, following: Following, settle: Settle, clock: Clock) -> None:
        self._following = following
        self._settle = settle
        self._clock = clock
        self._due: dict[InboxKey, datetime] = {}
        self._queue: list[tuple[datetime, InboxKey]] = []
        """In the order of time; what `_due` does not say any more is passed over."""
        self._sooner = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="timing")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def watch(self, key: InboxKey, due_at: datetime | None) -> None:
        """Settles a followed inbox then; None: there is nothing to do in it any more."""
        if due_at is None:
            self._due.pop(key, None)
        elif self._due.get(key) != due_at:
            self._due[key] = due_at
            heapq.heappush(self._queue, (due_at, key))
            if self._queue[0] == (due_at, key):
                self._sooner.set()

    async def _run(self) -> None:
        while True:
            self._sooner.clear()
            due = self._take_due()
            if not due:
                await self._clock.wait(self._sooner, self._seconds_until_next())
                continue
            try:
                await self._let_pass(due)
            except DatabaseAwayError as error:
                log.warning("what is due cannot be done yet", action="timing_away", cause=repr(error.__cause__))
                await self._try_again(due)
            except Exception:
                log.exception("what is due could not be done", action="timing_failed", inboxes=len(due))
                await self._try_again(due)

    def _take_due(self) -> list[InboxKey]:
        now = self._clock.now()
        due: list[InboxKey] = []
        while self._queue and len(due) < _INBOXES_PER_SETTLE and self._queue[0][0] <= now:
            at, key = heapq.heappop(self._queue)
            if self._due.get(key) == at:
                due.append(key)
        return due

    def _seconds_until_next(self) -> float:
        if not self._queue:
            return _LONGEST_WAIT_SECONDS
        seconds = (self._queue[0][0] - self._clock.now()).total_seconds()
        return min(max(seconds, 0.0), _LONGEST_WAIT_SECONDS)

    async def _let_pass(self, keys: Sequence[InboxKey]) -> None:
        asked = {key: self._due[key] for key in keys}
        await self._settle.settle(keys)
        # Whatever was done said when the next is due. Where there was nothing to do, others may have done it.
        silent = [key for key, due_at in asked.items() if self._due.get(key) == due_at]
        heads = await self._following.heads(silent) if silent else {}
        for key in silent:
            self.watch(key, heads[key].due_at if key in heads else None)

    async def _try_again(self, keys: Sequence[InboxKey]) -> None:
        for key in keys:
            if key in self._due:
                heapq.heappush(self._queue, (self._due[key], key))
        await self._clock.sleep(_PAUSE_WHEN_AWAY_SECONDS)
