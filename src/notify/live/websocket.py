"""A WebSocket: the same cursor as a stream, and what its client says meanwhile."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable
from typing import Any

import structlog
from litestar.types import Receive, Scope, Send
from msgspec import UNSET, Struct, UnsetType

from notify.core.clock import Clock
from notify.core.errors import AckRefusedError, InvalidError, MalformedPositionError, ProblemError
from notify.core.event import Reset
from notify.core.position import Position
from notify.core.problem import problem_of
from notify.live.closing import BY_REASON
from notify.live.connection import Connection, Parts, Start, Visitor
from notify.live.encoding import Flashed
from notify.live.messages import (
    AckMessage,
    ByeMessage,
    ByeReason,
    ClientMessage,
    InboxMessage,
    NotificationMessage,
    PingMessage,
    ReplyMessage,
    ResetMessage,
    Result,
    ResumeMessage,
    TokenMessage,
    WelcomeMessage,
)
from notify.live.subprotocols import Agreement, Subprotocol, read, ref_in
from notify.live.tail import LiveEvent
from notify.live.transport import MORE, dropping, serve_later
from notify.store.rows import InboxState
from notify.store.snapshots import Snapshot

__all__ = ("Errands", "Socket", "SocketConnection", "SocketLimits", "Terms")

log = structlog.get_logger(__name__)

_MORE = {MORE: True}


class SocketLimits(Struct, frozen=True):
    messages_per_second: float
    burst: int
    most_malformed: int
    heartbeat_seconds: int


class Terms(Struct, frozen=True):
    """How one client wants to be served, and what it may do."""

    agreement: Agreement
    limits: SocketLimits
    window: int | None = None
    """At most so many events that are not acknowledged yet; None for any number."""


class Errands(ABC):
    """What a client's messages ask of the inbox and of the session. Either may raise the problem that keeps it from
    being done.
    """

    @abstractmethod
    async def carry_out(self, connection: "SocketConnection", message: ClientMessage) -> Result | UnsetType: ...

    @abstractmethod
    async def keep_ack(self, device: str, position: Position) -> None:
        """A named device has everything up to here."""


class SocketConnection(Connection):
    __slots__ = (
        "_acknowledged_seq",
        "_begun",
        "_errands",
        "_heartbeat_seconds",
        "_held_replies",
        "_in_flight",
        "_is_inbox_ahead",
        "_kept_seq",
        "_raw_send",
        "_subprotocol",
        "_window",
    )

    transport = "websocket"

    def __init__(self, parts: Parts, visitor: Visitor, send: Send, terms: Terms, errands: Errands) -> None:
        self._raw_send = send
        self._subprotocol: Subprotocol = terms.agreement.subprotocol
        self._window = terms.window
        self._heartbeat_seconds = terms.limits.heartbeat_seconds
        self._errands = errands
        self._begun = asyncio.Event()
        self._acknowledged_seq = 0
        self._kept_seq = 0
        """Up to where the device's acknowledgements have been kept."""

        self._in_flight: deque[int] = deque()
        """With a window, the events that were sent and not acknowledged yet."""

        self._held_replies: list[ReplyMessage] = []
        """To a message that asked to resume and has to wait for its turn, and to those that came after it."""

        self._is_inbox_ahead = False
        """Nothing is left of what the newest positions were given to, so that only the counters can carry them."""

        super().__init__(parts, visitor)

    @property
    def is_over(self) -> bool:
        return self._is_over

    async def begun(self) -> None:
        """Returns once it stands somewhere, and what the client says about that has a meaning; or once it is over."""
        await self._begun.wait()

    # What the client says about the connection itself

    async def acknowledge(self, text: str) -> None:
        try:
            position = Position.parse(text)
        except MalformedPositionError as error:
            raise InvalidError.at("/id", error.detail) from error
        if position.epoch != self._epoch:
            raise AckRefusedError("This position is not of this inbox as it is now; acknowledge what you are sent.")
        if position.seq > self._cursor:
            raise AckRefusedError("Nothing at that position has been sent here yet; acknowledge what you were sent.")
        if position.seq < self._acknowledged_seq:
            raise AckRefusedError("A later position was acknowledged already, or this connection began after it.")
        self._acknowledged_seq = position.seq
        while self._in_flight and self._in_flight[0] <= position.seq:
            self._in_flight.popleft()
        self.wake()
        if self.visitor.device is not None and position.seq > self._kept_seq:
            await self._errands.keep_ack(self.visitor.device, position)
            self._kept_seq = max(self._kept_seq, position.seq)

    async def reply(
        self, ref: str | None, *, result: Result | UnsetType = UNSET, problem: ProblemError | None = None
    ) -> None:
        if self._is_over:
            return
        shown = UNSET if problem is None else problem_of(problem)
        reply = ReplyMessage(ref, problem is None, result, shown)
        if self._held_replies:
            self._held_replies.append(reply)
        else:
            await self._write_replies([reply])

    async def _write_replies(self, replies: list[ReplyMessage]) -> None:
        try:
            await self._write_and_wait([self._subprotocol.frame(reply) for reply in replies])
        except OSError:
            self._is_over = True

    # How it goes out

    async def _send(self, frames: list[Any]) -> None:
        is_last_word = self._is_over
        last = len(frames) - 1
        for place, frame in enumerate(frames):
            if self._is_over and not is_last_word:
                return  # Nothing is said after the goodbye.
            await self._raw_send(frame if place == last else frame | _MORE)
            if self.sending_since is not None:
                self.sending_since = self._clock.monotonic()

    async def _close(self, reason: ByeReason) -> None:
        closing = BY_REASON[reason]
        await self._raw_send({"type": "websocket.close", "code": closing.code, "reason": closing.name})

    async def _greet(self) -> None:
        feed = self.feed
        welcome = WelcomeMessage(
            self.session, str(feed.head), feed.unread, feed.unseen, feed.total, self._heartbeat_seconds
        )
        await self._write_and_wait([self._subprotocol.frame(welcome)])

    def _frame_events(self, events: Iterable[LiveEvent], upto: Position) -> list[Any]:
        frames: list[Any] = []
        sent = 0
        for event in events:
            frames.append(self._subprotocol.event(event))
            sent = event.seq
            if self._window is not None:
                self._in_flight.append(sent)
        self._metrics.events_sent.labels("websocket").inc(len(frames))
        self._is_inbox_ahead = upto.seq > sent
        return frames

    def _frame_flashes(self, flashes: Iterable[Flashed]) -> list[Any]:
        # In no window either: there is nothing to acknowledge.
        frames = [self._subprotocol.event(flash) for flash in flashes]
        self._metrics.events_sent.labels("websocket").inc(len(frames))
        return frames

    def _frame_inbox(self, inbox: InboxState, *, closes_start: bool) -> Any:
        position = str(inbox.position)
        id_ = position if closes_start or self._is_inbox_ahead else UNSET
        self._is_inbox_ahead = False
        return self._subprotocol.frame(InboxMessage(inbox.unread, inbox.unseen, inbox.total, position, id_))

    def _frame_snapshot(self, snapshot: Snapshot) -> list[Any]:
        return [
            *(self._subprotocol.frame(NotificationMessage(item)) for item in snapshot.items),
            self._frame_inbox(snapshot.inbox, closes_start=True),
        ]

    def _frame_reset(self, reset: Reset) -> Any:
        return self._subprotocol.frame(ResetMessage.of(reset))

    def _frame_token(self, expires_in: int) -> Any:
        return self._subprotocol.frame(TokenMessage(expires_in, self.session))

    def _frame_bye(self, reason: ByeReason, retry_ms: int | None) -> list[Any]:
        return [self._subprotocol.frame(ByeMessage(reason, UNSET if retry_ms is None else retry_ms))]

    def keep_alive(self) -> None:
        """The server's pings do that, and notice a client that is gone."""

    # Where it stands

    async def _begin(self, start: Start) -> None:
        await super()._begin(start)
        self._begun.set()

    def _room(self) -> int | None:
        return None if self._window is None else self._window - len(self._in_flight)

    def resume(self, after: str, ref: str | None = None) -> None:
        if ref is not None:
            self._held_replies.append(ReplyMessage(ref, ok=True))
        super().resume(after)

    async def _go_back(self) -> None:
        # In its turn: after what was still on its way from elsewhere, and before anything of what was asked for.
        replies, self._held_replies = self._held_replies, []
        await self._write_replies(replies)
        await super()._go_back()

    def _go_to(self, position: Position) -> None:
        super()._go_to(position)
        self._acknowledged_seq = position.seq
        self._in_flight.clear()

    # How it ends

    async def end(self, reason: ByeReason, retry_ms: int | None = None) -> None:
        try:
            await super().end(reason, retry_ms)
        finally:
            self._begun.set()

    def cut(self) -> None:
        super().cut()
        self._begun.set()

    def _fail(self) -> None:
        self._roster.end(self, "error")


