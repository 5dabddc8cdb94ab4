"""What may be asked of the writer, and what it answers."""

from collections import Counter
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct, field

from notify.core.ids import uuid7
from notify.core.notification import Content, Notification
from notify.core.position import Position
from notify.core.states import Mark

__all__ = (
    "AckCommand",
    "Action",
    "ChangeCommand",
    "Changed",
    "Columns",
    "Command",
    "CreateCommand",
    "FlashCommand",
    "IdempotencyKey",
    "Publication",
    "PublishCommand",
    "Recipient",
    "ScheduleCommand",
    "SendCommand",
    "Sent",
    "SentItem",
    "Steps",
)


Action = Mark | Literal["snooze", "unsnooze", "edit", "resurface"]
Columns = dict[str, str | float | None]


class IdempotencyKey(Struct, frozen=True):
    """A producer's promise that requests with this key are one request. `part` counts the items of a batch."""

    app_id: str
    key_hash: bytes
    request_hash: bytes
    part: int = 0


class Recipient(Struct, frozen=True):
    user_id: str
    id: UUID


class Publication(Struct, frozen=True):
    """What a notification was published as, and to which topic its user has subscribed."""

    id: UUID
    topic: str | None
    at: datetime


class CreateCommand(Struct, frozen=True):
    app_id: str
    recipients: list[Recipient]
    content: Content
    id: UUID
    key: IdempotencyKey | None = None
    publication: Publication | None = None

    @classmethod
    def to(
        cls, app_id: str, user_ids: list[str], content: Content, key: IdempotencyKey | None = None
    ) -> "CreateCommand":
        recipients = [Recipient(user_id, uuid7()) for user_id in user_ids]
        return cls(app_id, recipients, content, recipients[0].id if len(recipients) == 1 else uuid7(), key)

    @property
    def rows(self) -> int:
        return len(self.recipients)


class PublishCommand(Struct, frozen=True):
    """To an app's publication log: for these topics, or for everyone if there are none."""

    app_id: str
    topics: list[str]
    excluded: list[str]
    content: Content
    id: UUID
    key: IdempotencyKey | None = None

    @property
    def rows(self) -> int:
        return 1


class ScheduleCommand(Struct, frozen=True):
    """To be sent later: to these users, to these topics, or to everyone if it names neither."""

    app_id: str
    user_ids: list[str]
    topics: list[str]
    excluded: list[str]
    content: Content
    id: UUID
    send_at: datetime
    key: IdempotencyKey | None = None

    @property
    def rows(self) -> int:
        return 1


class FlashCommand(Struct, frozen=True):
    """To whoever is connected, and kept for nobody: for these users, for these topics, or for everyone if it names
    neither.
    """

    app_id: str
    user_ids: list[str]
    topics: list[str]
    excluded: list[str]
    content: Content
    id: UUID
    key: IdempotencyKey | None = None

    @property
    def rows(self) -> int:
        return 1


SendCommand = CreateCommand | PublishCommand | ScheduleCommand | FlashCommand


class ChangeCommand(Struct, frozen=True):
    """A mark, an edit or a snooze (`until`) of one notification; `user_id` None means whoever's it is in the app."""

    app_id: str
    user_id: str | None
    id: UUID
    action: Action
    columns: Columns = field(default_factory=dict)
    until: datetime | None = None
    trace: UUID | None = None
    """By which what resurfaces is known to have done so, after a connection was lost (law 3)."""

    @property
    def rows(self) -> int:
        return 1


class AckCommand(Struct, frozen=True):
    """A device has everything up to a position."""

    app_id: str
    user_id: str
    device: str
    position: Position

    @property
    def rows(self) -> int:
        return 1


Command = SendCommand | ChangeCommand | AckCommand


class SentItem(Struct, frozen=True):
    """One recipient's notification: its id, and the position it took."""

    id: UUID
    user_id: str
    position: str


class Sent(Struct, frozen=True):
    """What became of a create. `id` names the call; with one recipient it is the notification's own. What was published
    has no items: nobody has it yet, or keeps it.
    """

    id: UUID
    items: list[SentItem]
    replayed: bool = False

    @classmethod
    def of(cls, create: CreateCommand, items: list[SentItem]) -> "Sent":
        # A create with one recipient may have collapsed into a notification that has an id already.
        return cls(items[0].id if len(items) == 1 else create.id, items)


class Changed(Struct, frozen=True):
    notification: Notification
    position: Position
    changed: bool


class Steps:
    """Sorts commands into steps: none touches a notification, a device or a collapse key of an inbox twice, and an
    inbox's creates stay in their order. Inboxes do not wait for each other.
    """

    def __init__(self) -> None:
        self._creates: dict[tuple[str, str], tuple[int, set[str]]] = {}
        self._others: Counter[UUID | tuple[str, str, str]] = Counter()

    def add(self, command: Command) -> int:
        """The step that this command is in, the first being 0."""
        if isinstance(command, CreateCommand):
            return self._add_create(command)
        if isinstance(command, PublishCommand | ScheduleCommand | FlashCommand):
            return 0
        thing = command.id if isinstance(command, ChangeCommand) else (command.app_id, command.user_id, command.device)
        self._others[thing] += 1
        return self._others[thing] - 1

    def _add_create(self, create: CreateCommand) -> int:
        key = create.content.collapse_key
        if key is None and not self._creates:
            return 0  # Most batches hold nothing that could be in the way of another.
        inboxes = [(create.app_id, to.user_id) for to in create.recipients]
        lasts = [self._creates.get(inbox, (0, set[str]())) for inbox in inboxes]
        step = max(last + (key in keys) for last, keys in lasts)
        for inbox, (last, keys) in zip(inboxes, lasts, strict=True):
            there = keys if last == step else set[str]()
            if key is not None:
                there.add(key)
            self._creates[inbox] = step, there
        return step
