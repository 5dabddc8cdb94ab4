"""Tickets and sign-outs over real sockets, with two processes on one database, and nothing of them in a log."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from support.credentials import bearer, ticket
from support.processes import ADMIN, NotifyProcess
from support.servers import TestServer
from support.sockets import JSON, open_socket
from support.streams import EventStream
from support.waiting import eventually

Pair = tuple[NotifyProcess, NotifyProcess]
SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def pair(embedded_server: TestServer) -> Iterator[Pair]:
    with embedded_server.database() as url:
        environment = {"NOTIFY_DATABASE_URL": url, "NOTIFY_LOG_LEVEL": "debug"}
        with NotifyProcess(environment) as first, NotifyProcess(environment) as second:
            yield first, second


@pytest.fixture
async def client(pair: Pair) -> Any:
    async with httpx.AsyncClient(base_url=pair[0].url, headers=ADMIN, timeout=15) as client:
        yield client


async def token_of(client: httpx.AsyncClient, user_id: str, **fields: Any) -> str:
    token: str = (await client.post("/v1/tokens", json={"user_id": user_id, **fields})).json()["token"]
    return token


async def how_it_begins(process: NotifyProcess, **query: str) -> str:
    """The first event of a stream: `inbox` closes a start, `bye` is all there is for who may not."""
    async with await EventStream.open(process.url, headers={}, query=query) as stream:
        assert stream.status == 200
        while True:
            block = await stream.next()
            if block.event is not None:
                return block.event


async def test_of_a_hundred_who_bring_the_same_ticket_to_two_processes_one_gets_in(
    pair: Pair, client: httpx.AsyncClient
) -> None:
    for _ in range(3):
        made = await ticket(client, user_id="alice")
        begun = await asyncio.gather(*(how_it_begins(pair[number % 2], ticket=made) for number in range(100)))
        assert Counter(begun) == {"inbox": 1, "bye": 99}


async def test_a_ticket_opens_one_websocket_and_says_why_it_opens_no_other(
    pair: Pair, client: httpx.AsyncClient
) -> None:
    made = await ticket(client, bearer(await token_of(client, "alice")), endpoint="websocket")
    async with open_socket(pair[1].url, ticket=made) as socket:
        await socket.started()
        async with open_socket(pair[0].url, ticket=made) as again:
            assert await again.ended() == 4401
            assert again.bye == {"type": "bye", "reason": "auth"}
        # Whoever offers no subprotocol of ours hears it as an answer to the handshake.
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(pair[0].url, subprotocols=None, ticket=made):
                pass
        assert refused.value.response.status_code == 401


async def test_a_ticket_of_another_endpoint_or_origin_opens_no_websocket_and_stays_good_for_its_owner(
    pair: Pair, client: httpx.AsyncClient
) -> None:
    elsewhere = await ticket(client, user_id="alice")
    from_elsewhere = await ticket(client, user_id="alice", endpoint="websocket", origin=SHOP)
    for made in (elsewhere, from_elsewhere):
        async with open_socket(pair[0].url, headers={"Origin": "https://evil.example"}, ticket=made) as socket:
            assert await socket.ended() == 4403
            assert socket.bye == {"type": "bye", "reason": "auth"}
    assert await how_it_begins(pair[0], ticket=elsewhere) == "inbox"
    async with open_socket(pair[0].url, headers={"Origin": SHOP}, ticket=from_elsewhere) as socket:
        await socket.started()


async def test_a_hundred_websockets_with_one_ticket_are_one(pair: Pair, client: httpx.AsyncClient) -> None:
    made = await ticket(client, user_id="alice", endpoint="websocket")

    async def first_word(process: NotifyProcess) -> str:
        async with open_socket(process.url, subprotocols=(JSON,), ticket=made) as socket:
            word: str = (await socket.hear())["type"]
            return word

    words = await asyncio.gather(*(first_word(pair[number % 2]) for number in range(100)))
    assert Counter(words) == {"welcome": 1, "bye": 99}


async def test_whoever_is_signed_out_is_gone_within_a_second_from_sse_and_websocket(
    pair: Pair, client: httpx.AsyncClient
) -> None:
    user = "dora"
    token = await token_of(client, user)
    async with (
        await EventStream.open(pair[1].url, headers=bearer(token)) as stream,
        open_socket(pair[1].url, token=token) as socket,
        await EventStream.open(pair[0].url, headers=bearer(token)) as near,
    ):
        await stream.the("inbox")
        await near.the("inbox")
        await socket.started()
        before = time.monotonic()
        assert (await client.post("/v1/users/sign-out", json={"user_id": user})).status_code == 204
        assert (await stream.the("bye")).json() == {"reason": "revoked"}
        assert (await near.the("bye")).json() == {"reason": "revoked"}
        assert await socket.ended() == 4410
        assert time.monotonic() - before < 1
        await eventually(lambda: stream.is_complete)
    for process in pair:
        async with httpx.AsyncClient(base_url=process.url, headers=bearer(token)) as gone:
            assert (await gone.get("/v1/notifications")).status_code == 401
        # A browser that comes back with it hears why, and comes again no sooner than in a minute.
        assert await how_it_begins(process, token=token) == "bye"


async def test_a_websocket_goes_by_the_token_that_it_was_extended_with(pair: Pair, client: httpx.AsyncClient) -> None:
    first, second = await token_of(client, "erin", ttl_seconds=600), await token_of(client, "erin", ttl_seconds=900)
    async with open_socket(pair[1].url, token=first) as socket:
        await socket.started()
        await socket.told("auth", token=second)
        await client.post("/v1/tokens/revoke", json={"token": first})
        await socket.told("ping")
        assert (await socket.refused("auth", token=first))["status"] == 401
        await client.post("/v1/tokens/revoke", json={"token": second})
        assert await socket.ended() == 4410


async def test_no_ticket_token_or_key_is_in_a_log_or_in_an_answer_that_refuses_it(
    pair: Pair, client: httpx.AsyncClient
) -> None:
    made = [await ticket(client, user_id="alice", origin=SHOP) for _ in range(3)]
    token = await token_of(client, "frank")
    key = (await client.post("/v1/apps/default/keys", json={"name": "a", "scopes": ["inbox"]})).json()
    await client.post("/v1/tokens/revoke", json={"token": token})
    await client.delete(f"/v1/apps/default/keys/{key['id']}")
    answers: list[str] = []
    for process in pair:
        async with httpx.AsyncClient(base_url=process.url) as visitor:
            for query in (
                {"ticket": made[0]},
                {"ticket": made[1], "token": token},
                {"ticket": made[2] + "x"},
                {"ticket": [made[0], made[1]]},
                {"ticket": made[0], "nonsense": "1"},
                {"ticket": 2 * made[0]},
                {"token": token},
                {"token": key["key"]},
            ):
                answers.append((await visitor.get("/v1/stream", params=query)).text)
                answers.append((await visitor.get("/v1/ws", params=query)).text)
                answers.append((await visitor.head("/v1/stream", params=query)).text)
            answers.append((await visitor.post("/v1/tickets", headers=bearer(key["key"]))).text)
            answers.append((await visitor.post("/v1/tokens/revoke", headers=bearer(token))).text)
            body = {"token": f"{token}x"}
            answers.append((await visitor.post("/v1/tokens/revoke", json=body, headers=ADMIN)).text)
        for query in ({"ticket": made[0]}, {"ticket": made[2] + "x"}, {"token": token}):
            async with open_socket(process.url, headers=None, subprotocols=(JSON,), **query) as socket:
                assert await socket.ended() in {4401, 4403}
            answers.append(str(socket.heard))
    for secret in (*made, token, key["key"]):
        shown = secret[3:30]
        assert not [answer for answer in answers if shown in answer]
        for process in pair:
            assert not [line for line in (*process.log, *process.output) if shown in line]
    assert any('"/v1/tokens/revoke"' in line for line in pair[0].log), pair[0].log[-3:]


async def test_over_the_websocket_a_user_may_send_as_over_rest(pair: Pair, client: httpx.AsyncClient) -> None:
    to_all, to_bob = ({"to": to, "title": "a"} for to in ({"everyone": True}, "bob"))
    speaking = {**to_bob, "actor": {"name": "Bob", "id": "bob"}}
    made = {role: await token_of(client, "grace", scope="inbox send", role=role) for role in ("user", "admin")}
    async with open_socket(pair[0].url, token=made["user"]) as socket:
        await socket.started()
        for notification, pointer in ((to_all, "/notification/to"), (speaking, "/notification/actor/id")):
            problem = await socket.refused("send", notification=notification)
            assert (problem["status"], [error["pointer"] for error in problem["errors"]]) == (403, [pointer])
        await socket.told("send", notification=to_bob)
    # A ticket may do what the token may that made it.
    by_admin = await ticket(client, bearer(made["admin"]), endpoint="websocket")
    async with open_socket(pair[1].url, ticket=by_admin) as socket:
        await socket.started()
        for notification in (to_all, speaking):
            await socket.told("send", notification=notification)
    # One that was made with a key is for looking and marking.
    by_key = await ticket(client, user_id="grace", endpoint="websocket")
    async with open_socket(pair[0].url, ticket=by_key) as socket:
        await socket.started()
        assert (await socket.refused("send", notification=to_bob))["status"] == 403
