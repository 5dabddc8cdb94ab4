"""Percentiles of the bench are those of the values themselves, to 1 %, whichever process saw which."""

import math

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from notify.bench.histogram import Histogram

times = st.integers(0, 10**12) | st.integers(0, 2000)
several = st.lists(times, min_size=1, max_size=200)


def histogram(values: list[int]) -> Histogram:
    made = Histogram()
    for value in values:
        made.add(value)
    return made


@given(several, st.floats(0, 1))
def test_a_percentile_is_within_one_percent_of_the_exact_one(values: list[int], share: float) -> None:
    exact = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    assert math.isclose(histogram(values).percentile(share), exact, rel_tol=0.01)


@given(st.lists(several, max_size=5))
def test_what_several_processes_saw_adds_up_to_what_one_would_have_seen(parts: list[list[int]]) -> None:
    merged = Histogram()
    for part in parts:
        merged.merge(histogram(part))
    merged.merge(Histogram())
    assert merged == histogram([value for part in parts for value in part])


@given(several)
def test_the_least_and_the_most_are_exact_and_nothing_is_outside(values: list[int]) -> None:
    made = histogram(values)
    assert (made.least, made.most, made.count) == (min(values), max(values), len(values))
    assert made.percentile(0) >= made.least
    assert made.percentile(1) <= made.most
    assert made.up_to(made.most * 1.01) == made.count


@given(several)
def test_it_survives_json(values: list[int]) -> None:
    made = histogram(values)
    assert msgspec.json.decode(msgspec.json.encode(made), type=Histogram) == made


def test_without_values_it_says_0() -> None:
    assert Histogram().percentile(0.99) == 0


def test_a_clock_that_steps_back_counts_as_no_time() -> None:
    made = histogram([-5])
    assert (made.least, made.percentile(0.5)) == (0, 0)
