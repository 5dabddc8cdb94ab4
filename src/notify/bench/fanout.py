"""Many connections on one inbox: how long an event takes to all of them, and how many a second arrive at most."""

import asyncio
import sys
import time
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Any

from notify.bench.crew import Crew
from notify.bench.events import Event, title_at
from notify.bench.exactness import counted
from notify.bench.exchange import Exchange
from notify.bench.histogram import Histogram
from notify.bench.load import Load, Phase
from notify.bench.outcome import Outcome
from notify.bench.plan import Plan
from notify.bench.result import Figure, Result
from notify.bench.stream import Stream
from notify.bench.streams import Streams

__all__ = ("FanoutLoad", "fanout")

_WARM_UP = _FEWEST = 5
_SPACED_PER_SECOND = 10
_BACK_TO_BACK = 100
_SPACED = "from posted to each connection, one event at a time"
_DENSE = "back to back"
_PUBLISHERS = 8
"""Connections that publish back to back, so that the service always has the next create at hand."""

_PATIENCE_SECONDS = 60.0


def fanout(crew: Crew) -> Result:
    plan = crew.plan
    events = _spaced_events(plan)
    crew.phase("open", "connecting", plan.connections)
    crew.phase("get set", "warming up", None)
    crew.phase("warm up", "warming up", _WARM_UP * plan.connections)
    crew.phase("get set", "one event at a time", None)
    spaced = crew.phase("spaced", "one event at a time", events * plan.connections)
    crew.phase("get set", "events back to back", None)
    dense = crew.phase("dense", "events back to back", _BACK_TO_BACK * plan.connections)
    checked = crew.phase("check", "counting what arrived", None)
    latency = spaced.latency(_SPACED)
    return Result.of(
        "fanout",
        [spaced, dense],
        [
            Figure("connections", plan.connections),
            *Figure.latencies("event", latency),
            Figure("delivered", dense.counts["received"] / dense.seconds, "/s", "higher"),
            *Figure.exactness(checked),
        ],
        hidden={_DENSE},
    )


class FanoutLoad(Load):
    scenario = "fanout"

    @property
    def phases(self) -> Mapping[str, Phase]:
        return {
            "open": self._open,
            "get set": self._get_set,
            "warm up": self._warm_up,
            "spaced": self._spaced,
            "dense": self._dense,
            "check": self._check,
        }

    async def _open(self) -> Outcome:
        self._streams = Streams(self.target, self.network, self._on_event)
        self._publishers: list[Exchange] = []
        self._all_there = asyncio.Event()
        self._last_at = 0
        await self._get_set()
        connections = self.share.of(self.plan.connections)
        handshakes = max(1, self.share.of(self.plan.handshakes))
        await self._streams.open([self._user] * connections, handshakes, self.report)
        if self.share.place == 0:
            self._publishers = await self.exchanges(_PUBLISHERS)
        return Outcome()

    async def _warm_up(self) -> Outcome:
        return await self._seen(_WARM_UP, "warm-up", self._publish_spaced(_WARM_UP, 0.02))

    async def _spaced(self) -> Outcome:
        events = _spaced_events(self.plan)
        return await self._seen(events, _SPACED, self._publish_spaced(events, 1 / _SPACED_PER_SECOND))

    async def _dense(self) -> Outcome:
        return await self._seen(_BACK_TO_BACK, _DENSE, self._publish_dense(_BACK_TO_BACK))

    async def _check(self) -> Outcome:
        # Nobody else writes to this inbox, so its positions follow one another.
        published = range(1, 1 + _WARM_UP + _spaced_events(self.plan) + _BACK_TO_BACK)
        return await counted(self._streams, {self._user: published})

    @property
    def _user(self) -> str:
        return f"bench-{self.share.run}-fanout"

    async def _get_set(self) -> Outcome:
        """Before the first process publishes anything: whatever arrives from now on belongs to the next phase."""
        self._latency = Histogram()
        self._received = 0
        self._expected = sys.maxsize
        self._all_there.clear()
        return Outcome()

    async def _seen(self, events: int, kind: str, publishing: Coroutine[Any, Any, None]) -> Outcome:
        """What this process sees of so many events, which the first process publishes."""
        outcome = Outcome(latencies={kind: self._latency})
        self._expected = events * len(self._streams.all)
        self._look()
        async with asyncio.TaskGroup() as group:
            if self.share.place == 0:
                outcome.begun_at = time.monotonic_ns()
                group.create_task(publishing)
            else:
                publishing.close()
            with suppress(TimeoutError):  # what is missing is counted in the end
                async with asyncio.timeout(self.plan.duration + _PATIENCE_SECONDS):
                    await self._all_there.wait()
        outcome.ended_at = self._last_at
        outcome.counts["received"] = self._received
        return outcome

    def _on_event(self, stream: Stream, event: Event, now: int) -> None:  # noqa: ARG002 - all streams are alike
        if event.posted_at:
            self._latency.add(now - event.posted_at)
            self._last_at = now
            self._received += 1
            self.report(self._received)
            self._look()

    def _look(self) -> None:
        if self._received >= self._expected:
            self._all_there.set()

    async def _publish_spaced(self, events: int, pause_seconds: float) -> None:
        for _ in range(events):
            await self._publishers[0].ask(self._create())
            await asyncio.sleep(pause_seconds)

    async def _publish_dense(self, events: int) -> None:
        left = iter(range(events))

        async def publish(exchange: Exchange) -> None:
            for _ in left:
                await exchange.ask(self._create())

        async with asyncio.TaskGroup() as group:
            for exchange in self._publishers:
                group.create_task(publish(exchange))

    def _create(self) -> bytes:
        body = {"to": self._user, "title": title_at(time.monotonic_ns())}
        return self.target.request("POST", "/v1/notifications", body)

    def close(self) -> None:
        self._streams.drop()
        for publisher in self._publishers:
            publisher.close()


def _spaced_events(plan: Plan) -> int:
    return max(_FEWEST, round(_SPACED_PER_SECOND * plan.duration))
