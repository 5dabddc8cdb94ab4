"""What live connections are told as time passes, which the clock of the tests makes do so at once."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from functools import partial

import httpx
import pytest

from notify.app import Service
from support.calls import send
from support.clock import ManualClock
from support.visits import Visit, visiting
from support.waiting import eventually

SECOND = timedelta(seconds=1)


@pytest.fixture
def any_database_url(database_url: str) -> str:
    """None of this depends on which PostgreSQL it is."""
    return database_url


def is_kept_alive(visit: Visit, times: int) -> bool:
    return sum(block.comment is not None for block in visit.blocks) == times


async def test_a_stream_that_says_nothing_is_kept_alive(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    silence = timedelta(seconds=service.settings.keep_alive_seconds)
    async with visiting(service) as told, visiting(service, "bob") as silent:
        for third in range(1, 7):
            clock.advance(silence / 3)
            await send(client)
            await eventually(partial(has_heard, told, third))
            await eventually(partial(is_kept_alive, silent, third // 3))
        assert is_kept_alive(told, 0)
        clock.advance(silence)
        await eventually(partial(is_kept_alive, told, 1))


def has_heard(visit: Visit, how_many: int) -> bool:
    return len(visit.all("notification")) == how_many


async def test_a_drain_is_spread_over_its_time(service: Service, clock: ManualClock) -> None:
    async with AsyncExitStack() as stack:
        visits = [await stack.enter_async_context(visiting(service, f"user-{n}")) for n in range(40)]

        def have_left(how_many: int) -> bool:
            return sum(visit.is_over for visit in visits) == how_many

        draining = asyncio.create_task(service.roster.drain(100))
        for batch in range(1, 21):
            await eventually(partial(have_left, 2 * batch))
            assert not draining.done()
            clock.advance(5 * SECOND)
        await draining
        assert {await visit.bye() for visit in visits} == {"shutdown"}
