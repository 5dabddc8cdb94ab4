"""A call through all its attempts, without doing any of it: steps that a client takes, one with threads and one with
tasks, each in its own way.

Tried again is whatever may be mended by waiting: no answer at all, 408, 425, 429, every 5xx, 409 for a call with the
same key that still runs, and what is plainly from something in front of the service (a 404 that is not a problem of
ours, an answer that cannot be read). Every call may be repeated: those that create carry an Idempotency-Key, the others
do the same when they are done again.
"""

import random
from collections.abc import Callable, Generator, Mapping
from email.utils import parsedate_to_datetime
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from notify.client.errors import NotifyError, Problem, UnexpectedAnswerError, UnreachableError, error_of
from notify.core.clock import Clock

__all__ = (
    "Answer",
    "Attempt",
    "Call",
    "Outcome",
    "Pause",
    "Request",
    "Retries",
    "Unreached",
    "attempts",
    "error_in",
    "full_jitter",
    "hint_in",
    "is_passing",
)

T = TypeVar("T")

_SUCCESS = range(200, 300)
_PASSING = frozenset({408, 425, 429})
_SERVER_ERRORS = range(500, 600)
_NOT_FOUND = 404
_BUSY = "/problems/idempotency-busy"
_LONGEST_HINT_SECONDS = 3600.0


class Retries(Struct, frozen=True):
    """How long to keep trying: whichever bound is reached first."""

    attempts: int = 8
    deadline_seconds: float = 30.0
    """No attempt begins later than this after the first."""

    first_pause_seconds: float = 0.25
    """The pauses are random, up to this and then up to twice as much each time, so that not all return at once."""

    longest_pause_seconds: float = 8.0


class Request(Struct, frozen=True):
    method: str
    path: str
    query: str = ""
    body: bytes | None = None
    headers: Mapping[str, str] = {}


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    """Their names in lower case."""

    body: bytes


class Unreached(NamedTuple):
    """There was no answer, or not all of it."""

    reason: str


class Call(Struct, Generic[T], frozen=True):
    """What is asked of the service, and how its answer is read."""

    request: Request
    read: Callable[[Answer], T]


class Attempt(NamedTuple):
    request: Request


class Pause(NamedTuple):
    seconds: float


Outcome = Answer | Unreached


def attempts(call: Call[T], retries: Retries, clock: Clock) -> Generator[Attempt | Pause, Outcome | None, T]:
    """The steps of a call. Whoever takes them sends back the outcome of each attempt."""
    deadline = clock.monotonic() + retries.deadline_seconds
    for attempt in range(1, retries.attempts + 1):
        outcome = yield Attempt(call.request)
        assert outcome is not None  # noqa: S101 - every attempt has one
        if isinstance(outcome, Answer) and outcome.status in _SUCCESS:
            try:
                return call.read(outcome)
            except msgspec.DecodeError:
                error: NotifyError = _unreadable(outcome)
        else:
            error = error_in(outcome)
            if not is_passing(outcome):
                raise error
        pause = max(
            full_jitter(retries.first_pause_seconds, retries.longest_pause_seconds, attempt), hint_in(outcome, clock)
        )
        if attempt == retries.attempts or clock.monotonic() + pause > deadline:
            raise error
        yield Pause(pause)
    raise ValueError("Retries.attempts has to be 1 or more.")


def full_jitter(first_seconds: float, longest_seconds: float, failures: int) -> float:
    """How long to pause after so many failures in a row."""
    # Beyond 2**30 there is nothing that is not cut off, and a float would overflow some day.
    return random.uniform(0, min(longest_seconds, first_seconds * 2 ** min(failures - 1, 30)))  # noqa: S311 - jitter


def is_passing(outcome: Outcome) -> bool:
    """Whether waiting may mend it."""
    if isinstance(outcome, Unreached):
        return True
    if outcome.status in _PASSING or outcome.status in _SERVER_ERRORS:
        return True
    problem = _problem_in(outcome)
    if problem is None:
        return outcome.status == _NOT_FOUND
    return problem.type == _BUSY


def error_in(outcome: Outcome) -> NotifyError:
    """What to raise for an outcome that is no success."""
    if isinstance(outcome, Unreached):
        return UnreachableError(f"The service cannot be reached: {outcome.reason}.")
    problem = _problem_in(outcome)
    return _unreadable(outcome) if problem is None else error_of(problem)


def hint_in(outcome: Outcome, clock: Clock) -> float:
    """How long `Retry-After` asks to wait, in seconds; 0 where it does not."""
    text = "" if isinstance(outcome, Unreached) else outcome.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(float(text), _LONGEST_HINT_SECONDS)
    try:
        seconds = parsedate_to_datetime(text).timestamp() - clock.now().timestamp()
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_HINT_SECONDS)


def _problem_in(answer: Answer) -> Problem | None:
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return None
    try:
        return msgspec.json.decode(answer.body, type=Problem)
    except msgspec.DecodeError:
        return None


def _unreadable(answer: Answer) -> UnexpectedAnswerError:
    kind = answer.headers.get("content-type", "nothing")
    return UnexpectedAnswerError(
        f"This is no answer of notify: {answer.status} with {kind}. Check the address, and what stands in front."
    )
