"""How the database's clock is read from afar."""

import pytest

from notify.live.database_time import DatabaseTime


def test_the_quickest_answer_says_how_far_the_clocks_are_apart() -> None:
    time = DatabaseTime()
    time.learn(100.0, 1000.9, 101.0)
    assert time.here(1001.0) == pytest.approx(100.6)
    time.learn(110.0, 1010.0, 110.002)
    assert time.here(1011.0) == pytest.approx(111.001)
    time.learn(120.0, 1020.4, 120.5)
    assert time.here(1021.0) == pytest.approx(121.001)


def test_a_clock_that_was_set_is_believed_after_a_while() -> None:
    time = DatabaseTime()
    time.learn(100.0, 100.0, 100.0)
    for second in range(16):
        time.learn(200.0 + second, 260.0 + second, 200.01 + second)
    assert time.here(300.0) == pytest.approx(240.0, abs=0.01)
