"""What goes on, for who waits: one line that changes on a terminal, with a bar where it is known how much there is, and
a line every few seconds elsewhere.
"""

import time
from collections.abc import Callable
from typing import TextIO

__all__ = ("Progress",)

_LINE_SECONDS = 3.0
_REDRAW_SECONDS = 0.1
_WIDTH = 79
_BAR = 20


class Progress:
    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._is_terminal = stream.isatty()
        self._label = ""
        self._total: int | None = None
        self._shown_at = float("-inf")

    def begin(self, label: str, total: int | None) -> None:
        self._label, self._total = label, total
        if self._is_terminal:
            self._shown_at = float("-inf")
        self.at(0)

    def at(self, done: int) -> None:
        now = self._clock()
        if now - self._shown_at < (_REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS):
            return
        self._shown_at = now
        counted = "" if not done else f" {done:,}" if self._total is None else f" {done:,} of {self._total:,}"
        line = f"{self._label}{self._bar(done)}{counted}"[:_WIDTH]
        self._stream.write(f"\r\x1b[2K{line}" if self._is_terminal else f"{line}\n")
        self._stream.flush()

    def _bar(self, done: int) -> str:
        if not (self._is_terminal and self._total and done):
            return ""
        filled = min(_BAR, _BAR * done // self._total)
        return f" [{'#' * filled}{'.' * (_BAR - filled)}]"

    def end(self) -> None:
        """Leaves the terminal's line empty for what comes next."""
        if self._is_terminal:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
