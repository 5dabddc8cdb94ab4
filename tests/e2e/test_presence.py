"""Who is online, asked of one process about all of them: right at once, and right again after one is killed."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest

from support.processes import ADMIN, NotifyProcess
from support.servers import TestServer, running_server
from support.sockets import open_socket
from support.streams import EventStream
from support.waiting import eventually

StartNotify = Callable[..., NotifyProcess]

PRESENCE_SECONDS = 2
ENVIRONMENT = {"NOTIFY_PRESENCE_SECONDS": str(PRESENCE_SECONDS), "NOTIFY_SAFETY_POLL_SECONDS": "1"}


@pytest.fixture(scope="module")
def pair(embedded_server: TestServer) -> Iterator[tuple[NotifyProcess, NotifyProcess]]:
    """Two processes on one database, for the tests that leave them whole."""
    with (
        embedded_server.database() as url,
        NotifyProcess({"NOTIFY_DATABASE_URL": url}) as first,
        NotifyProcess({"NOTIFY_DATABASE_URL": url}) as second,
    ):
        yield first, second


@asynccontextmanager
async def asking(process: NotifyProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=process.url, headers=ADMIN, timeout=15) as client:
        yield client


@asynccontextmanager
async def connected(process: NotifyProcess, user_id: str, **query: Any) -> AsyncIterator[tuple[EventStream, str]]:
    """A stream and its session."""
    async with await EventStream.open(process.url, query={"user_id": user_id, **query}) as stream:
        yield stream, (await stream.the("inbox")).json()["session"]


async def presence(client: httpx.AsyncClient, user_id: str) -> dict[str, Any]:
    answer = await client.get("/v1/presence", params={"user_id": user_id})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["items"][0]
    return found


async def connections(client: httpx.AsyncClient, user_id: str, how_many: int, seconds: float = 10) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        found = await presence(client, user_id)
        return found if found["connections"] == how_many else {}

    return await eventually(look, seconds)


async def completed(stream: EventStream) -> None:
    """Brought to its end by the service; the connection below it may be used again."""

    async def look() -> bool:
        return stream.is_complete

    await eventually(look)


async def test_presence_is_right_over_all_processes_and_after_one_was_killed(start_notify: StartNotify) -> None:
    first, second = start_notify(**ENVIRONMENT), start_notify(**ENVIRONMENT)
    async with (
        asking(first) as client,
        connected(first, "alice", device="tablet"),
        connected(second, "alice", device="phone"),
        connected(second, "bob"),
    ):
        alice = await connections(client, "alice", 2)
        assert (alice["online"], alice["devices"]) == (True, ["phone", "tablet"])
        await connections(client, "bob", 1)
        second.kill()
        killed_at = datetime.now(UTC)
        bob = await connections(client, "bob", 0)
        took = (datetime.now(UTC) - killed_at).total_seconds()
        assert took < PRESENCE_SECONDS + 2
        assert not bob["online"]
        assert abs((datetime.fromisoformat(bob["last_seen_at"]) - killed_at).total_seconds()) < PRESENCE_SECONDS
        alice = await presence(client, "alice")
        assert (alice["online"], alice["connections"], alice["devices"]) == (True, 1, ["tablet"])
        # Bob comes back to whoever is left.
        async with connected(first, "bob"):
            await connections(client, "bob", 1)


async def test_whoever_a_stopped_process_served_is_gone_with_it(start_notify: StartNotify) -> None:
    first, second = start_notify(), start_notify(NOTIFY_DRAIN_SECONDS="0.2")
    async with asking(first) as client, connected(second, "alice") as (stream, _):
        await connections(client, "alice", 1)
        stopping = asyncio.create_task(asyncio.to_thread(second.stop))
        assert (await stream.the("bye")).json() == {"reason": "shutdown"}
        assert await stopping == 0
        alice = await presence(client, "alice")
        assert (alice["online"], alice["connections"]) == (False, 0)
        assert not [line for line in second.log if '"level":"error"' in line]


async def test_a_session_ends_within_a_second_of_being_revoked_elsewhere(
    pair: tuple[NotifyProcess, NotifyProcess],
) -> None:
    first, second = pair
    async with asking(first) as client:
        for how in ("one", "all of a user"):
            async with connected(second, "alice") as (stream, session):
                revoked_at = time.monotonic()
                if how == "one":
                    answer = await client.delete(f"/v1/sessions/{session}")
                else:
                    answer = await client.delete("/v1/sessions", params={"user_id": "alice"})
                assert answer.status_code == 204
                assert (await stream.the("bye")).json() == {"reason": "revoked"}
                await completed(stream)
                assert time.monotonic() - revoked_at < 1


async def test_a_socket_is_known_and_revoked_like_a_stream(pair: tuple[NotifyProcess, NotifyProcess]) -> None:
    first, second = pair
    async with (
        asking(first) as client,
        open_socket(second.url, headers=ADMIN, user_id="carol", device="laptop") as socket,
    ):
        await socket.started()
        session = socket.heard[0]["session"]
        carol = await connections(client, "carol", 1)
        assert carol["devices"] == ["laptop"]
        (listed,) = (await client.get("/v1/sessions", params={"user_id": "carol"})).json()["items"]
        assert (listed["id"], listed["transport"], listed["device"]) == (session, "websocket", "laptop")
        revoked_at = time.monotonic()
        assert (await client.delete(f"/v1/sessions/{session}")).status_code == 204
        assert await socket.ended() == 4410
        assert socket.bye == {"type": "bye", "reason": "revoked"}
        assert time.monotonic() - revoked_at < 1


async def test_hundreds_that_just_began_are_revoked_within_a_second(pair: tuple[NotifyProcess, NotifyProcess]) -> None:
    """Before anybody but their own process knows of them."""
    first, second = pair
    async with asking(first) as client:
        streams = await asyncio.gather(*(EventStream.open(second.url, query={"user_id": "alice"}) for _ in range(300)))
        try:
            revoked_at = time.monotonic()
            assert (await client.delete("/v1/sessions", params={"user_id": "alice"})).status_code == 204
            for stream in streams:
                assert (await stream.the("bye")).json() == {"reason": "revoked"}
            assert time.monotonic() - revoked_at < 1
        finally:
            for stream in streams:
                stream.drop()
        await connections(client, "alice", 0)


@pytest.fixture
def own_server() -> Iterator[TestServer]:
    """One that may be crashed."""
    with running_server() as server:
        yield server


async def test_presence_outlives_a_crash_of_the_database(own_server: TestServer) -> None:
    """It empties the tables that say who is there. The streams stay, and are told of again."""
    with own_server.database() as url, NotifyProcess({"NOTIFY_DATABASE_URL": url, **ENVIRONMENT}) as process:
        async with asking(process) as client, connected(process, "alice", device="phone") as (stream, session):
            before = await connections(client, "alice", 1)
            with psycopg.connect(url, autocommit=True) as connection:
                os.kill(connection.info.backend_pid, signal.SIGKILL)

            async def look() -> dict[str, Any]:
                answer = await client.get("/v1/presence", params={"user_id": "alice"})
                found = answer.json()["items"][0] if answer.status_code == 200 else {}
                is_new = found and found["last_seen_at"] != before["last_seen_at"]
                return found if is_new and found["connections"] == 1 else {}

            assert (await eventually(look, 20))["devices"] == ["phone"]
            sent = await client.post("/v1/notifications", json={"to": "alice", "title": "still here"})
            assert sent.status_code == 201
            await stream.the("notification")
            assert (await client.delete(f"/v1/sessions/{session}")).status_code == 204
            assert (await stream.the("bye")).json() == {"reason": "revoked"}
