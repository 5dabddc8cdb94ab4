"""What a stream of the Python client yields and when it comes back, whatever the service and the network do."""

from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notify.client import (
    Arrived,
    Counted,
    Deleted,
    Event,
    NotFoundError,
    Passing,
    Reset,
    UnauthorizedError,
    UnexpectedAnswerError,
    Updated,
)
from notify.client.following import Emit, Following, Open, Opened, Read, Renew, Rest, Start
from notify.client.retrying import Answer, Attempt, Request, Unreached
from notify.client.sse import Block, Blocks
from support.clock import ManualClock

OPEN = Opened({"content-type": "text/event-stream; charset=utf-8"})
AWAY = Unreached("Connection refused")
ID = "01990f3c-7d3e-7b1a-9c55-2f6d1c0a8e41"
TIME = "2026-03-01T12:00:00Z"


def block(event: str, data: Any, id_: str = "") -> bytes:
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {event}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()


def said(title: str, id_: str = "", event: str = "notification") -> bytes:
    times = dict.fromkeys(("created_at", "arrived_at", "updated_at"), TIME)
    return block(event, {"id": ID, "user_id": "alice", "title": title, **times}, id_)


def counts(id_: str = "", position: str = "e.9") -> bytes:
    return block("inbox", {"unread": 1, "unseen": 1, "total": 1, "position": position, "session": "s"}, id_)


def bye(reason: str, retry_ms: int | None = None) -> bytes:
    return (b"" if retry_ms is None else b"retry: %d\n\n" % retry_ms) + block("bye", {"reason": reason})


def refusal(status: int) -> Answer:
    body = msgspec.json.encode({"type": "/problems/x", "title": "No", "status": status, "detail": "Do better."})
    return Answer(status, {"content-type": "application/problem+json"}, body)


class Run:
    """A stream whose connections are given: how each is answered, and what comes over it until it breaks."""

    def __init__(self, *connections: Any, renews: bool = False, start: Start | None = None) -> None:
        self.events: list[Event] = []
        self.rests: list[Rest] = []
        self.asked: list[Request] = []
        self.refreshed: list[Request] = []
        self.tokens = 0
        self.following = Following(start or Start("alice"), ManualClock(), renews=renews)
        left = list(connections)
        chunks: list[Any] = []
        steps = self.following.steps()
        reply: Any = None
        while True:
            step = steps.send(reply)
            reply = None
            if isinstance(step, Emit):
                self.events.append(step.event)
            elif isinstance(step, Read):
                reply = chunks.pop(0) if chunks else None
            elif isinstance(step, Renew):
                self.tokens += 1
                reply = f"token-{self.tokens}"
            elif isinstance(step, Attempt):
                self.refreshed.append(step.request)
                reply = AWAY
            elif isinstance(step, Rest):
                self.rests.append(step)
            else:
                assert isinstance(step, Open)
                self.asked.append(step.request)
                if not left:
                    return
                reply, chunks = left.pop(0), []
                if callable(reply):
                    reply = reply(step.request)
                if isinstance(reply, list):
                    reply, chunks = OPEN, reply

    @property
    def told(self) -> list[str]:
        return [
            event.notification.title if isinstance(event, (Arrived, Updated, Passing)) else type(event).__name__
            for event in self.events
        ]


def test_a_start_that_breaks_off_is_as_if_it_had_not_been() -> None:
    run = Run([said("one"), said("two")], [said("one"), said("two"), counts("e.9")], [said("three", "e.10")])
    assert run.told == ["one", "two", "Counted", "three"]
    assert [request.headers.get("Last-Event-ID") for request in run.asked] == [None, None, "e.9", "e.10"]


def test_what_is_cut_off_is_shown_by_the_next_connection() -> None:
    whole = said("one", "e.1")
    for cut in range(1, len(whole)):
        run = Run([counts("e.0"), whole[:cut], AWAY], [whole + counts("e.1")])
        assert run.told == ["Counted", "one", "Counted"]


@settings(deadline=None)
@given(
    unread=st.integers(0, 4),
    later=st.integers(0, 6),
    cuts=st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 400)), max_size=8),
)
def test_wherever_connections_break_nothing_is_lost_and_nothing_comes_twice(
    unread: int, later: int, cuts: list[tuple[int, int]]
) -> None:
    """Each connection breaks after so many bytes, which come in pieces of such a size; the last one does not."""

    def serve(request: Request, most: int, piece: int) -> list[bytes]:
        after = request.headers.get("Last-Event-ID")
        seen = 0 if after is None else int(after.removeprefix("e."))
        start = b"".join(said(f"unread {n}") for n in range(unread)) + counts("e.0") if after is None else b""
        rest = b"".join(said(str(n), f"e.{n}") for n in range(seen + 1, later + 1))
        whole = (start + rest + (counts(f"e.{later}") if after is not None or later else b""))[:most]
        return [whole[n : n + piece] for n in range(0, len(whole), piece)]

    run = Run(*(partial(serve, most=most, piece=piece) for most, piece in [*cuts, (10**9, 64)]))
    told = [title for title in run.told if title != "Counted"]
    assert told == [*(f"unread {n}" for n in range(unread)), *(str(n) for n in range(1, later + 1))]


def test_a_reset_is_told_together_with_what_is_there_now() -> None:
    reset = block("reset", {"reason": "epoch", "floor": "f.0", "head": "f.1"})
    run = Run(
        [counts("e.5"), reset, said("new"), AWAY],
        [reset, said("new"), counts("f.1", "f.1")],
        [counts("f.1"), reset, said("later", "g.3"), AWAY],
    )
    assert run.told == ["Counted", "Reset", "new", "Counted", "Counted", "Reset", "later"]
    assert [request.headers.get("Last-Event-ID") for request in run.asked] == [None, "e.5", "f.1", "g.3"]
    assert run.events[1] == Reset("epoch")


