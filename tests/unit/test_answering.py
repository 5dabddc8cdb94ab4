"""An answer leaves in one piece where it can, and the ordinary way where it cannot: the client sees no difference."""

import asyncio
from typing import Any

import pytest
import uvicorn
from litestar.types import Receive, Scope, Send
from uvicorn.server import ServerState

from notify.api.answers import json_answer
from notify.api.envelope import Envelope
from notify.api.protocol import HttpProtocol
from notify.api.security_headers import SECURITY_HEADERS
from notify.api.transports import Transports
from notify.metrics import Metrics
from support.waiting import eventually

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\nx-request-id: mine\r\n\r\n"


class Wire(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.is_closed = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        assert not self.is_closed
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    @property
    def answers(self) -> list[tuple[bytes, dict[bytes, bytes], bytes]]:
        """Status line, headers and body of each."""
        rest = b"".join(self.writes)
        found: list[tuple[bytes, dict[bytes, bytes], bytes]] = []
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            status, *lines = head.split(b"\r\n")
            headers = {name: value for name, _, value in (line.partition(b": ") for line in lines)}
            length = int(headers[b"content-length"])
            found.append((status, headers, rest[:length]))
            rest = rest[length:]
        return found


@pytest.fixture
async def connection() -> tuple[HttpProtocol, Wire]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await json_answer({"path": scope["path"]}, status=201)(scope, receive, send)

    config = uvicorn.Config(
        Envelope(app, {}, Metrics(), body_timeout_seconds=5),
        http=HttpProtocol,
        log_config=None,
        lifespan="off",
    )
    config.load()
    state = ServerState()
    state.default_headers = [(b"date", b"Sat, 21 Nov 2026 12:00:00 GMT")]
    transports = Transports(most=10, head_seconds=10, metrics=Metrics())
    protocol, wire = HttpProtocol(config=config, server_state=state, app_state={}, transports=transports), Wire()
    protocol.connection_made(wire)
    return protocol, wire


async def test_an_answer_is_one_write(connection: tuple[HttpProtocol, Wire]) -> None:
    protocol, wire = connection
    protocol.data_received(REQUEST)
    await eventually(lambda: bool(wire.writes))
    ((status, headers, body),) = wire.answers
    assert (len(wire.writes), status, body) == (1, b"HTTP/1.1 201 Created", b'{"path":"/"}')
    assert headers == {
        b"date": b"Sat, 21 Nov 2026 12:00:00 GMT",
        b"content-type": b"application/json",
        b"content-length": b"12",
        b"cache-control": b"no-store",
        b"x-request-id": b"mine",
        **dict(SECURITY_HEADERS),
    }
    assert not wire.is_closed


async def test_what_is_asked_for_in_a_row_is_answered_in_that_order(connection: tuple[HttpProtocol, Wire]) -> None:
    protocol, wire = connection
    protocol.data_received(b"".join(REQUEST.replace(b"GET /", b"GET /%d" % n) for n in range(3)))
    await eventually(lambda: len(wire.writes) == 3)
    assert [body for _, _, body in wire.answers] == [b'{"path":"/%d"}' % n for n in range(3)]


async def test_a_client_that_wants_it_to_be_the_last_is_told_that_it_is(
    connection: tuple[HttpProtocol, Wire],
) -> None:
    protocol, wire = connection
    protocol.data_received(REQUEST.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"))
    await eventually(lambda: wire.is_closed)
    ((_, headers, body),) = wire.answers
    assert (headers[b"connection"], headers[b"x-request-id"], body) == (b"close", b"mine", b'{"path":"/"}')


async def test_only_the_head_is_sent_to_who_asks_for_that(connection: tuple[HttpProtocol, Wire]) -> None:
    protocol, wire = connection
    protocol.data_received(REQUEST.replace(b"GET", b"HEAD"))
    await eventually(lambda: protocol.cycle is not None and protocol.cycle.response_complete)
    written = b"".join(wire.writes)
    assert b"content-length: 12\r\n" in written
    assert written.endswith(b"\r\n\r\n")


async def test_a_socket_that_takes_nothing_is_waited_for(connection: tuple[HttpProtocol, Wire]) -> None:
    protocol, wire = connection
    protocol.pause_writing()
    protocol.data_received(REQUEST)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not wire.writes
    protocol.resume_writing()
    await eventually(lambda: protocol.cycle is not None and protocol.cycle.response_complete)
    assert [body for _, _, body in wire.answers] == [b'{"path":"/"}']


async def test_nothing_is_written_to_who_has_left(connection: tuple[HttpProtocol, Wire]) -> None:
    protocol, wire = connection
    protocol.data_received(REQUEST)
    wire.is_closed = True
    for _ in range(10):
        await asyncio.sleep(0)
    assert not wire.writes
