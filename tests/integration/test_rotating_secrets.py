"""Secrets of apps: rotated with an overlap in every process, and encrypted in the database."""

import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest

from notify.app import Service
from notify.core.errors import SealedError
from notify.settings import Settings
from notify.store.leases import LEASE_SECONDS
from notify.store.sealing import Sealing
from support.clock import ManualClock
from support.credentials import app, bearer, signed, token
from support.invariants import rows
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY

OLD_KEY, NEW_KEY = (base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() for _ in range(2))


@asynccontextmanager
async def service_on(url: str, clock: ManualClock, **settings: Any) -> AsyncIterator[Service]:
    async with Service(Settings(database_url=url, admin_key=ADMIN_KEY, **settings), clock).running() as running:
        yield running


@asynccontextmanager
async def client_of(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(cast(Any, service.asgi))
    async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
        yield client


@pytest.fixture
async def two(database_url: str, clock: ManualClock) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Two processes on one database: the one that is asked, and another."""
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(service_on(database_url, clock)) for _ in range(2)]
        here, there = [await stack.enter_async_context(client_of(service)) for service in services]
        yield here, there


async def status(client: httpx.AsyncClient, credential: str) -> int:
    return (await client.get("/v1/notifications", headers=bearer(credential))).status_code


async def rotate(client: httpx.AsyncClient, app_id: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/apps/{app_id}/jwt/rotate", json=body)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store"), answer.text
    made: dict[str, Any] = answer.json()
    return made


# Rotation


async def test_the_secret_of_before_is_taken_everywhere_until_the_overlap_ends(
    two: tuple[httpx.AsyncClient, httpx.AsyncClient], clock: ManualClock
) -> None:
    here, there = two
    first = await app(here, "shop")
    old = signed(first, clock, app="shop", exp=int(clock.now().timestamp()) + 7200)
    assert await status(there, old) == 200
    made = await rotate(here, "shop", overlap_seconds=3600)
    new = signed(made["jwt_secret"], clock, app="shop", exp=int(clock.now().timestamp()) + 7200)
    for client in two:
        assert (await status(client, old), await status(client, new)) == (200, 200)
        assert (await client.get("/v1/apps/shop/jwt")).json()["secret_before_until"] == made["before_until"]
    clock.advance(timedelta(seconds=3600 + LEASE_SECONDS))
    for client in two:
        assert (await status(client, old), await status(client, new)) == (401, 200)
        assert (await client.get("/v1/apps/shop/jwt")).json()["secret_before_until"] is None


async def test_without_an_overlap_it_is_refused_everywhere_once_that_is_answered(
    two: tuple[httpx.AsyncClient, httpx.AsyncClient], clock: ManualClock
) -> None:
    here, there = two
    for _ in range(5):
        made = await rotate(here, "default", overlap_seconds=3600)
        old = signed(made["jwt_secret"], clock)
        assert await status(there, old) == 200
        made = await rotate(here, "default", overlap_seconds=0)
        assert made["before_until"] is None
        assert (await status(there, old), await status(here, old)) == (401, 401)
        assert await status(there, signed(made["jwt_secret"], clock)) == 200
        # Made by the other process, with the new one.
        assert await status(here, await token(there, "alice")) == 200


async def test_of_old_secrets_only_the_last_is_taken(
    two: tuple[httpx.AsyncClient, httpx.AsyncClient], clock: ManualClock
) -> None:
    here, there = two
    made = [signed(await app(here, "shop"), clock, app="shop")]
    made += [signed((await rotate(here, "shop"))["jwt_secret"], clock, app="shop") for _ in range(2)]
    assert [await status(there, each) for each in made] == [401, 200, 200]


async def test_a_secret_in_the_settings_is_rotated_there(database_url: str, clock: ManualClock) -> None:
    before, now, unknown = 32 * "b", 32 * "n", 32 * "u"
    async with (
        service_on(database_url, clock, jwt_secret=now, jwt_secret_before=before) as service,
        client_of(service) as client,
    ):
        assert await status(client, signed(now, clock)) == 200
        assert await status(client, signed(before, clock)) == 200
        assert await status(client, signed(unknown, clock)) == 401
        problem_in(await client.post("/v1/apps/default/jwt/rotate"), 409, "secret-in-settings")
        # Of another app it is in the database all the same.
        await app(client, "shop")
        await rotate(client, "shop")


@pytest.mark.parametrize("overlap", [-1, 2_592_001, 1.5, "1", None])
async def test_an_overlap_that_cannot_be_is_refused(
    two: tuple[httpx.AsyncClient, httpx.AsyncClient], overlap: object
) -> None:
    answer = await two[0].post("/v1/apps/default/jwt/rotate", json={"overlap_seconds": overlap})
    assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "/overlap_seconds"


# Encryption


def kept(url: str) -> dict[str, tuple[str | None, str | None]]:
    found = rows(url, "SELECT id, jwt_secret, jwt_secret_before FROM notify.apps")
    return {row["id"]: (row["jwt_secret"], row["jwt_secret_before"]) for row in found}


async def test_with_a_key_secrets_are_kept_sealed_and_work_as_before(database_url: str, clock: ManualClock) -> None:
    async with (
        service_on(database_url, clock, encryption_key=[NEW_KEY]) as service,
        client_of(service) as client,
    ):
        first = await app(client, "shop")
        old = signed(first, clock, app="shop")
        assert await status(client, old) == 200
        second = (await rotate(client, "shop"))["jwt_secret"]
        assert await status(client, old) == 200
        assert await status(client, signed(second, clock, app="shop")) == 200
        assert await status(client, await token(client, "alice")) == 200
    found = kept(database_url)
    assert all(text.startswith("sealed.1.") for pair in found.values() for text in pair if text is not None)
    assert found["shop"][1] is not None
    assert first not in str(found)
    assert second not in str(found)


async def test_a_key_is_given_rotated_and_taken_away_while_tokens_stay_good(
    database_url: str, clock: ManualClock
) -> None:
    async with service_on(database_url, clock) as service, client_of(service) as client:
        first = await app(client, "shop")
        second = (await rotate(client, "shop"))["jwt_secret"]
        default = await token(client, "alice")
    tokens = [signed(first, clock, app="shop"), signed(second, clock, app="shop"), default]
    steps: list[tuple[list[str], Sealing, str]] = [
        ([OLD_KEY], Sealing([OLD_KEY]), "sealed.1."),
        ([NEW_KEY, OLD_KEY], Sealing([NEW_KEY, OLD_KEY]), "sealed.1."),
        ([NEW_KEY], Sealing([NEW_KEY], seals=False), ""),
    ]
    for keys, sealing, mark in steps:
        async with service_on(database_url, clock, encryption_key=keys) as service, client_of(service) as client:
            assert [await status(client, each) for each in tokens] == [200] * 3
            done = await service.apps.reseal(sealing)
            assert (done.changed, done.unchanged) == (3, 0)
            done = await service.apps.reseal(sealing)
            assert (done.changed, done.unchanged) == (0, 3)
            clock.advance(timedelta(seconds=LEASE_SECONDS))
            assert [await status(client, each) for each in tokens] == [200] * 3
        assert all(text.startswith(mark) for pair in kept(database_url).values() for text in pair if text is not None)
    async with service_on(database_url, clock) as service, client_of(service) as client:
        assert [await status(client, each) for each in tokens] == [200] * 3


async def test_without_the_right_key_the_service_does_not_start_and_says_what_is_missing(
    database_url: str, clock: ManualClock
) -> None:
    async with service_on(database_url, clock, encryption_key=[OLD_KEY]):
        pass
    for keys in ([], [NEW_KEY]):
        with pytest.raises(SealedError, match="NOTIFY_ENCRYPTION_KEY") as refused:
            async with service_on(database_url, clock, encryption_key=keys):
                pass
        for key in (OLD_KEY, NEW_KEY):
            assert key[:12] not in str(refused.value)


async def test_the_secret_of_one_app_cannot_be_given_to_another_in_the_database(
    database_url: str, clock: ManualClock
) -> None:
    async with (
        service_on(database_url, clock, encryption_key=[NEW_KEY]) as service,
        client_of(service) as client,
    ):
        known = await app(client, "mine")
        await app(client, "shop")
        rows(
            database_url,
            "UPDATE notify.apps SET jwt_secret = (SELECT jwt_secret FROM notify.apps WHERE id = 'mine') "
            "WHERE id = 'shop' RETURNING id",
        )
        clock.advance(timedelta(seconds=LEASE_SECONDS))
        answer = await client.get("/v1/notifications", headers=bearer(signed(known, clock, app="shop")))
        problem_in(answer, 500, "internal")
        assert await status(client, signed(known, clock, app="mine")) == 200
