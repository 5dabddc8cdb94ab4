"""The connections to PostgreSQL for the hot statements, each held for a bounded time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from notify.core.errors import DatabaseAwayError
from notify.store.statements import Statements

__all__ = ("AWAY", "TRY_AGAIN", "Connection", "Database", "Record")

Record = asyncpg.Record

if TYPE_CHECKING:
    # Generic for type checkers only.
    Connection = PoolConnectionProxy[Record]
else:
    Connection = PoolConnectionProxy

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
)
"""What asyncpg raises when the database is not there for us, rather than unhappy with what we asked."""

TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""What it raises when the same statements will succeed if sent again."""

log = structlog.get_logger(__name__)


class Database:
    def __init__(
        self,
        url: str,
        statements: Statements,
        *,
        pool_size: int,
        timeout_seconds: float,
        prepared_statements: bool = True,
    ) -> None:
        self.statements = statements
        self.timeout_seconds = timeout_seconds
        self.pool_size = pool_size
        self._url = url
        self._cache_size = 200 if prepared_statements else 0
        self._pool: asyncpg.Pool[Record] | None = None

    async def open(self) -> None:
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=1,
            max_size=self.pool_size,
            timeout=self.timeout_seconds,
            statement_cache_size=self._cache_size,
            init=self._check_lineage,
            reset=_leave_as_it_is,
        )

    async def close(self) -> None:
        if self._pool is not None:
            try:
                async with asyncio.timeout(self.timeout_seconds):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()

    @property
    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many are open."""
        if self._pool is None:
            return 0, 0
        return self._pool.get_size() - self._pool.get_idle_size(), self._pool.get_size()

    @asynccontextmanager
    async def connection(self, timeout_seconds: float | None = None) -> AsyncIterator[Connection]:
        """A connection for one short piece of work. Raises DatabaseAwayError when that cannot be done in time."""
        assert self._pool is not None, "the database is not open"  # noqa: S101 - app.py opens it first
        try:
            async with asyncio.timeout(timeout_seconds or self.timeout_seconds):
                connection = await self._pool.acquire()
                try:
                    yield connection
                except (TimeoutError, asyncio.CancelledError):
                    # Asking a database that does not answer to cancel would wait for it as well.
                    connection.terminate()
                    raise
                except asyncpg.InterfaceError as error:
                    if connection.is_closed():
                        raise DatabaseAwayError from error
                    raise
                finally:
                    await self._pool.release(connection)
        except AWAY as error:
            raise DatabaseAwayError from error

    async def fetch(self, statement: str, *arguments: Any) -> list[Record]:
        """The rows of one of our statements that only reads, so that a connection found dead may be replaced once."""
        sql = self.statements[statement]
        try:
            async with self.connection() as connection:
                return await connection.fetch(sql, *arguments)
        except DatabaseAwayError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
            async with self.connection() as connection:
                return await connection.fetch(sql, *arguments)

    async def execute(self, statement: str, *arguments: Any) -> list[Record]:
        """One of our statements that writes, in a transaction of its own."""
        async with self.connection() as connection:
            return await connection.fetch(self.statements[statement], *arguments)

    async def _check_lineage(self, connection: "asyncpg.Connection[Record]") -> None:
        # On every new connection, because a failover or a restore is a reconnect to us.
        generation = await connection.fetchval(self.statements["lineage"])
        if generation is not None:
            log.info("this database is new to its rows", action="lineage", generation=generation)


async def _leave_as_it_is(_connection: "asyncpg.Connection[Record]") -> None:
    """Our statements leave nothing behind in a session, so that the pool's reset would be a round trip for nothing."""
