"""All devices lose their connection, miss something, and come back at once: how long until each has what it missed,
and whether it is exactly that.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

from notify.bench.crew import Crew
from notify.bench.events import Event
from notify.bench.exactness import counted
from notify.bench.load import Load, Phase
from notify.bench.outcome import Outcome
from notify.bench.result import Figure, Result
from notify.bench.stream import Stream
from notify.bench.streams import Streams

__all__ = ("ResumeLoad", "resume")

_MISSED = 20
_PATIENCE_SECONDS = 60.0


def resume(crew: Crew) -> Result:
    connections = crew.plan.connections
    crew.phase("open", "connecting", connections)
    crew.phase("leave", f"away, missing {_MISSED} each", connections)
    measured = crew.phase("return", "all back at once", connections)
    checked = crew.phase("check", "counting what arrived", None)
    return Result.of(
        "resume",
        [measured],
        [
            Figure("connections", connections),
            Figure("missed by each", _MISSED),
            Figure("all caught up after", measured.seconds * 1000, "ms", "lower"),
            *Figure.latencies("caught up", measured.latency("caught up")),
            *Figure.exactness(checked),
        ],
    )


class ResumeLoad(Load):
    scenario = "resume"

    @property
    def phases(self) -> Mapping[str, Phase]:
        return {"open": self._open, "leave": self._leave, "return": self._return, "check": self._check}

    async def _open(self) -> Outcome:
        self._streams = Streams(self.target, self.network, self._on_event)
        self._users = self.users(self.share.of(self.plan.connections))
        await self.send_to_all(self._users, 1)
        handshakes = max(1, self.share.of(self.plan.handshakes))
        await self._streams.open(self._users, handshakes, self.report)
        return Outcome()

    async def _leave(self) -> Outcome:
        self._known = {stream.user: stream.position for stream in self._streams.all}
        await self._streams.close()
        self._missed = await self.send_to_all(self._users, _MISSED)
        return Outcome()

    async def _return(self) -> Outcome:
        self._outcome = outcome = Outcome(begun_at=time.monotonic_ns())
        self._caught_up = 0
        self._all_back = asyncio.Event()
        # As many handshakes as connections: this is what happens when a network comes back.
        await self._streams.open(self._users, len(self._users), lambda _: None, after=self._known)
        with suppress(TimeoutError):  # what is missing is counted below
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._all_back.wait()
        return outcome

    async def _check(self) -> Outcome:
        return await counted(self._streams, self._missed)

    def _on_event(self, stream: Stream, event: Event, now: int) -> None:  # noqa: ARG002 - it is counted already
        if len(stream.seqs) == _MISSED:
            assert self._outcome.begun_at is not None  # noqa: S101 - they come back after it
            self._outcome.latency("caught up").add(now - self._outcome.begun_at)
            self._outcome.ended_at = now
            self._caught_up += 1
            self.report(self._caught_up)
            if self._caught_up == len(self._users):
                self._all_back.set()

    def close(self) -> None:
        self._streams.drop()
