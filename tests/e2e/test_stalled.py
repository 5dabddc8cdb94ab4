"""A client that takes nothing any more costs the service hardly any memory, and misses nothing."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import accumulate
from pathlib import Path

import httpx

from support.processes import ADMIN, NotifyProcess
from support.streams import EventStream, Held
from support.waiting import eventually

Start = Callable[..., NotifyProcess]

MISSED_BYTES = 100_000_000
ITEM_BYTES = 23_000
RECEIVE_BUFFER = 4096
ALICE = {"user_id": "alice"}

GIVES_MEMORY_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Left to itself, glibc keeps a megabyte or two of what was freed, now more and now less."""


@asynccontextmanager
async def calling(process: NotifyProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=process.url, headers=ADMIN, timeout=30) as client:
        yield client


async def send_bytes(client: httpx.AsyncClient, count: int) -> int:
    """Notifications of that many bytes together, as large as they may be; how many that were."""
    items = [{"to": "alice", "title": "large", "body": "x" * 8000, "data": {"more": "y" * 15_000}} for _ in range(40)]
    sent = 0
    while sent * ITEM_BYTES < count:
        answer = await client.post("/v1/notifications/batch", json={"items": items})
        assert answer.status_code == 200, answer.text
        sent += len(items)
    return sent


def resident_bytes(process: NotifyProcess) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


async def take_until(stream: EventStream, held: Held, seq: int) -> None:
    while held.seq < seq:
        held.take(await stream.next(30))


async def test_what_a_stalled_client_misses_is_not_held_in_memory_and_comes_when_it_goes_on(
    start_notify: Start,
) -> None:
    process = start_notify(NOTIFY_SEND_TIMEOUT_SECONDS="600", NOTIFY_LOG_LEVEL="warning", **GIVES_MEMORY_BACK)
    async with calling(process) as client, AsyncExitStack() as stack:
        stalled, well = [
            await stack.enter_async_context(
                await EventStream.open(process.url, query=ALICE, receive_buffer=RECEIVE_BUFFER)
            )
            for _ in range(2)
        ]
        helds = {stream: Held() for stream in (stalled, well)}
        for stream, held in helds.items():
            held.connect(None)
            held.take_all(await stream.until("inbox"))
        # Whatever grows with use has grown before this is measured: pools, buffers, the tail.
        sent = await send_bytes(client, MISSED_BYTES // 4)
        for stream, held in helds.items():
            await take_until(stream, held, sent)
        stalled.pause()
        resident: list[int] = []
        missed: list[int] = []
        while sum(missed) < MISSED_BYTES:
            sent += (arrived := await send_bytes(client, 1_000_000))
            await take_until(well, helds[well], sent)
            resident.append(resident_bytes(process))
            missed.append(arrived * ITEM_BYTES)
        # One moment tells little, since something is always under way: what grows is the line through all of them.
        grown = statistics.linear_regression(list(accumulate(missed)), resident).slope * MISSED_BYTES
        print(f"\nmemory grew by {grown / 2**20:.2f} MiB in {MISSED_BYTES / 1e6:.0f} MB missed")  # noqa: T201 - what the test says
        assert grown < 2 * 2**20
        stalled.resume()
        await take_until(stalled, helds[stalled], sent)
        assert len(helds[stalled].items) == sent
        assert helds[stalled].items == helds[well].items
        assert helds[stalled].resets == 0


async def test_a_stalled_client_is_dropped_in_time_and_resumes_without_loss(start_notify: Start) -> None:
    process = start_notify(NOTIFY_SEND_TIMEOUT_SECONDS="1")
    held = Held()
    held.connect(None)
    async with calling(process) as client:
        async with await EventStream.open(process.url, query=ALICE, receive_buffer=RECEIVE_BUFFER) as stalled:
            held.take_all(await stalled.until("inbox"))
            stalled.pause()
            sent = await send_bytes(client, 2_000_000)
            since = time.monotonic()
            await eventually(lambda: was_dropped(client))
            assert time.monotonic() - since < 5
            # What was in the sockets still counts, whole blocks of it.
            stalled.resume()
            held.take_all(await stalled.rest())
            assert not stalled.is_complete
        assert held.seq < sent
        sent += await send_bytes(client, 1_000_000)
        headers = ADMIN | {"Last-Event-ID": held.position or ""}
        async with await EventStream.open(process.url, query=ALICE, headers=headers) as again:
            held.connect(held.position)
            await take_until(again, held, sent)
        assert (len(held.items), held.resets) == (sent, 0)


async def was_dropped(client: httpx.AsyncClient) -> bool:
    figures = (await client.get("/metrics")).text
    dropped = 'notify_closes_total{reason="slow",transport="sse"} 1.0' in figures
    return dropped and 'notify_connections{transport="sse"} 0.0' in figures


async def test_a_client_that_takes_things_slowly_is_not_dropped(start_notify: Start) -> None:
    process = start_notify(NOTIFY_SEND_TIMEOUT_SECONDS="1")
    held = Held()
    held.connect(None)
    async with (
        calling(process) as client,
        await EventStream.open(process.url, query=ALICE, receive_buffer=RECEIVE_BUFFER) as slow,
    ):
        held.take_all(await slow.until("inbox"))
        slow.pause()
        sent = await send_bytes(client, 8_000_000)
        since = time.monotonic()
        while held.seq < sent:
            # For a moment it takes something, then nothing again.
            slow.resume()
            held.take(await slow.next())
            slow.pause()
            await asyncio.sleep(0.02)
        # Longer than the service would wait for one that takes nothing.
        assert time.monotonic() - since > 4
        assert (len(held.items), held.resets) == (sent, 0)
