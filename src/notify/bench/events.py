"""A stream as it arrives: bytes in any pieces become events. Only as lenient as a service of ours needs."""

from functools import lru_cache
from typing import NamedTuple

__all__ = ("Event", "EventReader", "title_at")

_MARK = b'"title":"bench '
_BLANK_LINE = b"\n\n"


class Event(NamedTuple):
    name: bytes
    id: bytes
    data: bytes
    posted_at: int
    """What the title says, in nanoseconds of the monotonic clock; 0: it is no notification of a bench."""

    @property
    def seq(self) -> int:
        return int(self.id.rpartition(b".")[2])


class EventReader:
    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> tuple[Event, ...]:
        """The events that are complete by now."""
        whole, end, self._rest = (self._rest + data).rpartition(_BLANK_LINE)
        return _events_of(whole) if end else ()


def title_at(nanoseconds: int) -> str:
    """A title that says when its notification was posted."""
    return f"bench {nanoseconds}"


# Connections that follow one inbox are sent the same bytes at about the same time.
@lru_cache(maxsize=8)
def _events_of(blocks: bytes) -> tuple[Event, ...]:
    return tuple(event for block in blocks.split(_BLANK_LINE) if (event := _event_of(block)) is not None)


def _event_of(block: bytes) -> Event | None:
    """None for what tells nothing: a comment, a pause before the next attempt."""
    name = id_ = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        key, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if key == b"data":
            data.append(value)
        elif key == b"id":
            id_ = value
        elif key == b"event":
            name = value
    if not (data or id_):
        return None
    text = b"\n".join(data)
    return Event(name, id_, text, _posted_at(text))


def _posted_at(data: bytes) -> int:
    start = data.find(_MARK)
    if start < 0:
        return 0
    start += len(_MARK)
    digits = data[start : data.find(b'"', start)]
    return int(digits) if digits.isdigit() else 0
