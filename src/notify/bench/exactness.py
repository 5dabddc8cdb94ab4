"""Whether a device was shown what it had to be shown: all of it, once, in order."""

from collections.abc import Collection, Sequence

__all__ = ("compared",)


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
