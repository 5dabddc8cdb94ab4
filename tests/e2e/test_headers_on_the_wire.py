"""What is answered on a real socket says what a browser may do with it, also where no route answers."""

from collections.abc import Iterator

import pytest

from notify.api.security_headers import SECURITY_HEADERS
from support.processes import ADMIN_KEY, NotifyProcess
from support.raw_http import connected, head

AUTH = f"Authorization: Bearer {ADMIN_KEY}"
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
REQUESTS = {
    "an answer in one piece": (200, head("GET", "/health/live")),
    "one without a body": (200, head("HEAD", "/v1/stream?user_id=alice", AUTH)),
    "the last on its connection": (200, head("GET", "/health/live", "Connection: close")),
    "a stream": (200, head("GET", "/v1/stream?user_id=alice", AUTH)),
    "a page": (200, head("GET", "/problems")),
    "a file": (200, head("GET", "/assets/pages/style.css")),
    "a problem": (404, head("GET", "/nowhere")),
    "what is no request": (400, b"NONSENSE\r\n\r\n"),
    "a head past its bound": (431, head("GET", "/", f"X: {70_000 * 'x'}")),
    "a socket that is opened": (101, head("GET", "/v1/ws?user_id=alice", AUTH, *UPGRADE, KEY)),
    "a socket of nobody": (401, head("GET", "/v1/ws", *UPGRADE, KEY)),
    "a socket where none is": (404, head("GET", "/v1/stream", *UPGRADE, KEY)),
    "a handshake that is none": (400, head("GET", "/v1/ws", *UPGRADE)),
    "a handshake past its bound": (431, head("GET", "/v1/ws", *UPGRADE, KEY, f"X: {10_000 * 'x'}")),
}


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[NotifyProcess]:
    with NotifyProcess({"NOTIFY_DATABASE_URL": database}) as process:
        yield process


@pytest.mark.parametrize("what", REQUESTS)
def test_each_answer_has_each_header_once(service: NotifyProcess, what: str) -> None:
    status, request = REQUESTS[what]
    said = b""
    with connected(service.url) as connection:
        connection.sendall(request)
        while b"\r\n\r\n" not in said:
            said += connection.recv(65536)
    start, *lines = said.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert int(start.split()[1]) == status, said
    for name, value in SECURITY_HEADERS:
        assert lines.count(name + b": " + value.lower()) == 1, (name, lines)
    assert sum(line.startswith(b"x-request-id: ") for line in lines) == 1
    assert not any(line.startswith((b"server:", b"x-powered-by:", b"via:")) for line in lines)
    if status >= 400:
        assert b"cache-control: no-store" in lines
