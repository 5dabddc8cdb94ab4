"""The newest publications to everyone: as the database has them, or as they were read last while it is away."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal, NamedTuple
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.metrics import Metrics
from notify.store.database import Database, Record
from notify.store.rows import shown_content
from notify.store.together import Together

__all__ = ("MOST_RECENT", "Broadcast", "Broadcasts", "RecentBroadcasts")

log = structlog.get_logger(__name__)

MOST_RECENT = 100
"""That may be asked for, and so that are remembered of an app."""

_QUESTIONS_PER_READ = 50
_REST_SECONDS = 1.0
"""However fast an app publishes, this often it is read again."""

_APP_BYTES = 1000
"""What it takes to remember an app besides its broadcasts."""


class Broadcast(Struct, frozen=True):
    """A publication to everyone as it is now, by the id of its operation."""

    id: UUID
    type: str | None
    level: str
    title: str
    body: str | None
    data: msgspec.Raw | None
    url: str | None
    actions: msgspec.Raw | None
    actor: msgspec.Raw | None
    collapse_key: str | None
    progress: float | None
    published_at: datetime
    edited_at: datetime | None
    expires_at: datetime | None


class RecentBroadcasts(Struct, frozen=True):
    """Newest first. From `memory` they are as they were at `as_of`, when the database was there."""

    items: list[Broadcast]
    source: Literal["database", "memory"]
    as_of: datetime


class _Question(NamedTuple):
    app_id: str
    user_id: str | None
    limit: int


class _Shown(NamedTuple):
    broadcast: Broadcast
    excluded: frozenset[str]


class _Page(NamedTuple):
    shown: list[_Shown]
    as_of: datetime


class Broadcasts:
    def __init__(self, database: Database, clock: Clock, metrics: Metrics, *, most_bytes: int) -> None:
        self._database = database
        self._clock = clock
        self._memory = _Memory(most_bytes, metrics)
        self._pages = Together(self._read, most=_QUESTIONS_PER_READ, timeout_seconds=database.timeout_seconds)
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="broadcasts")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def recent(self, app_id: str, user_id: str | None, limit: int) -> RecentBroadcasts:
        """But for those that leave this user out."""
        remembered = self._memory.of(app_id)
        asking = self._pages.get(_Question(app_id, user_id, limit))
        try:
            if remembered.page is None:
                page, _ = await asyncio.gather(asking, self._remember(app_id, remembered))
            else:
                page = await asking
        except DatabaseAwayError:
            if remembered.page is None:
                raise
            now = self._clock.now()
            items = [each.broadcast for each in remembered.page.shown if _is_for(each, user_id, now)]
            return RecentBroadcasts(items[:limit], "memory", remembered.page.as_of)
        return RecentBroadcasts([each.broadcast for each in page.shown], "database", page.as_of)

    def published(self, heads: Mapping[str, int]) -> None:
        """The logs of these apps have moved on."""
        self._read_again(list(heads))

    def compare_all(self) -> None:
        """The log of any app may have moved on."""
        self._read_again(self._memory.apps)

    def _read_again(self, app_ids: Sequence[str]) -> None:
        if self._memory.mark_stale(app_ids):
            self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.gather(*(self._refresh(*each) for each in self._memory.stale()))
            await self._clock.sleep(_REST_SECONDS)

    async def _refresh(self, app_id: str, remembered: "_Remembered") -> None:
        try:
            await self._remember(app_id, remembered)
        except DatabaseAwayError:
            # What is remembered is what there is to show now.
            self._news.set()
        except Exception:
            log.exception("broadcasts could not be read", action="broadcasts_failed", app=app_id)
            self._news.set()

    async def _remember(self, app_id: str, remembered: "_Remembered") -> None:
        # Before the read: what is published meanwhile is read again.
        remembered.is_stale = False
        try:
            page = await self._pages.get(_Question(app_id, None, MOST_RECENT))
        except BaseException:
            remembered.is_stale = True
            raise
        self._memory.keep(app_id, remembered, page)

    async def _read(self, questions: list[_Question]) -> dict[_Question, _Page]:
        now = self._clock.now()
        columns = [[each[column] for each in questions] for column in range(3)]
        pages = {each: _Page([], now) for each in questions}
        for row in await self._database.fetch("broadcasts", *columns, now):
            pages[questions[row["place"] - 1]].shown.append(_shown(row))
        return pages


class _Remembered:
    __slots__ = ("bytes", "is_stale", "page")

    def __init__(self) -> None:
        self.page: _Page | None = None
        self.is_stale = False
        self.bytes = _APP_BYTES


class _Memory:
    """The newest broadcasts of the apps that were asked for last."""

    def __init__(self, most_bytes: int, metrics: Metrics) -> None:
        self._most_bytes = most_bytes
        self._of_apps: OrderedDict[str, _Remembered] = OrderedDict()
        self._bytes = 0
        metrics.broadcast_bytes.set_function(lambda: self._bytes)

    @property
    def apps(self) -> list[str]:
        return list(self._of_apps)

    def of(self, app_id: str) -> _Remembered:
        remembered = self._of_apps.get(app_id)
        if remembered is None:
            remembered = self._of_apps[app_id] = _Remembered()
            self._bytes += remembered.bytes
            self._shed()
        self._of_apps.move_to_end(app_id)
        return remembered

    def mark_stale(self, app_ids: Sequence[str]) -> bool:
        """Whether any of them is remembered."""
        known = [self._of_apps[app_id] for app_id in app_ids if app_id in self._of_apps]
        for remembered in known:
            remembered.is_stale = True
        return bool(known)

    def stale(self) -> list[tuple[str, _Remembered]]:
        return [(app_id, remembered) for app_id, remembered in self._of_apps.items() if remembered.is_stale]

    def keep(self, app_id: str, remembered: _Remembered, page: _Page) -> None:
        if self._of_apps.get(app_id) is not remembered:
            return  # Others have been asked for since.
        self._bytes -= remembered.bytes
        remembered.page, remembered.bytes = self._fitting(page)
        self._bytes += remembered.bytes
        self._shed()

    def _fitting(self, page: _Page) -> tuple[_Page, int]:
        """As many of the newest as there is memory for at all, and what they take."""
        taken = _APP_BYTES
        for number, each in enumerate(page.shown):
            size = _size(each)
            if taken + size > self._most_bytes:
                return page._replace(shown=page.shown[:number]), taken
            taken += size
        return page, taken

    def _shed(self) -> None:
        while self._bytes > self._most_bytes and len(self._of_apps) > 1:
            _, oldest = self._of_apps.popitem(last=False)
            self._bytes -= oldest.bytes


def _is_for(shown: _Shown, user_id: str | None, now: datetime) -> bool:
    expires_at = shown.broadcast.expires_at
    return user_id not in shown.excluded and (expires_at is None or expires_at > now)


def _size(shown: _Shown) -> int:
    return len(msgspec.json.encode(shown.broadcast)) + sum(map(len, shown.excluded))


def _shown(row: Record) -> _Shown:
    broadcast = Broadcast(
        id=row["id"],
        **shown_content(row),
        published_at=row["published_at"],
        edited_at=row["edited_at"],
    )
    return _Shown(broadcast, frozenset(row["excluded"] or ()))
