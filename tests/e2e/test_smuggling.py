"""Where one request ends and the next begins: no bytes of one are ever taken for another, and nothing is done twice.

A proxy in front may read doubtful bytes otherwise than we do. So what is doubtful is refused, and the connection is
closed: what came behind it is not looked at.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

import httpx
import pytest

from support.processes import ADMIN_KEY, NotifyProcess
from support.raw_http import connected
from support.waiting import until

_users = (f"user-{n}" for n in itertools.count(1))
AUTH = f"Authorization: Bearer {ADMIN_KEY}\r\nContent-Type: application/json\r\n".encode()
START = b"POST /v1/notifications HTTP/1.1\r\nHost: notify\r\n" + AUTH
CHUNKED = b"Transfer-Encoding: chunked\r\n"
QUIET_SECONDS = 1.5
"""Longer than a body may take to come: after that nothing more is answered."""


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[NotifyProcess]:
    with NotifyProcess({"NOTIFY_DATABASE_URL": database, "NOTIFY_BODY_TIMEOUT_SECONDS": "0.5"}) as process:
        yield process
        assert not [line for line in process.log if '"level":"error"' in line or "Traceback" in line]


@pytest.fixture(scope="module")
def client(service: NotifyProcess) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


class Sending:
    """A create, and another one that hides behind it."""

    def __init__(self) -> None:
        self.user = next(_users)
        self.body = json.dumps({"to": self.user, "title": "seen"}).encode()
        hidden = json.dumps({"to": self.user, "title": "hidden"}).encode()
        self.length = b"Content-Length: %d\r\n" % len(self.body)
        self.chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(self.body), self.body)
        self.hidden = START + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden


def answers_to(service: NotifyProcess, request: bytes) -> list[int]:
    """The status of each, until the service has closed the connection or has nothing more to say."""
    with connected(service.url) as connection:
        connection.settimeout(QUIET_SECONDS)
        said = b""
        with suppress(TimeoutError, ConnectionError):
            connection.sendall(request)
            while part := connection.recv(65536):
                said += part
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def created(client: httpx.Client, user: str) -> list[str]:
    listed = client.get("/v1/notifications", params={"user_id": user}).json()["items"]
    return [item["title"] for item in listed]


REFUSED: dict[str, Callable[[Sending], bytes]] = {
    "a length and chunks": lambda it: START + it.length + CHUNKED + b"\r\n" + it.chunks,
    "chunks and a length": lambda it: START + CHUNKED + b"Content-Length: 4\r\n\r\n" + it.chunks,
    "two lengths": lambda it: START + it.length + b"Content-Length: 0\r\n\r\n" + it.body,
    "the same length twice": lambda it: START + it.length + it.length + b"\r\n" + it.body,
    "a list of lengths": lambda it: START + it.length[:-2] + b", 5\r\n\r\n" + it.body,
    "a length with a sign": lambda it: START + it.length.replace(b": ", b": +") + b"\r\n" + it.body,
    "a length below nothing": lambda it: START + b"Content-Length: -1\r\n\r\n" + it.body,
    "a length in base 16": lambda it: START + b"Content-Length: 0x20\r\n\r\n" + it.body,
    "a length past 64 bits": lambda it: START + b"Content-Length: 99999999999999999999\r\n\r\n" + it.body,
    "no length": lambda it: START + b"Content-Length:\r\n\r\n" + it.body,
    "a space before the colon": lambda it: START + it.length.replace(b":", b" :") + b"\r\n" + it.body,
    "a coding that is nearly one": lambda it: START + b"Transfer-Encoding: xchunked\r\n\r\n" + it.chunks,
    "that and a length": lambda it: START + it.length + b"Transfer-Encoding: xchunked\r\n\r\n" + it.body,
    "chunks that are not the last coding": lambda it: START + CHUNKED[:-2] + b", identity\r\n\r\n" + it.chunks,
    "two codings": lambda it: START + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n" + it.chunks,
    "a coding behind a vertical tab": lambda it: START + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + it.chunks,
    "a coding before its colon": lambda it: START + b"Transfer-Encoding : chunked\r\n\r\n" + it.chunks,
    "a folded coding": lambda it: START + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + it.chunks,
    "a folded length": lambda it: START + it.length.replace(b": ", b":\r\n ") + b"\r\n" + it.body,
    "a folded header": lambda it: START + it.length + b"X-A: b\r\n c\r\n\r\n" + it.body,
    "a header that begins with a space": lambda it: START.replace(b"Host", b" Host") + it.length + b"\r\n" + it.body,
    "only line feeds": lambda it: (START + it.length + b"\r\n").replace(b"\r\n", b"\n") + it.body,
    "one line feed": lambda it: START + it.length + b"X: y\nContent-Length: 0\r\n\r\n" + it.body,
    "one carriage return": lambda it: START + it.length + b"X: y\rContent-Length: 0\r\n\r\n" + it.body,
    "NUL in a value": lambda it: START + it.length + b"X: a\x00b\r\n\r\n" + it.body,
    "NUL in a name": lambda it: START + it.length + b"X\x00: a\r\n\r\n" + it.body,
    "a header without a name": lambda it: START + it.length + b": a\r\n\r\n" + it.body,
    "two hosts": lambda it: START + it.length + b"Host: elsewhere\r\n\r\n" + it.body,
    "a chunk's size with 0x": lambda it: START + CHUNKED + b"\r\n0x" + it.chunks,
    "a chunk's size with a sign": lambda it: START + CHUNKED + b"\r\n-" + it.chunks,
    "a chunk's size past 64 bits": lambda it: START + CHUNKED + b"\r\n1" + 16 * b"0" + it.chunks,
    "a chunk longer than it says": lambda it: START + CHUNKED + b"\r\n" + it.chunks.replace(b"}\r\n", b"}x\r\n"),
    "chunks with line feeds": lambda it: START + CHUNKED + b"\r\n" + it.chunks.replace(b"\r\n", b"\n"),
    "a length as a trailer": lambda it: START + CHUNKED + b"\r\n" + it.chunks[:-2] + b"Content-Length: 5\r\n\r\n",
    "a newer protocol's greeting": lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": lambda _: b"CONNECT elsewhere:80 HTTP/1.1\r\nHost: elsewhere:80\r\n\r\n",
    "an upgrade with a body": lambda it: (
        START + it.length + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + it.body
    ),
    "an upgrade that fails": lambda _: (
        b"GET /v1/ws HTTP/1.1\r\nHost: notify\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 777\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
    "an upgrade of nobody": lambda _: (
        b"GET /v1/ws HTTP/1.1\r\nHost: notify\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_doubtful_is_refused_and_nothing_behind_it_is_looked_at(
    service: NotifyProcess, client: httpx.Client, what: str
) -> None:
    it = Sending()
    (status,) = answers_to(service, REFUSED[what](it) + it.hidden)
    assert status in {400, 401}
    assert created(client, it.user) == []


def test_a_request_that_is_the_last_is_the_last(service: NotifyProcess, client: httpx.Client) -> None:
    for ending in (b"Connection: close\r\n", b""):
        it = Sending()
        start = START if ending else START.replace(b"1.1", b"1.0")
        assert answers_to(service, start + it.length + ending + b"\r\n" + it.body + it.hidden) == [201]
        assert created(client, it.user) == ["seen"]


def test_a_request_within_a_body_is_a_body(service: NotifyProcess, client: httpx.Client) -> None:
    it = Sending()
    length = b"Content-Length: %d\r\n\r\n" % len(it.hidden)
    for method in (b"GET /health/live", b"POST /v1/notifications", b"GET /v1/notifications?user_id=x"):
        start = START.replace(b"POST /v1/notifications", method)
        (status,) = answers_to(service, start + length + it.hidden)
        assert status in {200, 400}
    assert created(client, it.user) == []


def test_extensions_of_a_chunk_change_nothing_however_long(service: NotifyProcess, client: httpx.Client) -> None:
    it = Sending()
    chunks = it.chunks.replace(b"\r\n", b";a=" + 300_000 * b"b" + b"\r\n", 1)
    assert answers_to(service, START + CHUNKED + b"\r\n" + chunks) == [201]
    assert created(client, it.user) == ["seen"]


def test_a_trailer_is_no_header(service: NotifyProcess, client: httpx.Client) -> None:
    """No proxy in front has looked at it, or set it."""
    it = Sending()
    unknown = START.replace(AUTH, b"Content-Type: application/json\r\n")
    trailers = it.chunks[:-2] + AUTH + b"X-Request-ID: a-trailer\r\n\r\n"
    with connected(service.url) as connection:
        connection.sendall(unknown + CHUNKED + b"\r\n" + trailers)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"a-trailer" not in answer
    assert created(client, it.user) == []


def test_a_trailer_without_an_end_is_kept_no_longer_than_a_head(service: NotifyProcess) -> None:
    it = Sending()
    with connected(service.url) as connection:
        connection.sendall(START + CHUNKED + b"\r\n" + it.chunks[:-2] + b"X: ")
        with suppress(ConnectionError):
            connection.sendall(1024 * 1024 * b"x")
        # It may close the connection before its answer is read, but says so in its log.
        until(lambda: any('"status":431' in line for line in service.log), what="the refusal")


def test_what_follows_a_whole_request_does_not_take_its_answer(service: NotifyProcess, client: httpx.Client) -> None:
    it = Sending()
    request = START + it.length + b"\r\n" + it.body
    assert answers_to(service, request + b"NONSENSE\x00\r\n\r\n" + it.hidden) == [201]
    assert created(client, it.user) == ["seen"]
    assert answers_to(service, request + request + b"NONSENSE\x00\r\n\r\n" + it.hidden) == [201, 201]
    assert created(client, it.user) == ["seen"] * 3
