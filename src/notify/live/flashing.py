"""What is kept for nobody reaches whoever is connected: from memory in the process that wrote it, in the others as soon
as they have read it. What cannot be shown now is dropped.
"""

import asyncio
import time
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

import structlog

from notify.core.errors import DatabaseAwayError
from notify.core.notification import Notification
from notify.core.topic import keys_of
from notify.live.encoding import Flashed
from notify.live.hub import Hub
from notify.metrics import Metrics
from notify.store.flashes import Flash, Flashes
from notify.store.many import InboxKey

__all__ = ("Flashing",)

log = structlog.get_logger(__name__)

_MOST_WAITING = 10_000
_FLASHES_AT_ONCE = 100
_INBOXES_AT_ONCE = 500
_SHOWING_SECONDS = 0.005


class Flashing:
    def __init__(self, hub: Hub, flashes: Flashes, metrics: Metrics) -> None:
        self._hub = hub
        self._flashes = flashes
        self._metrics = metrics
        self._waiting: deque[Flash | UUID] = deque()
        """In the order that they came; those of other processes are known by their ids only."""
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="flashing")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def written(self, flashes: Sequence[Flash]) -> None:
        """By this process."""
        self._take(flashes)

    def rung(self, ids: Sequence[UUID]) -> None:
        """By another one."""
        if self._hub.followed:
            self._take(ids)

    def _take(self, news: Sequence[Flash] | Sequence[UUID]) -> None:
        room = _MOST_WAITING - len(self._waiting)
        self._waiting.extend(news[:room])
        self._metrics.flashes_dropped.labels("overload").inc(len(news[room:]))
        self._news.set()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                some = [self._waiting.popleft() for _ in range(min(len(self._waiting), _FLASHES_AT_ONCE))]
                try:
                    await self._show(some)
                except DatabaseAwayError as error:
                    self._metrics.flashes_dropped.labels("away").inc(len(some))
                    log.warning("flashes were dropped", action="flashes_away", cause=repr(error.__cause__))
                except Exception:
                    self._metrics.flashes_dropped.labels("error").inc(len(some))
                    log.exception("flashes could not be shown", action="flashes_failed")

    async def _show(self, news: Sequence[Flash | UUID]) -> None:
        rung = [each for each in news if isinstance(each, UUID)]
        read = {flash.id: flash for flash in await self._flashes.read(rung)} if rung else {}
        of_apps: dict[str, list[_Aimed]] = {}
        for each in news:
            flash = read.get(each) if isinstance(each, UUID) else each
            if flash is not None:
                of_apps.setdefault(flash.app_id, []).append(_Aimed(flash))
        for app_id, flashes in of_apps.items():
            await self._show_in(app_id, flashes)

    async def _show_in(self, app_id: str, flashes: "Sequence[_Aimed]") -> None:
        inboxes = self._inboxes_for(app_id, flashes)
        keys = {key for flash in flashes for key in flash.keys}
        for start in range(0, len(inboxes), _INBOXES_AT_ONCE):
            some = inboxes[start : start + _INBOXES_AT_ONCE]
            users = [inbox.user_id for inbox in some]
            subscribed = await self._flashes.subscribed(app_id, users, keys) if keys else {}
            await self._show_to(some, flashes, subscribed)

    def _inboxes_for(self, app_id: str, flashes: "Iterable[_Aimed]") -> list[InboxKey]:
        """The followed ones that they may be for."""
        if all(flash.users for flash in flashes):
            named = dict.fromkeys(InboxKey(app_id, user) for flash in flashes for user in flash.users)
            return [key for key in named if self._hub.followers_of(key)]
        return self._hub.followed_in(app_id)

    async def _show_to(
        self, inboxes: Iterable[InboxKey], flashes: "Sequence[_Aimed]", subscribed: dict[str, set[str]]
    ) -> None:
        until = time.perf_counter() + _SHOWING_SECONDS
        for inbox in inboxes:
            followers = self._hub.followers_of(inbox)
            if followers:
                # Whose it is and by which topic is part of it, so each inbox has bytes of its own.
                keys = subscribed.get(inbox.user_id, ())
                found = [flash.notification_for(inbox.user_id, keys) for flash in flashes]
                shown = [Flashed(notification) for notification in found if notification is not None]
                for follower in followers if shown else ():
                    follower.flash(shown)
            if time.perf_counter() > until:
                # A crowd keeps nobody else waiting for all of it.
                await asyncio.sleep(0)
                until = time.perf_counter() + _SHOWING_SECONDS


class _Aimed:
    """A flash that is asked for one user after the other whether it is for them."""

    __slots__ = ("_excluded", "_flash", "_keys_of", "keys", "users")

    def __init__(self, flash: Flash) -> None:
        self._flash = flash
        self._excluded = frozenset(flash.excluded)
        self._keys_of = {topic: frozenset(keys_of([topic])) for topic in flash.topics}
        self.users = frozenset(flash.user_ids)
        self.keys = frozenset(keys_of(flash.topics))

    def notification_for(self, user_id: str, subscribed: Collection[str]) -> Notification | None:
        if user_id in self._excluded or (self.users and user_id not in self.users):
            return None
        if not self._keys_of:
            return self._flash.notification_of(user_id, None)
        topic = next((topic for topic, keys in self._keys_of.items() if not keys.isdisjoint(subscribed)), None)
        return None if topic is None else self._flash.notification_of(user_id, topic)
