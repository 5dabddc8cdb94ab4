"""The API keys of apps."""

from datetime import datetime, timedelta
from uuid import UUID

from advanced_alchemy.filters import LimitOffset
from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import NotFoundError
from notify.core.identity import KEY_SCOPES, Caller, KeyScope, make_key
from notify.core.ids import uuid7
from notify.store.apps import require_app
from notify.store.database import Database
from notify.store.leases import Leases, run_out
from notify.store.resources import Repository, Resources
from notify.store.tables import ApiKeyRow

__all__ = ("ApiKey", "Keys", "NewApiKey")

_USE_IS_NEWS_AFTER = timedelta(minutes=1)


class ApiKey(Struct, frozen=True):
    id: UUID
    name: str
    prefix: str
    scopes: list[KeyScope]
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewApiKey(Struct, frozen=True):
    """An API key at the one moment it is shown in full."""

    id: UUID
    name: str
    prefix: str
    scopes: list[KeyScope]
    created_at: datetime
    key: str


class _Keys(Repository[ApiKeyRow]):
    model_type = ApiKeyRow


class Keys:
    def __init__(self, resources: Resources, database: Database, clock: Clock) -> None:
        self._resources = resources
        self._database = database
        self._clock = clock
        self._leases = Leases(self._read, clock)

    async def create(self, app_id: str, name: str, scopes: list[KeyScope]) -> NewApiKey:
        new = make_key()
        row = ApiKeyRow(
            id=uuid7(),
            app_id=app_id,
            name=name,
            prefix=new.prefix,
            key_hash=new.hash,
            scopes=sorted(set(scopes)),
            created_at=self._clock.now(),
        )
        async with self._resources.session() as session:
            await require_app(session, app_id)
            await _Keys.of(session).add(row)
            await session.commit()
        return NewApiKey(row.id, row.name, row.prefix, _scopes(row), row.created_at, new.key)

    async def list_(self, app_id: str, limit: int, after: UUID | None) -> list[ApiKey]:
        """The keys of an app, oldest first, past one of them."""
        conditions = [ApiKeyRow.id > after] if after is not None else []
        async with self._resources.session() as session:
            await require_app(session, app_id)
            rows = await _Keys.of(session).get_many(
                ApiKeyRow.app_id == app_id, *conditions, LimitOffset(limit, 0), order_by=[("id", False)]
            )
        return [
            ApiKey(row.id, row.name, row.prefix, _scopes(row), row.created_at, row.last_used_at, row.revoked_at)
            for row in rows
        ]

    async def revoke(self, app_id: str, key_id: UUID) -> None:
        """Returns when no process takes it any more."""
        async with self._resources.session() as session:
            row = await _Keys.of(session).get_one_or_none(ApiKeyRow.id == key_id, ApiKeyRow.app_id == app_id)
            if row is None:
                raise NotFoundError("This app has no such key.")
            row.revoked_at = row.revoked_at or self._clock.now()
            await session.commit()
        await run_out(self._clock)

    async def find(self, key_hash: bytes) -> Caller | None:
        return await self._leases.get(key_hash)

    async def _read(self, key_hash: bytes) -> Caller | None:
        now = self._clock.now()
        rows = await self._database.fetch("find_key", key_hash, now - _USE_IS_NEWS_AFTER)
        if not rows:
            return None
        (row,) = rows
        if row["use_is_news"]:
            await self._database.execute("use_key", row["id"], now, now - _USE_IS_NEWS_AFTER)
        return Caller(row["app_id"], frozenset(row["scopes"]), key_id=row["id"])


def _scopes(row: ApiKeyRow) -> list[KeyScope]:
    return [scope for scope in KEY_SCOPES if scope in row.scopes]
