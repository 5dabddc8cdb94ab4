"""The API keys of apps."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from advanced_alchemy.filters import LimitOffset
from msgspec import Struct

from notify.core.api_keys import KeyProperties, networks
from notify.core.clock import Clock
from notify.core.errors import NotFoundError
from notify.core.identity import KEY_SCOPES, Caller, KeyScope, make_key
from notify.core.ids import uuid7
from notify.store.apps import require_app
from notify.store.database import Database
from notify.store.leases import Leases, run_out
from notify.store.resources import Repository, Resources
from notify.store.sessions import Revocation
from notify.store.tables import ApiKeyRow

__all__ = ("ApiKey", "FoundKey", "Keys", "NewApiKey")

_USE_IS_NEWS_AFTER = timedelta(minutes=1)


class ApiKey(Struct, frozen=True):
    id: UUID
    name: str
    prefix: str
    scopes: list[KeyScope]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None
    expires_at: datetime | None
    allowed_addresses: list[str] | None
    types: list[str] | None


class NewApiKey(Struct, frozen=True):
    """An API key at the one moment it is shown in full."""

    id: UUID
    name: str
    prefix: str
    scopes: list[KeyScope]
    created_at: datetime
    expires_at: datetime | None
    allowed_addresses: list[str] | None
    types: list[str] | None
    key: str


class FoundKey(Struct, frozen=True):
    caller: Caller
    is_app_enabled: bool


class _Keys(Repository[ApiKeyRow]):
    model_type = ApiKeyRow


class Keys:
    def __init__(
        self, resources: Resources, database: Database, clock: Clock, on_revoked: Callable[[Revocation], None]
    ) -> None:
        self._resources = resources
        self._database = database
        self._clock = clock
        self._on_revoked = on_revoked
        self._leases = Leases(self._read, clock)

    async def create(self, app_id: str, properties: KeyProperties) -> NewApiKey:
        new = make_key()
        row = ApiKeyRow(
            id=uuid7(),
            app_id=app_id,
            name=properties.name,
            prefix=new.prefix,
            key_hash=new.hash,
            scopes=sorted(set(properties.scopes)),
            created_at=self._clock.now(),
            expires_at=properties.expires_at,
            allowed_addresses=properties.allowed_addresses,
            types=properties.types,
        )
        async with self._resources.session() as session:
            await require_app(session, app_id)
            await _Keys.of(session).add(row)
            await session.commit()
        return NewApiKey(
            row.id,
            row.name,
            row.prefix,
            _scopes(row.scopes),
            row.created_at,
            row.expires_at,
            row.allowed_addresses,
            row.types,
            new.key,
        )

    async def list_(self, app_id: str, limit: int, after: UUID | None) -> list[ApiKey]:
        """The keys of an app, oldest first, past one of them."""
        conditions = [ApiKeyRow.id > after] if after is not None else []
        async with self._resources.session() as session:
            await require_app(session, app_id)
            rows = await _Keys.of(session).get_many(
                ApiKeyRow.app_id == app_id, *conditions, LimitOffset(limit, 0), order_by=[("id", False)]
            )
        return [
            ApiKey(
                row.id,
                row.name,
                row.prefix,
                _scopes(row.scopes),
                row.created_at,
                row.last_used_at,
                row.revoked_at,
                row.expires_at,
                row.allowed_addresses,
                row.types,
            )
            for row in rows
        ]

    async def revoke(self, app_id: str, key_id: UUID) -> None:
        """Returns when no process takes it any more."""
        revocation = Revocation(uuid7(), app_id, key_id=key_id)
        if not await self._database.execute("key_revoke", revocation.id, key_id, app_id, self._clock.now()):
            raise NotFoundError("This app has no such key.")
        self._on_revoked(revocation)
        await run_out(self._clock)

    async def rotate(
        self, app_id: str, key_id: UUID, overlap: timedelta, check: Callable[[KeyProperties], None] | None = None
    ) -> NewApiKey:
        """A new key in the place of one that works, which does so for as long as both overlap. `check` refuses the key
        that would be made. Without an overlap it returns when no process takes the old one any more.
        """
        new, now = make_key(), self._clock.now()
        revocation = Revocation(uuid7(), app_id, key_id=key_id)
        statements = self._database.statements
        async with self._database.transaction() as connection:
            old = await connection.fetchrow(statements["key_lock"], key_id, app_id)
            ends_at = None if old is None else old["expires_at"]
            if old is None or old["revoked_at"] is not None or (ends_at is not None and ends_at <= now):
                raise NotFoundError("This app has no such key that still works; make a new one.")
            if check is not None:
                check(KeyProperties("", _scopes(old["scopes"]), ends_at, old["allowed_addresses"], old["types"]))
            (made,) = await connection.fetch(statements["key_copy"], key_id, uuid7(), new.prefix, new.hash, now)
            if overlap:
                (ended,) = await connection.fetch(statements["key_end"], revocation.id, key_id, app_id, now + overlap)
                revocation = msgspec.structs.replace(revocation, ends_at=ended["expires_at"].timestamp())
            else:
                await connection.execute(statements["key_revoke"], revocation.id, key_id, app_id, now)
        self._on_revoked(revocation)
        if not overlap:
            await run_out(self._clock)
        fields: dict[str, Any] = {**made, "scopes": _scopes(made["scopes"])}
        return NewApiKey(**fields, key=new.key)

    def find(self, key_hash: bytes) -> Awaitable[FoundKey | None]:
        return self._leases.get(key_hash)

    async def _read(self, key_hash: bytes) -> FoundKey | None:
        now = self._clock.now()
        rows = await self._database.fetch("find_key", key_hash, now - _USE_IS_NEWS_AFTER)
        if not rows:
            return None
        (row,) = rows
        if row["use_is_news"]:
            await self._database.execute("use_key", row["id"], now, now - _USE_IS_NEWS_AFTER)
        caller = Caller(
            row["app_id"],
            frozenset(row["scopes"]),
            key_id=row["id"],
            expires_at=None if row["expires_at"] is None else row["expires_at"].timestamp(),
            types=None if row["types"] is None else tuple(row["types"]),
            allowed_addresses=networks(row["allowed_addresses"]),
        )
        return FoundKey(caller, row["enabled"])


def _scopes(scopes: list[str]) -> list[KeyScope]:
    return [scope for scope in KEY_SCOPES if scope in scopes]
