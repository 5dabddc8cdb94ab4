"""The PostgreSQL servers that tests run on, and a fresh migrated database for each test that wants one."""

import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from notify.store.embedded import EmbeddedPostgres
from notify.store.embedded.postmaster import Postmaster
from notify.store.migrate import Migrations
from support.invariants import keep_history
from support.leaks import LOGS
from support.waiting import until

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made there
_ROOM_BYTES = 2 * 1024**3
_TEMPLATE = "migrated"
_numbers = itertools.count(1)

# Nothing here survives a power cut, and need not: processes are killed, the machine is not.
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}


def require(is_there: object, what: str) -> None:
    """Skips a test whose real part is missing; in CI nothing may be missing."""
    if not is_there:
        if os.environ.get("CI"):
            pytest.fail(f"{what} is missing, and in CI nothing is skipped")
        pytest.skip(f"{what} is missing")


@contextmanager
def reachable_folder(parent: Path | None = None) -> Iterator[Path]:
    """A temporary folder that an unprivileged PostgreSQL can pass through; pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="notify-test-", dir=parent) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def memory() -> Path | None:
    """A file system in memory, if there is one with room. A database is copied there in a tenth of the time."""
    if os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES:
        return _MEMORY
    return None


@contextmanager
def running_server(binaries: Path | None = None) -> Iterator["TestServer"]:
    with reachable_folder(memory()) as folder:
        server = TestServer(folder / "data", binaries)
        LOGS.know(urlsplit(server.postgres.url).password)
        try:
            yield server
        finally:
            server.stop()
            LOGS.read((folder / "data" / "postgresql.log").read_text(errors="replace").splitlines())


class TestServer:
    __test__ = False

    def __init__(self, folder: Path, binaries: Path | None) -> None:
        # To prove a password takes longer than most of what tests do then.
        trusting = folder.with_name("trusting.conf")
        trusting.write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")
        settings = _FAST | {"hba_file": str(trusting)}
        self.postgres = EmbeddedPostgres(folder, binaries=binaries, settings=settings)
        self.postgres.start()
        self._connection = psycopg.connect(self.postgres.url, autocommit=True)
        self._create(_TEMPLATE, "template1")
        Migrations(self.url_of(_TEMPLATE), "notify").up()

    @contextmanager
    def database(self, *, migrated: bool = True) -> Iterator[str]:
        name = f"test_{next(_numbers)}"
        self._create(name, _TEMPLATE if migrated else "template1")
        try:
            yield self.url_of(name)
        finally:
            self._run(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))

    def url_of(self, database: str) -> str:
        return urlunsplit(urlsplit(self.postgres.url)._replace(path=f"/{database}"))

    def _create(self, name: str, template: str) -> None:
        command = SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        self._run(command.format(Identifier(name), Identifier(template)))

    def _run(self, statement: object) -> None:
        if self._connection.closed:
            self._connection = psycopg.connect(self.postgres.url, autocommit=True)
        try:
            self._connection.execute(statement)  # type: ignore[call-overload]
        except psycopg.OperationalError:
            # Some tests let all of the server's connections end; of that it is told only now.
            if not self._connection.closed:
                raise
            self._run(statement)

    def stop(self) -> None:
        self._connection.close()
        self.postgres.stop()


class DurableServer:
    """A PostgreSQL of a test's own, with the settings that we ship, so that what it has committed is on the disk. Its
    database keeps its history.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._postgres = EmbeddedPostgres(folder)
        self._postgres.start()
        self.url = self._postgres.url
        Migrations(self.url, "notify").up()
        keep_history(self.url)

    def stop(self) -> None:
        self._postgres.stop()

    def end(self, how: signal.Signals) -> None:
        """SIGINT is how it is told to stop at once, SIGKILL a crash."""
        postmaster = Postmaster.running(self._folder / "postgresql")
        assert postmaster is not None
        os.kill(postmaster.pid, how)
        until(lambda: not postmaster.is_running(), 20, what="the end of PostgreSQL")

    def start_again(self) -> None:
        self._postgres.start()
        assert self._postgres.url == self.url


@contextmanager
def durable_server() -> Iterator[DurableServer]:
    with reachable_folder() as folder:
        server = DurableServer(folder / "data")
        try:
            yield server
        finally:
            server.stop()
