"""Nobody gets more than their burst and their rate, nobody less, and nothing grows without end."""

from collections import Counter
from datetime import timedelta
from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.core.buckets import Buckets, Rate
from support.clock import ManualClock

rates = st.builds(Rate, per_second=st.floats(0.01, 100_000), burst=st.integers(1, 50))
steps = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30), st.floats(0, 20)), max_size=25)
ROUNDING = 0.01


@given(rate=rates, steps=steps)
def test_in_any_window_nobody_takes_more_than_the_burst_and_what_came_meanwhile(
    rate: Rate, steps: list[tuple[str, int, float]]
) -> None:
    clock = ManualClock()
    buckets: Buckets[str] = Buckets(rate, clock, most=100)
    rounds: list[tuple[float, float, Counter[str]]] = []
    for key, attempts, pause in steps:
        before = clock.monotonic()
        taken = sum(buckets.take(key) >= 0 for _ in range(attempts))
        rounds.append((before, clock.monotonic(), Counter({key: taken})))
        clock.advance(timedelta(seconds=pause / rate.per_second))
    for first, last in combinations_with_replacement(range(len(rounds)), 2):
        seconds = rounds[last][1] - rounds[first][0]
        together = sum((taken for _, _, taken in rounds[first : last + 1]), Counter[str]())
        for count in together.values():
            assert count <= rate.burst + rate.per_second * seconds + ROUNDING


@given(rate=rates, spent=st.integers(0, 60))
def test_whoever_was_away_for_long_enough_has_the_whole_burst_again(rate: Rate, spent: int) -> None:
    clock = ManualClock()
    buckets: Buckets[str] = Buckets(rate, clock, most=100)
    for _ in range(spent):
        buckets.take("a")
    clock.advance(timedelta(seconds=rate.refill_seconds + 1e-3))
    assert [buckets.take("a") >= 0 for _ in range(rate.burst)] == [True] * rate.burst


@given(rate=rates)
def test_after_the_time_that_is_named_there_is_a_token(rate: Rate) -> None:
    clock = ManualClock()
    buckets: Buckets[str] = Buckets(rate, clock, most=100)
    while (left := buckets.take("a")) >= 0:
        if rate.per_second > 1000:
            return  # They come faster than they can be taken.
    clock.advance(timedelta(seconds=buckets.wait(-left)))
    assert buckets.take("a") >= 0


def test_of_a_slow_bucket_the_figures_are_exact_enough() -> None:
    clock = ManualClock()
    buckets: Buckets[str] = Buckets(Rate(0.5, 3), clock, most=100)
    assert [round(buckets.take("a")) for _ in range(3)] == [2, 1, 0]
    missing = buckets.take("a")
    assert missing == pytest.approx(-1, abs=0.1)
    assert buckets.wait(-missing) == 2
    assert buckets.take("b") == pytest.approx(2)


def test_all_are_taken_from_or_none() -> None:
    buckets: Buckets[str] = Buckets(Rate(0.01, 2), ManualClock(), most=100)
    assert buckets.take_each("ab") == []
    assert buckets.take_each("a") == []
    assert buckets.take_each("cabd") == ["a"]
    assert [round(buckets.left(key)) for key in "abcd"] == [0, 1, 2, 2]


def test_there_are_never_more_than_the_most_and_the_least_recent_are_forgotten() -> None:
    buckets: Buckets[int] = Buckets(Rate(0.001, 1), ManualClock(), most=1000)
    for key in range(50_000):
        assert buckets.take(key) >= 0
        assert len(buckets) <= 1000
    assert buckets.take(49_999) < 0
    assert buckets.take(0) >= 0


def test_buckets_that_are_full_again_are_let_go() -> None:
    clock = ManualClock()
    buckets: Buckets[int] = Buckets(Rate(1000, 10), clock, most=100_000)
    for key in range(1000):
        buckets.take(key)
    clock.advance(timedelta(seconds=1))
    for _ in range(2000):
        clock.advance(timedelta(milliseconds=1))
        buckets.take(-1)
    assert len(buckets) <= 2
