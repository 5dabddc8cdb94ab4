"""The list of an inbox, as fast as it can be asked for: whole, and when nothing has changed."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from urllib.parse import quote

from notify.bench.crew import Crew
from notify.bench.exchange import Answer, Exchange
from notify.bench.load import Load, Phase
from notify.bench.outcome import Outcome
from notify.bench.result import Figure, Result
from notify.bench.target import problem_in

__all__ = ("ListLoad", "listing")

_READERS = 32
"""Keep-alive connections, each of a user of its own."""

_ITEMS = 20
_LONGEST_WARM_UP_SECONDS = 0.5
_PATIENCE_SECONDS = 30.0
_OK, _NOT_MODIFIED = 200, 304


def listing(crew: Crew) -> Result:
    readers = min(_READERS, crew.plan.connections)
    crew.phase("prepare", f"sending {_ITEMS} to each user", readers)
    crew.phase("warm up", "warming up", None)
    whole = crew.phase("whole", "listing", None)
    unchanged = crew.phase("unchanged", "listing what has not changed", None)
    return Result.of(
        "list",
        [whole, unchanged],
        [
            Figure("connections", readers),
            Figure("lists", whole.counts["answers"] / whole.seconds, "/s", "higher"),
            *Figure.latencies("list", whole.latency("list")),
            Figure("unchanged (304)", unchanged.counts["answers"] / unchanged.seconds, "/s", "higher"),
            *Figure.latencies("unchanged", unchanged.latency("list, unchanged (304)")),
            Figure("errors", whole.errors.total() + unchanged.errors.total(), "", "lower"),
        ],
    )


class ListLoad(Load):
    scenario = "list"

    @property
    def phases(self) -> Mapping[str, Phase]:
        return {
            "prepare": self._prepare,
            "warm up": self._warm_up,
            "whole": self._whole,
            "unchanged": self._unchanged,
        }

    async def _prepare(self) -> Outcome:
        users = self.users(self.share.of(min(_READERS, self.plan.connections)))
        self._exchanges = await self.exchanges(len(users))
        self._etags: dict[str, str] = {}
        self._users = users
        await self.send_to_all(users, _ITEMS)
        for user, exchange in zip(users, self._exchanges, strict=True):
            self._etags[user] = (await exchange.ask(self._request(user))).etag
        return Outcome()

    async def _warm_up(self) -> Outcome:
        seconds = min(_LONGEST_WARM_UP_SECONDS, self.plan.duration / 2)
        await self._asked(seconds, "list", _OK, {user: self._request(user) for user in self._users})
        return Outcome()

    async def _whole(self) -> Outcome:
        requests = {user: self._request(user) for user in self._users}
        return await self._asked(self.plan.duration, "list", _OK, requests)

    async def _unchanged(self) -> Outcome:
        requests = {user: self._request(user, self._etags[user]) for user in self._users}
        return await self._asked(self.plan.duration, "list, unchanged (304)", _NOT_MODIFIED, requests)

    async def _asked(self, seconds: float, name: str, status: int, requests: Mapping[str, bytes]) -> Outcome:
        """Each connection asks again as soon as it is answered."""
        outcome = Outcome(begun_at=time.monotonic_ns())
        assert outcome.begun_at is not None  # noqa: S101 - just given
        over_at = outcome.begun_at + round(seconds * 1e9)
        latency = outcome.latency(name)
        asking = len(self._exchanges)
        all_over = asyncio.Event()

        def ask(exchange: Exchange, request: bytes) -> None:
            exchange.send(request, partial(answered, exchange, request, time.monotonic_ns()))

        def answered(exchange: Exchange, request: bytes, asked_at: int, answer: Answer | None) -> None:
            nonlocal asking
            if answer is not None:
                outcome.ended_at = answer.at
                if answer.status == status:
                    latency.add(answer.at - asked_at)
                    outcome.counts["answers"] += 1
                    self.report(outcome.counts["answers"])
                else:
                    outcome.errors[problem_in(answer.status, answer.body)] += 1
                if answer.at < over_at:
                    ask(exchange, request)
                    return
            else:
                outcome.errors["connection lost"] += 1
            asking -= 1
            if not asking:
                all_over.set()

        for exchange, request in zip(self._exchanges, requests.values(), strict=True):
            ask(exchange, request)
        if not asking:
            all_over.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
                await all_over.wait()
        if asking:
            outcome.errors["no answer"] += asking
        return outcome

    def _request(self, user: str, etag: str = "") -> bytes:
        path = f"/v1/notifications?limit={_ITEMS}&user_id={quote(user)}"
        return self.target.request("GET", path, headers={"If-None-Match": etag} if etag else None)

    def close(self) -> None:
        for exchange in self._exchanges:
            exchange.close()
