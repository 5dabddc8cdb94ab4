"""Apps and their API keys."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Self, TypeVar
from uuid import UUID

import asyncpg
from advanced_alchemy.filters import LimitOffset
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from msgspec import Struct
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from notify.core.clock import Clock
from notify.core.errors import ConflictError, DatabaseAwayError, NotFoundError
from notify.core.identity import KEY_SCOPES, Caller, KeyScope, make_key
from notify.core.ids import uuid7
from notify.store.database import AWAY, Database
from notify.store.leases import Leases, run_out
from notify.store.tables import ApiKeyRow, AppRow

__all__ = ("ApiKey", "App", "Identities", "NewApiKey", "NewApp", "make_secret")

_USE_IS_NEWS_AFTER = timedelta(minutes=1)
_SECRET_BYTES = 48

Row = TypeVar("Row", AppRow, ApiKeyRow)


class App(Struct, frozen=True):
    id: str
    name: str
    created_at: datetime


class NewApp(Struct, frozen=True):
    """An app, and the secret for its user tokens at the one moment it is shown."""

    id: str
    name: str
    created_at: datetime
    jwt_secret: str


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


class _Repository(SQLAlchemyAsyncRepository[Row]):
    @classmethod
    def of(cls, session: AsyncSession) -> Self:
        # Not wrapped: advanced-alchemy calls every error of the database an IntegrityError, a lost connection too.
        return cls(session=session, wrap_exceptions=False)


class _Apps(_Repository[AppRow]):
    model_type = AppRow


class _Keys(_Repository[ApiKeyRow]):
    model_type = ApiKeyRow


class Identities:
    def __init__(
        self, database: Database, clock: Clock, url: str, *, schema: str, pool_size: int, prepared_statements: bool
    ) -> None:
        self._database = database
        self._clock = clock

        async def connect() -> Any:
            # By asyncpg itself, so that the URL means the same here as everywhere else.
            return await asyncpg.connect(
                url,
                timeout=database.timeout_seconds,
                statement_cache_size=100 if prepared_statements else 0,
                connection_class=_Abrupt,
            )

        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=database.timeout_seconds,
            hide_parameters=True,  # among them are secrets, and errors are logged
            execution_options={"schema_translate_map": {"notify": schema}},
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)
        self._keys = Leases(self._read_key, clock)
        self._secrets = Leases(self.secret_of, clock)

    async def close(self) -> None:
        await self._engine.dispose()

    async def create_app(self, app_id: str, name: str) -> NewApp:
        row = AppRow(id=app_id, name=name, jwt_secret=make_secret(), created_at=self._clock.now())
        async with self._session() as session:
            try:
                await _Apps.of(session).add(row)
                await session.commit()
            except IntegrityError as error:
                raise ConflictError(f"There is an app {app_id} already; choose another id.") from error
        assert row.jwt_secret is not None  # noqa: S101 - set above
        return NewApp(row.id, row.name, row.created_at, row.jwt_secret)

    async def apps(self, limit: int, after: str | None, only: str | None) -> list[App]:
        """The apps past one, by id; `only` narrows to one app."""
        conditions = [AppRow.id > after] if after is not None else []
        if only is not None:
            conditions.append(AppRow.id == only)
        async with self._session() as session:
            rows = await _Apps.of(session).get_many(*conditions, LimitOffset(limit, 0), order_by=[("id", False)])
        return [App(row.id, row.name, row.created_at) for row in rows]

    async def create_key(self, app_id: str, name: str, scopes: list[KeyScope]) -> NewApiKey:
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
        async with self._session() as session:
            await self._require_app(session, app_id)
            await _Keys.of(session).add(row)
            await session.commit()
        return NewApiKey(row.id, row.name, row.prefix, _scopes(row), row.created_at, new.key)

    async def keys(self, app_id: str, limit: int, after: UUID | None) -> list[ApiKey]:
        """The keys of an app, oldest first, past one of them."""
        conditions = [ApiKeyRow.id > after] if after is not None else []
        async with self._session() as session:
            await self._require_app(session, app_id)
            rows = await _Keys.of(session).get_many(
                ApiKeyRow.app_id == app_id, *conditions, LimitOffset(limit, 0), order_by=[("id", False)]
            )
        return [
            ApiKey(row.id, row.name, row.prefix, _scopes(row), row.created_at, row.last_used_at, row.revoked_at)
            for row in rows
        ]

    async def revoke_key(self, app_id: str, key_id: UUID) -> None:
        """Returns when no process takes it any more."""
        async with self._session() as session:
            row = await _Keys.of(session).get_one_or_none(ApiKeyRow.id == key_id, ApiKeyRow.app_id == app_id)
            if row is None:
                raise NotFoundError("This app has no such key.")
            row.revoked_at = row.revoked_at or self._clock.now()
            await session.commit()
        await run_out(self._clock)

    async def find_key(self, key_hash: bytes) -> Caller | None:
        return await self._keys.get(key_hash)

    async def leased_secret_of(self, app_id: str) -> str | None:
        """The secret as it was a moment ago at most."""
        return await self._secrets.get(app_id)

    async def _read_key(self, key_hash: bytes) -> Caller | None:
        now = self._clock.now()
        rows = await self._database.fetch("find_key", key_hash, now - _USE_IS_NEWS_AFTER)
        if not rows:
            return None
        (row,) = rows
        if row["use_is_news"]:
            await self._database.execute("use_key", row["id"], now, now - _USE_IS_NEWS_AFTER)
        return Caller(row["app_id"], frozenset(row["scopes"]), key_id=row["id"])

    async def secret_of(self, app_id: str) -> str | None:
        rows = await self._database.fetch("app_secret", app_id)
        return rows[0]["jwt_secret"] if rows else None

    async def keep_secret(self, app_id: str) -> str:
        """The secret of an app that may have been made without one."""
        rows = await self._database.execute("keep_secret", app_id, make_secret())
        secret: str = rows[0]["jwt_secret"]
        return secret

    async def _require_app(self, session: AsyncSession, app_id: str) -> None:
        if await _Apps.of(session).get_one_or_none(AppRow.id == app_id) is None:
            raise NotFoundError(f"There is no app {app_id}.")

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[AsyncSession]:
        try:
            async with asyncio.timeout(self._database.timeout_seconds), self._sessions() as session:
                driver = (await (await session.connection()).get_raw_connection()).driver_connection
                assert isinstance(driver, asyncpg.Connection)  # noqa: S101 - what `connect` made
                try:
                    yield session
                except asyncio.CancelledError:
                    # SQLAlchemy would wait for the answer to a ROLLBACK.
                    driver.terminate()
                    raise
        except (*AWAY, PoolTimeoutError) as error:
            raise DatabaseAwayError from error
        except DBAPIError as error:
            if error.connection_invalidated or isinstance(error.orig.__cause__ if error.orig else None, AWAY):
                raise DatabaseAwayError from error
            # The driver's own error: SQLAlchemy's shows the statement, and errors are logged.
            raise error.orig or error from None


class _Abrupt(asyncpg.Connection):
    """Leaves without waiting for the server's good-bye, which one that stalls never says."""

    async def close(self, *, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 - asyncpg's signature
        self.terminate()


def _refuse_closed(connection: Any, *_: object) -> None:
    """Makes the pool take another connection for one that the server has closed; asyncpg knows without asking."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def make_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def _scopes(row: ApiKeyRow) -> list[KeyScope]:
    return [scope for scope in KEY_SCOPES if scope in row.scopes]
