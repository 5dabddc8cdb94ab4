"""Whom users may send to with tokens of their own: a few others, in their own name; with the role `admin` anybody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jwt
import pytest

from notify.app import Service
from support.calls import everything, send
from support.clock import ManualClock
from support.credentials import bearer, key, signed, token
from support.problems import problem_in

SEND = "/v1/notifications"
CAROL = {"name": "Carol", "id": "carol"}


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # Who may do what is the same on every PostgreSQL.
    return database_url


@asynccontextmanager
async def calling(client: httpx.AsyncClient, credential: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=client._transport, base_url="http://notify", headers=bearer(credential)
    ) as caller:
        yield caller


@pytest.fixture
async def carol(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(client, await token(client, "carol", "inbox send")) as carol:
        yield carol


@pytest.fixture
async def admin(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with calling(client, await token(client, "carol", "send", role="admin")) as admin:
        yield admin


def refused(answer: httpx.Response) -> list[str]:
    return [error["pointer"] for error in problem_in(answer, 403, "forbidden")["errors"]]


async def test_a_user_sends_to_a_few_named_users(client: httpx.AsyncClient, carol: httpx.AsyncClient) -> None:
    await send(carol, actor=CAROL)
    await send(carol, actor={"name": "Carol"})
    ten = ["alice", *(f"user {number}" for number in range(9))]
    for how in ({}, {"send_at": "2026-03-02T12:00:00Z"}, {"durable": False}):
        assert (await carol.post(SEND, json={"to": ten, "title": "a", **how})).is_success
        assert refused(await carol.post(SEND, json={"to": [*ten, "bob"], "title": "a", **how})) == ["/to"]
    assert len(await everything(client)) == 3


@pytest.mark.parametrize("to", [{"topic": "a"}, {"topics": ["a"]}, {"everyone": True}])
@pytest.mark.parametrize("how", [{}, {"send_at": "2026-03-02T12:00:00Z"}, {"durable": False}])
async def test_a_user_sends_to_no_topic_and_not_to_everyone(
    carol: httpx.AsyncClient, admin: httpx.AsyncClient, to: Any, how: Any
) -> None:
    body = {"to": to, "title": "a", **how}
    assert refused(await carol.post(SEND, json=body)) == ["/to"]
    items = (await carol.post(f"{SEND}/batch", json={"items": [body, {"to": "alice", "title": "a"}]})).json()["items"]
    assert [item["status"] for item in items] == [403, 201]
    assert (await admin.post(SEND, json=body)).status_code == 202


async def test_a_user_speaks_for_nobody_else(
    client: httpx.AsyncClient, carol: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    bob = {"name": "Bob", "id": "bob"}
    assert refused(await carol.post(SEND, json={"to": "alice", "title": "a", "actor": bob})) == ["/actor/id"]
    own = await send(client, to="carol")
    assert refused(await carol.patch(f"{SEND}/{own}", json={"actor": bob})) == ["/actor/id"]
    assert (await carol.patch(f"{SEND}/{own}", json={"actor": CAROL, "title": "b"})).status_code == 200
    await send(admin, actor=bob)
    await send(client, actor=bob)


async def test_an_admin_sends_to_as_many_as_a_key(client: httpx.AsyncClient, admin: httpx.AsyncClient) -> None:
    many = [f"user {number}" for number in range(1001)]
    assert (await admin.post(SEND, json={"to": many[:1000], "title": "a"})).status_code == 201
    for caller in (admin, client):
        problem_in(await caller.post(SEND, json={"to": many, "title": "a"}), 422, "invalid")


async def test_a_role_is_given_out_by_a_key_that_has_it(client: httpx.AsyncClient) -> None:
    body = {"user_id": "carol", "role": "admin"}
    without = bearer(await key(client, "inbox"))
    problem_in(await client.post("/v1/tokens", json=body, headers=without), 403, "forbidden")
    with_send = bearer(await key(client, "inbox", "send"))
    made = (await client.post("/v1/tokens", json=body, headers=with_send)).json()["token"]
    claims = jwt.decode(made, options={"verify_signature": False})
    assert (claims["role"], claims["scope"]) == ("admin", "inbox")
    # A role alone sends nothing.
    problem_in(await client.post(SEND, json={"to": "alice", "title": "a"}, headers=bearer(made)), 403, "forbidden")
    for role in ("owner", "Admin", "", None, ["admin"]):
        problem_in(await client.post("/v1/tokens", json={**body, "role": role}), 422, "invalid")


@pytest.mark.parametrize("role", [None, "user", "Admin", "editor", ["admin"], {"admin": True}, True])
async def test_whatever_else_an_application_calls_a_role_is_none_of_ours(
    service: Service, client: httpx.AsyncClient, clock: ManualClock, role: Any
) -> None:
    secret = await service.apps.keep_secret("default")
    async with calling(client, signed(secret, clock, sub="carol", scope="send", role=role)) as carol:
        await send(carol)
        assert refused(await carol.post(SEND, json={"to": {"everyone": True}, "title": "a"})) == ["/to"]
    async with calling(client, signed(secret, clock, sub="carol", scope="send", role="admin")) as admin:
        assert (await admin.post(SEND, json={"to": {"everyone": True}, "title": "a"})).status_code == 202
