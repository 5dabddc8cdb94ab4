"""Publications on devices that are connected, on two processes that have only the doorbell to tell each other."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from functools import partial

import httpx
import pytest

from support.processes import ADMIN, NotifyProcess
from support.streams import EventStream, Held
from support.waiting import eventually

USERS = [f"user-{n}" for n in range(20)]
SECONDS = 10.0


@pytest.fixture
def pair(database_url: str) -> Iterator[tuple[NotifyProcess, NotifyProcess]]:
    environment = {"NOTIFY_DATABASE_URL": database_url, "NOTIFY_SAFETY_POLL_SECONDS": "3600"}
    with NotifyProcess(environment) as first, NotifyProcess(environment) as second:
        yield first, second
        assert not [line for process in (first, second) for line in process.log if '"level":"error"' in line]


class Devices:
    """A stream of each user on each process, and what it holds."""

    def __init__(self, streams: list[EventStream]) -> None:
        self._streams = streams
        self._held = [Held() for _ in streams]

    async def start(self) -> None:
        for stream, held in zip(self._streams, self._held, strict=True):
            held.take_all(await stream.until("inbox"))

    def titles(self) -> list[list[str]]:
        """By arrival, on each device."""
        for stream, held in zip(self._streams, self._held, strict=True):
            held.take_all(stream.taken())
        return [[item["title"] for item in held.items.values()] for held in self._held]

    def all_show(self, titles: list[str]) -> bool:
        return all(shown == titles for shown in self.titles())

    def counters(self) -> list[dict[str, int]]:
        return [held.counters for held in self._held]


@pytest.fixture
async def devices(pair: tuple[NotifyProcess, NotifyProcess]) -> AsyncIterator[Devices]:
    async with AsyncExitStack() as stack:
        streams = [
            await stack.enter_async_context(await EventStream.open(process.url, query={"user_id": user}))
            for user in USERS
            for process in pair
        ]
        devices = Devices(streams)
        await devices.start()
        yield devices


async def test_every_device_shows_it_once_and_in_order(
    pair: tuple[NotifyProcess, NotifyProcess], devices: Devices
) -> None:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=process.url, headers=ADMIN)) for process in pair
        ]

        async def send(place: int, to: object, title: str) -> None:
            answer = await clients[place].post("/v1/notifications", json={"to": to, "title": title})
            assert answer.status_code in {201, 202}, answer.text

        expected = [f"{n}" for n in range(6)]
        for n, title in enumerate(expected):
            await send(n % 2, {"everyone": True} if n % 3 else USERS, title)
            so_far = expected[: n + 1]
            await eventually(partial(devices.all_show, so_far), SECONDS, what=title)
        assert devices.counters() == [{"unread": 6, "unseen": 6, "total": 6}] * 2 * len(USERS)
        await asyncio.gather(*(send(n % 2, {"everyone": True}, f"more {n}") for n in range(20)))
        await eventually(lambda: all(len(titles) == 26 for titles in devices.titles()), SECONDS, what="20 at once")
        orders = {tuple(titles) for titles in devices.titles()}
        assert len(orders) == 1
        assert {*orders.pop()} == {*expected, *(f"more {n}" for n in range(20))}
        assert devices.counters() == [{"unread": 26, "unseen": 26, "total": 26}] * 2 * len(USERS)