def test_each_kind_of_event_has_its_type() -> None:
    run = Run(
        [
            b": keep-alive\n\nretry: 10\n\n",
            said("old") + counts("e.1", "e.1"),
            said("new", "e.2")
            + said("newer", "e.3", "update")
            + block("delete", {"id": ID}, "e.4")
            + counts("", "e.4"),
            said("typing") + block("weather", {"sun": True}) + b"id: e.6\n\n",
        ]
    )
    kinds: list[type] = [Arrived, Counted, Arrived, Updated, Deleted, Counted, Passing]
    assert [type(event) for event in run.events] == kinds
    positions = [getattr(event, "position", "none") for event in run.events]
    assert positions == [None, "e.1", "e.2", "e.3", "e.4", "e.4", "none"]
    assert run.following.position == "e.6", "past what is filtered"


def test_it_asks_for_what_it_is_told_to() -> None:
    run = Run([counts("e.9")], start=Start("a&b", ("x", "y"), "now", "e.7"))
    assert run.asked[0].query == "from=now&types=x&types=y&user_id=a%26b"
    assert run.asked[0].headers["Last-Event-ID"] == "e.7"
    assert "Authorization" not in run.asked[0].headers


def test_it_comes_back_when_it_is_asked_to_and_later_each_time_it_fails() -> None:
    run = Run([b"retry: 2000\n\n", counts("e.1")], AWAY, AWAY, refusal(503), [bye("overload", 7000)], [counts("e.1")])
    seconds = [rest.seconds for rest in run.rests]
    assert seconds[0] == 2
    for failures, (hint, rest) in enumerate(zip((2, 2, 2, 7), seconds[1:5], strict=True)):
        assert hint <= rest <= hint + 2**failures
    assert seconds[5] == 7, "it has begun, so nothing has failed since"
    assert [rest.reason for rest in run.rests][4] == "overload"
    assert "Connection refused" in run.rests[1].reason


def test_a_page_of_a_proxy_is_no_stream() -> None:
    run = Run(Opened({"content-type": "text/html"}), Answer(404, {"content-type": "text/html"}, b""), [counts("e.1")])
    assert run.told == ["Counted"]
    assert run.rests[0].reason == "what answered is no event stream"


@pytest.mark.parametrize("reason", ["auth", "token_expired", "revoked"])
def test_a_stream_that_ends_with_its_token_goes_on_with_a_fresh_one(reason: str) -> None:
    run = Run([counts("e.1"), bye(reason, 60_000)], [counts("e.1")], renews=True)
    assert run.tokens == 2
    assert [request.headers["Authorization"] for request in run.asked[:2]] == ["Bearer token-1", "Bearer token-2"]
    assert run.rests[0].seconds <= 1
    in_vain = Run([bye(reason, 60_000)], [bye(reason, 60_000)], [counts("e.1")], renews=True)
    assert in_vain.tokens == 3
    assert in_vain.rests[0].seconds <= 1
    assert in_vain.rests[1].seconds >= 60, "the fresh one was no better"
    with_a_key = Run([counts("e.1"), bye(reason, 60_000)])
    assert with_a_key.rests[0].seconds == 60


def test_a_token_that_runs_out_is_renewed_and_the_stream_extended() -> None:
    warning = block("token", {"expires_in": 30, "session": "s1"})
    run = Run([counts("e.1"), warning, said("on", "e.2")], [counts("e.2")], renews=True)
    assert run.told[:2] == ["Counted", "on"]
    (refresh,) = run.refreshed
    assert (refresh.path, refresh.body) == ("/v1/stream/refresh", b'{"session":"s1"}')
    assert refresh.headers["Authorization"] == run.asked[1].headers["Authorization"] == "Bearer token-2"
    assert Run([counts("e.1"), warning]).refreshed == [], "a key does not run out"


def test_what_will_not_do_is_raised() -> None:
    with pytest.raises(NotFoundError):
        Run(refusal(404))
    with pytest.raises(UnauthorizedError):
        Run(refusal(401))
    with pytest.raises(UnauthorizedError):
        Run(refusal(401), refusal(401), renews=True)
    assert Run(refusal(401), [counts("e.1")], refusal(401), renews=True).tokens == 3
    with pytest.raises(UnexpectedAnswerError):
        Run([b"event: inbox\ndata: {\n\n"])
    with pytest.raises(UnexpectedAnswerError):
        Run([b"data: " + b"x" * 1_000_000] * 20)


# Blocks


@settings(deadline=None)
@given(
    pieces=st.lists(st.integers(1, 40)),
    end=st.sampled_from(["\n", "\r\n"]),
    texts=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), max_size=5),
)
def test_bytes_in_any_pieces_are_the_same_blocks(pieces: list[int], end: str, texts: list[str]) -> None:
    whole = "".join(
        f": hello{end}{end}id: {n}{end}event:{n}{end}data: {text}{end}data: {text}{end}retry: {n}0{end}{end}"
        for n, text in enumerate(texts)
    ).encode()
    blocks = Blocks()
    found: list[Block] = []
    start = 0
    for size in [*pieces, len(whole)]:
        found += blocks.feed(whole[start : start + size])
        start += size
    assert [each for each in found if each.data] == [
        Block(str(n), str(n), f"{text}\n{text}", n * 10) for n, text in enumerate(texts)
    ]


def test_what_is_no_utf8_ends_nothing() -> None:
    (found,) = Blocks().feed(b"data: \xff\nretry: soon\nnonsense\n\n")
    assert found == Block(data="\ufffd")
