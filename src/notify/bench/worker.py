"""One process of the load generator: does what it is told, and says what it saw and what it cost."""

import asyncio
import gc
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from notify.bench.connect import ConnectLoad
from notify.bench.deliver import DeliverLoad
from notify.bench.errors import BenchError
from notify.bench.fanout import FanoutLoad
from notify.bench.listing import ListLoad
from notify.bench.load import Load, Share
from notify.bench.outcome import Outcome
from notify.bench.resume import ResumeLoad

__all__ = ("work",)

_LOADS: Mapping[str, type[Load]] = {
    load.scenario: load for load in (FanoutLoad, DeliverLoad, ConnectLoad, ResumeLoad, ListLoad)
}
_REPORT_SECONDS = 0.2
_SCHEDULED = Path("/proc/thread-self/schedstat")


def work(pipe: Connection, share: Share) -> None:
    """Until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the command's to answer
    # A collection in the middle of a measurement would be measured; what lives here is bounded.
    gc.disable()
    try:
        uvloop.run(_Worker(pipe, share).run())
    except (EOFError, BrokenPipeError):
        sys.exit(0)


class _Worker:
    def __init__(self, pipe: Connection, share: Share) -> None:
        self._pipe = pipe
        self._share = share
        self._load: Load | None = None
        self._reported = _Reported(pipe.send)

    async def run(self) -> None:
        while True:
            order = await asyncio.to_thread(self._pipe.recv)
            try:
                answer: object = await self._done(order)
            except* BenchError as group:
                answer = _first(group)
            except* OSError as group:
                answer = f"The load generator could not go on: {_first(group)}."
            except* Exception as group:  # noqa: BLE001 - the command shows it, and fails
                traceback.print_exception(group)
                answer = "The load generator failed; the lines above say where."
            self._pipe.send(answer)

    async def _done(self, order: str) -> Outcome:
        if order.startswith("begin "):
            if self._load is not None:
                self._load.close()
            self._load = _LOADS[order.removeprefix("begin ")](self._share, self._reported)
            gc.collect()
            return Outcome()
        assert self._load is not None  # noqa: S101 - a scenario begins before its phases
        self._reported.begin()
        cpu, waited, clock = time.process_time(), _waited_seconds(), time.monotonic()
        outcome = await self._load.phases[order]()
        elapsed = max(time.monotonic() - clock, 1e-9)
        outcome.cpu_shares = [(time.process_time() - cpu) / elapsed]
        outcome.wait_shares = [(_waited_seconds() - waited) / elapsed]
        return outcome


def _waited_seconds() -> float:
    """How long this thread could have run and had no core to run on."""
    try:
        return int(_SCHEDULED.read_text().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0  # only Linux tells


class _Reported:
    """Tells how far it is, but not at every step."""

    def __init__(self, send: Callable[[int], None]) -> None:
        self._send = send
        self._due = 0.0

    def begin(self) -> None:
        self._due = time.monotonic() + _REPORT_SECONDS

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _REPORT_SECONDS
            self._send(done)


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
