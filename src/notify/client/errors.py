"""What a call may end in instead of an answer. None of it holds a key, a token or what was sent."""

from typing import ClassVar

from msgspec import Struct

__all__ = (
    "ConflictError",
    "FieldError",
    "ForbiddenError",
    "InvalidError",
    "NotFoundError",
    "NotifyError",
    "Problem",
    "ProblemError",
    "RateLimitedError",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "error_of",
)


class FieldError(Struct, frozen=True):
    """One wrong value: `pointer` is a JSON pointer into the body, or the name of a query parameter or header."""

    pointer: str
    detail: str


class Problem(Struct, frozen=True):
    """What the service said was wrong, and what to do about it. `type` is a page of the service that explains it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: tuple[FieldError, ...] = ()

    def __str__(self) -> str:
        wrong = " ".join(f"{error.pointer}: {error.detail}" for error in self.errors)
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.title}. {wrong or self.detail}{request}"


class NotifyError(Exception):
    """Whatever can go wrong with the service."""


class UnreachableError(NotifyError):
    """No answer came, however often it was tried. What was asked for may have been done all the same."""


class UnexpectedAnswerError(NotifyError):
    """What answered is not the service: perhaps a proxy, or the address is wrong."""


class ProblemError(NotifyError):
    """The service said no. The class tells what kind of no it is, `type` says it exactly."""

    statuses: ClassVar[frozenset[int]] = frozenset()

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem

    @property
    def status(self) -> int:
        return self.problem.status

    @property
    def type(self) -> str:
        return self.problem.type

    @property
    def detail(self) -> str:
        return self.problem.detail

    @property
    def errors(self) -> tuple[FieldError, ...]:
        return self.problem.errors

    @property
    def request_id(self) -> str | None:
        return self.problem.request_id


class InvalidError(ProblemError):
    """Some of what was sent is not allowed; `errors` points at it."""

    statuses = frozenset({400, 413, 415, 422, 431})


class UnauthorizedError(ProblemError):
    """The key or token is not valid."""

    statuses = frozenset({401})


class ForbiddenError(ProblemError):
    """The key or token may not do that."""

    statuses = frozenset({403})


class NotFoundError(ProblemError):
    """There is no such thing, or it belongs to another app."""

    statuses = frozenset({404})


class ConflictError(ProblemError):
    """It is too late for that, or somebody was first: such as cancelling what was sent already."""

    statuses = frozenset({409, 412})


class RateLimitedError(ProblemError):
    """Too much in too short a time."""

    statuses = frozenset({429})


class UnavailableError(ProblemError):
    """The service cannot do it now, and could not as often as it was tried."""

    statuses = frozenset(range(500, 600))


_BY_STATUS = {status: kind for kind in ProblemError.__subclasses__() for status in kind.statuses}


def error_of(problem: Problem) -> ProblemError:
    return _BY_STATUS.get(problem.status, ProblemError)(problem)
