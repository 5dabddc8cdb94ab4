"""A row of the outbox turned into what it asks for, by the rules that HTTP has for the same."""

from typing import Any

import msgspec

from notify.core.ids import uuid7
from notify.core.notification import Audience, Create, Limits, content_of, recipients_of, topics_of
from notify.store.commands import CreateCommand, PublishCommand, Recipient
from notify.store.database import Record

__all__ = ("audience_in", "command_in")

_JSON_COLUMNS = ("data", "actions", "actor")
_PLAIN_COLUMNS = ("exclude", "title", "body", "type", "level", "url", "collapse_key", "progress")


def command_in(row: Record, limits: Limits) -> CreateCommand | PublishCommand:
    """Raises what says why it cannot be understood."""
    asked: dict[str, Any] = {name: row[name] for name in _PLAIN_COLUMNS if row[name] is not None}
    asked |= {name: msgspec.json.decode(row[name]) for name in _JSON_COLUMNS if row[name] is not None}
    create = msgspec.convert({"to": msgspec.to_builtins(audience_in(row)), **asked}, Create)
    content = content_of(create, limits, row["expires_at"])
    if isinstance(create.to, Audience):
        topics = topics_of(create, create.to, limits)
        return PublishCommand(row["app_id"], topics, create.exclude, content, row["id"])
    users = recipients_of(create, limits)
    ids = [row["id"]] if len(users) == 1 else [uuid7() for _ in users]
    return CreateCommand(row["app_id"], [Recipient(*each) for each in zip(users, ids, strict=True)], content, row["id"])


def audience_in(row: Record) -> str | list[str] | Audience:
    """As `to` of a create has it."""
    user: str | None = row["user_id"]
    users: list[str] | None = row["user_ids"]
    if user is not None:
        return user
    if users is not None:
        return users
    if row["topic"] is not None:
        return Audience(topic=row["topic"])
    return Audience(everyone=True) if row["topics"] is None else Audience(topics=row["topics"])
