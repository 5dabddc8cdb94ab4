"""What a notification is, what a producer may send, and the bounds on both."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from notify.core.errors import FieldError, InvalidError
from notify.core.text import ActionId, CollapseKey, Label, Line, NotificationType, Text, Title, Url, UserId
from notify.core.times import Seconds, Time
from notify.core.topic import Topic

__all__ = (
    "Action",
    "Actor",
    "Audience",
    "Content",
    "Create",
    "Edit",
    "Level",
    "Limits",
    "Notification",
    "changes_of",
    "check_passing",
    "content_of",
    "recipients_of",
    "topics_of",
)

Level = Literal["info", "success", "warning", "error"]

_LEAST_NUMBER = -(2**63)
_LARGEST_NUMBER = 2**64 - 1
_MANY_DIGITS = re.compile(rb"[0-9]{19}")


class Action(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A button below the notification."""

    label: Label
    url: Url | None = None
    id: ActionId | None = None
    primary: bool = False


class Actor(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who or what caused the notification."""

    name: Line
    id: Line | None = None
    image_url: Url | None = None


Data = Annotated[
    dict[str, Any],
    Meta(description="Anything the application wants to find beside the notification.", examples=[{"table": 7}]),
]
Actions = Annotated[list[Action], Meta(max_length=5)]
Progress = Annotated[float, Meta(ge=0, le=1, description="How far it is: 0 to 1.", examples=[0.4])]


class Audience(Struct, frozen=True, forbid_unknown_fields=True):
    """Whoever it concerns: the subscribers of a topic or of several, or everyone. Exactly one of the three."""

    topic: Topic | UnsetType = UNSET
    topics: Annotated[list[Topic], Meta(min_length=1)] | UnsetType = UNSET
    everyone: Annotated[Literal[True], Meta(description="Every user of the app.")] | UnsetType = UNSET


class Create(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a producer asks for."""

    to: UserId | Annotated[list[UserId], Meta(min_length=1)] | Audience
    exclude: Annotated[list[UserId], Meta(description="Users who do not get it although it is for them too.")] = (
        msgspec.field(default_factory=list)
    )
    title: Title
    body: Text | None = None
    type: NotificationType | None = None
    level: Level = "info"
    data: Data | None = None
    url: Url | None = None
    actions: Actions | None = None
    actor: Actor | None = None
    collapse_key: CollapseKey | None = None
    progress: Progress | None = None
    send_at: (
        Annotated[Time, Meta(description="When to send it, up to 400 days ahead. At once if absent or past.")] | None
    ) = None
    expires_at: Annotated[Time, Meta(description="When it is gone again, from every device.")] | None = None
    ttl_seconds: Annotated[Seconds, Meta(description="The same, counted from when it is sent.")] | None = None
    durable: Annotated[
        bool,
        Meta(
            description="`false`: for whoever is connected now, and nobody else. It is in no inbox, takes no position, "
            "and comes without an `id` of the stream or socket."
        ),
    ] = True


class Edit(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a producer changes in place; null clears, what is absent stays."""

    title: Title | UnsetType = UNSET
    body: Text | UnsetType | None = UNSET
    level: Level | UnsetType = UNSET
    data: Data | UnsetType | None = UNSET
    url: Url | UnsetType | None = UNSET
    actions: Actions | UnsetType | None = UNSET
    actor: Actor | UnsetType | None = UNSET
    progress: Progress | UnsetType | None = UNSET
    resurface: Annotated[
        bool, Meta(description="Also bring it back to the top of the inbox, as unread, even from the archive.")
    ] = False


class Notification(Struct, frozen=True, kw_only=True, gc=False):
    """A notification as every client sees it."""

    id: UUID
    user_id: str
    type: str | None
    level: str
    title: str
    body: str | None
    data: msgspec.Raw | None
    url: str | None
    actions: msgspec.Raw | None
    actor: msgspec.Raw | None
    topic: str | None = None
    collapse_key: str | None
    progress: float | None = None
    created_at: datetime
    arrived_at: datetime
    updated_at: datetime
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None
    snoozed_until: datetime | None = None
    expires_at: datetime | None = None


class Limits(Struct, frozen=True):
    """The bounds an operator may set."""

    recipients: int
    topics: int
    body_bytes: int
    data_bytes: int
    data_depth: int


class Content(Struct, frozen=True):
    """A notification's content as it is stored: nested values already encoded, so that they pass through untouched."""

    type: str | None
    level: str
    title: str
    body: str | None
    data: str | None
    url: str | None
    actions: str | None
    actor: str | None
    collapse_key: str | None
    progress: float | None = None
    expires_at: datetime | None = None


def recipients_of(create: Create, limits: Limits) -> list[str]:
    """The users it goes to, each once, in the order given. None are named where it is for an audience."""
    if isinstance(create.to, Audience):
        return []
    named = [create.to] if isinstance(create.to, str) else create.to
    if len(named) > limits.recipients:
        raise InvalidError.at(
            "/to", f"At most {limits.recipients} users in one call (NOTIFY_MAX_RECIPIENTS); send the rest in another."
        )
    recipients = list(dict.fromkeys(named))
    if create.exclude:
        excluded = set(create.exclude)
        recipients = [user for user in recipients if user not in excluded]
        if not recipients:
            raise InvalidError.at("/exclude", "This leaves nobody; name somebody else in `to`.")
    return recipients


def topics_of(create: Create, audience: Audience, limits: Limits) -> list[str]:
    """The topics it is published to, each once; none where it is for everyone."""
    if sum(each is not UNSET for each in (audience.topic, audience.topics, audience.everyone)) != 1:
        raise InvalidError.at("/to", 'Name one of `{"topic": …}`, `{"topics": […]}` and `{"everyone": true}`.')
    if len(create.exclude) > limits.recipients:
        raise InvalidError.at("/exclude", f"At most {limits.recipients} users (NOTIFY_MAX_RECIPIENTS).")
    topics = [audience.topic] if audience.topic is not UNSET else audience.topics or []
    if len(topics) > limits.topics:
        raise InvalidError.at("/to/topics", f"At most {limits.topics} topics in one call (NOTIFY_MAX_TOPICS).")
    return list(dict.fromkeys(topics))


def check_passing(create: Create) -> None:
    """What is not durable can be nothing that only what is kept can be."""
    errors = tuple(
        FieldError(pointer, detail)
        for pointer, given, detail in (
            ("/send_at", create.send_at, "It is not kept until later: it goes to whoever is connected now."),
            ("/collapse_key", create.collapse_key, "It is not kept, so there is nothing that it could collapse into."),
            ("/expires_at", create.expires_at, "It is not kept, so there is nothing that could expire."),
            ("/ttl_seconds", create.ttl_seconds, "It is not kept, so there is nothing that could expire."),
        )
        if given is not None
    )
    if errors:
        raise InvalidError('With `"durable": false`, leave out what `errors` points at.', errors=errors)


def content_of(create: Create, limits: Limits, expires_at: datetime | None = None) -> Content:
    return Content(
        type=create.type,
        level=create.level,
        title=create.title,
        body=_checked_body(create.body, limits),
        data=_checked_data(create.data, limits),
        url=create.url,
        actions=_encoded(create.actions),
        actor=_encoded(create.actor),
        collapse_key=create.collapse_key,
        progress=create.progress,
        expires_at=expires_at,
    )


def changes_of(edit: Edit, limits: Limits) -> dict[str, str | float | None]:
    """The columns an edit sets, and to what."""
    changes: dict[str, str | float | None] = {}
    if edit.title is not UNSET:
        changes["title"] = edit.title
    if edit.body is not UNSET:
        changes["body"] = _checked_body(edit.body, limits)
    if edit.level is not UNSET:
        changes["level"] = edit.level
    if edit.data is not UNSET:
        changes["data"] = _checked_data(edit.data, limits)
    if edit.url is not UNSET:
        changes["url"] = edit.url
    if edit.actions is not UNSET:
        changes["actions"] = _encoded(edit.actions)
    if edit.actor is not UNSET:
        changes["actor"] = _encoded(edit.actor)
    if edit.progress is not UNSET:
        changes["progress"] = edit.progress
    if not changes and not edit.resurface:
        raise InvalidError(
            "The body names nothing to change; send at least one of title, body, level, data, url, actions, actor, "
            "progress and resurface."
        )
    return changes


def _checked_body(body: str | None, limits: Limits) -> str | None:
    # A character takes at most four bytes, so most bodies need no encoding to be measured.
    if body is not None and len(body) * 4 > limits.body_bytes and len(body.encode()) > limits.body_bytes:
        raise InvalidError.at("/body", f"At most {limits.body_bytes} bytes of UTF-8 (NOTIFY_MAX_TEXT_BYTES).")
    return body


def _checked_data(data: dict[str, Any] | None, limits: Limits) -> str | None:
    if data is None:
        return None
    if _deeper_than(limits.data_depth, data):
        raise InvalidError.at("/data", f"At most {limits.data_depth} levels of nesting (NOTIFY_MAX_DATA_DEPTH).")
    text = msgspec.json.encode(data)
    if len(text) > limits.data_bytes:
        raise InvalidError.at("/data", f"At most {limits.data_bytes} bytes of JSON (NOTIFY_MAX_DATA_BYTES).")
    # A number beyond 64 bits has nineteen digits or more; most data has no such run, and need not be walked.
    if b"\\u0000" in text or _MANY_DIGITS.search(text):
        _check_values(data)
    return text.decode()


def _encoded(value: Actor | list[Action] | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()


def _deeper_than(depth: int, value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(depth):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner.extend(item.values())
            elif isinstance(item, list):
                inner.extend(item)
        if not inner:
            return False
        level = inner
    return any(isinstance(item, (dict, list)) for item in level)


def _check_values(value: Any) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if "\x00" in item:
                raise InvalidError.at("/data", "NUL characters (\\u0000) cannot be stored; leave them out.")
        elif isinstance(item, int):
            if not _LEAST_NUMBER <= item <= _LARGEST_NUMBER:
                raise InvalidError.at("/data", "Whole numbers have to fit into 64 bits; send larger ones as strings.")
        elif isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
