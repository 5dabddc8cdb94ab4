"""What fresh connections begin with is read for many of them at once, and never before they asked."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from notify.app import Service
from notify.core.errors import DatabaseAwayError
from notify.store.many import InboxKey, Reader
from notify.store.snapshots import Snapshots
from support.calls import mark, send
from support.waiting import eventually


class Held(Snapshots):
    """Reads when it is told to, and notes for whom."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self.reads: list[list[str]] = []
        self.go_on = asyncio.Event()
        self.failure: Exception | None = None

    async def _read(self, keys: Sequence[InboxKey]) -> Any:
        self.reads.append([key.user_id for key in keys])
        await self.go_on.wait()
        if self.failure is not None:
            raise self.failure
        return await super()._read(list(keys))


@pytest.fixture
def held(service: Service) -> Held:
    return Held(service.reader)


def of(user: str) -> InboxKey:
    return InboxKey("default", user)


async def test_it_is_the_newest_unread_ones_oldest_first(service: Service, client: httpx.AsyncClient) -> None:
    ids = [await send(client, f"{n}") for n in range(103)]
    await mark(client, ids[50], "read")
    await mark(client, ids[60], "seen")
    await mark(client, ids[70], "archive")
    await send(client, to="bob")
    snapshot = await service.snapshots.of(of("alice"))
    expected = [n for n in range(103) if n not in {50, 70}][-100:]
    assert [item.title for item in snapshot.items] == [f"{n}" for n in expected]
    assert {item.user_id for item in snapshot.items} == {"alice"}
    page = (await client.get("/v1/notifications", params={"user_id": "alice", "status": "unread", "limit": 100})).json()
    assert [str(item.id) for item in snapshot.items][::-1] == [item["id"] for item in page["items"]]
    inbox = snapshot.inbox
    assert (str(inbox.position), inbox.unread, inbox.unseen) == (page["position"], page["unread"], page["unseen"])


async def test_those_that_come_during_a_read_share_the_next(client: httpx.AsyncClient, held: Held) -> None:
    users = [f"user-{n}" for n in range(6)]
    for user in users:
        await send(client, f"for {user}", to=user)
    first = asyncio.create_task(held.of(of(users[0])))
    await eventually(lambda: held.reads)
    rest = [asyncio.create_task(held.of(of(user))) for user in (*users, users[1])]
    await asyncio.sleep(0)
    held.go_on.set()
    snapshots = await asyncio.gather(first, *rest)
    assert [snapshot.items[0].title for snapshot in snapshots] == [
        f"for {user}" for user in (users[0], *users, users[1])
    ]
    # Who asked while the first was read may have been told of something newer.
    assert held.reads == [[users[0]], users]


async def test_one_that_leaves_takes_nothing_from_the_others(client: httpx.AsyncClient, held: Held) -> None:
    await send(client)
    waiting = [asyncio.create_task(held.of(of("alice"))) for _ in range(2)]
    await eventually(lambda: held.reads)
    waiting[0].cancel()
    held.go_on.set()
    assert len((await waiting[1]).items) == 1


async def test_everybody_who_waits_is_told_what_went_wrong_and_may_ask_again(
    client: httpx.AsyncClient, held: Held
) -> None:
    await send(client)
    held.go_on.set()
    held.failure = DatabaseAwayError()
    outcomes = await asyncio.gather(*(held.of(of("alice")) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseAwayError] * 3
    held.failure = None
    assert len((await held.of(of("alice"))).items) == 1


async def test_who_shows_up_for_the_first_time_has_an_empty_inbox(held: Held) -> None:
    held.go_on.set()
    snapshot = await held.of(of("nobody"))
    assert (snapshot.items, snapshot.inbox.total) == ([], 0)
