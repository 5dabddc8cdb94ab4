"""HTTP/1.1 as the load generator speaks it: bare protocols, so that a thousand connections cost no thousand tasks."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar, cast

import httptools

from notify.bench.errors import BenchError
from notify.bench.events import Event, EventReader
from notify.bench.target import Target, problem_in

__all__ = ("Answer", "Exchange", "Network", "Stream")

P = TypeVar("P", bound=asyncio.Protocol)

_OK = 200


class Answer(NamedTuple):
    status: int
    etag: str
    body: bytes
    at: int
    """When it was complete, in nanoseconds of the monotonic clock."""


class Network:
    """The way to the service, looked up once and not for every connection."""

    def __init__(self, target: Target) -> None:
        self._host, self._port = target.addresses()[0]
        self._tls = target.tls

    async def connect(self, make: Callable[[], P]) -> P:
        context, name = self._tls or (None, None)
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(make, self._host, self._port, ssl=context, server_hostname=name)
        return protocol


class Exchange(asyncio.Protocol):
    """A connection that is kept alive: one request, its answer, the next request. Opened again when it is needed and
    was closed meanwhile, as many proxies do after some number of requests.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._transport: asyncio.WriteTransport | None = None
        self._opening: asyncio.Task[None] | None = None
        self._done: Callable[[Answer | None], None] | None = None
        self._body: list[bytes] = []
        self._etag = ""

    async def open(self) -> None:
        await self._network.connect(lambda: self)

    def send(self, request: bytes, done: Callable[[Answer | None], None]) -> None:
        """`done` is called with the answer, or with None when the connection is lost before it."""
        self._done = done
        if self._transport is None or self._transport.is_closing():
            self._opening = asyncio.get_running_loop().create_task(self._send_on_another(request))
        else:
            self._transport.write(request)

    async def _send_on_another(self, request: bytes) -> None:
        try:
            await self.open()
        except OSError:
            self._finish(None)
        else:
            assert self._transport is not None  # noqa: S101 - it is open
            self._transport.write(request)

    async def ask(self, request: bytes) -> Answer:
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self.send(request, lambda answer: None if answered.done() else answered.set_result(answer))
        answer = await answered
        if answer is None:
            raise BenchError("The service closed a connection in the middle of a request; its log may say why.")
        if answer.status >= 400:  # noqa: PLR2004 - where errors begin
            raise BenchError(f"A request was refused: {problem_in(answer.status, answer.body)}")
        return answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._parser = httptools.HttpResponseParser(self)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._finish(None)

    # httptools

    def on_message_begin(self) -> None:
        self._body = []
        self._etag = ""

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"etag":
            self._etag = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        answer = Answer(self._parser.get_status_code(), self._etag, b"".join(self._body), time.monotonic_ns())
        if not self._parser.should_keep_alive() and self._transport is not None:
            self._transport.close()
        self._finish(answer)

    def _finish(self, answer: Answer | None) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer)


class Stream(asyncio.Protocol):
    """A device: `ready` once the service has closed the start of its stream, and then every event as it comes."""

    def __init__(self, user: str, request: bytes, on_event: Callable[["Stream", Event, int], None]) -> None:
        self.user = user
        self.seqs: list[int] = []
        """The positions of what has arrived, in the order of arrival."""

        self.position = b""
        self.ready_at = 0
        self.failure = ""
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._on_event = on_event
        self._reader = EventReader()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.WriteTransport | None = None
        self._now = 0

    def drop(self) -> None:
        """Without ceremony, as by a phone that loses its net."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._now = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"what came was not HTTP ({error})")
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(str(exc or "the service closed the connection"))
        if not self.gone.done():
            self.gone.set_result(None)

    # httptools

    def on_body(self, body: bytes) -> None:
        if self._parser.get_status_code() != _OK:
            self._fail(problem_in(self._parser.get_status_code(), body))
            self.drop()
            return
        for event in self._reader.feed(body):
            if event.id:
                self.position = event.id
            if event.name == b"notification":
                if event.id:
                    self.seqs.append(event.seq)
                self._on_event(self, event, self._now)
            elif event.name == b"inbox" and event.id:
                self.ready_at = self._now
                if not self.ready.done():
                    self.ready.set_result(None)
            elif event.name == b"bye":
                self._fail(f"the service said bye: {event.data.decode()}")

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        if not self.ready.done():
            self.ready.set_result(None)
