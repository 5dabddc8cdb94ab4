"""What the hub reads: many inboxes in one statement, each with what changed past the position it is known up to."""

from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

from msgspec import Struct

from notify.core.notification import Notification
from notify.core.states import State
from notify.store.database import Database, Record
from notify.store.rows import InboxState, inbox_state, notification_from

__all__ = ("Change", "Following", "InboxKey", "News", "change_from")


class InboxKey(NamedTuple):
    app_id: str
    user_id: str


class Change(Struct, frozen=True, gc=False):
    """A notification's latest change; None of it is left where it was deleted."""

    seq: int
    kind: Literal["notification", "update", "delete"]
    id: UUID
    notification: Notification | None


class News(Struct, frozen=True):
    """Where an inbox stands and what is new in it. `more` says that there was more than fitted."""

    inbox_id: int
    inbox: InboxState
    changes: list[Change]
    more: bool


class Following:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def news(self, wanted: Sequence[tuple[InboxKey, int | None]], limit: int) -> dict[InboxKey, News]:
        """What is new in these inboxes; those that do not exist yet are made."""
        found = await self._read(wanted, limit)
        missing = [(key, after) for key, after in wanted if key not in found]
        if missing:
            await self._database.execute(
                "open_many", [key.app_id for key, _ in missing], [key.user_id for key, _ in missing]
            )
            found |= await self._read(missing, limit)
        return found

    async def heads(self, keys: Sequence[InboxKey]) -> dict[InboxKey, tuple[str, int]]:
        rows = await self._database.fetch("heads", [key.app_id for key in keys], [key.user_id for key in keys])
        return {InboxKey(row["app_id"], row["user_id"]): (row["epoch"], row["head"]) for row in rows}

    async def _read(self, wanted: Sequence[tuple[InboxKey, int | None]], limit: int) -> dict[InboxKey, News]:
        rows = await self._database.fetch(
            "follow",
            [key.app_id for key, _ in wanted],
            [key.user_id for key, _ in wanted],
            [after for _, after in wanted],
            limit + 1,
        )
        by_place: dict[int, list[Record]] = {}
        for row in rows:
            by_place.setdefault(row["place"] - 1, []).append(row)
        found: dict[InboxKey, News] = {}
        for place, group in by_place.items():
            key, _ = wanted[place]
            changes = [change_from(row, key.user_id) for row in group[:limit] if row["id"] is not None]
            found[key] = News(group[0]["followed_id"], inbox_state(group[0]), changes, len(group) > limit)
        return found


def change_from(row: Record, user_id: str) -> Change:
    if row["state"] == State.DELETED:
        return Change(row["changed_position"], "delete", row["id"], None)
    arrived = row["arrived_position"] == row["changed_position"]
    kind: Literal["notification", "update"] = "notification" if arrived else "update"
    return Change(row["changed_position"], kind, row["id"], notification_from(row, user_id))
