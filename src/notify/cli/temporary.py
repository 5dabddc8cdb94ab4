"""A service for as long as a command needs one, with data that nobody misses."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from notify.cli.surroundings import Problem
from notify.settings import environment_names

__all__ = ("temporary_service",)

_STOP_SECONDS = 30.0


@contextmanager
def temporary_service(key: str) -> Iterator[str]:
    """Its address, once it serves. Started with the default settings, whatever ours are."""
    # Not closed to others: as root, PostgreSQL runs as an account of its own.
    with tempfile.TemporaryDirectory(prefix="notify-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        with (folder / "log").open("w+") as log:
            service = subprocess.Popen(
                [sys.executable, "-m", "notify", "serve"],
                cwd=folder,
                env=_environment(folder / "data", key),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,  # Ctrl-C is ours, and ends it in its turn
            )
            with service:
                try:
                    yield _address(service, folder / "log")
                finally:
                    _stop(service)


def _environment(data_dir: Path, key: str) -> dict[str, str]:
    ours = environment_names()
    return {
        **{name: value for name, value in os.environ.items() if name not in ours},
        "NOTIFY_HOST": "127.0.0.1",
        "NOTIFY_PORT": "0",
        "NOTIFY_DATA_DIR": str(data_dir),
        "NOTIFY_ADMIN_KEY": key,
        "NOTIFY_LOG_LEVEL": "warning",
        "NOTIFY_DRAIN_SECONDS": "0",
        # All limits count, but none is reached: what they cost is measured, and not where they are.
        "NOTIFY_RECIPIENT_CREATES_PER_SECOND": "1000000",
        "NOTIFY_CONNECTS_PER_SECOND": "1000000",
        "NOTIFY_MAX_CONNECTIONS_PER_USER": "1000000",
        "NOTIFY_MAX_CONNECTIONS": "1000000",
        "PYTHONUNBUFFERED": "1",
    }


def _address(service: subprocess.Popen[str], log: Path) -> str:
    assert service.stdout is not None  # noqa: S101 - it is a pipe
    line = service.stdout.readline()
    _, found, address = line.strip().rpartition(" on ")
    if found:
        return address
    last = log.read_text().strip().splitlines()[-1:] or ["it said nothing"]
    raise Problem(f"A service for the bench could not be started: {last[0].removeprefix('notify: ')}")


def _stop(service: subprocess.Popen[str]) -> None:
    service.send_signal(signal.SIGTERM)
    try:
        service.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        service.kill()
