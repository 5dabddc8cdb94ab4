"""How much one caller may ask for, one user be sent, and one address be wrong about who it is."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest

from notify.app import Service
from notify.settings import Settings
from support.calls import ALICE, count, send
from support.clock import ManualClock
from support.credentials import app, bearer, key, signed, token
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY

CREATE = "/v1/notifications"
COUNT = f"{CREATE}/count"
ELSEWHERE = "203.0.113.9"

Limited = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]


@pytest.fixture
def limited(database_url: str, clock: ManualClock) -> Limited:
    """A service with these settings, and a client of it at an address that is not this machine's."""

    @asynccontextmanager
    async def make(**settings: Any) -> AsyncIterator[httpx.AsyncClient]:
        service = Service(Settings(database_url=database_url, admin_key=ADMIN_KEY, **settings), clock)
        async with service.running(), at(service, ELSEWHERE) as client:
            yield client

    return make


def at(service: Service, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(cast(Any, service.asgi), client=(address, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN)


def moved(client: httpx.AsyncClient, address: str) -> httpx.AsyncClient:
    transport = cast(httpx.ASGITransport, client._transport)
    other = httpx.ASGITransport(transport.app, client=(address, 4711))
    return httpx.AsyncClient(transport=other, base_url="http://notify", headers=ADMIN)


async def turned_away(client: httpx.AsyncClient, limit: str) -> float:
    figures = (await client.get("/metrics")).text
    (line,) = [line for line in figures.splitlines() if line.startswith(f'notify_limited_total{{limit="{limit}"}}')]
    return float(line.rpartition(" ")[2])


# Requests


async def test_a_key_that_asks_too_often_is_told_when_to_go_on(limited: Limited, clock: ManualClock) -> None:
    async with limited(key_requests_per_second=0.5, key_burst=3) as client:
        own = bearer(await key(client, "send"))
        other = bearer(await key(client, "send"))
        for left in (2, 1, 0):
            answer = await client.post(CREATE, json={"to": "alice", "title": "a"}, headers=own)
            assert answer.status_code == 201
            assert answer.headers["ratelimit-policy"] == '"requests-per-key";q=3;w=6'
            assert answer.headers["ratelimit"].startswith(f'"requests-per-key";r={left};t=')
        answer = await client.post(CREATE, json={"to": "alice", "title": "a"}, headers=own)
        problem_in(answer, 429, "too-many-requests")
        assert answer.headers["retry-after"] == "2"
        assert answer.headers["ratelimit"] == '"requests-per-key";r=0;t=6'
        assert await turned_away(client, "requests-per-key") == 1
        # Everybody else goes on, and the figures are of the others.
        assert (await client.post(CREATE, json={"to": "alice", "title": "a"}, headers=other)).status_code == 201
        assert (await client.get("/health/live", headers=own)).status_code == 200
        clock.advance(timedelta(seconds=2))
        assert (await client.post(CREATE, json={"to": "alice", "title": "a"}, headers=own)).status_code == 201
        assert (await count(client))["total"] == 5


async def test_what_is_refused_counts_too_and_says_what_is_left(limited: Limited) -> None:
    async with limited(key_requests_per_second=0.1, key_burst=2) as client:
        own = bearer(await key(client, "send"))
        forbidden = await client.get(COUNT, params=ALICE, headers=own)
        problem_in(forbidden, 403, "forbidden")
        assert forbidden.headers["ratelimit"].startswith('"requests-per-key";r=1;t=')
        invalid = await client.post(CREATE, json={}, headers=own)
        problem_in(invalid, 422, "invalid")
        assert invalid.headers["ratelimit"].startswith('"requests-per-key";r=0;t=')
        # Before anything is read or looked at.
        problem_in(await client.post(CREATE, content=b"nonsense", headers=own), 429, "too-many-requests")


async def test_a_user_has_one_allowance_for_all_their_tokens_and_no_one_elses(
    limited: Limited, clock: ManualClock
) -> None:
    async with limited(user_requests_per_second=0.1, user_burst=2) as client:
        secret = await app(client, "shop")
        first, second = bearer(await token(client, "alice")), bearer(await token(client, "alice"))
        bob, namesake = bearer(await token(client, "bob")), bearer(signed(secret, clock, app="shop"))
        for headers in (first, second):
            answer = await client.get(COUNT, headers=headers)
            assert answer.status_code == 200
            assert answer.headers["ratelimit-policy"] == '"requests-per-user";q=2;w=20'
        for headers in (first, second):
            problem_in(await client.get(COUNT, headers=headers), 429, "too-many-requests")
        for headers in (bob, namesake):
            assert (await client.get(COUNT, headers=headers)).status_code == 200


async def test_the_admin_key_and_what_is_open_to_all_have_no_limit(limited: Limited) -> None:
    async with limited(key_requests_per_second=0.1, key_burst=1, user_requests_per_second=0.1, user_burst=1) as client:
        for _ in range(5):
            for path in ("/v1/apps", "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"):
                answer = await client.get(path)
                assert answer.status_code == 200
                assert "ratelimit" not in answer.headers


async def test_without_a_limit_nothing_is_counted(limited: Limited) -> None:
    async with limited(key_requests_per_second=0, user_requests_per_second=0) as client:
        for headers in (bearer(await key(client, "inbox")), bearer(await token(client, "alice"))):
            answer = await client.get(COUNT, params=ALICE, headers=headers)
            assert answer.status_code == 200
            assert "ratelimit-policy" not in answer.headers


async def test_a_stream_for_which_there_is_no_request_left_is_told_to_come_back(limited: Limited) -> None:
    async with limited(user_requests_per_second=0.1, user_burst=1) as client:
        alice = bearer(await token(client, "alice"))
        assert (await client.get(COUNT, headers=alice)).status_code == 200
        answer = await client.get("/v1/stream", headers=alice)
        assert answer.status_code == 200
        assert answer.text.startswith("retry: ")
        assert answer.text.endswith('event: bye\ndata: {"reason":"overload"}\n\n')
        assert 10_000 <= int(answer.text.split()[1]) <= 60_000


# Wrong credentials


async def test_an_address_that_is_wrong_again_and_again_is_slowed_down(limited: Limited, clock: ManualClock) -> None:
    async with limited(failed_credentials_per_second=0.1, failed_credentials_burst=3) as client:
        good_key, good_token = bearer(await key(client, "inbox")), bearer(await token(client, "alice"))
        wrong = [bearer("nk_nonsense"), bearer("a.b.c"), {"X-API-Key": "x", "Authorization": ""}]
        for headers in wrong:
            problem_in(await client.get(COUNT, params=ALICE, headers=headers), 401, "unauthorized")
        for headers in wrong:
            answer = await client.get(COUNT, params=ALICE, headers=headers)
            problem_in(answer, 429, "too-many-requests")
            assert answer.headers["retry-after"] == "10"
        assert await turned_away(client, "failed-credentials") == 3
        # Whoever has the same address and a good credential is not kept out by that.
        for headers in (good_key, good_token):
            assert (await client.get(COUNT, params=ALICE, headers=headers)).status_code == 200
        # Only the admin key could be guessed, so it is not tried from there. From elsewhere it works.
        problem_in(await client.get("/v1/apps"), 429, "too-many-requests")
        async with moved(client, "198.51.100.7") as elsewhere:
            assert (await elsewhere.get("/v1/apps")).status_code == 200
        clock.advance(timedelta(seconds=11))
        assert (await client.get("/v1/apps")).status_code == 200


async def test_addresses_of_one_ipv6_customer_count_as_one(limited: Limited) -> None:
    async with limited(failed_credentials_per_second=0.01, failed_credentials_burst=2) as client:
        statuses = []
        for address in ("2001:db8:1:2::1", "2001:db8:1:2::2", "2001:db8:1:2:ffff::3", "2001:db8:1:3::1"):
            async with moved(client, address) as other:
                statuses.append((await other.get(COUNT, headers=bearer("wrong"))).status_code)
        assert statuses == [401, 401, 429, 401]


async def test_tokens_that_ran_out_are_no_guesses_and_this_machine_is_not_counted(
    limited: Limited, clock: ManualClock
) -> None:
    async with limited(failed_credentials_per_second=0.01, failed_credentials_burst=1) as client:
        old = bearer(await token(client, "alice"))
        clock.advance(timedelta(hours=1))
        for _ in range(5):
            problem_in(await client.get(COUNT, headers=old), 401, "unauthorized")
        async with moved(client, "127.0.0.1") as here:
            for _ in range(5):
                problem_in(await here.get(COUNT, headers=bearer("wrong")), 401, "unauthorized")


# Creates


async def test_a_user_who_is_sent_too_much_is_named_and_nobody_gets_it(limited: Limited, clock: ManualClock) -> None:
    async with limited(recipient_creates_per_second=0.1, recipient_burst=2) as client:
        for _ in range(2):
            await send(client, to="bob")
        for to, pointers in (("bob", ["/to"]), (["alice", "bob", "carol", "bob"], ["/to/1", "/to/3"])):
            answer = await client.post(CREATE, json={"to": to, "title": "too much"})
            problem = problem_in(answer, 429, "too-many-creates")
            assert [error["pointer"] for error in problem["errors"]] == pointers
            assert answer.headers["retry-after"] == "10"
        for passing in ({"durable": False}, {"send_at": "2027-01-01T00:00:00Z"}):
            answer = await client.post(CREATE, json={"to": "bob", "title": "too much", **passing})
            problem_in(answer, 429, "too-many-creates")
        assert [(await count(client, user_id=user))["total"] for user in ("alice", "bob", "carol")] == [0, 2, 0]
        assert await turned_away(client, "creates-per-recipient") == 4
        # None of it was counted against the others.
        for _ in range(2):
            assert (await client.post(CREATE, json={"to": ["alice", "carol"], "title": "a"})).status_code == 201
        assert (await client.post(CREATE, json={"to": {"everyone": True}, "title": "a"})).status_code == 202
        clock.advance(timedelta(seconds=10))
        await send(client, to="bob")


async def test_of_a_batch_only_what_is_too_much_fails(limited: Limited) -> None:
    async with limited(recipient_creates_per_second=0.01, recipient_burst=2) as client:
        items = [{"to": to, "title": "a"} for to in ("bob", "alice", "bob", "bob", "carol")] + [{"to": "dave"}]
        answer = await client.post(f"{CREATE}/batch", json={"items": items})
        assert [item["status"] for item in answer.json()["items"]] == [201, 201, 201, 429, 201, 422]
        problem = answer.json()["items"][3]["problem"]
        assert problem["type"] == "/problems/too-many-creates"
        assert problem["errors"][0]["pointer"] == "/to"
        assert [(await count(client, user_id=user))["total"] for user in ("alice", "bob", "carol")] == [1, 2, 1]


async def test_a_batch_sent_again_with_its_key_writes_what_had_to_wait_and_nothing_twice(
    limited: Limited, clock: ManualClock
) -> None:
    async with limited(recipient_creates_per_second=0.1, recipient_burst=2) as client:
        await send(client, to="bob")
        items = [{"to": to, "title": "a"} for to in ("alice", "bob", "bob")]
        headers = {"Idempotency-Key": "once"}

        async def statuses() -> list[int]:
            answer = await client.post(f"{CREATE}/batch", json={"items": items}, headers=headers)
            return [item["status"] for item in answer.json()["items"]]

        assert await statuses() == [201, 201, 429]
        clock.advance(timedelta(minutes=1))
        assert await statuses() == [201, 201, 201]
        assert [(await count(client, user_id=user))["total"] for user in ("alice", "bob")] == [1, 3]
        # Where the first item has to wait there is nothing that another request with this key would meet.
        for _ in range(2):
            await send(client, to="carol")
        late = {"items": [{"to": "carol", "title": "a"}, {"to": "dave", "title": "a"}]}
        answer = await client.post(f"{CREATE}/batch", json=late, headers={"Idempotency-Key": "another"})
        problem_in(answer, 429, "too-many-creates")
        assert (await count(client, user_id="dave"))["total"] == 0


# Memory


async def test_what_is_remembered_is_bounded_and_shown(limited: Limited) -> None:
    async with limited(recipient_creates_per_second=0.01, max_buckets=1000) as client:
        for start in range(0, 3000, 1000):
            to = [f"user-{number}" for number in range(start, start + 1000)]
            assert (await client.post(CREATE, json={"to": to, "title": "a"})).status_code == 201
        figures = (await client.get("/metrics")).text
        assert 'notify_limit_buckets{limit="creates-per-recipient"} 1000.0' in figures
