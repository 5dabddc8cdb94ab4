"""Ringing the other processes, after the commit and outside its transaction (law 7).

PostgreSQL lets transactions that notify commit one after the other over the whole cluster. So rings are gathered for a
few milliseconds and go out together, on a connection of their own.
"""

import asyncio
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from uuid import UUID

import asyncpg
import structlog

from notify.core.clock import Clock
from notify.store.commits import Commit
from notify.store.database import AWAY

__all__ = (
    "COMPARE_ALL",
    "FLASHES",
    "INBOXES",
    "PUBLISHED",
    "REVOKED",
    "SESSIONS",
    "Doorbell",
    "flashes_in",
    "heads_in",
    "ids_in",
    "rings_in",
)

log = structlog.get_logger(__name__)

INBOXES = "inboxes "
SESSIONS = "sessions "
REVOKED = "revoked "
PUBLISHED = "published "
FLASHES = "flashes "
COMPARE_ALL = "*"

_GATHER_SECONDS = 0.005
_PAYLOAD_BYTES = 7_500
_MOST_PAYLOADS = 16
_TIMEOUT_SECONDS = 5.0
_PAUSE_WHEN_AWAY_SECONDS = 0.5


class Doorbell:
    def __init__(self, url: str, channel: str, clock: Clock) -> None:
        self._url = url
        self._channel = channel
        self._clock = clock
        self._rings: dict[int, tuple[str, int]] = {}
        self._sessions: set[UUID] = set()
        self._revoked: set[UUID] = set()
        self._logs: dict[str, int] = {}
        self._flashes: dict[UUID, None] = {}
        self.origin = secrets.token_hex(8)
        """Says of a flash who has rung: whoever wrote it shows it without being rung."""
        self._has_lost_rings = False
        self._wanted = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="doorbell")

    async def stop(self) -> None:
        """Rings once more if something was gathered meanwhile."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._wanted.is_set() and not self._has_lost_rings:
            with suppress(*AWAY, asyncpg.InterfaceError):
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await self._notify(self._payloads(), self._flash_payloads())
        if self._connection is not None:
            self._connection.terminate()

    def ring(self, commits: Iterable[Commit]) -> None:
        for commit in commits:
            self._rings[commit.inbox_id] = (commit.inbox.bounds.epoch, commit.inbox.bounds.head)
        self._wanted.set()

    def ring_session(self, session_id: UUID) -> None:
        """Whoever holds this session should look until when it may stay."""
        self._sessions.add(session_id)
        self._wanted.set()

    def ring_revoked(self, revocation_id: UUID) -> None:
        """Everybody should look what was revoked."""
        self._revoked.add(revocation_id)
        self._wanted.set()

    def ring_published(self, heads: Mapping[str, int]) -> None:
        """Whoever follows inboxes of these apps should look what was published."""
        self._logs |= heads
        self._wanted.set()

    def ring_flashes(self, ids: Iterable[UUID]) -> None:
        """Whoever is connected elsewhere should be shown these. Of a ring that is lost nothing is left to be found."""
        self._flashes |= dict.fromkeys(ids)
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            await self._clock.sleep(_GATHER_SECONDS)
            self._wanted.clear()
            payloads = self._payloads()
            flashes = self._flash_payloads()
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await self._notify(payloads, flashes)
                self._has_lost_rings = False
            except (*AWAY, asyncpg.InterfaceError) as error:
                log.warning("rings were lost", action="rings_lost", payloads=len(payloads), cause=repr(error))
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                # Nobody knows of what these told until everybody has looked.
                self._has_lost_rings = True
                self._wanted.set()
                await self._clock.sleep(_PAUSE_WHEN_AWAY_SECONDS)
            except Exception:
                log.exception("rings could not be sent", action="rings_failed", payloads=len(payloads))

    async def _notify(self, payloads: list[str], flashes: list[str]) -> None:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url, timeout=_TIMEOUT_SECONDS, statement_cache_size=0)
        if self._has_lost_rings or len(payloads) > _MOST_PAYLOADS:
            payloads = [COMPARE_ALL]
        await self._connection.execute(
            "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload", self._channel, payloads + flashes
        )

    def _payloads(self) -> list[str]:
        rings, self._rings = self._rings, {}
        sessions, self._sessions = self._sessions, set()
        revoked, self._revoked = self._revoked, set()
        logs, self._logs = self._logs, {}
        return [
            *_packed(INBOXES, (f"{inbox_id}.{epoch}.{head}" for inbox_id, (epoch, head) in rings.items())),
            *_packed(SESSIONS, map(str, sessions)),
            *_packed(REVOKED, map(str, revoked)),
            *_packed(PUBLISHED, (f"{app_id}.{head}" for app_id, head in logs.items())),
        ]

    def _flash_payloads(self) -> list[str]:
        flashes, self._flashes = self._flashes, {}
        return list(islice(_packed(f"{FLASHES}{self.origin} ", map(str, flashes)), _MOST_PAYLOADS))


def rings_in(payload: str) -> Iterator[tuple[int, str, int]]:
    """What a payload says: inbox, epoch, head."""
    for ring in payload.removeprefix(INBOXES).split(","):
        inbox_id, epoch, head = ring.split(".")
        yield int(inbox_id), epoch, int(head)


def heads_in(payload: str) -> dict[str, int]:
    """What a payload says: where the publication logs of apps stand."""
    rings = (ring.split(".") for ring in payload.removeprefix(PUBLISHED).split(","))
    return {app_id: int(head) for app_id, head in rings}


def ids_in(payload: str) -> list[UUID]:
    """What a payload names: sessions, or revocations."""
    return [UUID(ring) for ring in payload.partition(" ")[2].split(",")]


def flashes_in(payload: str) -> tuple[str, list[UUID]]:
    """What a payload says: who has rung, and the ids of what is to be shown."""
    origin, _, ids = payload.removeprefix(FLASHES).partition(" ")
    return origin, [UUID(id_) for id_ in ids.split(",")]


def _packed(kind: str, rings: Iterable[str]) -> Iterator[str]:
    """As many rings to a payload as PostgreSQL takes."""
    payload = ""
    for ring in rings:
        if payload and len(payload) + len(ring) > _PAYLOAD_BYTES:
            yield kind + payload
            payload = ""
        payload += f",{ring}" if payload else ring
    if payload:
        yield kind + payload
