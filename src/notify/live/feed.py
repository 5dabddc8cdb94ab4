"""A followed inbox as one process knows it, and those who follow it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from notify.core.position import Bounds, Position
from notify.live.encoding import Flashed
from notify.live.tail import LiveEvent, Tail
from notify.store.many import InboxKey
from notify.store.rows import InboxState

__all__ = ("Feed", "Follower", "Step")


class Step(Struct, frozen=True):
    """From one position to a later one, as it goes out."""

    body: bytes
    chunk: bytes
    """The body as a chunk of HTTP/1.1."""

    end: int
    events: int


class Follower(ABC):
    """A connection as the hub sees it."""

    __slots__ = ()

    @abstractmethod
    def wake(self) -> None:
        """Something is new in the followed inbox, or it was started over. Must neither wait nor raise."""

    def flash(self, flashes: Sequence[Flashed]) -> None:  # noqa: B027 - whoever only watches shows nothing
        """Something was sent that is in no inbox: show it now or never. Must neither wait nor raise."""


class Feed:
    """A followed inbox as this process knows it. What it knows ends at the tail's head and has no hole."""

    __slots__ = (
        "_loading",
        "due_at",
        "epoch",
        "floor",
        "followers",
        "forget_at",
        "inbox_id",
        "is_being_read",
        "is_stale",
        "key",
        "steps",
        "tail",
        "total",
        "unread",
        "unseen",
    )

    def __init__(self, key: InboxKey) -> None:
        self.key = key
        self.inbox_id = 0
        self.epoch = ""
        self.floor = 0
        self.unread = self.unseen = self.total = 0
        self.due_at: datetime | None = None
        self.tail = Tail(0)
        self.followers: set[Follower] = set()
        self.is_stale = True
        """Something is known to be missing, or nothing is known yet: the next read brings it."""
        self.is_being_read = False
        self.forget_at = 0.0
        self.steps: dict[int, Step] = {}
        """What streams at the same position are shown alike, until there is something newer."""
        self._loading: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()

    @property
    def head(self) -> Position:
        return Position(self.epoch, self.tail.head)

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.epoch, self.floor, self.tail.head)

    @property
    def state(self) -> InboxState:
        return InboxState(self.bounds, self.unread, self.unseen, self.total, self.due_at)

    async def loaded(self) -> None:
        if self._loading is not None:
            await asyncio.shield(self._loading)

    def append(self, event: LiveEvent, most_bytes: int) -> None:
        self.tail.append(event)
        self.tail.forget_until(most_bytes)
        self.steps.clear()

    def take(self, inbox: InboxState) -> None:
        self.steps.clear()
        self.floor = inbox.bounds.floor
        self.unread, self.unseen, self.total = inbox.unread, inbox.unseen, inbox.total
        self.due_at = inbox.due_at

    def start(self, inbox_id: int, inbox: InboxState) -> None:
        """For the first time, or over again in another epoch."""
        self.inbox_id = inbox_id
        self.epoch = inbox.bounds.epoch
        self.tail.restart(inbox.bounds.head)
        self.take(inbox)
        if self._loading is not None:
            self._loading.set_result(None)
            self._loading = None

    @property
    def is_loaded(self) -> bool:
        return self._loading is None
