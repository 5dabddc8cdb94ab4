"""When the Python client asks again, for how long, and what it says in the end."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest

from notify.client import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    Message,
    NotFoundError,
    NotifyError,
    ProblemError,
    RateLimitedError,
    Retries,
    Sent,
    UnauthorizedError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
)
from notify.client.calls import send
from notify.client.retrying import Answer, Attempt, Outcome, Unreached, attempts, full_jitter, hint_in
from support.clock import ManualClock

PROBLEM = {"content-type": "application/problem+json"}
SENT = Answer(201, {"content-type": "application/json"}, b'{"id":"01990f3c-7d3e-7b1a-9c55-2f6d1c0a8e41"}')
AWAY = Unreached("Connection refused")
LONG = Retries(attempts=1000, deadline_seconds=30)


def refusal(status: int, slug: str = "any", **headers: str) -> Answer:
    body = {"type": f"/problems/{slug}", "title": "No", "status": status, "detail": "Do better.", "new": "field"}
    return Answer(status, {**PROBLEM, **headers}, msgspec.json.encode(body))


def page(status: int, text: str = "<h1>Oops") -> Answer:
    return Answer(status, {"content-type": "text/html"}, text.encode())


class Run:
    """A call, its attempts answered in turn; the last answer is that of all after it."""

    def __init__(self, *outcomes: Outcome, retries: Retries | None = None) -> None:
        self.clock = ManualClock()
        self.pauses: list[float] = []
        self.keys: list[str] = []
        left = list(outcomes)
        steps = attempts(send(Message("alice", "hello")), retries or Retries(), self.clock)
        reply: Outcome | None = None
        self.result: Sent | NotifyError
        try:
            while True:
                step = steps.send(reply)
                reply = None
                if isinstance(step, Attempt):
                    self.keys.append(step.request.headers["Idempotency-Key"])
                    reply = left.pop(0) if len(left) > 1 else left[0]
                else:
                    self.pauses.append(step.seconds)
                    self.clock.advance(timedelta(seconds=step.seconds))
        except StopIteration as done:
            self.result = done.value
        except NotifyError as error:
            self.result = error


@pytest.mark.parametrize(
    "outcome",
    [
        AWAY,
        *(refusal(status) for status in (408, 425, 429, 500, 502, 503, 504)),
        refusal(409, "idempotency-busy"),
        *(page(status) for status in (404, 502, 200)),
    ],
)
def test_what_waiting_may_mend_is_asked_again_with_the_same_key(outcome: Outcome) -> None:
    run = Run(outcome, outcome, SENT)
    assert isinstance(run.result, Sent)
    assert len(run.keys) == 3
    assert len(set(run.keys)) == 1
    assert len(run.pauses) == 2
    assert Run(SENT).keys != run.keys


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (refusal(400), InvalidError),
        (refusal(401), UnauthorizedError),
        (refusal(403), ForbiddenError),
        (refusal(404), NotFoundError),
        (refusal(409, "already-sent"), ConflictError),
        (refusal(413), InvalidError),
        (refusal(422), InvalidError),
        (refusal(451), ProblemError),
        (page(403), UnexpectedAnswerError),
        (page(302), UnexpectedAnswerError),
        (Answer(422, PROBLEM, b"{"), UnexpectedAnswerError),
    ],
)
def test_what_waiting_does_not_mend_is_said_at_once(outcome: Outcome, kind: type[NotifyError]) -> None:
    run = Run(outcome)
    assert type(run.result) is kind
    assert len(run.keys) == 1


@pytest.mark.parametrize(
    ("outcome", "kind"), [(AWAY, UnreachableError), (refusal(503), UnavailableError), (refusal(429), RateLimitedError)]
)
def test_after_so_many_attempts_the_last_is_said(outcome: Outcome, kind: type[NotifyError]) -> None:
    run = Run(outcome)
    assert type(run.result) is kind
    assert len(run.keys) == Retries().attempts
    assert len(Run(outcome, retries=Retries(attempts=1)).keys) == 1


def test_there_is_a_deadline_for_all_of_them() -> None:
    run = Run(AWAY, retries=LONG)
    assert isinstance(run.result, UnreachableError)
    assert sum(run.pauses) <= 30
    assert sum(run.pauses) > 30 - LONG.longest_pause_seconds


def test_a_pause_is_as_long_as_the_service_asks() -> None:
    run = Run(refusal(503, **{"retry-after": "9"}), SENT)
    assert run.pauses == [9]
    too_long = Run(refusal(429, **{"retry-after": "60"}))
    assert isinstance(too_long.result, RateLimitedError)
    assert too_long.pauses == []


def test_a_hint_may_be_a_number_or_a_date() -> None:
    clock = ManualClock()
    later = format_datetime(clock.now() + timedelta(seconds=10), usegmt=True)

    def hint(text: str) -> float:
        return hint_in(Answer(503, {"retry-after": text}, b""), clock)

    assert hint("3") == 3
    assert 8.9 < hint(later) <= 10
    assert hint("99999999") == 3600
    assert [hint(text) for text in ("", "soon", "-3", "1.5", "²", "Wed, 21 Oct 2015 07:28:00 GMT")] == [0] * 6
    assert hint_in(AWAY, clock) == 0


def test_pauses_are_random_up_to_twice_as_much_each_time() -> None:
    for failures, most in ((1, 0.25), (2, 0.5), (3, 1.0), (6, 8.0), (10**6, 8.0)):
        pauses = [full_jitter(0.25, 8, failures) for _ in range(200)]
        assert 0 <= min(pauses) < most * 0.2
        assert most * 0.8 < max(pauses) <= most


def test_a_policy_without_attempts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1 or more"):
        Run(SENT, retries=Retries(attempts=0))


def test_a_problem_says_what_is_wrong_in_one_line() -> None:
    errors: list[Any] = [{"pointer": "/title", "detail": "This is required."}]
    body = {"type": "/problems/invalid", "title": "Some values are not allowed", "status": 422, "detail": "Mend."}
    run = Run(Answer(422, PROBLEM, msgspec.json.encode({**body, "errors": errors, "request_id": "5f1c"})))
    assert str(run.result) == "Some values are not allowed. /title: This is required. (request 5f1c)"
    assert str(Run(refusal(403)).result) == "No. Do better."
