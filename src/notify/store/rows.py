"""Rows turned into values, and values into columns."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from notify.core.notification import Content, Notification
from notify.core.position import Bounds, Position
from notify.store.database import Record

__all__ = (
    "InboxState",
    "as_json",
    "content_columns",
    "content_from",
    "filled",
    "inbox_state",
    "notification_from",
    "raw_json",
    "shown_content",
)

_CONTENT = (
    "type",
    "level",
    "title",
    "body",
    "data",
    "url",
    "actions",
    "actor",
    "collapse_key",
    "progress",
    "expires_at",
)
_NESTED = frozenset({"data", "actions", "actor"})


class InboxState(Struct, frozen=True):
    """Where an inbox stands, and its counters, of one moment."""

    bounds: Bounds
    unread: int
    unseen: int
    total: int
    due_at: datetime | None = None
    """No later than when time does something to it."""

    @property
    def position(self) -> Position:
        return Position(self.bounds.epoch, self.bounds.head)


def inbox_state(row: Record) -> InboxState:
    bounds = Bounds(row["epoch"], row["floor"], row["head"])
    return InboxState(bounds, row["unread"], row["unseen"], row["total"], row["due_at"])


def notification_from(row: Record, user_id: str) -> Notification:
    return Notification(
        id=row["id"],
        user_id=user_id,
        type=row["type"],
        level=row["level"],
        title=row["title"],
        body=row["body"],
        data=raw_json(row["data"]),
        url=row["url"],
        actions=raw_json(row["actions"]),
        actor=raw_json(row["actor"]),
        topic=row["topic"],
        collapse_key=row["collapse_key"],
        progress=row["progress"],
        created_at=row["created_at"],
        arrived_at=row["arrived_at"],
        updated_at=row["updated_at"],
        seen_at=row["seen_at"],
        read_at=row["read_at"],
        archived_at=row["archived_at"],
        snoozed_until=row["snoozed_until"],
        expires_at=row["expires_at"],
    )


def content_from(row: Record) -> Content:
    return Content(**{name: row[name] for name in _CONTENT})


def shown_content(row: Record) -> dict[str, Any]:
    """The fields of a content as clients see it."""
    return {name: raw_json(row[name]) if name in _NESTED else row[name] for name in _CONTENT}


def content_columns(contents: Iterable[Content]) -> list[list[Any]]:
    """Contents turned into one array per column, as unnest takes them."""
    rows = list(contents)
    return [filled(getattr(content, name) for content in rows) for name in _CONTENT]


def filled(values: Iterable[Any]) -> list[Any]:
    """A column for unnest, which fills up what is missing beside longer ones: one without any value is sent as none."""
    column = list(values)
    return column if any(value is not None for value in column) else []


def as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def raw_json(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())
