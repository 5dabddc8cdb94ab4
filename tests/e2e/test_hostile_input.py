"""Wrong input of every kind, to the real service: a 4xx problem that says what to do, never a 500, never silence, and
the service goes on.
"""

import base64
import gzip
import hmac
import json
import socket
import struct
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.credentials import bearer
from support.problems import check_problem, problem_in
from support.processes import ADMIN_KEY, NotifyProcess
from support.raw_http import Answer, answer_on, connected, exchange, head
from support.servers import TestServer

SECRET = "a secret for user tokens, in tests only"
BODY_TIMEOUT_SECONDS = 1
JSON = {"Content-Type": "application/json"}
CREATE = "/v1/notifications"
SOUND = {"to": "alice", "title": "a title"}

quick = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def service(embedded_server: TestServer) -> Iterator[NotifyProcess]:
    environment = {
        "NOTIFY_BODY_TIMEOUT_SECONDS": str(BODY_TIMEOUT_SECONDS),
        "NOTIFY_JWT_SECRET": SECRET,
        "NOTIFY_LOG_LEVEL": "debug",
        "NOTIFY_LOG_FORMAT": "json",
    }
    with (
        embedded_server.database() as url,
        NotifyProcess({"NOTIFY_DATABASE_URL": url, **environment}, is_covered=True) as process,
    ):
        yield process
        errors = [line for line in process.log if '"level":"error"' in line or "Traceback" in line]
        assert not errors, "\n".join(errors)
        assert not any(ADMIN_KEY in line for line in process.log)
        with psycopg.connect(url) as connection:
            wrong = connection.execute(
                "SELECT user_id FROM notify.inboxes WHERE user_id ~ '[\\x01-\\x1f\\x7f]' OR user_id = ''"
            ).fetchall()
        assert wrong == []


@pytest.fixture(scope="module")
def client(service: NotifyProcess) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture(autouse=True)
def _the_service_goes_on(client: httpx.Client) -> Iterator[None]:
    yield
    assert client.get("/health/ready").status_code == 200
    answer = client.post(CREATE, json={"to": "survivor", "title": "still here"})
    assert answer.status_code == 201, answer.text
    assert client.get(f"{CREATE}/{answer.json()['id']}").json()["title"] == "still here"


@pytest.fixture(scope="module")
def sound_id(client: httpx.Client) -> str:
    id_: str = client.post(CREATE, json=SOUND).json()["id"]
    return id_


@pytest.fixture(scope="module")
def routes_with_bodies(sound_id: str) -> dict[str, tuple[str, str]]:
    """Every route that takes a body, by what it is called here."""
    return {
        "create": ("POST", CREATE),
        "batch": ("POST", f"{CREATE}/batch"),
        "edit": ("PATCH", f"{CREATE}/{sound_id}"),
        "read all": ("POST", f"{CREATE}/read-all?user_id=alice"),
        "archive all": ("POST", f"{CREATE}/archive-all?user_id=bob"),
        "token": ("POST", "/v1/tokens"),
        "key": ("POST", "/v1/apps/default/keys"),
        "app": ("POST", "/v1/apps"),
    }


def check_refused(answer: httpx.Response) -> dict[str, Any]:
    assert 400 <= answer.status_code < 500, answer.text
    return problem_in(answer, answer.status_code)


def check_not_at_fault(answer: httpx.Response) -> None:
    """Either it was fine, or it was refused properly."""
    if answer.status_code >= 400:
        check_refused(answer)


def check_refused_raw(answer: Answer, *statuses: int) -> dict[str, Any]:
    assert answer.status in statuses, answer
    return check_problem(answer.status, answer.headers, answer.body)


# Bodies --------------------------------------------------------------------------------------------------------------

NO_JSON = {
    "cut": b'{"to":"alice","title":"a',
    "a word": b"hello",
    "nothing but a bracket": b"[",
    "a trailing comma": b'{"to":"alice","title":"a",}',
    "single quotes": b"{'to':'alice','title':'a'}",
    "a comment": b'{"to":"alice",/* */"title":"a"}',
    "two documents": b'{"to":"alice","title":"a"}{"to":"alice","title":"a"}',
    "NaN": b'{"to":"alice","title":"a","data":{"x":NaN}}',
    "infinity": b'{"to":"alice","title":"a","data":{"x":-Infinity}}',
    "a leading zero": b'{"to":"alice","title":"a","data":{"x":01}}',
    "a NUL byte": b'{"to":"alice","title":"a\x00"}',
    "a line break in a text": b'{"to":"alice","title":"a\nb"}',
    "only NUL bytes": bytes(50),
    "bytes that are no UTF-8": b'{"to":"alice","title":"\xff\xfe"}',
    "an overlong NUL": b'{"to":"alice","title":"\xc0\x80"}',
    "half a surrogate pair in bytes": b'{"to":"alice","title":"\xed\xa0\x80"}',
    "half a surrogate pair": b'{"to":"alice","title":"\\ud800"}',
    "the other half": b'{"to":"alice","title":"\\udc00x"}',
    "the halves swapped": b'{"to":"alice","title":"\\udc00\\ud800"}',
    "half a surrogate pair in a key": b'{"to":"alice","title":"a","data":{"\\ud800":1}}',
    "half an escape": b'{"to":"alice","title":"\\u00"}',
    "an unknown escape": b'{"to":"alice","title":"\\x00"}',
    "UTF-16": '{"to":"alice","title":"a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"to":"alice","title":"a"}',
    "gzip": gzip.compress(b'{"to":"alice","title":"a"}'),
    "XML": b"<to>alice</to>",
    "a form": b"to=alice&title=a",
    "only blanks": b"   ",
}


@pytest.mark.parametrize("what", NO_JSON)
def test_what_is_not_json_is_refused(
    client: httpx.Client, routes_with_bodies: dict[str, tuple[str, str]], what: str
) -> None:
    for method, path in routes_with_bodies.values():
        answer = client.request(method, path, content=NO_JSON[what], headers=JSON)
        # 422 where a value is wrong before the text is.
        assert answer.status_code in {400, 422}, answer.text
        problem_in(answer, answer.status_code)
    if what != "nothing but a bracket":
        assert client.post(CREATE, content=NO_JSON[what], headers=JSON).status_code == 400


def test_an_empty_body_is_refused_where_one_is_needed(
    client: httpx.Client, routes_with_bodies: dict[str, tuple[str, str]]
) -> None:
    for name, (method, path) in routes_with_bodies.items():
        for headers in ({}, JSON):
            answer = client.request(method, path, headers=headers)
            if name.endswith(" all"):
                assert answer.status_code == 200
            else:
                check_refused(answer)


