"""A service that is told to stop says goodbye: everybody leaves in time, some at a time, told when to come back."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
import pytest

from support.calls import send
from support.processes import ADMIN, NotifyProcess
from support.proxy import Proxy
from support.servers import TestServer
from support.streams import Block, EventStream, Held

CLIENTS = 300
DRAIN_SECONDS = 3.0
SLACK_SECONDS = 3.0

Start = Callable[..., NotifyProcess]


@asynccontextmanager
async def following(url: str, count: int) -> AsyncIterator[list[EventStream]]:
    """So many streams of as many users, each at its beginning."""
    async with AsyncExitStack() as stack:
        streams = await asyncio.gather(
            *(EventStream.open(url, query={"user_id": f"user-{n}"}, seconds=30) for n in range(count))
        )
        for stream in streams:
            stack.push_async_exit(stream)
        await asyncio.gather(*(stream.the("inbox", 30) for stream in streams))
        yield streams


async def seen_off(stream: EventStream) -> tuple[float, int]:
    """When it ended, as it should, and how long it was told to stay away."""
    blocks = await stream.rest(30)
    ended_at = time.monotonic()
    assert stream.is_complete, f"cut off after {blocks}"
    *_, retry, bye = blocks
    assert bye == Block(event="bye", data='{"reason":"shutdown"}')
    assert retry.retry is not None
    return ended_at, retry.retry


def stopped(process: NotifyProcess) -> int:
    """The exit status of a process that has been told to stop already."""
    return process.stop(0)


def logged_ends(process: NotifyProcess) -> list[float]:
    """When each stream ended, as the service says."""
    lines = [json.loads(line) for line in process.log if '"/v1/stream"' in line]
    return sorted(datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines)


def assert_no_complaint(process: NotifyProcess) -> None:
    bad = [line for line in process.log if "Traceback" in line or '"level":"error"' in line or "Exception" in line]
    assert not bad, bad[:3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_everybody_leaves_some_at_a_time_and_is_told_when_to_come_back(
    start_notify: Start, number: signal.Signals
) -> None:
    process = start_notify(NOTIFY_DRAIN_SECONDS=str(DRAIN_SECONDS))
    async with following(process.url, CLIENTS) as streams, httpx.AsyncClient(base_url=process.url) as client:
        assert (await client.get("/health/ready")).status_code == 200
        told_at = time.monotonic()
        process.process.send_signal(number)
        gone = [asyncio.create_task(seen_off(stream)) for stream in streams]
        while (ready := await client.get("/health/ready")).status_code == 200:
            assert time.monotonic() < told_at + 1, "readiness stays green"
        assert {part["name"]: part["status"] for part in ready.json()["components"]}["service"] == "down"
        # Whoever comes now is told to come back.
        async with await EventStream.open(process.url, query={"user_id": "late"}) as late:
            assert late.status == 200
            _, retry = await seen_off(late)
            assert 1000 <= retry <= 5000
        ends = await asyncio.gather(*gone)
    assert await asyncio.to_thread(stopped, process) == 0
    stopped_at = time.monotonic()
    assert_no_complaint(process)
    leaving = sorted(ended_at - told_at for ended_at, _ in ends)
    assert leaving[-1] < DRAIN_SECONDS + SLACK_SECONDS
    assert stopped_at - told_at < DRAIN_SECONDS + SLACK_SECONDS + 3
    # Not all at once: at no moment more than a few batches of twenty. By the service's clock, since this process may be
    # late to notice.
    logged = logged_ends(process)
    assert len(logged) == CLIENTS + 1
    assert all(later - earlier > DRAIN_SECONDS / 20 for earlier, later in zip(logged, logged[60:], strict=False))
    retries = {retry for _, retry in ends}
    assert all(500 <= retry <= DRAIN_SECONDS * 2000 for retry in retries)
    assert len(retries) > CLIENTS / 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_every_worker_sees_its_own_off(start_notify_with: Start, number: signal.Signals) -> None:
    process = start_notify_with("--workers", "2", NOTIFY_DRAIN_SECONDS=str(DRAIN_SECONDS))
    async with following(process.url, CLIENTS) as streams:
        told_at = time.monotonic()
        if number == signal.SIGINT:
            # Ctrl-C in a terminal reaches every process there.
            os.killpg(process.process.pid, number)
        else:
            process.process.send_signal(number)
        ends = await asyncio.gather(*map(seen_off, streams))
    assert await asyncio.to_thread(stopped, process) == 0
    assert_no_complaint(process)
    assert max(ended_at for ended_at, _ in ends) - told_at < DRAIN_SECONDS + SLACK_SECONDS


@pytest.fixture
def start_notify_with(database_url: str, request: pytest.FixtureRequest) -> Start:
    def start(*arguments: str, **environment: str) -> NotifyProcess:
        process = NotifyProcess({"NOTIFY_DATABASE_URL": database_url, **environment}, *arguments, is_covered=True)
        request.addfinalizer(process.stop)
        return process

    return start


async def test_whoever_leaves_a_stopping_service_goes_on_without_loss_on_another(start_notify: Start) -> None:
    leaving, staying = start_notify(NOTIFY_DRAIN_SECONDS="2"), start_notify()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=staying.url, headers=ADMIN))
        held = [Held() for _ in range(20)]
        streams = [
            await stack.enter_async_context(await EventStream.open(leaving.url, query={"user_id": "alice"}))
            for _ in held
        ]
        for each, stream in zip(held, streams, strict=True):
            each.connect(None)
            each.take_all(await stream.until("inbox"))
        leaving.process.send_signal(signal.SIGTERM)

        async def stay(each: Held, stream: EventStream) -> None:
            each.take_all(await stream.rest(30))
            again = await EventStream.open(
                staying.url, query={"user_id": "alice"}, headers=ADMIN | {"Last-Event-ID": each.position or ""}
            )
            await stack.enter_async_context(again)
            each.connect(each.position)
            while each.seq < 50:
                each.take(await again.next(30))

        staying_on = [asyncio.create_task(stay(each, stream)) for each, stream in zip(held, streams, strict=True)]
        # Written through the whole of it.
        for n in range(50):
            await send(client, f"number {n}")
            await asyncio.wait(staying_on, timeout=0.04)
        await asyncio.gather(*staying_on)
        assert [len(each.items) for each in held] == [50] * 20
        assert [each.resets for each in held] == [0] * 20
    assert await asyncio.to_thread(stopped, leaving) == 0
    assert_no_complaint(leaving)


async def test_who_waits_for_a_database_that_is_away_is_seen_off_as_well(embedded_server: TestServer) -> None:
    with embedded_server.database() as url, Proxy(url) as proxy:
        process = NotifyProcess({"NOTIFY_DATABASE_URL": proxy.url, "NOTIFY_DRAIN_SECONDS": "1"})
        try:
            async with AsyncExitStack() as stack:
                known = await stack.enter_async_context(await EventStream.open(process.url, query={"user_id": "alice"}))
                epoch = (await known.the("inbox")).id
                proxy.stall()
                starts: list[dict[str, Any]] = [
                    {"user_id": "bob"},
                    {"user_id": "alice"},
                    {"user_id": "alice", "device": "phone"},
                    {"user_id": "alice", "last_event_id": "garbage"},
                    {"user_id": "alice", "last_event_id": f"{epoch}0"},
                ]
                streams = [
                    await stack.enter_async_context(await EventStream.open(process.url, query=query))
                    for query in starts
                ]
                for stream in streams:
                    assert (await stream.next()).retry
                process.process.send_signal(signal.SIGTERM)
                told_at = time.monotonic()
                ends = await asyncio.gather(*map(seen_off, [known, *streams]))
                assert max(ended_at for ended_at, _ in ends) - told_at < 1 + SLACK_SECONDS
        finally:
            status = await asyncio.to_thread(process.stop)
        assert status == 0
        assert_no_complaint(process)


async def test_a_client_that_takes_nothing_does_not_hold_up_the_end(start_notify: Start) -> None:
    process = start_notify(NOTIFY_DRAIN_SECONDS="0.5")
    async with (
        httpx.AsyncClient(base_url=process.url, headers=ADMIN, timeout=15) as client,
        await EventStream.open(process.url, query={"user_id": "alice"}, receive_buffer=4096) as stalled,
    ):
        await stalled.the("inbox")
        stalled.pause()
        for _ in range(60):
            items = [{"to": "alice", "title": "more than fits", "body": "x" * 8000} for _ in range(25)]
            assert (await client.post("/v1/notifications/batch", json={"items": items})).status_code == 200
        told_at = time.monotonic()
        process.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(stopped, process) == 0
        assert time.monotonic() - told_at < 5.5 + SLACK_SECONDS
    assert_no_complaint(process)
