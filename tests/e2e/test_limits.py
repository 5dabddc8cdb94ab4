"""More than there is room for, on real sockets: those within the limits go on, health answers, and what was held comes
back.
"""

import asyncio
import json
import resource
import select
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from support.problems import check_problem
from support.processes import ADMIN, ADMIN_KEY, NotifyProcess
from support.proxy import Proxy
from support.raw_http import answer_on, connected, exchange, head
from support.sockets import JSON, open_socket, socket_url
from support.streams import Block, EventStream
from support.waiting import eventually, until

Start = Callable[..., NotifyProcess]

AUTH = f"Authorization: Bearer {ADMIN_KEY}"
AS_JSON = "Content-Type: application/json"
CREATE = "/v1/notifications"
ALICE = {"user_id": "alice"}
TO_ALICE = json.dumps({"to": "alice", "title": "a title"}).encode()
HEALTH = ("/health/live", "/health/ready", "/metrics")
OVERLOAD = Block(event="bye", data='{"reason":"overload"}')
PROXY = {"NOTIFY_TRUSTED_PROXIES": "127.0.0.1"}
HEAD_SECONDS = 1
POOLS = 12
"""Connections to the database that a process may open meanwhile."""


def figure(process: NotifyProcess, name: str) -> float:
    with process.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


def limited(process: NotifyProcess, limit: str) -> float:
    return figure(process, f'notify_limited_total{{limit="{limit}"}}')


def check_health(process: NotifyProcess) -> None:
    for path in HEALTH:
        assert exchange(process.url, head("GET", path)).status == 200


def check_serves(process: NotifyProcess) -> None:
    with process.client() as client:
        assert client.post(CREATE, json={"to": "alice", "title": "goes on"}).status_code == 201


def open_files(process: NotifyProcess) -> int:
    return len(list(Path(f"/proc/{process.process.pid}/fd").iterdir()))


def is_closed(connection: socket.socket) -> bool:
    try:
        return is_readable(connection) and connection.recv(65536) == b""
    except ConnectionError:
        return True


def is_readable(connection: socket.socket) -> bool:
    return bool(select.select([connection], [], [], 0)[0])


@asynccontextmanager
async def streams(process: NotifyProcess, count: int, **query: str) -> AsyncIterator[list[EventStream]]:
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            found.append(await stack.enter_async_context(await EventStream.open(process.url, query=ALICE | query)))
            await found[-1].the("inbox")
        yield found


async def turned_away(process: NotifyProcess, **more: Any) -> int:
    """A stream that there is no room for; the milliseconds after which it is to come back."""
    async with await EventStream.open(process.url, query=ALICE, **more) as stream:
        retry, bye = await stream.rest()
        assert bye == OVERLOAD
        assert stream.is_complete
        assert retry.retry is not None
        return retry.retry


# Live connections


async def test_of_three_times_too_many_streams_those_that_were_there_go_on(start_notify: Start) -> None:
    process = start_notify(NOTIFY_MAX_CONNECTIONS="10")
    async with streams(process, 10) as within:
        retries = await asyncio.gather(*(turned_away(process) for _ in range(20)))
        # Not all at the same time.
        assert len(set(retries)) > 15
        assert all(5_000 <= retry <= 30_000 for retry in retries)
        await asyncio.to_thread(check_health, process)
        await asyncio.to_thread(check_serves, process)
        for stream in within:
            assert (await stream.the("notification")).json()["title"] == "goes on"
        assert await asyncio.to_thread(limited, process, "connections") == 20
    # A place that is free again is given to the next.
    await eventually(lambda: figure(process, "notify_connections{") == 0)
    async with streams(process, 10):
        pass


async def test_a_socket_that_there_is_no_room_for_is_told_so_in_a_way_it_can_hear(start_notify: Start) -> None:
    process = start_notify(NOTIFY_MAX_CONNECTIONS="1")
    async with streams(process, 1):
        url = socket_url(process.url, user_id="alice")
        async with connect(url, additional_headers=ADMIN, subprotocols=[Subprotocol(JSON)]) as one_of_ours:
            bye = json.loads(await one_of_ours.recv())
            assert (bye["type"], bye["reason"]) == ("bye", "overload")
            assert 5_000 <= bye["retry_ms"] <= 30_000
            with pytest.raises(ConnectionClosed):
                await one_of_ours.recv()
            assert one_of_ours.close_code == 1013
        with pytest.raises(InvalidStatus) as caught:
            await connect(url, additional_headers=ADMIN)
        response = caught.value.response
        assert response.headers["Retry-After"] == "1"
        problem = check_problem(response.status_code, dict(response.headers.raw_items()), bytes(response.body or b""))
        assert problem["type"] == "/problems/overloaded"


