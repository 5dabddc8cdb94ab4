"""The queue of the Python client, with its thread or its task, in front of something that is no use."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from notify.client import Bounds, Dropped, Message
from support.clients import DRIVERS, done, driving
from support.waiting import eventually


@contextmanager
def away(status: int | None) -> Iterator[str]:
    """Something that answers with this status, or never."""
    release = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if status is None:
                release.wait(20)
            else:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, format: str, *_: Any) -> None:  # noqa: A002 - its name there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        release.set()
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("kind", DRIVERS)
@pytest.mark.parametrize("status", [503, None])
async def test_it_is_closed_in_time_and_tells_of_what_is_left(kind: str, status: int | None) -> None:
    told: list[Dropped] = []
    with away(status) as url:
        async with driving(kind, url, "key", timeout_seconds=10) as notify:
            queue = notify.client.queue(Bounds(messages=3), on_drop=told.append)
            assert [queue.send(Message("alice", str(n))) for n in range(4)] == [True, True, True, False]
            assert not await done(queue.flush, 0.05)
            began = asyncio.get_running_loop().time()
            await done(queue.close, 0.1)
            assert asyncio.get_running_loop().time() - began < 5
            assert not queue.send(Message("alice", "too late"))
            assert [(each.message.title, each.reason) for each in told] == [
                ("3", "full"),
                *((str(n), "closed") for n in range(3)),
                ("too late", "closed"),
            ]
            assert Counter({"full": 1, "closed": 4}) == +Counter(queue.dropped)
            assert (len(queue), queue.sent) == (0, 0)
    await eventually(lambda: not any(thread.name == "notify queue" for thread in threading.enumerate()))


@pytest.mark.parametrize("kind", DRIVERS)
async def test_one_that_was_never_used_is_flushed_and_closed_at_once(kind: str) -> None:
    async with driving(kind, "http://127.0.0.1:9", "key") as notify:
        queue = notify.client.queue()
        assert await done(queue.flush, 1)
        await done(queue.close)
        assert len(queue) == 0
