"""Whatever happens in whatever order on two processes, the inboxes end as those of a slow, obvious model."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Literal, cast
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from notify.app import Service
from notify.settings import Settings
from support.audience_model import Entry, Item, Model, Operation, Published, User, interleavings, keys_of
from support.clock import ManualClock
from support.invariants import check_inboxes, check_positions, keep_history
from support.processes import ADMIN, ADMIN_KEY

pytestmark = pytest.mark.every_postgresql

_STATUSES = ("inbox", "archived", "snoozed")


class World:
    """Does the same to the service, by way of two processes, and to the model."""

    def __init__(self, processes: list[httpx.AsyncClient], clock: ManualClock) -> None:
        self.processes = processes
        self.clock = clock
        self.model = Model()
        self._number = 0

    async def run(self, operations: list[tuple[int, Operation]]) -> None:
        for process, (name, *arguments) in operations:
            await getattr(self, f"{name}_" if name == "pass" else name)(self.processes[process], *arguments)

    async def check(self) -> None:
        for user in self.model.users.values():
            for process in self.processes:
                self.model.settle(user, self.clock.now())
                shown = {status: await self._list(process, user, status) for status in _STATUSES}
                assert [_as_listed(item) for item in shown["inbox"]] == [
                    (item.title, item.topic, item.state)
                    for item in reversed(user.items)
                    if item.state in {"unread", "read"}
                ]
                for status in ("archived", "snoozed"):
                    assert {item["title"] for item in shown[status]} == {
                        item.title for item in user.items if item.state == status
                    }

    async def send(
        self, process: httpx.AsyncClient, name: str, collapse_key: str | None, ttl: timedelta | None
    ) -> None:
        user, now = self.model.users[name], self.clock.now()
        item = Item(self._title(), collapse_key, None if ttl is None else now + ttl)
        answer = await process.post(
            "/v1/notifications",
            json={"to": name, "title": item.title, "collapse_key": collapse_key, **_lasting(ttl)},
        )
        assert answer.status_code == 201, answer.text
        kept = self.model.send(user, item, now)
        assert kept.id in {"", answer.json()["id"]}
        kept.id = answer.json()["id"]

    async def publish(
        self,
        process: httpx.AsyncClient,
        audience: dict[str, Any],
        collapse_key: str | None,
        ttl: timedelta | None,
        excluded: str | None,
    ) -> None:
        now, title = self.clock.now(), self._title()
        body = {"to": audience, "title": title, "collapse_key": collapse_key, **_lasting(ttl)}
        body["exclude"] = [] if excluded is None else [excluded]
        answer = await process.post("/v1/notifications", json=body)
        assert answer.status_code == 202, answer.text
        topics = audience.get("topics", [])
        published = Published(
            answer.json()["id"],
            keys_of(topics),
            topics,
            excluded,
            title,
            collapse_key,
            now,
            None if ttl is None else now + ttl,
        )
        self.model.log.append(Entry("publish", published))

    async def settle(self, process: httpx.AsyncClient, name: str, where: str) -> None:
        user = self.model.users[name]
        asked = self.processes if where == "both" else [process]
        self.model.settle(user, self.clock.now())
        pages = await asyncio.gather(*(self._list(each, user, "inbox") for each in asked))
        for page in pages:
            assert [item["title"] for item in page] == [
                item.title for item in reversed(user.items) if item.state in {"unread", "read"}
            ]
        self._learn_ids(user, [*pages[0], *await self._list(process, user, "snoozed")])

    async def mark(self, process: httpx.AsyncClient, name: str, number: int, mark: str) -> None:
        user, item = self._target(name, number)
        if item is None:
            return
        answer = await process.post(f"/v1/notifications/{item.id}/{mark}", params={"user_id": name})
        self.model.let_time_pass(user, self.clock.now())
        if not self._is_there(item, answer):
            return
        if mark == "unsnooze":
            self.model.unsnooze(user, item)
        elif mark == "archive":
            item.is_archived, item.snoozed_until = True, None
        elif mark == "unarchive":
            item.is_archived = False
        elif mark == "unread":
            item.is_read = False
        else:
            item.is_seen = True
            item.is_read = item.is_read or mark == "read"

    async def delete(self, process: httpx.AsyncClient, name: str, number: int) -> None:
        user, item = self._target(name, number)
        if item is None:
            return
        answer = await process.delete(f"/v1/notifications/{item.id}", params={"user_id": name})
        assert answer.status_code == 204
        self.model.let_time_pass(user, self.clock.now())
        item.is_deleted = True

    async def snooze(self, process: httpx.AsyncClient, name: str, number: int, by: timedelta) -> None:
        user, item = self._target(name, number)
        if item is None:
            return
        until = self.clock.now() + by
        answer = await process.post(
            f"/v1/notifications/{item.id}/snooze", params={"user_id": name}, json={"until": until.isoformat()}
        )
        self.model.let_time_pass(user, self.clock.now())
        if self._is_there(item, answer):
            item.is_archived, item.snoozed_until = False, until

    async def edit(self, process: httpx.AsyncClient, name: str, number: int, how: Literal["edit", "resurface"]) -> None:
        user, item = self._target(name, number)
        if item is None:
            return
        title = self._title()
        body = {"title": title, "resurface": how == "resurface"}
        answer = await process.patch(f"/v1/notifications/{item.id}", json=body)
        self.model.let_time_pass(user, self.clock.now())
        if self._is_there(item, answer):
            item.title = title
            if how == "resurface":
                self.model.resurface(user, item)

    async def edit_published(self, process: httpx.AsyncClient, number: int, how: Literal["edit", "resurface"]) -> None:
        published = self._published(number)
        if published is None:
            return
        title = self._title()
        body = {"title": title, "resurface": how == "resurface"}
        answer = await process.patch(f"/v1/operations/{published.id}", json=body)
        assert answer.status_code == (404 if published.is_recalled else 200)
        if not published.is_recalled:
            published.title = title
            self.model.log.append(Entry(how, published))

    async def recall(self, process: httpx.AsyncClient, number: int) -> None:
        published = self._published(number)
        if published is None:
            return
        assert (await process.delete(f"/v1/operations/{published.id}")).status_code == 204
        if not published.is_recalled:
            published.is_recalled = True
            self.model.log.append(Entry("recall", published))

    async def subscribe(self, process: httpx.AsyncClient, name: str, pattern: str) -> None:
        answer = await process.put("/v1/subscriptions", params={"user_id": name, "topic": pattern})
        assert answer.status_code in {200, 201}
        self.model.users[name].subscriptions.setdefault(pattern, len(self.model.log))

    async def unsubscribe(self, process: httpx.AsyncClient, name: str, pattern: str) -> None:
        answer = await process.delete("/v1/subscriptions", params={"user_id": name, "topic": pattern})
        assert answer.status_code == 204
        user = self.model.users[name]
        if self.model.has_entries(user):
            self.model.settle(user, self.clock.now())
        user.subscriptions.pop(pattern, None)

    async def pass_(self, _process: httpx.AsyncClient, by: timedelta) -> None:
        self.clock.advance(by)

    async def _list(self, process: httpx.AsyncClient, user: User, status: str) -> list[dict[str, Any]]:
        query: dict[str, Any] = {"user_id": user.name, "status": status, "limit": 100}
        page = (await process.get("/v1/notifications", params=query)).json()
        there = [item for item in user.items if item.state in {"unread", "read"}]
        unread = [item for item in there if item.state == "unread"]
        assert (page["total"], page["unread"]) == (len(there), len(unread))
        assert page["unseen"] == sum(not item.is_seen for item in unread)
        items: list[dict[str, Any]] = page["items"]
        return items

    def _learn_ids(self, user: User, shown: list[dict[str, Any]]) -> None:
        ids = {item["title"]: item["id"] for item in shown}
        for item in user.items:
            item.id = item.id or ids.get(item.title, "")

    def _target(self, name: str, number: int) -> tuple[User, Item | None]:
        """One of those whose ids are known: what was sent, and what a list has shown."""
        user = self.model.users[name]
        known = sorted((item for item in user.items if item.id), key=lambda item: item.id)
        return user, known[number % len(known)] if known else None

    def _published(self, number: int) -> Published | None:
        published = self.model.published
        return published[number % len(published)] if published else None

    def _is_there(self, item: Item, answer: httpx.Response) -> bool:
        assert answer.status_code == (404 if item.is_deleted else 200), answer.text
        return not item.is_deleted

    def _title(self) -> str:
        self._number += 1
        return f"number {self._number}"


def _as_listed(item: dict[str, Any]) -> tuple[str, str | None, str]:
    return item["title"], item["topic"], "unread" if item["read_at"] is None else "read"


def _lasting(ttl: timedelta | None) -> dict[str, Any]:
    return {} if ttl is None else {"ttl_seconds": round(ttl.total_seconds())}


@pytest.fixture
async def processes(any_database_url: str, clock: ManualClock) -> AsyncIterator[list[Service]]:
    keep_history(any_database_url)
    configured = Settings(database_url=any_database_url, admin_key=ADMIN_KEY, edits_per_second=1000)
    async with Service(configured, clock).running() as one, Service(configured, clock).running() as other:
        yield [one, other]


@asynccontextmanager
async def called_with(service: Service, headers: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(cast(Any, service.asgi))
    async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=headers) as client:
        yield client


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(operations=interleavings)
async def test_any_interleaving_ends_as_in_the_model(
    processes: list[Service], any_database_url: str, clock: ManualClock, operations: list[tuple[int, Operation]]
) -> None:
    app = f"app-{uuid4().hex[:12]}"
    async with called_with(processes[0], ADMIN) as admin:
        assert (await admin.post("/v1/apps", json={"id": app, "name": app})).status_code == 201
        made = await admin.post(f"/v1/apps/{app}/keys", json={"name": "all", "scopes": ["send", "inbox", "admin"]})
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    async with called_with(processes[0], headers) as one, called_with(processes[1], headers) as other:
        world = World([one, other], clock)
        await world.run(operations)
        await world.check()
    check_inboxes(any_database_url)
    check_positions(any_database_url)
