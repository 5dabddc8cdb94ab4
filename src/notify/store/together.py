"""Reading for many at once: what is asked for while one read is under way shares the next. There is no timer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from itertools import islice
from typing import Generic, TypeVar

from notify.core.errors import NotFoundError

__all__ = ("Together",)

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Together(Generic[K, V]):
    def __init__(self, read: Callable[[list[K]], Awaitable[Mapping[K, V]]], most: int) -> None:
        self._read = read
        self._most = most
        self._asked: dict[K, asyncio.Future[V]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """As it is now or a little later. The read is nobody's own: whoever leaves meanwhile interrupts nothing."""
        asked = self._asked.get(key)
        if asked is None:
            asked = self._asked[key] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_all(), name="together")
        # Others may wait for the same.
        return await asyncio.shield(asked)

    async def _read_all(self) -> None:
        try:
            while self._asked:
                # Whoever asks from now on may want what is not there yet when this is read.
                asked = {key: self._asked.pop(key) for key in list(islice(self._asked, self._most))}
                try:
                    found = await self._read(list(asked))
                except Exception as error:  # noqa: BLE001 - passed on to whom it belongs
                    for future in asked.values():
                        future.set_exception(error)
                        future.exception()  # Perhaps nobody waits any more.
                    continue
                for key, future in asked.items():
                    if key in found:
                        future.set_result(found[key])
                    else:
                        future.set_exception(NotFoundError())
                        future.exception()
        finally:
            self._reading = None
