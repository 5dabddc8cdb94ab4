"""What those within the limits notice of three times as many connections and requests as are allowed.

    python tests/bench/shedding.py [--rounds 3] [--seconds 10]

Honest clients have every place for a live connection, and a key that stays within its rate. Each round measures them
alone; then beside a key that asks as often as it may; then while that key asks three times as often, and others knock:
as many connections again, twice, each back at once when it is turned away, up to three times the connects that are
allowed per second. In the end every create that was answered with 201 has to be in the database. Nothing is asserted
beyond that.
"""

import argparse
import asyncio
import gc
import multiprocessing
import os
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psycopg

from notify.bench.events import Event, title_at
from notify.bench.exchange import Answer, Exchange
from notify.bench.histogram import Histogram
from notify.bench.network import Network
from notify.bench.pacer import Pacer
from notify.bench.stream import Stream
from notify.bench.streams import Streams
from notify.bench.target import Target

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.processes import ADMIN, NotifyProcess
from support.servers import running_server

PLACES = 100
CONNECTS_PER_SECOND = 50
REQUESTS_PER_SECOND = 100
HONEST_PER_SECOND = 50
TOO_MUCH = 3
PHASES = {"alone": 0, "beside as many": 1, "beside too many": TOO_MUCH}
CREATED = 201
LIMITS = {
    "NOTIFY_MAX_CONNECTIONS": str(PLACES),
    "NOTIFY_CONNECTS_PER_SECOND": str(CONNECTS_PER_SECOND),
    "NOTIFY_CONNECT_BURST": str(PLACES),
    "NOTIFY_KEY_REQUESTS_PER_SECOND": str(REQUESTS_PER_SECOND),
    "NOTIFY_KEY_BURST": str(REQUESTS_PER_SECOND),
    "NOTIFY_MAX_REQUESTS": "200",
    "NOTIFY_LOG_LEVEL": "warning",
}


async def paced(per_second: float, seconds: float, due: Any) -> None:
    spacing = round(1e9 / per_second)
    await Pacer(time.monotonic_ns() + 10**8, spacing, round(per_second * seconds), due).run()


class Creating:
    """Creates at a steady rate, timed from when each was due."""

    def __init__(self, target: Target, users: list[str]) -> None:
        self._target = target
        self._users = users
        self._network = Network(target)
        self._idle: list[Exchange] = []
        self._busy = 0
        self._idle_again = asyncio.Event()
        self.statuses: Counter[int] = Counter()
        self.latency = Histogram()

    async def open(self, count: int) -> None:
        self._idle = [Exchange(self._network) for _ in range(count)]
        for exchange in self._idle:
            await exchange.open()

    async def run(self, per_second: float, seconds: float) -> None:
        self.latency = Histogram()
        await paced(per_second, seconds, self._when_due)
        async with asyncio.timeout(30):
            while self._busy:
                self._idle_again.clear()
                await self._idle_again.wait()

    def _when_due(self, times: list[int]) -> None:
        for due in times:
            if not self._idle:
                self.statuses[0] += 1
                continue
            exchange = self._idle.pop()
            self._busy += 1
            body = {"to": self._users[due % len(self._users)], "title": title_at(due)}
            request = self._target.request("POST", "/v1/notifications", body)
            exchange.send(request, partial(self._on_answer, exchange, due))

    def _on_answer(self, exchange: Exchange, due: int, answer: Answer | None) -> None:
        self._busy -= 1
        self._idle_again.set()
        self._idle.append(exchange)
        self.statuses[-1 if answer is None else answer.status] += 1
        if answer is not None:
            self.latency.add(answer.at - due)


async def knock(pipe: Any, target: Target, stream_target: Target) -> None:
    """Too much of everything, whenever it is told to, for so many seconds."""
    creating = Creating(target, [f"greedy-{number}" for number in range(100)])
    await creating.open(50)
    network = Network(stream_target)
    turned_away: Counter[str] = Counter()

    async def connect() -> None:
        stream = await network.connect(
            lambda: Stream("greedy", stream_target.stream_request("greedy"), lambda *_: None)
        )
        async with asyncio.timeout(30):
            await stream.gone
        turned_away[stream.failure] += 1

    async def keep_connecting(seconds: float) -> None:
        at_most = asyncio.Semaphore(2 * PLACES)
        async with asyncio.TaskGroup() as group:

            def due(times: list[int]) -> None:
                for _ in times:
                    if at_most.locked():
                        turned_away["(not tried: all still at the door)"] += 1
                        continue
                    group.create_task(one())

            async def one() -> None:
                async with at_most:
                    await connect()

            await paced(TOO_MUCH * CONNECTS_PER_SECOND, seconds, due)

    while order := await asyncio.to_thread(pipe.recv):
        seconds, times = order
        connecting = keep_connecting(seconds) if times > 1 else asyncio.sleep(0)
        await asyncio.gather(creating.run(times * REQUESTS_PER_SECOND, seconds), connecting)
        pipe.send((dict(creating.statuses), dict(turned_away)))


