"""The account PostgreSQL runs under: ours or, since it refuses to run as root, one that is already there."""

import errno
import os
import pwd
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import msgspec

from notify.store.embedded.data_folder import EmbeddedError

__all__ = ("Account", "choose_account")

_PREFERRED = ("postgres", "nobody")
_PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Account(msgspec.Struct, frozen=True):
    """Programs run here get nothing of ours but the search paths: no PG* variables, no secrets, no terminal."""

    name: str = "the service"
    uid: int | None = None
    """None: our own account, and nothing is switched."""

    gid: int | None = None
    groups: tuple[int, ...] | None = None

    @classmethod
    def of(cls, uid: int, gid: int) -> Self:
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:  # a container's volume may belong to a number that has no name
            return cls(str(uid), uid, gid, ())
        return cls(entry.pw_name, uid, entry.pw_gid, tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)))

    def start(
        self,
        command: Sequence[str | Path],
        *,
        output: int,
        given: int = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """In a session of its own: a Ctrl-C at our terminal, or its hang-up, does not reach it."""
        ours = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        return subprocess.Popen(  # noqa: S603  (no shell, and every argument is ours)
            command,
            cwd="/",
            env={**ours, "LC_ALL": "C", **(environment or {})},
            stdin=given,
            stdout=output,
            stderr=subprocess.STDOUT,
            umask=0o077,
            start_new_session=True,
            user=self.uid,
            group=self.gid,
            extra_groups=self.groups,
        )

    def run(self, command: Sequence[str | Path], given: str = "") -> tuple[int, str]:
        """Exit code and output."""
        with self.start(command, output=subprocess.PIPE, given=subprocess.PIPE) as process:
            try:
                output, _ = process.communicate(given.encode())
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # initdb has children
                raise
        return process.returncode, output.decode(errors="replace")

    def reaches(self, folder: Path) -> bool:
        """Asked of the kernel as that account: access lists, mounts and security modules count as much as modes."""
        code, _ = self.run(["/bin/sh", "-c", 'cd "$1"', "sh", folder])
        return code == 0

    def own(self, path: Path) -> None:
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def owns_alone(self, folder: Path) -> bool:
        """A folder in a shared place is only believed when nobody else can have put it, or anything in it, there."""
        found = folder.lstat() if os.path.lexists(folder) else None
        uid = os.geteuid() if self.uid is None else self.uid
        return found is not None and found.st_uid == uid and stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077


def choose_account(folder: Path, cluster: Path) -> Account:
    """The first that reaches the folder: of an existing cluster its owner, otherwise one of those most systems have."""
    if os.geteuid() != 0:
        return Account()
    accounts = _owner(cluster) if cluster.exists() else _present()
    nearest = _existing_part(folder)
    try:
        for account in accounts:
            if account.reaches(nearest):
                return account
    except OSError as error:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and this root may not switch to account {accounts[0].name} "
            f"({error.strerror}): run notify as an ordinary user, or set DATABASE_URL."
        ) from error
    raise EmbeddedError(
        f"Account {accounts[0].name} cannot reach {folder} (running as root, PostgreSQL needs an unprivileged account):"
        f" set NOTIFY_DATA_DIR to a folder it can reach{_example(accounts)}."
    )


def _owner(cluster: Path) -> list[Account]:
    found = cluster.stat()
    if found.st_uid == 0:
        raise EmbeddedError(
            f"{cluster} belongs to root, and PostgreSQL does not run as root: give it back to its account, "
            f"for example chown -R {_present()[0].name} {cluster}."
        )
    return [Account.of(found.st_uid, found.st_gid)]


def _present() -> list[Account]:
    accounts: list[Account] = []
    for name in _PREFERRED:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            accounts.append(Account.of(entry.pw_uid, entry.pw_gid))
    if not accounts:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and there is no account {' or '.join(_PREFERRED)} to run it under: "
            "run notify as an ordinary user, or set DATABASE_URL."
        )
    return accounts


def _example(accounts: Sequence[Account]) -> str:
    for folder in (Path("/var/lib/notify"), Path("/srv/notify"), Path(tempfile.gettempdir(), "notify")):
        nearest = _existing_part(folder)
        if os.access(nearest, os.W_OK) and any(account.reaches(nearest) for account in accounts):
            return f", for example {folder}"
    return ""


def _existing_part(folder: Path) -> Path:
    nearest = next(each for each in (folder, *folder.parents) if each.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
    return nearest
