"""Waiting for what is expected, with a deadline."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast, overload

T = TypeVar("T")

_PAUSE_SECONDS = 0.02
_FIRST_PAUSE_SECONDS = 0.001
_UNNAMED = "what was expected"


def until(condition: Callable[[], T], seconds: float = 10, *, what: str = _UNNAMED) -> T:
    """The first truthy value of the condition."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s; last seen: {found!r}"
        time.sleep(_PAUSE_SECONDS)
    return found


@overload
async def eventually(look: Callable[[], Awaitable[T | None]], seconds: float = 10, *, what: str = _UNNAMED) -> T: ...
@overload
async def eventually(look: Callable[[], T | None], seconds: float = 10, *, what: str = _UNNAMED) -> T: ...
async def eventually(
    look: Callable[[], T | Awaitable[T | None] | None], seconds: float = 10, *, what: str = _UNNAMED
) -> T:
    """The same while the loop of the test runs on; to look may take its time."""
    deadline = time.monotonic() + seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return cast(T, found)
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s; last seen: {found!r}"
        await asyncio.sleep(pause)
        pause = min(2 * pause, _PAUSE_SECONDS)
