"""How fast devices can come: from the first byte to the closing `inbox` event that shows the start is complete."""

import time
from collections.abc import Mapping

from notify.bench.crew import Crew
from notify.bench.load import Load, Phase
from notify.bench.outcome import Outcome
from notify.bench.result import Figure, Result
from notify.bench.streams import Streams

__all__ = ("ConnectLoad", "connect")

_WARM_UP = 32


def connect(crew: Crew) -> Result:
    connections = crew.plan.connections
    crew.phase("prepare", "sending each user a notification", connections)
    crew.phase("warm up", "warming up", _WARM_UP)
    measured = crew.phase("connect", "connecting", connections)
    return Result.of(
        "connect",
        [measured],
        [
            Figure("connections", connections),
            Figure("connected", connections / measured.seconds, "/s", "higher"),
            *Figure.latencies("connect", measured.latency("connect")),
        ],
    )


class ConnectLoad(Load):
    scenario = "connect"

    @property
    def phases(self) -> Mapping[str, Phase]:
        return {"prepare": self._prepare, "warm up": self._warm_up, "connect": self._connect}

    async def _prepare(self) -> Outcome:
        self._streams = Streams(self.target, self.network)
        self._users = self.users(self.share.of(self.plan.connections))
        # Devices that come back have an inbox already, and something unread in it.
        await self.send_to_all(self._users, 1)
        return Outcome()

    async def _warm_up(self) -> Outcome:
        await self._streams.open(self._users[: max(1, self.share.of(_WARM_UP))], 8, self.report)
        await self._streams.close()
        return Outcome()

    async def _connect(self) -> Outcome:
        handshakes = max(1, self.share.of(self.plan.handshakes))
        outcome = Outcome(begun_at=time.monotonic_ns())
        await self._streams.open(
            self._users, handshakes, self.report, start="from=unread", latency=outcome.latency("connect")
        )
        outcome.ended_at = time.monotonic_ns()
        return outcome

    def close(self) -> None:
        self._streams.drop()
