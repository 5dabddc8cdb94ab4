"""Ways to wait that asyncio lacks: not at all, where nothing has to be waited for, and for as long as it takes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import partial
from typing import Any, Generic, TypeVar, cast

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError

__all__ = ("apart", "begun", "in_time", "patiently")

T = TypeVar("T")

_PAUSE_WHEN_AWAY_SECONDS = 0.5


def begun(coroutine: Coroutine[Any, Any, None]) -> Awaitable[None] | None:
    """Runs it here and now, up to the first thing it waits for; the rest, unless there is none."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration:
        return None
    return _Rest(coroutine, waits_for)


async def in_time(coroutine: Coroutine[Any, Any, T], deadline: Callable[[], float]) -> T:
    """What it returns; TimeoutError if it takes longer. There is no timer, and no deadline, unless it has to wait."""
    try:
        waits_for = coroutine.send(None)
    except StopIteration as end:
        return cast(T, end.value)
    async with asyncio.timeout_at(deadline()):
        return await _Rest(coroutine, waits_for)


class _Rest(Generic[T]):
    """The rest of a coroutine that was driven by hand up to the first thing it waits for."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        while True:
            try:
                value = yield waits_for
            except BaseException as error:  # noqa: BLE001 - passed on to whom it belongs
                resume = partial(self._coroutine.throw, error)
            else:
                resume = partial(self._coroutine.send, value)
            try:
                waits_for = resume()
            except StopIteration as end:
                return cast(T, end.value)


async def patiently(clock: Clock, read: Callable[[], Awaitable[T]]) -> T:
    """For as long as it takes: whoever has come to follow an inbox stays while the database is away."""
    while True:
        try:
            return await read()
        except DatabaseAwayError:
            await clock.sleep(_PAUSE_WHEN_AWAY_SECONDS)


async def apart(reading: Coroutine[Any, Any, T]) -> T:
    """In a task of its own. Whoever leaves meanwhile must not take a connection of the pool along, as a cancelled query
    does.
    """
    task = asyncio.ensure_future(reading)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_unheard)
        raise


def _unheard(reading: "asyncio.Future[Any]") -> None:
    """Nobody waits for it any more; asyncio would report that nobody heard how it failed."""
    if not reading.cancelled():
        reading.exception()
