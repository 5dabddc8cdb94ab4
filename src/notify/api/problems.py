"""Problems on the wire (RFC 9457), for everything that can go wrong."""

from typing import Any, Literal

import msgspec
import structlog
from litestar import Response
from litestar.connection import Request
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap, Send

from notify.core.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    ForbiddenError,
    InternalError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    ProblemError,
    UnauthorizedError,
    UpgradeRequiredError,
)
from notify.core.problem import problem_of

__all__ = ("PROBLEM_MEDIA_TYPE", "as_problem", "exception_handlers", "raw_problem", "refuse")

PROBLEM_MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger(__name__)

_BY_STATUS: dict[int, type[ProblemError]] = {
    400: MalformedRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    413: BodyTooLargeError,
}


def exception_handlers() -> ExceptionHandlersMap:
    return dict.fromkeys((ProblemError, HTTPException, Exception), _answer)


def as_problem(error: Exception) -> ProblemError:
    """What the caller is told of an error, whoever raised it. What nobody foresaw is logged."""
    if isinstance(error, ProblemError):
        return error
    # Litestar's own detail may quote the URL with its query, so it is not passed on.
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        kind = _BY_STATUS[error.status_code]
        # A path that takes no method at all is only the beginning of others.
        return NotFoundError() if kind is MethodNotAllowedError and not _allow(error) else kind()
    log.error("a request failed in an unforeseen way", action="request_failed", exc_info=error)
    return InternalError()


async def refuse(kind: Literal["http", "websocket"], send: Send, error: ProblemError, request_id: str | None) -> None:
    """Answers what no handler answers. A WebSocket that was not accepted gets a real status and a problem as well."""
    headers, body = raw_problem(error, request_id)
    prefix = "http" if kind == "http" else "websocket.http"
    start: Any = {"type": f"{prefix}.response.start", "status": error.status, "headers": headers}
    rest: Any = {"type": f"{prefix}.response.body", "body": body, "more_body": False}
    await send(start)
    await send(rest)


def raw_problem(error: ProblemError, request_id: str | None) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Headers and body."""
    body, headers = _body_and_headers(error, request_id)
    headers["Content-Type"] = PROBLEM_MEDIA_TYPE
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()], body


def _body_and_headers(error: ProblemError, request_id: str | None) -> tuple[bytes, dict[str, str]]:
    headers = {"Cache-Control": "no-store"}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == BodyTooSlowError.status:
        # What is still to come of the body is not waited for.
        headers["Connection"] = "close"
    if error.status == UnauthorizedError.status:
        headers["WWW-Authenticate"] = 'Bearer realm="notify"'
    if error.status == UpgradeRequiredError.status:
        headers["Upgrade"] = "websocket"
    return msgspec.json.encode(problem_of(error, request_id)), headers


def _answer(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    problem = as_problem(error)
    body, headers = _body_and_headers(problem, request.scope["state"].get("request_id"))
    if isinstance(error, HTTPException) and isinstance(problem, MethodNotAllowedError):
        headers["Allow"] = _allow(error)
    return Response(body, status_code=problem.status, media_type=PROBLEM_MEDIA_TYPE, headers=headers)


def _allow(error: HTTPException) -> str:
    known = (error.headers or {}).get("allow", "").split(", ")
    # Litestar adds an OPTIONS of its own, which is closed, and a WebSocket is no method.
    return ", ".join(sorted(set(known) - {"OPTIONS", "websocket"}))
