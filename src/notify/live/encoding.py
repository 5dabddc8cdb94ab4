"""What many connections get, encoded once for all of them in each format that somebody wants (law 12)."""

from abc import ABC, abstractmethod

import msgspec

from notify.core.notification import Notification
from notify.live import frames
from notify.live.messages import NotificationMessage, ServerMessage

__all__ = ("Encoded", "Flashed")


class Encoded(ABC):
    __slots__ = ("_json", "_msgpack", "_sse")

    def __init__(self) -> None:
        self._sse: bytes | None = None
        self._json: str | None = None
        self._msgpack: bytes | None = None

    @abstractmethod
    def _block(self) -> bytes:
        """As a stream shows it."""

    @abstractmethod
    def _message(self) -> ServerMessage:
        """As a WebSocket shows it."""

    @property
    def sse(self) -> bytes:
        if self._sse is None:
            self._sse = self._block()
        return self._sse

    @property
    def json(self) -> str:
        if self._json is None:
            self._json = msgspec.json.encode(self._message()).decode()
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


class Flashed(Encoded):
    """What is kept for nobody, as it is for one user: it takes no position, and so has no id that a cursor could be."""

    __slots__ = ("notification",)

    def __init__(self, notification: Notification) -> None:
        super().__init__()
        self.notification = notification

    @property
    def type(self) -> str | None:
        return self.notification.type

    def _block(self) -> bytes:
        return frames.plain("notification", self.notification)

    def _message(self) -> ServerMessage:
        return NotificationMessage(self.notification)
