"""What a producer says: a notification to be sent, and how one is to be changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from notify.core.notification import Level

__all__ = ("EVERYONE", "Action", "Actor", "Audience", "Edit", "Message", "topic", "topics")


class Action(Struct, frozen=True, omit_defaults=True):
    """A button below the notification."""

    label: str
    url: str | None = None
    id: str | None = None
    primary: bool = False


class Actor(Struct, frozen=True, omit_defaults=True):
    """Who or what caused the notification."""

    name: str
    id: str | None = None
    image_url: str | None = None


class Audience(Struct, frozen=True, omit_defaults=True):
    """Whoever it concerns, without naming them."""

    topic: str | None = None
    topics: Sequence[str] | None = None
    everyone: bool = False


EVERYONE = Audience(everyone=True)
"""Every user of the app."""


def topic(name: str) -> Audience:
    """The subscribers of a topic."""
    return Audience(topic=name)


def topics(*names: str) -> Audience:
    """The subscribers of any of several topics, each once."""
    return Audience(topics=names)


class Message(Struct, frozen=True, omit_defaults=True):
    """A notification to be sent: to a user, to several, or to an audience. Times need a time zone."""

    to: str | Sequence[str] | Audience
    title: str
    body: str | None = None
    type: str | None = None
    level: Level = "info"
    url: str | None = None
    data: Mapping[str, Any] | None = None
    actions: Sequence[Action] | None = None
    actor: Actor | None = None
    collapse_key: str | None = None
    """While a user has an unread notification with this key, a new one updates it in place."""

    progress: float | None = None
    """How far something is: 0 to 1."""

    exclude: Sequence[str] = ()
    """Users who do not get it although it is for them too."""

    send_at: datetime | None = None
    expires_at: datetime | None = None
    ttl_seconds: int | None = None
    """The same, counted from when it is sent."""

    durable: bool = True
    """`False`: for whoever is connected now, and nobody else."""


class Edit(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What to change of a notification; `None` clears, what is left out stays."""

    title: str | UnsetType = UNSET
    body: str | UnsetType | None = UNSET
    level: Level | UnsetType = UNSET
    url: str | UnsetType | None = UNSET
    data: Mapping[str, Any] | UnsetType | None = UNSET
    actions: Sequence[Action] | UnsetType | None = UNSET
    actor: Actor | UnsetType | None = UNSET
    progress: float | UnsetType | None = UNSET
    resurface: bool = False
    """Also bring it back to the top of the inbox, as unread."""
