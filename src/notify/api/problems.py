"""Problems on the wire (RFC 9457), for everything that can go wrong."""

from typing import Any

import msgspec
import structlog
from litestar import Response
from litestar.connection import Request
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap
from msgspec import Struct

from notify.core.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    FieldError,
    ForbiddenError,
    InternalError,
    MalformedRequestError,
    MethodNotAllowedError,
    NotFoundError,
    ProblemError,
    UnauthorizedError,
)

__all__ = ("PROBLEM_MEDIA_TYPE", "Problem", "exception_handlers", "problem_of", "type_of")

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


class Problem(Struct, frozen=True, omit_defaults=True):
    """What went wrong and what to do about it. `type` is a page that explains it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: tuple[FieldError, ...] = ()


def type_of(error: type[ProblemError]) -> str:
    return f"/problems/{error.slug}"


def problem_of(error: ProblemError, request_id: str | None = None) -> Problem:
    return Problem(type_of(type(error)), error.title, error.status, error.detail, request_id, error.errors)


def exception_handlers() -> ExceptionHandlersMap:
    return {ProblemError: _known, HTTPException: _from_litestar, Exception: _unforeseen}


def _known(request: Request[Any, Any, Any], error: ProblemError) -> Response[bytes]:
    return _response(request, error, {})


def _from_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    # Litestar's own detail may quote the URL with its query, so it is not passed on.
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        return _unforeseen(request, error)
    return _response(request, kind(), {"Allow": _allow(error)} if kind is MethodNotAllowedError else {})


def _allow(error: HTTPException) -> str:
    known = (error.headers or {}).get("allow", "").split(", ")
    # Litestar adds an OPTIONS of its own, which is closed.
    return ", ".join(sorted(set(known) - {"OPTIONS"}))


def _unforeseen(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("a request failed in an unforeseen way", action="request_failed", exc_info=error)
    return _response(request, InternalError(), {})


def _response(request: Request[Any, Any, Any], error: ProblemError, headers: dict[str, str]) -> Response[bytes]:
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.status == BodyTooSlowError.status:
        # What is still to come of the body is not waited for.
        headers["Connection"] = "close"
    if error.status == UnauthorizedError.status:
        headers["WWW-Authenticate"] = 'Bearer realm="notify"'
    request_id = request.scope["state"].get("request_id")
    return Response(
        msgspec.json.encode(problem_of(error, request_id)),
        status_code=error.status,
        media_type=PROBLEM_MEDIA_TYPE,
        headers=headers,
    )
