"""A position in an inbox: what the wire calls `EPOCH.SEQ`, opaque to clients."""

import re
from typing import Literal, Self

import msgspec

from notify.core.errors import MalformedPositionError

__all__ = ("Bounds", "Position", "ResetReason")

ResetReason = Literal["epoch", "ahead", "purged", "malformed"]

_SYNTAX = re.compile(r"([0-9a-z]{1,32})\.(0|[1-9][0-9]{0,18})(?:\.([1-9][0-9]{0,18}))?", re.ASCII)
_MAX_SEQ = 2**63 - 1


class Bounds(msgspec.Struct, frozen=True):
    """What an inbox can answer for: its epoch, the highest purged tombstone and the newest position."""

    epoch: str
    floor: int
    head: int


class Position(msgspec.Struct, frozen=True):
    """A place in an inbox.

    `since_floor` is set while a client reads a fresh start: it began knowing nothing, so what was purged before it
    began cannot be missing from what it holds. It is dropped once the position itself has passed that floor.
    """

    epoch: str
    seq: int
    since_floor: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        match = _SYNTAX.fullmatch(text)
        if match is None:
            raise MalformedPositionError
        epoch, seq, since_floor = match.groups(default="0")
        if int(seq) > _MAX_SEQ or int(since_floor) > _MAX_SEQ:
            raise MalformedPositionError
        return cls(epoch, int(seq), int(since_floor))

    def __str__(self) -> str:
        if self.since_floor > self.seq:
            return f"{self.epoch}.{self.seq}.{self.since_floor}"
        return f"{self.epoch}.{self.seq}"

    def invalid_in(self, bounds: Bounds) -> ResetReason | None:
        """Why this position cannot be resumed from in an inbox with these bounds, or None when it can."""
        if self.epoch != bounds.epoch:
            return "epoch"
        if self.seq > bounds.head:
            return "ahead"
        if max(self.seq, self.since_floor) < bounds.floor:
            return "purged"
        return None
