"""The races of the live side, placed by hand: what is committed, rung and read in which order. The database is real;
only when a read begins and when its result is told is held in the test's hand.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar, cast

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from notify.app import Service
from notify.core.errors import DatabaseAwayError
from notify.core.event import Deleted, Resetting
from notify.core.notification import Create, content_of
from notify.core.position import Position
from notify.live import hub as hub_module
from notify.live.connection import Connection, Parts, Start, Visitor
from notify.live.feed import Feed, Follower
from notify.live.hub import Hub, HubLimits
from notify.live.messages import ByeReason
from notify.live.sse import StreamConnection
from notify.live.subprotocols import agree
from notify.live.transport import SERVE, Chunks
from notify.live.websocket import Errands, Socket, SocketLimits, Terms
from notify.settings import Settings
from notify.store.commands import ChangeCommand, CreateCommand
from notify.store.commits import Commit
from notify.store.following import Following, News
from notify.store.many import InboxKey, Reader
from notify.store.snapshots import Snapshot, Snapshots
from support.clock import ManualClock
from support.processes import ADMIN_KEY
from support.proxy import Proxy
from support.streams import Block, Held
from support.waiting import eventually

T = TypeVar("T")

SECONDS = 5.0
NEVER = 3600.0
POLL = 60.0
PLENTY = 1_000_000


class Gate:
    """A place that a read passes at once, or waits at until it is let through."""

    def __init__(self) -> None:
        self._is_shut = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def shut(self) -> None:
        self._is_shut = True

    def open(self) -> None:
        self._is_shut = False
        while self.let_one():
            pass

    def let_one(self) -> bool:
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(None)
                return True
        return False

    @property
    def is_reached(self) -> bool:
        return any(not each.done() for each in self._waiting)

    async def pass_through(self) -> None:
        if self._is_shut:
            waiting = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting


class HeldFollowing(Following):
    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self.before = Gate()
        self.after = Gate()
        self.reads = 0

    async def news(self, wanted: Sequence[tuple[InboxKey, int | None]], limit: int) -> dict[InboxKey, News]:
        self.reads += 1
        await self.before.pass_through()
        news = await super().news(wanted, limit)
        await self.after.pass_through()
        return news

    async def page(self, key: InboxKey, after: int, limit: int) -> News:
        self.reads += 1
        await self.before.pass_through()
        page = await super().page(key, after, limit)
        await self.after.pass_through()
        return page


class HeldSnapshots(Snapshots):
    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self.before = Gate()
        self.after = Gate()

    async def of(self, key: InboxKey) -> Snapshot:
        await self.before.pass_through()
        snapshot = await super().of(key)
        await self.after.pass_through()
        return snapshot


class Side:
    """A process as far as it writes. What it committed is kept, to be told or not."""

    def __init__(self, url: str, clock: ManualClock) -> None:
        self.service = Service(Settings(database_url=url, admin_key=ADMIN_KEY), clock)
        self.commits: list[Commit] = []
        self.service.writer.on_commit = self.commits.extend

    async def open(self) -> None:
        await self.service.database.open()
        self.service.writer.start()

    async def close(self) -> None:
        await self.service.writer.stop()
        await self.service.database.close()

    async def create(self, key: InboxKey, title: str = "a title", **fields: Any) -> Commit:
        content = content_of(Create(to=key.user_id, title=title, **fields), self.service.settings.limits)
        await self.service.writer.create(CreateCommand.to(key.app_id, [key.user_id], content))
        return self.commits[-1]

    async def change(self, key: InboxKey, id_: Any, action: Any, **columns: str) -> None:
        await self.service.writer.change(ChangeCommand(key.app_id, key.user_id, id_, action, {**columns}))

    def told(self) -> list[Commit]:
        """What it committed since this was last asked."""
        told, self.commits[:] = list(self.commits), []
        return told


class Stage:
    """A hub that reads through gates, this process's writer, and that of another process."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.here = Side(url, self.clock)
        self.elsewhere = Side(url, self.clock)
        self.database = self.here.service.database
        self.reader = self.here.service.reader
        self.inboxes = self.here.service.inboxes
        self.metrics = self.here.service.metrics
        self.use(HubLimits(PLENTY, PLENTY, NEVER, NEVER))

    def use(self, limits: HubLimits) -> None:
        self.following = HeldFollowing(self.reader)
        self.snapshots = HeldSnapshots(self.reader)
        service = self.here.service
        self.hub = Hub(self.following, self.clock, self.metrics, limits, on_due=service.timing.watch)
        self.parts = Parts(self.hub, self.snapshots, service.devices, self.clock, self.metrics, NoRoster())

    async def open(self) -> None:
        await self.here.open()
        await self.elsewhere.open()

    async def close(self) -> None:
        for gate in self.gates:
            gate.open()
        await self.hub.stop()
        await self.here.close()
        await self.elsewhere.close()

    @property
    def gates(self) -> list[Gate]:
        return [self.following.before, self.following.after, self.snapshots.before, self.snapshots.after]

    def tell(self) -> None:
        """What this process has committed is shown from memory."""
        self.hub.committed(self.here.told())

    def ring(self) -> None:
        for commit in self.elsewhere.told():
            self.hub.rung(commit.inbox_id, commit.inbox.bounds.epoch, commit.inbox.bounds.head)


