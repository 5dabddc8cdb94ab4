"""Two apps with users, topics, devices and keys of the same names: whatever is asked with the credentials of one, by
the ids, cursors and positions of the other, shows nothing of the other and changes nothing in it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
import psycopg
import pytest
from psycopg import sql

from notify.app import Service
from notify.settings import Settings
from notify.store.tables import metadata_for
from support.calls import ALICE
from support.clock import ManualClock
from support.credentials import app, bearer, key
from support.every_route import CALLS, Call
from support.processes import ADMIN_KEY
from support.visits import Visit, visiting
from support.waiting import eventually

RED, BLUE = "RED", "BLUE"
TOPIC = "orders/eu"
SCOPES = "inbox send"
LISTS = {
    "/v1/notifications": ALICE,
    "/v1/subscriptions": ALICE,
    "/v1/sessions": ALICE,
    "/v1/devices": ALICE,
    "/v1/scheduled": {},
    "/v1/topics": {},
}
VOLATILE = {"last_used_at"}
"""What changes by being looked at, or by the time."""


@dataclass
class Tenant:
    mark: str
    client: httpx.AsyncClient
    """With a key that may do everything."""

    tokens: dict[str, str]
    made: dict[str, str] = field(default_factory=dict)
    """What the paths of routes name, by parameter."""

    cursors: dict[str, str] = field(default_factory=dict)
    """Of each list, the one to its second page."""

    position: str = ""

    @property
    def id(self) -> str:
        return self.mark.lower()

    @property
    def users(self) -> list[httpx.AsyncClient]:
        transport = self.client._transport
        return [
            httpx.AsyncClient(transport=transport, base_url="http://notify", headers=bearer(token))
            for token in self.tokens.values()
        ]

    async def call(self, method: str, path: str, status: int, **request: Any) -> Any:
        answer = await self.client.request(method, path, **request)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def send(self, to: Any, what: str, status: int = 201, **more: Any) -> str:
        body = {"to": to, "title": f"{self.mark} {what}", "body": self.mark, "data": {"of": self.mark}, **more}
        id_: str = (await self.call("POST", "/v1/notifications", status, json=body))["id"]
        return id_

    async def furnish(self) -> None:
        """Something of everything, so much of it that each list has a second page."""
        for topic in (TOPIC, "news"):
            await self.call("PUT", "/v1/topics", 200, params={"topic": topic}, json={"self_service": True})
            await self.call("PUT", "/v1/subscriptions", 201, params={**ALICE, "topic": topic})
        await self.call("PUT", "/v1/retention", 200, params={"type": "order"}, json={"read_days": 30})
        made = await self.call(
            "POST", f"/v1/apps/{self.id}/keys", 201, json={"name": f"{self.mark} key", "scopes": ["send"]}
        )
        self.made |= {"app": self.id, "key_id": made["id"]}
        await self.send("alice", "first")
        self.made["notification_id"] = await self.send(["alice", "bob"], "second")
        self.made["operation_id"] = await self.send({"topic": TOPIC}, "published", 202)
        await self.send({"everyone": True}, "to everyone", 202)
        for hour in (11, 12):
            time = f"2026-03-03T{hour}:00:00Z"
            self.made["scheduled_id"] = await self.send("alice", "scheduled", 202, send_at=time)
        self.position = (await self.call("GET", "/v1/notifications/count", 200, params=ALICE))["position"]
        for device in ("phone", "tablet"):
            acked = {"device": device, "position": self.position}
            await self.call("POST", "/v1/ack", 204, params=ALICE, json=acked)

    async def turn_pages(self) -> None:
        for path, query in LISTS.items():
            self.cursors[path] = (await self.call("GET", path, 200, params={**query, "limit": 1}))["next_cursor"]
        assert all(self.cursors.values()), self.cursors


@dataclass
class Two:
    red: Tenant
    blue: Tenant
    service: Service
    visits: dict[str, Visit]
    """Of alice: a stream in each app, open all the while."""

    def of_red(self) -> dict[str, list[str]]:
        """Every row that belongs to red, as text."""
        found: dict[str, list[str]] = {}
        with psycopg.connect(str(self.service.settings.database_url), autocommit=True) as connection:
            for table in metadata_for("notify").sorted_tables:
                of_app = {
                    "app_id": "app_id = 'red'",
                    "inbox_id": "inbox_id IN (SELECT id FROM notify.inboxes WHERE app_id = 'red')",
                }
                conditions = [condition for column, condition in of_app.items() if column in table.columns]
                if table.name == "apps":
                    conditions = ["id = 'red'"]
                if not conditions:
                    continue
                columns = [column.name for column in table.columns if column.name not in VOLATILE]
                statement = sql.SQL("SELECT ({})::text FROM {} WHERE {} ORDER BY 1").format(
                    sql.SQL(", ").join([sql.SQL("ROW({})").format(sql.SQL(", ").join(map(_as_text, columns)))]),
                    sql.Identifier("notify", table.name),
                    sql.SQL(cast(Any, conditions[0])),
                )
                found[table.name] = [row[0] for row in connection.execute(statement)]
        return found


def _as_text(column: str) -> sql.Composed:
    # There is no order among values of JSON.
    return sql.SQL("{}::text").format(sql.Identifier(column))


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # What is proved here is the same on every PostgreSQL.
    return database_url


@pytest.fixture
async def service(any_database_url: str, clock: ManualClock) -> AsyncIterator[Service]:
    # More is asked here than any caller may within the moment that this takes.
    settings = Settings(
        database_url=any_database_url, admin_key=ADMIN_KEY, key_requests_per_second=0, user_requests_per_second=0
    )
    async with Service(settings, clock).running() as running:
        yield running


@pytest.fixture
async def two(service: Service, client: httpx.AsyncClient) -> AsyncIterator[Two]:
    async with AsyncExitStack() as stack:
        tenants = []
        for mark in (RED, BLUE):
            await app(client, mark.lower())
            tenants.append(await stack.enter_async_context(_tenant(client, mark)))
        red, blue = tenants
        visits = {
            tenant.mark: await stack.enter_async_context(visiting(service, token=tenant.tokens["alice"]))
            for tenant in tenants
        }
        # So that each list of live connections has a second page.
        for tenant in tenants:
            await stack.enter_async_context(visiting(service, token=tenant.tokens["alice"], device="phone"))
        for tenant in tenants:
            tenant.made["session_id"] = visits[tenant.mark].session
            await tenant.furnish()
        for tenant in tenants:
            await _until_all_is_written(tenant, visits[tenant.mark])
            await tenant.turn_pages()
        yield Two(red, blue, service, visits)


@asynccontextmanager
async def _tenant(client: httpx.AsyncClient, mark: str) -> AsyncIterator[Tenant]:
    all_scopes = await key(client, "send", "inbox", "admin", app_id=mark.lower())
    transport = client._transport
    async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=bearer(all_scopes)) as own:
        tokens = {}
        for user in ("alice", "bob"):
            answer = await own.post("/v1/tokens", json={"user_id": user, "scope": SCOPES})
            tokens[user] = answer.json()["token"]
        yield Tenant(mark, own, tokens)


async def _until_all_is_written(tenant: Tenant, visit: Visit) -> None:
    """Two personal ones, one from a topic, one to everyone; and the rows of both connections."""
    while len(visit.all("notification")) < 4:
        await visit.news()

    async def both_are_listed() -> bool:
        return len((await tenant.call("GET", "/v1/sessions", 200, params=ALICE))["items"]) == 2

    await eventually(both_are_listed)


def asked_of(call: Call, tenant: Tenant) -> list[dict[str, Any]]:
    """The query of this route, with each position and cursor of this app that it may take."""
    query = {**call.query}
    return [
        query,
        {**query, "after": tenant.position},
        *({**query, "cursor": each} for each in tenant.cursors.values()),
    ]


def body_of(call: Call, tenant: Tenant) -> Any:
    if isinstance(call.body, dict):
        own = {"position": tenant.position, "session": tenant.made["session_id"], "before": tenant.position}
        return {name: own.get(name, value) for name, value in call.body.items()}
    return call.body


CLOSED = [name for name, call in CALLS.items() if call.status != 426 and name.split(" ")[1].startswith("/v1/")]


def _ends_tokens(name: str) -> bool:
    return CALLS[name].ends_tokens or name == "DELETE /v1/users"


async def test_no_call_with_the_credentials_of_one_app_shows_or_changes_anything_of_the_other(two: Two) -> None:
    before = two.of_red()
    assert {"notifications", "subscriptions", "publications", "outbox", "retention", "devices", "sessions"} <= {
        name for name, rows in before.items() if rows
    }
    callers = [two.blue.client, *two.blue.users]
    tried = 0
    for name in sorted(CLOSED, key=_ends_tokens):
        call = CALLS[name]
        if call.endless:
            continue
        method, path = name.split(" ")
        named = path.format(**two.red.made)
        for query in asked_of(call, two.red):
            for caller in callers:
                answer = await caller.request(method, named, params=query, json=body_of(call, two.red))
                assert RED not in answer.text, (name, query, answer.text)
                assert RED not in str(answer.headers)
                if "{" in path:
                    assert answer.status_code in {403, 404, 422}, (name, query, answer.status_code)
                tried += 1
    assert tried > 1000
    assert two.of_red() == before


async def test_a_position_of_one_app_is_no_position_of_the_other(two: Two) -> None:
    items = (await two.blue.call("GET", "/v1/changes", 200, params={**ALICE, "after": two.red.position}))["items"]
    assert (items[0]["event"], items[0]["data"]["reason"]) == ("reset", "epoch")
    async with visiting(
        two.service, token=two.blue.tokens["alice"], last_event_id=two.red.position, **{"from": "now"}
    ) as visit:
        assert (await visit.the("reset")).json()["reason"] == "epoch"


async def test_the_same_idempotency_key_means_something_else_in_the_other(two: Two) -> None:
    body = {"to": "bob", "title": "the same"}
    answers = [
        await tenant.client.post("/v1/notifications", json=body, headers={"Idempotency-Key": "the same"})
        for tenant in (two.red, two.blue, two.red)
    ]
    first, second, again = (answer.json()["id"] for answer in answers)
    assert first == again != second
    assert ["idempotency-replayed" in answer.headers for answer in answers] == [False, False, True]


async def test_no_event_of_one_app_reaches_a_stream_of_the_other(two: Two) -> None:
    red, blue = two.red, two.blue
    for audience, status in (("alice", 201), ({"topic": TOPIC}, 202), ({"everyone": True}, 202)):
        await red.send(audience, "more", status)
        await red.send(audience, "passing", 202, durable=False)
    await red.call("PATCH", f"/v1/operations/{red.made['operation_id']}", 200, json={"title": "RED, edited"})
    await red.call("POST", "/v1/notifications/read-all", 200, params=ALICE, json={})
    await red.call("DELETE", "/v1/sessions", 204, params=ALICE)
    assert await two.visits[RED].bye() == "revoked"
    await blue.send("alice", "the last")
    seen = two.visits[BLUE]
    while not any("the last" in str(block.data) for block in seen.blocks):
        await seen.news()
    assert [block for block in seen.blocks if RED in str(block.data)] == []
    assert not seen.all("bye")
    assert {block.json()["title"] for block in seen.all("notification")} == {
        "BLUE first",
        "BLUE second",
        "BLUE published",
        "BLUE to everyone",
        "BLUE the last",
    }
