"""When something happened that the database told the time of, by the clock that names sessions."""

from collections import deque

__all__ = ("DatabaseTime",)

_SAMPLES = 16


class DatabaseTime:
    """The two clocks are compared again and again. The quickest of the last answers says best how far they are apart:
    by half of what it took, its time may be off.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)

    def learn(self, asked: float, said: float, answered: float) -> None:
        self._samples.append((answered - asked, (asked + answered) / 2 - said))

    def here(self, moment: float) -> float:
        _, ahead = min(self._samples)
        return moment + ahead
