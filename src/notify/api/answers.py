"""What goes out: values as JSON, and the conditional answers that a position makes possible."""

from typing import Any

import msgspec
from litestar.connection import Request
from litestar.types import Receive, Scope, Send

from notify.api.answering import answering
from notify.api.inputs import header
from notify.core.errors import InvalidError, MalformedPositionError, PositionUnknownError
from notify.core.position import Position
from notify.store.rows import InboxState

__all__ = (
    "Answer",
    "check_reached",
    "is_conditional",
    "json_answer",
    "names_position",
    "not_modified",
    "unchanged_since",
)

Headers = list[tuple[bytes, bytes]]

_encode = msgspec.json.Encoder().encode
_JSON: Headers = [(b"content-type", b"application/json")]
_NO_STORE: Headers = [(b"cache-control", b"no-store")]
_FRESHNESS: Headers = [(b"cache-control", b"private, no-cache"), (b"vary", b"Authorization, X-API-Key, Cookie")]


class Answer:
    """An ASGI response that is ready to go. Litestar's own would be asked for cookies, charset and background tasks."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, headers: Headers, body: bytes = b"") -> None:
        self._status = status
        self._headers = headers
        self._body = body

    @property
    def status(self) -> int:
        return self._status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        if answering(scope).at_once(self._status, self._headers, self._body):
            return
        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})


def json_answer(
    value: Any, *, status: int = 200, position: Position | None = None, headers: Headers | None = None
) -> Answer:
    """`position`, where the answer shows an inbox, is its ETag: it tells the whole state."""
    body = _encode(value)
    length = [(b"content-length", b"%d" % len(body))]
    return Answer(status, _JSON + length + _fresh_until(position) + (headers or []), body)


def not_modified(position: Position) -> Answer:
    return Answer(304, _fresh_until(position))


def _fresh_until(position: Position | None) -> Headers:
    return _NO_STORE if position is None else [*_FRESHNESS, (b"etag", f'"{position}"'.encode())]


def is_conditional(request: Request[Any, Any, Any]) -> bool:
    return header(request, b"if-none-match") is not None


def names_position(request: Request[Any, Any, Any]) -> bool:
    return header(request, b"notify-position") is not None


def unchanged_since(request: Request[Any, Any, Any], position: Position) -> bool:
    given = header(request, b"if-none-match") or ""
    if given == f'"{position}"':
        return True
    tags = {tag.strip().removeprefix("W/") for tag in given.split(",")}
    return "*" in tags or f'"{position}"' in tags


def check_reached(request: Request[Any, Any, Any], inbox: InboxState) -> None:
    """Holds the answer to the position that the client has seen elsewhere (`Notify-Position`)."""
    text = header(request, b"notify-position")
    if text is None:
        return
    try:
        wanted = Position.parse(text)
    except MalformedPositionError as error:
        raise InvalidError.at("Notify-Position", error.detail) from error
    if wanted.invalid_in(inbox.bounds) in {"epoch", "ahead"}:
        raise PositionUnknownError