class NoRoster:
    is_draining = False

    def add(self, connection: Connection) -> None: ...

    def remove(self, connection: Connection) -> None: ...

    def end(self, connection: Connection, reason: ByeReason, retry_ms: int | None = None) -> None:  # noqa: ARG002
        raise AssertionError(f"a connection was ended: {reason}")


class Watching(Follower):
    def __init__(self, hub: Hub, key: InboxKey) -> None:
        self.key = key
        self.wakes = 0
        self.feed: Feed = hub.follow(key, self)

    def wake(self) -> None:
        self.wakes += 1

    def seqs(self, after: int = 0) -> list[int]:
        return [event.seq for event in self.feed.tail.after(after)]


class Phone:
    """A client whose network stands still when the test says so."""

    def __init__(
        self, parts: Parts, key: InboxKey, held: Held | None = None, fresh: Any = "unread", *, straight: bool = True
    ) -> None:
        self.held = held or Held()
        presented = self.held.position
        self.held.connect(presented)
        self.received = bytearray()
        self.chunks: list[bytes] = []
        self.shown: list[Block] = []
        self._going_on = asyncio.Event()
        self._going_on.set()
        self.is_broken = False
        self.connection = StreamConnection(parts, Visitor(key, "a session", None), self._send, frozenset())
        if straight:
            self.connection.write_straight_to(Chunks(self, cast(asyncio.Transport, self)))
        self.connection.begin_soon(Start((presented,) if presented else (), fresh))

    async def _send(self, message: Any) -> None:
        # As uvicorn: what is sent next waits until the socket takes something again.
        await self._going_on.wait()
        self.received += message["body"]

    # As uvicorn's own, for who writes there without asking it

    write_paused = property(lambda self: not self._going_on.is_set())

    def is_closing(self) -> bool:
        return False

    def write(self, chunk: bytes) -> None:
        if self.is_broken:
            raise RuntimeError("nobody foresaw this")
        size, _, rest = chunk.partition(b"\r\n")
        body = rest.removesuffix(b"\r\n")
        assert self._going_on.is_set(), "nothing is written to who takes nothing"
        assert (len(body), len(rest)) == (int(size, 16), int(size, 16) + 2)
        self.received += body
        self.chunks.append(chunk)

    def pause(self) -> None:
        self._going_on.clear()

    def resume(self) -> None:
        self._going_on.set()

    def look(self) -> list[Block]:
        *whole, self.received = self.received.split(b"\n\n")
        blocks = [Block.parse(block.decode()) for block in whole]
        self.shown += blocks
        try:
            self.held.take_all(blocks)
        except AssertionError as error:
            error.add_note("\n".join(map(repr, ["shown so far:", *self.shown])))
            raise
        return blocks

    def stands_at(self, seq: int) -> bool:
        """Whether it has been shown everything up to there, and the counters of it."""
        self.look()
        return self.held.position is not None and self.held.seq == seq and bool(self.held.counters)

    def leave(self) -> None:
        self.look()
        self.connection.leave()


@pytest.fixture
async def stage(database_url: str) -> AsyncIterator[Stage]:
    stage = Stage(database_url)
    await stage.open()
    stage.hub.start()
    yield stage
    await stage.close()


@pytest.fixture
def key() -> InboxKey:
    return InboxKey("default", "alice")


async def loaded(stage: Stage, key: InboxKey) -> Watching:
    watching = Watching(stage.hub, key)
    async with asyncio.timeout(SECONDS):
        await watching.feed.loaded()
    return watching


# While an inbox is loading


async def test_a_commit_between_following_and_the_first_read_is_seen(stage: Stage, key: InboxKey) -> None:
    stage.following.before.shut()
    watching = Watching(stage.hub, key)
    await eventually(lambda: stage.following.before.is_reached, SECONDS)
    await stage.here.create(key)
    stage.tell()
    stage.following.before.open()
    await eventually(lambda: watching.feed.is_loaded and not watching.feed.is_stale, SECONDS)
    assert watching.feed.tail.head == 1
    assert watching.wakes


async def test_a_commit_after_the_first_read_has_looked_and_before_it_tells_is_seen(
    stage: Stage, key: InboxKey
) -> None:
    stage.following.after.shut()
    watching = Watching(stage.hub, key)
    await eventually(lambda: stage.following.after.is_reached, SECONDS)
    await stage.here.create(key)
    stage.tell()
    assert not watching.feed.is_loaded
    stage.following.after.open()
    await eventually(lambda: watching.feed.tail.head == 1, SECONDS)
    assert watching.seqs() == [1]
    assert watching.feed.unread == 1


