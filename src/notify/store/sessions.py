"""The live connections of all processes, and which users are there.

The times in these rows are the database's own, because processes whose clocks differ have to agree on who is alive.
What happened before a statement is told as an age.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from notify.core.errors import NotFoundError
from notify.core.identity import Credential
from notify.store.database import Database
from notify.store.many import InboxKey

__all__ = ("LiveSession", "Presence", "Process", "Revocation", "SessionRow", "Sessions", "Stay")

_ROWS_PER_TRANSACTION = 500
_NO_SESSION = "There is no such live connection; it may have ended."


class Process(Struct, frozen=True):
    id: UUID
    host: str
    pid: int
    age_seconds: float


class SessionRow(Struct, frozen=True):
    """A session as the process that holds it tells of it."""

    id: UUID
    key: InboxKey
    transport: str
    device: str | None
    age_seconds: float
    expires_at: float | None
    credential: Credential


class LiveSession(Struct, frozen=True):
    """A live connection. Without `expires_at` it was opened with an API key."""

    id: UUID
    user_id: str
    transport: Literal["sse", "websocket"]
    device: str | None
    connected_at: datetime
    expires_at: datetime | None


class Presence(Struct, frozen=True):
    """`devices` are the named ones. `last_seen_at` is now while online, and null for a user who never was."""

    user_id: str
    online: bool
    connections: int
    devices: list[str]
    last_seen_at: datetime | None


class Stay(Struct, frozen=True):
    """Until when a session may stay, and what it goes by."""

    expires_at: float | None
    credential: Credential


class Revocation(Struct, frozen=True):
    """All sessions that a user had at that moment of the database's have to end, or one, or those of a credential;
    naming none of them, the app's.
    """

    id: UUID
    app_id: str
    user_id: str | None = None
    session_id: UUID | None = None
    token_id: str | None = None
    key_id: UUID | None = None
    signed_out_at: float | None = None
    """With `user_id`: what they were given up to then is good for nothing, whenever it is shown."""

    ends_at: float | None = None
    """With `key_id`: until then it is good; from the start if None."""

    revoked_at: float = 0.0

    @property
    def is_of_credential(self) -> bool:
        """Whether it is about what connections go by, and not about connections."""
        return self.token_id is not None or self.key_id is not None or self.signed_out_at is not None


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    # What users and operators ask

    async def of_user(self, app_id: str, user_id: str, limit: int, after: UUID | None) -> list[LiveSession]:
        rows = await self._database.fetch("session_list", app_id, user_id, after, limit)
        return [LiveSession(**dict(row)) for row in rows]

    async def presence(self, app_id: str, user_ids: Sequence[str]) -> list[Presence]:
        rows = await self._database.fetch("presence", app_id, user_ids)
        return [
            Presence(
                row["user_id"], row["connections"] > 0, row["connections"], sorted(row["devices"]), row["last_seen_at"]
            )
            for row in rows
        ]

    async def extend(self, key: InboxKey, session_id: UUID, expires_at: float, by: Credential) -> datetime | None:
        """Until when this session of this user may stay now."""
        rows = await self._database.execute("session_extend", session_id, *key, expires_at, by.token_id, by.issued_at)
        if not rows:
            raise NotFoundError(_NO_SESSION)
        until: datetime | None = rows[0]["expires_at"]
        return until

    async def revoke(self, revocation: Revocation) -> None:
        rows = await self._database.execute("session_revoke", revocation.id, revocation.app_id, revocation.session_id)
        if not rows:
            raise NotFoundError(_NO_SESSION)

    async def revoke_user(self, revocation: Revocation) -> None:
        await self._database.execute("session_revoke_user", revocation.id, revocation.app_id, revocation.user_id)

    async def revoke_app(self, revocation: Revocation) -> None:
        await self._database.execute("app_revoke", revocation.id, revocation.app_id)

    # What a process tells of itself

    async def start(self, process: Process, live_seconds: float) -> None:
        await self._database.execute(
            "process_start", process.id, process.host, process.pid, process.age_seconds, live_seconds
        )

    async def beat(self, process_id: UUID, live_seconds: float) -> bool:
        """Whether the process is still who it was: one that was silent for too long has to begin anew."""
        return bool(await self._database.execute("process_beat", process_id, live_seconds))

    async def open(self, process_id: UUID, sessions: Sequence[SessionRow]) -> bool:
        """Writes them, new or changed, unless the process has to begin anew."""
        async with self._database.connection() as connection:
            status = await connection.execute(
                self._database.statements["session_open"],
                process_id,
                [session.id for session in sessions],
                [session.key.app_id for session in sessions],
                [session.key.user_id for session in sessions],
                [session.transport for session in sessions],
                [session.device for session in sessions],
                [session.age_seconds for session in sessions],
                [session.expires_at for session in sessions],
                [session.credential.token_id for session in sessions],
                [session.credential.key_id for session in sessions],
                [session.credential.issued_at for session in sessions],
            )
        return int(status.rpartition(" ")[2]) > 0

    async def close(self, session_ids: Sequence[UUID], seen: Mapping[InboxKey, float]) -> None:
        """`seen` says how long ago these users were last there."""
        await self._database.execute(
            "session_close",
            session_ids,
            [key.app_id for key in seen],
            [key.user_id for key in seen],
            list(seen.values()),
        )

    async def stays(self, session_ids: Sequence[UUID]) -> dict[UUID, Stay]:
        """Of those that go by something which is still good."""
        rows = await self._database.fetch("session_look", session_ids)
        return {
            row["id"]: Stay(row["expires_at"], Credential(row["token_id"], row["key_id"], row["issued_at"]))
            for row in rows
        }

    async def time(self) -> float:
        """The database's, in seconds since 1970."""
        rows = await self._database.fetch("session_time")
        seconds: float = rows[0]["seconds"]
        return seconds

    async def revocations(self, ids: Sequence[UUID], within_seconds: float) -> list[Revocation]:
        """These, and those of the last while."""
        rows = await self._database.fetch("session_revocations", ids, within_seconds)
        return [Revocation(**dict(row)) for row in rows]

    # Clearing up

    async def end(self, process_id: UUID) -> None:
        """Leaves nothing behind of this process."""
        while await self._clear("process_hold", process_id):
            pass

    async def end_dead(self) -> None:
        """After those that have not said a word for long; one process at a time does it."""
        while await self._clear("process_dead"):
            pass

    async def _clear(self, which: str, *arguments: UUID) -> bool:
        """A part of what such a process left behind. False if there is no such process."""
        statements = self._database.statements
        async with self._database.transaction() as connection:
            # Locked first, in a statement of its own: it writes no more sessions behind our back.
            process = await connection.fetchrow(statements[which], *arguments)
            if process is None:
                return False
            cleared = await connection.fetchval(
                statements["session_clear"], process["id"], process["seen_at"], _ROWS_PER_TRANSACTION
            )
            if cleared < _ROWS_PER_TRANSACTION:
                await connection.execute(statements["process_end"], process["id"])
        return True
