"""Calls when something is due, to a tenth of a millisecond: a timer of the event loop only knows whole ones."""

import asyncio
import threading
import time
from collections.abc import Callable

__all__ = ("Pacer",)


class Pacer:
    """Calls `due` in the loop with the time, in nanoseconds of the monotonic clock, at which each was due. One that
    comes late does not move the others: an open loop.
    """

    def __init__(self, begins_at: int, spacing: int, count: int, due: Callable[[list[int]], None]) -> None:
        self._times = range(begins_at, begins_at + count * spacing, spacing)
        self._due = due
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="pacer", daemon=True)

    async def run(self) -> None:
        self._thread.start()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        place = 0
        while place < len(self._times):
            pause = self._times[place] - time.monotonic_ns()
            if pause > 0:
                time.sleep(pause / 1e9)
            now = time.monotonic_ns()
            first = place
            while place < len(self._times) and self._times[place] <= now:
                place += 1
            if place > first:
                self._loop.call_soon_threadsafe(self._due, list(self._times[first:place]))
