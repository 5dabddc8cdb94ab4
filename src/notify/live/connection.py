"""A connection is a cursor: what lies past it is shown from the tail if that reaches far enough, and read otherwise.

Replay and live are one path. A connection that is being written to, or reads, is busy and is not woken; when it is done
it looks again. Nothing waits for it.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Any, Literal, Protocol

import structlog
from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import MalformedPositionError
from notify.core.event import Reset
from notify.core.identity import Credential
from notify.core.position import Position, ResetReason
from notify.live.awaiting import apart, begun, patiently
from notify.live.encoding import Flashed
from notify.live.feed import Feed, Follower
from notify.live.hub import Hub
from notify.live.messages import ByeReason
from notify.live.tail import LiveEvent
from notify.metrics import Metrics
from notify.store.devices import Devices
from notify.store.many import InboxKey
from notify.store.rows import InboxState
from notify.store.snapshots import Snapshot, Snapshots

__all__ = ("Connection", "Parts", "Start", "Visitor")

log = structlog.get_logger(__name__)

_FIRST_PAGE = 20
_PAGE_BYTES = 128 * 1024


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
    credential: Credential = Credential()
    source: Hashable = None
    """From where, as limits by address count it."""


class Roster(Protocol):
    @property
    def is_draining(self) -> bool: ...

    def add(self, connection: "Connection") -> None: ...

    def remove(self, connection: "Connection") -> None: ...

    def end(self, connection: "Connection", reason: ByeReason, retry_ms: int | None = None) -> None: ...


class Parts(Struct, frozen=True):
    """What every connection works with."""

    hub: Hub
    snapshots: Snapshots
    devices: Devices
    clock: Clock
    metrics: Metrics
    roster: Roster


class Connection(Follower):
    """What streams and sockets have in common."""

    __slots__ = (
        "_clock",
        "_cursor",
        "_devices",
        "_epoch",
        "_hub",
        "_is_busy",
        "_is_over",
        "_is_starting",
        "_metrics",
        "_resume_after",
        "_roster",
        "_since_floor",
        "_snapshots",
        "_task",
        "_waiting_sends",
        "credential",
        "expires_at",
        "feed",
        "key",
        "last_sent",
        "on_cut",
        "sending_since",
        "session",
        "visitor",
    )

    transport: Literal["sse", "websocket"]

    def __init__(self, parts: Parts, visitor: Visitor) -> None:
        self.visitor = visitor
        self.key = visitor.key
        self.session = visitor.session
        self.expires_at = visitor.expires_at
        self.credential = visitor.credential
        """What it goes by: what it was opened with, or last extended."""

        self.last_sent = parts.clock.monotonic()
        self.sending_since: float | None = None
        """Set while a write waits for the other side to read."""

        self._hub = parts.hub
        self._snapshots = parts.snapshots
        self._devices = parts.devices
        self._clock = parts.clock
        self._metrics = parts.metrics
        self._roster = parts.roster
        self._epoch = ""
        self._cursor = 0
        self._since_floor = 0
        self._resume_after: str | None = None
        """A position that the client wants to go on from, other than the cursor."""

        self._is_starting = True
        self._is_busy = True
        self._is_over = False
        self._waiting_sends = 0
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
    def _frame_flashes(self, flashes: Iterable[Flashed]) -> list[Any]:
        """Those of them that this connection wants to see; nothing of it moves the cursor."""

    @abstractmethod
    def _frame_inbox(self, inbox: InboxState, *, closes_start: bool) -> Any: ...

    @abstractmethod
    def _frame_snapshot(self, snapshot: Snapshot) -> list[Any]: ...

    @abstractmethod
    def _frame_reset(self, reset: Reset) -> Any: ...

    @abstractmethod
    def _frame_token(self, expires_in: int) -> Any: ...

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

    def _room(self) -> int | None:
        """How many more events may be sent for now; None for any number."""
        return None

    async def _greet(self) -> None:
        """Whatever comes before everything else."""

    def warn_of_token(self, expires_in: int) -> bool:
        """Says that the token runs out soon, unless something else is being said; whether it did."""
        if self._is_busy or self._is_over:
            return False
        self._write([self._frame_token(expires_in)])
        return True

    def cut(self) -> None:
        """Gives up on a connection that takes nothing any more; its client resumes later, without loss."""
        self._is_over = True
        if self._task is not None:
            self._task.cancel()
        self.on_cut()

    # Starting

    def begin_soon(self, start: Start) -> None:
        """From the first position that can be resumed from, or fresh. Not waited for, so that a client that leaves
        meanwhile is noticed.
        """
        if self._is_over:
            return  # What it was opened with was revoked a moment ago.
        self._work(partial(self._begin, start))

    async def _begin(self, start: Start) -> None:
        await self.feed.loaded()
        await self._greet()
        await self._find_place(start)

    async def _find_place(self, start: Start) -> None:
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

    async def _acknowledged(self) -> tuple[str, ...]:
        """Where a named device left off, whichever process it was connected to."""
        device = self.visitor.device
        if device is None:
            return ()
        position = await patiently(self._clock, lambda: apart(self._devices.position(*self.key, device)))
        return () if position is None else (str(position),)

    async def _resume(self, position: Position, start: Start) -> None:
        if position.seq > self.feed.tail.head:
            # Another process may be ahead of what is known here.
            await patiently(self._clock, lambda: apart(self._hub.refresh(self.feed)))
        reason = position.invalid_in(self.feed.bounds)
        if reason is not None:
            await self._reset(reason, start)
            return
        self._go_to(position)

    async def _reset(self, reason: ResetReason, start: Start) -> None:
        self._metrics.resets.labels(reason).inc()
        # What the fresh start reads must not be newer than what is known here: that would look like another reset.
        await patiently(self._clock, lambda: apart(self._hub.refresh(self.feed)))
        bounds = self.feed.bounds
        floor, head = Position(bounds.epoch, bounds.floor), Position(bounds.epoch, bounds.head)
        await self._write_and_wait([self._frame_reset(Reset(reason, str(floor), str(head)))])
        await self._start_fresh(start)

    async def _start_fresh(self, start: Start) -> None:
        if start.fresh == "now":
            self._go_to(self.feed.head)
            return
        snapshot = await patiently(self._clock, partial(self._snapshots.of, self.key))
        self._go_to(snapshot.inbox.position)
        self._is_starting = False
        # Oldest first, without ids: only the closing counters carry the position that all of it is consistent with.
        await self._write_and_wait(self._frame_snapshot(snapshot))

    def _go_to(self, position: Position) -> None:
        self._epoch = position.epoch
        self._cursor = position.seq
        self._since_floor = position.since_floor

    def resume(self, after: str) -> None:
        """Goes on from another position, as soon as what is being sent has been sent."""
        self._resume_after = after
        self.wake()

    # Following

    def wake(self) -> None:
        if self._is_busy or self._is_over or not self.feed.is_loaded:
            return
        try:
            self._go_on()
        except Exception:
            # The hub wakes others after this one.
            log.exception("a connection failed", action="connection_failed", transport=self.transport)
            self._fail()

    def flash(self, flashes: Sequence[Flashed]) -> None:
        if self._is_over:
            return
        if self._is_busy or self._is_starting:
            # Nothing waits for a device (law 13), and what is kept for nobody cannot be shown later.
            self._metrics.flashes_dropped.labels("busy").inc(len(flashes))
            return
        try:
            frames = self._frame_flashes(flashes)
            if frames:
                self._write(frames)
        except Exception:
            # Others are shown the same after this one.
            log.exception("a connection failed", action="connection_failed", transport=self.transport)
            self._fail()

    def _go_on(self) -> None:
        feed = self.feed
        room = self._room()
        if self._resume_after is not None:
            self._work(self._go_back)
        elif feed.epoch != self._epoch:
            self._work(self._start_over)
        elif self._cursor == feed.tail.head:
            if self._is_starting:
                self._write(self._ending([], feed.state))
        elif room == 0:
            return
        elif self._is_behind():
            self._work(self._catch_up)
        elif self._cursor < feed.tail.head:
            self._show_news(room)

    async def _go_back(self) -> None:
        assert self._resume_after is not None  # noqa: S101 - that is why we are here
        start = Start((self._resume_after,))
        self._resume_after = None
        self._is_starting = True
        await self._find_place(start)

    async def _start_over(self) -> None:
        self._is_starting = True
        await self._reset("epoch", Start())

    def _show_news(self, room: int | None) -> None:
        self._write(self._from_tail(room))

    def _from_tail(self, room: int | None) -> list[Any]:
        feed = self.feed
        events = list(islice(feed.tail.after(self._cursor), room))
        is_all = room is None or len(events) < room or events[-1].seq == feed.tail.head
        end = feed.head if is_all else Position(feed.epoch, events[-1].seq)
        self._cursor = end.seq
        frames = self._frame_events(events, end)
        return self._ending(frames, feed.state) if is_all else frames

    async def _catch_up(self) -> None:
        """Page by page from the database, until the tail reaches back far enough."""
        self._metrics.followers_behind.inc()
        most = _FIRST_PAGE
        try:
            while self._is_behind() and (room := self._room()) != 0:
                limit = most if room is None else min(most, room)
                news = await patiently(self._clock, partial(self._hub.page, self.feed, self._cursor, limit))
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
                # Whatever is read is held until the other side takes it, which may be long.
                most = 1 + len(events) * _PAGE_BYTES // (1 + sum(event.encoded_bytes for event in events))
                self._cursor = end
                await self._write_and_wait(frames if news.more else self._ending(frames, news.inbox))
        finally:
            self._metrics.followers_behind.dec()

    def _is_behind(self) -> bool:
        if self._is_over or self._resume_after is not None:
            return False
        if self._is_starting and self._cursor > self.feed.tail.head:
            # The database has shown more than is known here yet: only its own counters can close the start after that.
            return True
        return self.feed.epoch != self._epoch or not self.feed.tail.covers(self._cursor)

    def _ending(self, frames: list[Any], inbox: InboxState) -> list[Any]:
        frames.append(self._frame_inbox(inbox, closes_start=self._is_starting))
        self._is_starting = False
        return frames

    # Writing

    def _write(self, frames: list[Any]) -> None:
        """Without a task where the socket takes it at once, which is nearly always."""
        self.last_sent = self._clock.monotonic()
        try:
            rest = begun(self._send(frames))
        except OSError:
            self._is_over = True
            return
        if rest is not None:
            self._work(lambda: self._until_taken(rest))

    async def _write_and_wait(self, frames: list[Any]) -> None:
        self.last_sent = self._clock.monotonic()
        await self._until_taken(self._send(frames))

    async def _until_taken(self, sending: Awaitable[None]) -> None:
        self._waiting_sends += 1
        if self.sending_since is None:
            self.sending_since = self._clock.monotonic()
        try:
            await sending
        finally:
            self._waiting_sends -= 1
            # What else waits has waited since the other side last took something.
            self.sending_since = self._clock.monotonic() if self._waiting_sends else None

    def _work(self, work: Callable[[], Awaitable[None]]) -> None:
        """Keeps the connection busy with something that takes its time, unless it ends before that has begun."""
        self._is_busy = True
        self._task = asyncio.ensure_future(self._busy_with(work))

    async def _busy_with(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except (OSError, asyncio.CancelledError):
            self._is_over = True
        except Exception:
            log.exception("a connection failed", action="connection_failed", transport=self.transport)
            self._fail()
        else:
            self._task = None
            self._is_busy = False
            self.wake()

    def _fail(self) -> None:
        """A fault of ours: the client may come back and go on."""
        self.cut()

    async def end(self, reason: ByeReason, retry_ms: int | None = None) -> None:
        """Says why, and ends it."""
        if self._is_over:
            return
        self._is_over = True
        if self._task is not None:
            # Nothing is said after the goodbye.
            self._task.cancel()
        self._metrics.closes.labels(self.transport, reason).inc()
        await self._send(self._frame_bye(reason, retry_ms))
        await self._close(reason)


def _parsed(text: str) -> Position | None:
    try:
        return Position.parse(text)
    except MalformedPositionError:
        return None


def _nothing() -> None:
    pass
