"""Reading for many at once: what is asked for while reads are under way shares the next. There is no timer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from typing import Generic, TypeVar, cast

from notify.core.errors import DatabaseAwayError
from notify.store.deadlines import Deadlines

__all__ = ("Together",)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Together(Generic[K, V]):
    def __init__(
        self,
        read: Callable[[list[K]], Awaitable[Mapping[K, V]]],
        *,
        most: int,
        timeout_seconds: float,
        reads: int = 1,
    ) -> None:
        """`read` finds everything it is asked for, at most so much at a time; so many `reads` are under way at once."""
        self._read = read
        self._most = most
        self._reads = reads
        self._deadlines = Deadlines(timeout_seconds)
        self._asked: dict[K, asyncio.Future[V]] = {}
        self._reading: set[asyncio.Task[None]] = set()

    async def get(self, key: K) -> V:
        """As it is now or a little later. The read is nobody's own: whoever leaves meanwhile interrupts nothing."""
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.get_running_loop().create_future()
            asked.add_done_callback(_retrieve)
            self._deadlines.set_for(asked)
            if len(self._reading) < self._reads:
                self._reading.add(asyncio.create_task(self._read_all(), name="together"))
        # Others may wait for the same.
        return await asyncio.shield(asked)

    async def _read_all(self) -> None:
        while asked := self._take():
            await self._read_some(asked)
        # Here, and not when the task is found to be over: whoever asks in between would wait for nobody.
        self._reading.remove(cast("asyncio.Task[None]", asyncio.current_task()))

    def _take(self) -> dict[K, "asyncio.Future[V]"]:
        """Whoever asks for the same from now on may want what is not there yet when this is read."""
        taken: dict[K, asyncio.Future[V]] = {}
        while self._asked and len(taken) < self._most:
            key = next(iter(self._asked))
            future = self._asked.pop(key)
            if not future.done():
                taken[key] = future
        return taken

    async def _read_some(self, asked: dict[K, "asyncio.Future[V]"]) -> None:
        try:
            found = await self._read(list(asked))
        except Exception as error:  # noqa: BLE001 - passed on to whom it belongs
            if len(asked) == 1 or isinstance(error, DatabaseAwayError):
                for future in asked.values():
                    if not future.done():
                        future.set_exception(error)
                return
            # What cannot be read fails alone.
            for key, future in asked.items():
                await self._read_some({key: future})
            return
        for key, future in asked.items():
            if not future.done():
                future.set_result(found[key])


def _retrieve(future: "asyncio.Future[V]") -> None:
    """Perhaps nobody waits for it any more."""
    future.exception()
