"""Several processes on one listening socket: started together, stopped together, one that dies is replaced."""

import multiprocessing
import signal
import socket
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess

import structlog

__all__ = ("keep_working",)

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.2
_REST_SECONDS = 1.0
"""Between the death of a worker and its replacement, so that one that cannot start does not spin."""


def keep_working(
    work: Callable[[socket.socket], None],
    listening: socket.socket,
    workers: int,
    *,
    on_started: Callable[[], None],
    stop_seconds: float,
) -> None:
    """Until SIGTERM or SIGINT; returns when every worker has left, or was killed because it did not."""
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: told.append(number))
    spawn = multiprocessing.get_context("spawn")
    # Otherwise the first worker starts it, which lets SIGINT through again.
    resource_tracker.ensure_running()

    def started() -> SpawnProcess:
        process = spawn.Process(target=work, args=(listening,), name="notify worker")
        # Ctrl-C reaches every process of a terminal, also one that is still starting. Workers leave it to us.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return process

    processes = [started() for _ in range(workers)]
    on_started()
    while not told:
        wait([process.sentinel for process in processes], timeout=_LOOK_SECONDS)
        for place, process in enumerate(processes):
            if not told and process.exitcode is not None:
                log.error("a worker died and is replaced", action="worker_died", exit_code=process.exitcode)
                time.sleep(_REST_SECONDS)
                processes[place] = started()
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + stop_seconds
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.exitcode is None:
            log.error("a worker did not stop and is killed", action="worker_killed", pid=process.pid)
            process.kill()
            process.join()
