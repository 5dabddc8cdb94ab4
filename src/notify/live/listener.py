"""The LISTEN loop: one psycopg connection of its own that hears what other processes and producers ring.

A ring is never more than a hint: whoever is rung looks at the database, and looks now and then even if nothing rang.
"""

import asyncio
import math
import random
from collections.abc import Callable

import psycopg
import structlog
from psycopg.sql import SQL, Identifier

from notify.core.clock import Clock
from notify.metrics import Metrics

__all__ = ("Listener",)

log = structlog.get_logger(__name__)

_PROBE_EVERY_SECONDS = 1.0
_PROBE_TIMEOUT_SECONDS = 5.0
_PROOF_SECONDS = 2.0
_LONGEST_PAUSE_SECONDS = 10.0


class Listener:
    """Calls `on_ring` with each payload, and `on_connect` whenever rings may have been missed."""

    def __init__(
        self,
        url: str,
        channel: str,
        clock: Clock,
        metrics: Metrics,
        *,
        on_connect: Callable[[], None],
        on_ring: Callable[[str], None],
    ) -> None:
        self._url = url
        self._channel = channel
        self._clock = clock
        self._metrics = metrics
        self._on_connect = on_connect
        self._on_ring = on_ring
        self._task: asyncio.Task[None] | None = None
        self.connected = False
        self._heard_at = -math.inf

    @property
    def is_hearing(self) -> bool:
        """Whether what rings is certain to be heard: the connection is there, and has shown it a moment ago."""
        return self.connected and self._clock.monotonic() - self._heard_at < _PROOF_SECONDS

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="listener")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self.connected = False
            # Its traceback would keep a connection that was still being made, and a server waits a minute for those.
            self._task = None

    async def _run(self) -> None:
        attempt = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url,
                    autocommit=True,
                    application_name="notify listen",
                    connect_timeout=5,
                    keepalives_idle=10,
                    keepalives_interval=5,
                    keepalives_count=3,
                    tcp_user_timeout=15_000,
                ) as connection:
                    await connection.execute(SQL("LISTEN {}").format(Identifier(self._channel)))
                    self.connected = True
                    self._heard_at = self._clock.monotonic()
                    attempt = 0
                    # After LISTEN: what rang while nobody listened is found by looking.
                    self._on_connect()
                    await self._hear(connection)
            except (psycopg.Error, OSError, TimeoutError) as error:
                log.warning("the LISTEN connection was lost", action="listen_lost", cause=str(error).strip())
            except Exception:
                log.exception("the LISTEN connection failed", action="listen_failed")
            self.connected = False
            self._metrics.listen_reconnects.inc()
            attempt += 1
            longest = min(_LONGEST_PAUSE_SECONDS, 0.1 * 2**attempt)
            await self._clock.sleep(random.uniform(0, longest))  # noqa: S311 - jitter

    async def _hear(self, connection: psycopg.AsyncConnection) -> None:
        while True:
            # Only its timeout may end this loop: leaving it early would lose the rest of what has arrived.
            async for ring in connection.notifies(timeout=_PROBE_EVERY_SECONDS):
                self._heard_at = self._clock.monotonic()
                self._on_ring(ring.payload)
            # A half-open connection is noticed by nothing but a question that must be answered.
            async with asyncio.timeout(_PROBE_TIMEOUT_SECONDS):
                await connection.execute("SELECT 1")
            self._heard_at = self._clock.monotonic()
