"""Bringing the schema up, down, and saying where it is. Runs before the service, on a connection of its own.

Alembic is imported only where there is something to do: every start asks for the state, and few find anything pending.
"""

import ast
import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from msgspec import Struct
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from advanced_alchemy.alembic.commands import AlembicCommands

__all__ = ("MigrationError", "Migrations", "SchemaState")

_VERSION_TABLE = "migrations"
_LOCK_TIMEOUT = "5s"
_STATEMENT_TIMEOUT = "10min"
_MIGRATING = 0x6E6F_7469_6679  # "notify": the advisory lock of whoever migrates


class MigrationError(Exception):
    """What keeps the schema from being migrated, in one line. Each migration is done whole or not at all."""


class SchemaState(Struct, frozen=True):
    current: str | None
    newest: str
    pending: list[str]
    is_ahead: bool
    """Migrated by a newer version, which this one has to put up with during a rolling upgrade."""


class Migrations:
    def __init__(self, url: str, schema: str) -> None:
        self._url = url
        self._schema = schema

    def state(self) -> SchemaState:
        known = [_step(file) for file in sorted((_scripts() / "versions").glob("*.py"))]
        newest = known[-1][0]
        current = self._current()
        done = [revision for revision, _ in known].index(current) + 1 if current in dict(known) else 0
        is_ahead = current is not None and done == 0
        pending = [] if is_ahead else [f"{revision} {text}" for revision, text in known[done:]]
        return SchemaState(current, newest, pending, is_ahead)

    def _current(self) -> str | None:
        with _told_in_one_line(), self._connect() as connection:
            table = f'"{self._schema}"."{_VERSION_TABLE}"'
            found = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (table,)).fetchone()
            if found is None or not found[0]:
                return None
            query = SQL("SELECT version_num FROM {}").format(Identifier(self._schema, _VERSION_TABLE))
            row = connection.execute(query).fetchone()
            return None if row is None else str(row[0])

    def up(self, revision: str = "head") -> None:
        with self._alone(), self._commands() as commands:
            self._make_schema()
            commands.upgrade(revision)

    def down(self, revision: str = "-1") -> None:
        if not revision:
            raise MigrationError("an empty revision names no step")
        with self._alone(), self._commands() as commands:
            commands.downgrade(revision)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # A lock of a transaction, not of a session: a transaction pooler carries it too.
        with _told_in_one_line(), self._connect() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_MIGRATING % 2**31, self._schema))
            yield

    @contextmanager
    def _commands(self) -> Iterator["AlembicCommands"]:
        from advanced_alchemy.alembic.commands import AlembicCommands  # noqa: PLC0415 - see above
        from advanced_alchemy.config import AlembicSyncConfig, SQLAlchemySyncConfig  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        engine = create_engine("postgresql+psycopg://", creator=self._connect, poolclass=NullPool)
        event.listen(engine, "begin", _bound_transaction)
        try:
            with _told_in_one_line(SQLAlchemyError, CommandError), engine.connect() as connection:
                config = SQLAlchemySyncConfig(
                    engine_instance=engine,
                    alembic_config=AlembicSyncConfig(
                        script_location=str(_scripts()),
                        version_table_name=_VERSION_TABLE,
                        version_table_schema=self._schema,
                        render_as_batch=False,
                        compare_type=True,
                    ),
                )
                commands = AlembicCommands(config)
                commands.config.stdout = io.StringIO()
                commands.config.attributes.update(
                    connection=connection, schema=self._schema, version_table=_VERSION_TABLE
                )
                yield commands
        finally:
            engine.dispose()

    def _make_schema(self) -> None:
        """Unless it is there: IF NOT EXISTS would ask for the right to make schemas even then."""
        with self._connect() as connection:
            found = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (self._schema,)).fetchone()
            if found is None:
                connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(self._schema)))

    def _connect(self) -> psycopg.Connection:
        # Never prepared: behind a transaction pooler the next statement may meet another server.
        return psycopg.connect(self._url, prepare_threshold=None)


def _bound_transaction(connection: Connection) -> None:
    """For this transaction, not for the session, which may be a pooler's and go on to serve somebody else."""
    driver: psycopg.Connection = connection.connection.driver_connection  # type: ignore[assignment]  # as engine made it
    driver.execute(
        "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)",
        (_LOCK_TIMEOUT, _STATEMENT_TIMEOUT),
    )


@contextmanager
def _told_in_one_line(*also: type[Exception]) -> Iterator[None]:
    expected: tuple[type[Exception], ...] = (psycopg.Error, *also)
    try:
        yield
    except expected as error:
        cause = getattr(error, "orig", None) or error
        raise MigrationError(str(cause).strip().splitlines()[0]) from error


def _scripts() -> Path:
    """The migrations: inside the package when it was installed from a wheel, at the top of a checkout otherwise."""
    shipped = Path(str(files("notify"))) / "migrations"
    return shipped if shipped.is_dir() else Path(str(files("notify"))).parents[1] / "migrations"


def _step(file: Path) -> tuple[str, str]:
    """A migration's revision, with which its name begins, and what it says of itself."""
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert said is not None, f"{file.name} does not say what it does"  # noqa: S101 - a test holds all to it
    return file.name.partition("_")[0], said.splitlines()[0]
