"""Tokens that are revoked, and users who are signed out: refused by every process, and their live connections ended.

Two services on one database stand for two processes: what one knows of the other it has from the database only.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any, cast

import httpx
import pytest

from notify.app import Service
from notify.core.identity import Credential
from notify.live.connection import Connection
from notify.live.doorbell import Doorbell
from notify.settings import Settings
from support.calls import send
from support.clock import ManualClock
from support.credentials import app, bearer, key, signed, ticket, token
from support.invariants import rows
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY
from support.servers import TestServer
from support.visits import Visit, visiting
from support.waiting import eventually

EACH = pytest.mark.parametrize("url", ["embedded", "debian 15"], indirect=True)
INBOX = "/v1/notifications"


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    which = getattr(request, "param", "embedded")
    server: TestServer = request.getfixturevalue("embedded_server" if which == "embedded" else "debian_server")
    with server.database() as url:
        yield url


@asynccontextmanager
async def running(url: str, clock: ManualClock, **settings: Any) -> AsyncIterator[Service]:
    given = {"safety_poll_seconds": 600.0, **settings}
    async with Service(Settings(database_url=url, admin_key=ADMIN_KEY, **given), clock).running() as service:
        yield service


@asynccontextmanager
async def client_of(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(cast(Any, service.asgi))
    async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
        yield client


@pytest.fixture
async def here(url: str, clock: ManualClock) -> AsyncIterator[Service]:
    """The process that is asked. It looks by itself so seldom that it has to be rung."""
    async with running(url, clock) as service:
        yield service


@pytest.fixture
async def there(url: str, clock: ManualClock) -> AsyncIterator[Service]:
    """The process that has verified the tokens and holds the connections."""
    async with running(url, clock) as service:
        yield service


@pytest.fixture
async def client(here: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(here) as client:
        yield client


@pytest.fixture
async def elsewhere(there: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(there) as client:
        yield client


async def status(client: httpx.AsyncClient, credential: str) -> int:
    return (await client.get(INBOX, headers=bearer(credential))).status_code


async def revoke(client: httpx.AsyncClient, **body: str) -> None:
    answer = await client.post("/v1/tokens/revoke", json=body)
    assert answer.status_code == 204, answer.text


async def log_out(client: httpx.AsyncClient, credential: str) -> None:
    answer = await client.post("/v1/tokens/revoke", headers=bearer(credential))
    assert answer.status_code == 204, answer.text


async def sign_out(client: httpx.AsyncClient, user_id: str = "alice") -> None:
    answer = await client.post("/v1/users/sign-out", json={"user_id": user_id})
    assert answer.status_code == 204, answer.text


# Requests


@EACH
async def test_a_revoked_token_is_refused_by_every_process_when_its_revocation_is_answered(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient
) -> None:
    made, other = await token(client, "alice"), await token(client, "alice")
    assert [await status(one, each) for one in (client, elsewhere) for each in (made, other)] == [200] * 4
    await revoke(client, token=made)
    for one in (elsewhere, client):
        answer = await one.get(INBOX, headers=bearer(made))
        assert "revoked" in problem_in(answer, 401, "unauthorized")["detail"]
        assert await status(one, other) == 200
    # Again is fine.
    await revoke(client, token=made)


@EACH
async def test_a_user_logs_out_with_the_token_itself(client: httpx.AsyncClient, elsewhere: httpx.AsyncClient) -> None:
    made, other = await token(client, "alice", "inbox:read"), await token(client, "alice")
    assert await status(elsewhere, made) == 200
    await log_out(client, made)
    assert await status(elsewhere, made) == 401
    assert await status(elsewhere, other) == 200


async def test_a_token_is_revoked_by_its_jti_or_by_itself_where_it_has_none(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient, here: Service, clock: ManualClock
) -> None:
    secret = await here.apps.keep_secret("default")
    named, nameless = signed(secret, clock, jti="one of ours"), signed(secret, clock)
    assert [await status(elsewhere, each) for each in (named, nameless)] == [200, 200]
    await revoke(client, jti="one of ours")
    assert [await status(elsewhere, each) for each in (named, nameless)] == [401, 200]
    await revoke(client, token=nameless)
    assert [await status(elsewhere, each) for each in (named, nameless)] == [401, 401]


async def test_a_token_may_be_revoked_before_it_is_ever_shown(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient, here: Service, clock: ManualClock
) -> None:
    await revoke(client, jti="leaked")
    assert await status(elsewhere, signed(await here.apps.keep_secret("default"), clock, jti="leaked")) == 401


async def test_what_is_no_token_of_this_app_cannot_be_revoked(
    client: httpx.AsyncClient, here: Service, clock: ManualClock
) -> None:
    shop = await app(client, "shop")
    for body, pointer in (
        ({"token": signed(shop, clock, app="shop")}, "/token"),
        ({"token": signed("x" * 64, clock)}, "/token"),
        ({"token": await key(client, "inbox")}, "/token"),
        ({"token": "nonsense"}, "/token"),
        ({"jti": ""}, "/jti"),
        ({"jti": 256 * "x"}, "/jti"),
        ({"jti": "x\x00"}, "/jti"),
        ({"jti": "a", "token": "b"}, None),
        ({}, None),
    ):
        problem = problem_in(await client.post("/v1/tokens/revoke", json=body), 422, "invalid")
        assert [error["pointer"] for error in problem.get("errors", [])] == ([] if pointer is None else [pointer])
    # What is good for nothing anyway need not be.
    old = signed(await here.apps.keep_secret("default"), clock)
    clock.advance(timedelta(minutes=2))
    await revoke(client, token=old)
    assert rows(str(here.settings.database_url), "SELECT FROM notify.revoked_tokens") == []


async def test_a_users_token_revokes_and_signs_out_nobody_else(client: httpx.AsyncClient) -> None:
    alice, bob = await token(client, "alice"), await token(client, "bob")
    for path, body in (("/v1/tokens/revoke", {"token": bob}), ("/v1/users/sign-out", {"user_id": "bob"})):
        problem_in(await client.post(path, json=body, headers=bearer(alice)), 403, "forbidden")
    assert [await status(client, each) for each in (alice, bob)] == [200, 200]


async def test_a_revocation_is_of_its_app_only(client: httpx.AsyncClient, clock: ManualClock) -> None:
    secrets = {"shop": await app(client, "shop"), "cafe": await app(client, "cafe")}
    shop, cafe = (
        signed(secrets[name], clock, app=name, jti="the same", iat=clock.now().timestamp()) for name in secrets
    )
    assert [await status(client, each) for each in (shop, cafe)] == [200, 200]
    keys = bearer(await key(client, "inbox", app_id="shop"))
    assert (await client.post("/v1/tokens/revoke", json={"jti": "the same"}, headers=keys)).status_code == 204
    assert (await client.post("/v1/users/sign-out", json={"user_id": "alice"}, headers=keys)).status_code == 204
    assert [await status(client, each) for each in (shop, cafe)] == [401, 200]


@EACH
async def test_a_user_is_signed_out_everywhere(client: httpx.AsyncClient, elsewhere: httpx.AsyncClient) -> None:
    before = [await token(client, "alice"), await token(elsewhere, "alice")]
    bob = await token(client, "bob")
    assert [await status(elsewhere, each) for each in (*before, bob)] == [200] * 3
    await sign_out(client)
    for one in (client, elsewhere):
        assert [await status(one, each) for each in (*before, bob)] == [401, 401, 200]
    # Whoever logs in afterwards is in again, and is not signed out by what happened before.
    after = await token(elsewhere, "alice")
    assert [await status(one, after) for one in (client, elsewhere)] == [200, 200]


async def test_a_user_signs_themselves_out_everywhere(client: httpx.AsyncClient, elsewhere: httpx.AsyncClient) -> None:
    one, another = await token(client, "alice"), await token(client, "alice")
    assert (await client.post("/v1/users/sign-out", headers=bearer(one))).status_code == 204
    assert [await status(elsewhere, each) for each in (one, another)] == [401, 401]


async def test_a_token_that_does_not_say_when_it_was_made_counts_as_made_before(
    client: httpx.AsyncClient, here: Service, clock: ManualClock
) -> None:
    secret = await here.apps.keep_secret("default")
    await sign_out(client)
    assert await status(client, signed(secret, clock)) == 401
    assert await status(client, signed(secret, clock, sub="bob")) == 200


async def test_of_tokens_whose_iat_is_a_whole_second_those_of_the_same_second_count_as_made_before(
    client: httpx.AsyncClient, here: Service, clock: ManualClock
) -> None:
    secret = await here.apps.keep_secret("default")
    clock.advance(timedelta(microseconds=500_000 - clock.now().microsecond))
    second = int(clock.now().timestamp())
    same, next_ = signed(secret, clock, iat=second), signed(secret, clock, iat=second + 1)
    await sign_out(client)
    assert int(clock.now().timestamp()) == second, "it is still the same second"
    assert await status(client, same) == 401
    clock.advance(timedelta(seconds=1))
    assert await status(client, next_) == 200


async def test_as_long_as_an_app_has_revoked_nothing_no_token_is_looked_up(
    client: httpx.AsyncClient, there: Service, elsewhere: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = there.revoked._looks._read

    async def counted(tokens: list[Any]) -> Any:
        looks.append(len(tokens))
        return await look(tokens)

    monkeypatch.setattr(there.revoked._looks, "_read", counted)
    made = [await token(client, "alice") for _ in range(3)]
    for _ in range(3):
        assert [await status(elsewhere, each) for each in made] == [200] * 3
    assert looks == []
    # Then each once, until something else is revoked, and several at a time.
    await sign_out(client, "carol")
    for _ in range(3):
        assert await asyncio.gather(*(status(elsewhere, each) for each in made)) == [200] * 3
    assert sum(looks) == 3
    assert len(looks) < 3
    await revoke(client, token=made[0])
    for _ in range(3):
        assert [await status(elsewhere, each) for each in made] == [401, 200, 200]
    assert sum(looks) == 6


async def test_what_was_revoked_is_forgotten_once_it_would_have_expired(
    client: httpx.AsyncClient, here: Service, clock: ManualClock, url: str
) -> None:
    await revoke(client, jti="a")
    await sign_out(client)
    await ticket(client, user_id="alice")

    def kept() -> list[int]:
        return [len(rows(url, f"SELECT FROM notify.{table}")) for table in ("revoked_tokens", "sign_outs", "tickets")]

    for hours, left in ((23, [1, 1, 1]), (2, [1, 1, 0]), (22, [1, 1, 0]), (2, [0, 0, 0])):
        clock.advance(timedelta(hours=hours))
        await here.housekeeping.tidy()
        assert kept() == left


# Live connections


@EACH
async def test_what_was_opened_with_a_revoked_token_ends_in_every_process(
    client: httpx.AsyncClient, here: Service, there: Service
) -> None:
    made, other = await token(client, "alice"), await token(client, "alice")
    async with (
        visiting(there, token=made) as far,
        visiting(here, token=made) as near,
        visiting(there, token=other) as stays,
    ):
        async with asyncio.timeout(1):
            await revoke(client, token=made)
            assert [await far.bye(), await near.bye()] == ["revoked", "revoked"]
        await send(client, "still here")
        await stays.the("notification")
        assert not stays.is_over


async def test_whoever_signs_out_is_gone_from_every_process(
    client: httpx.AsyncClient, here: Service, there: Service
) -> None:
    made = await key(client, "inbox")
    async with (
        visiting(there, token=await token(client, "alice")) as far,
        visiting(here, ticket=await ticket(client, bearer(made), user_id="alice")) as by_ticket,
        visiting(there, "alice", key=made) as by_key,
        visiting(there, token=await token(client, "bob")) as bob,
    ):
        async with asyncio.timeout(1):
            await sign_out(client)
            assert {await visit.bye() for visit in (far, by_ticket, by_key)} == {"revoked"}
        await send(client, to="bob")
        await bob.the("notification")
        # What is opened afterwards stays.
        async with (
            visiting(there, token=await token(client, "alice")) as again,
            visiting(there, "alice", key=made) as by_key_again,
        ):
            await send(client)
            await again.the("notification")
            await by_key_again.the("notification")
            assert not again.is_over
            assert not by_key_again.is_over


async def test_revocations_that_nobody_was_rung_for_are_found(
    url: str, clock: ManualClock, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Doorbell, "ring_revoked", lambda *_: None)
    made = await client.post("/v1/apps/default/keys", json={"name": "a", "scopes": ["inbox"]})
    one, another = await token(client, "alice"), await token(client, "bob")
    async with (
        running(url, clock, safety_poll_seconds=0.2) as there,
        visiting(there, token=one) as revoked,
        visiting(there, token=another) as signed_out,
        visiting(there, "carol", key=made.json()["key"]) as by_key,
        visiting(there, token=await token(client, "dora")) as stays,
    ):
        await revoke(client, token=one)
        await sign_out(client, "bob")
        await client.delete(f"/v1/apps/default/keys/{made.json()['id']}")
        assert {await visit.bye() for visit in (revoked, signed_out, by_key)} == {"revoked"}
        assert not stays.is_over


async def test_what_a_process_lets_in_by_what_it_read_a_moment_before_ends_as_well(
    client: httpx.AsyncClient, there: Service, elsewhere: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await token(client, "alice")
    assert await status(elsewhere, made) == 200
    leased = await there.apps.signing_of("default")

    async def as_before(_: str) -> Any:
        return leased

    monkeypatch.setattr(there.apps, "signing_of", as_before)
    async with visiting(there, token=await token(client, "bob")) as bob:
        await revoke(client, token=made)
        await sign_out(client, "bob")
        assert await bob.bye() == "revoked"
    assert await status(elsewhere, made) == 200, "it still goes by what it read before"
    late = Visit(there, {}, bearer(made))
    async with asyncio.timeout(10):
        await late.run()
    assert await late.bye() == "revoked"


async def test_a_connection_goes_by_the_token_that_it_was_extended_with(
    client: httpx.AsyncClient, elsewhere: httpx.AsyncClient, there: Service, clock: ManualClock
) -> None:
    for one in (elsewhere, client):
        first = await token(client, "alice")
        async with visiting(there, token=first) as visit:
            await _listed(client)
            clock.advance(timedelta(seconds=60))
            fresh = await token(client, "alice")
            answer = await one.post("/v1/stream/refresh", json={"session": visit.session}, headers=bearer(fresh))
            assert answer.status_code == 200, answer.text
            connection = there.roster.get(visit.session)
            assert connection is not None
            goes_by = connection.visitor.credential
            # Where another process was asked, this one is rung.
            await eventually(partial(_goes_by_another, connection, goes_by))
            await revoke(client, token=first)
            await send(client, "still here")
            await visit.the("notification")
            assert not visit.is_over
            await revoke(client, token=fresh)
            assert await visit.bye() == "revoked"


async def test_a_connection_that_was_extended_elsewhere_with_what_was_revoked_since_ends_with_its_first_token(
    client: httpx.AsyncClient, there: Service, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Doorbell, "ring_session", lambda *_: None)
    async with visiting(there, token=await token(client, "alice")) as visit:
        await _listed(client)
        clock.advance(timedelta(seconds=60))
        fresh = await token(client, "alice")
        await client.post("/v1/stream/refresh", json={"session": visit.session}, headers=bearer(fresh))
        await revoke(client, token=fresh)
        clock.advance(timedelta(seconds=850))
        assert await visit.bye() == "token_expired"


async def test_what_was_opened_with_a_key_ends_when_that_is_revoked(
    client: httpx.AsyncClient, here: Service, there: Service
) -> None:
    made = (await client.post("/v1/apps/default/keys", json={"name": "a", "scopes": ["inbox"]})).json()
    async with (
        visiting(there, key=made["key"]) as direct,
        visiting(here, ticket=await ticket(client, bearer(made["key"]), user_id="alice")) as by_ticket,
        visiting(there, key=await key(client, "inbox")) as stays,
    ):
        async with asyncio.timeout(1):
            await client.delete(f"/v1/apps/default/keys/{made['id']}")
            assert [await direct.bye(), await by_ticket.bye()] == ["revoked", "revoked"]
        await send(client)
        await stays.the("notification")
        assert not stays.is_over


async def test_what_was_opened_with_a_key_that_was_rotated_ends_with_it(
    client: httpx.AsyncClient, there: Service, clock: ManualClock
) -> None:
    made = (await client.post("/v1/apps/default/keys", json={"name": "a", "scopes": ["inbox"]})).json()
    rotate = f"/v1/apps/default/keys/{made['id']}/rotate"
    async with visiting(there, key=made["key"]) as visit:
        fresh = (await client.post(rotate, json={"overlap_seconds": 3600})).json()
        assert fresh["key"] != made["key"]
        async with visiting(there, key=made["key"]) as later, visiting(there, key=fresh["key"]) as stays:
            clock.advance(timedelta(minutes=59))
            await send(client, "in time")
            for one in (visit, later, stays):
                await one.the("notification")
            clock.advance(timedelta(minutes=2))
            assert [await visit.bye(), await later.bye()] == ["token_expired", "token_expired"]
            assert not stays.is_over


def _goes_by_another(connection: Connection, credential: Credential) -> bool:
    return connection.credential != credential


async def _listed(client: httpx.AsyncClient) -> None:
    """The connection has a row by now, so that others may extend it."""

    async def look() -> list[Any]:
        items: list[Any] = (await client.get("/v1/sessions", params={"user_id": "alice"})).json()["items"]
        return items

    await eventually(look)
