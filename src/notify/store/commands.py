"""What may be asked of the writer, and what it answers."""

from typing import Literal
from uuid import UUID

from msgspec import Struct, field

from notify.core.ids import uuid7
from notify.core.notification import Content, Notification
from notify.core.position import Position
from notify.core.states import Mark

__all__ = (
    "AckCommand",
    "ChangeCommand",
    "Changed",
    "Command",
    "CreateCommand",
    "IdempotencyKey",
    "Recipient",
    "Sent",
    "SentItem",
    "independent_groups",
)


class IdempotencyKey(Struct, frozen=True):
    """A producer's promise that requests with this key are one request. `part` counts the items of a batch."""

    app_id: str
    key_hash: bytes
    request_hash: bytes
    part: int = 0


class Recipient(Struct, frozen=True):
    user_id: str
    id: UUID


class CreateCommand(Struct, frozen=True):
    app_id: str
    recipients: list[Recipient]
    content: Content
    id: UUID
    key: IdempotencyKey | None = None

    @classmethod
    def to(
        cls, app_id: str, user_ids: list[str], content: Content, key: IdempotencyKey | None = None
    ) -> "CreateCommand":
        recipients = [Recipient(user_id, uuid7()) for user_id in user_ids]
        return cls(app_id, recipients, content, recipients[0].id if len(recipients) == 1 else uuid7(), key)

    @property
    def rows(self) -> int:
        return len(self.recipients)


def independent_groups(creates: list[CreateCommand]) -> list[list[CreateCommand]]:
    """Groups that name no collapse key of an inbox twice, with each inbox's creates in their order. Inboxes do not
    wait for each other: there are no more groups than the worst of them needs.
    """
    groups: list[list[CreateCommand]] = []
    last: dict[tuple[str, str], tuple[int, set[str]]] = {}
    for create in creates:
        inbox = create.app_id, create.recipients[0].user_id
        number, keys = last.get(inbox, (0, set()))
        key = create.content.collapse_key
        if key in keys:
            number, keys = number + 1, set()
        if key is not None:
            keys.add(key)
        last[inbox] = number, keys
        if number == len(groups):
            groups.append([])
        groups[number].append(create)
    return groups


class ChangeCommand(Struct, frozen=True):
    """A mark or an edit of one notification; `user_id` None means whoever's it is in the app."""

    app_id: str
    user_id: str | None
    id: UUID
    action: Mark | Literal["edit"]
    columns: dict[str, str | None] = field(default_factory=dict)

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


Command = CreateCommand | ChangeCommand | AckCommand


class SentItem(Struct, frozen=True):
    """One recipient's notification: its id, and the position it took."""

    id: UUID
    user_id: str
    position: str


class Sent(Struct, frozen=True):
    """What became of a create. `id` names the call; with one recipient it is the notification's own."""

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
