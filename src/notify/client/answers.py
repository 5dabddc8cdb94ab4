"""What the service answers. Fields that it adds later are passed over, so that an older client goes on working."""

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from msgspec import Struct

from notify.client.errors import Problem
from notify.client.message import Action, Actor, Audience

__all__ = (
    "BatchItem",
    "Changed",
    "Count",
    "Counts",
    "Inbox",
    "MarkedAll",
    "Notification",
    "Operation",
    "Page",
    "Presence",
    "Reach",
    "Scheduled",
    "Sent",
    "SentItem",
    "Subscription",
    "SubscriptionItem",
    "Token",
    "TopicState",
)

T = TypeVar("T")


class Content(Struct, frozen=True, kw_only=True):
    """What a notification says, wherever it is."""

    id: UUID
    title: str
    body: str | None = None
    type: str | None = None
    level: str = "info"
    url: str | None = None
    data: dict[str, Any] | None = None
    actions: list[Action] | None = None
    actor: Actor | None = None
    collapse_key: str | None = None
    progress: float | None = None
    expires_at: datetime | None = None


class Notification(Content, frozen=True, kw_only=True):
    """A notification in a user's inbox."""

    user_id: str
    topic: str | None = None
    created_at: datetime
    arrived_at: datetime
    updated_at: datetime
    seen_at: datetime | None = None
    read_at: datetime | None = None
    archived_at: datetime | None = None
    snoozed_until: datetime | None = None


class SentItem(Struct, frozen=True):
    """One recipient's notification: its id, and the position it took in their inbox."""

    id: UUID
    user_id: str
    position: str


class Sent(Struct, frozen=True):
    """What was sent. With one recipient `id` is the notification's own; of what is published to an audience, that of
    the operation; of what is to be sent later, what `cancel` takes. The last two have no items.
    """

    id: UUID
    items: list[SentItem] = []
    replayed: bool = False
    """Whether this is the answer to an earlier call with the same idempotency key."""


class BatchItem(Struct, frozen=True):
    """What became of one message of a batch: `id` and `items` as if it had been sent alone, or the problem with it."""

    status: int
    id: UUID | None = None
    items: list[SentItem] = []
    problem: Problem | None = None


class Changed(Struct, frozen=True):
    """A notification as it is now, and where its inbox stands."""

    notification: Notification
    position: str


class MarkedAll(Struct, frozen=True):
    """How many were marked, and where the inbox stands."""

    updated: int
    position: str


class Counts(Struct, frozen=True):
    unread: int
    unseen: int
    total: int


class Count(Counts, frozen=True):
    """The counters of an inbox, and of each type that was asked for, at a position."""

    position: str
    types: dict[str, Counts] = {}


class Page(Struct, Generic[T], frozen=True):
    """A part of a list. `next_cursor` leads to the next one while there is one."""

    items: list[T]
    next_cursor: str | None = None


class Inbox(Page[Notification], frozen=True, kw_only=True):
    """A part of an inbox, latest arrival first, with the counters and the position of the same moment."""

    unread: int
    unseen: int
    total: int
    position: str


class Reach(Struct, frozen=True):
    """How many it is for, where that is known, and how many of those have it, have acknowledged, seen and read it."""

    audience: int | None
    pulled: int
    delivered: int
    seen: int
    read: int


class Operation(Content, frozen=True, kw_only=True):
    """What was published, as it is now. With no topics it is for everyone."""

    topics: list[str]
    exclude: list[str] = []
    published_at: datetime
    edited_at: datetime | None = None
    recalled_at: datetime | None = None
    counted: Reach


class Scheduled(Content, frozen=True, kw_only=True):
    """What is to be sent later. `failure` says why it could not be sent when its time came."""

    to: str | list[str] | Audience
    exclude: list[str] = []
    send_at: datetime
    created_at: datetime
    failure: str | None = None


class Subscription(Struct, frozen=True):
    topic: str
    user_id: str
    created_at: datetime


class SubscriptionItem(Struct, frozen=True):
    """What became of one of many: 201 if it is new, 200 if it was there, else the problem with it."""

    status: int
    topic: str | None = None
    user_id: str | None = None
    problem: Problem | None = None


class TopicState(Struct, frozen=True):
    """What was said of a topic, or of all below one."""

    topic: str
    self_service: bool
    late_entries: int | None
    late_seconds: int | None
    updated_at: datetime


class Token(Struct, frozen=True):
    """A user's token, for their devices."""

    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"Token(expires_at={self.expires_at!r})"


class Presence(Struct, frozen=True):
    """Whether a user is connected. `devices` are the named ones; `last_seen_at` is null for one who never was."""

    user_id: str
    online: bool
    connections: int
    devices: list[str]
    last_seen_at: datetime | None