class Socket:
    """A WebSocket from its acceptance to its end."""

    def __init__(self, parts: Parts, visitor: Visitor, start: Start, terms: Terms, errands: Errands) -> None:
        self._parts = parts
        self._visitor = visitor
        self._start = start
        self._terms = terms
        self._errands = errands

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        await send({"type": "websocket.accept", "subprotocol": self._terms.agreement.name, "headers": []})
        self._drop = dropping(scope)
        serve_later(scope, self._serve)

    async def _serve(self, receive: Receive, send: Send) -> None:
        connection = SocketConnection(self._parts, self._visitor, send, self._terms, self._errands)
        connection.on_cut = self._drop
        try:
            connection.begin_soon(self._start)
            await self._hear(connection, receive)
        except OSError:
            pass  # The client left meanwhile.
        except Exception:
            log.exception("a socket failed", action="socket_failed")
            self._parts.roster.end(connection, "error")
            while (await receive())["type"] != "websocket.disconnect":
                pass
        finally:
            connection.leave()

    async def _hear(self, connection: SocketConnection, receive: Receive) -> None:
        """One message after the other. While one is dealt with no other is read, so whoever says too much waits."""
        limits = self._terms.limits
        allowance = _Allowance(limits.messages_per_second, limits.burst, self._parts.clock)
        malformed = 0
        while True:
            received = await receive()
            if received["type"] == "websocket.disconnect":
                return
            if received["type"] != "websocket.receive" or connection.is_over:
                continue
            await allowance.spend()
            await connection.begun()
            if await self._was_understood(connection, received):
                malformed = 0
                continue
            malformed += 1
            if malformed == limits.most_malformed:
                self._parts.roster.end(connection, "abuse")

    async def _was_understood(self, connection: SocketConnection, received: Any) -> bool:
        document: str | bytes = b""
        try:
            document = self._terms.agreement.subprotocol.document(received)
            message = read(document)
        except ProblemError as problem:
            self._parts.metrics.socket_messages.labels("malformed", "problem").inc()
            await connection.reply(ref_in(document), problem=problem)
            return False
        await self._answer(connection, message)
        return True

    async def _answer(self, connection: SocketConnection, message: ClientMessage) -> None:
        result: Result | UnsetType = UNSET
        problem: ProblemError | None = None
        try:
            if isinstance(message, AckMessage):
                await connection.acknowledge(message.id)
            elif not isinstance(message, (PingMessage, ResumeMessage)):
                result = await self._errands.carry_out(connection, message)
        except ProblemError as error:
            problem = error
        kind = message.__struct_config__.tag
        self._parts.metrics.socket_messages.labels(kind, "ok" if problem is None else "problem").inc()
        if isinstance(message, ResumeMessage):
            connection.resume(message.after, message.ref)
        elif message.ref is not None:
            await connection.reply(message.ref, result=result, problem=problem)


class _Allowance:
    """A token bucket: whoever has spent theirs waits for the next."""

    def __init__(self, per_second: float, burst: int, clock: Clock) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = float(burst)
        self._clock = clock
        self._at = self._clock.monotonic()

    async def spend(self) -> None:
        now = self._clock.monotonic()
        self._left = min(self._burst, self._left + (now - self._at) * self._per_second) - 1
        self._at = now
        if self._left < 0:
            await self._clock.sleep(-self._left / self._per_second)
