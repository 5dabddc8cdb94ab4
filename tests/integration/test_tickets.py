"""Tickets: each opens one live connection of the kind and from the origin that it was made for, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest

from notify.app import Service
from notify.core.identity import hash_key
from support.calls import ALICE, send
from support.clock import ManualClock
from support.credentials import app, bearer, key, signed, ticket, token
from support.invariants import rows
from support.problems import problem_in
from support.visits import Visit, visiting

SHOP = "https://shop.example"
UNKNOWN = "nt_" + 43 * "x"


@pytest.fixture
def any_database_url(database_url: str) -> str:
    return database_url


@pytest.fixture
async def visitor(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a credential of their own."""
    async with httpx.AsyncClient(transport=client._transport, base_url="http://notify") as visitor:
        yield visitor


async def refusal(
    visitor: httpx.AsyncClient, ticket_: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> str:
    """How a stream is answered that does not begin: by a problem, or by a goodbye that a browser can hear."""
    answer = await visitor.get("/v1/stream", params={"ticket": ticket_}, headers=headers)
    assert ticket_ not in answer.text
    if status != 200:
        detail: str = problem_in(answer, status)["detail"]
        return detail
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return answer.text


SPENT = 'retry: 60000\n\nevent: bye\ndata: {"reason":"auth"}\n\n'


async def opens(service: Service, ticket_: str, headers: Mapping[str, str] | None = None) -> bool:
    """Whether a stream begins with it; then it ends again."""
    visit = Visit(service, {"ticket": ticket_}, headers or {})
    task = asyncio.create_task(visit.run())
    async with asyncio.timeout(10):
        while not visit.all("inbox") and not visit.all("bye") and not task.done():
            visit._news.clear()
            await asyncio.wait([asyncio.create_task(visit._news.wait()), task], return_when=asyncio.FIRST_COMPLETED)
        visit.leave()
        await task
    return bool(visit.all("inbox"))


async def test_a_ticket_opens_one_stream_of_its_user(service: Service, client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/tickets", headers=bearer(await token(client, "alice")))
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert made.keys() == {"ticket", "expires_at"}
    async with visiting(service, ticket=made["ticket"]) as visit:
        await send(client, "for alice")
        assert (await visit.the("notification")).json()["user_id"] == "alice"
        assert not await opens(service, made["ticket"])
        assert not visit.is_over


async def test_of_a_ticket_only_its_hash_is_kept(client: httpx.AsyncClient, database_url: str) -> None:
    made = await ticket(client, user_id="alice")
    (stored,) = rows(database_url, "SELECT hash, row_to_json(t)::text AS whole FROM notify.tickets AS t")
    assert stored["hash"] == hash_key(made)
    assert made.removeprefix("nt_") not in stored["whole"]


async def test_what_a_spent_an_expired_and_an_unknown_ticket_meet(
    service: Service, client: httpx.AsyncClient, visitor: httpx.AsyncClient, clock: ManualClock
) -> None:
    spent, expired = await ticket(client, user_id="alice"), await ticket(client, user_id="alice")
    assert await opens(service, spent)
    clock.advance(timedelta(seconds=31))
    for each in (spent, expired):
        assert await refusal(visitor, each) == SPENT
    for each in (UNKNOWN, "nt_", "nt_" + 97 * "x", "nonsense", spent + "x", spent[:-1], "\x00", "ä"):
        assert "unknown" in await refusal(visitor, each, 401)
    assert (await visitor.get("/v1/stream", params={"ticket": 101 * "x"})).status_code == 401
    # A day later nobody knows any more that there was such a ticket.
    clock.advance(timedelta(days=1))
    await service.housekeeping.tidy()
    assert "unknown" in await refusal(visitor, spent, 401)


async def test_a_ticket_is_good_until_its_time_and_not_a_moment_longer(
    service: Service, client: httpx.AsyncClient, visitor: httpx.AsyncClient, clock: ManualClock
) -> None:
    answers = [await client.post("/v1/tickets", json=ALICE) for _ in range(2)]
    first, second = (answer.json()["ticket"] for answer in answers)
    expires_at = datetime.fromisoformat(answers[0].json()["expires_at"])
    assert timedelta(seconds=29) < expires_at - clock.now() <= timedelta(seconds=30)
    clock.advance(expires_at - clock.now() - timedelta(milliseconds=1))
    assert await opens(service, first)
    clock.advance(timedelta(milliseconds=1))
    clock.advance(timedelta(seconds=1))
    assert await refusal(visitor, second) == SPENT


async def test_a_ticket_is_for_one_kind_of_endpoint_and_stays_good_for_it(
    service: Service, client: httpx.AsyncClient, visitor: httpx.AsyncClient
) -> None:
    made = await ticket(client, user_id="alice", endpoint="websocket")
    assert "endpoint" in await refusal(visitor, made, 403)
    (stored,) = rows(str(service.settings.database_url), "SELECT spent_at FROM notify.tickets")
    assert stored["spent_at"] is None


async def test_a_ticket_is_for_the_origin_that_asked_for_it_and_stays_good_for_that(
    service: Service, client: httpx.AsyncClient, visitor: httpx.AsyncClient
) -> None:
    by_page = await ticket(client, bearer(await token(client, "alice")) | {"Origin": SHOP})
    by_backend = await ticket(client, user_id="alice", origin=SHOP)
    for made in (by_page, by_backend):
        for headers in (
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": SHOP + ".evil.example"},
            {"Origin": "http://shop.example"},
            {},
        ):
            assert "origin" in await refusal(visitor, made, 403, headers)
        assert await opens(service, made, {"Origin": SHOP})


async def test_a_page_of_this_host_need_not_name_its_origin_to_open_a_stream(
    service: Service, client: httpx.AsyncClient, visitor: httpx.AsyncClient
) -> None:
    """As browsers do: with the POST they send an `Origin`, with the GET of a stream from the same host none."""
    made = await ticket(client, bearer(await token(client, "alice")) | {"Origin": "https://notify.example"})
    host = {"Host": "notify.example"}
    assert "origin" in await refusal(visitor, made, 403, host | {"Sec-Fetch-Site": "same-site"})
    assert "origin" in await refusal(visitor, made, 403, {"Host": "other.example"})
    assert await opens(service, made, host | {"Sec-Fetch-Site": "same-origin"})


async def test_without_an_origin_a_ticket_is_for_any(service: Service, client: httpx.AsyncClient) -> None:
    assert await opens(service, await ticket(client, user_id="alice"), {"Origin": SHOP})


async def test_a_ticket_that_cannot_be_is_refused(client: httpx.AsyncClient) -> None:
    wrong: list[tuple[Any, str]] = [
        ({}, "user_id"),
        ({"user_id": ""}, "/user_id"),
        ({"user_id": "alice", "endpoint": "rest"}, "/endpoint"),
        ({"user_id": "alice", "origin": "shop.example"}, "/origin"),
        ({"user_id": "alice", "origin": SHOP + "/"}, "/origin"),
        ({"user_id": "alice", "origin": SHOP + "\n"}, "/origin"),
        ({"user_id": "alice", "origin": "*"}, "/origin"),
        ({"user_id": "alice", "ttl_seconds": 5}, "/ttl_seconds"),
    ]
    for body, pointer in wrong:
        problem = problem_in(await client.post("/v1/tickets", json=body), 422, "invalid")
        assert [error["pointer"] for error in problem["errors"]] == [pointer], body
    alice = bearer(await token(client, "alice"))
    problem_in(await client.post("/v1/tickets", json={"user_id": "bob"}, headers=alice), 403, "forbidden")
    answer = await client.post("/v1/tickets", json={"origin": "https://evil.example"}, headers=alice | {"Origin": SHOP})
    assert problem_in(answer, 422)["errors"][0]["pointer"] == "/origin"
    answer = await client.post("/v1/tickets", headers=alice | {"Origin": f"https://{300 * 'x'}"})
    assert problem_in(answer, 422)["errors"][0]["pointer"] == "Origin"


async def test_a_ticket_is_of_the_app_of_its_maker(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    secret = await app(client, "shop")
    made = [
        await ticket(client, bearer(await key(client, "inbox", app_id="shop")), user_id="alice"),
        await ticket(client, bearer(signed(secret, clock, app="shop"))),
    ]
    for each in made:
        async with visiting(service, ticket=each) as visit:
            await send(client, "of another app")
            shop = bearer(await key(client, "send", app_id="shop"))
            await client.post("/v1/notifications", json={"to": "alice", "title": "of the shop"}, headers=shop)
            assert (await visit.the("notification")).json()["title"] == "of the shop"


async def test_a_ticket_opens_nobody_elses_stream_and_nothing_but_a_stream(
    service: Service, client: httpx.AsyncClient, visitor: httpx.AsyncClient
) -> None:
    made = await ticket(client, user_id="alice")
    for method, path in (("GET", "/v1/notifications"), ("HEAD", "/v1/stream"), ("POST", "/v1/tickets")):
        assert (await visitor.request(method, path, params={"ticket": made})).status_code == 401
    problem_in(await visitor.get("/v1/notifications", headers=bearer(made)), 401)
    # Shown beside a token it is not taken, and not spent.
    answer = await visitor.get("/v1/stream", params={"ticket": made, "token": await token(client, "alice")})
    assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "ticket"
    assert await opens(service, made)
    other = await ticket(client, user_id="alice")
    answer = await visitor.get("/v1/stream", params={"ticket": other, "user_id": "bob"})
    problem_in(answer, 403, "forbidden")


async def test_a_ticket_dies_with_the_token_that_made_it(
    service: Service, client: httpx.AsyncClient, visitor: httpx.AsyncClient, clock: ManualClock
) -> None:
    short = bearer(await token(client, "alice", ttl_seconds=10))
    expires_at = (await client.post("/v1/tickets", headers=short)).json()["expires_at"]
    assert datetime.fromisoformat(expires_at) - clock.now() <= timedelta(seconds=10)

    async def revoke(headers: dict[str, str]) -> None:
        await client.post("/v1/tokens/revoke", headers=headers)

    async def sign_out(_: dict[str, str]) -> None:
        await client.post("/v1/users/sign-out", json=ALICE)

    for end in (revoke, sign_out):
        maker = bearer(await token(client, "alice"))
        made = await ticket(client, maker)
        await end(maker)
        assert await refusal(visitor, made) == SPENT
        assert await opens(service, await ticket(client, bearer(await token(client, "alice"))))


async def test_what_a_ticket_opens_ends_with_the_token_that_made_it(
    service: Service, client: httpx.AsyncClient, clock: ManualClock
) -> None:
    made = await ticket(client, bearer(await token(client, "alice", ttl_seconds=60)))
    async with visiting(service, ticket=made) as visit:
        clock.advance(timedelta(seconds=61))
        assert await visit.bye() == "token_expired"


async def test_a_ticket_made_with_a_key_lasts_as_long_as_a_token_and_not_longer_than_the_key(
    service: Service, client: httpx.AsyncClient, visitor: httpx.AsyncClient, clock: ManualClock
) -> None:
    keys = "/v1/apps/default/keys"
    ends_at = (clock.now() + timedelta(seconds=300)).isoformat()
    ends = (await client.post(keys, json={"name": "a", "scopes": ["inbox"], "expires_at": ends_at})).json()
    stays = (await client.post(keys, json={"name": "b", "scopes": ["inbox", "send"]})).json()
    async with (
        visiting(service, ticket=await ticket(client, bearer(ends["key"]), user_id="alice")) as short,
        visiting(service, ticket=await ticket(client, bearer(stays["key"]), user_id="alice")) as long,
    ):
        clock.advance(timedelta(seconds=302))
        assert await short.bye() == "token_expired"
        assert not long.is_over
        clock.advance(timedelta(seconds=600))
        assert await long.bye() == "token_expired"
    unspent = await ticket(client, bearer(stays["key"]), user_id="alice")
    await client.delete(f"{keys}/{stays['id']}")
    assert await refusal(visitor, unspent) == SPENT
    by_key = await ticket(client, user_id="alice")
    await client.post("/v1/users/sign-out", json=ALICE)
    assert await refusal(visitor, by_key) == SPENT


async def test_who_has_no_inbox_makes_no_ticket(client: httpx.AsyncClient) -> None:
    for headers in (bearer(await key(client, "send", "admin")), bearer(await token(client, "alice", "send"))):
        problem_in(await client.post("/v1/tickets", json=ALICE, headers=headers), 403, "forbidden")


async def test_of_many_who_bring_the_same_ticket_one_gets_in(service: Service, client: httpx.AsyncClient) -> None:
    for _ in range(5):
        made = await ticket(client, user_id="alice")
        assert (await asyncio.gather(*(opens(service, made) for _ in range(20)))).count(True) == 1