async def test_addresses_are_counted_one_by_one_as_the_proxy_names_them(start_notify: Start) -> None:
    process = start_notify(NOTIFY_MAX_CONNECTIONS_PER_ADDRESS="2", **PROXY)

    def from_(address: str) -> dict[str, str]:
        return ADMIN | {"X-Forwarded-For": address}

    async with AsyncExitStack() as stack:
        for address in ("2001:db8::1", "2001:db8::2", "203.0.113.9"):
            stream = await EventStream.open(process.url, query=ALICE, headers=from_(address))
            await stack.enter_async_context(stream)
            await stream.the("inbox")
        await turned_away(process, headers=from_("2001:db8::3"))
        for address in ("203.0.113.9", "2001:db8:0:1::1", "127.0.0.1", "127.0.0.1", "127.0.0.1"):
            stream = await EventStream.open(process.url, query=ALICE, headers=from_(address))
            await stack.enter_async_context(stream)
            await stream.the("inbox")
        await turned_away(process, headers=from_("203.0.113.9"))
        assert await asyncio.to_thread(limited, process, "connections-per-address") == 2


async def test_of_too_many_that_come_at_once_the_rest_come_later(start_notify: Start) -> None:
    process = start_notify(NOTIFY_CONNECTS_PER_SECOND="0.1", NOTIFY_CONNECT_BURST="3")
    async with streams(process, 3):
        await asyncio.gather(*(turned_away(process) for _ in range(6)))
        assert await asyncio.to_thread(limited, process, "connects") == 6


async def test_what_a_user_sends_over_a_socket_counts_as_their_requests(start_notify: Start) -> None:
    process = start_notify(
        NOTIFY_USER_REQUESTS_PER_SECOND="0.1",
        NOTIFY_USER_BURST="3",
        NOTIFY_RECIPIENT_CREATES_PER_SECOND="0.1",
        NOTIFY_RECIPIENT_BURST="1",
    )
    with process.client() as client:
        body = {"user_id": "alice", "scope": "inbox send"}
        made = client.post("/v1/tokens", json=body).json()["token"]
    async with open_socket(process.url, headers={"Authorization": f"Bearer {made}"}) as alice:
        await alice.started()
        sent = [await alice.ask("send", notification={"to": "bob", "title": "a"}) for _ in range(3)]
        assert [reply["ok"] for reply in sent] == [True, False, False]
        assert sent[1]["problem"]["type"] == "/problems/too-many-creates"
        assert sent[1]["problem"]["errors"][0]["pointer"] == "/notification/to"
        assert sent[2]["problem"]["type"] == "/problems/too-many-requests"
        # Marks and pings are bounded by the socket's own rate.
        assert (await alice.ask("ping"))["ok"]


# Requests


async def test_of_three_times_too_many_requests_some_are_refused_quickly_and_none_is_lost(start_notify: Start) -> None:
    process = start_notify(NOTIFY_MAX_REQUESTS="8")
    body = {"to": "alice", "title": "a"}
    async with httpx.AsyncClient(base_url=process.url, headers=ADMIN, limits=httpx.Limits(max_connections=24)) as many:
        statuses: list[int] = []

        async def ask(number: int) -> None:
            for _ in range(20):
                answer = await many.post(CREATE, json=body, headers={"Idempotency-Key": f"{number} {len(statuses)}"})
                statuses.append(answer.status_code)
                if answer.status_code == 503:
                    assert answer.headers["retry-after"] == "1"
                    assert answer.json()["type"] == "/problems/overloaded"
                    assert answer.headers["x-request-id"]
                    assert "connection" not in answer.headers

        await asyncio.gather(asyncio.to_thread(check_health, process), *(ask(number) for number in range(24)))
        assert set(statuses) == {201, 503}
        total = (await many.get(f"{CREATE}/count", params=ALICE)).json()["total"]
        assert total == statuses.count(201)
        assert await asyncio.to_thread(limited, process, "requests-under-way") == statuses.count(503)


