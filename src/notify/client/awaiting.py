"""The client for asyncio: calls to await, a queue with a task of its own, and streams to iterate over."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from typing import Literal, Self, TypeVar

import httpx

from notify.client.backlog import Backlog, Bounds, Drop, OnDrop, Reason, tell
from notify.client.events import Event
from notify.client.following import Emit, Following, Open, Read, Renew, Reply, Rest, Start
from notify.client.message import Message
from notify.client.methods import Awaited, Methods
from notify.client.retrying import Attempt, Call, Outcome, Pause, Request, Retries, attempts
from notify.client.wire import AsyncWire, Target, checked, opened
from notify.core.clock import Clock, SystemClock

__all__ = ("AsyncClient", "AsyncQueue", "AsyncStream")

T = TypeVar("T")


class AsyncClient(Methods, Awaited):
    """Calls a service. Any number of tasks may share one."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        retries: Retries | None = None,
        timeout_seconds: float = 10.0,
        http: httpx.AsyncClient | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Without a key it opens streams with users' tokens, and nothing else. An `http` of your own, for certificates
        or a proxy, is not closed with the client.
        """
        self._wire = AsyncWire(Target(url, key, timeout_seconds), http)
        self._retries = retries or Retries()
        self._clock = clock or SystemClock()
        self._queues: list[AsyncQueue] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes its queues first, as `AsyncQueue.close` does."""
        for queue in self._queues:
            await queue.close()
        await self._wire.close()

    async def perform(self, call: Call[T]) -> T:
        """A call of `notify.client.calls`, through all the attempts that it takes."""
        steps = attempts(call, self._retries, self._clock)
        outcome: Outcome | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as done:
                answer: T = done.value
                return answer
            if isinstance(step, Attempt):
                outcome = await self._wire.attempt(step.request)
            else:
                await self._clock.sleep(step.seconds)
                outcome = None

    def queue(self, bounds: Bounds | None = None, *, on_drop: OnDrop | None = None) -> "AsyncQueue":
        """For what has to be sent whatever the service is doing at the moment, and whose sender cannot wait."""
        queue = AsyncQueue(self._wire, Backlog(bounds or Bounds(), self._clock), on_drop, self._clock)
        self._queues.append(queue)
        return queue

    def stream(
        self,
        user_id: str | None = None,
        *,
        get_token: Callable[[], Awaitable[str]] | None = None,
        types: Sequence[str] = (),
        first: Literal["unread", "now"] = "unread",
        after: str | None = None,
        on_pause: Callable[[float, str], object] | None = None,
    ) -> "AsyncStream":
        """Follows an inbox until it is closed: with the client's key that of `user_id`, or with tokens that `get_token`
        gets, fresh ones each time, that of their user. It begins after a position, or else with what is `unread` or
        with what comes from `now` on. `on_pause` is told for how long and why it is not connected.
        """
        start = Start(user_id, tuple(types), first, after)
        following = Following(start, self._clock, renews=get_token is not None)
        return AsyncStream(self._wire, following, get_token, on_pause, self._clock)


class AsyncQueue:
    """Takes messages at once and sends them, in order, as soon as the service takes them. In memory: what a process has
    not sent when it is killed is gone.
    """

    def __init__(self, wire: AsyncWire, backlog: Backlog, on_drop: OnDrop | None, clock: Clock) -> None:
        self._wire = wire
        self._backlog = backlog
        self._on_drop = on_drop
        self._clock = clock
        self._added = asyncio.Event()
        self._hurried = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._backlog)

    @property
    def sent(self) -> int:
        """How many have been sent."""
        return self._backlog.sent

    @property
    def dropped(self) -> dict[Reason, int]:
        """How many were not and will not be, and why."""
        return dict(self._backlog.dropped)

    def send(self, message: Message) -> bool:
        """Whether it is taken. What is not is dropped, and told of like everything that is."""
        dropped = self._backlog.refuse(message) if self._is_closed else self._backlog.add(message)
        if dropped is not None:
            tell(self._on_drop, dropped)
            return False
        self._idle.clear()
        self._added.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="notify queue")
        return True

    async def flush(self, seconds: float = 30.0) -> bool:
        """Waits until all is sent or dropped, but no longer than that; whether it is."""
        self._hurried.set()
        return await self._clock.wait(self._idle, seconds)

    async def close(self, seconds: float = 5.0) -> None:
        """Gives what waits so long to be sent, and drops the rest. What is being tried in that moment may arrive all
        the same.
        """
        if self._is_closed:
            return
        await self.flush(seconds)
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for each in self._backlog.drop_all():
            tell(self._on_drop, each)

    async def _run(self) -> None:
        steps = self._backlog.steps()
        outcome: Outcome | None = None
        while True:
            step = steps.send(outcome)
            outcome = None
            if isinstance(step, Attempt):
                outcome = await self._wire.attempt(step.request)
            elif isinstance(step, Drop):
                tell(self._on_drop, step.dropped)
            elif isinstance(step, Pause):
                await self._clock.wait(self._hurried, step.seconds)
                self._hurried.clear()
            else:
                self._idle.set()
                self._added.clear()
                await self._added.wait()


class AsyncStream:
    """An inbox as it changes: iterate over it. `position` is how far it has come; it is good for `after`."""

    def __init__(
        self,
        wire: AsyncWire,
        following: Following,
        get_token: Callable[[], Awaitable[str]] | None,
        on_pause: Callable[[float, str], object] | None,
        clock: Clock,
    ) -> None:
        self._wire = wire
        self._following = following
        self._get_token = get_token
        self._on_pause = on_pause
        self._clock = clock
        self._response: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._events = self._follow()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events

    @property
    def position(self) -> str | None:
        return self._following.position

    async def close(self) -> None:
        """Ends it, unless a task waits for its next event: cancel that."""
        await self._events.aclose()

    async def _follow(self) -> AsyncGenerator[Event, None]:
        steps = self._following.steps()
        reply: Reply = None
        try:
            while True:
                step = steps.send(reply)
                reply = None
                if isinstance(step, Emit):
                    yield step.event
                elif isinstance(step, Read):
                    assert self._chunks is not None  # noqa: S101 - it was opened before
                    reply = await self._wire.read(self._chunks)
                elif isinstance(step, Open):
                    reply = await self._open(step.request)
                elif isinstance(step, Renew):
                    assert self._get_token is not None  # noqa: S101 - or nothing would be renewed
                    reply = checked(await self._get_token())
                elif isinstance(step, Attempt):
                    reply = await self._wire.attempt(step.request)
                else:
                    await self._rest(step)
        finally:
            await self._leave()

    async def _open(self, request: Request) -> Reply:
        response = await self._wire.open(request)
        if not isinstance(response, httpx.Response):
            return response
        self._response = response
        self._chunks = response.aiter_bytes()
        return opened(response)

    async def _rest(self, rest: Rest) -> None:
        await self._leave()
        if self._on_pause is not None:
            self._on_pause(rest.seconds, rest.reason)
        await self._clock.sleep(rest.seconds)

    async def _leave(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()
