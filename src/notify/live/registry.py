"""What this process tells the others of its live connections, and hears from them.

A connection waits for nothing here: its row is written a moment after it began, with those of all that began in that
moment, and goes the same way. So every process may be asked who is there, and may end or extend what another one holds.
"""

import asyncio
import math
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, TypeVar
from uuid import UUID

import structlog

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError, NotFoundError
from notify.core.identity import Credential
from notify.core.ids import age_seconds, named_at, naming_time, uuid7
from notify.live.connection import Connection
from notify.live.database_time import DatabaseTime
from notify.live.doorbell import Doorbell
from notify.live.revoked import RevokedCredentials, suspects
from notify.live.roster import Roster, Watcher
from notify.metrics import Metrics
from notify.store.database import TRY_AGAIN
from notify.store.many import InboxKey
from notify.store.sessions import Process, Revocation, SessionRow, Sessions

__all__ = ("Registry",)

log = structlog.get_logger(__name__)

T = TypeVar("T")

_GATHER_SECONDS = 0.1
_ROWS_PER_STATEMENT = 1000
_BEATS_PER_LIFE = 3
_PAUSE_WHEN_AWAY_SECONDS = 0.5
_STOP_SECONDS = 5.0
_OVERLAP_SECONDS = 60.0
"""Longer than a revocation may take from its time to its commit."""

_NEVER = -math.inf
_YOUNG_SECONDS = 60.0
_LOOK_AGAIN_AFTER_SECONDS = (0.1, 0.2, 0.3, 0.4)


