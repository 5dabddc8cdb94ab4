"""Giving up on what takes too long, with one timer for all that may take equally long."""

import asyncio
from collections import deque
from typing import Any

from notify.core.errors import DatabaseAwayError

__all__ = ("Deadlines",)


class Deadlines:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def set_for(self, future: "asyncio.Future[Any]") -> None:
        """Unless it is done in time, it ends with DatabaseAwayError."""
        self._forget_done()
        loop = asyncio.get_running_loop()
        self._waiting.append((loop.time() + self._seconds, future))
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._waiting and self._waiting[0][0] <= now:
            _, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(DatabaseAwayError())
        self._forget_done()
        self._timer = None
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_at(self._waiting[0][0], self._look)

    def _forget_done(self) -> None:
        # They end about as they began, so that the first are always the first to be done.
        while self._waiting and self._waiting[0][1].done():
            self._waiting.popleft()
