"""Forgetting what is old enough: tombstones, which raises the floors of their inboxes, and what is kept for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.metrics import Metrics
from notify.store.database import TRY_AGAIN, Database

__all__ = ("Housekeeping",)

log = structlog.get_logger(__name__)

_ROWS_PER_TRANSACTION = 500
_REST = 4
"""Times as long as a transaction took: what can wait takes a fifth of a connection's time from those who cannot."""
_FLASHES_LIVE = timedelta(minutes=1)
"""Whoever is rung reads them at once, or never."""
_REVOCATIONS_LIVE = timedelta(days=1)
"""A process that has been out of touch for longer has lost its clients too."""
_TICKETS_LIVE = timedelta(days=1)
"""Whoever shows a spent one later than that is told that it never was one."""
_TOKENS_LIVE_ON = timedelta(days=1)
"""A revoked token is remembered for that much longer than it could be good."""
_EXPORTS_LEFT_AFTER = timedelta(minutes=5)
"""Whoever is at one notes how far it is after each page."""
_RELEASES_LIVE = timedelta(days=30)
"""Whoever cancels a scheduled send later than that after it ended is told that there is no such thing."""


class Housekeeping:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: Metrics,
        *,
        tombstones_live: timedelta,
        answers_live: timedelta,
        devices_live: timedelta,
        publications_live: timedelta,
        tokens_live: timedelta,
        audit_live: timedelta,
        pause_seconds: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._tombstones_live = tombstones_live
        self._answers_live = answers_live
        self._devices_live = devices_live
        self._publications_live = publications_live
        self._tokens_live = tokens_live
        self._audit_live = audit_live
        self._pause_seconds = pause_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="housekeeping")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.tidy()
            except (DatabaseAwayError, *TRY_AGAIN) as error:
                log.warning("housekeeping will be done later", action="housekeeping_put_off", cause=repr(error))
            except Exception:
                log.exception("housekeeping failed", action="housekeeping_failed")
            await self._clock.sleep(self._pause_seconds)

    async def tidy(self) -> None:
        await self._all_of(self._purge_tombstones)
        now = self._clock.now()
        await self._forget("forget_flashes", "flash", now - _FLASHES_LIVE)
        await self._forget("forget_answers", "idempotency_answer", now - self._answers_live)
        await self._forget("forget_devices", "device", now - self._devices_live)
        await self._forget("forget_acks", "ack", now - self._devices_live)
        await self._forget("forget_revocations", "revocation", now - _REVOCATIONS_LIVE)
        await self._forget("forget_tickets", "ticket", now - _TICKETS_LIVE)
        expired = now - self._tokens_live - _TOKENS_LIVE_ON
        await self._forget("forget_revoked_tokens", "revoked_token", expired)
        await self._forget("forget_sign_outs", "sign_out", expired)
        await self._forget("forget_releases", "release", now - _RELEASES_LIVE)
        await self._forget("forget_audit", "audit_entry", now - self._audit_live)
        await self._forget("receipts_left", "export_left", now - _EXPORTS_LEFT_AFTER)
        await self._forget("forget_receipts", "receipt", now - self._audit_live)
        # Entries first: without one nobody finds the publication any more.
        await self._forget("forget_entries", "entry", now - self._publications_live)
        await self._forget("forget_publications", "publication", now - self._publications_live)

    async def _purge_tombstones(self) -> int:
        statements = self._database.statements
        before = self._clock.now() - self._tombstones_live
        async with self._database.transaction() as connection:
            old = await connection.fetch(statements["purge_find"], before, _ROWS_PER_TRANSACTION)
            if old:
                inboxes = {(row["app_id"], row["user_id"]) for row in old}
                await connection.execute(statements["lock"], *map(list, zip(*inboxes, strict=True)), [], before)
                await connection.execute(statements["purge"], [row["id"] for row in old], before)
        self._metrics.purged.labels("tombstone").inc(len(old))
        return len(old)

    async def _forget(self, statement: str, kind: str, before: datetime) -> None:
        async def forget() -> int:
            async with self._database.connection() as connection:
                status = await connection.execute(self._database.statements[statement], before, _ROWS_PER_TRANSACTION)
            forgotten = int(status.rpartition(" ")[2])
            self._metrics.purged.labels(kind).inc(forgotten)
            return forgotten

        await self._all_of(forget)

    async def _all_of(self, remove: Callable[[], Awaitable[int]]) -> None:
        """Removes as many as a transaction may, and rests, until there are no more."""
        while True:
            started = time.perf_counter()
            if await remove() < _ROWS_PER_TRANSACTION:
                return
            await self._clock.sleep(_REST * (time.perf_counter() - started))