def test_when_all_requests_are_taken_health_answers_and_an_event_source_is_told_to_come_back(database_url: str) -> None:
    environment = {"NOTIFY_MAX_REQUESTS": "1"}
    with Proxy(database_url) as proxy, NotifyProcess({"NOTIFY_DATABASE_URL": proxy.url, **environment}) as process:
        create = head("POST", CREATE, AUTH, AS_JSON, f"Content-Length: {len(TO_ALICE)}") + TO_ALICE
        with connected(process.url) as busy:
            proxy.stall()
            busy.sendall(create)
            until(lambda: exchange(process.url, head("GET", "/v1/apps")).status == 503)
            assert exchange(process.url, head("GET", "/health/live")).status == 200
            for target in ("/v1/stream", "/v1/stream?user_id=alice&token=nonsense"):
                answer = exchange(process.url, head("GET", target))
                assert answer.status == 200
                assert answer.body.endswith(b'event: bye\ndata: {"reason":"overload"}\n\n')
            proxy.resume()
            assert answer_on(busy).status == 201
        check_health(process)
        assert exchange(process.url, create).status == 201


def test_bodies_that_do_not_come_take_no_requests_place(start_notify: Start) -> None:
    process = start_notify(NOTIFY_MAX_REQUESTS="2", NOTIFY_BODY_TIMEOUT_SECONDS="2")
    slow = head("POST", CREATE, AUTH, AS_JSON, "Content-Length: 100")
    with ExitStack() as stack:
        waiting = [stack.enter_context(connected(process.url)) for _ in range(20)]
        for connection in waiting:
            connection.sendall(slow + b"{")
        for _ in range(5):
            check_serves(process)
        for connection in waiting:
            assert answer_on(connection).status == 408
    assert figure(process, "notify_requests_under_way") == 1  # this one


# Heads and bodies that do not end


@pytest.fixture
def hasty(start_notify: Start) -> NotifyProcess:
    return start_notify(NOTIFY_HEAD_TIMEOUT_SECONDS=str(HEAD_SECONDS), NOTIFY_BODY_TIMEOUT_SECONDS="1")


def test_who_connects_and_says_nothing_is_closed(hasty: NotifyProcess) -> None:
    files = open_files(hasty) + POOLS
    with ExitStack() as stack:
        silent = [stack.enter_context(connected(hasty.url)) for _ in range(100)]
        assert until(lambda: open_files(hasty) >= files + 100 - POOLS)
        started = time.monotonic()
        check_serves(hasty)
        for connection in silent:
            assert connection.recv(100) == b""
        assert HEAD_SECONDS * 0.8 < time.monotonic() - started < HEAD_SECONDS + 3
    until(lambda: open_files(hasty) <= files, what="the files")
    assert limited(hasty, "head-timeout") == 100


@pytest.mark.parametrize(
    "start", [b"G", head("GET", "/health/live")[:-2], head("GET", "/v1/ws", "Upgrade: websocket")[:-2]]
)
def test_a_head_that_drips_is_given_up(hasty: NotifyProcess, start: bytes) -> None:
    with connected(hasty.url) as connection:
        started = time.monotonic()
        connection.sendall(start)
        connection.settimeout(0.05)
        while time.monotonic() - started < 10:
            with suppress(TimeoutError, ConnectionError):
                connection.sendall(b"x" if len(start) > 1 else b"")
                if connection.recv(1, socket.MSG_PEEK):
                    break
        connection.settimeout(5)
        answer = answer_on(connection)
        assert check_problem(answer.status, answer.headers, answer.body)["type"] == "/problems/head-too-slow"
        assert answer.status == 408
        assert HEAD_SECONDS * 0.8 < time.monotonic() - started < HEAD_SECONDS + 2
        until(lambda: is_closed(connection), what="the end")


def test_a_connection_that_is_kept_alive_may_wait_but_not_drip(hasty: NotifyProcess) -> None:
    with connected(hasty.url) as connection:
        for _ in range(2):
            connection.sendall(head("GET", "/health/live"))
            assert answer_on(connection).status == 200
            quiet_until = time.monotonic() + HEAD_SECONDS * 2
            until(lambda end=quiet_until: time.monotonic() > end or is_closed(connection))  # type: ignore[misc]
            assert not is_closed(connection)
        connection.sendall(b"GET /health/live HT")
        assert answer_on(connection).status == 408


def test_many_slow_heads_keep_nobody_waiting_and_their_places_come_back(hasty: NotifyProcess) -> None:
    files = open_files(hasty) + POOLS
    with ExitStack() as stack:
        dripping = [stack.enter_context(connected(hasty.url)) for _ in range(200)]
        for connection in dripping:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        slowest = 0.0
        for _ in range(10):
            started = time.monotonic()
            check_serves(hasty)
            slowest = max(slowest, time.monotonic() - started)
        assert slowest < HEAD_SECONDS
        assert all(answer_on(connection).status == 408 for connection in dripping)
    until(lambda: open_files(hasty) <= files, what="the files")


