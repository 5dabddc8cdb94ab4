"""Server-Sent Events: the answer to `GET /v1/stream`, written by hand so that connections share the same bytes."""

import random
from collections.abc import Coroutine, Iterable
from typing import Any

from litestar.types import Receive, Scope, Send

from notify.core.event import Reset
from notify.core.position import Position
from notify.live import frames
from notify.live.connection import Connection, Parts, Start, Visitor
from notify.live.encoding import Flashed
from notify.live.feed import Step
from notify.live.messages import ByeData, ByeReason, InboxData, TokenData
from notify.live.tail import LiveEvent
from notify.live.transport import IN_CHUNKS, Chunks, dropping, serve_later
from notify.store.rows import InboxState
from notify.store.snapshots import Snapshot

__all__ = ("STREAM_HEADERS", "EventStream", "Farewell")

STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store, no-transform"),
    (b"x-accel-buffering", b"no"),
]
_SHORTEST_RETRY_MS = 1000
_LONGEST_RETRY_MS = 4000


class StreamConnection(Connection):
    __slots__ = ("_chunks", "_events_sent", "_raw_send", "_types")

    transport = "sse"

    def __init__(self, parts: Parts, visitor: Visitor, send: Send, types: frozenset[str]) -> None:
        self._raw_send = send
        self._types = types
        self._events_sent = parts.metrics.events_sent.labels("sse")
        self._chunks: Chunks | None = None
        super().__init__(parts, visitor)

    def write_straight_to(self, chunks: Chunks | None) -> None:
        self._chunks = chunks

    def _send(self, frames: list[bytes]) -> Coroutine[Any, Any, None]:
        body = b"".join(frames)
        return self._raw_send({"type": "http.response.body", "body": body, "more_body": True})  # type: ignore[return-value]

    async def _close(self, reason: ByeReason) -> None:  # noqa: ARG002 - a stream has no close code
        await self._raw_send({"type": "http.response.body", "body": b"", "more_body": False})

    def _go_on(self) -> None:
        # What nearly everybody in a crowd needs, before everything else that may be the matter is looked at.
        step = self.feed.steps.get(self._cursor)
        if (
            step is None
            or self._chunks is None
            or self._is_starting
            or self._types
            or self.feed.epoch != self._epoch
            or not self._chunks.write(step.chunk)
        ):
            super()._go_on()
            return
        self._cursor = step.end
        self._events_sent.inc(step.events)
        self.last_sent = self._clock.monotonic()

    def _show_news(self, room: int | None) -> None:
        """Whoever stands at the same position is shown the same bytes."""
        if self._chunks is None or self._types or self._is_starting:
            super()._show_news(room)
            return
        step = self.feed.steps.get(self._cursor)
        if step is None:
            step = self._step()
        else:
            # It could not be written just now.
            self._cursor = step.end
            self._events_sent.inc(step.events)
        if self._chunks.write(step.chunk):
            self.last_sent = self._clock.monotonic()
        else:
            self._write([step.body])

    def _step(self) -> Step:
        before = self._cursor
        events = sum(1 for _ in self.feed.tail.after(before))
        body = b"".join(self._from_tail(None))
        step = Step(body, b"%x\r\n%b\r\n" % (len(body), body), self._cursor, events)
        if len(self.feed.followers) > 1:
            self.feed.steps[before] = step
        return step

    def _frame_events(self, events: Iterable[LiveEvent], upto: Position) -> list[bytes]:
        chunks: list[bytes] = []
        passed = 0
        sent = 0
        for event in events:
            if self._types and event.kind != "delete" and event.type not in self._types:
                passed = event.seq
            else:
                chunks.append(event.sse)
                sent = event.seq
        self._events_sent.inc(len(chunks))
        if upto.seq > sent and (passed or not chunks):
            # The cursor moves past what this connection does not want to see.
            chunks.append(frames.id_only(str(upto)))
        return chunks

    def _frame_flashes(self, flashes: Iterable[Flashed]) -> list[bytes]:
        wanted = [flash.sse for flash in flashes if not self._types or flash.type in self._types]
        self._events_sent.inc(len(wanted))
        return wanted

    def _frame_inbox(self, inbox: InboxState, *, closes_start: bool) -> bytes:
        position = str(inbox.position)
        if closes_start:
            data = InboxData(inbox.unread, inbox.unseen, inbox.total, position, self.session)
            return frames.with_id("inbox", position, data)
        return frames.plain("inbox", InboxData(inbox.unread, inbox.unseen, inbox.total, position))

    def _frame_snapshot(self, snapshot: Snapshot) -> list[bytes]:
        wanted = [item for item in snapshot.items if not self._types or item.type in self._types]
        return [
            *(frames.plain("notification", item) for item in wanted),
            self._frame_inbox(snapshot.inbox, closes_start=True),
        ]

    def _frame_reset(self, reset: Reset) -> bytes:
        return frames.plain("reset", reset)

    def _frame_token(self, expires_in: int) -> bytes:
        return frames.plain("token", TokenData(expires_in, self.session))

    def _frame_bye(self, reason: ByeReason, retry_ms: int | None) -> list[bytes]:
        last = frames.plain("bye", ByeData(reason))
        return [last] if retry_ms is None else [frames.retry(retry_ms), last]

    def keep_alive(self) -> None:
        if not self._is_busy and not self._is_over:
            self._write([frames.KEEP_ALIVE])


class EventStream:
    """An ASGI response that lasts as long as its client stays."""

    def __init__(self, parts: Parts, visitor: Visitor, start: Start, types: frozenset[str]) -> None:
        self._parts = parts
        self._visitor = visitor
        self._start = start
        self._types = types

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        retry_ms = random.randint(_SHORTEST_RETRY_MS, _LONGEST_RETRY_MS)  # noqa: S311 - jitter
        await send(_start(frames.retry(retry_ms)))
        self._drop = dropping(scope)
        serve_later(scope, self._serve)

    async def _serve(self, receive: Receive, send: Send) -> None:
        connection = StreamConnection(self._parts, self._visitor, send, self._types)
        connection.on_cut = self._drop
        try:
            connection.write_straight_to(Chunks.of(send))
            connection.begin_soon(self._start)
            # Nothing is heard from a client but that it left, or that our own last word has been sent.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            connection.leave()


class Farewell:
    """A stream that only says why it does not begin: a browser gives up for good on any other status."""

    def __init__(self, reason: ByeReason, retry_ms: int) -> None:
        self._body = frames.retry(retry_ms) + frames.plain("bye", ByeData(reason))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        await send(_start(self._body))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _start(first: bytes) -> Any:
    return {"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS, IN_CHUNKS: first}
