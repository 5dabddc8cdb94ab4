"""Many users with a stream each, and creates to random ones at a steady rate: what a deployment does all day."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

from notify.bench.crew import Crew
from notify.bench.events import Event, title_at
from notify.bench.exactness import counted
from notify.bench.exchange import Answer, Exchange
from notify.bench.load import Load, Phase, sent_in
from notify.bench.outcome import Outcome
from notify.bench.pacer import Pacer
from notify.bench.result import Figure, Result
from notify.bench.stream import Stream
from notify.bench.streams import Streams
from notify.bench.target import problem_in

__all__ = ("DeliverLoad", "deliver")

_PRODUCERS = 64
"""Connections of a process that creates are posted on. With all of them busy a create waits, and its waiting counts."""

_LONGEST_WARM_UP_SECONDS = 1.0
_HEAD_START_NANOSECONDS = 20_000_000
_PATIENCE_SECONDS = 10.0
_CREATED = 201
_CREATE = "from when a create was due to its answer"
_LATE = "how late the load generator was"
_DELIVER = "from when a create was due to its arrival at the device"


def deliver(crew: Crew) -> Result:
    plan = crew.plan
    crew.phase("open", "connecting", plan.connections)
    crew.phase("warm up", "warming up", None)
    measured = crew.phase("measure", "creating and delivering", round(plan.rate * plan.duration))
    checked = crew.phase("check", "counting what arrived", None)
    created = measured.latency(_CREATE)
    arrived = measured.latency(_DELIVER)
    return Result.of(
        "deliver",
        [measured],
        [
            Figure("connections", plan.connections),
            Figure("wanted", plan.rate, "/s"),
            Figure("created", measured.counts["created"] / measured.seconds, "/s", "higher"),
            *Figure.latencies("create", created),
            *Figure.latencies("end to end", arrived),
            Figure("posted late p99", round(measured.latency(_LATE).percentile(0.99) / 1e6, 3), "ms", "lower"),
            Figure("errors", measured.errors.total(), "", "lower"),
            *Figure.exactness(checked),
        ],
        hidden={_LATE},
    )


class DeliverLoad(Load):
    scenario = "deliver"

    @property
    def phases(self) -> Mapping[str, Phase]:
        return {"open": self._open, "warm up": self._warm_up, "measure": self._measure, "check": self._check}

    async def _open(self) -> Outcome:
        self._streams = Streams(self.target, self.network, self._on_event)
        self._users = self.users(self.share.of(self.plan.connections))
        self._positions: dict[str, list[int]] = {user: [] for user in self._users}
        self._waiting: deque[int] = deque()
        self._under_way = self._owed = 0
        self._outcome = Outcome()
        self._idle: list[Exchange] = []
        self._settled = asyncio.Event()
        handshakes = max(1, self.share.of(self.plan.handshakes))
        await self._streams.open(self._users, handshakes, self.report)
        self._idle = await self.exchanges(_PRODUCERS)
        return Outcome()

    async def _warm_up(self) -> Outcome:
        await self._run(min(_LONGEST_WARM_UP_SECONDS, self.plan.duration / 2))
        return Outcome()

    async def _measure(self) -> Outcome:
        return await self._run(self.plan.duration)

    async def _run(self, seconds: float) -> Outcome:
        """Creates for so long, at this process's part of the rate, until each has arrived."""
        self._outcome = outcome = Outcome()
        for stream in self._streams.all:
            stream.seqs.clear()
        for positions in self._positions.values():
            positions.clear()
        spacing = round(1e9 * self.share.places / self.plan.rate)
        count = self.share.of(max(self.share.places, round(self.plan.rate * seconds)))
        # The processes begin together and take turns.
        begins_at = time.monotonic_ns() + _HEAD_START_NANOSECONDS + spacing * self.share.place // self.share.places
        self._owed = self._under_way = count
        self._settled.clear()
        outcome.begun_at = begins_at
        await Pacer(begins_at, spacing, count, self._when_due).run()
        with suppress(TimeoutError):  # what is missing is counted below
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._settled.wait()
        outcome.errors.update({} if not self._waiting else {"never posted": len(self._waiting)})
        self._waiting.clear()
        return outcome

    async def _check(self) -> Outcome:
        return await counted(self._streams, self._positions)

    def _when_due(self, times: list[int]) -> None:
        self._waiting.extend(times)
        self._post_waiting()

    def _post_waiting(self) -> None:
        while self._waiting and self._idle:
            due = self._waiting.popleft()
            self._outcome.latency(_LATE).add(time.monotonic_ns() - due)
            exchange = self._idle.pop()
            body = {"to": self.random.choice(self._users), "title": title_at(due)}
            exchange.send(
                self.target.request("POST", "/v1/notifications", body), partial(self._on_answer, exchange, due)
            )

    def _on_answer(self, exchange: Exchange, due: int, answer: Answer | None) -> None:
        outcome = self._outcome
        self._under_way -= 1
        self._idle.append(exchange)
        if answer is None:
            outcome.errors["connection lost"] += 1
            self._owed -= 1
        elif answer.status == _CREATED:
            for user, seq in sent_in(answer.body):
                self._positions[user].append(seq)
            outcome.latency(_CREATE).add(answer.at - due)
            outcome.counts["created"] += 1
            outcome.ended_at = answer.at
            self.report(outcome.counts["created"])
        else:
            outcome.errors[problem_in(answer.status, answer.body)] += 1
            self._owed -= 1
        self._look()
        self._post_waiting()

    def _on_event(self, stream: Stream, event: Event, now: int) -> None:  # noqa: ARG002 - it keeps its own positions
        if event.posted_at:
            self._outcome.latency(_DELIVER).add(now - event.posted_at)
            self._owed -= 1
            self._look()

    def _look(self) -> None:
        """An event may be there before the answer to its create is."""
        if self._owed <= 0 and self._under_way <= 0:
            self._settled.set()

    def close(self) -> None:
        self._streams.drop()
        for exchange in self._idle:
            exchange.close()
