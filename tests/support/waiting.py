"""Waiting for what is expected, with a deadline."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 10, *, what: str = "what was expected") -> T:
    """The first truthy value of the condition."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"{what} did not come within {seconds} s; last seen: {value!r}"
        time.sleep(0.02)
