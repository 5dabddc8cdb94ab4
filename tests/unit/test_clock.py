"""One clock for everything that waits, which tests move as they like; and the places that may look at another."""

import ast
import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

import notify
from notify.core.clock import Clock, SystemClock
from support.clock import ManualClock
from support.waiting import eventually

SECOND = timedelta(seconds=1)
LONG = 3600.0
SHORT = 0.001
SOURCE = Path(notify.__file__).parent

REAL_TIME = {
    "api/doctor.py": "measures the way to a visitor, whose time is not ours",
    "api/envelope.py": "how long a client may take to send a body",
    "api/socket_protocol.py": "how long a client may take to close its WebSocket",
    "api/transports.py": "how long a client may take to send a request's head",
    "bench": "measures a service from outside",
    "cli": "waits for other processes and for other people's terminals",
    "core/clock.py": "the clock itself",
    "core/ids.py": "an id is dated for other processes, whose clocks are the real ones",
    "live/flashing.py": "gives others a turn, which waits for no time",
    "progress.py": "how often a terminal is drawn on",
    "store/database.py": "how long the database may take to answer",
    "store/deadlines.py": "how long the database may take to answer",
    "store/embedded": "waits for processes of PostgreSQL",
}
"""Modules and folders whose time is the world's, and why."""

FORBIDDEN = {
    "asyncio": {"sleep"},
    "time": {"monotonic", "monotonic_ns", "sleep", "time", "time_ns"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "loop": {"call_at", "call_later", "time"},
}
"""Not `asyncio.timeout`, which bounds how long others may take, nor `perf_counter`, which measures how long we did."""


@pytest.fixture(params=[SystemClock, ManualClock])
def any_clock(request: pytest.FixtureRequest) -> Clock:
    clock: Clock = request.param()
    return clock


# Waiting


async def test_an_event_ends_the_waiting(any_clock: Clock) -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(any_clock.wait(event, LONG))
    await asyncio.sleep(0)
    assert not waiting.done()
    event.set()
    assert await waiting


async def test_what_was_set_before_is_not_waited_for(any_clock: Clock) -> None:
    event = asyncio.Event()
    event.set()
    assert await any_clock.wait(event, LONG)
    assert await any_clock.wait(event, 0)


@pytest.mark.parametrize("seconds", [SHORT, 0.0, -1.0])
async def test_time_ends_the_waiting(any_clock: Clock, seconds: float) -> None:
    assert not await any_clock.wait(asyncio.Event(), seconds)
    await any_clock.sleep(seconds)


async def test_whoever_is_cancelled_while_waiting_ends_so(any_clock: Clock) -> None:
    for waiting in (any_clock.wait(asyncio.Event(), LONG), any_clock.sleep(LONG)):
        task = asyncio.ensure_future(waiting)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_deadline_around_the_waiting_holds(any_clock: Clock) -> None:
    for waiting in (any_clock.wait(asyncio.Event(), LONG), any_clock.sleep(LONG)):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SHORT):
                await waiting


async def test_whoever_is_cancelled_as_the_time_runs_out_ends_so() -> None:
    clock = ManualClock()
    task = asyncio.create_task(clock.wait(asyncio.Event(), 1))
    await asyncio.sleep(0)
    clock.advance(SECOND)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_event_counts_that_is_set_as_the_time_runs_out() -> None:
    clock = ManualClock()
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, 1))
    await asyncio.sleep(0)
    clock.advance(SECOND)
    event.set()
    assert await waiting


async def test_nothing_is_left_of_a_waiting_that_has_ended() -> None:
    clock = ManualClock()
    event = asyncio.Event()
    waiting = [
        asyncio.ensure_future(each) for each in (clock.wait(event, LONG), clock.wait(event, 1), clock.sleep(LONG))
    ]
    await asyncio.sleep(0)
    assert clock.waiting == 3
    assert asyncio.all_tasks() == {asyncio.current_task(), *waiting}, "no task of its own"
    clock.advance(SECOND)
    assert not await waiting[1]
    event.set()
    assert await waiting[0]
    waiting[2].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert clock.waiting == 0


# The clock of the tests


