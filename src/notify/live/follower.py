"""A connection is a cursor: what lies past it is shown from the tail if that reaches far enough, and read otherwise.

Replay and live are one path. A connection that is being written to, or reads, is busy and is not woken; when it is done
it looks again. Nothing waits for it.
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from functools import partial
from typing import Any, Literal, Protocol

import structlog
from msgspec import Struct

from notify.core.errors import DatabaseAwayError, MalformedPositionError
from notify.core.event import Reset
from notify.core.position import Position, ResetReason
from notify.live.hub import Feed, Follower, Hub
from notify.live.messages import ByeReason
from notify.live.tail import LiveEvent
from notify.metrics import Metrics
from notify.store.devices import Devices
from notify.store.following import InboxKey
from notify.store.inbox import Filters, Inboxes
from notify.store.rows import InboxState

__all__ = ("Connection", "Parts", "Start", "Visitor")

log = structlog.get_logger(__name__)

_SNAPSHOT = 100
_PAUSE_WHEN_AWAY_SECONDS = 0.5


class Start(Struct, frozen=True):
    """Where a connection wants to begin. Positions come in the order of their precedence."""

    positions: tuple[str, ...] = ()
    fresh: Literal["unread", "now"] = "unread"


class Visitor(Struct, frozen=True):
    """Who is at the other end of a connection, and until when they may stay."""

    key: InboxKey
    session: str
    expires_at: float | None
    device: str | None = None


class Roster(Protocol):
    def add(self, connection: "Connection") -> None: ...

    def remove(self, connection: "Connection") -> None: ...


class Parts(Struct, frozen=True):
    """What every connection works with."""

    hub: Hub
    inboxes: Inboxes
    devices: Devices
    metrics: Metrics
    roster: Roster


class Connection(Follower):
    """What streams and sockets have in common."""

    transport: Literal["sse", "websocket"]

    def __init__(self, parts: Parts, visitor: Visitor) -> None:
        self.visitor = visitor
        self.key = visitor.key
        self.session = visitor.session
        self.expires_at = visitor.expires_at
        self.last_sent = time.monotonic()
        self.sending_since: float | None = None
        """Set while a write waits for the other side to read."""

        self._hub = parts.hub
        self._inboxes = parts.inboxes
        self._devices = parts.devices
        self._metrics = parts.metrics
        self._roster = parts.roster
        self._epoch = ""
        self._cursor = 0
        self._since_floor = 0
        self._is_starting = True
        self._is_busy = True
        self._is_over = False
        self._task: asyncio.Task[None] | None = None
        self.on_cut: Callable[[], None] = _nothing
        """How to drop the transport, set by whoever serves it."""

        self.feed: Feed = self._hub.follow(self.key, self)
        self._roster.add(self)

    def leave(self) -> None:
        """The connection is gone, whoever ended it."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
        self._hub.unfollow(self.feed, self)
        self._roster.remove(self)

    # What each transport does in its own way

    @abstractmethod
    def _frame_events(self, events: Iterable[LiveEvent], upto: Position) -> list[Any]:
        """The events in this transport's form, ending in something that moves the cursor to `upto`."""

    @abstractmethod
    def _frame_inbox(self, inbox: InboxState, *, closes_start: bool) -> Any: ...

    @abstractmethod
    def _frame_snapshot(self, inbox: InboxState, items: list[Any]) -> list[Any]: ...

    @abstractmethod
    def _frame_reset(self, reset: Reset) -> Any: ...

    @abstractmethod
    def _frame_bye(self, reason: ByeReason, retry_ms: int | None) -> list[Any]: ...

    @abstractmethod
    def _send(self, frames: list[Any]) -> Coroutine[Any, Any, None]:
        """Writes frames in one go."""

    @abstractmethod
    async def _close(self, reason: ByeReason) -> None:
        """Ends the connection after its `bye`."""

    @abstractmethod
    def keep_alive(self) -> None: ...

    @abstractmethod
    def warn_of_token(self, expires_in: int) -> None: ...

    def cut(self) -> None:
        """Gives up on a connection that takes nothing any more; its client resumes later, without loss."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
        self.on_cut()

    # Starting

    async def begin(self, start: Start) -> None:
        """From the first position that can be resumed from, or fresh; ends where the inbox stands now."""
        await self.feed.loaded()
        self._epoch = self.feed.epoch
        positions = start.positions or await self._acknowledged()
        given = [position for position in map(_parsed, positions) if position is not None]
        current = [position for position in given if position.epoch == self._epoch]
        if current:
            await self._resume(max(current, key=lambda position: position.seq), start)
        elif positions:
            await self._reset("epoch" if given else "malformed", start)
        else:
            await self._start_fresh(start)
        self._is_busy = False
        self.wake()

    async def _acknowledged(self) -> tuple[str, ...]:
        """Where a named device left off, whichever process it was connected to."""
        if self.visitor.device is None:
            return ()
        position = await self._devices.position(*self.key, self.visitor.device)
        return () if position is None else (str(position),)

    async def _resume(self, position: Position, start: Start) -> None:
        if position.seq > self.feed.tail.head:
            # Another process may be ahead of what is known here.
            await self._hub.refresh(self.feed)
        reason = position.invalid_in(self.feed.bounds)
        if reason is not None:
            await self._reset(reason, start)
            return
        self._cursor = position.seq
        self._since_floor = position.since_floor

    async def _reset(self, reason: ResetReason, start: Start) -> None:
        self._metrics.resets.labels(reason).inc()
        bounds = self.feed.bounds
        floor, head = Position(bounds.epoch, bounds.floor), Position(bounds.epoch, bounds.head)
        await self._write_and_wait([self._frame_reset(Reset(reason, str(floor), str(head)))])
        await self._start_fresh(start)

    async def _start_fresh(self, start: Start) -> None:
        if start.fresh == "now":
            self._epoch = self.feed.epoch
            self._cursor = self.feed.tail.head
            return
        page = await self._inboxes.page(*self.key, Filters(status="unread"), _SNAPSHOT, None)
        self._epoch = page.inbox.bounds.epoch
        self._cursor = page.inbox.bounds.head
        self._is_starting = False
        # Oldest first, without ids: only the closing counters carry the position that all of it is consistent with.
        await self._write_and_wait(self._frame_snapshot(page.inbox, page.items[::-1]))

    # Following

    def wake(self) -> None:
        if self._is_busy or self._is_over or not self.feed.is_loaded:
            return
        feed = self.feed
        if feed.epoch != self._epoch:
            self._work(self._start_over())
        elif self._cursor >= feed.tail.head:
            if self._is_starting:
                self._write(self._ending([], feed_state(feed)))
        elif feed.tail.covers(self._cursor):
            frames = self._frame_events(feed.tail.after(self._cursor), feed.head)
            self._cursor = feed.tail.head
            self._write(self._ending(frames, feed_state(feed)))
        else:
            self._work(self._catch_up())

    async def _start_over(self) -> None:
        self._is_starting = True
        await self._reset("epoch", Start())

    async def _catch_up(self) -> None:
        """Page by page from the database, until the tail reaches back far enough."""
        self._metrics.followers_behind.inc()
        try:
            while not self._is_over and not (self.feed.tail.covers(self._cursor) and self._epoch == self.feed.epoch):
                try:
                    news = await self._hub.page(self.feed, self._cursor)
                except DatabaseAwayError:
                    await asyncio.sleep(_PAUSE_WHEN_AWAY_SECONDS)
                    continue
                bounds = news.inbox.bounds
                reason = Position(self._epoch, self._cursor, self._since_floor).invalid_in(bounds)
                if reason is not None:
                    self._is_starting = True
                    await self._reset(reason, Start())
                    return
                events = [
                    LiveEvent(change.kind, Position(bounds.epoch, change.seq), change.id, change.notification)
                    for change in news.changes
                ]
                end = news.changes[-1].seq if news.more else bounds.head
                frames = self._frame_events(events, Position(bounds.epoch, end))
                self._cursor = end
                await self._write_and_wait(frames if news.more else self._ending(frames, news.inbox))
        finally:
            self._metrics.followers_behind.dec()

    def _ending(self, frames: list[Any], inbox: InboxState) -> list[Any]:
        frames.append(self._frame_inbox(inbox, closes_start=self._is_starting))
        self._is_starting = False
        return frames

    # Writing

    def _write(self, frames: list[Any]) -> None:
        """Without a task where the socket takes it at once, which is nearly always."""
        sending = self._send(frames)
        self.last_sent = time.monotonic()
        try:
            waits_for = sending.send(None)
        except StopIteration:
            return
        except Exception:  # noqa: BLE001 - a connection that breaks while written to is only gone
            self._is_over = True
            return
        self.sending_since = self.last_sent
        self._work(_rest_of(sending, waits_for))

    async def _write_and_wait(self, frames: list[Any]) -> None:
        self.sending_since = self.last_sent = time.monotonic()
        await self._send(frames)
        self.sending_since = None

    def _work(self, work: Awaitable[None]) -> None:
        """Keeps the connection busy with something that takes its time."""
        self._is_busy = True
        self._task = asyncio.ensure_future(self._busy_with(work))

    async def _busy_with(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (OSError, asyncio.CancelledError):
            self._is_over = True
        except Exception:
            log.exception("a connection failed", action="connection_failed", transport=self.transport)
            self._is_over = True
        else:
            self._is_busy = False
            self.sending_since = None
            self.wake()

    async def end(self, reason: ByeReason, retry_ms: int | None = None) -> None:
        """Says why, and ends it."""
        if self._is_over:
            return
        self._is_over = True
        self._metrics.closes.labels(self.transport, reason).inc()
        await self._send(self._frame_bye(reason, retry_ms))
        await self._close(reason)


def feed_state(feed: Feed) -> InboxState:
    return InboxState(feed.bounds, feed.unread, feed.unseen, feed.total)


async def _rest_of(sending: Coroutine[Any, Any, None], waits_for: Any) -> None:
    await _Rest(sending, waits_for)


class _Rest:
    """The rest of a coroutine that was driven by hand up to the first thing it waits for."""

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
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
            except StopIteration:
                return


def _parsed(text: str) -> Position | None:
    try:
        return Position.parse(text)
    except MalformedPositionError:
        return None


def _nothing() -> None:
    pass
