"""What a stream yields. `position` is where to go on from once the event has been dealt with."""

from uuid import UUID

from msgspec import Struct

from notify.client.answers import Counts, Notification

__all__ = ("Arrived", "Counted", "Deleted", "Event", "Passing", "Reset", "Updated")


class Arrived(Struct, frozen=True):
    """A notification arrived, or arrived again; or it was unread as the stream began, then without a position."""

    notification: Notification
    position: str | None = None


class Updated(Struct, frozen=True):
    """A notification changed: the whole of it, in its new state."""

    notification: Notification
    position: str | None


class Deleted(Struct, frozen=True):
    """A notification is gone."""

    id: UUID
    position: str | None


class Counted(Counts, frozen=True):
    """The counters of the inbox."""

    position: str


class Passing(Struct, frozen=True):
    """Something was sent with `durable=False`: it is in no inbox, and never comes again."""

    notification: Notification


class Reset(Struct, frozen=True):
    """The inbox is not the one it was, or was away too long: drop what you hold, a fresh start follows."""

    reason: str


Event = Arrived | Updated | Deleted | Counted | Passing | Reset
