"""Nothing is lost and nothing comes twice, whatever breaks: hundreds of clients follow over two processes while writers
write and everything is killed that can be.

NOTIFY_TEST_SECONDS says how long, NOTIFY_TEST_SEED with which choices.
"""

import asyncio
import itertools
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any

import httpx
import psycopg
import pytest

from support.invariants import check_inboxes, check_positions, rows
from support.processes import ADMIN, NotifyProcess
from support.roaming import Roamer, World
from support.servers import DurableServer, durable_server
from support.stand import Stand
from support.waiting import eventually
from support.writing import Writers

SECONDS = float(os.environ.get("NOTIFY_TEST_SECONDS", "40"))
SEED = int(os.environ.get("NOTIFY_TEST_SEED", "7"))
SETTLE_SECONDS = 30.0

STREAMS = 150
SOCKETS = 150
USERS = [f"user-{n}" for n in range(30)]
WRITERS = 8
PRODUCERS = 3

# Small transactions, which keep few inboxes locked at a time.
SETTINGS = {"NOTIFY_OUTBOX_ROWS": "10", "NOTIFY_COMMIT_ROWS": "20"}
# So little that some clients are shown what they lack from memory and others from the database.
SMALL_TAIL = {"NOTIFY_TAIL_BYTES": "12000"}


class Tally(Counter[str]):
    def __str__(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(self.items()))


def start(stand: Stand, place: int) -> NotifyProcess:
    """One of the two is further from its database than the other, and remembers less."""
    if place == 0:
        return stand.start(**SETTINGS)
    process = stand.start(**SETTINGS, **SMALL_TAIL)
    stand.proxies[-1].longest_delay_seconds = 0.03
    return process


class Havoc:
    """What befalls the service, one after the other."""

    def __init__(self, server: DurableServer, stand: Stand, world: World, tally: Tally) -> None:
        self._server = server
        self._stand = stand
        self._world = world
        self._tally = tally
        self._random = random.Random(SEED + 1)
        self._running: list[int] = [0, 1]
        """Which of the stand's processes are alive."""

    async def wreak(self, until: float) -> None:
        """Each kind at least once."""
        for turn in itertools.count():
            kinds: list[Callable[[], Awaitable[None]]] = [
                self._end_listeners,
                self._end_one_backend,
                self._cut,
                self._stall,
                self._end_listeners,
                self._kill_a_process,
                self._restart_postgresql,
            ]
            self._random.shuffle(kinds)
            for kind in kinds:
                await self._let_things_happen()
                if turn and time.monotonic() >= until:
                    return
                await kind()
                self._tally[f"havoc: {kind.__name__.strip('_').replace('_', ' ')}"] += 1

    async def deafen(self) -> Callable[[], None]:
        """Nobody listens any more, until what this returns is called."""
        holds = [self._stand.proxies[n].hold("^LISTEN") for n in self._running]
        await self._end_listeners()
        for hold in holds:
            await asyncio.to_thread(hold.wait, 20)

        def release() -> None:
            for hold in holds:
                hold.release()

        return release

    async def _let_things_happen(self) -> None:
        """Between any two blows something is written, shown, and come back for."""
        watched = ("answers of 201", "connections", "events shown")
        enough = [self._tally[what] + least for what, least in zip(watched, (10, 20, 100), strict=True)]
        await eventually(
            lambda: all(self._tally[what] >= least for what, least in zip(watched, enough, strict=True)),
            SETTLE_SECONDS,
            what=f"more of {watched}",
        )

    async def _end_listeners(self) -> None:
        await self._terminate("application_name = 'notify listen'")

    async def _end_one_backend(self) -> None:
        await self._terminate("application_name <> 'producer' ORDER BY random() LIMIT 1")

    async def _terminate(self, which: str) -> None:
        async with await psycopg.AsyncConnection.connect(self._server.url, autocommit=True) as connection:
            ended = await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                f" AND datname = current_database() AND backend_type = 'client backend' AND {which}) AS found".encode()
            )
            self._tally["backends terminated"] += len(await ended.fetchall())

    async def _cut(self) -> None:
        cut = await asyncio.to_thread(self._stand.proxies[self._random.choice(self._running)].cut)
        self._tally["connections to the database cut"] += cut

    async def _stall(self) -> None:
        proxy = self._stand.proxies[self._random.choice(self._running)]
        await asyncio.to_thread(proxy.stall)
        await asyncio.sleep(self._random.uniform(0.5, 3))
        await asyncio.to_thread(proxy.resume)

    async def _kill_a_process(self) -> None:
        place = self._random.randrange(2)
        await asyncio.to_thread(self._stand.processes[self._running[place]].kill)
        process = await asyncio.to_thread(self._start, place)
        self._running[place] = self._stand.processes.index(process)
        self._world.urls[place] = process.url

    def _start(self, place: int) -> NotifyProcess:
        return start(self._stand, place)

    async def _restart_postgresql(self) -> None:
        await asyncio.to_thread(self._server.end, self._random.choice((signal.SIGKILL, signal.SIGINT)))
        await asyncio.to_thread(self._server.start_again)


