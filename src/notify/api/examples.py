"""An example of everything that the live transports carry, for the AsyncAPI document."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from notify.core.errors import AckRefusedError
from notify.core.event import Gone, Reset
from notify.core.notification import Create, Notification
from notify.core.problem import problem_of
from notify.live import messages

__all__ = ("SOCKET_EXAMPLES", "STREAM_EXAMPLES")

_ID = UUID("01990f3c-7d3e-7b1a-9c55-2f6d1c0a8e41")
_SESSION = "01990f3c-5b0d-7c44-8a21-9d3e6f7a8b90"
_ARRIVED_AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_READ_AT = datetime(2026, 3, 1, 12, 5, tzinfo=UTC)

_ARRIVED = Notification(
    id=_ID,
    user_id="alice",
    type="booking.ready",
    level="success",
    title="Your table is ready",
    body="Table 7, by the window. We hold it for 15 minutes.",
    data=msgspec.Raw(b'{"table":7}'),
    url="/bookings/7",
    actions=None,
    actor=None,
    collapse_key="booking-7",
    created_at=_ARRIVED_AT,
    arrived_at=_ARRIVED_AT,
    updated_at=_ARRIVED_AT,
    seen_at=None,
    read_at=None,
    archived_at=None,
)
_READ = msgspec.structs.replace(_ARRIVED, seen_at=_READ_AT, read_at=_READ_AT, updated_at=_READ_AT)
_RESET = Reset("epoch", "3f9a1c7e2b.0", "3f9a1c7e2b.42")

STREAM_EXAMPLES: dict[str, Any] = {
    "notification": _ARRIVED,
    "update": _READ,
    "delete": Gone(_ID),
    "inbox": messages.InboxData(3, 1, 9, "3f9a1c7e2b.42", _SESSION),
    "reset": _RESET,
    "token": messages.TokenData(30, _SESSION),
    "bye": messages.ByeData("shutdown"),
}

SOCKET_EXAMPLES: dict[type, Any] = {
    type(example): example
    for example in (
        messages.WelcomeMessage(_SESSION, "3f9a1c7e2b.42", 3, 1, 9, 20),
        messages.NotificationMessage(id="3f9a1c7e2b.43", notification=_ARRIVED),
        messages.UpdateMessage(id="3f9a1c7e2b.44", notification=_READ),
        messages.DeleteMessage(id="3f9a1c7e2b.45", notification_id=_ID),
        messages.InboxMessage(3, 1, 9, "3f9a1c7e2b.42", id="3f9a1c7e2b.42"),
        messages.TokenMessage(30, _SESSION),
        messages.ResetMessage.of(_RESET),
        messages.ByeMessage("shutdown", retry_ms=2731),
        messages.ReplyMessage("a1", ok=False, problem=problem_of(AckRefusedError())),
        messages.AckMessage(id="3f9a1c7e2b.43", ref="a1"),
        messages.ReadMessage(ids=[_ID], ref="r1"),
        messages.UnreadMessage(ids=[_ID]),
        messages.SeenMessage(ids=[_ID]),
        messages.ArchiveMessage(ids=[_ID]),
        messages.UnarchiveMessage(ids=[_ID]),
        messages.RemoveMessage(ids=[_ID]),
        messages.ReadAllMessage(of="booking.ready", before="3f9a1c7e2b.43"),
        messages.ResumeMessage(after="3f9a1c7e2b.42"),
        messages.AuthMessage(token="eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmVk", ref="t1"),  # noqa: S106 - signed by nobody
        messages.SendMessage(notification=Create(to="bob", title="Your table is ready"), ref="s1"),
        messages.PingMessage(ref="p1"),
    )
}
