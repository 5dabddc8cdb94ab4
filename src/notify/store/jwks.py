"""The public keys of apps that sign tokens themselves: what they say of them, and the fetches where they name a URL."""

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import NotFoundError
from notify.store.apps import FETCH_AGAIN_AFTER
from notify.store.database import Connection, Database
from notify.store.leases import run_out

__all__ = ("FETCH_EVERY", "Fetch", "Jwks", "JwtState", "JwtWanted")

FETCH_EVERY = timedelta(minutes=10)


class JwtWanted(Struct, frozen=True):
    """What an app wants its tokens to be. At most one of `url` and `document` is given."""

    issuer: str | None
    audience: str | None
    url: str | None
    document: str | None


class JwtState(Struct, frozen=True):
    issuer: str | None
    audience: str | None
    secret_before_until: datetime | None
    url: str | None
    document: str | None
    begun_at: datetime | None
    fetched_at: datetime | None
    failure: str | None


class Fetch(Struct, frozen=True):
    """One that this process has taken on."""

    app_id: str
    url: str
    begun_at: datetime


class Jwks:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def configure(self, app_id: str, wanted: JwtWanted) -> None:
        """Returns when every process goes by it."""
        await self._database.committed(partial(self._configure, app_id, wanted))
        await run_out(self._clock)

    async def state(self, app_id: str) -> JwtState:
        rows = await self._database.fetch("jwks_state", app_id)
        if not rows:
            raise NotFoundError(f"There is no app {app_id}.")
        row = rows[0]
        until = row["jwt_secret_before_until"]
        return JwtState(
            row["jwt_issuer"],
            row["jwt_audience"],
            until if until is not None and until > self._clock.now() else None,
            row["url"],
            row["document"],
            row["begun_at"],
            row["fetched_at"],
            row["failure"],
        )

    async def claim(self, asked: Collection[str], most: int) -> list[Fetch]:
        """Fetches that are due, now this process's. They are due earlier for apps of whose tokens one has `asked` for
        a key that is not known.
        """
        now = self._clock.now()
        rows = await self._database.execute(
            "jwks_claim", list(asked), now - FETCH_AGAIN_AFTER, now - FETCH_EVERY, now, most
        )
        return [Fetch(row["app_id"], row["url"], now) for row in rows]

    async def fetched(self, fetch: Fetch, document: str) -> None:
        await self._database.execute(
            "jwks_fetched", fetch.app_id, fetch.url, fetch.begun_at, document, _digest(document), self._clock.now()
        )

    async def failed(self, fetch: Fetch, why: str) -> None:
        await self._database.execute("jwks_failed", fetch.app_id, fetch.url, fetch.begun_at, why, self._clock.now())

    async def _configure(self, app_id: str, wanted: JwtWanted, connection: Connection) -> None:
        statements = self._database.statements
        if await connection.fetchval(statements["app_claims"], app_id, wanted.issuer, wanted.audience) is None:
            raise NotFoundError(f"There is no app {app_id}.")
        if wanted.url is None and wanted.document is None:
            await connection.execute(statements["jwks_unset"], app_id)
        else:
            digest = None if wanted.document is None else _digest(wanted.document)
            await connection.execute(statements["jwks_set"], app_id, wanted.url, wanted.document, digest)


def _digest(document: str) -> bytes:
    return hashlib.sha256(document.encode()).digest()
