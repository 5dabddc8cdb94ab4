"""What clients do to a WebSocket that they should not, and what befalls it: nobody else is harmed and nothing lost."""

import asyncio
import json
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import msgspec
import psycopg
import pytest

from support.processes import NotifyProcess
from support.proxy import Proxy
from support.sockets import JSON, MSGPACK, BareSocket, Message, Socket, frame, open_socket, seq_of
from support.users import User
from support.waiting import until

StartNotify = Callable[..., NotifyProcess]

_MOST_BYTES = 8192
_PER_SECOND = 200
_BURST = 50
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[NotifyProcess]:
    environment = {
        "NOTIFY_DATABASE_URL": database,
        "NOTIFY_SEND_TIMEOUT_SECONDS": "1",
        "NOTIFY_SOCKET_MESSAGE_BYTES": str(_MOST_BYTES),
        "NOTIFY_SOCKET_MESSAGES_PER_SECOND": str(_PER_SECOND),
        "NOTIFY_SOCKET_BURST": str(_BURST),
        "NOTIFY_SOCKET_MOST_MALFORMED": "5",
    }
    with NotifyProcess(environment, is_covered=True) as process:
        yield process
        complaints = [line for line in process.log if '"level":"info"' not in line]
        assert not complaints, complaints


def measured(user: User, name: str, **labels: str) -> float:
    """A figure of the service's metrics."""
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    for line in user.client.get("/metrics").text.splitlines():
        found = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
        if found and found[1] == name and wanted <= set(re.findall(r'\w+="[^"]*"', found[2] or "")):
            return float(found[3])
    return 0


# Messages that make no sense

_DEEP = "[" * 4000 + "]" * 4000
_MALFORMED = (
    "",
    " ",
    "null",
    "[]",
    '"ping"',
    "{",
    "{}",
    '{"type":null}',
    '{"type":1}',
    '{"type":"PING"}',
    '{"type":"welcome","session":"x"}',
    '{"type":"ping","type":"pong"}',
    '{"type":"ping","more":1}',
    '{"type":"ping","ref":1}',
    '{"type":"ping","ref":"' + "x" * 65 + '"}',
    '{"type":"ack"}',
    '{"type":"ack","id":42}',
    '{"type":"ack","id":"' + "9" * 97 + '"}',
    '{"type":"read","ids":[]}',
    '{"type":"read","ids":"x"}',
    '{"type":"read","ids":["x"]}',
    '{"type":"read","ids":[null]}',
    '{"type":"read","ids":{"0":"x"}}',
    '{"type":"read_all","of":""}',
    '{"type":"resume"}',
    '{"type":"send","notification":{"to":"a","title":"\\u0000"}}',
    '{"type":"send","notification":{"to":"a","title":"\\ud800"}}',
    '{"type":"send","notification":{"to":[],"title":"t"}}',
    '{"type":"ping","ref":' + "9" * 400 + "}",
    '{"type":"ping","ref":1e999}',
    '{"type":"ping"}{"type":"ping"}',
    '{"type":"send","notification":' + _DEEP[: _MOST_BYTES // 4] + "}",
    _DEEP,
    '{"a":' * 1300 + "1" + "}" * 1300,
    "\x00",
    "\ufeff{}",
)


@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
async def test_a_message_that_makes_no_sense_is_replied_to_and_costs_nobody_the_connection(
    alice: User, subprotocol: str
) -> None:
    async with open_socket(alice.url, subprotocols=[subprotocol], token=alice.token(scope="inbox send")) as socket:
        await socket.started()
        for text in _MALFORMED:
            await socket.connection.send(text if subprotocol == JSON else _packed(text))
            reply = await socket.until("reply")
            assert reply["ref"] is None, text
            assert not reply["ok"]
            problem = reply["problem"]
            assert problem["type"] in {"/problems/malformed-message", "/problems/invalid"}, text
            assert problem["detail"]
            assert (await socket.ask("ping"))["ok"]
        # And what is said of the other subprotocol.
        other = msgspec.msgpack.encode({"type": "ping"}) if subprotocol == JSON else '{"type":"ping"}'
        await socket.connection.send(other)
        assert (await socket.until("reply"))["problem"]["type"] == "/problems/malformed-message"
        # Still served.
        sent = alice.send()
        assert (await socket.until("notification"))["id"] == sent["position"]
    assert alice.counted()["total"] == 1


def _packed(text: str) -> bytes:
    """The same in msgpack, or in what is none."""
    try:
        return msgspec.msgpack.encode(json.loads(text))
    except (ValueError, RecursionError, OverflowError):
        return text.encode()


async def test_a_ref_that_can_be_made_out_is_given_back_with_the_problem(alice: User) -> None:
    async with open_socket(alice.url, token=alice.token()) as socket:
        assert (await socket.refused("no such type"))["errors"][0]["pointer"] == "/type"
        assert (await socket.refused("read", ids=[]))["errors"][0]["pointer"] == "/ids"
        assert (await socket.refused("ping", more=1))["errors"] == [
            {"pointer": "/more", "detail": "There is no such field."}
        ]


async def test_nothing_but_nonsense_ends_the_connection(alice: User) -> None:
    async with open_socket(alice.url, token=alice.token()) as socket:
        for _ in range(3):
            # One that makes sense starts the count anew.
            for _ in range(4):
                await socket.connection.send("nonsense")
            await socket.told("ping")
        for _ in range(5):
            await socket.connection.send("nonsense")
        assert await socket.ended() == 4400
    assert socket.bye == {"type": "bye", "reason": "abuse"}
    assert measured(alice, "notify_closes_total", transport="websocket", reason="abuse") >= 1
    assert measured(alice, "notify_socket_messages_total", type="malformed", outcome="problem") >= 17
    assert measured(alice, "notify_socket_messages_total", type="ping", outcome="ok") >= 3


# What is no message at all


async def test_a_message_that_is_too_large_ends_the_connection_with_a_code(alice: User) -> None:
    async with open_socket(alice.url, token=alice.token()) as socket:
        await socket.started()
        fits = {"type": "ping", "ref": "fits"}
        await socket.connection.send(json.dumps(fits).ljust(_MOST_BYTES))
        assert (await socket.until("reply"))["ref"] == "fits"
        await socket.connection.send(json.dumps(fits).ljust(_MOST_BYTES + 1))
        assert await socket.ended() == 1009


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(_TEXT, b"x" * (4 << 20)), 1009),
        (frame(_TEXT, b"x" * 5000, fin=False) + frame(0, b"x" * 5000), 1009),
        (frame(_TEXT, b"", fin=False) + frame(0, b"", fin=False) * 5000, 1009),
        (frame(_TEXT, b"\xff\xfe"), 1007),
        (frame(_TEXT, b"\xed\xa0\x80"), 1007),
        (frame(3, b"x"), 1002),
        (frame(0, b"x"), 1002),
        (frame(_PING, b"x" * 126), 1002),
        (frame(_TEXT, b"x", fin=False) + frame(_TEXT, b"x"), 1002),
        (b"\x81\x02hi", 1002),
        (b"\xff" * 100, 1002),
        (b"GET / HTTP/1.1\r\n\r\n", 1002),
    ],
)
def test_what_is_no_websocket_ends_the_connection_with_a_code_that_arrives(alice: User, sent: bytes, code: int) -> None:
    with BareSocket(alice.url, token=alice.token()) as socket:
        socket.socket.sendall(sent)
        assert socket.close_code() == code


