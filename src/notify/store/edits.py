"""Edits of one thing that come faster than anybody could watch: each waits for its turn, and goes out as one with those
that came meanwhile. The first is not held up, and the last always lands.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from typing import Generic, TypeVar

from msgspec import Struct

from notify.core.clock import Clock
from notify.store.commands import Columns

__all__ = ("Amendment", "Edits")

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Amendment(Struct, frozen=True):
    columns: Columns
    resurfaces: bool = False

    def then(self, later: "Amendment") -> "Amendment":
        """Both in one."""
        return Amendment(self.columns | later.columns, self.resurfaces or later.resurfaces)


class _Turn(Generic[V]):
    """What waits until its thing may be edited again, and for whom."""

    def __init__(self, edit: Amendment) -> None:
        self.edit = edit
        self.written: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        self.written.add_done_callback(_retrieve)


class Edits(Generic[K, V]):
    def __init__(self, write: Callable[[K, Amendment], Awaitable[V]], clock: Clock, *, per_second: float) -> None:
        self._write = write
        self._clock = clock
        self._pause_seconds = 1 / per_second
        self._turns: dict[K, _Turn[V] | None] = {}
        """Of what was edited less than a pause ago."""
        self._writing: set[asyncio.Task[None]] = set()

    async def make(self, key: K, edit: Amendment) -> V:
        """What came of it, once that is committed."""
        if key not in self._turns:
            self._pause(key)
            return await self._write(key, edit)
        turn = self._turns[key]
        if turn is None:
            turn = self._turns[key] = _Turn(edit)
        else:
            turn.edit = turn.edit.then(edit)
        # Others may wait for the same.
        return await asyncio.shield(turn.written)

    def _pause(self, key: K) -> None:
        self._turns[key] = None
        self._clock.call_later(self._pause_seconds, partial(self._go_on, key))

    def _go_on(self, key: K) -> None:
        turn = self._turns.pop(key)
        if turn is not None:
            self._pause(key)
            task = asyncio.create_task(self._write_turn(key, turn), name="edit")
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _write_turn(self, key: K, turn: _Turn[V]) -> None:
        try:
            turn.written.set_result(await self._write(key, turn.edit))
        except Exception as error:  # noqa: BLE001 - passed on to whom it belongs
            turn.written.set_exception(error)


def _retrieve(future: "asyncio.Future[V]") -> None:
    """Perhaps nobody waits for it any more."""
    if not future.cancelled():
        future.exception()