class Registry(Watcher):
    def __init__(
        self,
        sessions: Sessions,
        roster: Roster,
        doorbell: Doorbell,
        clock: Clock,
        metrics: Metrics,
        *,
        live_seconds: float,
        poll_seconds: float,
    ) -> None:
        self._sessions = sessions
        self._database_time = DatabaseTime()
        self._roster = roster
        self._doorbell = doorbell
        self._clock = clock
        self._live_seconds = live_seconds
        self._beat_seconds = min(poll_seconds, live_seconds / _BEATS_PER_LIFE)
        self._process_id: UUID | None = None
        self._started_at = self._clock.monotonic()
        self._beat_at = 0.0
        self._looked_at = self._clock.monotonic()
        self._opened: dict[str, Connection] = {}
        """Not written yet."""

        self._changed: dict[str, Connection] = {}
        """Perhaps written, but not as they are."""

        self._closed: set[UUID] = set()
        self._seen: dict[InboxKey, float] = {}
        self._heard: dict[UUID, float] = {}
        """The revocations that have been dealt with, and since when."""

        self._credentials = RevokedCredentials()
        self._wanted = asyncio.Event()
        self._is_failing = False
        self._tasks: set[asyncio.Task[None]] = set()
        metrics.session_rows_waiting.set_function(self._rows_waiting)

    def start(self) -> None:
        self._spawn(self._run(), name="registry")

    async def stop(self) -> None:
        """Leaves no row behind, if the database is there."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                while self._closed or self._seen:
                    await self._write_closed()
                if self._process_id is not None:
                    await self._sessions.end(self._process_id)
        except (DatabaseAwayError, TimeoutError, *TRY_AGAIN) as error:
            log.warning("others clear up after this process", action="registry_left", cause=repr(error))

    # What happens to connections here

    def opened(self, connection: Connection) -> None:
        self._opened[connection.session] = connection
        self._wanted.set()
        self._obey(connection)

    def extended(self, connection: Connection) -> None:
        if connection.session not in self._opened:
            self._changed[connection.session] = connection
            self._wanted.set()
        self._obey(connection)

    def closed(self, connection: Connection) -> None:
        if self._opened.pop(connection.session, None) is None:
            self._changed.pop(connection.session, None)
            self._closed.add(UUID(connection.session))
        self._seen[connection.key] = self._clock.monotonic()
        self._wanted.set()

    async def renew(self, connections: list[Connection]) -> None:
        for start in range(0, len(connections), _ROWS_PER_STATEMENT):
            part = connections[start : start + _ROWS_PER_STATEMENT]
            some = {UUID(connection.session): connection for connection in part}
            for session_id, stay in (await self._sessions.stays(list(some))).items():
                if stay.expires_at is not None:
                    self._roster.extend(some[session_id], stay.expires_at, stay.credential)

    # What users and operators want

    async def extend(self, key: InboxKey, session_id: UUID, expires_at: float, by: Credential) -> datetime | None:
        """A fresh token of this user was shown. Answers until when the session may stay now."""
        connection = self._roster.get(str(session_id))
        if connection is None:
            until = await self._once_written(session_id, lambda: self._sessions.extend(key, session_id, expires_at, by))
            self._doorbell.ring_session(session_id)
            return until
        if connection.key != key:
            raise NotFoundError
        self._roster.extend(connection, expires_at, by)
        return None if connection.expires_at is None else datetime.fromtimestamp(connection.expires_at, UTC)

    async def revoke(self, app_id: str, session_id: UUID) -> None:
        connection = self._roster.get(str(session_id))
        if connection is None:
            revocation = Revocation(uuid7(), app_id, session_id=session_id)
            await self._once_written(session_id, lambda: self._sessions.revoke(revocation))
            self._doorbell.ring_revoked(revocation.id)
        elif connection.key.app_id == app_id:
            # Nobody else has to know: its row goes with it.
            self._roster.end(connection, "revoked")
        else:
            raise NotFoundError

    async def revoke_user(self, key: InboxKey) -> None:
        """Ends what the user has open by now. What they open afterwards stays."""
        revocation = Revocation(uuid7(), key.app_id, user_id=key.user_id)
        await self._sessions.revoke_user(revocation)
        self._revoke([(revocation, naming_time())])
        self._doorbell.ring_revoked(revocation.id)

    async def revoke_app(self, app_id: str) -> None:
        """Ends what is open of an app of which no process takes a credential any more."""
        revocation = Revocation(uuid7(), app_id)
        await self._sessions.revoke_app(revocation)
        self.revoked(revocation)

    def revoked(self, revocation: Revocation) -> None:
        """A credential was revoked by a call to this process, or those of an app."""
        self._revoke([(revocation, naming_time())])
        self._doorbell.ring_revoked(revocation.id)

    async def _once_written(self, session_id: UUID, find: Callable[[], Awaitable[T]]) -> T:
        """A session that has just begun may have no row yet, in whichever process it is."""
        for pause_seconds in _LOOK_AGAIN_AFTER_SECONDS:
            try:
                return await find()
            except NotFoundError:
                if abs(age_seconds(session_id)) > _YOUNG_SECONDS:
                    raise
            await self._clock.sleep(pause_seconds)
        return await find()

    # What the others ring

    def rung_sessions(self, session_ids: Iterable[UUID]) -> None:
        """Until when these may stay has changed."""
        ours = [connection for id_ in session_ids if (connection := self._roster.get(str(id_))) is not None]
        if ours:
            self._spawn(self._hear(self.renew(ours)), name="registry-renew")

    def rung_revoked(self, revocation_ids: Iterable[UUID]) -> None:
        unheard = [id_ for id_ in revocation_ids if id_ not in self._heard]
        if unheard and len(self._roster):
            self._spawn(self._hear(self._revoke_named(unheard)), name="registry-revoke")

    def compare(self) -> None:
        """Rings may have been missed, or what we wrote may be lost."""
        self._beat_at = 0.0
        self._wanted.set()

    async def _hear(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except DatabaseAwayError:
            # To be found by looking.
            self.compare()
        except Exception:
            log.exception("a ring was not answered", action="registry_failed")
            self.compare()

    async def _revoke_named(self, revocation_ids: Sequence[UUID]) -> None:
        await self._look(revocation_ids, 0)

    async def _look(self, revocation_ids: Sequence[UUID], within_seconds: float) -> None:
        asked = naming_time()
        self._database_time.learn(asked, await self._sessions.time(), naming_time())
        found = await self._sessions.revocations(revocation_ids, within_seconds)
        self._revoke((revocation, self._database_time.here(revocation.revoked_at)) for revocation in found)

    def _revoke(self, revocations: Iterable[tuple[Revocation, float]]) -> None:
        """Ends what was open when it was revoked, by the clock that names sessions, or goes by what was revoked."""
        ends: dict[InboxKey | str, float] = {}
        credentials: list[Revocation] = []
        for revocation, revoked_at in revocations:
            if revocation.id in self._heard:
                continue
            self._heard[revocation.id] = self._clock.monotonic()
            if revocation.is_of_credential:
                credentials.append(revocation)
            elif revocation.session_id is not None:
                self._revoke_session(str(revocation.session_id), revocation.app_id)
            else:
                user_id, app_id = revocation.user_id, revocation.app_id
                whose = app_id if user_id is None else InboxKey(app_id, user_id)
                ends[whose] = max(revoked_at, ends.get(whose, revoked_at))
        if ends:
            self._revoke_older(ends)
        if credentials:
            self._revoke_credentials(credentials)

    def _revoke_session(self, session: str, app_id: str) -> None:
        connection = self._roster.get(session)
        if connection is not None and connection.key.app_id == app_id:
            self._roster.end(connection, "revoked")

    def _revoke_older(self, ends: Mapping[InboxKey | str, float]) -> None:
        """Of users, and of whole apps by their ids."""
        for connection in self._roster.find(lambda one: one.key in ends or one.key.app_id in ends):
            ended_at = max(ends.get(connection.key, _NEVER), ends.get(connection.key.app_id, _NEVER))
            if named_at(UUID(connection.session)) <= ended_at:
                self._roster.end(connection, "revoked")

    def _revoke_credentials(self, revocations: Sequence[Revocation]) -> None:
        for revocation in revocations:
            self._credentials.add(revocation, self._clock.monotonic())
        for connection in self._roster.find(suspects(revocations)):
            self._obey(connection)

    def _obey(self, connection: Connection) -> None:
        """Ends a connection, or gives it an end, if what it goes by was revoked a moment ago."""
        for revocation in self._credentials.against(connection):
            if revocation.ends_at is None:
                self._roster.end(connection, "revoked")
                return
            self._roster.shorten(connection, revocation.ends_at)

    # Telling the others

    async def _run(self) -> None:
        while True:
            await self._clock.wait(self._wanted, self._beat_at - self._clock.monotonic())
            self._wanted.clear()
            beaten = await self._attempt(self._beat)
            written = await self._attempt(self._write)
            if beaten and written:
                self._is_failing = False
                await self._clock.sleep(_GATHER_SECONDS)
            else:
                self._wanted.set()
                await self._clock.sleep(_PAUSE_WHEN_AWAY_SECONDS)

    async def _attempt(self, step: Callable[[], Awaitable[None]]) -> bool:
        try:
            await step()
        except (DatabaseAwayError, *TRY_AGAIN) as error:
            if not self._is_failing:
                log.warning("sessions cannot be written", action="registry_away", cause=repr(error.__cause__ or error))
            self._is_failing = True
            return False
        except Exception:
            log.exception("sessions could not be written", action="registry_failed")
            return False
        return True

    async def _beat(self) -> None:
        if self._clock.monotonic() < self._beat_at:
            return
        if self._process_id is None or not await self._sessions.beat(self._process_id, self._live_seconds):
            await self._begin_anew()
        await self._look_for_revocations()
        await self._sessions.end_dead()
        self._beat_at = self._clock.monotonic() + self._beat_seconds

    async def _begin_anew(self) -> None:
        """For the first time, or because the others took us for dead and have cleared up after us."""
        process = Process(uuid7(), socket.gethostname(), os.getpid(), self._clock.monotonic() - self._started_at)
        await self._sessions.start(process, self._live_seconds)
        self._process_id = process.id
        for connection in self._roster.find(lambda connection: connection.session not in self._opened):
            self._changed[connection.session] = connection

    async def _look_for_revocations(self) -> None:
        now = self._clock.monotonic()
        within_seconds = now - self._looked_at + _OVERLAP_SECONDS
        self._heard = {id_: since for id_, since in self._heard.items() if since >= now - within_seconds}
        self._credentials.forget(now - within_seconds)
        await self._look([], within_seconds)
        self._looked_at = now

    async def _write(self) -> None:
        while self._process_id is not None and (self._opened or self._changed):
            await self._write_opened(self._process_id)
        while self._closed or self._seen:
            await self._write_closed()

    async def _write_opened(self, process_id: UUID) -> None:
        connections = list(islice(chain(self._opened.values(), self._changed.values()), _ROWS_PER_STATEMENT))
        for connection in connections:
            self._opened.pop(connection.session, None)
            self._changed.pop(connection.session, None)
        rows = [_row_of(connection) for connection in connections]
        try:
            is_written = await self._sessions.open(process_id, rows)
        except BaseException:
            self._put_back(connections)
            raise
        if not is_written:
            self._put_back(connections)
            await self._begin_anew()

    def _put_back(self, connections: Iterable[Connection]) -> None:
        for connection in connections:
            if self._roster.get(connection.session) is connection:
                # Perhaps written after all: once it ends, its row has to go.
                self._changed[connection.session] = connection

    async def _write_closed(self) -> None:
        session_ids = list(islice(self._closed, _ROWS_PER_STATEMENT))
        seen = dict(islice(self._seen.items(), _ROWS_PER_STATEMENT))
        now = self._clock.monotonic()
        await self._sessions.close(session_ids, {key: now - since for key, since in seen.items()})
        self._closed.difference_update(session_ids)
        for key, since in seen.items():
            # Unless they came and went once more meanwhile.
            if self._seen[key] == since:
                del self._seen[key]

    def _rows_waiting(self) -> float:
        return len(self._opened) + len(self._changed) + len(self._closed)

    def _spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _row_of(connection: Connection) -> SessionRow:
    session_id = UUID(connection.session)
    return SessionRow(
        session_id,
        connection.key,
        connection.transport,
        connection.visitor.device,
        max(0.0, age_seconds(session_id)),
        connection.expires_at,
        connection.credential,
    )
