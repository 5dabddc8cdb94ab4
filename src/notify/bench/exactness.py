"""Whether a device was shown what it had to be shown: all of it, once, in order."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from notify.bench.outcome import Outcome
from notify.bench.streams import Streams

__all__ = ("compared", "counted")

_QUIET_SECONDS = 0.2
"""In which what must not come would come: an event a second time."""


async def counted(streams: Streams, sent: Mapping[str, Collection[int]]) -> Outcome:
    """Of all inboxes, by the positions that each user was sent."""
    await asyncio.sleep(_QUIET_SECONDS)
    outcome = Outcome()
    for stream in streams.all:
        outcome.counts.update(compared(sent[stream.user], stream.seqs))
    outcome.counts["broken connections"] = streams.lost
    return outcome


def compared(sent: Collection[int], received: Sequence[int]) -> dict[str, int]:
    """Counts of what went wrong with the positions of one inbox. More may arrive than is known to be sent: a create
    whose answer was lost.
    """
    seen: set[int] = set()
    twice = out_of_order = last = 0
    for seq in received:
        if seq in seen:
            twice += 1
        elif seq < last:
            out_of_order += 1
        seen.add(seq)
        last = max(last, seq)
    return {"lost": len(set(sent) - seen), "twice": twice, "out of order": out_of_order}