def test_the_pieces_of_a_message_make_one_whatever_comes_between(alice: User) -> None:
    message = b'{"type":"ping","ref":"in pieces"}'
    with BareSocket(alice.url, token=alice.token()) as socket:
        socket.send(_TEXT, message[:1], fin=False)
        for n in range(1, len(message)):
            socket.send(_PING, b"?")
            socket.send(0, message[n : n + 1], fin=n == len(message) - 1)
        assert any(b'"ref":"in pieces","ok":true' in payload for _, payload in socket.frames())
        socket.send(_CLOSE, b"\x03\xe8")
        assert list(socket.frames())[-1] == (_CLOSE, b"\x03\xe8")


# Too much


async def test_a_flood_slows_down_only_who_sends_it(alice: User, bob: User) -> None:
    number = 400
    async with (
        open_socket(alice.url, token=alice.token()) as floods,
        open_socket(bob.url, token=bob.token()) as other,
    ):
        await floods.started()
        await other.started()
        started = time.monotonic()
        flood = asyncio.create_task(_flood(floods, number))
        slowest = 0.0
        while not flood.done():
            asked = time.monotonic()
            await other.told("ping")
            sent = await asyncio.to_thread(bob.send)
            await other.reached(sent["position"])
            slowest = max(slowest, time.monotonic() - asked)
            await other.until("inbox")
        await flood
        took = time.monotonic() - started
    # It may begin with a burst, and then goes on at its rate; every one is answered, in order.
    assert took >= (number - _BURST) / _PER_SECOND * 0.95
    assert [message["ref"] for message in floods.heard if message["type"] == "reply"] == [str(n) for n in range(number)]
    assert slowest < took / 2


async def _flood(floods: Socket, number: int) -> None:
    for n in range(number):
        await floods.say("ping", ref=str(n))
    await floods.until(lambda message: message.get("ref") == str(number - 1), 20)