class Scenario:
    def __init__(self, server: DurableServer, stand: Stand, tally: Tally) -> None:
        self._url = server.url
        self._server = server
        self._stand = stand
        self._tally = tally

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
            calls = await stack.enter_async_context(httpx.AsyncClient(headers=ADMIN, timeout=15, limits=limits))
            world = World(calls, self._tally)
            world.urls = [process.url for process in self._stand.processes]
            writers = Writers(world, self._url, USERS, SEED)
            havoc = Havoc(self._server, self._stand, world, self._tally)
            roamers = [
                Roamer(
                    world,
                    f"{SEED}-client-{n}",
                    USERS[n % len(USERS)],
                    "sse" if n < STREAMS else "websocket",
                    has_device=n // len(USERS) % 2 == 0,
                )
                for n in range(STREAMS + SOCKETS)
            ]
            async with asyncio.TaskGroup() as clients:
                for roamer in roamers:
                    clients.create_task(roamer.roam())
                await self._until_all_have_begun(roamers)
                async with asyncio.TaskGroup() as work:
                    for _ in range(WRITERS):
                        work.create_task(writers.write())
                    for _ in range(PRODUCERS):
                        work.create_task(writers.produce())
                    await havoc.wreak(time.monotonic() + SECONDS)
                    writers.stop()
                await self._until_outbox_is_empty()
                await self._say_a_last_word(writers, havoc, world)
                await self._until_all_are_there(roamers, world)
            inboxes = {user: await self._list(calls, world, user) for user in USERS}
        assert not writers.wrong, writers.wrong[:3]
        self._check(roamers, inboxes)
        self._tally.update(writers.books.check(self._url, inboxes))

    async def _until_all_have_begun(self, roamers: list[Roamer]) -> None:
        await eventually(
            lambda: all(roamer.held.position for roamer in roamers), SETTLE_SECONDS, what="a beginning for all clients"
        )

    async def _until_outbox_is_empty(self) -> None:
        await eventually(
            lambda: not rows(self._url, "SELECT FROM notify.outbox"), SETTLE_SECONDS, what="an empty outbox"
        )

    async def _say_a_last_word(self, writers: Writers, havoc: Havoc, world: World) -> None:
        """To every user, on one process only, while none of them listens: no later ring can make up for it."""
        release = await havoc.deafen()
        for n, url in enumerate(world.urls):
            await writers.create(USERS[n::2], url)
        world.heads = {
            row["user_id"]: row["head"] for row in rows(self._url, "SELECT user_id, head FROM notify.inboxes")
        }
        release()

    async def _until_all_are_there(self, roamers: list[Roamer], world: World) -> None:
        with suppress(AssertionError):
            await eventually(lambda: all(roamer.is_there for roamer in roamers), SETTLE_SECONDS)
        missing = [f"{roamer}, should reach {world.heads[roamer.user]}" for roamer in roamers if not roamer.is_there]
        assert not missing, f"{len(missing)} clients wait for what never comes: {missing[:3]}"

    async def _list(self, calls: httpx.AsyncClient, world: World, user: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        params: dict[str, str | int] = {"user_id": user, "status": "all", "limit": 100}
        while True:
            page = (await calls.get(f"{world.urls[0]}/v1/notifications", params=params)).json()
            found |= {item["id"]: item for item in page["items"]}
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    def _check(self, roamers: list[Roamer], inboxes: dict[str, dict[str, Any]]) -> None:
        changed = {
            row["id"]: row["changed_position"]
            for row in rows(self._url, "SELECT id::text, changed_position FROM notify.notifications")
        }
        counters = {
            row.pop("user_id"): row
            for row in rows(self._url, "SELECT user_id, unread, unseen, total FROM notify.inboxes")
        }
        wrong: list[str] = []
        for roamer in roamers:
            held = roamer.held
            # Who has started without a position knows what was unread then, and all that happened since.
            truth = {
                id_: item
                for id_, item in inboxes[roamer.user].items()
                if changed[id_] > held.begun_at or id_ in held.shown_at_start
            }
            if held.items != truth:
                missing = sorted(changed[id_] for id_ in truth.keys() - held.items.keys())
                spare = sorted(changed[id_] for id_ in held.items.keys() - truth.keys())
                other = sorted(
                    changed[id_] for id_ in truth.keys() & held.items.keys() if truth[id_] != held.items[id_]
                )
                wrong.append(
                    f"{roamer}, begun at {held.begun_at}: lacks {missing}, has {spare} too, differs in {other}"
                )
            if held.counters != counters[roamer.user]:
                wrong.append(f"{roamer}: counts {held.counters} instead of {counters[roamer.user]}")
            self._tally["items compared"] += len(truth)
        assert not wrong, f"{len(wrong)} of {len(roamers)} clients hold something else than the inbox: {wrong[:5]}"


@pytest.fixture
def tally() -> Iterator[Tally]:
    tally = Tally()
    yield tally
    told = f"zero loss, seed {SEED}: {STREAMS} streams and {SOCKETS} sockets on {len(USERS)} inboxes; {tally}"
    print(f"\n{told}")  # noqa: T201 - the figures are part of what the test says


@pytest.mark.timeout(SECONDS * 2 + 180)
async def test_no_client_misses_anything_or_sees_it_twice_whatever_breaks(tally: Tally) -> None:
    with durable_server() as server, ExitStack() as stack:
        stand = Stand(server.url, stack)
        start(stand, 0)
        start(stand, 1)
        await Scenario(server, stand, tally).run()
        check_inboxes(server.url)
        tally["positions given"] = check_positions(server.url)
        assert not stand.errors, stand.errors[:3]
