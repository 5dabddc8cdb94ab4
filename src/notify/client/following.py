"""Following an inbox through every connection that it takes, without doing any of it: steps that a client takes.

An event is yielded when all of it has arrived, and the position moves with it. What shows a fresh start has no
positions of its own, so it is held until its last event, which has one: a connection that breaks in between leaves
nothing behind that the next one would show again.
"""

import random
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec
from msgspec import Struct

from notify.client.answers import Notification
from notify.client.errors import UnauthorizedError, UnexpectedAnswerError
from notify.client.events import Arrived, Counted, Deleted, Event, Passing, Reset, Updated
from notify.client.retrying import (
    Answer,
    Attempt,
    Outcome,
    Request,
    Unreached,
    error_in,
    full_jitter,
    hint_in,
    is_passing,
)
from notify.client.sse import Block, Blocks
from notify.core.clock import Clock

__all__ = ("Emit", "Following", "Open", "Opened", "Read", "Renew", "Rest", "Start", "Step", "Steps", "bearer")

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 30.0
_OF_TOKENS = frozenset({"auth", "token_expired", "revoked"})
"""Why a stream ends that a fresh token lets go on."""

_MEDIA_TYPE = "text/event-stream"


class Start(Struct, frozen=True):
    """Whose inbox, which of it, and where to begin."""

    user_id: str | None = None
    types: tuple[str, ...] = ()
    first: Literal["unread", "now"] = "unread"
    after: str | None = None


class Open(NamedTuple):
    """Ask for a stream. The outcome is `Opened`, or an answer that is none."""

    request: Request


class Read(NamedTuple):
    """Give whatever comes next of it, or say that it is over."""


class Emit(NamedTuple):
    event: Event


class Rest(NamedTuple):
    """Close what is open, and wait."""

    seconds: float
    reason: str


class Renew(NamedTuple):
    """Get a fresh token."""


class Opened(NamedTuple):
    headers: Mapping[str, str]


Step = Open | Read | Emit | Rest | Renew | Attempt
Reply = Opened | bytes | str | Outcome | None
Steps = Generator[Step, Reply, None]


class Following:
    def __init__(self, start: Start, clock: Clock, *, renews: bool) -> None:
        """`renews`: with tokens that are asked for, in place of the client's own key."""
        self.position = start.after
        self._start = start
        self._clock = clock
        self._renews = renews
        self._token: str | None = None
        self._hint_seconds = 0.0
        self._failures = 0
        """Connections in a row that did not get as far as the end of their start."""

        self._is_starting = True
        """Until the counters come that close the start."""

        self._is_renewed = False
        """Whether a fresh token was asked for because of what the service said to the one before."""

        self._reason = ""
        """What the service said before it ended the stream."""

        self._held: list[Event] = []

    def steps(self) -> Steps:
        while True:
            if self._renews and self._token is None:
                token = yield Renew()
                assert isinstance(token, str)  # noqa: S101 - that is what was asked for
                self._token = token
            self._failures += 1
            self._reason = "the connection broke"
            self._is_starting = True
            self._held = []
            opened = yield Open(self._request())
            if isinstance(opened, Opened) and opened.headers.get("content-type", "").startswith(_MEDIA_TYPE):
                yield from self._read()
            else:
                self._take_refusal(opened)
            yield self._rest()

    def _request(self) -> Request:
        start = self._start
        parameters: dict[str, Any] = {"from": start.first, "types": start.types}
        if start.user_id is not None:
            parameters["user_id"] = start.user_id
        headers = {"Accept": _MEDIA_TYPE, **({} if self._token is None else bearer(self._token))}
        if self.position is not None:
            headers["Last-Event-ID"] = self.position
        query = urlencode(parameters, doseq=True, quote_via=quote, safe="")
        return Request("GET", "/v1/stream", query, headers=headers)

    def _take_refusal(self, outcome: Reply) -> None:
        if isinstance(outcome, Opened):
            self._reason = "what answered is no event stream"
            return
        assert isinstance(outcome, Answer | Unreached)  # noqa: S101 - nothing else comes of asking for a stream
        error = error_in(outcome)
        if is_passing(outcome):
            self._reason = str(error)
            self._hint_seconds = max(self._hint_seconds, hint_in(outcome, self._clock))
        elif isinstance(error, UnauthorizedError) and self._renews and not self._is_renewed:
            self._reason = "auth"
        else:
            raise error

    def _rest(self) -> Rest:
        seconds = self._hint_seconds
        if self._failures:
            seconds += full_jitter(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, self._failures)
        if self._reason in _OF_TOKENS and self._renews:
            self._token = None
            if not self._is_renewed:
                # With a fresh token there is nothing to wait for, once; but not for all users in the same moment.
                seconds = random.uniform(0, _FIRST_PAUSE_SECONDS)  # noqa: S311 - jitter
            self._is_renewed = True
        return Rest(seconds, self._reason)

    def _read(self) -> Steps:
        blocks = Blocks()
        while True:
            chunk = yield Read()
            if not isinstance(chunk, bytes):
                if isinstance(chunk, Unreached):
                    self._reason = chunk.reason
                return
            for block in blocks.feed(chunk):
                if block.retry_ms is not None:
                    self._hint_seconds = block.retry_ms / 1000
                if block.event == "bye":
                    self._reason = _decoded(block, _Bye).reason
                    return
                if block.event == "token":
                    yield from self._renew(_decoded(block, _TokenEnds).session)
                else:
                    for event in self._events_of(block):
                        yield Emit(event)

    def _renew(self, session: str) -> Steps:
        if not self._renews:
            return
        token = yield Renew()
        assert isinstance(token, str)  # noqa: S101 - that is what was asked for
        self._token = token
        body = msgspec.json.encode({"session": session})
        # If this fails the stream ends with its old token, and the next one begins with the fresh one.
        yield Attempt(Request("POST", "/v1/stream/refresh", "", body, bearer(token)))

    def _events_of(self, block: Block) -> Iterator[Event]:
        event = _event_of(block)
        if isinstance(event, Reset):
            self._is_starting = True
            self._held = [event]
            return
        if isinstance(event, Arrived) and not block.id:
            if self._is_starting:
                self._held.append(event)
            else:
                yield Passing(event.notification)
            return
        if block.id:
            held, self._held = self._held, []
            yield from held
            self.position = block.id
            if isinstance(event, Counted):
                self._is_starting = self._is_renewed = False
                self._failures = 0
        if event is not None:
            yield event


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class _Gone(Struct, frozen=True):
    id: UUID


class _Bye(Struct, frozen=True):
    reason: str


class _TokenEnds(Struct, frozen=True):
    session: str


def _event_of(block: Block) -> Event | None:
    """None for what tells nothing, or something that is not known yet."""
    position = block.id or None
    match block.event:
        case "notification":
            return Arrived(_decoded(block, Notification), position)
        case "update":
            return Updated(_decoded(block, Notification), position)
        case "delete":
            return Deleted(_decoded(block, _Gone).id, position)
        case "inbox":
            return _decoded(block, Counted)
        case "reset":
            return _decoded(block, Reset)
        case _:
            return None


def _decoded(block: Block, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(block.data, type=type_)
    except msgspec.DecodeError:
        raise UnexpectedAnswerError(f"An event {block.event!r} came that is none of notify's.") from None
