"""Bringing the schema up, down, and saying where it is. Runs before the service, on a connection of its own."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import psycopg
from advanced_alchemy.alembic.commands import AlembicCommands
from advanced_alchemy.config import AlembicSyncConfig, SQLAlchemySyncConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from msgspec import Struct
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

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
        with self._commands() as (commands, connection):
            script = ScriptDirectory.from_config(commands.config)
            context = MigrationContext.configure(
                connection, opts={"version_table": _VERSION_TABLE, "version_table_schema": self._schema}
            )
            current = context.get_current_revision()
            newest = script.get_current_head()
            assert newest is not None  # noqa: S101 - there is at least one migration
            known = [(step.revision, step.doc) for step in script.walk_revisions()][::-1]
            done = [revision for revision, _ in known].index(current) + 1 if current in dict(known) else 0
            is_ahead = current is not None and done == 0
            pending = [] if is_ahead else [f"{revision} {text}" for revision, text in known[done:]]
            return SchemaState(current, newest, pending, is_ahead)

    def up(self, revision: str = "head") -> None:
        with self._alone(), self._commands() as (commands, _):
            self._make_schema()
            commands.upgrade(revision)

    def down(self, revision: str = "-1") -> None:
        if not revision:
            raise MigrationError("an empty revision names no step")
        with self._alone(), self._commands() as (commands, _):
            commands.downgrade(revision)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # A lock of a transaction, not of a session: a transaction pooler carries it too.
        with _told_in_one_line(), self._connect() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_MIGRATING % 2**31, self._schema))
            yield

    @contextmanager
    def _commands(self) -> Iterator[tuple[AlembicCommands, Connection]]:
        engine = create_engine("postgresql+psycopg://", creator=self._connect, poolclass=NullPool)
        event.listen(engine, "begin", _bound_transaction)
        try:
            with _told_in_one_line(), engine.connect() as connection:
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
                yield commands, connection
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
def _told_in_one_line() -> Iterator[None]:
    try:
        yield
    except (psycopg.Error, SQLAlchemyError, CommandError) as error:
        cause = getattr(error, "orig", None) or error
        raise MigrationError(str(cause).strip().splitlines()[0]) from error


def _scripts() -> Path:
    """The migrations: inside the package when it was installed from a wheel, at the top of a checkout otherwise."""
    shipped = Path(str(files("notify"))) / "migrations"
    return shipped if shipped.is_dir() else Path(str(files("notify"))).parents[1] / "migrations"
