"""What waits to be sent, and how it is worked off, without doing any of it: steps that a queue takes.

It goes in order and in batches. A batch keeps its Idempotency-Key until its answer is known, so that what was sent is
not sent again, whatever became of the answers on the way.
"""

import logging
from collections import deque
from collections.abc import Callable, Generator
from typing import Literal, NamedTuple
from uuid import uuid4

import msgspec
from msgspec import Struct

from notify.client.answers import BatchItem
from notify.client.calls import batch_of
from notify.client.errors import NotifyError, error_of
from notify.client.message import Message
from notify.client.retrying import (
    Answer,
    Attempt,
    Outcome,
    Pause,
    Unreached,
    error_in,
    full_jitter,
    hint_in,
    is_passing,
)
from notify.core.clock import Clock

__all__ = ("Backlog", "Bounds", "Drop", "Dropped", "Idle", "OnDrop", "Reason", "Step", "Steps", "tell")

log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 10.0
_MOST_MESSAGES = 100
_MOST_BYTES = 256 * 1024
"""Of one batch, well below what the service takes."""

_SUCCESS = range(200, 300)
_SERVER_ERRORS = range(500, 600)
_TOO_MUCH = frozenset({413, 422})
"""Said of a batch as a whole, by the service or a proxy, before any is written: it is too much of something."""

Reason = Literal["full", "too_old", "refused", "closed"]


class Bounds(Struct, frozen=True):
    """How much may wait, and for how long."""

    messages: int = 10_000
    bytes: int = 16 * 1024 * 1024
    """Of messages as JSON."""

    age_seconds: float = 6 * 3600.0
    """The service has to remember idempotency keys for longer (NOTIFY_IDEMPOTENCY_HOURS, 24 unless said otherwise)."""


class Dropped(Struct, frozen=True):
    """A message that is not sent, and why: there was no room (`full`), it waited too long (`too_old`), the service said
    no (`refused`, with the error), or the queue was closed before its turn came (`closed`). What was tried before it
    became too old or was closed may have been sent all the same.
    """

    message: Message
    reason: Reason
    error: NotifyError | None = None


class Idle(NamedTuple):
    """Wait until there is something."""


class Drop(NamedTuple):
    """Tell of it."""

    dropped: Dropped


Step = Attempt | Pause | Idle | Drop
Steps = Generator[Step, Outcome | None, None]
OnDrop = Callable[[Dropped], object]


class _Waiting(Struct, frozen=True):
    message: Message
    encoded: bytes
    since: float


class Backlog:
    """Not for several threads at once: whoever has several takes turns."""

    def __init__(self, bounds: Bounds, clock: Clock) -> None:
        self.bytes = 0
        self.sent = 0
        self.dropped: dict[Reason, int] = {"full": 0, "too_old": 0, "refused": 0, "closed": 0}
        self._bounds = bounds
        self._clock = clock
        self._waiting: deque[_Waiting] = deque()
        self._most = _MOST_MESSAGES
        """In the next batch: fewer where the service finds so many too much."""

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, message: Message) -> Dropped | None:
        """None if it is taken. What has been taken already is never dropped to make room."""
        encoded = msgspec.json.encode(message)
        if len(self._waiting) >= self._bounds.messages or self.bytes + len(encoded) > self._bounds.bytes:
            return self._counted(Dropped(message, "full"))
        self._waiting.append(_Waiting(message, encoded, self._clock.monotonic()))
        self.bytes += len(encoded)
        return None

    def refuse(self, message: Message) -> Dropped:
        """Once the queue is closed."""
        return self._counted(Dropped(message, "closed"))

    def drop_all(self) -> list[Dropped]:
        """Nothing is sent any more."""
        return [self._counted(Dropped(self._done().message, "closed")) for _ in range(len(self._waiting))]

    def steps(self) -> Steps:
        """Without end. Whoever takes them sends back the outcome of each attempt."""
        while True:
            while self._waiting and self._is_too_old():
                yield self._drop("too_old")
            if self._waiting:
                yield from self._send(self._next())
            else:
                yield Idle()

    def _send(self, batch: list[_Waiting]) -> Steps:
        """Until its fate is known, or it is too old to wait for that."""
        call = batch_of([waiting.encoded for waiting in batch], uuid4().hex)
        failures = 0
        while True:
            outcome = yield Attempt(call.request)
            assert outcome is not None  # noqa: S101 - every attempt has one
            items = _items_in(outcome, call.read, len(batch))
            if items is not None and not any(item.status in _SERVER_ERRORS for item in items):
                yield from self._settle(items)
                return
            if isinstance(outcome, Answer) and outcome.status not in _SUCCESS and not is_passing(outcome):
                yield from self._take_refusal(batch, outcome)
                return
            failures += 1
            hint = hint_in(outcome, self._clock)
            yield Pause(max(full_jitter(_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS, failures), hint))
            if self._is_too_old():
                # With another key some of them might be sent twice.
                for _ in batch:
                    yield self._drop("too_old")
                return

    def _settle(self, items: list[BatchItem]) -> Steps:
        self._most = min(self._most * 2, _MOST_MESSAGES)
        for item in items:
            if item.problem is None:
                self._done()
                self.sent += 1
            else:
                yield self._drop("refused", error_of(item.problem))

    def _take_refusal(self, batch: list[_Waiting], answer: Answer) -> Steps:
        if answer.status in _TOO_MUCH and len(batch) > 1:
            self._most = len(batch) // 2
            return
        for _ in batch:
            yield self._drop("refused", error_in(answer))

    def _next(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        size = 0
        for waiting in self._waiting:
            size += len(waiting.encoded)
            if batch and (len(batch) >= self._most or size > _MOST_BYTES):
                break
            batch.append(waiting)
        return batch

    def _is_too_old(self) -> bool:
        return self._clock.monotonic() - self._waiting[0].since > self._bounds.age_seconds

    def _drop(self, reason: Reason, error: NotifyError | None = None) -> Drop:
        return Drop(self._counted(Dropped(self._done().message, reason, error)))

    def _done(self) -> _Waiting:
        done = self._waiting.popleft()
        self.bytes -= len(done.encoded)
        return done

    def _counted(self, dropped: Dropped) -> Dropped:
        self.dropped[dropped.reason] += 1
        return dropped


def tell(on_drop: OnDrop | None, dropped: Dropped) -> None:
    """Whoever wants to know; else the log, though not of what the message says."""
    if on_drop is None:
        log.warning("A message is not sent: %s.", dropped.error or dropped.reason)
        return
    try:
        on_drop(dropped)
    except Exception:
        log.exception("The on_drop of a queue failed.")


def _items_in(outcome: Outcome, read: Callable[[Answer], list[BatchItem]], expected: int) -> list[BatchItem] | None:
    """What became of each, if that is what the answer says."""
    if isinstance(outcome, Unreached) or outcome.status not in _SUCCESS:
        return None
    try:
        items = read(outcome)
    except msgspec.DecodeError:
        return None
    return items if len(items) == expected else None
