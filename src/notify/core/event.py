"""What happens in an inbox, as `/v1/changes` tells it and the live transports will."""

from uuid import UUID

from msgspec import Struct

from notify.core.notification import Notification
from notify.core.position import ResetReason

__all__ = ("Arrived", "Deleted", "Event", "Gone", "Reset", "Resetting", "Updated")


class Gone(Struct, frozen=True):
    """All that is left of a deleted notification."""

    id: UUID


class Reset(Struct, frozen=True):
    """Why a position is not known here, and what the inbox can answer for."""

    reason: ResetReason
    floor: str
    head: str


class Arrived(Struct, frozen=True, tag_field="event", tag="notification"):
    """It arrived, or arrived again."""

    id: str
    data: Notification


class Updated(Struct, frozen=True, tag_field="event", tag="update"):
    """It changed: the whole notification in its new state. Clients upsert by its id, as with `notification`."""

    id: str
    data: Notification


class Deleted(Struct, frozen=True, tag_field="event", tag="delete"):
    """It was deleted."""

    id: str
    data: Gone


class Resetting(Struct, frozen=True, tag_field="event", tag="reset"):
    """Your position is unknown here: drop what you hold, a fresh start follows."""

    data: Reset


Event = Arrived | Updated | Deleted | Resetting
