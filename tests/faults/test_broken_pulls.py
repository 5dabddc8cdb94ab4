"""`kill -9` of a service in the middle of giving a broadcast to those who are connected to it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import httpx
import pytest

from support.invariants import rows
from support.processes import ADMIN
from support.stand import Stand
from support.streams import EventStream, Held
from support.waiting import eventually

USERS = [f"user-{n}" for n in range(1200)]
BROADCASTS = 6
SECONDS = 60.0


class Devices:
    """A stream of each user, and what each holds, whichever process it is connected to."""

    def __init__(self) -> None:
        self.held = {user: Held() for user in USERS}
        self._streams: dict[str, EventStream] = {}

    async def connect(self, stack: AsyncExitStack, url: str) -> None:
        for user, held in self.held.items():
            presented = held.position
            headers = ADMIN if presented is None else {**ADMIN, "Last-Event-ID": presented}
            stream = await EventStream.open(url, query={"user_id": user}, headers=headers, seconds=SECONDS)
            self._streams[user] = await stack.enter_async_context(stream)
            held.connect(presented)

    def take(self) -> None:
        for user, stream in self._streams.items():
            self.held[user].take_all(stream.taken())

    def all_started(self) -> bool:
        self.take()
        return all(held.is_started for held in self.held.values())

    def all_hold(self, count: int) -> bool:
        self.take()
        return all(len(held.items) >= count for held in self.held.values())


@pytest.mark.timeout(4 * SECONDS)
async def test_every_device_has_every_broadcast_once_whenever_the_server_dies(
    start_stand: Callable[..., Stand],
) -> None:
    stand = start_stand(2, NOTIFY_SAFETY_POLL_SECONDS="3600")
    doomed, survivor = stand.processes
    devices = Devices()
    async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=survivor.url, headers=ADMIN) as client:
        async with AsyncExitStack() as first_streams:
            await devices.connect(first_streams, doomed.url)
            await eventually(devices.all_started, SECONDS, what="the start of every stream")

            async def send(to: object, title: str) -> None:
                answer = await client.post("/v1/notifications", json={"to": to, "title": title})
                assert answer.status_code in {201, 202}, answer.text

            await send(USERS[:600], "personal")
            await send(USERS[600:], "personal")
            await asyncio.gather(*(send({"everyone": True}, f"broadcast {n}") for n in range(BROADCASTS)))
            given = await eventually(lambda: _pulled(stand), SECONDS, what="the first of the pull")
            doomed.kill()
            given = _pulled(stand)
            devices.take()
        assert 0 < given < BROADCASTS * len(USERS), f"killed too early or too late: {given}"
        await devices.connect(stack, survivor.url)
        await eventually(lambda: devices.all_hold(1 + BROADCASTS), SECONDS, what="every broadcast on every device")
    expected = sorted(["personal", *(f"broadcast {n}" for n in range(BROADCASTS))])
    for user, held in devices.held.items():
        titles = [item["title"] for item in held.items.values()]
        assert sorted(titles) == expected, user
        assert titles[0] == "personal", user
        assert held.counters == {"unread": 7, "unseen": 7, "total": 7}, user
        assert held.resets == 0, user
    orders = {tuple(item["title"] for item in held.items.values()) for held in devices.held.values()}
    assert len(orders) == 1
    # One position for each, so that none was given to an inbox twice.
    assert rows(stand.url, "SELECT count(*) AS n FROM notify.inboxes WHERE head <> 7")[0]["n"] == 0
    stand.check()


def _pulled(stand: Stand) -> int:
    found = rows(stand.url, "SELECT count(*) AS n FROM notify.notifications WHERE publication_id IS NOT NULL")
    return int(found[0]["n"])
