"""Nothing secret is ever logged: everything that the services under test log is searched for it.

What a test makes and must not be logged it says to `LOGS.know`; what services have logged comes to
`LOGS.read`, line by line. At the end of each worker's tests there must be none of the one in the other, and nothing
that looks like a secret of which nobody has told.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, Literal, TextIO, cast

import pytest

from notify import logs

__all__ = ("LOGS", "LeaksError", "LogSearch", "nothing_secret_is_logged", "shown_in_logs")

_SHORTEST = 12
_FEWEST_DIFFERENT = 3
_WORD = re.compile(rf"[A-Za-z0-9_\-]{{{_SHORTEST},}}")
_SHAPES = {
    "an API key": re.compile(r"\bnk_[A-Za-z0-9_\-]{12,}"),
    "a token": re.compile(r"\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]*\.[A-Za-z0-9_\-]*"),
    "a credential": re.compile(r"\b[Bb]earer +[^\s\"'<]*[A-Za-z0-9]{8}"),
    "a query string": re.compile(r"/[A-Za-z0-9._\-/]*\?[A-Za-z_]+=[^\s\"']*"),
    "a parameter of a query": re.compile(r"\b(?:token|ticket)=[^\s\"'&]+"),
    "a database's password": re.compile(r"\bpostgres(?:ql)?(?:\+\w+)?://[^\s/@:]*:[^\s/@*]+@"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY.*"),
}


class LeaksError(AssertionError):
    """Something secret was logged. The lines are shown without it."""


class LogSearch:
    def __init__(self) -> None:
        self._words: set[str] = set()
        self._texts: set[str] = set()
        self._seen: list[str] = []
        self._found: list[str] = []
        self.lines = 0

    def know(self, *secrets: str | None) -> None:
        """These may never be in a log, from whenever on they are told of."""
        for secret in filter(None, secrets):
            if len(set(secret)) < _FEWEST_DIFFERENT:
                continue  # What tests write out as if it were one.
            longest = max(_WORD.findall(secret), key=len, default="")
            # Of a token its signature, of a URL its password: what is left of them is no secret.
            if longest == secret or secret.startswith("eyJ"):
                self._words.add(secret.rpartition(".")[2])
            else:
                self._texts.add(secret)

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.lines += 1
            self._seen.append(line)
            for what, shape in _SHAPES.items():
                found = shape.search(line)
                if found:
                    self._found.append(_shown(what, line, found.group()))

    def check(self) -> None:
        found = [*self._found, *self._known()]
        if found:
            raise LeaksError(f"{len(found)} times something secret was logged, such as:\n" + "\n".join(found[:20]))

    def _known(self) -> Iterator[str]:
        for line in self._seen:
            for word in _WORD.findall(line):
                if word in self._words:
                    yield _shown("a known secret", line, word)
            for text in self._texts:
                if text in line:
                    yield _shown("a known secret", line, text)


def _shown(what: str, line: str, secret: str) -> str:
    return f"{what}: {line.replace(secret, '█' * 8)[:500]}"


class _Tee:
    """A stream for the logs of services within the tests' own process: read here, and passed on.

    Without a stream of its own, what is less than a warning is only read, and the rest goes where pytest wants it.
    """

    def __init__(self, search: LogSearch, stream: TextIO | None) -> None:
        self._search = search
        self._stream = stream

    def write(self, text: str) -> int:
        self._search.read(text.splitlines())
        if self._stream is not None:
            return self._stream.write(text)
        return len(text) if '"level":"info"' in text else sys.stderr.write(text)

    def flush(self) -> None:
        (self._stream or sys.stderr).flush()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()


LOGS = LogSearch()
_configure = logs.configure


def _configure_and_read(
    level: str, style: Literal["auto", "text", "json"], stream: TextIO | None = None, *, is_final: bool = False
) -> None:
    _configure(level if stream else "info", style, cast(TextIO, _Tee(LOGS, stream)), is_final=is_final)


@contextmanager
def shown_in_logs(search: LogSearch) -> Iterator[None]:
    """What is logged meanwhile comes to this search instead."""
    _configure("debug", "json", cast(TextIO, _Tee(search, StringIO())))
    yield
    logs.configure("warning", "json")


@pytest.fixture(scope="session", autouse=True)
def nothing_secret_is_logged() -> Iterator[None]:
    """Made first, and so looked at last: by then all services have stopped."""
    logs.configure = cast(Any, _configure_and_read)
    logs.configure("warning", "json")
    yield
    LOGS.check()
