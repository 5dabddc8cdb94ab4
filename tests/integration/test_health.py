"""Liveness and readiness, and the lines that are logged."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from io import StringIO
from typing import Any

import httpx
import pytest

from notify import __version__, logs
from notify.app import Service
from notify.settings import Settings
from support.calls import send
from support.processes import ADMIN, ADMIN_KEY
from support.proxy import Proxy
from support.waiting import eventually


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
def log() -> Iterator[StringIO]:
    stream = StringIO()
    logs.configure("info", "json", stream)
    yield stream
    logs.configure("warning", "json")


def lines(log: StringIO, action: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    return [line for line in found if line.get("action") == action]


def client_of(service: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(service.asgi, raise_app_exceptions=False)  # type: ignore[arg-type]  # Litestar's own
    return httpx.AsyncClient(transport=transport, base_url="http://notify")


@pytest.fixture
async def behind_proxy(proxy: Proxy) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(database_url=proxy.url, admin_key=ADMIN_KEY, database_timeout_seconds=1)
    async with Service(settings).running() as running, client_of(running) as client:
        yield client


async def readiness(client: httpx.AsyncClient) -> tuple[int, str, dict[str, Any]]:
    answer = await client.get("/health/ready")
    body = answer.json()
    return answer.status_code, body["status"], {part["name"]: part for part in body["components"]}


async def test_the_process_lives(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"Authorization": ""})
    assert answer.json() == {"status": "live", "version": __version__}
    assert answer.headers["cache-control"] == "no-store"


async def test_ready_names_every_part(client: httpx.AsyncClient) -> None:
    async def is_listening() -> bool:
        return bool((await readiness(client))[2]["listener"]["status"] == "up")

    await eventually(is_listening)
    status, word, parts = await readiness(client)
    assert (status, word) == (200, "ready")
    assert {name: (part["status"], part["critical"]) for name, part in parts.items()} == {
        "database": ("up", True),
        "listener": ("up", False),
        "service": ("up", True),
    }
    assert 0 < parts["database"]["latency_ms"] < 2000


async def test_without_its_database_it_is_alive_and_not_ready_and_recovers(
    behind_proxy: httpx.AsyncClient, proxy: Proxy
) -> None:
    assert (await readiness(behind_proxy))[0] == 200
    proxy.refuse()
    status, word, parts = await readiness(behind_proxy)
    assert (status, word) == (503, "not ready")
    assert (parts["database"]["status"], parts["database"]["latency_ms"]) == ("down", None)
    assert parts["database"]["detail"]
    assert (await behind_proxy.get("/health/live")).status_code == 200
    proxy.accept()

    async def is_ready() -> bool:
        return (await readiness(behind_proxy))[0] == 200

    await eventually(is_ready)


async def test_a_database_that_does_not_answer_is_down_within_three_seconds(
    behind_proxy: httpx.AsyncClient, proxy: Proxy
) -> None:
    proxy.stall()
    async with asyncio.timeout(3):
        assert (await readiness(behind_proxy))[0] == 503
    async with asyncio.timeout(3):
        metrics = await behind_proxy.get("/metrics")
    assert (metrics.status_code, "notify_requests_total" in metrics.text) == (200, True)
    proxy.resume()


async def test_it_is_ready_without_listening(database_url: str) -> None:
    """Another port where nobody is: what rings is then found by looking."""
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    settings = Settings(
        database_url=database_url, listen_database_url=nowhere, admin_key=ADMIN_KEY, outbox_poll_seconds=0.1
    )
    async with Service(settings).running() as service, client_of(service) as client:
        status, word, parts = await readiness(client)
        assert (status, word) == (200, "ready")
        assert (parts["listener"]["status"], parts["listener"]["critical"]) == ("down", False)


async def test_each_request_is_one_line(client: httpx.AsyncClient, log: StringIO) -> None:
    id_ = await send(client)
    log.seek(0)
    log.truncate()
    answer = await client.get(
        f"/v1/notifications/{id_}", params={"user_id": "alice"}, headers={"X-Request-ID": "my-own.id_1"}
    )
    assert answer.headers["x-request-id"] == "my-own.id_1"
    (line,) = lines(log, "request")
    assert {name: line[name] for name in ("request_id", "method", "route", "status", "app", "level")} == {
        "request_id": "my-own.id_1",
        "method": "GET",
        "route": "/v1/notifications/{notification_id}",
        "status": 200,
        "app": "default",
        "level": "info",
    }
    assert line["ms"] > 0
    assert "timestamp" in line


async def test_no_line_shows_a_query_a_credential_or_a_body(client: httpx.AsyncClient, log: StringIO) -> None:
    secret = "hush-hush"
    await client.get("/v1/notifications", params={"user_id": secret, "token": secret})
    await client.get("/v1/notifications", headers={"Authorization": f"Bearer {secret}"})
    await client.get(f"/v1/nowhere/{secret}", params={"q": secret})
    await client.post("/v1/notifications", json={"to": secret, "title": secret, secret: secret})
    await client.request(secret, "/v1/notifications")
    statuses = [(line["route"], line["status"], line["app"]) for line in lines(log, "request")]
    assert statuses[:4] == [
        ("/v1/notifications", 422, "default"),
        ("/v1/notifications", 401, None),
        ("(none)", 404, None),
        ("/v1/notifications", 422, "default"),
    ]
    assert len(statuses) == 5
    assert secret not in log.getvalue().replace(f'"method":"{secret}"', "")
    assert ADMIN["Authorization"].removeprefix("Bearer ") not in log.getvalue()


async def test_a_request_id_that_could_forge_a_line_is_replaced(client: httpx.AsyncClient) -> None:
    for given in (b"", b"a b", b"x" * 129, "é".encode()):
        made = (await client.get("/health/live", headers={b"X-Request-ID": given})).headers["x-request-id"]
        assert made.encode() != given
        assert len(made) == 32


async def test_an_unforeseen_error_is_logged_once_with_its_traceback(
    service: Service, log: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: Any) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(service.inboxes, "count", break_down)
    async with client_of(service) as client:
        answer = await client.get("/v1/notifications/count", params={"user_id": "alice"}, headers=ADMIN)
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert "unforeseen" not in answer.text
    (line,) = lines(log, "request_failed")
    assert line["request_id"] == answer.json()["request_id"]
    assert line["exception"][0]["exc_value"] == "unforeseen"
    assert any(frame["name"] == "break_down" for frame in line["exception"][0]["frames"])
    assert log.getvalue().count("Traceback") <= 1
    assert [each["status"] for each in lines(log, "request")] == [500]
