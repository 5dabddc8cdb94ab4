"""The client for code that waits: calls, a queue with a thread of its own, and streams to iterate over."""

import atexit
import socket
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from typing import Literal, Self, TypeVar

import httpx

from notify.client.backlog import Backlog, Bounds, Drop, Idle, OnDrop, Reason, tell
from notify.client.events import Event
from notify.client.following import Emit, Following, Open, Read, Renew, Reply, Rest, Start
from notify.client.message import Message
from notify.client.methods import Blocking, Methods
from notify.client.retrying import Attempt, Call, Outcome, Pause, Request, Retries, attempts
from notify.client.wire import Target, Wire, checked, opened
from notify.core.clock import Clock, SystemClock

__all__ = ("Client", "Queue", "Stream")

T = TypeVar("T")


class Client(Methods, Blocking):
    """Calls a service. Any number of threads may share one."""

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        retries: Retries | None = None,
        timeout_seconds: float = 10.0,
        http: httpx.Client | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Without a key it opens streams with users' tokens, and nothing else. An `http` of your own, for certificates
        or a proxy, is not closed with the client.
        """
        self._wire = Wire(Target(url, key, timeout_seconds), http)
        self._retries = retries or Retries()
        self._clock = clock or SystemClock()
        self._closed = threading.Event()
        self._queues: list[Queue] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its queues first, as `Queue.close` does."""
        for queue in self._queues:
            queue.close()
        self._closed.set()
        self._wire.close()

    def perform(self, call: Call[T]) -> T:
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
                outcome = self._wire.attempt(step.request)
            else:
                self._closed.wait(step.seconds)
                outcome = None

    def queue(self, bounds: Bounds | None = None, *, on_drop: OnDrop | None = None) -> "Queue":
        """For what has to be sent whatever the service is doing at the moment, and whose sender cannot wait."""
        queue = Queue(self._wire, Backlog(bounds or Bounds(), self._clock), on_drop)
        self._queues.append(queue)
        return queue

    def stream(
        self,
        user_id: str | None = None,
        *,
        get_token: Callable[[], str] | None = None,
        types: Sequence[str] = (),
        first: Literal["unread", "now"] = "unread",
        after: str | None = None,
        on_pause: Callable[[float, str], object] | None = None,
    ) -> "Stream":
        """Follows an inbox until it is closed: with the client's key that of `user_id`, or with tokens that `get_token`
        gets, fresh ones each time, that of their user. It begins after a position, or else with what is `unread` or
        with what comes from `now` on. `on_pause` is told for how long and why it is not connected.
        """
        start = Start(user_id, tuple(types), first, after)
        return Stream(self._wire, Following(start, self._clock, renews=get_token is not None), get_token, on_pause)


class Queue:
    """Takes messages at once and sends them, in order, as soon as the service takes them. In memory: what a process has
    not sent when it is killed is gone. Any number of threads may share one.
    """

    def __init__(self, wire: Wire, backlog: Backlog, on_drop: OnDrop | None) -> None:
        self._wire = wire
        self._backlog = backlog
        self._on_drop = on_drop
        self._changed = threading.Condition()
        self._added = threading.Event()
        self._hurried = threading.Event()
        self._thread: threading.Thread | None = None
        self._is_idle = True
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

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
        with self._changed:
            dropped = self._backlog.refuse(message) if self._is_closed else self._backlog.add(message)
            if dropped is None:
                self._is_idle = False
                self._start()
        if dropped is not None:
            tell(self._on_drop, dropped)
            return False
        self._added.set()
        return True

    def flush(self, seconds: float = 30.0) -> bool:
        """Waits until all is sent or dropped, but no longer than that; whether it is."""
        self._hurried.set()
        with self._changed:
            return self._changed.wait_for(lambda: self._is_idle, seconds)

    def close(self, seconds: float = 5.0) -> None:
        """Gives what waits so long to be sent, and drops the rest. What is being tried in that moment may arrive all
        the same.
        """
        if self._is_closed:
            return
        self.flush(seconds)
        with self._changed:
            self._is_closed = True
            dropped = self._backlog.drop_all()
        self._added.set()
        self._hurried.set()
        atexit.unregister(self.close)
        for each in dropped:
            tell(self._on_drop, each)
        if self._thread is not None and not dropped:
            self._thread.join()

    def _start(self) -> None:
        # Not before it is needed: a process that is forked has only the thread that forked it.
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="notify queue", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _run(self) -> None:
        steps = self._backlog.steps()
        outcome: Outcome | None = None
        while True:
            with self._changed:
                if self._is_closed:
                    return
                step = steps.send(outcome)
                self._is_idle = isinstance(step, Idle)
                self._changed.notify_all()
            outcome = None
            if isinstance(step, Attempt):
                outcome = self._wire.attempt(step.request)
            elif isinstance(step, Drop):
                tell(self._on_drop, step.dropped)
            elif isinstance(step, Pause):
                self._hurried.wait(step.seconds)
                self._hurried.clear()
            else:
                self._added.wait()
                self._added.clear()


class Stream:
    """An inbox as it changes: iterate over it. `position` is how far it has come; it is good for `after`."""

    def __init__(
        self,
        wire: Wire,
        following: Following,
        get_token: Callable[[], str] | None,
        on_pause: Callable[[float, str], object] | None,
    ) -> None:
        self._wire = wire
        self._following = following
        self._get_token = get_token
        self._on_pause = on_pause
        self._response: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())
        self._closed = threading.Event()
        self._events = self._follow()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._events.close()

    def __iter__(self) -> Iterator[Event]:
        return self._events

    @property
    def position(self) -> str | None:
        return self._following.position

    def close(self) -> None:
        """Ends it, in whichever thread it is being iterated over."""
        self._closed.set()
        response = self._response
        if response is not None:
            # Whoever waits for the next bytes is told that there are none.
            connection: socket.socket = response.extensions["network_stream"].get_extra_info("socket")
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _follow(self) -> Generator[Event, None, None]:
        steps = self._following.steps()
        reply: Reply = None
        try:
            while not self._closed.is_set():
                step = steps.send(reply)
                reply = None
                if isinstance(step, Emit):
                    yield step.event
                elif isinstance(step, Read):
                    reply = self._wire.read(self._chunks)
                elif isinstance(step, Open):
                    reply = self._open(step.request)
                elif isinstance(step, Renew):
                    assert self._get_token is not None  # noqa: S101 - or nothing would be renewed
                    reply = checked(self._get_token())
                elif isinstance(step, Attempt):
                    reply = self._wire.attempt(step.request)
                else:
                    self._rest(step)
        finally:
            self._leave()

    def _open(self, request: Request) -> Reply:
        response = self._wire.open(request)
        if not isinstance(response, httpx.Response):
            return response
        self._response = response
        self._chunks = response.iter_bytes()
        return opened(response)

    def _rest(self, rest: Rest) -> None:
        self._leave()
        if self._on_pause is not None:
            self._on_pause(rest.seconds, rest.reason)
        self._closed.wait(rest.seconds)

    def _leave(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()