async def test_those_whose_time_has_come_wake_in_its_order() -> None:
    clock = ManualClock()
    woken: list[str] = []
    for name, seconds in (("third", 30), ("first", 10), ("not yet", 61), ("second", 20), ("just then", 60)):
        clock.call_later(seconds, lambda name=name: woken.append(name))  # type: ignore[misc]
    clock.call_later(15, lambda: woken.append("cancelled")).cancel()
    await asyncio.sleep(0)
    assert woken == []
    clock.advance(30 * SECOND)
    clock.advance(30 * SECOND)
    await asyncio.sleep(0)
    assert woken == ["first", "second", "third", "just then"]
    assert clock.waiting == 1


async def test_those_whose_time_is_the_same_wake_in_the_order_they_came_in() -> None:
    clock = ManualClock()
    woken: list[int] = []
    for number in range(20):
        clock.call_later(60, lambda number=number: woken.append(number))  # type: ignore[misc]
    clock.advance(61 * SECOND)
    await asyncio.sleep(0)
    assert woken == list(range(20))


async def test_real_time_passes_too() -> None:
    clock = ManualClock()
    woken: list[int] = []
    clock.call_later(SHORT, lambda: woken.append(1))
    await eventually(lambda: woken == [1])


def test_the_time_of_day_stands_still_and_can_be_set_back_but_no_other_time_can() -> None:
    clock = ManualClock()
    day, since = clock.now(), clock.monotonic()
    clock.advance(60 * SECOND)
    assert clock.now() - day < 60.001 * SECOND
    assert clock.monotonic() >= since + 60
    clock.advance(-120 * SECOND)
    assert clock.now() < day
    assert clock.monotonic() >= since + 60


# No other clock


def test_whatever_waits_or_measures_age_asks_the_one_clock() -> None:
    found = {
        f"{module}:{line}: {call}"
        for module, tree in _modules()
        if _exception_of(module) is None
        for line, call in _looks_at_another_clock(tree)
    }
    assert not found, f"Ask the injected Clock, or say in {Path(__file__).name} why not: {sorted(found)}"


def test_every_place_that_is_excepted_needs_it() -> None:
    needed = {_exception_of(module) for module, tree in _modules() if any(_looks_at_another_clock(tree))}
    assert needed >= REAL_TIME.keys()


@pytest.mark.parametrize(
    ("source", "is_another"),
    [
        ("import asyncio\nasyncio.sleep(1)", True),
        ("from asyncio import sleep", True),
        ("import asyncio as aio\naio.sleep(1)", True),
        ("import time\nclock = time.monotonic", True),
        ("from time import monotonic as now", True),
        ("import datetime\ndatetime.datetime.now()", True),
        ("from datetime import datetime\ndatetime.now(UTC)", True),
        ("import asyncio\nasyncio.get_running_loop().call_later(1, f)", True),
        ("self._loop.call_at(1, f)", True),
        ("loop.time()", True),
        ("import time\ntime.perf_counter()", False),
        ("self._clock.now()\nclock.monotonic()\nclock.call_later(1, f)\nawait self._clock.sleep(1)", False),
        ("from datetime import datetime, time\ndatetime.fromtimestamp(0)", False),
    ],
)
def test_the_look_for_other_clocks_finds_them(source: str, is_another: bool) -> None:  # noqa: FBT001
    assert any(_looks_at_another_clock(ast.parse(source))) is is_another


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).as_posix(), ast.parse(path.read_text())


def _exception_of(module: str) -> str | None:
    return next((place for place in REAL_TIME if module == place or module.startswith(f"{place}/")), None)


def _looks_at_another_clock(tree: ast.Module) -> Iterator[tuple[int, str]]:
    aliases = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in ("asyncio", "time"):
            for alias in node.names:
                if alias.name in FORBIDDEN[node.module]:
                    yield node.lineno, f"from {node.module} import {alias.name}"
        elif isinstance(node, ast.Attribute):
            whose = _name_of(node.value)
            if node.attr in FORBIDDEN.get(aliases.get(whose, whose), ()):
                yield node.lineno, f"{whose}.{node.attr}"


def _name_of(node: ast.expr) -> str:
    """The last name of what an attribute is taken from; whatever gives the event loop counts as one."""
    if isinstance(node, ast.Call):
        node = node.func
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return "loop" if name.endswith("loop") else name
