"""The law of laws, held against any interleaving: every position is given once and becomes visible in order, the
counters equal a recount, what was answered happened once, and from any position read at any moment `changes` converges
to the inbox as it is.

NOTIFY_TEST_SECONDS says how long it tries.
"""

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from support.invariants import HOLES, check_positions, history, rows
from support.observers import Follower, Inbox, Look
from support.processes import ADMIN
from support.proxy import Fault
from support.stand import Stand
from support.waiting import eventually

SECONDS = float(os.environ.get("NOTIFY_TEST_SECONDS", "40"))
SETTLE_SECONDS = 30

TYPES = st.sampled_from([None, None, "order", "chat"])
COLLAPSE_KEYS = st.sampled_from([None, None, None, "k1", "k2"])
USERS = st.integers(0, 3)
PICKS = st.integers(0, 1000)

_creates = st.fixed_dictionaries(
    {
        "to": st.lists(USERS, min_size=1, max_size=4, unique=True),
        "type": TYPES,
        "collapse_key": COLLAPSE_KEYS,
    }
)
_operations = st.one_of(
    st.tuples(st.just("create"), _creates, st.booleans()),
    st.tuples(st.just("create"), _creates, st.booleans()),
    st.tuples(st.just("batch"), st.lists(_creates, min_size=2, max_size=6), st.booleans()),
    st.tuples(st.just("invalid"), USERS),
    st.tuples(st.just("mark"), USERS, PICKS, st.sampled_from(["read", "unread", "seen", "archive", "unarchive"])),
    st.tuples(st.just("mark"), USERS, PICKS, st.sampled_from(["read", "unread", "seen", "archive", "unarchive"])),
    st.tuples(
        st.just("mark_all"), USERS, st.sampled_from(["read-all", "seen-all", "archive-all"]), TYPES, st.none() | PICKS
    ),
    st.tuples(st.just("edit"), USERS, PICKS),
    st.tuples(st.just("delete"), USERS, PICKS),
    st.tuples(st.just("count"), USERS),
    st.tuples(
        st.just("produce"),
        st.lists(st.tuples(USERS, TYPES, COLLAPSE_KEYS), min_size=1, max_size=5),
        st.sampled_from(["send", "insert"]),
        st.booleans(),
    ),
)
_faults = st.one_of(
    st.tuples(st.just("lose"), st.integers(0, 1), st.sampled_from(["^COMMIT", "^-- create:"]), st.booleans()),
    st.tuples(st.just("lose"), st.integers(0, 1), st.sampled_from(["^COMMIT", "^-- create:"]), st.booleans()),
    st.tuples(st.just("cut"), st.integers(0, 1)),
    st.tuples(st.just("terminate"), PICKS),
    st.tuples(st.just("terminate_all")),
)
plans = st.fixed_dictionaries(
    {
        "workers": st.lists(st.lists(_operations, min_size=10, max_size=40), min_size=4, max_size=12),
        "faults": st.lists(_faults, max_size=12),
        "seed": st.integers(0, 2**32),
    }
)

_examples = itertools.count(1)


class Tally(Counter[str]):
    def __str__(self) -> str:
        return ", ".join(f"{count} {what}" for what, count in sorted(self.items()))


