"""Every parser of ours takes whatever comes, in time.

`NOTIFY_TEST_FUZZ` says how many inputs each one gets.
"""

import os
import time

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.fuzzing import Target, inputs
from support.parsers import TARGETS

COUNT = int(os.environ.get("NOTIFY_TEST_FUZZ", "20000"))
AT_ONCE = 100
MOST_SECONDS = 0.5


@pytest.mark.timeout(0)
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_whatever_comes_is_read_or_refused_in_time(target: Target) -> None:
    assert target.check(target.seeds[0]), f"{target.name} refuses even what is sound"
    for seed in target.seeds:
        target.check(seed)

    # Each example is many inputs: to draw them one by one costs more than to read them.
    @settings(
        max_examples=max(1, COUNT // AT_ONCE),
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(st.integers(0, 2**64 - 1), st.binary(max_size=256))
    def check(seed: int, anything: bytes) -> None:
        for given_ in (anything, *inputs(target.seeds, seed, AT_ONCE - 1)):
            took = seconds_for(target, given_)
            if took > MOST_SECONDS:
                # Once may be the garbage collector.
                took = seconds_for(target, given_)
            assert took <= MOST_SECONDS, f"{target.name} took {took:.2f} s for {given_!r}"

    check()


def seconds_for(target: Target, given_: bytes) -> float:
    started = time.thread_time()
    try:
        target.check(given_)
    except Exception as error:
        raise AssertionError(f"{target.name} fails on {given_!r}: {error!r}") from error
    return time.thread_time() - started


def test_a_parser_that_fails_is_found_out() -> None:
    def broken(raw: bytes) -> bool:
        return bool(raw.decode())

    with pytest.raises(AssertionError, match="broken fails on"):
        test_whatever_comes_is_read_or_refused_in_time(Target("broken", [b"sound"], broken))
