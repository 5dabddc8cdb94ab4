"""Writers that create, edit, mark and delete, over HTTP on any process and by SQL, and the books they keep of it."""

import asyncio
import itertools
import random
from collections import Counter
from typing import Any

import httpx
import psycopg

from support.invariants import history
from support.roaming import World
from support.waiting import eventually

__all__ = ("Books", "Writers")

_LONGEST_PAUSE_SECONDS = 0.04
_GIVE_UP_SECONDS = 30.0
_MARKS = ("read", "unread", "seen", "archive", "unarchive")
_COLLAPSE_KEYS = (None, None, None, "k1", "k2")
_TYPES = (None, "order", "chat")


class Books:
    """What was written, as far as those who wrote it can know."""

    def __init__(self) -> None:
        self.must: dict[tuple[str, str], int] = {}
        """How often each (user, title) has arrived, where that is certain."""

        self.may: set[tuple[str, str]] = set()
        """Those that may have arrived, once, or not at all."""

        self.collapsed: set[tuple[str, str]] = set()
        """Those that may have arrived again: if another collapses into the same notification before the service could
        look for one whose answer was lost, no trace of that is left, and it is written once more."""

        self.ids: dict[str, str] = {}
        """Every notification that somebody was answered, and whose it is."""

        self.produced: set[str] = set()
        """Those of them that may still wait in the outbox."""

        self.deleted: set[str] = set()
        self.perhaps_deleted: set[str] = set()
        self._titles = itertools.count(1)

    def title(self) -> str:
        return f"Title {next(self._titles)}"

    def settle(self, body: dict[str, Any], status: int | None, *, keyed: bool) -> None:
        for user in body["to"]:
            pair = user, body["title"]
            if "collapse_key" in body and not keyed:
                self.collapsed.add(pair)
            if status == 201:
                self.must[pair] = 1
            else:
                assert not keyed, f"given up: {body}"
                self.may.add(pair)

    def note(self, items: list[dict[str, Any]]) -> None:
        self.ids |= {item["id"]: item["user_id"] for item in items}

    def check(self, url: str, inboxes: dict[str, dict[str, Any]]) -> Counter[str]:
        """Holds all that against what is stored."""
        arrived = Counter((row["user_id"], row["title"]) for row in history(url) if row["arrived"])
        wrong = {
            pair: (count, arrived[pair])
            for pair, count in self.must.items()
            if arrived[pair] != count and not (pair in self.collapsed and arrived[pair] > count)
        }
        assert not wrong, f"(wanted, arrived): {wrong}"
        twice = {pair for pair in self.may - self.collapsed if arrived[pair] > 1}
        assert not twice, f"arrived more than once: {twice}"
        assert arrived.keys() <= self.must.keys() | self.may, "something arrived that nobody sent"
        gone = {id_ for id_, user in self.ids.items() if id_ not in inboxes[user]}
        assert gone <= self.deleted | self.perhaps_deleted, f"gone, and nobody deleted them: {gone}"
        assert self.deleted <= gone, f"deleted, and still there: {self.deleted - gone}"
        return Counter(
            {
                "creates answered and arrived once": sum(self.must.values()),
                "creates unanswered": len(self.may),
                "ids answered": len(self.ids),
                "ids answered and deleted since": len(gone),
                "notifications there at the end": sum(map(len, inboxes.values())),
            }
        )


