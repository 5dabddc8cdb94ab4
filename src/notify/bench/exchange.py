"""Requests and their answers, over a bare protocol: as cheap as it gets, so that the service is what is measured."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple, cast

import httptools

from notify.bench.errors import BenchError
from notify.bench.network import Network
from notify.bench.target import problem_in

__all__ = ("Answer", "Exchange")

_ANSWER_SECONDS = 60.0


class Answer(NamedTuple):
    status: int
    etag: str
    body: bytes
    at: int
    """When it was complete, in nanoseconds of the monotonic clock."""


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
        if self.is_closed:
            self._opening = asyncio.get_running_loop().create_task(self._send_on_another(request))
        else:
            self._write(request)

    @property
    def is_closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    async def _send_on_another(self, request: bytes) -> None:
        try:
            await self.open()
        except OSError:
            self._finish(None)
        else:
            self._write(request)

    def _write(self, request: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - it is open
        self._transport.write(request)

    async def ask(self, request: bytes) -> Answer:
        answered: asyncio.Future[Answer | None] = asyncio.get_running_loop().create_future()
        self.send(request, lambda answer: None if answered.done() else answered.set_result(answer))
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                answer = await answered
        except TimeoutError as error:
            raise BenchError(f"A request was not answered within {_ANSWER_SECONDS:g} s.") from error
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
