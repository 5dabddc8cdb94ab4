"""The two Python clients behind one face, so that a test says what holds of both."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from notify.client import AsyncClient, AsyncStream, Client, Event, Stream

__all__ = ("DRIVERS", "Driver", "Following", "done", "driving")

DRIVERS = ("blocking", "awaiting")


class Driver:
    def __init__(self, client: Client | AsyncClient) -> None:
        self.client = client

    async def do(self, call: str, *arguments: Any, **named: Any) -> Any:
        method = getattr(self.client, call)
        if isinstance(self.client, AsyncClient):
            return await method(*arguments, **named)
        return await asyncio.to_thread(method, *arguments, **named)

    @asynccontextmanager
    async def following(self, *arguments: Any, **named: Any) -> AsyncIterator["Following"]:
        """A stream; with the blocking client one that a thread of its own iterates over."""
        following = Following(self.client.stream(*arguments, **named))
        try:
            yield following
        finally:
            await following.close()


class Following:
    def __init__(self, stream: Stream | AsyncStream) -> None:
        self.stream = stream
        self.events: list[Event] = []
        self._more = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if isinstance(stream, Stream):
            self._work: asyncio.Future[None] = asyncio.ensure_future(asyncio.to_thread(self._iterate, stream))
        else:
            self._work = asyncio.ensure_future(self._await(stream))

    async def until(self, is_enough: Callable[[list[Event]], bool], seconds: float = 20) -> list[Event]:
        try:
            async with asyncio.timeout(seconds):
                while not is_enough(self.events):
                    if self._work.done():
                        self._work.result()
                        raise AssertionError(f"the stream ended after {self.events[-3:]}")
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"{len(self.events)} events came, the last: {self.events[-3:]}") from None
        return self.events

    async def ended(self) -> None:
        await asyncio.wait_for(self._work, 20)

    async def close(self) -> None:
        if isinstance(self.stream, Stream):
            self.stream.close()
            await asyncio.wait([self._work], timeout=20)
        else:
            self._work.cancel()
            await asyncio.wait([self._work], timeout=20)
            await self.stream.close()
        assert self._work.done(), "the stream did not end"

    def _iterate(self, stream: Stream) -> None:
        try:
            for event in stream:
                self._loop.call_soon_threadsafe(self._take, event)
        finally:
            self._loop.call_soon_threadsafe(self._more.set)

    async def _await(self, stream: AsyncStream) -> None:
        try:
            async for event in stream:
                self._take(event)
        finally:
            self._more.set()

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._more.set()


async def done(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What comes of it, whether it is to be awaited or has to be waited for."""
    if inspect.iscoroutinefunction(function):
        return await function(*arguments, **named)
    return await asyncio.to_thread(function, *arguments, **named)


@asynccontextmanager
async def driving(kind: str, url: str, key: str | None, **options: Any) -> AsyncIterator[Driver]:
    client: Client | AsyncClient = (Client if kind == "blocking" else AsyncClient)(url, key, **options)
    driver = Driver(client)
    try:
        yield driver
    finally:
        await done(client.close)
