"""PostgreSQL of our own, in the data folder, for a service that was given no database URL."""

import os
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg

from notify.store.embedded.accounts import Account, choose_account
from notify.store.embedded.cluster import Cluster
from notify.store.embedded.data_folder import EmbeddedError, make_folder, open_private, told_in_one_line
from notify.store.embedded.postmaster import (
    PAUSE_SECONDS,
    SOCKET_NAME,
    Postmaster,
    make_socket_folder,
    remove_socket_folder,
)
from notify.store.embedded.programs import Programs, complaints, find_programs

__all__ = ("EmbeddedPostgres",)

_START_SECONDS = 10.0
_RECOVERY_SECONDS = 300.0
"""For a server that answers, but is still replaying what a crash left behind."""

_LOG_BYTES = 4 * 1024 * 1024

_SETTINGS = {
    "max_connections": "200",
    "jit": "off",  # compiling costs more than our short statements
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",  # what users are told does not belong in a log
    "lc_messages": "C",  # we read them
}


class EmbeddedPostgres:
    """Outlives a killed service, and is taken over by the next one. `url` and `version` are there once it runs,
    `psql` once it was started here.
    """

    url: str
    """Over the Unix socket, for libpq, asyncpg and (with its own scheme) SQLAlchemy."""

    version: str
    """Of the running server, as in `18.6`."""

    psql: Path | None = None
    """The program, of the same version."""

    def __init__(
        self, folder: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self._folder = folder.resolve()
        self._cluster = Cluster(self._folder)
        self._log = self._folder / "postgresql.log"
        self._log_start = 0
        self._binaries = binaries
        self._settings = {**_SETTINGS, **(settings or {})}
        self._account = Account()
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0
        self._is_ours_to_stop = False

    def start(self) -> None:
        if "\n" in str(self._folder):  # PostgreSQL's own pid file holds paths by line
            raise EmbeddedError(f"The data folder {str(self._folder)!r} has a line break in its name; choose another.")
        with told_in_one_line(self._folder):
            self._account = choose_account(self._folder, self._cluster.path)
            make_folder(self._folder)
            programs = find_programs(self._binaries, self._account, self._folder)
            self.psql = programs.folder / "psql"
            if self._cluster.exists():
                self._cluster.refuse_another_major(programs)
            try:
                self._until_ready(programs)
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Ends what `start` started or took over; a second call finds nothing to do."""
        if not self._is_ours_to_stop:
            return
        with told_in_one_line(self._folder):
            recorded = Postmaster.recorded(self._cluster.path)
            if self._process is not None:
                self._end(Postmaster(self._cluster.path, self._process.pid, None))
            elif recorded is not None and recorded.is_running():
                self._end(recorded)
            if recorded is not None:
                remove_socket_folder(recorded.socket_folder, self._cluster.path, self._account)
        self._process = None
        self._is_ours_to_stop = False

    def attach(self) -> bool:
        """For a command beside a running service: whether there is a server to talk to. Starts and stops nothing."""
        with told_in_one_line(self._folder):
            if not self._cluster.exists():
                return False
            if os.geteuid() == 0:
                owner = self._cluster.path.stat()
                self._account = Account.of(owner.st_uid, owner.st_gid)
            postmaster = Postmaster.running(self._cluster.path)
            folder = postmaster.socket_folder if postmaster is not None else None
            return folder is not None and self._is_private(folder) and self._refusal(folder) is None

    # Starting. Each turn looks afresh at what is there: none, one of ours, a predecessor's, one that is just ending.

    def _until_ready(self, programs: Programs) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._process = None  # of an earlier start
        self._log_start = self._log.stat().st_size if self._log.exists() else 0
        begun = time.monotonic()
        self._deadline = begun + _START_SECONDS
        while not self._is_ready(programs):
            if time.monotonic() > min(self._deadline, begun + _RECOVERY_SECONDS):
                raise EmbeddedError(f"PostgreSQL in {self._cluster.path} does not come up: {self._complaint()}")
            time.sleep(PAUSE_SECONDS)

    def _is_ready(self, programs: Programs) -> bool:
        postmaster = Postmaster.running(self._cluster.path)
        if postmaster is None:
            if self._process is None or self._may_try_again(self._process):
                self._launch(programs)
            return False
        self._is_ours_to_stop = True
        if postmaster.socket_folder is None:
            return False
        if not self._is_private(postmaster.socket_folder):  # a cleaner of temporary files was there
            self._end(postmaster)
            return False
        refusal = self._refusal(postmaster.socket_folder)
        if refusal is not None:
            if "the database system is" in refusal:  # … starting up, in recovery, shutting down: it is alive
                self._deadline = time.monotonic() + _START_SECONDS
            return False
        is_taken_over = self._process is None or self._process.pid != postmaster.pid
        if is_taken_over and self.version != programs.version:  # its programs were updated beneath it
            self._end(postmaster)
            return False
        return True

    def _launch(self, programs: Programs) -> None:
        self._cluster.sweep()
        if not self._cluster.exists():
            self._cluster.create(programs, self._account)
            self._deadline = time.monotonic() + _START_SECONDS
        stale = Postmaster.recorded(self._cluster.path)
        if stale is not None:
            remove_socket_folder(stale.socket_folder, self._cluster.path, self._account)
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        log = open_private(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            self._log_start = os.fstat(log).st_size
            self._process = self._account.start(
                [programs.folder / "postgres", "-D", self._cluster.path, *self._options()],
                output=log,
                # The stale pid may be somebody else's by now. PostgreSQL would take that process for a server and
                # refuse; a grandparent it passes over, and still asks whether the old shared memory is in use.
                environment={"PG_GRANDPARENT_PID": str(stale.pid)} if stale is not None else None,
            )
            self._is_ours_to_stop = True
        finally:
            os.close(log)

    def _options(self) -> list[str]:
        socket_folder = str(make_socket_folder(self._cluster.path, self._account)).replace('"', '""')
        settings = {
            **self._settings,
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": f'"{socket_folder}"',
            "unix_socket_permissions": "0700",
            "logging_collector": "off",
        }
        return [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]

    def _may_try_again(self, process: subprocess.Popen[bytes]) -> bool:
        """It ended, for a reason that passes: the last backends of a killed server leave on their own."""
        if process.poll() is None or time.monotonic() > self._deadline:
            return False
        complaint = self._complaint()
        if not re.search(r"shared memory block|lock file .* (already exists|is empty)", complaint):
            raise EmbeddedError(f"PostgreSQL in {self._cluster.path} does not start: {complaint}")
        time.sleep(10 * PAUSE_SECONDS)
        return True

    def _complaint(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return f"{complaints(log.read().decode(errors='replace'))} (more in {self._log})"

    def _end(self, postmaster: Postmaster) -> None:
        child = self._process
        if child is not None and child.pid == postmaster.pid:
            if child.poll() is None:
                postmaster.end(lambda: child.poll() is not None)
        else:
            postmaster.end(lambda: not postmaster.is_running())

    # Talking to it.

    def _is_private(self, socket_folder: Path) -> bool:
        return self._account.owns_alone(socket_folder) and (socket_folder / SOCKET_NAME).exists()

    def _refusal(self, socket_folder: Path) -> str | None:
        """What the server answers when it does not let us in; None once it does, and then `url` is true."""
        # The port is named, because libpq and asyncpg would take it from PGPORT otherwise.
        query = f"host={quote(os.fsencode(socket_folder), safe='/')}&port=5432"
        url = f"postgresql://notify:{self._cluster.password()}@/notify?{query}"
        try:
            with psycopg.connect(url, connect_timeout=5) as connection:
                self.version = (connection.info.parameter_status("server_version") or "?").split()[0]
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise EmbeddedError(
                    f"PostgreSQL in {self._cluster.path} refuses the password in {self._cluster.password_file}: "
                    "put back the file that belongs to it, or set NOTIFY_DATA_DIR to another folder."
                ) from error
            return str(error)
        self.url = url
        return None
