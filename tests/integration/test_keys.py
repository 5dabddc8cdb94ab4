"""API keys that end, are replaced, are taken from some addresses only, or are for some types only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import httpx
import pytest

from notify.app import Service
from notify.settings import Settings
from support.calls import ALICE, everything, send
from support.clock import ManualClock
from support.credentials import app, bearer
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY

KEYS = "/v1/apps/default/keys"
INBOX = "/v1/notifications"


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # Who may do what is the same on every PostgreSQL.
    return database_url


@asynccontextmanager
async def calling(
    service: Service, headers: dict[str, str], address: str = "127.0.0.1"
) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(cast(Any, service.asgi), client=(address, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=headers) as client:
        yield client


async def make(client: httpx.AsyncClient, *scopes: str, **bounds: Any) -> dict[str, Any]:
    answer = await client.post(KEYS, json={"name": "a key", "scopes": list(scopes) or ["inbox"], **bounds})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def rotate(client: httpx.AsyncClient, made: dict[str, Any], overlap_seconds: int = 0) -> dict[str, Any]:
    answer = await client.post(f"{KEYS}/{made['id']}/rotate", json={"overlap_seconds": overlap_seconds})
    assert answer.status_code == 201, answer.text
    fresh: dict[str, Any] = answer.json()
    return fresh


async def status(client: httpx.AsyncClient, made: dict[str, Any]) -> int:
    return (await client.get(INBOX, params=ALICE, headers=bearer(made["key"]))).status_code


async def listed(client: httpx.AsyncClient) -> dict[str, Any]:
    return {each["id"]: each for each in (await client.get(KEYS, params={"limit": 100})).json()["items"]}


# Their end


async def test_a_key_works_until_it_ends_and_not_a_moment_longer(client: httpx.AsyncClient, clock: ManualClock) -> None:
    ends_at = clock.now() + timedelta(hours=1)
    made = await make(client, expires_at=ends_at.isoformat())
    assert datetime.fromisoformat(made["expires_at"]) == ends_at
    clock.advance(ends_at - clock.now() - timedelta(milliseconds=1))
    assert await status(client, made) == 200
    clock.advance(timedelta(milliseconds=1))
    answer = await client.get(INBOX, params=ALICE, headers=bearer(made["key"]))
    assert "expired" in problem_in(answer, 401, "unauthorized")["detail"]
    problem_in(await client.get("/v1/stream", params=ALICE, headers=bearer(made["key"])), 401)


async def test_a_rotated_key_works_beside_the_new_one_until_the_overlap_ends(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    bounds = {"allowed_addresses": ["127.0.0.0/8"], "types": ["order.*"]}
    made = await make(client, "inbox", "send", **bounds)
    fresh = await rotate(client, made, 3600)
    same = {"name", "scopes", "expires_at", "allowed_addresses", "types"}
    assert {name: fresh[name] for name in same} == {name: made[name] for name in same}
    assert fresh["key"] != made["key"]
    assert fresh["id"] != made["id"]
    assert fresh.keys() == made.keys()
    assert [await status(client, each) for each in (made, fresh)] == [200, 200]
    ends_at = datetime.fromisoformat((await listed(client))[made["id"]]["expires_at"])
    assert timedelta(minutes=59) < ends_at - clock.now() <= timedelta(hours=1)
    clock.advance(timedelta(hours=1))
    assert [await status(client, each) for each in (made, fresh)] == [401, 200]
    problem_in(await client.post(f"{KEYS}/{made['id']}/rotate", json={"overlap_seconds": 0}), 404, "not-found")


async def test_without_an_overlap_no_process_takes_the_old_key_when_the_new_one_is_shown(
    client: httpx.AsyncClient, database_url: str, clock: ManualClock
) -> None:
    settings = Settings(database_url=database_url, admin_key=ADMIN_KEY)
    async with Service(settings, clock).running() as another, calling(another, ADMIN) as elsewhere:
        made = await make(client)
        assert await status(elsewhere, made) == 200
        fresh = await rotate(client, made)
        assert [await status(one, each) for one in (elsewhere, client) for each in (made, fresh)] == [401, 200] * 2
    assert (await listed(client))[made["id"]]["revoked_at"] is not None


async def test_an_overlap_outlasts_no_key(client: httpx.AsyncClient, clock: ManualClock) -> None:
    ends_at = clock.now() + timedelta(minutes=10)
    made = await make(client, expires_at=ends_at.isoformat())
    fresh = await rotate(client, made, 3600)
    assert datetime.fromisoformat(fresh["expires_at"]) == ends_at
    assert datetime.fromisoformat((await listed(client))[made["id"]]["expires_at"]) == ends_at
    clock.advance(timedelta(minutes=10))
    assert [await status(client, each) for each in (made, fresh)] == [401, 401]


async def test_what_cannot_be_rotated_is_refused(client: httpx.AsyncClient) -> None:
    await app(client, "shop")
    made, revoked = await make(client), await make(client)
    await client.delete(f"{KEYS}/{revoked['id']}")
    for path in (f"{KEYS}/{revoked['id']}", f"/v1/apps/shop/keys/{made['id']}", f"{KEYS}/{UUID(int=0)}"):
        problem_in(await client.post(f"{path}/rotate", json={"overlap_seconds": 0}), 404, "not-found")
    for body in ({}, {"overlap_seconds": -1}, {"overlap_seconds": 2_592_001}, {"overlap_seconds": 1.5}, {"x": 1}):
        problem_in(await client.post(f"{KEYS}/{made['id']}/rotate", json=body), 422, "invalid")
    assert await status(client, made) == 200


async def test_a_key_that_was_rotated_many_times_at_once_is_followed_by_keys_that_work(
    client: httpx.AsyncClient,
) -> None:
    made = await make(client)
    answers = await asyncio.gather(
        *(client.post(f"{KEYS}/{made['id']}/rotate", json={"overlap_seconds": 0}) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[404] * 7]
    (fresh,) = (answer.json() for answer in answers if answer.is_success)
    assert [await status(client, each) for each in (made, fresh)] == [401, 200]


async def test_a_bounded_key_makes_and_rotates_none_that_is_bounded_less(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    ends_at = (clock.now() + timedelta(hours=1)).isoformat()
    bounds = {"expires_at": ends_at, "allowed_addresses": ["127.0.0.0/8"]}
    maker = bearer((await make(client, "admin", **bounds))["key"])
    free = await make(client)
    for body, pointer in (
        ({"allowed_addresses": ["127.0.0.1"]}, "/expires_at"),
        ({"expires_at": ends_at}, "/allowed_addresses"),
        ({**bounds, "allowed_addresses": ["127.0.0.1", "10.0.0.1"]}, "/allowed_addresses"),
    ):
        answer = await client.post(KEYS, json={"name": "a", "scopes": ["inbox"], **body}, headers=maker)
        assert [error["pointer"] for error in problem_in(answer, 403, "forbidden")["errors"]] == [pointer]
    within = {"name": "a", "scopes": ["inbox", "send", "admin"], **bounds}
    assert (await client.post(KEYS, json=within, headers=maker)).status_code == 201
    rotation = await client.post(f"{KEYS}/{free['id']}/rotate", json={"overlap_seconds": 0}, headers=maker)
    problem_in(rotation, 403, "forbidden")
    assert await status(client, free) == 200, "it was not rotated"


# From where


async def test_a_key_is_taken_from_the_addresses_that_it_names(
    client: httpx.AsyncClient, database_url: str, clock: ManualClock
) -> None:
    settings = Settings(database_url=database_url, admin_key=ADMIN_KEY, trusted_proxies=["10.0.0.0/8"])
    async with Service(settings, clock).running() as behind:
        for allowed, peer, forwarded, expected in (
            ("192.0.2.0/24", "192.0.2.7", None, 200),
            ("192.0.2.0/24", "198.51.100.1", None, 403),
            ("192.0.2.0/24", "::ffff:192.0.2.7", None, 200),
            ("2001:db8::/32", "2001:db8::1", None, 200),
            ("2001:db8::/32", "192.0.2.7", None, 403),
            # Behind a proxy of ours the address is the client's; from anybody else the header says nothing.
            ("192.0.2.7", "10.0.0.1", "192.0.2.7", 200),
            ("192.0.2.7", "10.0.0.1", "198.51.100.1", 403),
            ("192.0.2.7", "10.0.0.1", "192.0.2.7, 198.51.100.1", 403),
            ("192.0.2.7", "198.51.100.1", "192.0.2.7", 403),
            ("10.0.0.0/8", "10.0.0.1", "192.0.2.7", 403),
        ):
            made = await make(client, allowed_addresses=[allowed])
            headers = bearer(made["key"]) | ({} if forwarded is None else {"X-Forwarded-For": forwarded})
            async with calling(behind, headers, peer) as caller:
                answer = await caller.get(INBOX, params=ALICE)
                assert (allowed, peer, forwarded, answer.status_code) == (allowed, peer, forwarded, expected)
                if expected == 403:
                    assert "address" in problem_in(answer, 403, "forbidden")["detail"]


# Of which types


@pytest.fixture
async def limited(service: Service, client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    made = await make(client, "send", "inbox", types=["order.*", "invoice"])
    async with calling(service, bearer(made["key"])) as caller:
        yield caller


async def test_a_key_sends_only_what_is_of_its_types(client: httpx.AsyncClient, limited: httpx.AsyncClient) -> None:
    for type_ in ("order.created", "invoice"):
        await send(limited, type=type_)
    for way in ({}, {"type": None}, {"type": "order"}, {"type": "invoice.paid"}, {"type": "alarm"}):
        for to in ("alice", ["alice", "bob"], {"topic": "a"}, {"everyone": True}):
            for how in ({}, {"durable": False}, {"send_at": "2026-03-02T12:00:00Z"}):
                answer = await limited.post(INBOX, json={"to": to, "title": "a", **way, **how})
                problem = problem_in(answer, 403, "forbidden")
                assert [error["pointer"] for error in problem["errors"]] == ["/type"]
    assert len(await everything(client)) == 2
    assert (await client.get("/v1/scheduled")).json()["items"] == []


async def test_in_a_batch_each_item_is_refused_for_itself(
    client: httpx.AsyncClient, limited: httpx.AsyncClient
) -> None:
    items = [{"to": "alice", "title": "a", "type": type_} for type_ in ("order.a", "alarm", "invoice")]
    answers = (await limited.post(f"{INBOX}/batch", json={"items": items})).json()["items"]
    assert [answer["status"] for answer in answers] == [201, 403, 201]
    assert answers[1]["problem"]["errors"][0]["pointer"] == "/type"
    assert {item["type"] for item in await everything(client)} == {"order.a", "invoice"}


async def test_a_key_edits_recalls_and_cancels_only_what_is_of_its_types(
    client: httpx.AsyncClient, limited: httpx.AsyncClient
) -> None:
    later = {"send_at": "2026-03-02T12:00:00Z"}
    for type_, allowed in (("order.created", True), ("alarm", False), (None, False)):
        one = await send(client, type=type_)
        publication = {"to": {"everyone": True}, "title": "a", "type": type_}
        published = (await client.post(INBOX, json=publication)).json()["id"]
        scheduled = (await client.post(INBOX, json={"to": "bob", "title": "a", "type": type_, **later})).json()["id"]
        edit = {"title": "b"}
        answers = [
            await limited.patch(f"{INBOX}/{one}", json=edit),
            await limited.patch(f"/v1/operations/{published}", json=edit),
            await limited.delete(f"/v1/operations/{published}"),
            await limited.delete(f"/v1/scheduled/{scheduled}"),
        ]
        assert [answer.status_code for answer in answers] == ([200, 200, 204, 204] if allowed else [403] * 4)
    # What is not there is not found, as ever.
    missing = "01a1fd61-d36a-7e3b-90cb-826a32323436"
    for path in (f"{INBOX}/{missing}", f"/v1/operations/{missing}"):
        problem_in(await limited.patch(path, json={"title": "b"}), 404)


async def test_a_limited_key_gives_out_no_token_that_is_not(limited: httpx.AsyncClient) -> None:
    assert (await limited.post("/v1/tokens", json=ALICE)).status_code == 201
    for body in ({"scope": "inbox send"}, {"role": "admin"}):
        problem_in(await limited.post("/v1/tokens", json={**ALICE, **body}), 403, "forbidden")


@pytest.mark.parametrize(
    ("bounds", "pointer"),
    [
        ({"types": []}, "/types"),
        ({"types": ["*"]}, "/types/0"),
        ({"types": ["order*"]}, "/types/0"),
        ({"types": 51 * ["a"]}, "/types"),
        ({"types": ["a"], "scopes": ["inbox"]}, "/types"),
        ({"types": ["a"], "scopes": ["send", "admin"]}, "/types"),
        ({"allowed_addresses": []}, "/allowed_addresses"),
        ({"allowed_addresses": ["10.0.0.1/8"]}, "/allowed_addresses/0"),
        ({"allowed_addresses": [f"10.0.0.{n}" for n in range(51)]}, "/allowed_addresses"),
        ({"expires_at": "2026-03-01T11:00:00Z"}, "/expires_at"),
        ({"expires_at": "2026-03-01T13:00:00"}, "/expires_at"),
    ],
)
async def test_bounds_that_cannot_be_are_refused(client: httpx.AsyncClient, bounds: Any, pointer: str) -> None:
    problem = problem_in(await client.post(KEYS, json={"name": "a", "scopes": ["send"], **bounds}), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
