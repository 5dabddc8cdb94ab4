"""The TCP connections of a process: how many there may be, and how long they may leave us waiting for what they owe."""

import asyncio
from collections.abc import Sized
from typing import Protocol

from notify.metrics import Metrics

__all__ = ("Debtor", "Transports")

_SWEEP_SECONDS = 0.5
_EXTRA = 16
"""Connections beyond the limit, in which health is still answered."""


class Debtor(Protocol):
    """A connection that owes us a request's head, or the rest of a body that was answered already."""

    def too_late(self) -> None:
        """What it owes did not come in time."""

    def give_way(self) -> None:
        """Its place is needed."""


class Transports:
    def __init__(self, *, most: int, head_seconds: float, metrics: Metrics) -> None:
        self._most = most
        self._head_seconds = head_seconds
        self._metrics = metrics
        self._loop: asyncio.AbstractEventLoop | None = None
        self._everyone: Sized = ()
        self._due: dict[Debtor, float] = {}
        """Until when each has time. One timer looks at all of them, and there is none while nobody owes anything."""

        self._extra: dict[Debtor, None] = {}
        """Those beyond the limit, oldest first."""

        metrics.sockets.set_function(lambda: len(self._everyone))

    def came(self, debtor: Debtor, everyone: Sized) -> None:
        """It is among those now. One that is beyond the limit may stay for a request; the newest always may, so that
        nobody keeps these places by saying nothing.
        """
        self._everyone = everyone
        self.owes(debtor)
        if len(everyone) > self._most:
            self._extra[debtor] = None
            if len(self._extra) > _EXTRA:
                oldest = next(iter(self._extra))
                self.left(oldest)
                self._metrics.limited.labels("sockets").inc()
                oldest.give_way()

    def is_extra(self, debtor: Debtor) -> bool:
        return debtor in self._extra

    def left(self, debtor: Debtor) -> None:
        self._due.pop(debtor, None)
        self._extra.pop(debtor, None)

    def owes(self, debtor: Debtor) -> None:
        """From now on, unless it did already."""
        loop = self._loop = self._loop or asyncio.get_running_loop()
        if not self._due:
            loop.call_later(_SWEEP_SECONDS, self._sweep)
        self._due.setdefault(debtor, loop.time() + self._head_seconds)

    def has_paid(self, debtor: Debtor) -> None:
        self._due.pop(debtor, None)

    def _sweep(self) -> None:
        assert self._loop is not None  # noqa: S101 - it has called
        now = self._loop.time()
        for debtor in [debtor for debtor, until in self._due.items() if until <= now]:
            self.has_paid(debtor)
            self._metrics.limited.labels("head-timeout").inc()
            debtor.too_late()
        if self._due:
            self._loop.call_later(_SWEEP_SECONDS, self._sweep)
