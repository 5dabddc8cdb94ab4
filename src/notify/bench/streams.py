"""The many streams of one process, opened with a bounded number of handshakes at a time."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from notify.bench.errors import BenchError
from notify.bench.events import Event
from notify.bench.histogram import Histogram
from notify.bench.network import Network
from notify.bench.stream import Stream
from notify.bench.target import Target

__all__ = ("Streams",)

_HANDSHAKE_SECONDS = 30.0


class Streams:
    def __init__(
        self, target: Target, network: Network, on_event: Callable[[Stream, Event, int], None] | None = None
    ) -> None:
        self.all: list[Stream] = []
        self._target = target
        self._network = network
        self._on_event = on_event or (lambda *_: None)

    async def open(
        self,
        users: Iterable[str],
        handshakes: int,
        report: Callable[[int], None],
        *,
        start: str = "from=now",
        after: Mapping[str, bytes] | None = None,
        latency: Histogram | None = None,
    ) -> None:
        """A stream for each; a user named twice gets two. `after` are the positions to resume from."""
        waiting = iter(list(users))
        before = len(self.all)
        failures: list[str] = []

        async def keep_opening(users: Iterator[str]) -> None:
            for user in users:
                begun = time.monotonic_ns()
                stream = await self._opened(user, start, None if after is None else after[user])
                if stream.failure:
                    failures.append(stream.failure)
                    return  # what fails for one fails for many: no need to try them all
                self.all.append(stream)
                if latency is not None:
                    latency.add(stream.ready_at - begun)
                report(len(self.all) - before)

        try:
            async with asyncio.TaskGroup() as openers:
                for _ in range(handshakes):
                    openers.create_task(keep_opening(waiting))
        except* OSError as group:
            failures.append(str(group.exceptions[0]))
        if failures:
            raise BenchError(
                f"A stream could not be opened after {len(self.all)} of this process: {failures[0]}. Use fewer "
                "--connections, or raise what the service and this machine allow (ulimit -n)."
            )

    @property
    def lost(self) -> int:
        """How many have broken without our doing."""
        return sum(1 for stream in self.all if stream.failure)

    async def close(self) -> None:
        """Returns when all are closed, so that nothing of them is left for what is measured next."""
        streams, self.all = self.all, []
        for stream in streams:
            stream.drop()
        for stream in streams:
            await stream.gone

    def drop(self) -> None:
        for stream in self.all:
            stream.drop()

    async def _opened(self, user: str, start: str, after: bytes | None) -> Stream:
        request = self._target.stream_request(user, start=start, after=after)
        stream = await self._network.connect(lambda: Stream(user, request, self._on_event))
        try:
            async with asyncio.timeout(_HANDSHAKE_SECONDS):
                await stream.ready
        except TimeoutError:
            stream.failure = f"the start of a stream was not there after {_HANDSHAKE_SECONDS:g} s"
        if stream.failure:
            stream.drop()
        return stream
