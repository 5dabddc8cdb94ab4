"""The newest events of one followed inbox, in memory, each encoded once per format (law 12)."""

from collections.abc import Iterator
from typing import Literal
from uuid import UUID

import msgspec

from notify.core.notification import Notification
from notify.core.position import Position
from notify.live import frames

__all__ = ("LiveEvent", "Tail")

_OBJECT_BYTES = 700
"""What an event costs besides its text: the objects that hold it."""


class LiveEvent:
    """One change as it goes out. Every connection that gets it shares the same bytes."""

    __slots__ = ("_json", "_msgpack", "_sse", "id", "kind", "notification", "position", "seq")

    def __init__(
        self,
        kind: Literal["notification", "update", "delete"],
        position: Position,
        id_: UUID,
        notification: Notification | None,
    ) -> None:
        self.kind: Literal["notification", "update", "delete"] = kind
        self.seq = position.seq
        self.position = str(position)
        self.id = id_
        self.notification = notification
        self._sse: bytes | None = None
        self._json: str | None = None
        self._msgpack: bytes | None = None

    @property
    def type(self) -> str | None:
        return None if self.notification is None else self.notification.type

    @property
    def sse(self) -> bytes:
        if self._sse is None:
            self._sse = frames.sse_event(self.kind, self.position, self.id, self.notification)
        return self._sse

    @property
    def json(self) -> str:
        if self._json is None:
            message = frames.socket_message(self.kind, self.position, self.id, self.notification)
            self._json = msgspec.json.encode(message).decode()
        return self._json

    @property
    def msgpack(self) -> bytes:
        if self._msgpack is None:
            # By way of JSON, so that it says the same: `data` is kept as JSON, and times are text.
            self._msgpack = msgspec.msgpack.encode(msgspec.json.decode(self.json))
        return self._msgpack

    @property
    def encoded_bytes(self) -> int:
        """What it takes so far in the formats that somebody wanted."""
        return sum(len(encoded) for encoded in (self._sse, self._json, self._msgpack) if encoded is not None)

    @property
    def bytes(self) -> int:
        # The text is about as long in every format, and most events are sent in one.
        return _OBJECT_BYTES + 2 * len(self.sse)


class Tail:
    """Everything that changed past `start`, up to `head`. A cursor at or past `start` needs no database."""

    __slots__ = ("_events", "bytes", "head", "start")

    def __init__(self, head: int) -> None:
        self._events: list[LiveEvent] = []
        self.start = head
        self.head = head
        self.bytes = 0

    def append(self, event: LiveEvent) -> None:
        self._events.append(event)
        self.head = event.seq
        self.bytes += event.bytes

    def reach(self, head: int) -> None:
        """What lies between the newest event and this head has been overtaken by later changes: nothing to send."""
        self.head = head

    def forget_until(self, most_bytes: int) -> None:
        gone = 0
        while gone < len(self._events) and self.bytes > most_bytes:
            self.bytes -= self._events[gone].bytes
            self.start = self._events[gone].seq
            gone += 1
        del self._events[:gone]

    def restart(self, head: int) -> None:
        self._events.clear()
        self.start = self.head = head
        self.bytes = 0

    def covers(self, seq: int) -> bool:
        return seq >= self.start

    def after(self, seq: int) -> Iterator[LiveEvent]:
        """The events past a position, oldest first, of each notification only the newest: what was true before is
        nobody's business any more, here as in the database. Most who ask lack one event, so it looks from the end.
        """
        missing: list[LiveEvent] = []
        for event in reversed(self._events):
            if event.seq <= seq:
                break
            missing.append(event)
        if len(missing) > 1:
            newest: dict[UUID, LiveEvent] = {}
            for event in missing:
                newest.setdefault(event.id, event)
            missing = list(newest.values())
        return reversed(missing)