class Writers:
    """They create, edit, mark and delete, over HTTP on any process and by SQL."""

    def __init__(self, world: World, database_url: str, users: list[str], seed: int) -> None:
        self.books = Books()
        self.wrong: list[Any] = []
        self._world = world
        self._database_url = database_url
        self._users = users
        self._tally = world.tally
        self._random = random.Random(seed)
        self._done = asyncio.Event()

    def stop(self) -> None:
        self._done.set()

    async def write(self) -> None:
        acts = (self.create, self.create, self._batch, self._mark, self._mark, self._mark_all, self._edit, self._delete)
        while not self._done.is_set():
            await self._random.choice(acts)()
            await asyncio.sleep(self._random.uniform(0, _LONGEST_PAUSE_SECONDS))

    async def produce(self) -> None:
        """In the same database, until it goes away; then again."""
        while not self._done.is_set():
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._database_url, application_name="producer"
                ) as producer:
                    while not self._done.is_set():
                        await self._transact(producer)
                        await asyncio.sleep(self._random.uniform(0, 10 * _LONGEST_PAUSE_SECONDS))
            except psycopg.Error:
                self._tally["producers cut off"] += 1
                await asyncio.sleep(0.1)

    async def _transact(self, producer: psycopg.AsyncConnection) -> None:
        sent: list[tuple[tuple[str, str], str | None, str]] = []
        for _ in range(self._random.randint(1, 3)):
            user, title = self._random.choice(self._users), self.books.title()
            values = {
                "user": user,
                "title": title,
                "type": self._random.choice(_TYPES),
                "key": self._random.choice(_COLLAPSE_KEYS),
            }
            found = await producer.execute(
                "SELECT notify.send(%(user)s, %(title)s, type => %(type)s, collapse_key => %(key)s)::text", values
            )
            row = await found.fetchone()
            assert row is not None
            sent.append(((user, title), values["key"], row[0]))
        if self._random.random() < 0.1:
            await producer.rollback()
            self.books.must |= {pair: 0 for pair, _, _ in sent}
            return
        try:
            await producer.commit()
        except psycopg.Error:
            self.books.may |= {pair for pair, _, _ in sent}
            raise
        self.books.must |= {pair: 1 for pair, _, _ in sent}
        produced = {id_: user for (user, _), key, id_ in sent if key is None}
        self.books.ids |= produced
        self.books.produced |= produced.keys()
        self._tally["outbox rows"] += len(sent)

    async def create(self, users: list[str] | None = None, url: str | None = None) -> None:
        keyed, body = self._random.random() < 0.5, self._body(users)
        answer = await self._ask(
            "POST", "/v1/notifications", json=body, key=body["title"] if keyed else None, allowed={201}, url=url
        )
        self.books.settle(body, None if answer is None else 201, keyed=keyed)
        if answer is not None:
            self.books.note(answer.json()["items"])

    async def _batch(self) -> None:
        keyed = self._random.random() < 0.5
        bodies = [self._body() for _ in range(self._random.randint(2, 3))]
        key = bodies[0]["title"] if keyed else None

        async def ask() -> list[dict[str, Any]]:
            answer = await self._ask("POST", "/v1/notifications/batch", json={"items": bodies}, key=key, allowed={200})
            items: list[dict[str, Any]] = [{}] * len(bodies) if answer is None else answer.json()["items"]
            # Each item is answered by itself; with the key, those that were not written can be sent again.
            return items if key is None or all(item["status"] == 201 for item in items) else []

        items = await eventually(ask, _GIVE_UP_SECONDS, what="an answer of 201 to each of a batch")
        for body, item in zip(bodies, items, strict=True):
            self.books.settle(body, item.get("status"), keyed=keyed)
            self.books.note(item.get("items", []))

    async def _mark(self) -> None:
        if (id_ := self._pick()) is not None:
            mark = self._random.choice(_MARKS)
            await self._ask("POST", f"/v1/notifications/{id_}/{mark}", allowed={200, 404})

    async def _mark_all(self) -> None:
        mark = self._random.choice(("read-all", "seen-all", "archive-all"))
        type_ = self._random.choice(_TYPES)
        await self._ask(
            "POST",
            f"/v1/notifications/{mark}",
            params={"user_id": self._random.choice(self._users)},
            json={} if type_ is None else {"type": type_},
            allowed={200},
        )

    async def _edit(self) -> None:
        if (id_ := self._pick()) is not None:
            body = {"body": "An edit\r\nof\ttwo lines \u2028 and one more"[: self._random.randrange(40)]}
            await self._ask("PATCH", f"/v1/notifications/{id_}", json=body, allowed={200, 404})

    async def _delete(self) -> None:
        id_ = self._pick()
        if id_ is None or id_ in self.books.produced:
            return
        self.books.perhaps_deleted.add(id_)
        if await self._ask("DELETE", f"/v1/notifications/{id_}", allowed={204}) is not None:
            self.books.deleted.add(id_)

    def _body(self, users: list[str] | None = None) -> dict[str, Any]:
        body: dict[str, Any] = {
            "to": users or self._some_users(),
            "title": self.books.title(),
            "data": {"a": self._random.random(), "text": "\u2028\n" * self._random.randrange(3)},
        }
        for name, choices in (("type", _TYPES), ("collapse_key", _COLLAPSE_KEYS)):
            if (chosen := self._random.choice(choices)) is not None:
                body[name] = chosen
        return body

    def _some_users(self) -> list[str]:
        users = self._random.sample(self._users, self._random.choice((1, 1, 2, 4)))
        if self._world.arrivals and self._random.random() < 0.7:
            users = [self._world.arrivals.pop(), *users[1:]]
        return list(dict.fromkeys(users))

    def _pick(self) -> str | None:
        ids = [*self.books.ids.keys()]
        return self._random.choice(ids[-200:]) if ids else None

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        allowed: set[int],
        key: str | None = None,
        url: str | None = None,
        **call: Any,
    ) -> httpx.Response | None:
        """The answer; None if it cannot be known whether it was done. With a key it is asked until it is answered."""
        headers = {} if key is None else {"Idempotency-Key": key}

        async def ask() -> httpx.Response | None:
            address = f"{url or self._random.choice(self._world.urls)}{path}"
            try:
                answer = await self._world.calls.request(method, address, headers=headers, **call)
            except httpx.TransportError:
                self._tally["calls broken off"] += 1
            else:
                self._tally[f"answers of {answer.status_code}"] += 1
                if answer.status_code in allowed:
                    return answer
                if answer.status_code not in {409, 503}:
                    self.wrong.append((method, path, call, answer.status_code, answer.text))
            return None

        if key is None:
            return await ask()
        return await eventually(ask, _GIVE_UP_SECONDS, what=f"an answer to {method} {path} {call}")
