"""The bodies, queries and answers of the REST routes."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from notify.core.event import Event
from notify.core.identity import Role
from notify.core.notification import Notification
from notify.core.problem import Problem
from notify.core.states import Status
from notify.core.text import AppId, Line, NotificationType, UserId
from notify.core.times import Time
from notify.core.topic import Topic
from notify.store.apps import App
from notify.store.commands import SentItem
from notify.store.inbox import Counts
from notify.store.keys import ApiKey

POSITION_PATTERN = r"^[0-9a-z]{1,32}\.(0|[1-9][0-9]{0,18})(\.[1-9][0-9]{0,18})?$(?!\n)"
PositionText = Annotated[
    str,
    Meta(
        max_length=96,
        pattern=POSITION_PATTERN,
        description="A place in an inbox, opaque: send back what the service gave.",
        examples=["3f9a1c7e2b.42"],
    ),
]
Limit = Annotated[int, Meta(ge=1, le=100)]
CursorText = Annotated[
    str,
    Meta(max_length=512, pattern=r"^[A-Za-z0-9_\-]*$(?!\n)", description="`next_cursor` of the page before."),
]
NameCursorText = Annotated[
    str,
    Meta(max_length=1360, pattern=r"^[A-Za-z0-9_\-]*$(?!\n)", description="`next_cursor` of the page before."),
]


class Owner(Struct, frozen=True, forbid_unknown_fields=True):
    user_id: Annotated[UserId, Meta(description="Whose inbox; with an API key only.")] | None = None


class ListQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    limit: Limit = 20
    cursor: CursorText | None = None
    status: Annotated[
        Status,
        Meta(description="`inbox` is what is neither archived nor snoozed, `all` is that and those."),
    ] = "inbox"
    type: NotificationType | None = None
    topic: Annotated[Topic, Meta(description="Published to this topic.")] | None = None
    since: Annotated[Time, Meta(description="Arrived at this time or later.")] | None = None
    until: Annotated[Time, Meta(description="Arrived before this time.")] | None = None


class CountQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    type: Annotated[
        list[NotificationType],
        Meta(max_length=50, description="Also count within this type; may be given several times."),
    ] = msgspec.field(default_factory=list)


class SnoozeBody(Struct, frozen=True, forbid_unknown_fields=True):
    until: Annotated[Time, Meta(description="When it comes back, at most 400 days ahead.")]


class ChangesQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    after: PositionText | None = None
    limit: Limit = 100


class MarkAll(Struct, frozen=True, forbid_unknown_fields=True):
    """Which of the inbox to mark; all of it when empty."""

    type: NotificationType | None = None
    before: (
        Annotated[
            PositionText,
            Meta(description="Only what had arrived by this position: what the client has rendered."),
        ]
        | None
    ) = None


class BatchBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Creates of any kind; each is checked and answered for itself."""

    items: Annotated[list[msgspec.Raw], Meta(min_length=1)]


class SentAnswer(Struct, frozen=True):
    """What was written. `id` names the call; with one recipient it is the notification's own. What was published has no
    items, and its `id` is that of the operation; what is not durable has none either.
    """

    id: UUID
    items: list[SentItem] | UnsetType = UNSET


class BatchItem(Struct, frozen=True):
    """The answer to one item: its status as if it had been sent alone, and what goes with it."""

    status: int
    id: UUID | UnsetType = UNSET
    items: list[SentItem] | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class BatchAnswer(Struct, frozen=True):
    items: list[BatchItem]


class InboxPage(Struct, frozen=True):
    items: list[Notification]
    next_cursor: str | None
    unread: int
    unseen: int
    total: int
    position: str


class CountAnswer(Struct, frozen=True):
    unread: int
    unseen: int
    total: int
    position: str
    types: dict[str, Counts] | UnsetType = UNSET


class ChangedAnswer(Struct, frozen=True):
    notification: Notification
    position: str


class MarkedAllAnswer(Struct, frozen=True):
    updated: int
    position: str


class ChangesAnswer(Struct, frozen=True):
    """`more` says whether `position` is not yet the newest."""

    items: list[Event]
    position: str
    more: bool


class TokenBody(Struct, frozen=True, forbid_unknown_fields=True):
    user_id: UserId
    ttl_seconds: Annotated[int, Meta(ge=1, le=31_536_000)] | None = None
    scope: Annotated[
        str,
        Meta(
            max_length=64,
            pattern=r"^(inbox:read|inbox|send)( (inbox:read|inbox|send))*$(?!\n)",
            description="One or more of `inbox`, `inbox:read` and `send`, separated by spaces.",
        ),
    ] = "inbox"
    role: Role = "user"


class RevokeTokenBody(Struct, frozen=True, forbid_unknown_fields=True):
    """With an API key: which token, by itself or by its `jti`."""

    token: Annotated[str, Meta(max_length=8192)] | None = None
    jti: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\u0000]*$")] | None = None


class TokenAnswer(Struct, frozen=True):
    token: str
    expires_at: datetime


class AppBody(Struct, frozen=True, forbid_unknown_fields=True):
    id: AppId
    name: Line


class AppChange(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be changed."""

    name: Line | None = None
    enabled: Annotated[bool, Meta(description="With the admin key only.")] | None = None


class RotateBody(Struct, frozen=True, forbid_unknown_fields=True):
    overlap_seconds: Annotated[
        int,
        Meta(ge=0, le=2_592_000, description="How long the old key works beside the new one; 0: not any more."),
    ]


class AppsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 20
    cursor: CursorText | None = None


class AppsPage(Struct, frozen=True):
    items: list[App]
    next_cursor: str | None


class KeysPage(Struct, frozen=True):
    items: list[ApiKey]
    next_cursor: str | None
