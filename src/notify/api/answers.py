"""What goes out: values as JSON, and the conditional answers that a position makes possible."""

from typing import Any

import msgspec
from litestar import Response
from litestar.connection import Request

from notify.core.errors import InvalidError, MalformedPositionError, PositionUnknownError
from notify.core.position import Position
from notify.store.rows import InboxState

__all__ = ("check_reached", "is_conditional", "json_answer", "not_modified", "unchanged_since")

_encode = msgspec.json.Encoder().encode
_FRESHNESS = {"Cache-Control": "private, no-cache", "Vary": "Authorization, X-API-Key, Cookie"}


def json_answer(
    value: Any, *, status: int = 200, position: Position | None = None, headers: dict[str, str] | None = None
) -> Response[bytes]:
    """`position`, where the answer shows an inbox, is its ETag: it tells the whole state."""
    every = {"Cache-Control": "no-store"} if position is None else {**_FRESHNESS, "ETag": f'"{position}"'}
    return Response(_encode(value), status_code=status, media_type="application/json", headers=every | (headers or {}))


def not_modified(position: Position) -> Response[None]:
    return Response(None, status_code=304, headers={**_FRESHNESS, "ETag": f'"{position}"'})


def is_conditional(request: Request[Any, Any, Any]) -> bool:
    return "if-none-match" in request.headers


def unchanged_since(request: Request[Any, Any, Any], position: Position) -> bool:
    tags = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    return "*" in tags or f'"{position}"' in tags


def check_reached(request: Request[Any, Any, Any], inbox: InboxState) -> None:
    """Holds the answer to the position that the client has seen elsewhere (`Notify-Position`)."""
    text = request.headers.get("notify-position")
    if text is None:
        return
    try:
        wanted = Position.parse(text)
    except MalformedPositionError as error:
        raise InvalidError.at("Notify-Position", error.detail) from error
    if wanted.invalid_in(inbox.bounds) in {"epoch", "ahead"}:
        raise PositionUnknownError