@pytest.mark.parametrize(("headers", "status"), [((AUTH,), 413), ((), 401)])
def test_an_endless_body_is_read_no_further_than_it_may_be(
    hasty: NotifyProcess, headers: tuple[str, ...], status: int
) -> None:
    files = open_files(hasty) + POOLS
    chunk = b"%x\r\n%b\r\n" % (16_384, b"x" * 16_384)
    with connected(hasty.url) as connection:
        connection.sendall(head("POST", CREATE, *headers, AS_JSON, "Transfer-Encoding: chunked"))
        connection.settimeout(0.2)
        answered = b""
        started = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - started < 10:
                with suppress(TimeoutError):
                    connection.sendall(chunk)
                if is_readable(connection):
                    said = connection.recv(65536)
                    answered += said
                    if not said:
                        break
        assert answered.startswith(b"HTTP/1.1 %d " % status)
        assert time.monotonic() - started < HEAD_SECONDS + 3
    until(lambda: open_files(hasty) <= files, what="the files")
    check_serves(hasty)


def test_a_body_that_was_not_asked_for_may_still_end(hasty: NotifyProcess) -> None:
    """Its connection is then as good as any."""
    with connected(hasty.url) as connection:
        connection.sendall(head("POST", CREATE, AS_JSON, f"Content-Length: {len(TO_ALICE)}"))
        assert answer_on(connection).status == 401
        connection.sendall(TO_ALICE)
        quiet_until = time.monotonic() + HEAD_SECONDS * 2
        until(lambda: time.monotonic() > quiet_until or is_closed(connection))
        connection.sendall(head("POST", CREATE, AUTH, AS_JSON, f"Content-Length: {len(TO_ALICE)}") + TO_ALICE)
        assert answer_on(connection).status == 201


# Sockets


async def test_beyond_the_most_sockets_only_health_is_answered(start_notify: Start) -> None:
    process = start_notify(NOTIFY_MAX_SOCKETS="20")
    async with streams(process, 20) as within:
        for _ in range(3):
            await asyncio.to_thread(check_health, process)
        refused = await asyncio.to_thread(exchange, process.url, head("GET", "/v1/apps", AUTH))
        assert check_problem(refused.status, refused.headers, refused.body)["type"] == "/problems/overloaded"
        assert (refused.status, refused.headers["connection"]) == (503, "close")
        await turned_away(process)
        async with connect(
            socket_url(process.url, user_id="alice"), additional_headers=ADMIN, subprotocols=[Subprotocol(JSON)]
        ) as socket_:
            assert json.loads(await socket_.recv())["reason"] == "overload"
        # Whoever fills even the places for health and says nothing makes way for those who speak.
        with ExitStack() as stack:
            silent = [stack.enter_context(connected(process.url)) for _ in range(60)]
            await asyncio.to_thread(check_health, process)
            assert any(is_closed(connection) for connection in silent)
        assert all(not stream.is_complete for stream in within)
    await asyncio.to_thread(until, lambda: exchange(process.url, head("GET", "/v1/apps", AUTH)).status == 200)


def test_where_files_run_out_the_service_neither_spins_nor_falls(start_notify: Start) -> None:
    process = start_notify()
    most = open_files(process) + 110
    resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        crowd = [stack.enter_context(connected(process.url)) for _ in range(300)]
        assert len(crowd) == 300
        before = cpu_seconds(process)
        started = time.monotonic()
        until(lambda: time.monotonic() - started > 2)
        assert cpu_seconds(process) - before < 0.5
    check_serves(process)
    check_health(process)


def test_there_are_fewer_sockets_than_files(database_url: str) -> None:
    """So that the database and health are reached however many come."""
    files = 256
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
    try:
        process = NotifyProcess({"NOTIFY_DATABASE_URL": database_url}, inherits=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    with process, ExitStack() as stack:
        for _ in range(files * 2):
            stack.enter_context(connected(process.url))
        check_health(process)
        assert limited(process, "sockets") > 0
        assert open_files(process) < files
        refused = exchange(process.url, head("GET", "/v1/apps", AUTH))
        assert refused.status == 503


def cpu_seconds(process: NotifyProcess) -> float:
    fields = Path(f"/proc/{process.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
