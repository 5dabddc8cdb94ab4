"""The connections to PostgreSQL for the hot statements, each held for a bounded time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import structlog
from asyncpg.pool import PoolConnectionProxy

from notify.core.errors import DatabaseAwayError
from notify.store.statements import Statements

__all__ = ("AWAY", "TRY_AGAIN", "Connection", "Database", "Record", "is_lost")

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
    asyncpg.LockNotAvailableError,  # an operator's lock_timeout, as QueryCanceledError is a statement_timeout
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    asyncpg.InternalClientError,  # a connection that the server was just ending when we took it from the pool
)
"""What asyncpg raises when the database is not there for us, rather than unhappy with what we asked."""

TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
"""What it raises when the same statements will succeed if sent again."""

_FIRST_WITH_TRANSACTION_TIMEOUT = (17,)
_ATTEMPTS = 5

T = TypeVar("T")

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
            async with asyncio.timeout(self.timeout_seconds if timeout_seconds is None else timeout_seconds):
                connection = await self._pool.acquire()
                try:
                    yield connection
                except (TimeoutError, asyncio.CancelledError, asyncpg.InternalClientError):
                    # Asking a database that does not answer to cancel would wait for it as well.
                    if not is_lost(connection):
                        connection.terminate()
                    raise
                except asyncpg.InterfaceError as error:
                    if is_lost(connection):
                        raise DatabaseAwayError from error
                    raise
                finally:
                    await self._pool.release(connection)
        except AWAY as error:
            raise DatabaseAwayError from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """The same with a transaction around it. Not asyncpg's own: that would, when time is up, wait for the answer to
        a ROLLBACK.
        """
        async with self.connection() as connection:
            await connection.execute(self._begin(connection))
            try:
                yield connection
            except Exception:
                if not is_lost(connection):
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")

    async def committed(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """What work came to in a transaction, done again if others were in the way."""
        attempts = 0
        while True:
            attempts += 1
            try:
                async with self.transaction() as connection:
                    done = await work(connection)
            except TRY_AGAIN as error:
                if attempts == _ATTEMPTS:
                    raise DatabaseAwayError from error
            else:
                return done

    async def fetch(self, statement: str, *arguments: Any) -> list[Record]:
        """The rows of one of our statements that does no harm when repeated, so that a connection found dead may be
        replaced once.
        """
        sql = self.statements[statement]
        deadline = asyncio.get_running_loop().time() + self.timeout_seconds
        try:
            async with self.connection() as connection:
                return await connection.fetch(sql, *arguments)
        except DatabaseAwayError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise
        async with self.connection(deadline - asyncio.get_running_loop().time()) as connection:
            return await connection.fetch(sql, *arguments)

    async def execute(self, statement: str, *arguments: Any) -> list[Record]:
        """The same for a statement that writes, in a transaction of its own."""
        return await self.fetch(statement, *arguments)

    def _begin(self, connection: Connection) -> str:
        # If the network parts while we hold an inbox, nobody tells the server; without a limit the inbox would stay
        # locked until the server's TCP gives up, which takes hours. Before 17 there is only the lesser one, which does
        # not count between a statement's Parse and its Bind. In one message with BEGIN, and for this transaction only,
        # so that it costs nothing and a pooler is left as it was.
        has_timeout = connection.get_server_version() >= _FIRST_WITH_TRANSACTION_TIMEOUT
        limit = "transaction_timeout" if has_timeout else "idle_in_transaction_session_timeout"
        return f"BEGIN; SET LOCAL {limit} = {round(self.timeout_seconds * 1000)}"

    async def _check_lineage(self, connection: "asyncpg.Connection[Record]") -> None:
        # On every new connection, because a failover or a restore is a reconnect to us.
        generation = await connection.fetchval(self.statements["lineage"])
        if generation is not None:
            log.info("this database is new to its rows", action="lineage", generation=generation)


def is_lost(connection: Connection) -> bool:
    """Whether a connection of the pool is closed: asyncpg takes it back at once, and then does not even say that."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


async def _leave_as_it_is(_connection: "asyncpg.Connection[Record]") -> None:
    """Our statements leave nothing behind in a session, so that the pool's reset would be a round trip for nothing."""