@pytest.mark.parametrize("document", ["null", "true", "5", "-1.5", '"text"', "[]", "[[]]", "[{}]", "{}", '{"":{}}'])
def test_json_of_another_kind_is_refused(
    client: httpx.Client, routes_with_bodies: dict[str, tuple[str, str]], document: str
) -> None:
    for name, (method, path) in routes_with_bodies.items():
        answer = client.request(method, path, content=document, headers=JSON)
        if name.endswith(" all") and document == "{}":
            assert answer.status_code == 200
        else:
            problem_in(answer, 422, "invalid")


DEEP = {
    "arrays": b"[" * 100_000,
    "closed arrays": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 40_000,
    "closed objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "arrays in the data": b'{"to":"alice","title":"a","data":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    "objects in the data": b'{"to":"alice","title":"a","data":' + b'{"a":' * 40_000 + b"1" + b"}" * 40_000 + b"}",
    "arrays in an unknown field": b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "arrays in an item": b'{"items":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    "arrays in a field of another kind": b'{"to":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


@pytest.mark.parametrize("what", DEEP)
def test_a_body_that_is_nested_deeply_is_refused(
    client: httpx.Client, routes_with_bodies: dict[str, tuple[str, str]], what: str
) -> None:
    for method, path in routes_with_bodies.values():
        answer = client.request(method, path, content=DEEP[what], headers={**JSON, "Idempotency-Key": "deep"})
        check_refused(answer)


@pytest.mark.parametrize("key", [None, "a key"])
def test_data_is_refused_from_the_first_level_past_the_bound_on(client: httpx.Client, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}

    def create(levels: int) -> httpx.Response:
        data = '{"x":' * (levels - 1) + "{}" + "}" * (levels - 1)
        own = {name: f"{value} {levels}" for name, value in headers.items()}
        return client.post(CREATE, content=f'{{"to":"a","title":"a","data":{data}}}', headers={**JSON, **own})

    assert create(32).status_code == 201
    for levels in (33, 34, 64, 100, 500, *range(900, 1100, 7), 5000, 20_000):
        (error,) = problem_in(create(levels), 422, "invalid")["errors"]
        assert "NOTIFY_MAX_DATA_DEPTH" in error["detail"], levels


@pytest.mark.parametrize(
    ("path", "limit", "setting"),
    [
        (CREATE, 256 * 1024, "NOTIFY_MAX_BODY_BYTES"),
        ("/v1/tokens", 256 * 1024, "NOTIFY_MAX_BODY_BYTES"),
        (f"{CREATE}/batch", 1024 * 1024, "NOTIFY_MAX_BATCH_BODY_BYTES"),
    ],
)
def test_a_body_past_the_bound_is_refused_however_it_is_sent(
    service: NotifyProcess, client: httpx.Client, path: str, limit: int, setting: str
) -> None:
    too_large = b'{"x":"' + limit * b"x" + b'"}'

    def in_chunks(body: bytes) -> Iterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    for content in (too_large, in_chunks(too_large), in_chunks(50 * too_large)):
        problem = problem_in(client.post(path, content=content, headers=JSON), 413, "body-too-large")
        assert f"{limit} bytes" in problem["detail"]
        assert setting in problem["detail"]
    # Declared and never sent: it is not waited for.
    for length in (limit + 1, 10**9, 10**18):
        started = time.monotonic()
        request = head("POST", path, f"Authorization: Bearer {ADMIN_KEY}", f"Content-Length: {length}", *_JSON_HEADER)
        check_refused_raw(exchange(service.url, request), 413)
        assert time.monotonic() - started < BODY_TIMEOUT_SECONDS
    # At the bound it is read, and refused for what is in it.
    at_the_bound = b'{"x":"' + (limit - 8) * b"x" + b'"}'
    assert len(at_the_bound) == limit
    problem_in(client.post(path, content=at_the_bound, headers=JSON), 422, "invalid")


_JSON_HEADER = ("Content-Type: application/json",)

# Fields --------------------------------------------------------------------------------------------------------------

LATER_FIELDS: dict[str, Any] = {
    "critical": True,
    "topic": "news",
    "topics": ["news"],
    "locale": "en",
    "template": "t",
    "providers": ["email"],
    "id": "01a1fd61-d36a-7e3b-90cb-826a32323436",
    "user_id": "alice",
    "read_at": None,
    "": 1,
    "__class__": 1,
    "TITLE": "a",
    "to ": "alice",
}

WRONG_TEXTS: list[Any] = ["a\x00b", "\x00", 5, 1.5, True, [], {}, ["a"]]
WRONG_NAMES: list[Any] = [*WRONG_TEXTS, "", 256 * "a", "a\nb", "a\n", "\x1b[2J", "a\x7f", "\t"]
WRONG_URLS: list[Any] = [
    *WRONG_TEXTS,
    "",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,x",
    "//elsewhere.example",
    "\\\\elsewhere.example",
    "/\\elsewhere.example",
    "http://",
    "http:// a",
    "ftp://a",
    "java\nscript:alert(1)",
    "/a\n",
    "/a b",
    " /a",
    "https://a\x00",
    2049 * "a",
]
WRONG_FIELDS: dict[str, list[Any]] = {
    "to": [
        *(name for name in WRONG_NAMES if name != ["a"]),
        None,
        [""],
        ["alice", None],
        ["a\x00"],
        [["alice"]],
        1001 * ["a"],
        {},
        {"topic": ""},
        {"topic": "t/*"},
        {"topic": "t", "everyone": True},
        {"topics": []},
        {"topics": ["t", None]},
        {"everyone": False},
        {"anyone": True},
    ],
    "title": [*WRONG_TEXTS, None, "", 256 * "a"],
    "body": [*WRONG_TEXTS, 8193 * "a", 4097 * "\u00e9", 2049 * "\U0001f600"],
    "type": [*WRONG_NAMES, "a b", ".a", "\u00e4", 101 * "a", "a\n"],
    "level": [*WRONG_TEXTS, None, "", "INFO", "fatal", "info\n"],
    "data": ["a", 5, True, [], [{}], {"a\x00": 1}, {"a": "\x00"}, {"a": [{"b": ["\x00"]}]}, {"x": 16_384 * "a"}]
    + [{"x": n} for n in (2**64, 2**64 + 1, -(2**63) - 1, 10**30, 10**4000)],
    "url": WRONG_URLS,
    "actions": ["a", {}, [5], [{}], 6 * [{"label": "a"}], [{"label": ""}], [{"label": 81 * "a"}], [{"label": "a\n"}]]
    + [[{"label": "a", "id": "a b"}], [{"label": "a", "primary": "yes"}], [{"label": "a", "style": "x"}]]
    + [[{"label": "a", "url": url}] for url in WRONG_URLS],
    "actor": ["a", [], {}, {"name": ""}, {"name": "a\x00"}, {"name": "a", "email": "x"}, {"name": "a", "id": ""}]
    + [{"name": "a", "image_url": url} for url in WRONG_URLS],
    "collapse_key": WRONG_NAMES,
}


@pytest.mark.parametrize("field", WRONG_FIELDS)
def test_a_wrong_value_is_refused_and_pointed_at_in_every_call_that_takes_it(
    client: httpx.Client, sound_id: str, field: str
) -> None:
    for value in WRONG_FIELDS[field]:
        body = {**SOUND, field: value}
        text = json.dumps(body)
        (error,) = problem_in(client.post(CREATE, content=text, headers=JSON), 422, "invalid")["errors"]
        assert error["pointer"].startswith(f"/{field}"), (value, error)
        batch = client.post(f"{CREATE}/batch", content=f'{{"items":[{text},{json.dumps(SOUND)}]}}', headers=JSON)
        refused, sent = batch.json()["items"]
        assert (batch.status_code, refused["status"], sent["status"]) == (200, 422, 201)
        assert refused["problem"]["errors"] == [error]
        if field in {"title", "body", "level", "data", "url", "actions", "actor"}:
            answer = client.patch(f"{CREATE}/{sound_id}", content=json.dumps({field: value}), headers=JSON)
            assert problem_in(answer, 422, "invalid")["errors"] == [error]
        else:
            answer = client.patch(f"{CREATE}/{sound_id}", content=json.dumps({"title": "b", field: "a"}), headers=JSON)
            assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == f"/{field}"


@pytest.mark.parametrize("literal", ["1e400", "-1e400", "1e99999999999", f"1{400 * '0'}.0"])
def test_a_number_beyond_what_a_double_holds_is_refused(client: httpx.Client, literal: str) -> None:
    for path in ("data", "url", "x"):
        answer = client.post(CREATE, content=f'{{"to":"a","title":"a","{path}":{{"x":[{literal}]}}}}', headers=JSON)
        problem_in(answer, 422, "invalid")


@pytest.mark.parametrize("literal", ["0", "-0.0", "1e-400", "1e22", "18446744073709551615", "-9223372036854775808"])
def test_a_number_that_fits_is_given_back_as_it_was(client: httpx.Client, literal: str) -> None:
    answer = client.post(CREATE, content=f'{{"to":"a","title":"a","data":{{"x":{literal}}}}}', headers=JSON)
    found = client.get(f"{CREATE}/{answer.json()['id']}").text
    assert json.loads(found)["data"] == {"x": json.loads(literal)}


def test_a_field_of_a_later_issue_is_refused_as_unknown(
    client: httpx.Client, routes_with_bodies: dict[str, tuple[str, str]]
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "create": SOUND,
        "edit": {"title": "b"},
        "batch": {"items": [SOUND]},
        "read all": {},
        "token": {"user_id": "alice"},
        "key": {"name": "a", "scopes": ["send"]},
        "app": {"id": "later", "name": "a"},
    }
    for name, body in bodies.items():
        method, path = routes_with_bodies[name]
        for field, value in LATER_FIELDS.items():
            if field in body:
                continue
            answer = client.request(method, path, json={**body, field: value})
            if (name, field) in {("app", "id"), ("token", "user_id")}:
                continue
            (error,) = problem_in(answer, 422, "invalid")["errors"]
            assert error == {"pointer": f"/{field}", "detail": "There is no such field."}


def test_of_a_field_that_comes_twice_the_last_counts_everywhere(client: httpx.Client) -> None:
    # As with most JSON parsers. What matters: nobody downstream sees another value than the one that was checked.
    wrong_first = '{"to":"alice","title":7,"title":"last"}'
    problem_in(client.post(CREATE, content=wrong_first, headers=JSON), 422, "invalid")
    body = '{"to":"alice","title":"first","title":"last","data":{"x":"\\u0000","x":[1]}}'
    headers = {**JSON, "Idempotency-Key": "twice"}
    answer = client.post(CREATE, content=body, headers=headers)
    found = client.get(f"{CREATE}/{answer.json()['id']}").json()
    assert (found["title"], found["data"]) == ("last", {"x": [1]})
    again = client.post(CREATE, json={"to": "alice", "title": "last", "data": {"x": [1]}}, headers=headers)
    assert again.headers["idempotency-replayed"] == "true"


# Queries -------------------------------------------------------------------------------------------------------------

LIST = CREATE
COUNT = f"{CREATE}/count"
CHANGES = "/v1/changes"

WRONG_QUERIES = {
    LIST: [
        *("limit=0", "limit=101", "limit=-1", "limit=1.0", "limit=1e1", "limit=%2B5", "limit=0x10", "limit=", "limit"),
        *(f"limit={2**31}", f"limit={2**63}", f"limit={2**64}", f"limit={'9' * 30}", f"limit={'9' * 5000}"),
        *("limit=\u0665", "limit=5%00", "limit=true", "limit[]=5", "limit=5&limit=5", "limit=1,2", "limit= 5"),
        *("status=", "status=unseen", "status=READ", "status=read%0A", "status=read&status=all", "status=%00"),
        *("type=", "type=a%20b", "type=%00", "type=a%0A", "type=a&type=b", f"type={101 * 'a'}", "type=%C3%A9"),
        *("since=yesterday", "since=0", "since=2026-03-01", "since=2026-03-01T12:00:00", "since=%00", "since="),
        *("since=2026-13-01T00:00:00Z", "since=2026-03-01T25:00:00Z", "since=2026-03-01T12:00:00+01:00"),
        *("since=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-14:00", "since=0000-01-01T00:00:00Z"),
        *("since=10000-01-01T00:00:00Z", "since=-0001-01-01T00:00:00Z", f"since={'9' * 1000}Z"),
        *("cursor=%00", "cursor=%ED%A0%80", "cursor=a%0A", "cursor=a b", "cursor=%C3%A9", f"cursor={513 * 'a'}"),
        *("page=2", "offset=5", "sort=title", "q=x", "user=bob", "userid=bob", "USER_ID=bob", "="),
        *("&=&", "user_id=alice", "user_id[]=alice", "token=x", "&".join(f"x{n}=1" for n in range(101)), "%"),
        *("%00", "%00=1", "limit%00=5", "\u00e9=1", "%FF=1", "limit=%FF", "a=%ED%A0%80", ";", "?", "#x=1"),
    ],
    COUNT: [
        *(
            "type=",
            "type=a%20b",
            "type=%00",
            "type=a&type=",
            f"type={101 * 'a'}",
            "status=unread",
            "limit=5",
            "types=a",
        ),
        "&".join(f"type=a{n}" for n in range(51)),
        "&".join(51 * ["type=a"]),
    ],
    CHANGES: [
        *(
            "after=",
            "after=0",
            "after=x",
            "after=.1",
            "after=a.",
            "after=a.-1",
            "after=a.1.0",
            "after=a.01",
            "after=A.1",
        ),
        *("after=a.1.2.3", "after=a.1%0A", "after=%00.1", "after=a.%D9%A1", "after=a.1&after=a.2", "after=a 1"),
        *(f"after=a.{2**63}", f"after=a.{2**64}", f"after=a.{'9' * 50}", f"after={'a' * 33}.1", f"after={'a' * 200}"),
        *("limit=0", "limit=101", "limit=x", "last_event_id=a.1", "since=2026-03-01T12:00:00Z", "types=a", "from=now"),
    ],
    "/v1/apps": ["limit=0", "cursor=%00", "cursor=a%20b", "cursor=%ED%A0%80", "user_id=alice", "app=default"],
    "/v1/apps/default/keys": ["limit=0", "cursor=x", "cursor=%00", "cursor=default", "user_id=alice"],
}


@pytest.mark.parametrize("path", WRONG_QUERIES)
def test_a_wrong_query_is_refused(client: httpx.Client, path: str) -> None:
    of_a_user = "" if path.startswith("/v1/apps") else "user_id=alice&"
    for query in WRONG_QUERIES[path]:
        answer = client.get(f"{path}?{of_a_user}{_escaped(query)}")
        # What is nothing to a query string is nothing to us.
        if query in {"=", "&=&", ";", "#x=1", "%", "?"} and answer.status_code == 200:
            assert query == "#x=1"
            continue
        assert (query, answer.status_code) == (query, 422)
        problem_in(answer, 422, "invalid")


WRONG_USERS = ["", "%00", "a%00b", "%ED%A0%80", "%FF", "a%0A", "%1B", "%7F", 256 * "a", "alice&user_id=bob"]


@pytest.mark.parametrize("user", WRONG_USERS)
def test_a_user_who_cannot_be_has_no_inbox(client: httpx.Client, sound_id: str, user: str) -> None:
    for method, path in (
        ("GET", LIST),
        ("GET", COUNT),
        ("GET", CHANGES),
        ("GET", f"{CREATE}/{sound_id}"),
        ("POST", f"{CREATE}/{sound_id}/read"),
        ("DELETE", f"{CREATE}/{sound_id}"),
        ("POST", f"{CREATE}/read-all"),
        ("PATCH", f"{CREATE}/{sound_id}"),
    ):
        answer = client.request(method, f"{path}?user_id={user}", json={"title": "b"} if method == "PATCH" else None)
        problem = problem_in(answer, 422, "invalid")
        assert not problem.get("errors") or problem["errors"][0]["pointer"] == "user_id"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json", "/problems"])
def test_a_parameter_that_a_route_does_not_have_is_refused_everywhere(
    client: httpx.Client, sound_id: str, path: str
) -> None:
    problem = problem_in(client.get(f"{path}?x=1"), 422, "invalid")
    assert problem["errors"] == [{"pointer": "x", "detail": "There is no such parameter."}]
    for method, of_ours in (
        ("POST", CREATE),
        ("POST", f"{CREATE}/batch"),
        ("POST", f"{CREATE}/{sound_id}/seen"),
        ("POST", "/v1/tokens"),
        ("POST", "/v1/apps"),
        ("POST", "/v1/apps/default/keys"),
        ("DELETE", f"{CREATE}/{sound_id}"),
        ("DELETE", f"/v1/apps/default/keys/{sound_id}"),
    ):
        problem_in(client.request(method, f"{of_ours}?x=1", json={}), 422, "invalid")


def test_a_users_name_is_escaped_utf8_in_a_query(service: NotifyProcess, client: httpx.Client) -> None:
    client.post(CREATE, json={"to": "z\u00f6e", "title": "for zoe"})
    assert client.get(f"{COUNT}?user_id=z%C3%B6e").json()["unread"] == 1
    check_refused_raw(exchange(service.url, head("GET", f"{COUNT}?user_id=z\u00c3\u00b6e", AUTH)), 400)


# Cursors, positions, ids ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cursor(client: httpx.Client) -> str:
    """Into the inbox of `reader`, past the second of four."""
    for number in range(4):
        client.post(CREATE, json={"to": "reader", "title": f"title {number}", "type": "order"})
    page = client.get(LIST, params={"user_id": "reader", "limit": 2}).json()
    found: str = page["next_cursor"]
    return found


def with_cursor(client: httpx.Client, cursor: str, **query: str) -> httpx.Response:
    return client.get(LIST, params={"user_id": "reader", "limit": "2", "cursor": cursor, **query})


def test_a_cursor_of_other_filters_or_of_another_inbox_is_refused(client: httpx.Client, cursor: str) -> None:
    assert [item["title"] for item in with_cursor(client, cursor).json()["items"]] == ["title 1", "title 0"]
    for query in (
        {"status": "all"},
        {"type": "order"},
        {"since": "2020-01-01T00:00:00Z"},
        {"until": "2120-01-01T00:00:00Z"},
        {"user_id": "alice"},
        {"user_id": "newcomer"},
    ):
        problem = problem_in(with_cursor(client, cursor, **query), 422, "invalid")
        assert problem["errors"][0]["pointer"] == "cursor"


def test_a_cursor_that_was_tampered_with_is_refused_or_still_of_the_same_inbox(
    client: httpx.Client, cursor: str
) -> None:
    alphabet = "AZaz09-_"
    for place in range(len(cursor)):
        for letter in alphabet:
            answer = with_cursor(client, cursor[:place] + letter + cursor[place + 1 :])
            if answer.status_code == 200:
                assert {item["user_id"] for item in answer.json()["items"]} <= {"reader"}
            else:
                problem_in(answer, 422, "invalid")
    for other in (cursor[:-1], cursor[1:], cursor + "A", cursor + cursor, cursor + "=", cursor.swapcase(), "A" * 512):
        problem_in(with_cursor(client, other), 422, "invalid")


def test_a_forged_cursor_is_refused(client: httpx.Client, cursor: str) -> None:
    sound = msgspec.msgpack.decode(base64.urlsafe_b64decode(cursor + "=="))
    epoch, arrived_us, position, filters = sound
    forged: list[Any] = [
        *([], {}, 5, None, "x", [epoch], [*sound, 1], [[]] * 4, [None] * 4, [[[[[]]]]], b"", {"epoch": epoch}),
        *([5, arrived_us, position, filters], ["", arrived_us, position, filters], ["\x00", 0, 0, filters]),
        *([99 * "a", arrived_us, position, filters], ["other", arrived_us, position, filters]),
        *([epoch, moment, position, filters] for moment in (2**63 - 1, -(2**63), 10**18, 1.5, "1", None, 2**64 - 1)),
        *([epoch, arrived_us, place, filters] for place in (2**63, 2**64 - 1, -1, 1.5, "1", None, True)),
        *([epoch, arrived_us, position, other] for other in (filters ^ 1, -1, 2**32, 2**64 - 1, None, "x")),
    ]
    for value in forged:
        text = base64.urlsafe_b64encode(msgspec.msgpack.encode(value)).rstrip(b"=").decode()
        problem = problem_in(with_cursor(client, text), 422, "invalid")
        assert problem["errors"][0]["pointer"] == "cursor", value
    # At the edges of what a cursor may say there is still nothing to go wrong.
    for moment, place in ((10**17, 2**63 - 1), (-(10**15), 0), (0, 0)):
        edge = base64.urlsafe_b64encode(msgspec.msgpack.encode([epoch, moment, place, filters])).rstrip(b"=").decode()
        assert with_cursor(client, edge).status_code == 200
    # Written in another way than ours it is not one we gave.
    roomy = b"\xdc\x00\x04" + msgspec.msgpack.encode(sound)[1:]
    assert msgspec.msgpack.decode(roomy) == sound
    problem_in(with_cursor(client, base64.urlsafe_b64encode(roomy).rstrip(b"=").decode()), 422, "invalid")


STRANGE_POSITIONS = ["abc.1", "0.0", f"{'z' * 32}.{2**63 - 1}", "abc.1.9", f"abc.1.{2**63 - 1}"]
WRONG_POSITIONS = [
    "",
    "x",
    "a.b",
    "a.-1",
    "a.1.",
    "a.1.0",
    f"a.{2**63}",
    f"a.1.{2**63}",
    f"a.{'9' * 19}",
    "A.1",
    "a.1 x",
]


def test_a_position_of_elsewhere_is_told_so(client: httpx.Client, cursor: str) -> None:
    assert cursor
    user = {"user_id": "reader"}
    here = client.get(COUNT, params=user).json()["position"]
    epoch, _, head_ = here.partition(".")
    other = client.get(COUNT, params={"user_id": "alice"}).json()["position"]
    for position in (*STRANGE_POSITIONS, other, f"{epoch}.{int(head_) + 1}", f"{epoch}.{2**63 - 1}"):
        changed = client.get(CHANGES, params={**user, "after": position}).json()
        assert changed["items"][0]["event"] == "reset", position
        assert changed["items"][0]["data"]["reason"] in {"epoch", "ahead"}
        for path in (LIST, COUNT, CHANGES):
            answer = client.get(path, params=user, headers={"Notify-Position": position})
            problem_in(answer, 412, "position-unknown")
        answer = client.post(f"{CREATE}/read-all", params=user, json={"before": position})
        assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "/before"
    for position in (here, f"{epoch}.0"):
        assert client.get(LIST, params=user, headers={"Notify-Position": position}).status_code == 200


@pytest.mark.parametrize("position", WRONG_POSITIONS)
def test_what_is_no_position_is_refused(client: httpx.Client, sound_id: str, position: str) -> None:
    user = {"user_id": "reader"}
    problem_in(client.get(CHANGES, params={**user, "after": position}), 422, "invalid")
    problem_in(client.post(f"{CREATE}/seen-all", params=user, json={"before": position}), 422, "invalid")
    for path in (LIST, COUNT, CHANGES, f"{CREATE}/{sound_id}"):
        answer = client.get(path, params={"user_id": "alice"}, headers={"Notify-Position": position})
        assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "Notify-Position"
        answer = client.get(
            path, params={"user_id": "alice"}, headers={"Notify-Position": position, "If-None-Match": "*"}
        )
        problem_in(answer, 422, "invalid")


IDS = [
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "01a1fd61-d36a-7e3b-90cb-826a32323436",
    "01A1FD61D36A7E3B90CB826A32323436",
    "%7B01a1fd61-d36a-7e3b-90cb-826a32323436%7D",
    "urn:uuid:01a1fd61-d36a-7e3b-90cb-826a32323436",
    "5",
    "-1",
    "x",
    "%00",
    "01a1fd61-d36a-7e3b-90cb-82%0032323436",
    "%2e%2e",
    "a%2Fb",
    "%25",
    "%ED%A0%80",
    "%FF%FE",
    "%E2%82%AC",
    "'--",
    "*",
    "null",
    "0" * 5000,
    "%D9%A0" * 32,
]


@pytest.mark.parametrize("dots", ["..", ".", "../..", "..%2F..", "%2e%2e/%2e%2e"])
def test_dots_lead_nowhere(service: NotifyProcess, dots: str) -> None:
    """Sent as they are: a client such as httpx would take them out of the path itself."""
    for path in (f"{CREATE}/{dots}", f"/problems/{dots}", f"/assets/pages/{dots}", f"/v1/apps/{dots}/keys"):
        check_refused_raw(exchange(service.url, head("GET", path, AUTH)), 404, 405)


@pytest.mark.parametrize("id_", IDS)
def test_an_id_that_names_nothing_is_not_found(client: httpx.Client, id_: str) -> None:
    for method, path in (
        ("GET", f"{CREATE}/{id_}"),
        ("DELETE", f"{CREATE}/{id_}"),
        ("PATCH", f"{CREATE}/{id_}"),
        *(("POST", f"{CREATE}/{id_}/{mark}") for mark in ("read", "unread", "seen", "archive", "unarchive")),
        ("DELETE", f"/v1/apps/default/keys/{id_}"),
        ("GET", f"/problems/{id_}"),
        ("GET", f"/v1/apps/{id_}/keys"),
        ("GET", f"/assets/pages/{id_}"),
    ):
        body = {"title": "b"} if method == "PATCH" else None
        url = httpx.URL(str(client.base_url), raw_path=path.encode())
        answer = client.request(method, url, json=body)
        check_refused(answer)
        assert answer.status_code in {404, 405}, (method, path)


# Bytes on the socket -------------------------------------------------------------------------------------------------

AUTH = f"Authorization: Bearer {ADMIN_KEY}"
GET = head("GET", f"{LIST}?user_id=alice", AUTH)

MALFORMED = {
    "a word": b"hello\r\n\r\n",
    "an unknown method": b"BREW /coffee HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no path": b"GET HTTP/1.1\r\n\r\n",
    "an unknown version": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "another protocol": b"GET / ICE/1.0\r\nHost: x\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "random bytes": bytes(range(256)) * 4,
    "NUL bytes": bytes(1000),
    "blanks in the path": b"GET /a b c HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the path": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw UTF-8 in the path": "GET /v1/\u00e9 HTTP/1.1\r\nHost: x\r\n\r\n".encode(),
    "a header without a name": b"GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "a NUL in a header": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
    "a header's name in UTF-8": "GET / HTTP/1.1\r\nHost: x\r\n\u00e9: y\r\n\r\n".encode(),
    "a line break alone": b"GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n",
    "a length that is none": head("POST", CREATE, AUTH, *_JSON_HEADER, "Content-Length: many"),
    "a negative length": head("POST", CREATE, AUTH, *_JSON_HEADER, "Content-Length: -5"),
    "a length beyond 64 bits": head("POST", CREATE, AUTH, *_JSON_HEADER, f"Content-Length: {2**64}"),
    "two lengths": head("POST", CREATE, AUTH, *_JSON_HEADER, "Content-Length: 5", "Content-Length: 6") + b"hello!",
    "a length and chunks": head("POST", CREATE, AUTH, "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "an unknown coding": head("POST", CREATE, AUTH, *_JSON_HEADER, "Transfer-Encoding: cuneiform") + b"x",
    "chunks that are none": head("POST", CREATE, AUTH, *_JSON_HEADER, "Transfer-Encoding: chunked") + b"xyz\r\n",
    "a chunk of a negative size": head("POST", CREATE, AUTH, *_JSON_HEADER, "Transfer-Encoding: chunked") + b"-5\r\n",
    "a chunk beyond 64 bits": head("POST", CREATE, AUTH, *_JSON_HEADER, "Transfer-Encoding: chunked")
    + b"fffffffffffffffff\r\n",
    "a chunk that is longer than it says": head("POST", CREATE, AUTH, *_JSON_HEADER, "Transfer-Encoding: chunked")
    + b"2\r\nhello\r\n",
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_request_is_a_problem_too(service: NotifyProcess, what: str) -> None:
    answer = exchange(service.url, MALFORMED[what])
    problem = check_refused_raw(answer, 400)
    assert problem["type"] in {"/problems/malformed-request", "/problems/malformed-body"}
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("host", ["", "a b", "a/b", "a@b", "a:b:c", "\x7f", "[", "x" * 300])
def test_a_host_that_is_none_is_a_problem(service: NotifyProcess, host: str) -> None:
    answer = exchange(service.url, head("GET", "/health/live", host=host))
    if answer.status != 200:
        check_refused_raw(answer, 400)


@pytest.mark.parametrize(
    "request_",
    [
        head("GET", "/" + 70_000 * "a"),
        head("GET", "/" + 3_000_000 * "a"),
        head("GET", f"{LIST}?user_id=alice&cursor=" + 70_000 * "a", AUTH),
        head("GET", LIST, AUTH, "X-Long: " + 70_000 * "a"),
        head("GET", LIST, AUTH, "X-Long: " + 3_000_000 * "a"),
        head("GET", LIST, AUTH, 70_000 * "a" + ": x"),
        head("GET", LIST, AUTH, *(f"X-{n}: {n}" for n in range(9_000))),
        head("GET", LIST, "Authorization: Bearer " + 70_000 * "a"),
        head("GET", LIST, "Cookie: " + "; ".join(f"a{n}={n}" for n in range(9_000))),
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Endless: " + 1_000_000 * b"a",
        b"GET /" + 1_000_000 * b"a",
    ],
    ids=lambda request: f"{request[:40]!r} of {len(request)} bytes",
)
def test_a_head_past_the_bound_is_refused(service: NotifyProcess, request_: bytes) -> None:
    answer = exchange(service.url, request_)
    problem = check_refused_raw(answer, 431)
    assert "64 KiB" in problem["detail"]


def test_a_head_within_the_bound_is_read(service: NotifyProcess) -> None:
    assert exchange(service.url, head("GET", "/health/live", "X-Long: " + 60_000 * "a")).status == 200
    # Bytes of a body before it do not count.
    body = json.dumps(SOUND).encode()
    first = head("POST", CREATE, AUTH, *_JSON_HEADER, f"Content-Length: {len(body)}") + body
    with connected(service.url) as connection:
        for _ in range(300):
            connection.sendall(first)
            assert answer_on(connection).status == 201


def test_a_chunked_body_and_requests_one_after_the_other_are_read(service: NotifyProcess) -> None:
    body = json.dumps(SOUND).encode()
    chunks = b"".join(b"1;a=b\r\n%c\r\n" % byte for byte in body) + b"0\r\nX-Trailer: x\r\n\r\n"
    request = head("POST", CREATE, AUTH, *_JSON_HEADER, "Transfer-Encoding: chunked") + chunks
    with connected(service.url) as connection:
        connection.sendall(3 * request + GET)
        answers = [answer_on(connection)]
        assert answers[0].status == 201


def test_a_request_in_absolute_form_is_read(service: NotifyProcess) -> None:
    assert exchange(service.url, head("GET", "http://elsewhere.example/health/live")).status == 200


def test_an_upgrade_to_what_we_do_not_speak_is_not_made(service: NotifyProcess) -> None:
    for upgrade in ("h2c", "nonsense"):
        answer = exchange(service.url, head("GET", "/health/live", "Connection: Upgrade", f"Upgrade: {upgrade}"))
        assert answer.status == 200


# Slow and cut bodies -------------------------------------------------------------------------------------------------


def test_a_body_that_comes_a_byte_at_a_time_is_given_up(service: NotifyProcess) -> None:
    body = json.dumps(SOUND).encode()
    started = time.monotonic()
    with connected(service.url) as connection:
        connection.sendall(head("POST", CREATE, AUTH, *_JSON_HEADER, f"Content-Length: {len(body)}"))
        connection.settimeout(0.1)
        for byte in body:
            try:
                connection.sendall(bytes([byte]))
                if connection.recv(1, socket.MSG_PEEK):
                    break
            except TimeoutError:
                continue
        connection.settimeout(10)
        answer = answer_on(connection)
    problem = check_refused_raw(answer, 408)
    assert "NOTIFY_BODY_TIMEOUT_SECONDS" in problem["detail"]
    assert BODY_TIMEOUT_SECONDS * 0.9 < time.monotonic() - started < BODY_TIMEOUT_SECONDS + 2
    # What would still come is not waited for.
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("begun", [b"", b'{"to":"alice",'])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_that_never_comes_is_given_up(service: NotifyProcess, begun: bytes, framing: str) -> None:
    part = b"%x\r\n%b\r\n" % (len(begun), begun) if begun and "chunked" in framing else begun
    for expect in ((), ("Expect: 100-continue",)):
        with connected(service.url) as connection:
            connection.sendall(head("POST", CREATE, AUTH, *_JSON_HEADER, framing, *expect) + part)
            check_refused_raw(answer_on(connection), 408)


def test_many_slow_bodies_keep_nobody_else_waiting(client: httpx.Client) -> None:
    request = head("POST", CREATE, AUTH, *_JSON_HEADER, "Content-Length: 100")
    connections = []
    for _ in range(100):
        connection = socket.create_connection((client.base_url.host, client.base_url.port), timeout=15)
        connection.sendall(request)
        connections.append(connection)
    try:
        started = time.monotonic()
        for _ in range(10):
            assert client.post(CREATE, json=SOUND).status_code == 201
        assert time.monotonic() - started < BODY_TIMEOUT_SECONDS
        for connection in connections:
            check_refused_raw(answer_on(connection), 408)
    finally:
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("how", ["politely", "abruptly"])
def test_a_body_that_is_cut_off_sends_nothing(service: NotifyProcess, client: httpx.Client, how: str) -> None:
    body = json.dumps({"to": "nobody", "title": "never whole"}).encode()
    for sent in (0, 1, len(body) // 2, len(body) - 1):
        for framing, part in (
            (f"Content-Length: {len(body)}", body[:sent]),
            ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (sent, body[:sent]) if sent else b""),
        ):
            with connected(service.url) as connection:
                connection.sendall(head("POST", CREATE, AUTH, *_JSON_HEADER, framing) + part)
                if how == "abruptly":
                    _close_abruptly(connection)
    # In the end there is nobody whom it was for.
    assert client.get(COUNT, params={"user_id": "nobody"}).json()["total"] == 0


@pytest.mark.parametrize("how", ["politely", "abruptly"])
def test_who_leaves_before_the_answer_disturbs_nobody(service: NotifyProcess, client: httpx.Client, how: str) -> None:
    user = {"user_id": f"who leaves {how}"}
    body = json.dumps({"to": user["user_id"], "title": "perhaps"}).encode()
    create = head("POST", CREATE, AUTH, *_JSON_HEADER, f"Content-Length: {len(body)}") + body
    for _ in range(100):
        for request in (create, head("GET", "/health/live"), head("GET", "/nowhere"), head("GET", "/docs")):
            with connected(service.url) as connection:
                if how == "abruptly":
                    _close_abruptly(connection)
                connection.sendall(request)
    # Whether each was heard in time or not, the counters know.
    page = client.get(LIST, params={**user, "limit": 100}).json()
    assert page["total"] == page["unread"] == len(page["items"]) <= 100


def _close_abruptly(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# Anything ------------------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=()), max_size=20)
numbers = st.one_of(
    st.integers(),
    st.integers(min_value=2**62, max_value=2**66),
    st.floats(),
    st.booleans(),
    st.none(),
)
values = st.recursive(
    st.one_of(numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
names = st.sampled_from(
    [
        "to",
        "title",
        "body",
        "type",
        "level",
        "data",
        "url",
        "actions",
        "actor",
        "collapse_key",
        "items",
        "user_id",
        "ttl_seconds",
        "scope",
        "scopes",
        "name",
        "id",
        "before",
        "send_at",
        "topics",
        "durable",
    ]
)
near_bodies = st.dictionaries(st.one_of(names, texts), values, max_size=6)
ROUTES = ["create", "batch", "edit", "read all", "archive all", "token", "key", "app"]
SOUND_BODIES: dict[str, dict[str, Any]] = {
    "create": SOUND,
    "batch": {"items": [SOUND]},
    "edit": {"title": "b"},
    "read all": {},
    "archive all": {},
    "token": {"user_id": "alice"},
    "key": {"name": "a", "scopes": ["send"]},
    "app": {"id": "a", "name": "a"},
}


@pytest.mark.parametrize("route", ROUTES)
@quick
@given(body=st.one_of(values, near_bodies), key=st.none() | st.just("anything"))
@example(body={**SOUND, "data": {"x": "\ud800"}}, key="anything")
@example(body={**SOUND, "data": {"\x00": [2**64]}}, key="anything")
def test_any_json_is_taken_or_refused(
    client: httpx.Client, routes_with_bodies: dict[str, tuple[str, str]], route: str, body: Any, key: str | None
) -> None:
    method, path = routes_with_bodies[route]
    headers = JSON if key is None else {**JSON, "Idempotency-Key": key}
    check_not_at_fault(client.request(method, path, content=json.dumps(body), headers=headers))


@pytest.mark.parametrize("route", ROUTES)
@quick
@given(field=st.one_of(names, texts), value=values)
def test_a_sound_body_with_any_field_changed_is_taken_or_refused(
    client: httpx.Client, routes_with_bodies: dict[str, tuple[str, str]], route: str, field: str, value: Any
) -> None:
    method, path = routes_with_bodies[route]
    body = {**SOUND_BODIES[route], field: value}
    items = {**SOUND_BODIES[route], "items": [{**SOUND, field: value}, value]}
    for changed in (body, items) if route == "batch" else (body,):
        check_not_at_fault(client.request(method, path, content=json.dumps(changed), headers=JSON))


@quick
@given(data=st.dictionaries(texts, values, max_size=4))
@example(data={"x": [1e22, 2**64 - 1, -(2**63), -0.0, "\u2028", "\U0001f600"]})
def test_data_that_is_taken_is_given_back_as_it_was(client: httpx.Client, data: dict[str, Any]) -> None:
    answer = client.post(CREATE, content=json.dumps({**SOUND, "data": data}), headers=JSON)
    check_not_at_fault(answer)
    if answer.status_code == 201:
        assert json.loads(client.get(f"{CREATE}/{answer.json()['id']}").text)["data"] == data


@quick
@given(body=st.one_of(st.binary(max_size=200), st.binary(max_size=40).map(lambda tail: b'{"to":"alice","x":"' + tail)))
def test_any_bytes_are_refused(
    client: httpx.Client, routes_with_bodies: dict[str, tuple[str, str]], body: bytes
) -> None:
    for method, path in routes_with_bodies.values():
        check_not_at_fault(client.request(method, path, content=body, headers=JSON))


parameters = st.sampled_from(
    ["user_id", "limit", "cursor", "status", "type", "since", "until", "after", "token", "before", "x"]
)
queries = st.one_of(
    st.lists(st.tuples(parameters | texts, texts | st.integers().map(str)), max_size=5).map(
        lambda pairs: urlencode(pairs, errors="surrogatepass")
    ),
    st.binary(max_size=30).map(lambda raw: "user_id=alice&" + quote(raw, safe="&=+;,")),
    st.text("%&=+;abcdef0123456789[]/?:@.-_~!$'()*,", max_size=30),
)


@pytest.mark.parametrize("path", [LIST, COUNT, CHANGES, "/v1/apps", "/v1/apps/default/keys", "/health/live", "/docs"])
@quick
@given(query=queries)
def test_any_query_is_taken_or_refused(client: httpx.Client, path: str, query: str) -> None:
    check_not_at_fault(client.get(httpx.URL(str(client.base_url), raw_path=f"{path}?{query}".encode())))


@quick
@given(raw=st.binary(min_size=1, max_size=40).filter(lambda raw: not {0, 10, 13, 32, 9} & set(raw)))
@example(raw=b"\xff")
@example(raw="\u00e9".encode())
def test_any_bytes_in_a_path_or_query_are_taken_or_refused(service: NotifyProcess, raw: bytes) -> None:
    for before, after in ((b"GET /", b""), (b"GET /v1/notifications/", b""), (b"GET /v1/notifications?user_id=", b"")):
        request = before + raw + after + b" HTTP/1.1\r\nHost: x\r\n" + AUTH.encode() + b"\r\n\r\n"
        answer = exchange(service.url, request)
        if answer.status >= 400:
            check_refused_raw(answer, *range(400, 500))


paths = st.lists(
    st.sampled_from(["v1", "notifications", "apps", "keys", "default", "problems", "assets", "pages", "read", "batch"])
    | st.binary(max_size=6).map(lambda raw: quote(raw, safe="")),
    max_size=5,
)


@quick
@given(path=paths, method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]))
def test_any_path_is_answered(client: httpx.Client, path: list[str], method: str) -> None:
    answer = client.request(method, httpx.URL(str(client.base_url), raw_path=("/" + "/".join(path)).encode()))
    if method != "HEAD":
        check_not_at_fault(answer)
    assert answer.status_code < 500


header_names = st.sampled_from(
    [
        "Authorization",
        "X-API-Key",
        "Cookie",
        "Origin",
        "Notify-Position",
        "If-None-Match",
        "Idempotency-Key",
        "X-Request-ID",
        "Content-Type",
        "Accept",
        "Range",
        "X-Forwarded-For",
        "Access-Control-Request-Method",
    ]
)
header_values = st.one_of(
    st.binary(max_size=40).map(lambda raw: bytes(byte for byte in raw if byte not in {0, 10, 13})),
    st.sampled_from([b"http://[", b"http://[::1", b"null", b"notify_token=a.b.c", b'W/"x', b"*", b"Bearer a.b.c"]),
    st.binary(max_size=20).map(lambda raw: b"Bearer " + base64.urlsafe_b64encode(raw) + b".e30.e30"),
)


@quick
@given(headers=st.lists(st.tuples(header_names, header_values), min_size=1, max_size=4))
def test_any_header_is_taken_or_refused(service: NotifyProcess, headers: list[tuple[str, bytes]]) -> None:
    body = json.dumps(SOUND).encode()
    lines = b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers)
    for start in (b"GET /v1/notifications?user_id=alice HTTP/1.1\r\n", b"POST /v1/notifications HTTP/1.1\r\n"):
        request = start + b"Host: x\r\n" + lines + b"Content-Length: %d\r\n\r\n" % len(body) + body
        answer = exchange(service.url, request)
        if answer.status >= 400:
            check_refused_raw(answer, *range(400, 500))


claims = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("sub", "exp", "app", "scope", "iat", "nbf", "aud", "iss", "jti", "x"), values)
)


@quick
@given(payload=claims | values, header=st.just({"alg": "HS256", "typ": "JWT"}) | claims | values)
@example(payload={"sub": "\ud800", "exp": 4e9}, header={"alg": "HS256"})
@example(payload={"sub": "alice", "exp": 4e9, "app": "\ud800"}, header={"alg": "HS256"})
@example(payload={"sub": "alice", "exp": 4e9, "app": "\x00"}, header={"alg": "HS256"})
@example(payload={"sub": "alice", "exp": float("nan")}, header={"alg": "HS256"})
def test_any_token_even_one_that_we_signed_is_taken_or_refused(client: httpx.Client, payload: Any, header: Any) -> None:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signing = f"{part(header)}.{part(payload)}"
    digest = hmac.digest(SECRET.encode(), signing.encode(), "sha256")
    signature = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    for token in (f"{signing}.{signature}", f"{signing}.", f"{signing}.{signature[::-1]}"):
        answer = client.get(CREATE, headers=bearer(token))
        assert answer.status_code in {200, 401, 403}, answer.text
        check_not_at_fault(answer)


@pytest.mark.parametrize("bracket", ["[", '{"a":', '[{"a":'])
def test_a_token_that_is_nested_deeply_is_refused(client: httpx.Client, bracket: str) -> None:
    deep = base64.urlsafe_b64encode((4200 // len(bracket) * bracket).encode()).rstrip(b"=").decode()
    sound = base64.urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=").decode()
    for token in (f"{deep}.{sound}.e30", f"{sound}.{deep}.e30", f"{sound}.{sound}.{deep}"):
        problem_in(client.get(CREATE, headers=bearer(token)), 401, "unauthorized")


def _escaped(query: str) -> str:
    return quote(query, safe="%&=+;?#[]:,.-_~")
