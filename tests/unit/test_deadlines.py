"""Whatever waits too long is given up, whatever came before it or comes after."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notify.core.errors import DatabaseAwayError
from notify.store.deadlines import Deadlines

SECONDS = 0.05


@settings(max_examples=20, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_who_is_not_done_in_time_is_told(done_in_time: list[bool]) -> None:
    async def run() -> list[object]:
        deadlines = Deadlines(SECONDS)
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in done_in_time]
        for future in futures:
            deadlines.set_for(future)
        for future, is_done in zip(futures, done_in_time, strict=True):
            if is_done:
                future.set_result("in time")
        return list(await asyncio.wait_for(asyncio.gather(*futures, return_exceptions=True), 5))

    for outcome, is_done in zip(asyncio.run(run()), done_in_time, strict=True):
        assert outcome == "in time" if is_done else isinstance(outcome, DatabaseAwayError)


async def test_each_has_its_own_time() -> None:
    deadlines = Deadlines(SECONDS)
    loop = asyncio.get_running_loop()
    ends: list[float] = []
    for _ in range(3):
        future = loop.create_future()
        begun = loop.time()
        deadlines.set_for(future)
        with pytest.raises(DatabaseAwayError):
            await asyncio.wait_for(future, 5)
        ends.append(loop.time() - begun)
    assert min(ends) > SECONDS / 2


async def test_what_is_done_is_not_held() -> None:
    deadlines = Deadlines(60)
    for _ in range(1000):
        future = asyncio.get_running_loop().create_future()
        deadlines.set_for(future)
        future.set_result(None)
    assert len(deadlines._waiting) == 1
    assert deadlines._timer is not None
    deadlines._timer.cancel()
