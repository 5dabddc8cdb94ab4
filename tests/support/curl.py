"""`curl -N`, as anybody would follow a stream from a terminal."""

import re
import subprocess
import threading
from collections.abc import Sequence
from typing import Self

from support.waiting import until

__all__ = ("Curl",)


class Curl:
    """A stream that curl follows. What it printed so far is in `lines`."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.process = subprocess.Popen(
            ["curl", "-sSN", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        if self.process.stdout is not None:
            self.process.stdout.close()

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def all(self, pattern: str) -> list[str]:
        """What the pattern's group found in each line that begins so."""
        found = [re.match(pattern, line) for line in list(self.lines)]
        return [match.group(match.re.groups) for match in found if match is not None]

    def wait_for(self, pattern: str, count: int = 1, seconds: float = 10) -> str:
        """The last of so many lines that match."""

        def look() -> list[str]:
            found = self.all(pattern)
            return found if len(found) >= count else []

        try:
            return until(look, seconds)[-1]
        except AssertionError as error:
            raise AssertionError(f"{pattern!r} did not come {count} times in {seconds} s: {self.lines}") from error

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