@pytest.mark.parametrize(
    "small", [frame(_PING, b""), frame(_PONG, b""), frame(_TEXT, b"{}")], ids=["pings", "pongs", "texts"]
)
async def test_small_messages_without_end_hold_up_nobody_else(alice: User, bob: User, small: bytes) -> None:
    with BareSocket(alice.url, token=alice.token()) as floods:
        flood = asyncio.create_task(asyncio.to_thread(_flood_without_end, floods, small * 20_000))
        async with open_socket(bob.url, token=bob.token()) as other:
            await other.started()
            slowest = 0.0
            for _ in range(40):
                asked = time.monotonic()
                await other.told("ping")
                slowest = max(slowest, time.monotonic() - asked)
        floods.socket.shutdown(socket.SHUT_RDWR)
        await flood
    assert slowest < 0.5


def _flood_without_end(bare: BareSocket, data: bytes) -> None:
    with suppress(OSError):
        while True:
            bare.socket.sendall(data)


def test_a_client_that_pings_and_never_reads_costs_no_memory(service: NotifyProcess, alice: User) -> None:
    with BareSocket(alice.url, token=alice.token(), receive_buffer=4096) as socket:
        before = _memory_kib(service)
        pings = frame(_PING, b"x" * 125) * 1000
        for _ in range(100):
            socket.socket.sendall(pings)
        assert _memory_kib(service) - before < 5 * 1024, "of 13 MB of pings too much is kept"


def _memory_kib(service: NotifyProcess) -> int:
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1])


async def test_a_client_that_reads_nothing_is_dropped_harms_nobody_and_loses_nothing(alice: User, bob: User) -> None:
    token = alice.token()
    dropped = {"transport": "websocket", "reason": "slow"}
    before = measured(alice, "notify_closes_total", **dropped)
    start = alice.send("start")["position"]
    query = {"last_event_id": start}
    with BareSocket(alice.url, token=token, receive_buffer=4096, **query) as stalled, ThreadPoolExecutor() as pool:
        async with (
            open_socket(alice.url, token=token, **query) as reads,
            open_socket(bob.url, token=bob.token()) as other,
        ):
            for socket in (reads, other):
                await socket.started()
            slowest = 0.0
            last = start
            # More than the buffers on the way take.
            for _ in range(12):
                writing = asyncio.get_running_loop().run_in_executor(
                    pool, lambda: alice.send_many(100, body="x" * 8000)
                )
                asked = time.monotonic()
                await other.told("ping")
                slowest = max(slowest, time.monotonic() - asked)
                last = await writing
                await reads.reached(last)
            until(lambda: measured(alice, "notify_closes_total", **dropped) > before, what="the stalled client's end")
            assert slowest < 1
            assert [seq_of(message["id"]) for message in reads.events] == list(range(2, seq_of(last) + 1))
            # Not even a goodbye reached it.
            got = [payload for opcode, payload in stalled.frames() if opcode == _TEXT]
    seen = [message["id"] for message in map(msgspec.json.decode, got) if message["type"] == "notification"]
    assert 0 < len(seen) < 1200
    async with open_socket(alice.url, token=token, last_event_id=seen[-1]) as again:
        await again.started()
        assert seen + [message["id"] for message in again.events] == [message["id"] for message in reads.events]


async def test_one_that_vanishes_is_forgotten(alice: User) -> None:
    def connected() -> float:
        return measured(alice, "notify_connections", transport="websocket")

    before = connected()
    sockets = [BareSocket(alice.url, token=alice.token()) for _ in range(5)]
    until(lambda: connected() == before + 5)
    for n, one in enumerate(sockets):
        if n % 2:
            one.send(_CLOSE, b"")
        one.socket.close()
    until(lambda: connected() == before)


# When it ends


async def test_who_answers_no_ping_is_dropped_and_who_does_stays(start_notify: StartNotify, database_url: str) -> None:
    service = start_notify(
        NOTIFY_HEARTBEAT_SECONDS="1",
        NOTIFY_HEARTBEAT_TIMEOUT_SECONDS="1",
        NOTIFY_SOCKET_MESSAGES_PER_SECOND="20",
        NOTIFY_SOCKET_BURST="10",
    )
    alice = User([service], database_url)
    with alice.client, BareSocket(service.url, token=alice.token()) as silent:
        async with open_socket(service.url, token=alice.token()) as answers:
            await answers.started()
            assert answers.heard[0]["heartbeat_seconds"] == 1
            # Whose answers are read late, since it says so much, has answered all the same.
            await _flood(answers, 70)
            assert await asyncio.to_thread(silent.close_code) == 1011
        await _check_a_fault_of_ours(alice)
    service.stop()
    assert len([line for line in service.log if '"level":"error"' in line]) == 1, service.log


