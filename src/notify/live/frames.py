"""How events look on the wire: Server-Sent Events, and the messages of the WebSocket."""

from typing import Literal
from uuid import UUID

import msgspec

from notify.core.event import Gone
from notify.core.notification import Notification
from notify.live import messages

__all__ = ("KEEP_ALIVE", "id_only", "plain", "retry", "socket_message", "sse_event", "with_id")

KEEP_ALIVE = b": keep-alive\n\n"

_encode = msgspec.json.Encoder().encode


def sse_event(
    kind: Literal["notification", "update", "delete"], position: str, id_: UUID, notification: Notification | None
) -> bytes:
    # JSON escapes every line break, so one data line holds any text.
    return with_id(kind, position, Gone(id_) if notification is None else notification)


def with_id(event: str, position: str, data: object) -> bytes:
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (position.encode(), event.encode(), _encode(data))


def plain(event: str, data: object) -> bytes:
    """An event that moves no cursor."""
    return b"event: %b\ndata: %b\n\n" % (event.encode(), _encode(data))


def id_only(position: str) -> bytes:
    """Moves the cursor past what was filtered; a browser dispatches nothing for it."""
    return b"id: %b\n\n" % position.encode()


def retry(milliseconds: int) -> bytes:
    return b"retry: %d\n\n" % milliseconds


def socket_message(
    kind: Literal["notification", "update", "delete"], position: str, id_: UUID, notification: Notification | None
) -> messages.ServerMessage:
    if notification is None:
        return messages.DeleteMessage(id=position, notification_id=id_)
    if kind == "notification":
        return messages.NotificationMessage(id=position, notification=notification)
    return messages.UpdateMessage(id=position, notification=notification)
