"""The inboxes that somebody follows in this process: read once, encoded once, shown to every follower."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import structlog
from msgspec import Struct

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.core.position import Position
from notify.live.feed import Feed, Follower
from notify.live.tail import LiveEvent
from notify.metrics import Metrics
from notify.store.commits import Commit
from notify.store.following import Change, Following, News
from notify.store.many import InboxKey
from notify.store.rows import InboxState

__all__ = ("Hub", "HubLimits")

log = structlog.get_logger(__name__)

_INBOXES_PER_READ = 500
_EVENTS_PER_READ = 200
_PAUSE_WHEN_AWAY_SECONDS = 0.5
_WAKING_SECONDS = 0.005
_WAKES_PER_LOOK = 8
"""At the clock, which costs a part of what waking does."""


OnDue = Callable[[InboxKey, datetime | None], None]
"""With a followed inbox, and when time does something to it."""


class HubLimits(Struct, frozen=True):
    tail_bytes: int
    all_tails_bytes: int
    grace_seconds: float
    safety_poll_seconds: float


class Hub:
    def __init__(self, following: Following, clock: Clock, metrics: Metrics, limits: HubLimits, on_due: OnDue) -> None:
        self._following = following
        self._clock = clock
        self._on_due = on_due
        self._metrics = metrics
        self._limits = limits
        self._feeds: dict[InboxKey, Feed] = {}
        self._by_id: dict[int, Feed] = {}
        self._stale: set[Feed] = set()
        self._idle: set[Feed] = set()
        self._loading = 0
        self._rung_while_loading: dict[int, tuple[str, int]] = {}
        self._tail_bytes = 0
        self._waking: dict[Feed, Iterator[Follower]] = {}
        self._wake_again: set[Feed] = set()
        self._news_wanted = asyncio.Event()
        self._compare_now = asyncio.Event()
        self._is_compared = False
        """Whether everything followed has been held against the database since rings may last have been missed."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._read_news(), name="hub-news"),
            asyncio.create_task(self._compare(), name="hub-compare"),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def followed(self) -> int:
        return len(self._feeds)

    def followed_in(self, app_id: str) -> list[InboxKey]:
        return [key for key in self._feeds if key.app_id == app_id]

    def followers_of(self, key: InboxKey) -> list[Follower]:
        feed = self._feeds.get(key)
        return [] if feed is None else list(feed.followers)

    # Following

    def follow(self, key: InboxKey, follower: Follower) -> Feed:
        """Holds the follower's place: what is committed from now on wakes it, so it may read the rest in peace."""
        feed = self._feeds.get(key)
        if feed is None:
            feed = self._feeds[key] = Feed(key)
            self._loading += 1
            self._mark_stale(feed)
        feed.followers.add(follower)
        self._idle.discard(feed)
        return feed

    def unfollow(self, feed: Feed, follower: Follower) -> None:
        feed.followers.discard(follower)
        if not feed.followers:
            feed.forget_at = self._clock.monotonic() + self._limits.grace_seconds
            self._idle.add(feed)

    def known(self, key: InboxKey) -> Feed | None:
        """A followed inbox of which nothing is known to be missing here."""
        feed = self._feeds.get(key)
        if feed is None or not feed.is_loaded or feed.is_stale or feed.is_being_read or not self._is_compared:
            return None
        return feed

    async def refresh(self, feed: Feed) -> None:
        """Returns once the feed is as new as the database was when this was called."""
        (news,) = (await self._following.news([(feed.key, feed.tail.head)], _EVENTS_PER_READ)).values()
        self._apply(feed, news)

    async def page(self, feed: Feed, after: int, most: int | None = None) -> News:
        """For a follower that is further behind than the tail reaches."""
        limit = _EVENTS_PER_READ if most is None else min(most, _EVENTS_PER_READ)
        return await self._following.page(feed.key, after, limit)

    # Hearing

    def committed(self, commits: Iterable[Commit]) -> None:
        """Followers see what this process has committed from memory, if that leaves no hole (law 8)."""
        touched: dict[Feed, InboxState] = {}
        for commit in commits:
            feed = self._feeds.get(InboxKey(commit.app_id, commit.user_id))
            if feed is None:
                continue
            if not feed.is_loaded:
                # The read that loads it may have begun before this commit.
                self._mark_stale(feed)
                continue
            follows_on = (
                commit.is_whole
                and not feed.is_stale
                and commit.inbox.bounds.epoch == feed.epoch
                and commit.seq == feed.tail.head + 1
            )
            if follows_on:
                assert commit.id is not None  # noqa: S101 - what is whole has one
                self._append(feed, Change(commit.seq, commit.kind, commit.id, commit.notification()))
            elif commit.inbox.bounds.epoch != feed.epoch:
                self._begin_anew(feed)
                continue
            if commit.seq > feed.tail.head:
                self._mark_stale(feed)
            touched[feed] = commit.inbox
        shown: list[Feed] = []
        for feed, inbox in touched.items():
            if not feed.is_stale and feed.tail.head == inbox.bounds.head:
                self._note(feed, inbox)
                shown.append(feed)
            elif not feed.is_stale:
                self._mark_stale(feed)
        self._wake(shown)

    def rung(self, inbox_id: int, epoch: str, head: int) -> None:
        """Another process says where an inbox is now."""
        feed = self._by_id.get(inbox_id)
        if feed is None:
            if self._loading:
                # Perhaps one of those: its read may have begun before that commit.
                self._rung_while_loading[inbox_id] = (epoch, head)
        elif feed.epoch != epoch:
            self._begin_anew(feed)
        elif feed.tail.head < head:
            self._mark_stale(feed)

    def compare_all(self) -> None:
        """Rings may have been missed: what is followed is held against the database."""
        self._is_compared = False
        self._compare_now.set()

    # Reading

    def _mark_stale(self, feed: Feed) -> None:
        feed.is_stale = True
        self._stale.add(feed)
        self._news_wanted.set()

    def _begin_anew(self, feed: Feed) -> None:
        """It is not the inbox that it was. Perhaps there is none any more: to read one makes it, which is for those who
        follow it.
        """
        if feed.followers:
            self._mark_stale(feed)
        else:
            self._forget(feed)

    async def _read_news(self) -> None:
        while True:
            await self._news_wanted.wait()
            self._news_wanted.clear()
            while self._stale:
                feeds = [self._stale.pop() for _ in range(min(len(self._stale), _INBOXES_PER_READ))]
                try:
                    await self._read(feeds)
                except DatabaseAwayError as error:
                    log.warning("followed inboxes cannot be read", action="hub_away", cause=repr(error.__cause__))
                    self._stale.update(feeds)
                    await self._clock.sleep(_PAUSE_WHEN_AWAY_SECONDS)
                except Exception:
                    log.exception("followed inboxes could not be read", action="hub_failed", inboxes=len(feeds))
                    self._stale.update(feeds)
                    await self._clock.sleep(_PAUSE_WHEN_AWAY_SECONDS)

    async def _read(self, feeds: list[Feed]) -> None:
        wanted = [(feed.key, feed.tail.head if feed.is_loaded else None) for feed in feeds]
        for feed in feeds:
            # Cleared before the read: whatever is marked meanwhile is read again.
            feed.is_stale = False
            feed.is_being_read = True
        try:
            news = await self._following.news(wanted, _EVENTS_PER_READ)
        except BaseException:
            for feed in feeds:
                feed.is_stale = True
            raise
        finally:
            for feed in feeds:
                feed.is_being_read = False
        for feed in feeds:
            self._take(feed, news[feed.key])
        self._wake(feeds)

    def _apply(self, feed: Feed, news: News) -> None:
        self._take(feed, news)
        self._wake([feed])

    def _take(self, feed: Feed, news: News) -> None:
        inbox = news.inbox
        if self._feeds.get(feed.key) is not feed:
            return  # forgotten while it was read
        if not feed.is_loaded or inbox.bounds.epoch != feed.epoch:
            self._begin(feed, news)
        elif inbox.bounds.head < feed.tail.head:
            return  # read before what has been shown from memory since
        elif news.more or feed.tail.head < inbox.bounds.floor:
            # Too much to hold, or forgotten in part: followers that lag look for themselves, in the database.
            self._tail_bytes -= feed.tail.bytes
            feed.tail.restart(inbox.bounds.head)
            self._note(feed, inbox)
        else:
            for change in news.changes:
                if change.seq > feed.tail.head:
                    self._append(feed, change)
            feed.tail.reach(inbox.bounds.head)
            self._note(feed, inbox)

    def _note(self, feed: Feed, inbox: InboxState) -> None:
        before = feed.due_at
        feed.take(inbox)
        if feed.due_at != before:
            self._on_due(feed.key, feed.due_at)

    def _begin(self, feed: Feed, news: News) -> None:
        if not feed.is_loaded:
            self._loading -= 1
        self._tail_bytes -= feed.tail.bytes
        self._by_id.pop(feed.inbox_id, None)
        feed.start(news.inbox_id, news.inbox)
        self._on_due(feed.key, feed.due_at)
        self._by_id[feed.inbox_id] = feed
        rung = self._rung_while_loading.get(feed.inbox_id)
        if rung is not None and (rung[0] != feed.epoch or rung[1] > feed.tail.head):
            self._mark_stale(feed)
        if not self._loading:
            self._rung_while_loading.clear()

    def _append(self, feed: Feed, change: Change) -> None:
        event = LiveEvent(change.kind, Position(feed.epoch, change.seq), change.id, change.notification)
        before = feed.tail.bytes
        feed.append(event, self._limits.tail_bytes)
        self._tail_bytes += feed.tail.bytes - before
        if self._tail_bytes > self._limits.all_tails_bytes:
            self._shed()

    def _shed(self) -> None:
        """All tails together are too large: whole tails go, until half is free."""
        for feed in self._feeds.values():
            if self._tail_bytes <= self._limits.all_tails_bytes // 2:
                return
            self._tail_bytes -= feed.tail.bytes
            feed.tail.restart(feed.tail.head)

    # Waking

    def _wake(self, feeds: Iterable[Feed]) -> None:
        """At once, unless that takes too long for everybody else: then the rest follows, a slice at a time."""
        is_first = not self._waking
        for feed in feeds:
            if feed in self._waking:
                self._wake_again.add(feed)
            elif feed.followers:
                self._waking[feed] = iter(tuple(feed.followers))
        if is_first:
            self._wake_some()

    def _wake_some(self) -> None:
        until = time.perf_counter() + _WAKING_SECONDS
        while self._waking:
            feed, followers = next(iter(self._waking.items()))
            for woken, follower in enumerate(followers, 1):
                follower.wake()
                if not woken % _WAKES_PER_LOOK and time.perf_counter() > until:
                    # The next slice is another inbox's: a crowd keeps nobody else waiting for all of it.
                    self._waking[feed] = self._waking.pop(feed)
                    asyncio.get_running_loop().call_soon(self._wake_some)
                    return
            del self._waking[feed]
            if feed in self._wake_again:
                # Those that came first have seen less than there is by now.
                self._wake_again.discard(feed)
                self._waking[feed] = iter(tuple(feed.followers))

    # The safety net

    async def _compare(self) -> None:
        while True:
            await self._clock.wait(self._compare_now, self._limits.safety_poll_seconds)
            self._compare_now.clear()
            self._forget_the_idle()
            try:
                await self._compare_with_database()
                # Unless there was a reason to compare again meanwhile.
                self._is_compared = self._is_compared or not self._compare_now.is_set()
            except DatabaseAwayError:
                continue
            except Exception:
                log.exception("followed inboxes could not be compared", action="hub_compare_failed")

    async def _compare_with_database(self) -> None:
        keys = list(self._feeds)
        for start in range(0, len(keys), _INBOXES_PER_READ):
            some = keys[start : start + _INBOXES_PER_READ]
            heads = await self._following.heads(some)
            for key in some:
                feed = self._feeds.get(key)
                stands = heads.get(key)
                if feed is None or not feed.is_loaded:
                    continue
                if stands is None or stands.position.epoch != feed.epoch:
                    self._begin_anew(feed)
                elif stands.is_unsettled or stands.is_past(feed.head):
                    self._mark_stale(feed)

    def _forget_the_idle(self) -> None:
        now = self._clock.monotonic()
        for feed in [feed for feed in self._idle if feed.forget_at <= now]:
            self._forget(feed)

    def _forget(self, feed: Feed) -> None:
        self._idle.discard(feed)
        self._stale.discard(feed)
        del self._feeds[feed.key]
        self._loading -= not feed.is_loaded
        self._by_id.pop(feed.inbox_id, None)
        self._tail_bytes -= feed.tail.bytes
        self._on_due(feed.key, None)

    def measure(self) -> None:
        self._metrics.followed_inboxes.set(len(self._feeds))
        self._metrics.tail_bytes.set(self._tail_bytes)
