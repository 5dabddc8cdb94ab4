"""Ringing the other processes, after the commit and outside its transaction (law 7).

PostgreSQL lets transactions that notify commit one after the other over the whole cluster. So rings are gathered for a
few milliseconds and go out together, on a connection of their own.
"""

import asyncio
from collections.abc import Iterable, Iterator

import asyncpg
import structlog

from notify.store.commits import Commit
from notify.store.database import AWAY

__all__ = ("COMPARE_ALL", "INBOXES", "Doorbell", "rings_in")

log = structlog.get_logger(__name__)

INBOXES = "inboxes "
COMPARE_ALL = "*"

_GATHER_SECONDS = 0.005
_PAYLOAD_BYTES = 7_500
_MOST_PAYLOADS = 16
_TIMEOUT_SECONDS = 5.0


class Doorbell:
    def __init__(self, url: str, channel: str) -> None:
        self._url = url
        self._channel = channel
        self._rings: dict[int, tuple[str, int]] = {}
        self._wanted = asyncio.Event()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="doorbell")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._connection is not None:
            self._connection.terminate()

    def ring(self, commits: Iterable[Commit]) -> None:
        for commit in commits:
            self._rings[commit.inbox_id] = (commit.inbox.bounds.epoch, commit.inbox.bounds.head)
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._wanted.clear()
            rings, self._rings = self._rings, {}
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await self._notify(list(_payloads(rings)))
            except (*AWAY, asyncpg.InterfaceError) as error:
                # Whoever missed these compares with the database in a few seconds.
                log.warning("rings were lost", action="rings_lost", inboxes=len(rings), cause=repr(error))
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None

    async def _notify(self, payloads: list[str]) -> None:
        if self._connection is None:
            self._connection = await asyncpg.connect(self._url, timeout=_TIMEOUT_SECONDS, statement_cache_size=0)
        if len(payloads) > _MOST_PAYLOADS:
            payloads = [COMPARE_ALL]
        await self._connection.execute(
            "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload", self._channel, payloads
        )


def rings_in(payload: str) -> Iterator[tuple[int, str, int]]:
    """What a payload says: inbox, epoch, head."""
    for ring in payload.removeprefix(INBOXES).split(","):
        inbox_id, epoch, head = ring.split(".")
        yield int(inbox_id), epoch, int(head)


def _payloads(rings: dict[int, tuple[str, int]]) -> Iterator[str]:
    payload = ""
    for inbox_id, (epoch, head) in rings.items():
        ring = f"{inbox_id}.{epoch}.{head}"
        if payload and len(payload) + len(ring) > _PAYLOAD_BYTES:
            yield INBOXES + payload
            payload = ""
        payload += f",{ring}" if payload else ring
    if payload:
        yield INBOXES + payload
