"""What a queue of the Python client promises, against a service that fails in every way, and its bounds."""

import logging
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notify.client import Bounds, Dropped, Message, UnauthorizedError
from notify.client.backlog import Backlog, Drop, Idle, tell
from notify.client.retrying import Answer, Attempt, Outcome, Pause, Request, Unreached
from support.clock import ManualClock

JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json"}
HOUR = timedelta(hours=1)


def problem(status: int, slug: str = "invalid") -> bytes:
    return msgspec.json.encode({"type": f"/problems/{slug}", "title": "No", "status": status, "detail": "Do better."})


class Service:
    """What the real one promises: a batch with a key is done once, and each of its messages answered for itself."""

    def __init__(self, most: int = 1000) -> None:
        self.received: list[str] = []
        self.most = most
        self._answers: dict[str, tuple[bytes, Answer]] = {}

    def take(self, request: Request) -> Answer:
        key, body = request.headers["Idempotency-Key"], request.body or b""
        if key in self._answers:
            before, answer = self._answers[key]
            assert body == before, "a key was used for something else"
            return answer
        asked = msgspec.json.decode(body)["items"]
        if len(asked) > self.most:
            return Answer(422, PROBLEM, problem(422))
        items: list[dict[str, Any]] = []
        for message in asked:
            if message["title"].startswith("wrong"):
                items.append({"status": 422, "problem": msgspec.json.decode(problem(422))})
            else:
                self.received.append(message["title"])
                items.append({"status": 201})
        answer = Answer(200, JSON, msgspec.json.encode({"items": items}))
        self._answers[key] = (body, answer)
        return answer


FATES = st.sampled_from(["taken", "taken", "lost", "answer lost", "503", "answer cut off", "hours"])


class Run:
    """A backlog, worked off by hand."""

    def __init__(self, bounds: Bounds, service: Service) -> None:
        self.clock = ManualClock()
        self.backlog = Backlog(bounds, self.clock)
        self.service = service
        self.steps = self.backlog.steps()
        self.dropped: list[Dropped] = []
        self.outcome: Outcome | None = None
        self.pauses: list[float] = []

    def go(self, fate: str) -> bool:
        """One step; whether there was anything to do."""
        step = self.steps.send(self.outcome)
        self.outcome = None
        if isinstance(step, Attempt):
            self.outcome = self._attempt(step.request, fate)
        elif isinstance(step, Drop):
            self.dropped.append(step.dropped)
        elif isinstance(step, Pause):
            self.pauses.append(step.seconds)
        return not isinstance(step, Idle)

    def _attempt(self, request: Request, fate: str) -> Outcome:
        match fate:
            case "lost":
                return Unreached("it is away")
            case "503":
                return Answer(503, {"retry-after": "7", **PROBLEM}, problem(503, "database-away"))
            case "answer lost":
                self.service.take(request)
                return Unreached("the connection broke")
            case "answer cut off":
                return self.service.take(request)._replace(body=b'{"items":[')
            case "hours":
                self.clock.advance(2 * HOUR)
                return Unreached("it is away for long")
            case _:
                return self.service.take(request)


@settings(deadline=None)
@given(
    work=st.lists(
        st.one_of(st.tuples(st.just("send"), st.text("aé", max_size=40), st.booleans()), FATES), max_size=120
    ),
    messages=st.integers(1, 8),
    size=st.integers(60, 600),
    most=st.integers(1, 5),
)
def test_it_stays_within_its_bounds_and_sends_in_order_once_what_it_does_not_tell_of(
    work: list[Any], messages: int, size: int, most: int
) -> None:
    run = Run(Bounds(messages, size, age_seconds=1.5 * HOUR.total_seconds()), Service(most))
    taken: list[str] = []
    refused: list[str] = []
    for number, each in enumerate(work):
        if isinstance(each, str):
            run.go(each)
        else:
            title = f"{'wrong' if each[2] else 'right'} {number}"
            dropped = run.backlog.add(Message("alice", title, body=each[1]))
            (taken if dropped is None else refused).append(title)
            assert dropped is None or dropped.reason == "full"
        assert len(run.backlog) <= messages
        assert run.backlog.bytes <= size
        assert (run.backlog.bytes == 0) == (len(run.backlog) == 0)
    steps_left = 100 + 20 * len(work)
    while run.go("taken"):
        steps_left -= 1
        assert steps_left, "it does not come to an end"
    assert (len(run.backlog), run.backlog.bytes) == (0, 0)
    told = {
        reason: [each.message.title for each in run.dropped if each.reason == reason]
        for reason in ("refused", "too_old")
    }
    received = run.service.received
    assert received == sorted(set(received), key=taken.index), "in order, and none twice"
    may_have_arrived = set(told["too_old"])
    assert sorted([*received, *told["refused"], *(may_have_arrived - set(received))]) == sorted(taken)
    assert all(title.startswith("wrong") for title in told["refused"])
    assert run.backlog.sent == len(set(received) - may_have_arrived)
    assert run.backlog.dropped == {
        "full": len(refused),
        "refused": len(told["refused"]),
        "too_old": len(told["too_old"]),
        "closed": 0,
    }


def test_what_has_waited_too_long_is_not_sent() -> None:
    run = Run(Bounds(age_seconds=1.5 * HOUR.total_seconds()), Service())
    run.backlog.add(Message("alice", "old"))
    run.clock.advance(2 * HOUR)
    run.backlog.add(Message("alice", "new"))
    while run.go("taken"):
        pass
    assert run.service.received == ["new"]
    assert [(each.message.title, each.reason) for each in run.dropped] == [("old", "too_old")]


def test_a_batch_that_became_too_old_is_given_up_as_a_whole_since_it_may_have_arrived() -> None:
    run = Run(Bounds(age_seconds=1.5 * HOUR.total_seconds()), Service())
    run.backlog.add(Message("alice", "older"))
    run.clock.advance(HOUR)
    run.backlog.add(Message("alice", "younger"))
    run.go("answer lost")
    run.clock.advance(HOUR)
    while run.go("taken"):
        pass
    assert run.service.received == ["older", "younger"], "and not again with another key"
    assert [(each.message.title, each.reason) for each in run.dropped] == [("older", "too_old"), ("younger", "too_old")]


def test_it_waits_as_long_as_it_is_asked_to() -> None:
    run = Run(Bounds(), Service())
    run.backlog.add(Message("alice", "hello"))
    for fate in ("503", "-", "lost", "-", "taken", "-"):
        run.go(fate)
    assert run.pauses[0] == 7
    assert run.pauses[1] <= 0.5
    assert run.service.received == ["hello"]


def test_what_is_said_of_a_key_is_true_of_all_that_it_sends() -> None:
    run = Run(Bounds(), Service())
    for number in range(3):
        run.backlog.add(Message("alice", str(number)))
    run.go("taken")
    run.outcome = Answer(401, PROBLEM, problem(401, "unauthorized"))
    while run.go("taken"):
        pass
    assert [each.message.title for each in run.dropped] == ["0", "1", "2"]
    assert all(isinstance(each.error, UnauthorizedError) for each in run.dropped)


def test_whoever_is_not_told_of_what_is_dropped_finds_it_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        tell(None, Dropped(Message("alice", "a secret"), "full"))
        tell(_fails, Dropped(Message("alice", "a secret"), "closed"))
    assert [record.getMessage() for record in caplog.records] == [
        "A message is not sent: full.",
        "The on_drop of a queue failed.",
    ]
    assert "a secret" not in caplog.text


def _fails(_: Dropped) -> None:
    raise LookupError
