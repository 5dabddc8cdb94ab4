"""What is to be measured, and by how many."""

import os
from typing import Literal, get_args

from msgspec import Struct

__all__ = ("SCENARIOS", "Plan", "ScenarioName", "share_of")

ScenarioName = Literal["fanout", "deliver", "connect", "resume", "list"]
SCENARIOS: tuple[ScenarioName, ...] = get_args(ScenarioName)


class Plan(Struct, frozen=True):
    connections: int = 500
    rate: float = 200.0
    """Creates per second, where they come at a steady rate."""

    duration: float = 5.0
    """Seconds of what is measured for a time and not until it is done."""

    handshakes: int = 256
    """Connections that are being opened at a time."""

    processes: int = max(1, (os.cpu_count() or 1) // 2)


def share_of(total: int, place: int, places: int) -> int:
    """What falls to one of several that share evenly."""
    return total // places + (place < total % places)