async def _check_a_fault_of_ours(alice: User) -> None:
    """Something that nobody foresaw."""
    alice.send()
    async with open_socket(alice.url, token=alice.token()) as socket:
        await socket.started()
        with psycopg.connect(alice.database_url) as connection:
            connection.execute(
                "CREATE FUNCTION notify.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$"
            )
            connection.execute(
                "CREATE TRIGGER fail BEFORE UPDATE ON notify.notifications EXECUTE FUNCTION notify.fail()"
            )
        await socket.say("read_all", ref="never replied to")
        assert await socket.ended() == 1011
        assert socket.bye["reason"] == "error"


async def test_while_the_database_is_away_nobody_is_sent_away_and_afterwards_nothing_is_missing(
    start_notify: StartNotify, database_url: str
) -> None:
    with Proxy(database_url) as proxy:
        service = start_notify(
            NOTIFY_DATABASE_URL=proxy.url, NOTIFY_JWT_SECRET="the secret of these tests, with 32 bytes or more"
        )
        alice = User([service], database_url)
        first = alice.send("before")
        token = alice.token()
        async with open_socket(service.url, token=token) as stays:
            await stays.started()
            proxy.refuse()
            for kind, fields in (("read", {"ids": [first["id"]]}), ("read_all", {})):
                assert (await stays.refused(kind, **fields))["type"] == "/problems/database-away"
            await stays.told("ping")
            # Whose credential cannot be checked comes back later; who has only to wait for their inbox waits.
            unknown = {"X-API-Key": "nk_unknown"}
            async with open_socket(service.url, headers=unknown, user_id=alice.name) as later:
                assert await later.ended() == 1013
            assert later.bye["reason"] == "overload"
            assert later.bye["retry_ms"] >= 1000
            async with open_socket(service.url, token=token, subprotocols=[MSGPACK]) as waits:
                assert (await waits.hear())["type"] == "welcome"
                await waits.say("ping", ref="asked while it was away")
                proxy.accept()
                await waits.started()
                assert (await waits.until("reply"))["ref"] == "asked while it was away"
                until(lambda: alice.client.get("/health/ready").status_code == 200)
                sent = alice.send("after")
                for each in (stays, waits):
                    await each.reached(sent["position"])
                await stays.told("read", ids=[first["id"]])
        alice.client.close()


async def test_a_service_that_stops_sends_everybody_away_in_time_and_lets_nobody_in(
    start_notify: StartNotify, database_url: str
) -> None:
    service = start_notify(NOTIFY_DRAIN_SECONDS="2")
    alice = User([service], database_url)
    token = alice.token()
    alice.client.close()
    ended: list[tuple[Message, int]] = []

    async def follow(subprotocol: str) -> None:
        async with open_socket(service.url, subprotocols=[subprotocol], token=token) as socket:
            await socket.started()
            begun.release()
            code = await socket.ended(20)
            ended.append((socket.bye, code))

    begun = asyncio.Semaphore(0)
    followers = [asyncio.create_task(follow((JSON, MSGPACK)[n % 2])) for n in range(40)]
    # One that takes nothing and answers nothing does not hold it up.
    with BareSocket(service.url, token=token, receive_buffer=4096):
        for _ in followers:
            await begun.acquire()
        stopping = asyncio.create_task(asyncio.to_thread(service.stop, signal.SIGTERM))
        await _check_that_newcomers_are_sent_away(service, token)
        await asyncio.gather(*followers)
        assert await stopping == 0
    assert {code for _, code in ended} == {1012}
    retries = [bye["retry_ms"] for bye, _ in ended]
    assert {bye["reason"] for bye, _ in ended} == {"shutdown"}
    assert all(500 <= retry <= 4000 for retry in retries)
    assert len(set(retries)) > 20, "they would all come back at once"
    complaints = [line for line in service.log if '"level":"info"' not in line]
    assert not complaints, complaints


async def _check_that_newcomers_are_sent_away(service: NotifyProcess, token: str) -> None:
    """While it stops: by a goodbye where that can be heard, by a status where not."""
    for offered in ([JSON], [MSGPACK]):
        while True:
            async with open_socket(service.url, subprotocols=offered, token=token) as socket:
                first = await socket.hear()
                if first["type"] == "welcome":
                    continue  # The signal has not arrived yet.
                assert first["type"] == "bye"
                assert first["reason"] == "shutdown"
                assert 1000 <= first["retry_ms"] <= 5000
                assert await socket.ended() == 1012
                break
    with BareSocket(service.url, token=token) as refused:
        assert refused.head.startswith("HTTP/1.1 503 "), refused.head
        assert "retry-after: 1" in refused.head
