"""What the writer tells whoever listens once it is committed: enough to show it without asking the database again."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

from msgspec import Struct

from notify.core.notification import Content, Notification
from notify.store.commands import Publication
from notify.store.rows import InboxState, raw_json

__all__ = ("Commit", "Created", "OnCommit", "OnPublish", "OnSchedule")


class Commit(Struct, frozen=True, gc=False):
    """One position given in an inbox, and where the inbox stood after it. With neither `created` nor `changed`, what
    took the position has to be read.
    """

    app_id: str
    user_id: str
    inbox_id: int
    inbox: InboxState
    seq: int
    kind: Literal["notification", "update", "delete"]
    id: UUID | None = None
    changed: Notification | None = None
    created: "Created | None" = None

    @property
    def is_whole(self) -> bool:
        return self.kind == "delete" or self.changed is not None or self.created is not None

    def notification(self) -> Notification | None:
        if self.created is not None and self.id is not None:
            return self.created.notification(self.id, self.user_id)
        return self.changed


class Created(Struct, frozen=True, gc=False):
    """A new notification, as cheap to pass on as nobody wanting it; made whole for those who follow."""

    content: Content
    publication: Publication | None
    at: datetime
    arrived_at: datetime

    def notification(self, id_: UUID, user_id: str) -> Notification:
        content, publication = self.content, self.publication
        return Notification(
            id=id_,
            user_id=user_id,
            type=content.type,
            level=content.level,
            title=content.title,
            body=content.body,
            data=raw_json(content.data),
            url=content.url,
            actions=raw_json(content.actions),
            actor=raw_json(content.actor),
            topic=None if publication is None else publication.topic,
            collapse_key=content.collapse_key,
            progress=content.progress,
            created_at=self.at if publication is None else publication.at,
            arrived_at=self.arrived_at,
            updated_at=self.at,
            seen_at=None,
            read_at=None,
            archived_at=None,
            expires_at=content.expires_at,
        )


OnCommit = Callable[[list[Commit]], None]
OnPublish = Callable[[dict[str, int]], None]
"""With the apps that something was published in, and where their logs stand."""

OnSchedule = Callable[[], None]
"""Something waits in the outbox for its time."""