async def test_a_ring_for_an_inbox_that_is_still_loading_is_not_forgotten(stage: Stage, key: InboxKey) -> None:
    await stage.elsewhere.create(key)
    stage.elsewhere.told()
    stage.following.after.shut()
    watching = Watching(stage.hub, key)
    await eventually(lambda: stage.following.after.is_reached, SECONDS)
    await stage.elsewhere.create(key)
    stage.ring()
    stage.following.after.open()
    await eventually(lambda: watching.feed.tail.head == 2, SECONDS)
    assert watching.seqs(after=1) == [2]


async def test_a_ring_that_a_loading_inbox_was_read_past_causes_no_other_read(stage: Stage, key: InboxKey) -> None:
    stage.following.before.shut()
    watching = Watching(stage.hub, key)
    await eventually(lambda: stage.following.before.is_reached, SECONDS)
    await stage.elsewhere.create(key)
    stage.ring()
    stage.following.before.open()
    await eventually(lambda: watching.feed.tail.head == 1, SECONDS)
    assert not watching.feed.is_stale
    assert stage.following.reads == 1


async def test_whoever_follows_an_inbox_that_does_not_exist_makes_it(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    assert watching.feed.head == Position(watching.feed.epoch, 0)
    assert len(watching.feed.epoch) == 10


# From memory


async def test_what_this_process_commits_is_shown_without_a_read(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    reads = stage.following.reads
    commit = await stage.here.create(key)
    await stage.here.change(key, commit.id, "read")
    await stage.here.change(key, commit.id, "delete")
    stage.tell()
    shown = [event for seq in range(3) for event in watching.feed.tail.after(seq)]
    assert [(event.position, event.kind) for event in shown] == [(f"{watching.feed.epoch}.3", "delete")] * 3
    assert (watching.feed.unread, watching.feed.total) == (0, 0)
    assert watching.wakes
    assert stage.following.reads == reads


async def test_what_is_shown_from_memory_is_to_the_byte_what_the_database_says(stage: Stage, key: InboxKey) -> None:
    """Else two clients of one inbox would hold different things, each rightly."""
    watching = await loaded(stage, key)
    commit = await stage.here.create(
        key,
        'Ünïcode \u2028 and \\ " quotes',
        body="two\nlines",
        type="order.ready",
        level="warning",
        data={"deep": [{"a": 1.5, "b": None, "e": 10**18}], "text": "é"},
        url="/orders/7",
    )
    await stage.here.create(key)
    await stage.here.change(key, commit.id, "edit", title="Edited", data='{"n":1}')
    await stage.here.change(key, stage.here.commits[0].id, "read")
    stage.tell()
    from_memory = {event.seq: event.sse for event in watching.feed.tail.after(0)}
    limits = HubLimits(PLENTY, PLENTY, NEVER, NEVER)
    elsewhere = Hub(Following(stage.reader), stage.clock, stage.metrics, limits, stage.here.service.timing.watch)
    news = await elsewhere.page(watching.feed, 0)
    read = Watching(elsewhere, key)
    elsewhere._apply(read.feed, msgspec.structs.replace(news, inbox=before_all(news)))
    elsewhere._apply(read.feed, news)
    from_database = {event.seq: event.sse for event in read.feed.tail.after(0)}
    # The first position was overtaken by the edit, so only memory still has it.
    assert from_database == {seq: sse for seq, sse in from_memory.items() if seq in from_database}
    assert sorted(from_database) == [2, 3, 4] or sorted(from_database) == [2, 4]


def before_all(news: News) -> Any:
    bounds = msgspec.structs.replace(news.inbox.bounds, head=0)
    return msgspec.structs.replace(news.inbox, bounds=bounds)


async def test_memory_never_skips_what_it_was_not_told_of(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    stage.following.before.shut()
    await stage.elsewhere.create(key)
    await stage.here.create(key)
    stage.tell()
    # The second position is known and the first is not: nothing is shown.
    assert (watching.feed.tail.head, watching.wakes) == (0, 1)
    stage.following.before.open()
    await eventually(lambda: watching.feed.tail.head == 2, SECONDS)
    assert watching.seqs() == [1, 2]


async def test_commits_told_in_another_order_than_they_were_made_are_shown_in_theirs(
    stage: Stage, key: InboxKey
) -> None:
    watching = await loaded(stage, key)
    for _ in range(3):
        await stage.here.create(key)
    for commit in reversed(stage.here.told()):
        stage.hub.committed([commit])
    await eventually(lambda: watching.feed.tail.head == 3, SECONDS)
    assert watching.seqs() == [1, 2, 3]


async def test_a_commit_that_does_not_say_what_it_did_is_read(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    await stage.here.create(key, "first", collapse_key="k")
    await stage.here.create(key, "second", collapse_key="k")
    stage.tell()
    await eventually(lambda: watching.feed.tail.head == 2, SECONDS)
    assert [event.notification.title for event in watching.feed.tail.after(1) if event.notification] == ["second"]


async def test_a_commit_told_twice_is_shown_once(stage: Stage, key: InboxKey) -> None:
    """A batch whose COMMIT lost its answer is found written and told then; nobody knows that it was not told before."""
    watching = await loaded(stage, key)
    commit = await stage.here.create(key)
    stage.hub.committed([commit])
    stage.hub.committed([commit])
    await stage.here.create(key)
    stage.hub.committed(stage.here.told()[-1:])
    await eventually(lambda: watching.feed.tail.head == 2, SECONDS)
    assert watching.seqs() == [1, 2]


# While it is read again


async def test_a_read_that_is_older_than_memory_takes_nothing_back(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    stage.following.after.shut()
    refresh = asyncio.ensure_future(stage.hub.refresh(watching.feed))
    await eventually(lambda: stage.following.after.is_reached, SECONDS)
    await stage.here.create(key)
    stage.tell()
    assert watching.seqs() == [1]
    stage.following.after.open()
    await refresh
    assert (watching.seqs(), watching.feed.unread, watching.feed.tail.head) == ([1], 1, 1)


async def test_a_read_that_is_newer_than_memory_adds_only_what_memory_lacks(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    stage.following.before.shut()
    refresh = asyncio.ensure_future(stage.hub.refresh(watching.feed))
    await eventually(lambda: stage.following.before.is_reached, SECONDS)
    await stage.here.create(key)
    stage.tell()
    await stage.elsewhere.create(key)
    stage.following.before.open()
    await refresh
    assert (watching.seqs(), watching.feed.unread, watching.feed.tail.head) == ([1, 2], 2, 2)


async def test_memory_that_is_ahead_of_a_read_under_way_waits_for_the_next(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    stage.following.after.shut()
    await stage.elsewhere.create(key)
    stage.ring()
    await eventually(lambda: stage.following.after.is_reached, SECONDS)
    await stage.elsewhere.create(key)
    await stage.here.create(key)
    stage.tell()
    stage.following.after.let_one()
    await eventually(lambda: watching.seqs() == [1], SECONDS)
    stage.following.after.open()
    await eventually(lambda: watching.feed.tail.head == 3, SECONDS)
    assert watching.seqs() == [1, 2, 3]


async def test_more_than_one_read_takes_is_left_to_the_followers_to_read(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    await asyncio.gather(*(stage.elsewhere.create(key) for _ in range(250)))
    stage.ring()
    await eventually(lambda: watching.feed.tail.head == 250, SECONDS)
    assert not watching.feed.tail.covers(249)
    first = await stage.hub.page(watching.feed, 0)
    assert ([change.seq for change in first.changes], first.more) == (list(range(1, 201)), True)
    rest = await stage.hub.page(watching.feed, 200)
    assert ([change.seq for change in rest.changes], rest.more) == (list(range(201, 251)), False)


async def test_what_nobody_rang_for_is_found_by_looking_now_and_then(stage: Stage, key: InboxKey) -> None:
    await stage.hub.stop()
    stage.use(HubLimits(PLENTY, PLENTY, NEVER, POLL))
    stage.hub.start()
    watching = await loaded(stage, key)
    for head in (1, 2):
        await stage.elsewhere.create(key)
        stage.clock.advance(timedelta(seconds=POLL))
        await eventually(partial(stands_at, watching, head), SECONDS)


def stands_at(watching: Watching, head: int) -> bool:
    return watching.feed.tail.head == head


async def test_what_was_missed_is_found_by_comparing(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    other = await loaded(stage, InboxKey("default", "bob"))
    await stage.elsewhere.create(key)
    reads = stage.following.reads
    stage.hub.compare_all()
    await eventually(lambda: watching.feed.tail.head == 1, SECONDS)
    assert watching.wakes == 2
    # Only what lags is read.
    assert (stage.following.reads, other.wakes) == (reads + 1, 1)


async def test_what_may_lack_something_is_not_taken_for_known(stage: Stage, key: InboxKey) -> None:
    assert stage.hub.known(key) is None
    watching = await loaded(stage, key)
    assert stage.hub.known(key) is None, "nothing has been compared since rings began to be heard"
    stage.hub.compare_all()
    await eventually(lambda: stage.hub.known(key) is watching.feed, SECONDS)
    await stage.elsewhere.create(key)
    stage.following.before.shut()
    stage.ring()
    assert stage.hub.known(key) is None, "it was rung for"
    await eventually(lambda: stage.following.before.is_reached, SECONDS)
    assert stage.hub.known(key) is None, "it is being read"
    stage.following.before.open()
    await eventually(lambda: stage.hub.known(key) is watching.feed, SECONDS)
    assert watching.feed.tail.head == 1
    stage.hub.compare_all()
    assert stage.hub.known(key) is None, "rings may have been missed"
    await eventually(lambda: stage.hub.known(key) is watching.feed, SECONDS)


async def test_a_ring_from_before_what_is_known_causes_no_read(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    commit = await stage.here.create(key)
    stage.tell()
    stage.hub.rung(commit.inbox_id, commit.inbox.bounds.epoch, 1)
    stage.hub.rung(commit.inbox_id, commit.inbox.bounds.epoch, 0)
    stage.hub.rung(PLENTY, "of nobody here", 9)
    assert not watching.feed.is_stale


# Bounds


async def test_a_tail_holds_so_many_bytes_and_forgets_the_oldest(stage: Stage, key: InboxKey) -> None:
    await stage.hub.stop()
    stage.use(HubLimits(10_000, PLENTY, NEVER, NEVER))
    stage.hub.start()
    watching = await loaded(stage, key)
    for n in range(20):
        await stage.here.create(key, body="x" * 1000)
        stage.tell()
        assert watching.feed.tail.bytes <= 10_000
        assert watching.seqs()[-1:] == [n + 1]
    assert not watching.feed.tail.covers(0)
    assert watching.feed.tail.head == 20


async def test_all_tails_together_hold_so_many_bytes(stage: Stage) -> None:
    await stage.hub.stop()
    stage.use(HubLimits(PLENTY, 20_000, NEVER, NEVER))
    stage.hub.start()
    watching = [await loaded(stage, InboxKey("default", f"user-{n}")) for n in range(4)]
    for n in range(20):
        key = watching[n % 4].feed.key
        await stage.here.create(key, body="x" * 1000)
        stage.tell()
        held = sum(each.feed.tail.bytes for each in watching)
        assert held <= 20_000
        stage.hub.measure()
        assert b"notify_tail_bytes %.1f" % held in stage.metrics.exposition()
    assert [each.feed.tail.head for each in watching] == [5, 5, 5, 5]


async def test_an_inbox_that_nobody_follows_is_forgotten_after_its_grace(stage: Stage, key: InboxKey) -> None:
    await stage.hub.stop()
    stage.use(HubLimits(PLENTY, PLENTY, NEVER, POLL))
    stage.hub.start()
    watching = await loaded(stage, key)
    await stage.here.create(key)
    stage.tell()
    stage.hub.unfollow(watching.feed, watching)
    stage.clock.advance(timedelta(seconds=NEVER - POLL))
    await compared(stage)
    assert stage.hub.followed == 1
    stage.clock.advance(timedelta(seconds=POLL))
    await eventually(lambda: stage.hub.followed == 0, SECONDS)
    stage.hub.measure()
    assert b"notify_tail_bytes 0.0" in stage.metrics.exposition()
    again = await loaded(stage, key)
    assert again.feed is not watching.feed
    assert again.feed.tail.head == 1


async def compared(stage: Stage) -> None:
    """Everything that is followed, once more."""
    stage.hub.compare_all()
    await eventually(lambda: stage.hub._is_compared, SECONDS)


async def test_an_inbox_is_known_still_to_whoever_comes_back_within_the_grace(stage: Stage, key: InboxKey) -> None:
    watching = await loaded(stage, key)
    stage.hub.unfollow(watching.feed, watching)
    await stage.here.create(key)
    stage.tell()
    reads = stage.following.reads
    stage.hub.compare_all()
    again = Watching(stage.hub, key)
    assert again.seqs() == [1]
    assert (stage.hub.followed, stage.following.reads) == (1, reads)


async def test_an_inbox_forgotten_while_it_is_read_stays_forgotten(stage: Stage, key: InboxKey) -> None:
    await stage.hub.stop()
    stage.use(HubLimits(PLENTY, PLENTY, 0.0, NEVER))
    stage.hub.start()
    stage.following.after.shut()
    watching = Watching(stage.hub, key)
    await eventually(lambda: stage.following.after.is_reached, SECONDS)
    stage.hub.unfollow(watching.feed, watching)
    stage.hub.compare_all()
    await eventually(lambda: stage.hub.followed == 0, SECONDS)
    again = Watching(stage.hub, key)
    stage.following.after.open()
    await eventually(lambda: again.feed.is_loaded, SECONDS)
    assert not watching.feed.is_loaded
    assert stage.hub.followed == 1


# A crowd


class Counting(Watching):
    """Notes where the inbox stood whenever it was woken, and in which order all were."""

    def __init__(self, hub: Hub, key: InboxKey, order: list[str]) -> None:
        self.heads: list[int] = []
        self._order = order
        super().__init__(hub, key)

    def wake(self) -> None:
        self.heads.append(self.feed.tail.head)
        self._order.append(self.key.user_id)


async def test_a_crowd_is_woken_a_slice_at_a_time_and_all_of_it_to_the_end(
    stage: Stage, key: InboxKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    crowd = [Counting(stage.hub, key, order) for _ in range(5)]
    other = Counting(stage.hub, InboxKey(key.app_id, "bob"), order)
    for follower in (*crowd, other):
        await follower.feed.loaded()
    monkeypatch.setattr(hub_module, "_WAKING_SECONDS", 0)
    monkeypatch.setattr(hub_module, "_WAKES_PER_LOOK", 1)
    for follower in (*crowd, other):
        follower.heads.clear()
    order.clear()
    for inbox in (key, key, other.key):
        await stage.here.create(inbox)
    for commit in stage.here.told():
        stage.hub.committed([commit])
        assert sum(len(follower.heads) for follower in crowd) <= 1, "the loop may do other things meanwhile"
    await eventually(lambda: all(follower.heads and follower.heads[-1] == 2 for follower in crowd), SECONDS)
    assert max(len(follower.heads) for follower in crowd) <= 2
    assert (other.heads, order.index("bob") <= 3) == ([1], True), "nobody else waits for all of the crowd"


async def test_who_stands_at_the_same_position_is_shown_the_same_bytes(stage: Stage, key: InboxKey) -> None:
    phones = [Phone(stage.parts, key) for _ in range(3)]
    await eventually(lambda: all(phone.stands_at(0) for phone in phones), SECONDS)
    await stage.here.create(key)
    stage.tell()
    assert len({id(chunk) for phone in phones for chunk in phone.chunks}) == 1
    assert [len(phone.chunks) for phone in phones] == [1, 1, 1]


async def test_who_has_fallen_behind_is_shown_all_there_is_by_now(stage: Stage, key: InboxKey) -> None:
    phones = [Phone(stage.parts, key) for _ in range(3)]
    await eventually(lambda: all(phone.stands_at(0) for phone in phones), SECONDS)
    phones[0].pause()
    for _ in range(4):
        await stage.here.create(key)
        stage.tell()
    phones[0].resume()
    await eventually(lambda: all(phone.stands_at(4) for phone in phones), SECONDS)


def all_stand_at(head: int, phones: list[Phone]) -> bool:
    return all(phone.stands_at(head) for phone in phones)


async def test_one_that_fails_keeps_nobody_else_from_being_shown_what_is_new(stage: Stage, key: InboxKey) -> None:
    phones = [Phone(stage.parts, key) for _ in range(4)]
    await eventually(lambda: all(phone.stands_at(0) for phone in phones), SECONDS)
    for broken in phones[:2]:
        broken.is_broken = True
    for head in (1, 2):
        await stage.here.create(key)
        stage.tell()
        await eventually(partial(all_stand_at, head, phones[2:]), SECONDS)
    for phone in phones:
        phone.leave()


# Another epoch


async def test_another_epoch_starts_every_connection_over_once(stage: Stage, key: InboxKey) -> None:
    await stage.here.create(key)
    stage.tell()
    phones = [Phone(stage.parts, key) for _ in range(3)]
    await eventually(lambda: all(phone.stands_at(1) for phone in phones), SECONDS)
    before = phones[0].held.position
    await stage.database.execute("new_generation")
    stage.hub.compare_all()
    await eventually(lambda: all(phone.stands_at(1) and phone.held.resets for phone in phones), SECONDS)
    stage.hub.compare_all()
    await stage.hub._compare_with_database()
    await stage.here.create(key)
    stage.tell()
    await eventually(lambda: all(phone.stands_at(2) for phone in phones), SECONDS)
    assert [phone.held.resets for phone in phones] == [1, 1, 1]
    assert [len(phone.held.items) for phone in phones] == [2, 2, 2]
    assert phones[0].held.position != before
    for phone in phones:
        phone.leave()


# The database away


@pytest.fixture
def proxied_stage(database_url: str) -> Iterator[tuple[Stage, Proxy]]:
    with Proxy(database_url) as proxy:
        yield Stage(proxy.url), proxy


async def test_what_could_not_be_read_is_read_when_the_database_is_back(
    proxied_stage: tuple[Stage, Proxy], key: InboxKey
) -> None:
    stage, proxy = proxied_stage
    await stage.open()
    stage.hub.start()
    watching = await loaded(stage, key)
    await stage.elsewhere.create(key)
    proxy.refuse()
    stage.ring()
    with pytest.raises(DatabaseAwayError):
        await stage.hub.refresh(watching.feed)
    stranger = Watching(stage.hub, InboxKey("default", "bob"))
    assert watching.feed.tail.head == 0
    proxy.accept()
    await eventually(lambda: watching.feed.tail.head == 1, SECONDS)
    await eventually(lambda: stranger.feed.is_loaded, SECONDS)
    await stage.close()


async def test_whoever_comes_while_the_database_is_away_is_served_when_it_is_back(
    proxied_stage: tuple[Stage, Proxy], key: InboxKey
) -> None:
    stage, proxy = proxied_stage
    await stage.open()
    stage.hub.start()
    await stage.elsewhere.create(key)
    proxy.refuse()
    phone = Phone(stage.parts, key)
    with pytest.raises(DatabaseAwayError):
        await stage.hub._compare_with_database()
    proxy.accept()
    await eventually(lambda: phone.stands_at(1), SECONDS)
    assert len(phone.held.items) == 1
    phone.leave()
    await stage.close()


# Any interleaving


class Interleavings(RuleBasedStateMachine):
    """Writers here and elsewhere, rings that are lost or come twice, reads that begin late and tell late, phones that
    stop taking what they are sent, leave, and come back: in the end all know the same.
    """

    users = 0

    def __init__(self, run: Callable[[Awaitable[Any]], Any], stage: Stage) -> None:
        super().__init__()
        self._run = run
        self._stage = stage
        Interleavings.users += 1
        self._key = InboxKey("default", f"user-{Interleavings.users}")
        self._ids: list[Any] = []
        self._rings: list[Commit] = []
        self._phones: list[Phone] = []
        self._away: list[Held] = []
        self._generations = 0

    @initialize(tail_bytes=st.sampled_from([0, 3000, PLENTY]))
    def begin(self, tail_bytes: int) -> None:
        async def begin() -> None:
            self._stage.use(HubLimits(tail_bytes, PLENTY, NEVER, NEVER))
            self._stage.hub.start()
            # Three have been there for a while.
            self._phones += [Phone(self._stage.parts, self._key, straight=straight) for straight in (True, True, False)]
            for phone in self._phones:
                await eventually(lambda phone=phone: phone.stands_at(0), SECONDS)  # type: ignore[misc]

        self._run(begin())

    def _do(self, work: Callable[[], Awaitable[Any] | None]) -> None:
        async def do() -> None:
            result = work()
            if result is not None:
                await result
            for _ in range(10):
                await asyncio.sleep(0)

        self._run(do())

    # Writing

    @rule(is_here=st.booleans(), key=st.sampled_from([None, None, "k"]))
    def create(self, *, is_here: bool, key: str | None) -> None:
        side = self._stage.here if is_here else self._stage.elsewhere
        title = f"title {len(self._ids)}"
        self._do(lambda: side.create(self._key, title, collapse_key=key))
        self._ids += [commit.id for commit in side.commits if commit.id]
        self._tell(is_here=is_here)

    @precondition(lambda self: self._ids)
    @rule(is_here=st.booleans(), action=st.sampled_from(["read", "unread", "delete", "edit"]), place=st.integers(0, 99))
    def change(self, *, is_here: bool, action: str, place: int) -> None:
        side = self._stage.here if is_here else self._stage.elsewhere
        columns = {"title": f"edited {place}"} if action == "edit" else {}
        self._do(lambda: side.change(self._key, self._ids[place % len(self._ids)], action, **columns))
        self._tell(is_here=is_here)

    def _tell(self, *, is_here: bool) -> None:
        if is_here:
            self._do(self._stage.tell)
        else:
            self._rings += self._stage.elsewhere.told()

    @precondition(lambda self: not self._generations)
    @rule()
    def start_over(self) -> None:
        self._generations += 1
        self._do(lambda: self._stage.database.execute("new_generation"))

    # Hearing

    @precondition(lambda self: self._rings)
    @rule(place=st.integers(0, 99), is_last=st.booleans())
    def ring(self, *, place: int, is_last: bool) -> None:
        commit = self._rings.pop(place % len(self._rings)) if is_last else self._rings[place % len(self._rings)]
        bounds = commit.inbox.bounds
        self._do(lambda: self._stage.hub.rung(commit.inbox_id, bounds.epoch, bounds.head))

    @rule()
    def compare(self) -> None:
        self._do(self._stage.hub.compare_all)

    @rule(place=st.integers(0, 3))
    def hold_reads(self, place: int) -> None:
        self._stage.gates[place].shut()

    @rule(is_open=st.booleans(), place=st.integers(0, 3))
    def let_reads_go_on(self, *, is_open: bool, place: int) -> None:
        async def let_go() -> None:
            # Whichever is waited at, so that most of these do something; what waits where is a matter of timing.
            gates = [gate for gate in self._stage.gates if gate.is_reached] or self._stage.gates
            gate = gates[place % len(gates)]
            gate.open() if is_open else gate.let_one()
            # As long as a read takes, which has mostly ended then.
            await self._stage.inboxes.changes(*self._key, None, 1)

        self._do(let_go)

    # Following

    @precondition(lambda self: len(self._phones) < 4)
    @rule(is_new=st.booleans(), fresh=st.sampled_from(["unread", "now"]))
    def connect(self, *, is_new: bool, fresh: str) -> None:
        held = None if is_new or not self._away else self._away.pop()
        self._do(lambda: self._phones.append(Phone(self._stage.parts, self._key, held, fresh)))

    @precondition(lambda self: self._phones)
    @rule(place=st.integers(0, 9))
    def leave(self, place: int) -> None:
        phone = self._phones.pop(place % len(self._phones))
        self._do(phone.leave)
        self._away.append(phone.held)

    @precondition(lambda self: self._phones)
    @rule(place=st.integers(0, 9))
    def pause(self, place: int) -> None:
        self._phones[place % len(self._phones)].pause()

    @precondition(lambda self: self._phones)
    @rule(place=st.integers(0, 9))
    def resume(self, place: int) -> None:
        self._do(self._phones[place % len(self._phones)].resume)

    @invariant()
    def nothing_comes_twice_or_out_of_order(self) -> None:
        for phone in self._phones:
            phone.look()

    # In the end

    def teardown(self) -> None:
        self._run(self._settle())

    async def _settle(self) -> None:
        stage = self._stage
        for gate in stage.gates:
            gate.open()
        self._phones += [Phone(stage.parts, self._key, held) for held in self._away]
        for phone in self._phones:
            phone.resume()
        truth = await stage.inboxes.changes(*self._key, None, 1000)
        try:
            await eventually(lambda: not self._behind(truth.position), SECONDS, what=f"everybody at {truth.position}")
            self._check(truth)
        finally:
            for phone in self._phones:
                phone.connection.leave()
            await stage.hub.stop()
            stage.here.told()
            stage.elsewhere.told()

    def _behind(self, position: Position) -> list[Phone]:
        for phone in self._phones:
            phone.look()
        # What begins to wait while this looks is found by the next comparison.
        self._stage.hub.compare_all()
        return [phone for phone in self._phones if phone.held.position != str(position) or not phone.held.counters]

    def _check(self, truth: Any) -> None:
        inbox = truth.inbox
        for phone in self._phones:
            held = phone.held
            expected: dict[str, Any] = {}
            for event in truth.items:
                assert not isinstance(event, Resetting)
                id_ = str(event.data.id)
                if not isinstance(event, Deleted) and (
                    id_ in held.shown_at_start or int(event.id.split(".")[1]) > held.begun_at
                ):
                    expected[id_] = msgspec.to_builtins(event.data)
            note(f"begun at {held.begun_at} with {held.shown_at_start}")
            assert held.items == msgspec.json.decode(msgspec.json.encode(expected))
            assert held.counters == {"unread": inbox.unread, "unseen": inbox.unseen, "total": inbox.total}
            assert held.resets <= 2


def test_any_interleaving_ends_with_everybody_knowing_the_same(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_EVENTS_PER_READ", 3)
    with asyncio.Runner() as runner, ExitStack() as stack:
        stage = runner.run(opened(database_url))
        stack.callback(lambda: runner.run(stage.close()))
        run_state_machine_as_test(
            cast(Any, lambda: Interleavings(lambda work: runner.run(awaited(work)), stage)),
            settings=settings(
                max_examples=60,
                stateful_step_count=40,
                deadline=None,
                # Each failure takes a second; making it small would take minutes.
                phases=[Phase.reuse, Phase.generate],
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )


async def opened(url: str) -> Stage:
    stage = Stage(url)
    await stage.open()
    return stage


async def awaited(work: Awaitable[T]) -> T:
    return await work


async def test_a_start_that_the_database_takes_past_what_is_known_here_is_not_closed_with_older_counters(
    stage: Stage, key: InboxKey
) -> None:
    await stage.here.create(key)
    watching = await loaded(stage, key)
    for n in range(30):
        await stage.elsewhere.create(key, f"title {n}")
    held = Held()
    held.position = str(Position(watching.feed.epoch, 0))
    phone = Phone(stage.parts, key, held)
    await eventually(lambda: phone.stands_at(31), SECONDS)
    assert [block.seq for block in phone.shown if block.event == "inbox" and block.id] == [31]
    phone.leave()


async def test_what_was_forgotten_before_it_was_read_is_not_passed_over_in_silence(stage: Stage, key: InboxKey) -> None:
    kept, gone = await stage.here.create(key, "kept"), await stage.here.create(key, "gone")
    await loaded(stage, key)
    phone = Phone(stage.parts, key, Held())
    await eventually(lambda: phone.stands_at(2), SECONDS)
    await stage.elsewhere.change(key, gone.id, "delete")
    async with stage.database.connection() as connection:
        await connection.execute("DELETE FROM notify.notifications WHERE id = $1", gone.id)
        await connection.execute("UPDATE notify.inboxes SET floor = head WHERE user_id = $1", key.user_id)
    stage.ring()
    await eventually(lambda: phone.stands_at(3), SECONDS)
    assert (phone.held.resets, set(phone.held.items)) == (1, {str(kept.id)})
    phone.leave()


async def test_the_reply_to_resume_comes_after_what_was_on_its_way_and_before_what_was_asked_for(
    stage: Stage, key: InboxKey
) -> None:
    await stage.here.create(key)
    watching = await loaded(stage, key)
    for n in range(4):
        await stage.elsewhere.create(key, f"title {n}")
    beginning = str(Position(watching.feed.epoch, 0))
    sent: list[Any] = []
    said: asyncio.Queue[Any] = asyncio.Queue()

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            sent.append(msgspec.json.decode(message["text"]))

    terms = Terms(agree(()), SocketLimits(50, 100, 20, 25))
    visitor = Visitor(key, "a session", None)
    stage.following.after.shut()
    socket = Socket(stage.parts, visitor, Start((beginning,)), terms, cast(Errands, None))
    scope: Any = {"state": {}}
    await socket(scope, said.get, send)
    serving = asyncio.create_task(scope["state"][SERVE](said.get, send))
    await eventually(lambda: stage.following.after.is_reached, SECONDS, what="a page that is being read")
    said.put_nowait({"type": "websocket.receive", "text": f'{{"type":"resume","after":"{beginning}","ref":"r"}}'})
    await eventually(said.empty, SECONDS)
    await asyncio.sleep(0)
    stage.following.after.open()
    await eventually(
        lambda: sum(message["type"] == "inbox" and "id" in message for message in sent) == 2, SECONDS, what="two starts"
    )
    assert [message["type"] for message in sent].count("reply") == 1
    place = [message["type"] for message in sent].index("reply")
    for part in (sent[:place], sent[place:]):
        positions = [message["id"] for message in part if message["type"] == "notification"]
        assert positions == [f"{watching.feed.epoch}.{seq}" for seq in range(1, 6)]
    said.put_nowait({"type": "websocket.disconnect"})
    await serving
