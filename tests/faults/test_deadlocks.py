"""Law 2: one lock order everywhere. Writers of every kind, over two processes, in whatever order they name users."""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from support.invariants import rows
from support.stand import Stand
from support.waiting import until

SECONDS = float(os.environ.get("NOTIFY_TEST_SECONDS", "12"))
WRITERS = 32
KINDS = 12


class Writer:
    """Does one kind of thing after the other to users that all writers share, until time is up."""

    def __init__(self, stand: Stand, users: list[str], number: int, ids: list[str]) -> None:
        self.stand = stand
        self.users = users
        self.number = number
        self.random = random.Random(number)
        self.ids = ids
        self.operations: list[str] = []
        self.done: Counter[str] = Counter()
        self.wrong: list[Any] = []

    def run(self, deadline: float) -> None:
        kinds: list[Callable[[httpx.Client], None]] = [
            self.create,
            self.create,
            self.collapse,
            self.batch,
            self.mark,
            self.mark,
            self.mark_all,
            self.delete,
            self.produce,
            self.publish,
            self.publish,
            self.amend,
            self.subscribe,
            self.snooze,
            self.show,
            self.show,
        ]
        with self.stand.processes[self.number % 2].client() as client:
            while time.monotonic() < deadline:
                kind = self.random.choice(kinds)
                kind(client)
                self.done[kind.__name__] += 1

    def create(self, client: httpx.Client) -> None:
        self._send(client, {"to": self._some(), "title": "Created"})

    def collapse(self, client: httpx.Client) -> None:
        key = self.random.choice(["k1", "k2"])
        self._send(client, {"to": self._some(), "title": "Collapsed", "collapse_key": key, "type": "order"})

    def batch(self, client: httpx.Client) -> None:
        items = [
            {"to": self._some(), "title": "Item", **({"collapse_key": "k3"} if self.random.random() < 0.5 else {})}
            for _ in range(5)
        ]
        self._check(client.post("/v1/notifications/batch", json={"items": items}))

    def mark(self, client: httpx.Client) -> None:
        mark = self.random.choice(["read", "unread", "seen", "archive"])
        self._check(client.post(f"/v1/notifications/{self.random.choice(self.ids)}/{mark}"))

    def mark_all(self, client: httpx.Client) -> None:
        mark = self.random.choice(["read-all", "seen-all", "archive-all"])
        self._check(client.post(f"/v1/notifications/{mark}", params={"user_id": self.random.choice(self.users)}))

    def delete(self, client: httpx.Client) -> None:
        if len(self.ids) > WRITERS:
            self._check(client.delete(f"/v1/notifications/{self.ids.pop(0)}"))

    def produce(self, _: httpx.Client) -> None:
        with psycopg.connect(self.stand.url) as producer:
            for user in self._some():
                for key in ("k1", None, "k1"):
                    producer.execute("SELECT notify.send(%s, 'Produced', collapse_key => %s)", (user, key))

    def publish(self, client: httpx.Client) -> None:
        to = self.random.choice([{"topic": "a/b"}, {"topics": ["a", "c"]}, {"everyone": True}])
        lasting = self.random.choice([{}, {}, {"ttl_seconds": 1}])
        key = self.random.choice([None, None, "k1"])
        answer = client.post("/v1/notifications", json={"to": to, "title": "Published", "collapse_key": key, **lasting})
        self._check(answer)
        self.operations.append(answer.json()["id"])

    def amend(self, client: httpx.Client) -> None:
        if not self.operations:
            return
        path = f"/v1/operations/{self.random.choice(self.operations)}"
        change = {"title": "Edited", "resurface": self.random.random() < 0.3}
        self._check(client.delete(path) if self.random.random() < 0.2 else client.patch(path, json=change))

    def subscribe(self, client: httpx.Client) -> None:
        query = {"user_id": self.random.choice(self.users), "topic": self.random.choice(["a", "a/*", "c"])}
        leaves = self.random.random() < 0.3
        self._check(client.request("DELETE" if leaves else "PUT", "/v1/subscriptions", params=query))

    def snooze(self, client: httpx.Client) -> None:
        until = (datetime.now(UTC) + timedelta(seconds=self.random.choice([1, 60]))).isoformat()
        self._check(client.post(f"/v1/notifications/{self.random.choice(self.ids)}/snooze", json={"until": until}))

    def show(self, client: httpx.Client) -> None:
        self._check(client.get("/v1/notifications", params={"user_id": self.random.choice(self.users)}))

    def _some(self) -> list[str]:
        return self.random.sample(self.users, self.random.randrange(2, len(self.users)))

    def _send(self, client: httpx.Client, body: dict[str, Any]) -> None:
        answer = client.post("/v1/notifications", json=body)
        self._check(answer)
        if answer.status_code == 201:
            self.ids.append(answer.json()["items"][0]["id"])

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code >= 500:
            self.wrong.append((answer.request.method, answer.request.url.path, answer.status_code, answer.text))


@pytest.mark.timeout(SECONDS + 120)
def test_32_writers_to_overlapping_users_and_topics_never_show_a_caller_a_deadlock(
    start_stand: Callable[..., Stand],
) -> None:
    # What is for everyone would be for the users of other tests too.
    stand = start_stand(2)
    users = [f"contended-{n}" for n in range(12)]
    before = deadlocks(stand)
    first = stand.client.post("/v1/notifications", json={"to": users, "title": "First"})
    ids = [item["id"] for item in first.json()["items"]]
    writers = [Writer(stand, users, number, ids) for number in range(WRITERS)]
    deadline = time.monotonic() + SECONDS
    with ThreadPoolExecutor(WRITERS) as pool:
        for running in [pool.submit(writer.run, deadline) for writer in writers]:
            running.result()
    until(lambda: not rows(stand.url, "SELECT FROM notify.outbox WHERE failed_at IS NULL"), 30, what="an empty outbox")
    wrong = [each for writer in writers for each in writer.wrong]
    assert not wrong, wrong[:3]
    assert not rows(stand.url, "SELECT FROM notify.outbox"), "rows were set aside"
    done = sum((writer.done for writer in writers), Counter())
    print(f"\ndeadlocks: {deadlocks(stand) - before} in {SECONDS} s of {dict(done)}")  # noqa: T201 - what the test says
    assert deadlocks(stand) == before
    assert len(done) == KINDS
    stand.check()
    assert not stand.errors, stand.errors[:3]


def deadlocks(stand: Stand) -> int:
    """How many PostgreSQL has had to resolve here."""
    found = rows(stand.url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(found[0]["deadlocks"])
