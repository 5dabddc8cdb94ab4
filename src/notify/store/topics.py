"""What an app says of its topics. A topic needs no settings to be published to."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from notify.core.clock import Clock
from notify.core.topic import TopicPattern, decisive, keys_of
from notify.store.database import Database, Record

__all__ = ("TopicSettings", "TopicState", "Topics")

_HALF = "Both this and the other of `late_entries` and `late_seconds` have to be set; else there are none."


class TopicSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Of a topic or a pattern; what is said of the most specific one counts."""

    self_service: Annotated[bool, Meta(description="Whether users may subscribe and unsubscribe themselves.")] = False
    late_entries: (
        Annotated[
            int, Meta(ge=0, le=1000, description=f"How many of the newest a new subscriber gets at most. {_HALF}")
        ]
        | None
    ) = None
    late_seconds: (
        Annotated[
            int, Meta(ge=0, le=31_536_000, description=f"How old what a new subscriber gets may be at most. {_HALF}")
        ]
        | None
    ) = None


class TopicState(Struct, frozen=True):
    topic: TopicPattern
    self_service: bool
    late_entries: int | None
    late_seconds: int | None
    updated_at: datetime


class Topics:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def set(self, app_id: str, topic: str, settings: TopicSettings) -> TopicState:
        rows = await self._database.execute(
            "topic_set",
            app_id,
            topic,
            settings.self_service,
            settings.late_entries,
            settings.late_seconds,
            self._clock.now(),
        )
        return _state(rows[0])

    async def unset(self, app_id: str, topic: str) -> None:
        await self._database.execute("topic_unset", app_id, topic)

    async def list(self, app_id: str, limit: int, after: str | None) -> list[TopicState]:
        return [_state(row) for row in await self._database.fetch("topics", app_id, after, limit)]

    async def deciding(self, app_id: str, topics: Iterable[str]) -> dict[str, TopicState | None]:
        """For each of these topics and patterns the settings that count for it, if there are any."""
        wanted = list(dict.fromkeys(topics))
        rows = await self._database.fetch("topics_named", app_id, keys_of(wanted))
        said = {row["topic"]: _state(row) for row in rows}
        return {topic: decisive(topic, said) for topic in wanted}


def _state(row: Record) -> TopicState:
    return TopicState(**dict(row))
