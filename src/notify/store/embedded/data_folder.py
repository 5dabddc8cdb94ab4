"""The data folder on disk: made for us alone, its files private, used by one service at a time."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ("EmbeddedError", "FolderLock", "make_folder", "open_private", "sync_folder", "told_in_one_line")


class EmbeddedError(Exception):
    """What keeps the embedded PostgreSQL from running; the message is one line, and says what to do."""


class FolderLock:
    """The guard against a second service in the same data folder. It dies with its process, however that ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._file: int | None = None

    def acquire(self) -> None:
        with told_in_one_line(self._folder):
            make_folder(self._folder)
            file = open_private(self._folder / "service.lock", os.O_RDWR | os.O_CREAT)
            try:
                self._hold(file)
            except BaseException:
                os.close(file)
                raise
            self._file = file

    def _hold(self, file: int) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(file, 20, 0).decode(errors="replace").strip()
            raise EmbeddedError(
                f"The data folder {self._folder} is in use by {f'process {pid}' if pid else 'another process'};"
                " stop it or set NOTIFY_DATA_DIR to another folder."
            ) from None
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        # The file stays: removing it would let a third service lock a new one beside a second that waits for the old.
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def make_folder(folder: Path) -> None:
    """Makes what is missing of the path, and touches nothing that is there.

    Started as root, the unprivileged account of PostgreSQL has to pass through to its own 0700 folder inside.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    for each in (*reversed(folder.parents), folder):
        if not each.exists():
            with suppress(FileExistsError):
                each.mkdir(mode)
                each.chmod(mode)  # mkdir's own mode is cut by the umask
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def open_private(path: Path, flags: int) -> int:
    """Never through a symbolic link: in a folder that others may write to, it could point anywhere."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder survive a power cut, as fsync does for the content of a file."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def told_in_one_line(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise EmbeddedError(
            f"The data folder {folder} cannot be used: {error.strerror or error}{where}; "
            "mend that or set NOTIFY_DATA_DIR to another folder."
        ) from error
