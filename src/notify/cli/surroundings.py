"""What every command starts from: the settings, the database they mean, and the admin key."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import msgspec
import psycopg

from notify.settings import Settings, SettingsError, load, unknown_names
from notify.store.embedded import EmbeddedError, EmbeddedPostgres, FolderLock
from notify.store.migrate import MigrationError, Migrations

__all__ = ("ADDRESS_FILE", "Problem", "Surroundings", "found_settings", "ready_database", "with_admin_key")

ADDRESS_FILE = "service.url"
"""Where a service says, in its data folder, how it is reached."""

_OLDEST_POSTGRESQL = 15
_PAUSE_SECONDS = 0.25


class Problem(click.ClickException):
    """Ends the command with one line that says what is wrong and what to do."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        click.echo(f"notify: {self.format_message()}", err=True)


class Surroundings(msgspec.Struct, frozen=True):
    """Settings that name a database by now, and what is to be said about it."""

    settings: Settings
    embedded_version: str | None
    psql: Path | None
    """Of the embedded database that this process has started."""


def found_settings() -> Settings:
    try:
        settings = load(os.environ, env_file=Path(".env"))
    except SettingsError as error:
        raise Problem("\nnotify: ".join(error.problems)) from error
    for name in unknown_names(os.environ, env_file=Path(".env")):
        click.echo(f"notify: {name} is not a setting; `notify settings` lists them.", err=True)
    return settings


@contextmanager
def ready_database(settings: Settings, *, migrated: bool = True, alone: bool = False) -> Iterator[Surroundings]:
    """The database that the settings mean, or the embedded one: started for as long as this lasts, unless a service in
    the same data folder runs it already. `alone` insists on being that service.
    """
    with ExitStack() as stack:
        version = psql = None
        if settings.database_url is None:
            postgres = _embedded(settings, stack, alone=alone)
            version, psql = postgres.version, postgres.psql
            settings = msgspec.structs.replace(settings, database_url=postgres.url)
        _wait_for(settings)
        try:
            if migrated:
                _migrate(settings)
            yield Surroundings(settings, version, psql)
        except MigrationError as error:
            raise Problem(f"The database could not be migrated: {error}.") from error


def with_admin_key(settings: Settings) -> Settings:
    """The settings with an admin key: theirs, or the one in the data folder, made if there is none."""
    if settings.admin_key is not None:
        return settings
    path = settings.data_dir / "admin.key"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_text().strip()
        else:
            key = f"nk_admin_{secrets.token_urlsafe(32)}"
            with os.fdopen(descriptor, "w") as file:
                file.write(f"{key}\n")
    except UnicodeDecodeError:
        key = ""  # no key at all
    except OSError as error:
        raise Problem(
            f"{path}: {error.strerror}; set NOTIFY_ADMIN_KEY, or NOTIFY_DATA_DIR to a folder of yours."
        ) from error
    if len(key) < 20:  # noqa: PLR2004 - the bound of the setting
        raise Problem(f"{path} does not hold a key of at least 20 characters; remove it to have one made.")
    return msgspec.structs.replace(settings, admin_key=key)


def _embedded(settings: Settings, stack: ExitStack, *, alone: bool) -> EmbeddedPostgres:
    lock = FolderLock(settings.data_dir)
    postgres = EmbeddedPostgres(settings.data_dir)
    try:
        if not alone and postgres.attach():
            return postgres
        stack.enter_context(lock)
        stack.callback(postgres.stop)
        postgres.start()
    except EmbeddedError as error:
        raise Problem(str(error)) from error
    return postgres


def _wait_for(settings: Settings) -> None:
    assert settings.database_url is not None  # noqa: S101 - ready_database has seen to it
    deadline = time.monotonic() + settings.database_wait_seconds
    while True:
        try:
            with psycopg.connect(settings.database_url, connect_timeout=5) as connection:
                major = connection.info.server_version // 10_000
        except (psycopg.ProgrammingError, UnicodeError):
            # Without what libpq says: it quotes what it did not understand, and that may be the password.
            raise Problem("NOTIFY_DATABASE_URL is not understood; percent-encode what is special in it.") from None
        except psycopg.Error as error:
            if time.monotonic() > deadline:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0]
                raise Problem(f"The database cannot be reached: {reason}. Check NOTIFY_DATABASE_URL.") from error
            time.sleep(_PAUSE_SECONDS)
            continue
        if major < _OLDEST_POSTGRESQL:
            raise Problem(f"The database is PostgreSQL {major}; notify needs {_OLDEST_POSTGRESQL} or newer.")
        return


def _migrate(settings: Settings) -> None:
    assert settings.database_url is not None  # noqa: S101 - ready_database has seen to it
    migrations = Migrations(settings.database_url, settings.schema)
    state = migrations.state()
    if state.is_ahead:
        click.echo("notify: the database was migrated by a newer notify; going on with it as it is.", err=True)
    elif state.pending and settings.auto_migrate:
        migrations.up()
    elif state.pending:
        raise Problem(
            f"The schema is behind by {len(state.pending)}: run `notify migrate up`, or set NOTIFY_AUTO_MIGRATE=true."
        )
