"""What a process of the load generator is given, and what every kind of load it can make has in common."""

import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec import Struct

from notify.bench.errors import BenchError
from notify.bench.exchange import Exchange
from notify.bench.network import Network
from notify.bench.outcome import Outcome
from notify.bench.plan import Plan, share_of
from notify.bench.target import Target

__all__ = ("Load", "Phase", "Share", "sent_in")

Phase = Callable[[], Awaitable[Outcome]]

_RECIPIENTS = 100
"""Users that a create of the preparation names; a deployment may allow fewer than we do by default."""


class Share(Struct, frozen=True):
    """One process of several."""

    target: Target
    run: str
    """Makes the users of this run its own."""

    plan: Plan
    place: int
    places: int

    def of(self, total: int) -> int:
        return share_of(total, self.place, self.places)


class Load(ABC):
    """One scenario in one process. Its phases run one after another, in all processes at the same time."""

    scenario: str

    def __init__(self, share: Share, report: Callable[[int], None]) -> None:
        self.share = share
        self.plan = share.plan
        self.target = share.target
        self.report = report
        """Told how far the phase is, for who watches."""

        self.network = Network(share.target)
        self.random = random.Random(f"{share.run} {share.place}")  # noqa: S311 - chooses users, keeps no secret

    @property
    @abstractmethod
    def phases(self) -> Mapping[str, Phase]: ...

    @abstractmethod
    def close(self) -> None:
        """Drops every connection."""

    def users(self, count: int) -> list[str]:
        """Of this process alone, for this scenario."""
        return [f"bench-{self.share.run}-{self.scenario}-{self.share.place}-{number}" for number in range(count)]

    async def exchanges(self, count: int) -> list[Exchange]:
        exchanges = [Exchange(self.network) for _ in range(count)]
        for exchange in exchanges:
            await exchange.open()
        return exchanges

    async def send_to_all(self, users: list[str], notifications: int) -> dict[str, list[int]]:
        """As many to each, before the measuring; the positions that each user's took."""
        positions: dict[str, list[int]] = {user: [] for user in users}
        (exchange,) = await self.exchanges(1)
        try:
            for start in range(0, len(users), _RECIPIENTS):
                part = users[start : start + _RECIPIENTS]
                items = [{"to": part, "title": "bench", "body": "As long as most are. " * 4}] * notifications
                answer = await exchange.ask(self.target.request("POST", "/v1/notifications/batch", {"items": items}))
                for item in _batch(answer.body).items:
                    if not item.items:
                        raise BenchError(f"A part of a batch was refused with status {item.status}.")
                    for sent in item.items:
                        positions[sent.user_id].append(sent.seq)
        finally:
            exchange.close()
        return positions


class _Sent(Struct):
    user_id: str
    position: str

    @property
    def seq(self) -> int:
        return int(self.position.rpartition(".")[2])


class _Create(Struct):
    items: list[_Sent] = []
    status: int = 201


class _Batch(Struct):
    items: list[_Create]


_create = msgspec.json.Decoder(_Create).decode
_batch = msgspec.json.Decoder(_Batch).decode


def sent_in(body: bytes) -> list[tuple[str, int]]:
    """Users and positions in the answer to a create."""
    return [(sent.user_id, sent.seq) for sent in _create(body).items]
