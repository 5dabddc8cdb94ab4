"""The newest events of one followed inbox, in memory, each encoded once per format (law 12)."""

from collections.abc import Iterator
from typing import Literal
from uuid import UUID

from notify.core.notification import Notification
from notify.core.position import Position
from notify.live import frames
from notify.live.encoding import Encoded
from notify.live.messages import ServerMessage

__all__ = ("LiveEvent", "Tail")

_OBJECT_BYTES = 700
"""What an event costs besides its text: the objects that hold it."""


class LiveEvent(Encoded):
    """One change as it goes out."""

    __slots__ = ("id", "kind", "notification", "position", "seq")

    def __init__(
        self,
        kind: Literal["notification", "update", "delete"],
        position: Position,
        id_: UUID,
        notification: Notification | None,
    ) -> None:
        super().__init__()
        self.kind: Literal["notification", "update", "delete"] = kind
        self.seq = position.seq
        self.position = str(position)
        self.id = id_
        self.notification = notification

    @property
    def type(self) -> str | None:
        return None if self.notification is None else self.notification.type

    def _block(self) -> bytes:
        return frames.sse_event(self.kind, self.position, self.id, self.notification)

    def _message(self) -> ServerMessage:
        return frames.socket_message(self.kind, self.position, self.id, self.notification)

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