def knocking(pipe: Any, url: str, key: str, admin: str) -> None:
    gc.disable()
    os.nice(10)  # Who measures is not to wait for this.
    asyncio.run(knock(pipe, Target(url, key), Target(url, admin)))


def resident_mib(process: NotifyProcess) -> float:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def cpu_seconds(process: NotifyProcess) -> float:
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def healths(url: str, seconds: float) -> Histogram:
    seen = Histogram()
    async with httpx.AsyncClient(base_url=url) as client:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            started = time.monotonic_ns()
            assert (await client.get("/health/live")).status_code == 200
            seen.add(time.monotonic_ns() - started)
            await asyncio.sleep(0.05)
    return seen


def shown(histogram: Histogram) -> str:
    return f"p50 {histogram.percentile(0.5) / 1e6:6.2f}  p99 {histogram.percentile(0.99) / 1e6:7.2f} ms"


async def measure(process: NotifyProcess, pipe: Any, honest_key: str, rounds: int, seconds: float) -> Counter[int]:
    delivery = Histogram()

    def on_event(stream: Stream, event: Event, now: int) -> None:  # noqa: ARG001 - all streams are alike
        if event.posted_at:
            delivery.add(now - event.posted_at)

    admin = Target(process.url, ADMIN["Authorization"].removeprefix("Bearer "))
    users = [f"honest-{number}" for number in range(PLACES)]
    streams = Streams(admin, Network(admin), on_event)
    await streams.open(users, 8, lambda _: None)
    creating = Creating(Target(process.url, honest_key), users)
    await creating.open(20)
    await creating.run(HONEST_PER_SECOND, 2)
    others: dict[int, int] = {}
    print(f"at the start {resident_mib(process):.1f} MiB")  # noqa: T201
    for number in range(1, rounds + 1):
        for what, times in PHASES.items():
            delivery = Histogram()
            began, used = time.monotonic(), cpu_seconds(process)
            if times:
                pipe.send((seconds, times))
            health, _ = await asyncio.gather(healths(process.url, seconds), creating.run(HONEST_PER_SECOND, seconds))
            share = (cpu_seconds(process) - used) / (time.monotonic() - began)
            line = f"{number} {what:16}create {shown(creating.latency)} | deliver {shown(delivery)} | "
            line += f"health {shown(health)} | CPU {share:4.0%} | {resident_mib(process):.1f} MiB"
            print(line, flush=True)  # noqa: T201
            if times:
                others, turned_away = await asyncio.to_thread(pipe.recv)
                print(f"  others so far: creates {others}, streams {turned_away}", flush=True)  # noqa: T201
    print(f"honest answers: {dict(creating.statuses)}, streams lost: {streams.lost}")  # noqa: T201
    streams.drop()
    pipe.send(None)
    return creating.statuses + Counter(others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    with (
        running_server() as server,
        server.database() as url,
        NotifyProcess({"NOTIFY_DATABASE_URL": url} | LIMITS) as process,
    ):
        with process.client() as client:
            keys = [
                client.post("/v1/apps/default/keys", json={"name": name, "scopes": ["send"]}).json()["key"]
                for name in ("honest", "greedy")
            ]
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        admin = ADMIN["Authorization"].removeprefix("Bearer ")
        others = multiprocessing.get_context("spawn").Process(
            target=knocking, args=(theirs, process.url, keys[1], admin), daemon=True
        )
        others.start()
        # A collection in the middle of a measurement would be measured.
        gc.collect()
        gc.disable()
        statuses = asyncio.run(measure(process, ours, keys[0], given.rounds, given.seconds))
        others.join(10)
        with psycopg.connect(url) as connection:
            row = connection.execute("SELECT count(*) FROM notify.notifications").fetchone()
        kept = 0 if row is None else row[0]
        print(f"answered with 201: {statuses[CREATED]}, in the database: {kept}")  # noqa: T201
        if kept != statuses[CREATED]:
            raise SystemExit("What was answered with 201 and what is in the database differ.")


if __name__ == "__main__":
    main()
