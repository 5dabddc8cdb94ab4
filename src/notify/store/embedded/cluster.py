"""The files of the embedded PostgreSQL: its data and the password of its one role, `notify`."""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

from notify.store.embedded.accounts import Account
from notify.store.embedded.data_folder import EmbeddedError, open_private, sync_folder
from notify.store.embedded.programs import Programs, complaints

__all__ = ("Cluster",)

_FIRST_WITH_BUILTIN_LOCALES = 17


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.path = (folder / "postgresql").resolve()  # it may be a link to a larger disk
        self.password_file = self.path / "notify.password"
        self._folder = folder

    def exists(self) -> bool:
        return self.path.exists()

    def password(self) -> str:
        file = open_private(self.password_file, os.O_RDONLY)
        try:
            return os.read(file, 1024).decode().strip()
        finally:
            os.close(file)

    def refuse_another_major(self, programs: Programs) -> None:
        made_by = (self.path / "PG_VERSION").read_text().strip()
        if made_by != str(programs.major):
            raise EmbeddedError(
                f"{self.path} was made by PostgreSQL {made_by}, and this is {programs.version}: dump it with "
                "the version that made it, or set NOTIFY_DATA_DIR to another folder."
            )

    def create(self, programs: Programs, account: Account) -> None:
        """Beside its place, then renamed: a cluster that is there is a whole one, and has its password."""
        with tempfile.TemporaryDirectory(prefix="postgresql.new-", dir=self._folder, ignore_cleanup_errors=True) as new:
            cluster, password_file = Path(new, "cluster"), Path(new, "password")
            _write_private(password_file, secrets.token_urlsafe(32))
            account.own(password_file)
            account.own(Path(new))
            _initdb(cluster, password_file, programs, account)
            password_file.rename(cluster / self.password_file.name)
            sync_folder(cluster)
            cluster.rename(self.path)
        sync_folder(self._folder)

    def sweep(self) -> None:
        """What a start cut short has left."""
        for left_over in self._folder.glob("postgresql.new-*"):
            shutil.rmtree(left_over, ignore_errors=True)


def _initdb(cluster: Path, password_file: Path, programs: Programs, account: Account) -> None:
    locale = ["--locale=C"]
    if programs.major >= _FIRST_WITH_BUILTIN_LOCALES:  # the same order and letters on every system
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    contents = ["--encoding=UTF8", *locale, "--data-checksums", "--no-instructions"]
    access = ["--username=notify", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    single_user = ["--single", "-D", str(cluster), "-c", "exit_on_error=true", "postgres"]
    for program, arguments, given in (
        ("initdb", ["-D", str(cluster), *contents, *access], ""),
        ("postgres", single_user, "CREATE DATABASE notify\n"),
    ):
        code, output = account.run([programs.folder / program, *arguments], given)
        if code != 0:
            raise EmbeddedError(f"PostgreSQL cannot make {cluster}: {complaints(output)}")


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
