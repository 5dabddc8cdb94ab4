"""Every code that a client may see at the end of its WebSocket, and what it should do then. There are no others."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from notify.live.messages import ByeReason

__all__ = ("BY_REASON", "CLOSINGS", "FORBIDDEN", "Closing", "documentation")


class Closing(Struct, frozen=True):
    code: int
    name: str
    when: str
    then: Literal["resume", "wait", "authenticate", "stop"]
    """What the client should do, in a word: the key of `_ADVICE`."""


_ADVICE: Mapping[str, str] = {
    "resume": "Connect again after a short, growing, jittered pause, and go on from the last position.",
    "wait": "Connect again after `retry_ms` of the `bye` before it, and go on from the last position.",
    "authenticate": "Get a fresh token, connect again with it, and go on from the last position.",
    "stop": "Do not connect again by yourself: it would end the same way.",
}

_LOST = Closing(
    1006,
    "lost",
    "No close message came: the network broke, or the client left what it was sent untaken for too long.",
    "resume",
)
_PROTOCOL = Closing(1002, "protocol_error", "The client sent what is not WebSocket.", "stop")
_TEXT = Closing(1007, "invalid_text", "A text message was not UTF-8.", "stop")
_TOO_LARGE = Closing(1009, "too_large", "A message was larger than NOTIFY_SOCKET_MESSAGE_BYTES.", "stop")
_ERROR = Closing(1011, "error", "A fault in the service, or the client left a ping unanswered for too long.", "resume")
_SHUTDOWN = Closing(1012, "shutdown", "This process is being stopped.", "wait")
_OVERLOAD = Closing(1013, "overload", "The service has too much to do, or its database is away.", "wait")
_ABUSE = Closing(4400, "abuse", "Too many messages in a row that make no sense (NOTIFY_SOCKET_MOST_MALFORMED).", "stop")
_UNAUTHORIZED = Closing(4401, "unauthorized", "The credential is not valid, or has run out.", "authenticate")
FORBIDDEN: Final = Closing(4403, "forbidden", "The credential may not open this, or not from this page.", "stop")
_REVOKED = Closing(4410, "revoked", "The application ended this session.", "authenticate")

CLOSINGS: Final = (
    _LOST,
    _PROTOCOL,
    _TEXT,
    _TOO_LARGE,
    _ERROR,
    _SHUTDOWN,
    _OVERLOAD,
    _ABUSE,
    _UNAUTHORIZED,
    FORBIDDEN,
    _REVOKED,
)

BY_REASON: Final[Mapping[ByeReason, Closing]] = {
    "auth": _UNAUTHORIZED,
    "token_expired": _UNAUTHORIZED,
    "shutdown": _SHUTDOWN,
    "overload": _OVERLOAD,
    "revoked": _REVOKED,
    "abuse": _ABUSE,
    "error": _ERROR,
}


def documentation() -> str:
    """The table, in Markdown."""
    rows = [f"| {one.code} | `{one.name}` | {one.when} | {_ADVICE[one.then]} |" for one in CLOSINGS]
    return "\n".join(["| code | name | when | what the client should do |", "| --- | --- | --- | --- |", *rows])
