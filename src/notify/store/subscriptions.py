"""Who is subscribed to what."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from msgspec import Struct

from notify.core.clock import Clock
from notify.store.database import Database, Record
from notify.store.many import InboxKey
from notify.store.settle import Settle
from notify.store.topics import Topics

__all__ = ("Pair", "Subscribed", "Subscription", "Subscriptions")


class Pair(NamedTuple):
    user_id: str
    topic: str


class Subscription(Struct, frozen=True):
    topic: str
    user_id: str
    created_at: datetime


class Subscribed(NamedTuple):
    subscription: Subscription
    is_new: bool


class Subscriptions:
    def __init__(self, database: Database, topics: Topics, settle: Settle, clock: Clock, *, most_per_user: int) -> None:
        self._database = database
        self._settle = settle
        self._topics = topics
        self._clock = clock
        self._most_per_user = most_per_user

    async def subscribe(self, app_id: str, pairs: Sequence[Pair]) -> list[Subscribed | None]:
        """In one statement, for each pair in its place. None where the user has as many as they may have."""
        settings = await self._topics.deciding(app_id, (pair.topic for pair in pairs))
        wanted = (
            app_id,
            list(settings),
            [None if said is None else said.late_entries for said in settings.values()],
            [None if said is None else said.late_seconds for said in settings.values()],
            [pair.user_id for pair in pairs],
            [pair.topic for pair in pairs],
            self._most_per_user,
            self._clock.now(),
        )
        sql = self._database.statements["subscribe"]
        rows = await self._database.committed(lambda connection: connection.fetch(sql, *wanted))
        await self._settle.pull([InboxKey(app_id, pairs[row["place"] - 1].user_id) for row in rows if row["is_late"]])
        first = {pairs[row["place"] - 1]: row for row in rows}
        return [_subscribed(pair, place, first[pair]) for place, pair in enumerate(pairs, 1)]

    async def unsubscribe(self, app_id: str, pair: Pair) -> None:
        """What was published by now stays theirs."""
        await self._settle.pull([InboxKey(app_id, pair.user_id)])
        await self._database.execute("unsubscribe", app_id, *pair)

    async def of_user(self, app_id: str, user_id: str, limit: int, after: str | None) -> list[Subscription]:
        rows = await self._database.fetch("subscriptions_of", app_id, user_id, after, limit)
        return [Subscription(**dict(row)) for row in rows]

    async def to_topic(self, app_id: str, topic: str, limit: int, after: str | None) -> list[Subscription]:
        rows = await self._database.fetch("subscriptions_to", app_id, topic, after, limit)
        return [Subscription(**dict(row)) for row in rows]


def _subscribed(pair: Pair, place: int, row: Record) -> Subscribed | None:
    if row["created_at"] is None:
        return None
    # What the call names once more is there by then.
    is_new = row["is_new"] and row["place"] == place
    return Subscribed(Subscription(pair.topic, pair.user_id, row["created_at"]), is_new)
