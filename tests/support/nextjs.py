"""The Next.js example, built and started."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

import example
from nodejs import NODE, NotInstalledError
from support.servers import require
from support.waiting import until

__all__ = ("build_example", "running_example")

_START_SECONDS = 30
_STOP_SECONDS = 10


def build_example() -> None:
    try:
        example.main()
    except NotInstalledError as error:
        require(None, f"what the example is built with ({error})")


@contextmanager
def running_example(port: int, environment: Mapping[str, str]) -> Iterator[list[str]]:
    """Gives what it has printed, once it has ended."""
    printed: list[str] = []
    command = [str(NODE), "node_modules/next/dist/bin/next", "start", "--hostname", "127.0.0.1", "--port", str(port)]
    given = {**os.environ, **environment, "NEXT_TELEMETRY_DISABLED": "1"}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command, cwd=example.EXAMPLE, env=given, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            until(lambda: process.poll() is not None or _answers(port), _START_SECONDS, what="the example's first page")
            yield printed
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(_STOP_SECONDS)
            output.seek(0)
            printed.extend(output.read().splitlines())


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/login", timeout=10).is_success
    except httpx.TransportError:
        return False
