"""Reading for many at once."""

import asyncio
from collections.abc import Mapping

import pytest

from notify.core.errors import DatabaseAwayError
from notify.store.together import Together

SECONDS = 5.0


class Reads:
    """What is read for whom, when it is let."""

    def __init__(
        self, *, held: bool = False, reads: int = 1, most: int = 100, timeout_seconds: float = SECONDS
    ) -> None:
        self.asked: list[list[int]] = []
        self.begun = asyncio.Event()
        self.let = asyncio.Event()
        if not held:
            self.let.set()
        self.together = Together(self._read, most=most, timeout_seconds=timeout_seconds, reads=reads)

    async def _read(self, keys: list[int]) -> Mapping[int, str]:
        self.asked.append(keys)
        self.begun.set()
        await self.let.wait()
        if -1 in keys:
            raise ValueError
        if -2 in keys:
            raise DatabaseAwayError
        return {key: str(key) for key in keys}


async def test_those_who_ask_while_a_read_is_under_way_share_the_next() -> None:
    reads = Reads(held=True)
    first = asyncio.ensure_future(reads.together.get(1))
    await reads.begun.wait()
    rest = [asyncio.ensure_future(reads.together.get(key)) for key in (2, 3, 2, 1)]
    await asyncio.sleep(0)
    reads.let.set()
    assert await asyncio.gather(first, *rest) == ["1", "2", "3", "2", "1"]
    assert reads.asked == [[1], [2, 3, 1]]


async def test_a_read_is_for_so_many_and_so_many_are_under_way() -> None:
    reads = Reads(held=True, reads=2, most=3)
    asked = [asyncio.ensure_future(reads.together.get(key)) for key in range(8)]
    await reads.begun.wait()
    await asyncio.sleep(0)
    assert reads.asked == [[0, 1, 2], [3, 4, 5]]
    reads.let.set()
    assert await asyncio.gather(*asked) == [str(key) for key in range(8)]
    assert reads.asked[2:] == [[6, 7]]


@pytest.mark.parametrize("apart", range(1, 12))
async def test_nobody_is_forgotten_whenever_they_ask(apart: int) -> None:
    reads = Reads()

    async def ask(key: int) -> str:
        for _ in range(key % apart):
            await asyncio.sleep(0)
        return await reads.together.get(key)

    async with asyncio.timeout(SECONDS):
        assert await asyncio.gather(*map(ask, range(apart))) == [str(key) for key in range(apart)]


async def test_what_cannot_be_read_fails_alone() -> None:
    reads = Reads()
    found = await asyncio.gather(*map(reads.together.get, [1, -1, 2]), return_exceptions=True)
    assert [found[0], found[2]] == ["1", "2"]
    assert isinstance(found[1], ValueError)


async def test_a_database_that_is_away_is_asked_once_for_all() -> None:
    reads = Reads()
    found = await asyncio.gather(*map(reads.together.get, [1, -2, 2]), return_exceptions=True)
    assert [type(each) for each in found] == [DatabaseAwayError] * 3
    assert reads.asked == [[1, -2, 2]]


async def test_who_waits_too_long_is_told_and_not_read_for_any_more() -> None:
    reads = Reads(held=True, timeout_seconds=0.01)
    first = asyncio.ensure_future(reads.together.get(1))
    await reads.begun.wait()
    for key in (1, 2):
        with pytest.raises(DatabaseAwayError):
            await (first if key == 1 else reads.together.get(key))
    reads.let.set()
    assert await reads.together.get(3) == "3"
    assert reads.asked == [[1], [3]]


async def test_who_leaves_interrupts_nothing() -> None:
    reads = Reads(held=True)
    leaving = asyncio.ensure_future(reads.together.get(1))
    staying = asyncio.ensure_future(reads.together.get(1))
    await reads.begun.wait()
    leaving.cancel()
    reads.let.set()
    assert await staying == "1"
    assert leaving.cancelled()
