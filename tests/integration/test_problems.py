"""Whatever goes wrong is told as RFC 9457 has it, under the request's id, and tells nobody a secret."""

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from notify import logs
from notify.app import Service
from notify.core.errors import all_problems
from support.calls import send
from support.credentials import app, bearer, key, signed, token
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # What is told is the same on every PostgreSQL.
    return database_url


@pytest.fixture(params=["json", "text"])
def log(request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """Everything that is logged, at the most talkative, in either style."""
    stream = io.StringIO()
    logs.configure("debug", request.param, stream)
    yield stream
    logs.configure("warning", "json")


async def test_a_path_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/v1", "/v2/notifications", "/v1/apps/x", "/v1/notifications/x", "/problems/x", "/%00"):
        problem_in(await client.get(path), 404, "not-found")


async def test_a_method_that_is_not_taken_is_refused_with_those_that_are(client: httpx.AsyncClient) -> None:
    answer = await client.put("/v1/notifications", json={})
    problem_in(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize(
    "path", ["/v1/notifications", "/v1/tokens", "/v1/apps", "/v1/notifications/read-all?user_id=a"]
)
async def test_a_body_that_is_too_large_is_told_the_bound_and_its_setting(client: httpx.AsyncClient, path: str) -> None:
    problem = problem_in(await client.post(path, content=bytes(262_145)), 413, "body-too-large")
    assert "262144 bytes" in problem["detail"]
    assert "NOTIFY_MAX_BODY_BYTES" in problem["detail"]
    # As large as allowed, it is looked at.
    assert (await client.post(path, content=bytes(262_144))).status_code == 415


async def test_a_batch_may_be_larger_and_is_told_its_own_bound(client: httpx.AsyncClient) -> None:
    problem = problem_in(await client.post("/v1/notifications/batch", content=bytes(1_048_577)), 413, "body-too-large")
    assert "1048576 bytes" in problem["detail"]
    assert "NOTIFY_MAX_BATCH_BODY_BYTES" in problem["detail"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "application/problem+json",
        "json",
        "",
        None,
    ],
)
async def test_a_body_that_is_not_json_is_refused(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = await client.post("/v1/notifications", content=b'{"to":"alice","title":"a"}', headers=headers)
    problem = problem_in(answer, 415, "unsupported-media-type")
    assert "application/json" in problem["detail"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "  application/json  ;x=y"],
)
async def test_json_may_be_announced_in_any_way_that_is_right(client: httpx.AsyncClient, content_type: str) -> None:
    answer = await client.post(
        "/v1/notifications", content=b'{"to":"alice","title":"a"}', headers={"Content-Type": content_type}
    )
    assert answer.status_code == 201


async def test_a_wrong_value_is_pointed_at(client: httpx.AsyncClient) -> None:
    sound = {"to": "alice", "title": "a"}
    wrong: dict[str, dict[str, Any]] = {
        "/title": {"title": 7},
        "/to": {"to": ""},
        "/to/1": {"to": ["alice", 5]},
        "/level": {"level": "urgent"},
        "/data": {"data": []},
        "/url": {"url": "javascript:alert(1)"},
        "/actions/0/label": {"actions": [{}]},
        "/actions/1/url": {"actions": [{"label": "a"}, {"label": "b", "url": "//elsewhere"}]},
        "/actions/0/colour": {"actions": [{"label": "a", "colour": "red"}]},
        "/actor/name": {"actor": {"id": "x"}},
        "/send_at": {"send_at": "2030-01-01T00:00:00Z"},
        "/~0a~1b": {"~a/b": 1},
        "/body": {"body": 9000 * "x"},
    }
    for pointer, fields in wrong.items():
        problem = problem_in(await client.post("/v1/notifications", json={**sound, **fields}), 422, "invalid")
        assert [error["pointer"] for error in problem["errors"]] == [pointer]
    missing = problem_in(await client.post("/v1/notifications", json={"to": "alice"}), 422, "invalid")
    assert missing["errors"] == [{"pointer": "/title", "detail": "This is required."}]


async def test_a_wrong_parameter_and_a_wrong_header_are_named(client: httpx.AsyncClient) -> None:
    for query, name in {
        "limit=0": "limit",
        "limit=x": "limit",
        "status=odd": "status",
        "since=yesterday": "since",
        "cursor=%25": "cursor",
        "colour=red": "colour",
        "limit=1&limit=2": "limit",
    }.items():
        problem = problem_in(await client.get(f"/v1/notifications?user_id=alice&{query}"), 422, "invalid")
        assert [error["pointer"] for error in problem["errors"]] == [name]
    answer = await client.get("/v1/notifications?user_id=alice", headers={"Notify-Position": "nowhere"})
    assert [error["pointer"] for error in problem_in(answer, 422)["errors"]] == ["Notify-Position"]
    answer = await client.post("/v1/notifications", json={"to": "a", "title": "b"}, headers={"Idempotency-Key": ""})
    assert [error["pointer"] for error in problem_in(answer, 422)["errors"]] == ["Idempotency-Key"]


@pytest.mark.parametrize("given", ["1", "a-B_9.z", "x" * 128, "0f8d2c4a-77aa-4a66-9bb1-7d4b1b8c2f10"])
async def test_a_sane_request_id_is_taken_over(client: httpx.AsyncClient, given: str) -> None:
    for path, status in (("/health/live", 200), ("/nowhere", 404), ("/v1/notifications?user_id=a", 200)):
        answer = await client.get(path, headers={"X-Request-ID": given})
        assert (answer.status_code, answer.headers["x-request-id"]) == (status, given)
        if status == 404:
            assert problem_in(answer, 404)["request_id"] == given


@pytest.mark.parametrize("given", ["", " ", "x" * 129, "a b", "a\tb", 'a"b', "<script>", "a;b", "caf\u00e9", "a,b"])
async def test_any_other_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/nowhere", headers=[(b"X-Request-ID", given.encode())])
    assert problem_in(answer, 404)["request_id"] == answer.headers["x-request-id"] != given
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_each_request_that_brings_no_id_gets_one_of_its_own(client: httpx.AsyncClient) -> None:
    ids = {(await client.get("/health/live")).headers["x-request-id"] for _ in range(20)}
    assert len(ids) == 20


async def test_the_type_of_a_problem_leads_to_the_page_that_explains_it(client: httpx.AsyncClient) -> None:
    answers = [
        await client.get("/nowhere"),
        await client.put("/v1/tokens"),
        await client.post("/v1/tokens", content=b"{"),
        await client.post("/v1/tokens", json={}),
        await client.get("/v1/apps", headers={"Authorization": ""}),
        await client.get("/v1/notifications?user_id=a", headers={"Notify-Position": "zz.1"}),
    ]
    for answer in answers:
        page = await client.get(problem_in(answer, answer.status_code)["type"])
        assert (page.status_code, answer.json()["title"] in page.text) == (200, True)


def test_every_kind_of_problem_says_what_to_do() -> None:
    for kind in all_problems():
        assert 400 <= kind.status < 600, kind
        assert re.fullmatch("[a-z]+(-[a-z]+)*", kind.slug), kind
        assert not kind.title.endswith("."), kind
        assert kind.advice.endswith("."), kind


async def test_a_fault_of_ours_is_a_500_that_says_nothing_and_a_log_line_that_says_all(
    service: Service, client: httpx.AsyncClient, log: io.StringIO
) -> None:
    with psycopg.connect(str(service.settings.database_url), autocommit=True) as connection:
        connection.execute("ALTER TABLE notify.apps RENAME TO mislaid")
    answer = await client.post("/v1/apps", json={"id": "shop", "name": "hidden-in-a-body"})
    problem_in(answer, 500, "internal")
    for hint in ("Undefined", "notify.apps", "relation", "INSERT", "Traceback", "hidden-in-a-body"):
        assert hint not in answer.text
    text = log.getvalue()
    assert text.count("a request failed in an unforeseen way") == 1
    assert 'relation \\"notify.apps\\" does not exist' in text or 'relation "notify.apps" does not exist' in text
    assert "apps.py" in text
    for hint in ("INSERT", "hidden-in-a-body"):
        assert hint not in text


async def test_a_fault_in_a_hot_statement_is_a_500_too(service: Service, client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    with psycopg.connect(str(service.settings.database_url), autocommit=True) as connection:
        connection.execute("ALTER TABLE notify.notifications RENAME COLUMN title TO heading")
    for call in (
        client.post("/v1/notifications", json={"to": "alice", "title": "a"}),
        client.get("/v1/notifications?user_id=alice"),
        client.get(f"/v1/notifications/{id_}"),
        client.post(f"/v1/notifications/{id_}/read"),
        client.get("/v1/changes?user_id=alice"),
    ):
        answer = await call
        problem_in(answer, 500, "internal")
        assert "title" not in answer.json()["detail"]
    # What does not need the broken part goes on.
    assert (await client.get("/v1/notifications/count?user_id=alice")).status_code == 200


async def test_no_secret_is_told_to_anyone_whatever_goes_wrong(
    service: Service, client: httpx.AsyncClient, log: io.StringIO
) -> None:
    """Keys, tokens and queries, sent rightly and wrongly to what works and to what is broken."""
    shop_secret = await app(client, "shop")
    secrets = {
        "an API key": await key(client, "send", "inbox", "admin"),
        "a token": await token(client, "alice", "inbox send"),
        "a token of another app": signed(shop_secret, app="default"),
        "an app's secret": shop_secret,
        "the admin key": ADMIN_KEY,
        "what looks like a key": "nk_TOPSECRETTOPSECRETTOPSECRETTOPSECRET",
        "what looks like a token": "TOPSECRET.TOPSECRET.TOPSECRET",
    }
    answers = await call_with(client, secrets.values())
    with psycopg.connect(str(service.settings.database_url), autocommit=True) as connection:
        connection.execute("ALTER TABLE notify.api_keys RENAME TO mislaid")
        connection.execute("ALTER TABLE notify.inboxes RENAME TO mislaid_too")
    answers += await call_with(client, secrets.values())

    assert {answer.status_code for answer in answers} >= {401, 403, 404, 405, 422, 500}
    assert "unforeseen" in log.getvalue()
    told = {"in the log": log.getvalue()}
    told |= {f"in an answer to {answer.request.url}": answer.text for answer in answers if answer.is_error}
    for where, text in told.items():
        for what, value in secrets.items():
            assert value not in text, f"{what} was told {where}"
        for part in ("SELECT ", "INSERT ", "UPDATE ", "$1", "unnest("):
            assert part not in text, f"SQL was told {where}: {part}"
        for part in ("token=", "cursor=", "user_id=", "?key"):
            assert part not in text, f"a query was told {where}: {part}"


async def call_with(client: httpx.AsyncClient, secrets: Iterable[str]) -> list[httpx.Response]:
    """Calls with each of these in every place where a credential may stand, or may have got by mistake."""
    return [
        await client.request(method, path, headers={"Authorization": "", **headers}, json={"to": "alice", "title": 7})
        for secret in secrets
        for headers in (
            bearer(secret),
            {"Authorization": secret},
            {"X-API-Key": secret},
            {"Cookie": f"notify_token={secret}"},
            {**ADMIN, "Idempotency-Key": secret},
            {**ADMIN, "X-Request-ID": f"{secret} "},
            {**ADMIN, "Notify-Position": secret},
            {**ADMIN, "If-None-Match": secret},
        )
        for method, path in (
            ("GET", f"/v1/notifications?user_id={secret}&token={secret}"),
            ("GET", f"/v1/notifications?user_id=alice&cursor={secret}"),
            ("GET", f"/v1/changes?user_id=alice&after={secret}"),
            ("GET", f"/v1/notifications/{secret}?token={secret}"),
            ("PUT", f"/v1/notifications?{secret}"),
            ("GET", f"/nowhere?{secret}={secret}"),
            ("POST", f"/v1/notifications?key={secret}"),
            ("POST", f"/v1/apps/{secret}/keys?key={secret}"),
            ("POST", "/v1/notifications"),
            ("POST", "/v1/apps"),
        )
    ]


async def test_a_request_is_logged_once_without_its_query(client: httpx.AsyncClient, log: io.StringIO) -> None:
    answer = await client.get("/v1/notifications?user_id=somebody&limit=5")
    lines = [line for line in log.getvalue().splitlines() if answer.headers["x-request-id"] in line]
    assert len(lines) == 1
    for part in ("/v1/notifications", "200", "default", "ms"):
        assert part in lines[0]
    assert "somebody" not in log.getvalue()
    assert "?" not in lines[0]
