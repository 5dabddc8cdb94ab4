"""The real service as processes of its own."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import httpx

from support.command import environment_with, secrets_in
from support.leaks import LOGS
from support.nursery import Forked, born

ADMIN_KEY = "an admin key for tests only"
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
ROOM_FOR_ONE = {"NOTIFY_RECIPIENT_CREATES_PER_SECOND": "0", "NOTIFY_MAX_CONNECTIONS_PER_USER": "0"}
"""A test may do to a single user what otherwise a thousand share."""

_START_SECONDS = 30
_STOP_SECONDS = 30


class NotifyProcess:
    """`notify serve` on a free port. What it printed is in `output` and `log`.

    It runs in a folder without a `.env`, unless told otherwise.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *arguments: str,
        folder: Path = Path(__file__).parent,
        is_covered: bool = False,
        inherits: bool = False,
    ) -> None:
        """Covered it is half as fast: only where nothing else goes the same ways. It `inherits` what this process may,
        where that matters.
        """
        given = environment_with(
            {"PORT": "0", "NOTIFY_ADMIN_KEY": ADMIN_KEY, "PYTHONUNBUFFERED": "1"} | ROOM_FOR_ONE | dict(environment)
        )
        LOGS.know(*secrets_in(given))
        if not is_covered:
            given.pop("COVERAGE_PROCESS_CONFIG", None)
        command = ["serve", *arguments]
        # What starts processes of its own has to be one that is started as they are; and the C library asks the
        # environment only once.
        is_fresh = bool(arguments) or is_covered or inherits or any(name.startswith("MALLOC_") for name in given)
        start = _started if is_fresh else born
        self.process: Forked | subprocess.Popen[bytes]
        self.process, out, err = start(command, given, folder)
        self.output: list[str] = []
        self.log: list[str] = []
        self._searched = 0
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read, args=(out, self.output, True), daemon=True),
            threading.Thread(target=self._read, args=(err, self.log, False), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self.url = self._address()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def client(self, headers: Mapping[str, str] = ADMIN) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=headers, timeout=15)

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the service did not stop; its log: {self.log[-20:]}") from None
        for reader in self._readers:
            reader.join(5)
        LOGS.read(self.log[self._searched :])
        self._searched = len(self.log)
        return status

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def _address(self) -> str:
        while True:
            try:
                line = self._lines.get(timeout=_START_SECONDS)
            except queue.Empty:
                line = None
            if line is None:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"the service did not start: {self.output} {self.log}")
            found = re.match(r"notify \S+ on (http://[^\s,]+)(,|$)", line)
            if found:
                return found.group(1)

    def _read(self, fd: int, lines: list[str], is_output: bool) -> None:  # noqa: FBT001
        with os.fdopen(fd) as stream:
            for line in stream:
                lines.append(line.rstrip("\n"))
                if is_output:
                    self._lines.put(line.rstrip("\n"))
        if is_output:
            self._lines.put(None)


def _started(
    command: list[str], environment: Mapping[str, str], folder: Path
) -> tuple["subprocess.Popen[bytes]", int, int]:
    (out, out_writes), (err, err_writes) = os.pipe(), os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "notify", *command],
            cwd=folder,
            env=environment,
            stdout=out_writes,
            stderr=err_writes,
            start_new_session=True,
        )
    finally:
        os.close(out_writes)
        os.close(err_writes)
    return process, out, err
