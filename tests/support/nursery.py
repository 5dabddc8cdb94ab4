"""Services and commands that start at once: a process that has imported everything, and done nothing else, forks them.

To import the service takes most of the time until it answers, and hundreds of tests start some. What runs then is
`notify` in a process of its own, as anyone would start it.
"""

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import NoReturn

__all__ = ("Forked", "born", "ran")

_ONE_MESSAGE = 1024 * 1024
_COMMAND_SECONDS = 60


class Forked:
    """As much of `subprocess.Popen` as tests ask of a service."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._fd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return self._status_within(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._status_within(timeout)
        if status is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired("notify serve", timeout)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _status_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._fd], [], [], seconds)[0]:
            os.close(self._fd)
            self.returncode = _nursery().status_of(self.pid)
        return self.returncode


def born(arguments: list[str], environment: Mapping[str, str], folder: Path) -> tuple[Forked, int, int]:
    """`notify` with these arguments; also where its standard output and error can be read."""
    reads, writes = zip(os.pipe(), os.pipe(), strict=True)
    try:
        asked = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        pid = _nursery().ask(asked, writes)
    finally:
        for fd in writes:
            os.close(fd)
    return Forked(pid), *reads


def ran(arguments: list[str], environment: Mapping[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself, and what it printed."""
    child, *fds = born(arguments, environment, folder)
    with ThreadPoolExecutor(2) as readers:
        texts = [readers.submit(_read, fd) for fd in fds]
        try:
            status = child.wait(_COMMAND_SECONDS)
        finally:
            child.kill()
    return subprocess.CompletedProcess(arguments, status, *(text.result() for text in texts))


def _read(fd: int) -> str:
    with os.fdopen(fd) as stream:
        return stream.read()


class _Nursery:
    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "support.nursery", str(theirs.fileno())],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        atexit.register(self._close)

    def ask(self, asked: object, fds: tuple[int, ...] = ()) -> int:
        socket.send_fds(self._socket, [json.dumps(asked).encode()], fds)
        answer: int = json.loads(self._socket.recv(_ONE_MESSAGE))
        return answer

    def status_of(self, pid: int) -> int:
        return self.ask({"ended": pid})

    def _close(self) -> None:
        """It ends when nobody is at the other end any more."""
        self._socket.close()
        self._process.wait()


@cache
def _nursery() -> _Nursery:
    return _Nursery()


def _serve(connection: socket.socket) -> None:
    while True:
        message, fds, _, _ = socket.recv_fds(connection, _ONE_MESSAGE, 2)
        if not message:
            return
        asked = json.loads(message)
        if "ended" in asked:
            _, status = os.waitpid(asked["ended"], 0)
            answer = os.waitstatus_to_exitcode(status)
        else:
            answer = os.fork()
            if answer == 0:
                connection.close()
                _become(asked["arguments"], asked["environment"], asked["folder"], fds)
        for fd in fds:
            os.close(fd)
        connection.send(json.dumps(answer).encode())


def _become(arguments: list[str], environment: Mapping[str, str], folder: str, fds: list[int]) -> NoReturn:
    from notify.cli.main import main  # noqa: PLC0415 - imported long ago, by the nursery
    from notify.core import ids  # noqa: PLC0415

    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for fd, stands_for in zip(fds, (1, 2), strict=True):
        os.dup2(fd, stands_for)
        os.close(fd)
    ids._PROCESS = os.urandom(8).hex()
    sys.argv = ["notify", *arguments]
    status = 1
    try:
        main(arguments, prog_name="notify")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    import_module("notify.cli.main")
    _serve(socket.socket(fileno=int(sys.argv[1])))
