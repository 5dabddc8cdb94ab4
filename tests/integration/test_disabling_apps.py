"""An app that is disabled: none of its credentials is taken anywhere, and whoever is connected is sent away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, cast

import httpx
import pytest

from notify.app import Service
from notify.settings import Settings
from support.calls import ALICE
from support.clock import ManualClock
from support.credentials import app, bearer, key, signed, token
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY
from support.visits import Visit, visiting


def service_on(url: str, clock: ManualClock) -> Service:
    return Service(Settings(database_url=url, admin_key=ADMIN_KEY, safety_poll_seconds=0.2), clock)


@pytest.fixture
async def here(database_url: str, clock: ManualClock) -> AsyncIterator[Service]:
    """The process that is asked."""
    async with service_on(database_url, clock).running() as running:
        yield running


@pytest.fixture
async def there(database_url: str, clock: ManualClock) -> AsyncIterator[Service]:
    """Another one, with live connections."""
    async with service_on(database_url, clock).running() as running:
        yield running


@pytest.fixture
async def clients(here: Service, there: Service) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        made = [
            await stack.enter_async_context(
                httpx.AsyncClient(
                    transport=httpx.ASGITransport(cast(Any, service.asgi)), base_url="http://notify", headers=ADMIN
                )
            )
            for service in (here, there)
        ]
        yield made[0], made[1]


async def set_enabled(client: httpx.AsyncClient, app_id: str, *, enabled: bool) -> None:
    answer = await client.patch(f"/v1/apps/{app_id}", json={"enabled": enabled})
    assert (answer.status_code, answer.json()["enabled"]) == (200, enabled)


async def test_its_keys_and_tokens_are_refused_everywhere_until_it_is_enabled(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], clock: ManualClock
) -> None:
    admin, _ = clients
    secret = await app(admin, "shop")
    made = await key(admin, "send", "inbox", "admin", app_id="shop")
    credentials = [made, signed(secret, clock, app="shop")]

    async def refusals(credential: str) -> list[httpx.Response]:
        return [await each.get("/v1/notifications", params=ALICE, headers=bearer(credential)) for each in clients]

    for credential in credentials:
        assert [answer.status_code for answer in await refusals(credential)] == [200, 200]
    await set_enabled(admin, "shop", enabled=False)
    for credential in credentials:
        for answer in await refusals(credential):
            problem_in(answer, 403, "app-disabled")
    for client in clients:
        sent = await client.post("/v1/notifications", json={"to": "alice", "title": "a"}, headers=bearer(made))
        problem_in(sent, 403, "app-disabled")
        # Nor does it enable itself.
        problem_in(await client.patch("/v1/apps/shop", json={"enabled": True}, headers=bearer(made)), 403)
        # Whether it is there is told only to who could have come in.
        forged = signed("x" * 64, clock, app="shop")
        problem_in(await client.get("/v1/notifications", headers=bearer(forged)), 401, "unauthorized")
        # Others are as they were.
        assert (await client.get("/v1/notifications", headers=bearer(await token(admin, "alice")))).status_code == 200
    await set_enabled(admin, "shop", enabled=True)
    for credential in credentials:
        assert [answer.status_code for answer in await refusals(credential)] == [200, 200]


@pytest.mark.parametrize("ring_is_lost", [False, True])
async def test_its_streams_end_in_every_process(
    here: Service,
    there: Service,
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
    clock: ManualClock,
    *,
    ring_is_lost: bool,
) -> None:
    admin, _ = clients
    secret = await app(admin, "shop")
    if ring_is_lost:
        await here.doorbell.stop()
    async with AsyncExitStack() as stack:
        ours = [await stack.enter_async_context(visiting(service)) for service in (here, there)]
        theirs = [
            await stack.enter_async_context(
                visiting(service, token=signed(secret, clock, app="shop", sub=user), **{"from": "now"})
            )
            for service in (here, there)
            for user in ("alice", "bob")
        ]
        started = time.monotonic()
        await set_enabled(admin, "shop", enabled=False)
        assert {await visit.bye() for visit in theirs} == {"revoked"}
        assert time.monotonic() - started < 1
        assert not any(visit.is_over for visit in ours)
        refused = Visit(there, {}, bearer(signed(secret, clock, app="shop")))
        await refused.run()
        assert refused.status == 403
        # Whoever comes once it is enabled again stays.
        await set_enabled(admin, "shop", enabled=True)
        back = await stack.enter_async_context(visiting(there, token=signed(secret, clock, app="shop")))
        await there.registry._look([], 60.0)
        await asyncio.sleep(0)
        assert not back.is_over


async def test_who_comes_while_it_is_being_disabled_does_not_stay(
    there: Service, clients: tuple[httpx.AsyncClient, httpx.AsyncClient], clock: ManualClock
) -> None:
    """The other process takes its tokens for a moment longer."""
    admin, _ = clients
    secret = await app(admin, "shop")
    made = signed(secret, clock, app="shop")
    async with visiting(there, token=made):
        disabling = asyncio.create_task(set_enabled(admin, "shop", enabled=False))
        visits: list[Visit] = []
        tasks: list[asyncio.Task[None]] = []
        while not disabling.done():
            visits.append(Visit(there, {}, bearer(made)))
            tasks.append(asyncio.create_task(visits[-1].run()))
            await asyncio.sleep(0.005)
        await disabling
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks)
        let_in = [visit for visit in visits if visit.status == 200]
        assert let_in, "nobody slipped in, so nothing was proved"
        assert {await visit.bye() for visit in let_in} == {"revoked"}


async def test_an_app_is_renamed_by_its_own_key_and_shown(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    admin, there = clients
    await app(admin, "shop")
    headers = bearer(await key(admin, "admin", app_id="shop"))
    changed = await there.patch("/v1/apps/shop", json={"name": "The old shop"}, headers=headers)
    assert (changed.status_code, changed.json()["name"], changed.json()["enabled"]) == (200, "The old shop", True)
    assert (await admin.get("/v1/apps/shop")).json() == changed.json()
    assert changed.json() in (await admin.get("/v1/apps")).json()["items"]
    problem_in(await there.patch("/v1/apps/shop", json={"enabled": False}, headers=headers), 403, "forbidden")
    problem_in(await there.patch("/v1/apps/default", json={"name": "Mine"}, headers=headers), 403, "forbidden")
    problem_in(await admin.patch("/v1/apps/nowhere", json={"enabled": False}), 404, "not-found")
    problem_in(await admin.get("/v1/apps/nowhere"), 404, "not-found")
    for body, pointer in (({}, ""), ({"name": ""}, "/name"), ({"enabled": "no"}, "/enabled"), ({"id": "b"}, "/id")):
        answer = await admin.patch("/v1/apps/shop", json=body)
        assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == pointer


async def test_the_admin_key_works_while_the_default_app_is_disabled(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient],
) -> None:
    admin, there = clients
    made = await token(admin, "alice")
    await set_enabled(admin, "default", enabled=False)
    problem_in(await there.get("/v1/notifications", headers=bearer(made)), 403, "app-disabled")
    assert (await there.post("/v1/notifications", json={"to": "alice", "title": "later"})).status_code == 201
    await set_enabled(there, "default", enabled=True)
    page = (await admin.get("/v1/notifications", headers=bearer(made))).json()
    assert [item["title"] for item in page["items"]] == ["later"]