class Scenario:
    """One plan at work: its own users, on the database and the processes that all plans share."""

    def __init__(self, stand: Stand, plan: dict[str, Any], tally: Tally) -> None:
        self.number = next(_examples)
        self.stand = stand
        self.plan = plan
        self.tally = tally
        self.random = random.Random(plan["seed"])
        self.inboxes = [Inbox(f"{self.number}-user-{n}") for n in range(4)]
        self.titles = itertools.count(1)
        self.must: Counter[tuple[str, str]] = Counter()
        """How often each (user, title) has arrived, where that is certain."""

        self.may: set[tuple[str, str]] = set()
        """Those that may have arrived, once, or not at all."""

        self.collapsed: set[tuple[str, str]] = set()
        """Those that may have arrived again: if another collapses into the same notification before the writer could
        look for one whose answer was lost, no trace of that is left, and it is written once more."""

        self.unexpected: list[Any] = []
        self.faults: list[Fault] = []
        self.clients: list[httpx.AsyncClient] = []

    async def run(self) -> None:
        async with AsyncExitStack() as stack:
            for process in self.stand.processes:
                client = httpx.AsyncClient(base_url=process.url, headers=ADMIN, timeout=15)
                self.clients.append(await stack.enter_async_context(client))
            followers = [
                Follower(inbox, self.clients, limit, self.random.getrandbits(32))
                for inbox in self.inboxes
                for limit in (3, 40)
            ]
            done = asyncio.Event()
            async with asyncio.TaskGroup() as background:
                watching = background.create_task(self._watch(done))
                for follower in followers:
                    background.create_task(follower.follow(done))
                async with asyncio.TaskGroup() as workers:
                    for script in self.plan["workers"]:
                        workers.create_task(self._work(script))
                    workers.create_task(self._break(self.plan["faults"]))
                for proxy in self.stand.proxies:
                    proxy.disarm()
                await self._until_outbox_is_empty()
                done.set()
            self.tally["snapshots"] += watching.result()
            self.tally["answers and statements lost"] += sum(fault.happened for fault in self.faults)
            await self._check(followers)

    # What the workers do.

    async def _work(self, script: list[tuple[Any, ...]]) -> None:
        for name, *arguments in script:
            await getattr(self, f"_{name}")(*arguments)
            self.tally["operations"] += 1

    async def _create(self, create: dict[str, Any], keyed: bool) -> None:  # noqa: FBT001
        body, users = self._body(create)
        answer = await self._ask("POST", "/v1/notifications", json=body, key=body["title"] if keyed else None)
        self._settle(body, users, answer.status_code, keyed=keyed)
        if answer.status_code == 201:
            self._note(answer.json()["items"])

    async def _batch(self, creates: list[dict[str, Any]], keyed: bool) -> None:  # noqa: FBT001
        items = [self._body(create) for create in creates]
        answer = await self._ask(
            "POST",
            "/v1/notifications/batch",
            json={"items": [body for body, _ in items]},
            key=items[0][0]["title"] if keyed else None,
        )
        if answer.status_code != 200:
            for body, users in items:
                self._settle(body, users, answer.status_code, keyed=keyed)
            return
        for (body, users), item in zip(items, answer.json()["items"], strict=True):
            self._settle(body, users, item["status"], keyed=keyed)
            self._note(item.get("items", []))

    async def _invalid(self, user: int) -> None:
        body, users = self._body({"to": [user], "type": "No such type", "collapse_key": None})
        answer = await self._ask("POST", "/v1/notifications", json=body)
        assert answer.status_code == 422, answer.text
        self._settle(body, users, answer.status_code, keyed=False)

    async def _mark(self, user: int, pick: int, mark: str) -> None:
        id_ = self._pick(user, pick)
        if id_ is not None:
            answer = await self._ask("POST", f"/v1/notifications/{id_}/{mark}", allowed={200, 404, 503})
            self._note_position(user, answer)

    async def _mark_all(self, user: int, mark: str, type_: str | None, pick: int | None) -> None:
        inbox = self.inboxes[user]
        body = {} if type_ is None else {"type": type_}
        if pick is not None and inbox.positions:
            body["before"] = inbox.positions[pick % len(inbox.positions)]
        answer = await self._ask(
            "POST", f"/v1/notifications/{mark}", json=body, params={"user_id": inbox.user}, allowed={200, 503}
        )
        self._note_position(user, answer)

    async def _edit(self, user: int, pick: int) -> None:
        id_ = self._pick(user, pick)
        if id_ is not None:
            body = {"body": f"Edit {next(self.titles)}"}
            answer = await self._ask("PATCH", f"/v1/notifications/{id_}", json=body, allowed={200, 404, 503})
            self._note_position(user, answer)

    async def _delete(self, user: int, pick: int) -> None:
        id_ = self._pick(user, pick)
        if id_ is not None:
            await self._ask("DELETE", f"/v1/notifications/{id_}", allowed={204, 503})

    async def _count(self, user: int) -> None:
        params = {"user_id": self.inboxes[user].user}
        answer = await self._ask("GET", "/v1/notifications/count", params=params, allowed={200, 503})
        self._note_position(user, answer)

    async def _produce(self, wanted: list[tuple[int, str | None, str | None]], how: str, commits: bool) -> None:  # noqa: FBT001
        """A producer in the same database, which commits or thinks better of it."""
        statement = {
            "send": "SELECT notify.send(%(user)s, %(title)s, type => %(type)s, collapse_key => %(key)s)",
            "insert": "INSERT INTO notify.outbox (user_id, title, type, collapse_key)"
            " VALUES (%(user)s, %(title)s, %(type)s, %(key)s)",
        }[how]
        async with await psycopg.AsyncConnection.connect(self.stand.url, application_name="producer") as producer:
            for user, type_, key in wanted:
                title = f"Title {next(self.titles)}"
                name = self.inboxes[user].user
                values = {"user": name, "title": title, "type": type_, "key": key}
                await producer.execute(statement.encode(), values)
                self.must[name, title] = int(commits)
            if commits:
                await producer.commit()
                self.tally["outbox rows"] += len(wanted)
            else:
                await producer.rollback()
                self.tally["outbox rows rolled back"] += len(wanted)

    # What befalls them.

    async def _break(self, faults: list[tuple[Any, ...]]) -> None:
        for kind, *arguments in faults:
            # Between any two there is some work.
            await self._progress(self.random.randrange(1, 20))
            if kind == "lose":
                process, statement, forwarded = arguments
                self.faults.append(self.stand.proxies[process].lose(statement, forwarded=forwarded))
            elif kind == "cut":
                self.tally["connections cut"] += self.stand.proxies[arguments[0]].cut()
            else:
                await self._terminate(None if kind == "terminate_all" else arguments[0])

    async def _progress(self, operations: int) -> None:
        enough = self.tally["operations"] + operations
        planned = sum(len(script) for script in self.plan["workers"])
        begun = self.tally["operations"]
        while self.tally["operations"] < enough and self.tally["operations"] - begun < planned:
            before = self.tally["operations"]
            await asyncio.sleep(0.02)
            if before == self.tally["operations"]:
                return

    async def _terminate(self, pick: int | None) -> None:
        """Backends of the services, the listening ones included."""
        async with await psycopg.AsyncConnection.connect(self.stand.url, autocommit=True) as connection:
            found = await connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend' AND application_name NOT IN ('producer', 'observer') ORDER BY pid"
            )
            pids = [pid for (pid,) in await found.fetchall()]
            if pick is not None and pids:
                pids = [pids[pick % len(pids)]]
            await connection.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::integer[]) AS pid", (pids,))
            self.tally["backends terminated"] += len(pids)

    async def _watch(self, done: asyncio.Event) -> int:
        """Looks, in one snapshot after the other, whether the positions given are 1 … head without a hole."""
        snapshots = 0
        async with await psycopg.AsyncConnection.connect(
            self.stand.url, autocommit=True, application_name="observer"
        ) as connection:
            while not done.is_set():
                found = await connection.execute(HOLES.encode(), {"users": f"{self.number}-user-%"})
                self.unexpected += [("a hole", *row) for row in await found.fetchall()]
                snapshots += 1
                await asyncio.sleep(0.01)
        return snapshots

    async def _until_outbox_is_empty(self) -> None:
        await eventually(
            lambda: not rows(self.stand.url, "SELECT FROM notify.outbox WHERE failed_at IS NULL"),
            SETTLE_SECONDS,
            what="an empty outbox",
        )

    # What must hold in the end.

    async def _check(self, followers: list[Follower]) -> None:
        assert not self.unexpected, self.unexpected[:3]
        for inbox in self.inboxes:
            assert not inbox.wrong, inbox.wrong[:3]
        self._check_arrivals()
        for follower in followers:
            inbox = follower.inbox
            client = self.random.choice(self.clients)
            truth = await self._list(client, inbox.user)
            assert follower.look.held == truth, "who followed all the time holds something else than the inbox"
            for look in follower.kept:
                await look.catch_up(client, inbox.user, self.random.choice([2, 17, 100]))
                assert look.held == truth, f"{look.position}: who came back from here holds something else"
                assert not look.resets
            self.tally["positions resumed with what was known there"] += len(follower.kept)
            self.tally["looks back"] += follower.looks_back
        for inbox in self.inboxes:
            await self._check_positions(inbox)

    def _check_arrivals(self) -> None:
        arrived = Counter(
            (row["user_id"], row["title"])
            for row in history(self.stand.url)
            if row["arrived"] and row["user_id"].startswith(f"{self.number}-user-")
        )
        wrong = {
            pair: (count, arrived[pair])
            for pair, count in self.must.items()
            if arrived[pair] != count and not (pair in self.collapsed and arrived[pair] > count)
        }
        assert not wrong, f"(wanted, there): {wrong}"
        twice = {pair for pair in self.may - self.collapsed if arrived[pair] > 1}
        assert not twice, f"there more than once: {twice}"
        assert arrived.keys() <= self.must.keys() | self.may, "something arrived that nobody sent"
        self.tally["creates answered with 201 and there once"] += sum(self.must.values())
        self.tally["creates that may or may not be there"] += len(self.may)

    async def _check_positions(self, inbox: Inbox) -> None:
        """From any position that any answer named, `changes` has exactly the rows that changed since, in order."""
        stored = rows(
            self.stand.url,
            "SELECT changed_position AS seq, notification.id::text FROM notify.notifications AS notification"
            " JOIN notify.inboxes AS inbox ON inbox.id = inbox_id WHERE user_id = %s ORDER BY changed_position",
            inbox.user,
        )
        for position in self.random.sample(inbox.positions, min(20, len(inbox.positions))):
            look = Look(position)
            wanted = [(row["seq"], row["id"]) for row in stored if row["seq"] > look.seq]
            changes = await look.catch_up(self.random.choice(self.clients), inbox.user, 100)
            assert [(int(change["id"].split(".")[1]), change["data"]["id"]) for change in changes] == wanted
            self.tally["bare positions resumed"] += 1

    async def _list(self, client: httpx.AsyncClient, user: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        params: dict[str, str | int] = {"user_id": user, "status": "all", "limit": 100}
        while True:
            page = (await client.get("/v1/notifications", params=params)).json()
            found |= {item["id"]: item for item in page["items"]}
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    # Small things.

    def _body(self, create: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        users = [self.inboxes[n].user for n in create["to"]]
        title = f"Title {next(self.titles)}"
        return {**{k: v for k, v in create.items() if v is not None}, "to": users, "title": title}, users

    def _settle(self, body: dict[str, Any], users: list[str], status: int, *, keyed: bool) -> None:
        for user in users:
            pair = user, body["title"]
            if "collapse_key" in body and not keyed:
                self.collapsed.add(pair)
            if status == 201:
                self.must[pair] = 1
            elif status < 500:
                self.must[pair] = 0
            else:
                assert not keyed
                self.may.add(pair)

    async def _ask(
        self, method: str, path: str, *, key: str | None = None, allowed: set[int] | None = None, **call: Any
    ) -> httpx.Response:
        headers = {} if key is None else {"Idempotency-Key": f"{self.number} {key}"}

        async def ask() -> httpx.Response | None:
            answer = await self.random.choice(self.clients).request(method, path, headers=headers, **call)
            if answer.status_code not in (allowed or {200, 201, 422, 503, 409}):
                self.unexpected.append((method, path, call, answer.status_code, answer.text))
            if answer.status_code == 503:
                self.tally["answers of 503"] += 1
            # With a key it may be sent until it is answered for good, whichever process that is.
            return answer if key is None or answer.status_code not in {409, 503} else None

        return await eventually(ask, SETTLE_SECONDS, what=f"an answer to {method} {path}")

    def _note(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            inbox = next(inbox for inbox in self.inboxes if inbox.user == item["user_id"])
            inbox.positions.append(item["position"])

    def _note_position(self, user: int, answer: httpx.Response) -> None:
        if answer.status_code == 200:
            self.inboxes[user].positions.append(answer.json()["position"])

    def _pick(self, user: int, pick: int) -> str | None:
        ids = self.inboxes[user].ids
        return ids[pick % len(ids)] if ids else None


@pytest.fixture
def tally() -> Iterator[Tally]:
    tally = Tally()
    yield tally
    print(f"\nconvergence: {tally}")  # noqa: T201 - the figures are part of what the test says


@pytest.mark.timeout(SECONDS * 2 + 120)
def test_any_interleaving_of_writers_readers_and_faults_converges(stand: Stand, tally: Tally) -> None:
    deadline = time.monotonic() + SECONDS

    @settings(
        max_examples=max(1, round(SECONDS)),
        deadline=None,
        database=None,
        # A plan that failed once may well pass the next time: what helps is its evidence, not a smaller plan.
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(plans)
    def converges(plan: dict[str, Any]) -> None:
        if time.monotonic() < deadline:
            asyncio.run(Scenario(stand, plan, tally).run())
            tally["plans"] += 1

    converges()
    tally["positions given"] += check_positions(stand.url)
    tally["connections lost"] += sum(proxy.cuts for proxy in stand.proxies)
    assert tally["creates answered with 201 and there once"] > 0
