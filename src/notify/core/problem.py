"""Problems as the wire shows them (RFC 9457), over HTTP and in the replies of a WebSocket alike."""

from msgspec import Struct

from notify.core.errors import FieldError, ProblemError

__all__ = ("Problem", "problem_of", "type_of")


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
