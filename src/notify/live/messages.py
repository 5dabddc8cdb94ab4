"""Every message of the WebSocket, tagged by `type`, and the data of the stream's own events."""

from datetime import datetime
from typing import Annotated, Literal, cast
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from notify.core.event import Reset
from notify.core.notification import Create, Notification
from notify.core.problem import Problem
from notify.core.states import Mark
from notify.core.text import NotificationType
from notify.store.commands import SentItem

__all__ = (
    "AckMessage",
    "ArchiveMessage",
    "AuthMessage",
    "ByeData",
    "ByeMessage",
    "ByeReason",
    "ClientMessage",
    "DeleteMessage",
    "InboxData",
    "InboxMessage",
    "MarkingMessage",
    "NotificationMessage",
    "PingMessage",
    "ReadAllMessage",
    "ReadMessage",
    "RemoveMessage",
    "ReplyMessage",
    "ResetMessage",
    "Result",
    "ResumeMessage",
    "SeenMessage",
    "SendMessage",
    "ServerMessage",
    "TokenData",
    "TokenMessage",
    "UnarchiveMessage",
    "UnreadMessage",
    "UpdateMessage",
    "WelcomeMessage",
)

Ref = Annotated[
    str, Meta(max_length=64, description="Whatever the client wants to find again in the `reply` to this message.")
]
PositionText = Annotated[str, Meta(max_length=96, examples=["3f9a1c7e2b.42"])]
Ids = Annotated[list[UUID], Meta(min_length=1, max_length=100)]
ByeReason = Literal["auth", "token_expired", "shutdown", "overload", "revoked", "abuse", "error"]


class InboxData(Struct, frozen=True):
    """The counters, and the position they are of."""

    unread: int
    unseen: int
    total: int
    position: str
    session: str | UnsetType = UNSET


class TokenData(Struct, frozen=True):
    """The token runs out in so many seconds; extend the session with a fresh one."""

    expires_in: int
    session: str


class ByeData(Struct, frozen=True):
    """Why the server ends the connection, and for a WebSocket when to come back."""

    reason: ByeReason
    retry_ms: int | UnsetType = UNSET


# What the server says


class _Tagged(Struct, frozen=True, tag_field="type"):
    pass


class WelcomeMessage(_Tagged, frozen=True, tag="welcome"):
    """The first message: the session, where the inbox stands, and how often the server sends a WebSocket ping."""

    session: str
    position: str
    unread: int
    unseen: int
    total: int
    heartbeat_seconds: int


class NotificationMessage(_Tagged, frozen=True, tag="notification"):
    """It arrived, or arrived again. Without `id` it is part of a snapshot, or was sent with `"durable": false`."""

    notification: Notification
    id: str | UnsetType = UNSET


class UpdateMessage(_Tagged, frozen=True, tag="update"):
    """It changed: the whole notification in its new state."""

    id: str
    notification: Notification


class DeleteMessage(_Tagged, frozen=True, tag="delete"):
    """It was deleted."""

    id: str
    notification_id: UUID


class InboxMessage(_Tagged, frozen=True, tag="inbox"):
    """The counters, and the position they are of; with `id` if everything up to it has been sent, as the first one has,
    which closes the start.
    """

    unread: int
    unseen: int
    total: int
    position: str
    id: str | UnsetType = UNSET


class TokenMessage(_Tagged, frozen=True, tag="token"):
    """The token runs out soon: send `auth` with a fresh one."""

    expires_in: int
    session: str


class ResetMessage(_Tagged, frozen=True, tag="reset"):
    """Your position is unknown here: drop what you hold, a fresh start follows."""

    reason: str
    floor: str
    head: str

    @classmethod
    def of(cls, reset: Reset) -> "ResetMessage":
        return cls(reset.reason, reset.floor, reset.head)


class ByeMessage(_Tagged, frozen=True, tag="bye"):
    """The server ends the connection; the close code that follows says what to do."""

    reason: ByeReason
    retry_ms: int | UnsetType = UNSET


class Result(Struct, frozen=True):
    """What a message brought about. Each kind of message has its own part of this."""

    position: Annotated[str, Meta(description="Of marks: where the inbox stands after them.")] | UnsetType = UNSET
    updated: Annotated[int, Meta(description="Of `read_all`: how many it marked.")] | UnsetType = UNSET
    id: Annotated[UUID, Meta(description="Of `send`: as `POST /v1/notifications` answers.")] | UnsetType = UNSET
    items: list[SentItem] | UnsetType = UNSET
    replayed: (
        Annotated[bool, Meta(description="Of `send`: this is the answer to an earlier one with the same key.")]
        | UnsetType
    ) = UNSET
    expires_at: Annotated[datetime, Meta(description="Of `auth`: when the token runs out.")] | UnsetType = UNSET


class ReplyMessage(_Tagged, frozen=True, tag="reply"):
    """The answer to a client message that had a `ref`, or that could not be read; `ref` is null if it had none."""

    ref: str | None
    ok: bool
    result: Result | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


ServerMessage = (
    WelcomeMessage
    | NotificationMessage
    | UpdateMessage
    | DeleteMessage
    | InboxMessage
    | TokenMessage
    | ResetMessage
    | ByeMessage
    | ReplyMessage
)


# What the client says


class _Said(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    ref: Ref | None = None


class AckMessage(_Said, frozen=True, kw_only=True, tag="ack"):
    """I have everything up to `id`."""

    id: PositionText


class MarkingMessage(_Said, frozen=True, kw_only=True, tag_field="type"):
    ids: Ids

    @property
    def mark(self) -> Mark:
        """Each kind is named after its mark."""
        return cast(Mark, self.__struct_config__.tag)


class ReadMessage(MarkingMessage, frozen=True, kw_only=True, tag="read"):
    """Mark as read."""


class UnreadMessage(MarkingMessage, frozen=True, kw_only=True, tag="unread"):
    """Mark as unread."""


class SeenMessage(MarkingMessage, frozen=True, kw_only=True, tag="seen"):
    """Mark as seen."""


class ArchiveMessage(MarkingMessage, frozen=True, kw_only=True, tag="archive"):
    """Archive."""


class UnarchiveMessage(MarkingMessage, frozen=True, kw_only=True, tag="unarchive"):
    """Bring back from the archive."""


class RemoveMessage(MarkingMessage, frozen=True, kw_only=True, tag="delete"):
    """Delete."""


class ReadAllMessage(_Said, frozen=True, kw_only=True, tag="read_all"):
    """Mark all as read: those of one type only, or only what had arrived by a position, if it says so."""

    of: NotificationType | None = None
    before: PositionText | None = None


class ResumeMessage(_Said, frozen=True, kw_only=True, tag="resume"):
    """Go on from this position: what came after it is sent, or sent again."""

    after: PositionText


class AuthMessage(_Said, frozen=True, kw_only=True, tag="auth"):
    """A fresh token of the same user: the session goes on."""

    token: Annotated[str, Meta(max_length=8192)]


class SendMessage(_Said, frozen=True, kw_only=True, tag="send"):
    """Create a notification, where the token's scope allows."""

    notification: Create
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None


class PingMessage(_Said, frozen=True, kw_only=True, tag="ping"):
    """Are you there?"""


ClientMessage = (
    AckMessage
    | ReadMessage
    | UnreadMessage
    | SeenMessage
    | ArchiveMessage
    | UnarchiveMessage
    | RemoveMessage
    | ReadAllMessage
    | ResumeMessage
    | AuthMessage
    | SendMessage
    | PingMessage
)
