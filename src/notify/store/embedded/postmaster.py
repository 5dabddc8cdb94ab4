"""The server process of a cluster: told apart from whoever has its old number, reached, and ended."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from notify.store.embedded.accounts import Account
from notify.store.embedded.data_folder import EmbeddedError

__all__ = ("PAUSE_SECONDS", "SOCKET_NAME", "Postmaster", "make_socket_folder", "remove_socket_folder")

PAUSE_SECONDS = 0.02
SOCKET_NAME = ".s.PGSQL.5432"

_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103
_FAST_SECONDS = 7.0
"""Below the ten that `docker stop` waits before it kills."""

_IMMEDIATE_SECONDS = 6.0
"""PostgreSQL itself gives its children five."""


class Postmaster(msgspec.Struct, frozen=True):
    cluster: Path
    pid: int
    socket_folder: Path | None
    """None: it has only begun."""

    @classmethod
    def recorded(cls, cluster: Path) -> Self | None:
        """What the pid file says, which a crash leaves behind."""
        try:
            lines = (cluster / "postmaster.pid").read_text(errors="surrogateescape").split("\n")
            pid = int(lines[0])
        except (FileNotFoundError, ValueError):  # absent, or still empty
            return None
        socket_folder = Path(lines[4]) if len(lines) > 5 and lines[4] else None  # noqa: PLR2004  (the fifth, complete)
        return cls(cluster, pid, socket_folder) if pid > 0 else None

    @classmethod
    def running(cls, cluster: Path) -> Self | None:
        found = cls.recorded(cluster)
        return found if found is not None and found.is_running() else None

    def is_running(self) -> bool:
        """By its command line: after a crash the number may be anybody's, and a signal to it would hit a stranger."""
        if sys.platform == "linux":
            with suppress(FileNotFoundError, ProcessLookupError):
                return b"\0-D\0%b\0" % os.fsencode(self.cluster) in Path(f"/proc/{self.pid}/cmdline").read_bytes()
            return False
        command = ["/bin/ps", "-ww", "-o", "command=", "-p", str(self.pid)]
        listed = subprocess.run(command, capture_output=True, check=False)  # noqa: S603  (a number is all that varies)
        return b" -D %b " % os.fsencode(self.cluster) in listed.stdout

    def end(self, is_gone: Callable[[], bool]) -> None:
        for number, seconds in ((signal.SIGINT, _FAST_SECONDS), (signal.SIGQUIT, _IMMEDIATE_SECONDS)):
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if is_gone():
                    return
                time.sleep(PAUSE_SECONDS)
        raise EmbeddedError(f"PostgreSQL in {self.cluster} (process {self.pid}) does not stop; end it by hand.")


def make_socket_folder(cluster: Path, account: Account) -> Path:
    """The cluster's own, or a private one with a short name; at a comma the clients would part the path in two."""
    path = str(cluster / SOCKET_NAME)
    if path.isprintable() and "," not in path and len(os.fsencode(path)) <= _SOCKET_PATH_BYTES:
        return cluster
    for base in (Path(tempfile.gettempdir()).resolve(), Path("/tmp")):  # noqa: S108  (mkdtemp's name is not to be guessed)
        folder_bytes = len(os.fsencode(base / "notify-12345678" / SOCKET_NAME))
        if folder_bytes <= _SOCKET_PATH_BYTES and account.reaches(base):
            folder = Path(tempfile.mkdtemp(prefix="notify-", dir=base))
            account.own(folder)
            return folder
    raise EmbeddedError(
        f"{path} is no path for a socket, and no folder for temporary files is: set NOTIFY_DATA_DIR to a shorter path."
    )


def remove_socket_folder(folder: Path | None, cluster: Path, account: Account) -> None:
    if folder is not None and folder != cluster and account.owns_alone(folder):
        shutil.rmtree(folder, ignore_errors=True)
