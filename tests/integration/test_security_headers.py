"""What a browser is told with every answer, and by which hosts the service may be called."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from notify.api.security_headers import SECURITY_HEADERS
from notify.app import Service
from notify.settings import Settings
from support.credentials import token
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY

SENT = {name.decode(): value.decode() for name, value in SECURITY_HEADERS}
HOSTS = ["notify.example", "*.shop.example", "[::1]"]


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # What is shown here is the same on every PostgreSQL.
    return database_url


@asynccontextmanager
async def service_with(database_url: str, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with Service(Settings(database_url=database_url, admin_key=ADMIN_KEY, **settings)).running() as service:
        transport = httpx.ASGITransport(cast(Any, service.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://notify") as client:
            yield client


async def test_every_answer_has_them_whatever_it_answers(client: httpx.AsyncClient) -> None:
    await client.post("/v1/notifications", json={"to": "alice", "title": "a title"})
    listed = await client.get("/v1/notifications?user_id=alice")
    for status, answer in (
        (200, listed),
        (304, await client.get("/v1/notifications?user_id=alice", headers={"If-None-Match": listed.headers["etag"]})),
        (204, await client.delete(f"/v1/notifications/{listed.json()['items'][0]['id']}?user_id=alice")),
        (401, await client.get("/v1/notifications", headers={"Authorization": ""})),
        (404, await client.get("/nowhere")),
        (405, await client.put("/v1/stream")),
        (422, await client.get("/v1/notifications?user_id=alice&limit=0")),
        (426, await client.get("/v1/ws")),
        (200, await client.head("/v1/stream?user_id=alice")),
        (200, await client.get("/health/live")),
        (200, await client.get("/metrics")),
        (200, await client.get("/openapi.json")),
        (200, await client.get("/problems")),
        (200, await client.get("/assets/pages/style.css")),
        (404, await client.get("/assets/pages/nothing.css")),
    ):
        assert answer.status_code == status, answer.request.url
        sent = [(name, value) for name, value in answer.headers.multi_items() if name in SENT]
        assert sorted(sent) == sorted(SENT.items()), answer.request.url
        assert "server" not in answer.headers


async def test_what_is_somebody_s_is_kept_by_no_cache_or_asked_for_again(client: httpx.AsyncClient) -> None:
    listed = await client.get("/v1/notifications?user_id=alice")
    for path, expected in (
        ("/v1/notifications?user_id=alice", "private, no-cache"),
        ("/v1/notifications/count?user_id=alice", "private, no-cache"),
        ("/v1/devices?user_id=alice", "no-store"),
        ("/v1/notifications", "no-store"),
        ("/nowhere", "no-store"),
        ("/metrics", "no-store"),
    ):
        assert (await client.get(path)).headers["cache-control"] == expected, path
    assert (await client.post("/v1/tokens", json={"user_id": "alice"})).headers["cache-control"] == "no-store"
    # Kept privately, and asked for again with what is known of it: that has to go on working.
    again = await client.get("/v1/notifications?user_id=alice", headers={"If-None-Match": listed.headers["etag"]})
    assert (again.status_code, again.headers["cache-control"]) == (304, "private, no-cache")


async def test_a_page_may_do_only_what_it_needs(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/problems", "/problems/invalid"):
        page = await client.get(path)
        policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
        for closed in ("default-src", "base-uri", "form-action", "frame-ancestors"):
            assert policy[closed] == "'none'", path
        assert policy.get("script-src", "'self'") == "'self'", path
        assert "unsafe" not in page.headers["content-security-policy"], path
        assert "camera=()" in page.headers["permissions-policy"], path


@pytest.mark.parametrize(
    ("host", "is_taken"),
    [
        ("notify.example", True),
        ("NOTIFY.example:8443", True),
        ("eu.shop.example", True),
        ("a.b.shop.example:1", True),
        ("[::1]:8000", True),
        ("shop.example", False),
        ("evilshop.example", False),
        ("shop.example.evil.example", False),
        ("notify.example.evil.example", False),
        ("notify.example@evil.example", False),
        ("notify.example:80:80", False),
        (".shop.example", False),
        ("notify.example.", False),
        ("127.0.0.1", False),
        ("", False),
    ],
)
async def test_only_the_hosts_that_a_setting_names_are_served(database_url: str, host: str, is_taken: bool) -> None:  # noqa: FBT001
    async with service_with(database_url, allowed_hosts=HOSTS) as client:
        answer = await client.get("/v1/notifications?user_id=alice", headers={**ADMIN, "Host": host})
        if is_taken:
            assert answer.status_code == 200
        else:
            problem_in(answer, 421, "misdirected")
            assert SENT.items() <= answer.headers.items()
        # A probe knows an address and no name.
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert (await client.get(path, headers={"Host": host})).status_code == 200


async def test_of_two_hosts_none_counts(database_url: str) -> None:
    async with service_with(database_url, allowed_hosts=HOSTS) as client:
        headers = [("Host", "notify.example"), ("Host", "evil.example"), *ADMIN.items()]
        problem_in(await client.get("/v1/apps", headers=headers), 421, "misdirected")


async def test_a_page_of_any_host_that_was_made_to_point_here_is_refused(database_url: str) -> None:
    async with service_with(database_url, allowed_hosts=["notify.example"]) as client:
        client.headers.update({**ADMIN, "Host": "notify.example"})
        cookie = {"Cookie": f"notify_token={await token(client, 'alice')}"}
        del client.headers["Authorization"]
        own = {"Host": "notify.example", "Origin": "https://notify.example"}
        assert (await client.post("/v1/notifications/read-all", headers={**cookie, **own})).status_code == 200
        rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
        problem_in(await client.post("/v1/notifications/read-all", headers={**cookie, **rebound}), 421, "misdirected")
