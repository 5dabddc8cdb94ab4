"""How rows that are more resource than log are read and written: by advanced-alchemy, on connections of their own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import asyncpg
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from notify.core.errors import DatabaseAwayError
from notify.store.database import AWAY
from notify.store.tables import ApiKeyRow, AppRow

__all__ = ("Repository", "Resources")

Row = TypeVar("Row", AppRow, ApiKeyRow)


class Repository(SQLAlchemyAsyncRepository[Row]):
    @classmethod
    def of(cls, session: AsyncSession) -> Self:
        # Not wrapped: advanced-alchemy calls every error of the database an IntegrityError, a lost connection too.
        return cls(session=session, wrap_exceptions=False)


class Resources:
    def __init__(
        self, url: str, *, schema: str, pool_size: int, prepared_statements: bool, timeout_seconds: float
    ) -> None:
        self._timeout_seconds = timeout_seconds

        async def connect() -> Any:
            # By asyncpg itself, so that the URL means the same here as everywhere else.
            return await asyncpg.connect(
                url,
                timeout=timeout_seconds,
                statement_cache_size=100 if prepared_statements else 0,
                connection_class=_Abrupt,
            )

        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=connect,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=timeout_seconds,
            hide_parameters=True,  # among them are secrets, and errors are logged
            execution_options={"schema_translate_map": {"notify": schema}},
        )
        event.listen(self._engine.sync_engine, "checkout", _refuse_closed)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    async def close(self) -> None:
        await self._engine.dispose()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        try:
            async with asyncio.timeout(self._timeout_seconds), self._sessions() as session:
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
