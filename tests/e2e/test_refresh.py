"""A stream whose token runs out: it is told in time, goes on with a fresh one, and ends without."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime

import httpx
import pytest

from support.processes import ADMIN, NotifyProcess
from support.servers import TestServer
from support.sockets import open_socket
from support.streams import EventStream
from support.waiting import eventually

Pair = tuple[NotifyProcess, NotifyProcess]
ORIGIN = "https://shop.example"


@pytest.fixture(scope="module")
def pair(embedded_server: TestServer) -> Iterator[Pair]:
    with embedded_server.database() as url:
        environment = {"NOTIFY_DATABASE_URL": url, "NOTIFY_CORS_ORIGINS": ORIGIN}
        with NotifyProcess(environment) as first, NotifyProcess(environment) as second:
            yield first, second


async def token_of(client: httpx.AsyncClient, ttl_seconds: int, user_id: str = "alice") -> str:
    answer = await client.post("/v1/tokens", json={"user_id": user_id, "ttl_seconds": ttl_seconds}, headers=ADMIN)
    token: str = answer.json()["token"]
    return token


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def following(process: NotifyProcess, token: str) -> AsyncIterator[tuple[EventStream, str]]:
    async with await EventStream.open(process.url, headers=bearer(token)) as stream:
        yield stream, (await stream.the("inbox")).json()["session"]


async def ended(stream: EventStream) -> float:
    """When it ended, for this reason and as it should."""

    async def look() -> bool:
        return stream.is_complete

    assert (await stream.the("bye")).json() == {"reason": "token_expired"}
    await eventually(look)
    return time.time()


async def test_a_stream_goes_on_with_a_fresh_token_and_ends_without(pair: Pair) -> None:
    first, second = pair
    async with httpx.AsyncClient(base_url=first.url, timeout=15) as client:
        token = await token_of(client, 3)
        opened_at = time.time()
        async with (
            following(second, token) as (refreshed_elsewhere, one),
            following(first, token) as (refreshed_here, two),
            following(second, token) as (neglected, _),
        ):
            warning = (await refreshed_elsewhere.the("token")).json()
            assert warning["session"] == one
            assert 0 <= warning["expires_in"] <= 3
            fresh = await token_of(client, 6)
            ends_at = [await refresh(client, session, fresh) for session in (one, two)]
            assert ends_at[0] == ends_at[1] > opened_at + 4
            neglected_end, *refreshed_ends = await asyncio.gather(
                ended(neglected), ended(refreshed_elsewhere), ended(refreshed_here)
            )
            assert neglected_end < ends_at[0]
            for end in refreshed_ends:
                assert ends_at[0] <= end < ends_at[0] + 3


async def refresh(client: httpx.AsyncClient, session: str, token: str) -> float:
    answer = await client.post("/v1/stream/refresh", json={"session": session}, headers=bearer(token))
    assert answer.status_code == 200, answer.text
    assert answer.json()["session"] == session
    return datetime.fromisoformat(answer.json()["expires_at"]).timestamp()


async def test_a_session_is_extended_in_the_moment_it_begins(pair: Pair) -> None:
    first, second = pair
    async with httpx.AsyncClient(base_url=first.url, timeout=15) as client:
        token, fresh = await token_of(client, 60), await token_of(client, 600)
        for _ in range(20):
            async with following(second, token) as (_, session):
                assert await refresh(client, session, fresh) > time.time() + 500


async def test_a_page_extends_its_stream_with_the_cookie(pair: Pair) -> None:
    process, _ = pair
    async with httpx.AsyncClient(base_url=process.url, timeout=15) as client:
        cookie = {"Cookie": f"notify_token={await token_of(client, 600)}"}
        async with following(process, await token_of(client, 60)) as (_, session):
            statuses = [
                (
                    await client.post("/v1/stream/refresh", json={"session": session}, headers={**cookie, **origin})
                ).status_code
                for origin in (
                    {"Origin": ORIGIN},
                    {"Origin": process.url},
                    {"Origin": "https://x.org"},
                    {},
                )
            ]
    assert statuses == [200, 200, 403, 403]


async def test_others_know_until_when_a_socket_stays(pair: Pair) -> None:
    """Whether it was extended by a call to any process, or said so itself."""
    first, second = pair
    async with httpx.AsyncClient(base_url=first.url, timeout=15, headers=ADMIN) as client:
        token, fresh, fresher = [await token_of(client, seconds, "carol") for seconds in (60, 300, 600)]
        async with open_socket(second.url, token=token) as socket:
            await socket.started()
            ends_at = await refresh(client, socket.heard[0]["session"], fresh)
            assert ends_at > time.time() + 200
            told = await socket.told("auth", token=fresher)
            assert datetime.fromisoformat(told["expires_at"]).timestamp() > ends_at

            async def look() -> bool:
                (listed,) = (await client.get("/v1/sessions", params={"user_id": "carol"})).json()["items"]
                return bool(listed["expires_at"] == told["expires_at"])

            await eventually(look)
