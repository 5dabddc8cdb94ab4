"""A device that follows an inbox, as a bare protocol: a thousand of them cost no thousand tasks."""

import asyncio
import time
from collections.abc import Callable
from typing import cast

import httptools

from notify.bench.events import Event, EventReader
from notify.bench.target import problem_in

__all__ = ("Stream",)

_OK = 200


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
        self._refusal = b""
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
            self._refusal += body
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

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        self._fail("the service ended the stream" if status == _OK else problem_in(status, self._refusal))
        self.drop()

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        if not self.ready.done():
            self.ready.set_result(None)
