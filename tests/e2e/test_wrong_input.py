"""Wrong input of every kind is a problem that says what to do; the service goes on."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.processes import ADMIN, ADMIN_KEY, NotifyProcess
from support.servers import TestServer

JSON_BODY = {"Content-Type": "application/json"}
CREATE = "/v1/notifications"


@pytest.fixture(scope="module")
def notify(embedded_server: TestServer) -> Iterator[NotifyProcess]:
    with (
        embedded_server.database() as url,
        NotifyProcess({"NOTIFY_DATABASE_URL": url, "NOTIFY_BODY_TIMEOUT_SECONDS": "0.5"}) as process,
    ):
        yield process
        assert not [line for line in process.log if '"level": "error"' in line]


@pytest.fixture(scope="module")
def client(notify: NotifyProcess) -> Iterator[httpx.Client]:
    with notify.client() as client:
        yield client


def assert_problem(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["type"].startswith("/problems/")
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


def a_create(**fields: Any) -> bytes:
    return json.dumps({"to": "alice", "title": "x", **fields}).encode()


WRONG_BODIES: dict[str, tuple[bytes, str | None]] = {
    "cut JSON": (b'{"to": "alice"', None),
    "empty": (b"", None),
    "not UTF-8": (b'{"to": "alice", "title": "\xff"}', None),
    "a lone surrogate": (b'{"to": "alice", "title": "\\ud800"}', None),
    "an array": (b"[]", ""),
    "a number": (b"7", ""),
    "no title": (b'{"to": "alice"}', "/title"),
    "an empty title": (a_create(title=""), "/title"),
    "a long title": (a_create(title="x" * 256), "/title"),
    "NUL in the title": (a_create(title="a\x00b"), "/title"),
    "NUL in the user": (a_create(to="a\x00b"), "/to"),
    "NUL in data": (a_create(data={"a": "\x00"}), "/data"),
    "NUL in a key of data": (a_create(data={"a\x00": 1}), "/data"),
    "a user that is a number": (a_create(to=7), "/to"),
    "no users": (a_create(to=[]), "/to"),
    "too many users": (a_create(to=[f"u{n}" for n in range(1001)]), "/to"),
    "a topic, not built yet": (a_create(to={"topic": "t"}), "/to"),
    "a schedule, not built yet": (a_create(send_at="2030-01-01T00:00:00Z"), "/send_at"),
    "an expiry, not built yet": (a_create(expires_at="2030-01-01T00:00:00Z"), "/expires_at"),
    "an unknown field": (a_create(colour="red"), "/colour"),
    "an unknown level": (a_create(level="fatal"), "/level"),
    "a script for a link": (a_create(url="javascript:alert(1)"), "/url"),
    "another host for a link": (a_create(url="//evil.example"), "/url"),
    "a long text": (a_create(body="é" * 4097), "/body"),
    "data that is no object": (a_create(data=[1]), "/data"),
    "much data": (a_create(data={"x": "y" * 17_000}), "/data"),
    "deep data": (a_create(data=json.loads('{"a":' * 33 + "1" + "}" * 33)), "/data"),
    "a number beyond 64 bits": (a_create(data={"n": 2**70}), "/data"),
    "a number beyond any": (b'{"to": "alice", "title": "x", "data": {"n": 1e400}}', "/data"),
    "a hundred thousand brackets": (b"[" * 100_000, None),
    "deep objects": (b'{"to": "alice", "title": "x", "data": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001, None),
    "six actions": (a_create(actions=[{"label": "x"}] * 6), "/actions"),
}


@pytest.mark.parametrize("why", WRONG_BODIES)
def test_a_wrong_body_is_refused_and_pointed_at(client: httpx.Client, why: str) -> None:
    body, pointer = WRONG_BODIES[why]
    problem = assert_problem(client.post(CREATE, content=body, headers=JSON_BODY), 400, 415, 422)
    if pointer is not None:
        assert problem["errors"][0]["pointer"].startswith(pointer), problem


WRONG_QUERIES = [
    "limit=0",
    "limit=101",
    "limit=99999999999999999999999",
    "limit=ten",
    "limit=1&limit=2",
    "cursor=nonsense",
    "cursor=%00",
    "cursor=gqRhYmNk",
    "status=lost",
    "type=%20",
    "since=yesterday",
    "since=2026-01-01T00:00:00",
    "until=7",
    "topic=t",
    "colour=red",
    "user_id=",
    "user_id=%00",
    "user_id=%ff",
    "user_id=" + "x" * 256,
]


@pytest.mark.parametrize("query", WRONG_QUERIES)
def test_a_wrong_query_is_refused(client: httpx.Client, query: str) -> None:
    own = "" if "user_id" in query else "user_id=alice&"
    assert_problem(client.get(f"{CREATE}?{own}{query}"), 422)


@pytest.mark.parametrize("after", ["x", "1", "a.-1", "a.01", "a.1.2.3", "a.99999999999999999999", "A.1", "a.1 ", "é.1"])
def test_a_malformed_position_is_refused(client: httpx.Client, after: str) -> None:
    assert_problem(client.get("/v1/changes", params={"user_id": "alice", "after": after}), 422)
    body = {"before": after}
    assert_problem(client.post(f"{CREATE}/read-all", params={"user_id": "alice"}, json=body), 422)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/notifications/not-a-uuid", 404),
        ("GET", "/v1/notifications/01890000-0000-7000-8000-000000000000", 404),
        ("POST", "/v1/notifications/01890000-0000-7000-8000-000000000000/read", 404),
        ("DELETE", "/v1/notifications/01890000-0000-7000-8000-000000000000", 404),
        ("PUT", "/v1/notifications", 405),
        ("GET", "/v1/apps/no%00app/keys", 404),
        ("GET", "/v1/apps/%2e%2e%2fx/keys", 404),
        ("GET", "/assets/vendor/..%2f..%2fsettings.py", 404),
        ("GET", "/problems/nothing", 404),
    ],
)
def test_what_is_not_there_is_said_so(client: httpx.Client, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert_problem(answer, status)
    assert status != 405 or "POST" in answer.headers["allow"]


def test_a_body_over_the_bound_is_refused_and_the_bound_named(client: httpx.Client) -> None:
    body = b'{"to": "alice", "title": "' + b"x" * 300_000 + b'"}'
    declared = client.post(CREATE, content=body, headers=JSON_BODY)
    assert "NOTIFY_MAX_BODY_BYTES" in assert_problem(declared, 413)["detail"]
    chunked = client.post(CREATE, content=iter([body[:200_000], body[200_000:]]), headers=JSON_BODY)
    assert "262144" in assert_problem(chunked, 413)["detail"]


def test_a_body_of_another_kind_is_refused(client: httpx.Client) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        assert_problem(client.post(CREATE, content=a_create(), headers={"Content-Type": kind}), 415)


def test_a_batch_answers_each_wrong_item_for_itself(client: httpx.Client) -> None:
    items: list[Any] = [{"to": "bob", "title": "fine"}, 7, None, {"to": "bob"}, {"to": "bob", "title": "\ud800"}]
    body = json.dumps({"items": items[:4]}).encode()
    answer = client.post(f"{CREATE}/batch", content=body, headers=JSON_BODY)
    assert [item["status"] for item in answer.json()["items"]] == [201, 422, 422, 422]


def raw(notify: NotifyProcess, sent: bytes, *, then_close: bool = False) -> bytes:
    address = urlsplit(notify.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), timeout=10) as connection:
        connection.sendall(sent)
        if then_close:
            return b""
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
            if b"\r\n\r\n" in received and b"}" in received:
                break
        return received


def head(length: int) -> bytes:
    return (
        f"POST {CREATE} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN_KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def test_a_body_that_does_not_arrive_in_time_is_given_up(notify: NotifyProcess) -> None:
    started = time.monotonic()
    answer = raw(notify, head(100) + b'{"to":')
    assert b" 408 " in answer.splitlines()[0]
    assert b"body-too-slow" in answer
    assert time.monotonic() - started < 8


def test_a_body_that_is_cut_off_hurts_nobody(notify: NotifyProcess, client: httpx.Client) -> None:
    for _ in range(20):
        raw(notify, head(100) + b'{"to":', then_close=True)
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\x00" * 200, b"GET / HTTP/9\r\n\r\n"]
)
def test_garbage_is_answered_with_a_refusal(notify: NotifyProcess, client: httpx.Client, garbage: bytes) -> None:
    assert b" 400 " in raw(notify, garbage + b"\r\n\r\n").splitlines()[0]
    assert client.get("/health/live").status_code == 200


def test_nothing_secret_or_asked_for_reaches_a_log(notify: NotifyProcess, client: httpx.Client) -> None:
    secrets = ["nk_SECRETKEY", "eyJhbGciOiJIUzI1NiJ9.SECRET.TOKEN", "SECRETQUERY", "SECRETTITLE"]
    httpx.get(f"{notify.url}{CREATE}?token={secrets[2]}", headers={"Authorization": f"Bearer {secrets[0]}"})
    httpx.get(f"{notify.url}/v1/stream?token={secrets[1]}")
    httpx.get(f"{notify.url}/{secrets[2]}?limit=1000", headers=ADMIN)
    client.get(CREATE, params={"user_id": "alice", "limit": 1000, "cursor": secrets[2]})
    client.post(CREATE, json={"to": "alice", "title": secrets[3], "level": "wrong"})
    log = "\n".join(notify.log + notify.output)
    for secret in (*secrets, ADMIN_KEY):
        assert secret not in log


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["to", "title", "body", "type", "level", "data", "url", "actions", "actor", "collapse_key", "x"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(
        [CREATE, f"{CREATE}/batch", f"{CREATE}/read-all?user_id=a", "/v1/tokens", "/v1/apps", "/v1/ack"]
    ),
    body=st.dictionaries(NAMES, JSON_VALUES, max_size=6) | JSON_VALUES,
)
def test_no_body_whatever_is_a_fault_of_the_service(client: httpx.Client, path: str, body: Any) -> None:
    content = json.dumps(body, allow_nan=False).encode("utf-8", "surrogatepass")
    answer = client.post(path, content=content, headers=JSON_BODY)
    assert answer.status_code < 500, answer.text


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from([CREATE, f"{CREATE}/count", "/v1/changes", "/v1/devices"]), query=st.binary(max_size=40))
def test_no_query_whatever_is_a_fault_of_the_service(client: httpx.Client, path: str, query: bytes) -> None:
    escaped = "".join(chr(byte) if 0x21 <= byte < 0x7F and byte not in b"#\\ " else f"%{byte:02x}" for byte in query)
    assert client.get(f"{path}?{escaped}").status_code < 500
