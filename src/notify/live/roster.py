"""All live connections of this process: kept alive, warned, ended in time, and seen off when the service stops."""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import cast

import structlog

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.core.identity import Credential
from notify.live.connection import Connection
from notify.live.messages import ByeReason
from notify.metrics import Metrics

__all__ = ("Roster", "Watcher")

log = structlog.get_logger(__name__)

_BEAT_SECONDS = 1.0
_WARNING_SECONDS = 30.0
_GOODBYE_SECONDS = 5.0
_DRAIN_BATCHES = 20
_STAY_AWAY_MS = (30_000, 60_000)


class Watcher(ABC):
    """Whoever tells the other processes. None of this may make a connection wait."""

    @abstractmethod
    def opened(self, connection: Connection) -> None: ...

    @abstractmethod
    def extended(self, connection: Connection) -> None: ...

    @abstractmethod
    def closed(self, connection: Connection) -> None: ...

    @abstractmethod
    async def renew(self, connections: list[Connection]) -> None:
        """Extends those that another process was shown a fresh token for."""


class Roster:
    def __init__(
        self,
        clock: Clock,
        metrics: Metrics,
        *,
        keep_alive_seconds: float,
        send_timeout_seconds: float,
        most_per_user: int,
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._open = {name: metrics.connections.labels(name) for name in ("sse", "websocket")}
        self._keep_alive_seconds = keep_alive_seconds
        self._send_timeout_seconds = send_timeout_seconds
        self._most_per_user = most_per_user
        self._connections: dict[str, Connection] = {}
        self._from: dict[Hashable, int] = {}
        """How many there are from each source that is known."""

        self._warned: set[str] = set()
        self._expiring: set[str] = set()
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._expiries: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self.watcher: Watcher | None = None
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._connections)

    def start(self) -> None:
        self._task = asyncio.create_task(self._beat(), name="roster")

    async def stop(self) -> None:
        tasks = [*self._expiries, *([self._task] if self._task is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def add(self, connection: Connection) -> None:
        self._connections[connection.session] = connection
        self._open[connection.transport].inc()
        source = connection.visitor.source
        if source is not None:
            self._from[source] = self._from.get(source, 0) + 1
        if self.watcher is not None:
            self.watcher.opened(connection)
        if self._most_per_user:
            self._make_room(connection)

    def remove(self, connection: Connection) -> None:
        if self._connections.pop(connection.session, None) is not None:
            self._open[connection.transport].dec()
            self._one_less(connection.visitor.source)
            if self.watcher is not None:
                self.watcher.closed(connection)
        self._warned.discard(connection.session)
        self._expiring.discard(connection.session)

    def count_from(self, source: Hashable) -> int:
        return self._from.get(source, 0)

    def get(self, session: str) -> Connection | None:
        return self._connections.get(session)

    def find(self, wanted: Callable[[Connection], bool]) -> list[Connection]:
        return [connection for connection in self._connections.values() if wanted(connection)]

    def extend(self, connection: Connection, expires_at: float, by: Credential) -> None:
        """A fresh token was shown for it. It may stay longer, never shorter, and then goes by that token; opened with
        an API key it has no end.
        """
        if connection.expires_at is not None and expires_at > connection.expires_at:
            connection.expires_at = expires_at
            connection.credential = by
            self._warned.discard(connection.session)
            if self.watcher is not None:
                self.watcher.extended(connection)

    def shorten(self, connection: Connection, expires_at: float) -> None:
        """What it goes by was given an end, or an earlier one."""
        if connection.expires_at is None or expires_at < connection.expires_at:
            connection.expires_at = expires_at
            if self.watcher is not None:
                self.watcher.extended(connection)

    def end(self, connection: Connection, reason: ByeReason, retry_ms: int | None = None) -> None:
        """Says goodbye without waiting for it; one that does not listen is cut off."""
        task = asyncio.create_task(self._see_off(connection, reason, retry_ms))
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    async def drain(self, seconds: float) -> None:
        """Everybody leaves, some at a time, each told when to come back: not all at once, and not to us."""
        self.is_draining = True
        leaving = list(self._connections.values())
        random.shuffle(leaving)
        batch = max(1, -(-len(leaving) // _DRAIN_BATCHES))
        spread_ms = max(1000, round(seconds * 2000))
        for start in range(0, len(leaving), batch):
            for connection in leaving[start : start + batch]:
                self.end(connection, "shutdown", random.randint(500, spread_ms))  # noqa: S311 - jitter
            await self._clock.sleep(seconds / _DRAIN_BATCHES)
        for connection in list(self._connections.values()):
            # Whoever was on their way in when this began.
            self.end(connection, "shutdown", random.randint(500, spread_ms))  # noqa: S311 - jitter
        if self._goodbyes:
            await asyncio.wait(self._goodbyes, timeout=_GOODBYE_SECONDS)

    def _one_less(self, source: Hashable) -> None:
        left = self._from.get(source, 0) - 1
        if left > 0:
            self._from[source] = left
        else:
            self._from.pop(source, None)

    def _make_room(self, newest: Connection) -> None:
        of_user = cast(set[Connection], newest.feed.followers)
        if len(of_user) > self._most_per_user:
            # Sessions are named in the order in which they began.
            for oldest in sorted(of_user, key=lambda each: each.session)[: -self._most_per_user]:
                self._metrics.limited.labels("connections-per-user").inc()
                self.end(oldest, "overload", random.randint(*_STAY_AWAY_MS))  # noqa: S311 - jitter

    async def _see_off(self, connection: Connection, reason: ByeReason, retry_ms: int | None) -> None:
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await connection.end(reason, retry_ms)
        except (OSError, TimeoutError):
            connection.cut()
        except Exception:
            log.exception("a goodbye failed", action="goodbye_failed")
            connection.cut()

    async def _beat(self) -> None:
        """One timer for all connections, since each of its own would cost memory and wake-ups."""
        while True:
            await self._clock.sleep(_BEAT_SECONDS)
            now, wall = self._clock.monotonic(), self._clock.now().timestamp()
            expired: list[Connection] = []
            for connection in list(self._connections.values()):
                try:
                    if self._has_expired(connection, wall):
                        expired.append(connection)
                    else:
                        self._look_after(connection, now, wall)
                except Exception:
                    log.exception("a connection could not be looked after", action="beat_failed")
            if expired:
                self._expiring.update(connection.session for connection in expired)
                task = asyncio.create_task(self._end_expired(expired))
                self._expiries.add(task)
                task.add_done_callback(self._expiries.discard)

    def _has_expired(self, connection: Connection, wall: float) -> bool:
        expires_at = connection.expires_at
        return expires_at is not None and wall >= expires_at and connection.session not in self._expiring

    async def _end_expired(self, connections: list[Connection]) -> None:
        """Not before looking, for all of them at once, whether another process was shown a fresh token."""
        try:
            if self.watcher is not None:
                await self.watcher.renew(connections)
        except DatabaseAwayError as error:
            log.warning("sessions end unasked", action="expiry_unasked", cause=repr(error.__cause__))
        except Exception:
            log.exception("sessions end unasked", action="expiry_failed")
        wall = self._clock.now().timestamp()
        for connection in connections:
            if connection.expires_at is not None and wall >= connection.expires_at:
                self.end(connection, "token_expired")
            else:
                self._expiring.discard(connection.session)

    def _look_after(self, connection: Connection, now: float, wall: float) -> None:
        stuck_since = connection.sending_since
        if stuck_since is not None and now - stuck_since > self._send_timeout_seconds:
            self._metrics.closes.labels(connection.transport, "slow").inc()
            connection.cut()
            return
        expires_at = connection.expires_at
        if (
            expires_at is not None
            and 0 < expires_at - wall <= _WARNING_SECONDS
            and connection.session not in self._warned
            # One that is being written to hears of it with the next beat.
            and connection.warn_of_token(round(expires_at - wall))
        ):
            self._warned.add(connection.session)
        if now - connection.last_sent >= self._keep_alive_seconds:
            connection.keep_alive()
