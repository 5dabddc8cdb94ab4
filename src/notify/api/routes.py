"""What a route says of itself, once: who may call it, what it takes and gives. OpenAPI shows it."""

from typing import Any

from msgspec import Struct

from notify.api.access import Access
from notify.core.errors import (
    BodyTooLargeError,
    BodyTooSlowError,
    DatabaseAwayError,
    ForbiddenError,
    InternalError,
    InvalidError,
    MalformedBodyError,
    ProblemError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
)

__all__ = ("Route", "route")

_BODY_PROBLEMS = (
    MalformedBodyError,
    BodyTooSlowError,
    BodyTooLargeError,
    UnsupportedMediaTypeError,
)


class Route(Struct, frozen=True):
    access: Access
    status: int
    answer: Any
    body: Any
    body_optional: bool
    query: Any
    request_headers: tuple[str, ...]
    examples: dict[str, Any]
    problems: tuple[type[ProblemError], ...]
    media_type: str
    statuses_too: tuple[int, ...]
    """Other statuses with the same answer."""

    audited: bool
    """Whether each call is an administrative act that the audit log tells of."""


def route(
    access: Access,
    *,
    status: int = 200,
    answer: Any = None,
    body: Any = None,
    body_optional: bool = False,
    query: Any = None,
    request_headers: tuple[str, ...] = (),
    examples: dict[str, Any] | None = None,
    problems: tuple[type[ProblemError], ...] = (),
    media_type: str = "application/json",
    touches_database: bool = True,
    statuses_too: tuple[int, ...] = (),
    audited: bool = False,
) -> dict[str, Any]:
    """The `opt` of a handler."""
    # Every route refuses a parameter that it does not know.
    usual: list[type[ProblemError]] = [InternalError, InvalidError]
    if access is not Access.PUBLIC:
        usual += [UnauthorizedError, ForbiddenError, TooManyRequestsError]
    if touches_database:
        usual.append(DatabaseAwayError)
    if body is not None:
        usual += _BODY_PROBLEMS
    every = tuple(dict.fromkeys([*usual, *problems]))
    described = Route(
        access,
        status,
        answer,
        body,
        body_optional,
        query,
        request_headers,
        examples or {},
        every,
        media_type,
        statuses_too,
        audited,
    )
    return {"access": access, "route": described}
