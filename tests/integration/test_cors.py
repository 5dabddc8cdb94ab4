"""Cross-origin requests: none by default; listed origins with credentials; any origin, then without."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from notify.app import Service
from notify.settings import Settings
from support.credentials import token
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY

SHOP = "https://shop.example"
OTHER = "http://localhost:3000"
NOT_LISTED = [
    "https://evil.example",
    "https://shop.example.evil.example",
    "https://evilshop.example",
    "http://shop.example",
    "https://shop.example:8443",
    "https://shop.example/",
    "https://SHOP.example",
    "null",
    "*",
    "",
]
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


@asynccontextmanager
async def service_for(database_url: str, *origins: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(database_url=database_url, admin_key=ADMIN_KEY, cors_origins=list(origins))
    async with Service(settings).running() as service:
        transport = httpx.ASGITransport(cast(Any, service.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://notify") as client:
            yield client


@pytest.fixture
async def closed(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with service_for(database_url) as client:
        yield client


@pytest.fixture
async def listed(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with service_for(database_url, SHOP, OTHER) as client:
        yield client


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with service_for(database_url, "*") as client:
        yield client


def cors_headers(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}


async def test_by_default_no_origin_is_told_anything(closed: httpx.AsyncClient) -> None:
    for origin in (SHOP, "null", "http://notify"):
        answer = await closed.get("/v1/notifications?user_id=a", headers={**ADMIN, "Origin": origin})
        assert (answer.status_code, cors_headers(answer)) == (200, {})
        preflight = await closed.options("/v1/notifications", headers={"Origin": origin, **PREFLIGHT})
        problem_in(preflight, 405, "method-not-allowed")
        assert cors_headers(preflight) == {}


@pytest.mark.parametrize("origin", [SHOP, OTHER])
async def test_a_listed_origin_may_read_every_answer_with_its_credentials(
    listed: httpx.AsyncClient, origin: str
) -> None:
    for path, headers, status in (
        ("/v1/notifications?user_id=a", ADMIN, 200),
        ("/v1/notifications?user_id=a", {}, 401),
        ("/v1/notifications?user_id=a&limit=0", ADMIN, 422),
        ("/nowhere", {}, 404),
        ("/health/live", {}, 200),
        ("/assets/pages/style.css", {}, 200),
    ):
        answer = await listed.get(path, headers={**headers, "Origin": origin})
        assert answer.status_code == status
        assert cors_headers(answer) == {
            "access-control-allow-origin": origin,
            "access-control-allow-credentials": "true",
            "access-control-expose-headers": (
                "ETag, Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"
            ),
        }


async def test_a_listed_origin_s_preflight_needs_no_credential(listed: httpx.AsyncClient) -> None:
    for path in ("/v1/notifications", "/v1/notifications/read-all", "/v1/apps", "/nowhere"):
        answer = await listed.options(path, headers={"Origin": SHOP, **PREFLIGHT})
        assert (answer.status_code, answer.content) == (204, b"")
        found = cors_headers(answer)
        assert found["access-control-allow-origin"] == SHOP
        assert found["access-control-allow-credentials"] == "true"
        assert set(found["access-control-allow-methods"].split(", ")) == {"GET", "POST", "PUT", "PATCH", "DELETE"}
        allowed = set(found["access-control-allow-headers"].lower().split(", "))
        # With credentials a browser takes `*` for the name of a header.
        assert "*" not in allowed
        assert allowed >= {
            "authorization",
            "content-type",
            "idempotency-key",
            "if-none-match",
            "notify-position",
            "x-api-key",
            "x-request-id",
        }
        assert int(found["access-control-max-age"]) > 0


@pytest.mark.parametrize("origin", NOT_LISTED)
async def test_any_other_origin_is_told_nothing(listed: httpx.AsyncClient, origin: str) -> None:
    answer = await listed.get("/v1/notifications?user_id=a", headers={**ADMIN, "Origin": origin})
    assert (answer.status_code, cors_headers(answer)) == (200, {})
    preflight = await listed.options("/v1/notifications", headers={"Origin": origin, **PREFLIGHT})
    assert (preflight.status_code, cors_headers(preflight)) == (204, {})


async def test_a_cache_is_told_that_the_origin_matters(listed: httpx.AsyncClient) -> None:
    for headers in ({}, {"Origin": SHOP}, {"Origin": "https://evil.example"}):
        answer = await listed.get("/v1/notifications?user_id=a", headers={**ADMIN, **headers})
        assert {"Origin", "Authorization", "X-API-Key", "Cookie"} <= set(answer.headers["vary"].split(", "))
        preflight = await listed.options("/v1/notifications", headers={**headers, **PREFLIGHT})
        assert preflight.headers["vary"] == "Origin"


async def test_a_star_is_for_any_origin_but_never_with_credentials(opened: httpx.AsyncClient) -> None:
    for origin in (SHOP, "https://evil.example", "null"):
        for path in ("/v1/notifications?user_id=a", "/nowhere"):
            answer = await opened.get(path, headers={**ADMIN, "Origin": origin, "Cookie": "notify_token=x"})
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "access-control-allow-credentials" not in answer.headers
        preflight = await opened.options("/v1/notifications", headers={"Origin": origin, **PREFLIGHT})
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in preflight.headers


async def test_a_star_beside_an_origin_is_still_without_credentials(database_url: str) -> None:
    async with service_for(database_url, SHOP, "*") as client:
        answer = await client.get("/health/live", headers={"Origin": SHOP})
        assert cors_headers(answer)["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


async def test_an_options_request_that_is_no_preflight_is_refused_like_any_other_method(
    listed: httpx.AsyncClient,
) -> None:
    answer = await listed.options("/v1/notifications", headers={"Origin": SHOP})
    problem_in(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "GET, POST"


async def test_with_the_cookie_only_a_page_of_ours_or_of_a_listed_origin_changes_anything(
    listed: httpx.AsyncClient,
) -> None:
    listed.headers.update(ADMIN)
    cookie = {"Cookie": f"notify_token={await token(listed, 'alice')}"}
    del listed.headers["Authorization"]
    for origin, status in (
        *((origin, 403) for origin in [*NOT_LISTED, "http://[", "http://notify.evil.example", "http://notify:80"]),
        (SHOP, 200),
        (OTHER, 200),
        ("http://notify", 200),
        ("https://notify", 200),
    ):
        answer = await listed.post("/v1/notifications/read-all", headers={**cookie, "Origin": origin})
        assert (origin, answer.status_code) == (origin, status)
    # A page that names no origin is a form or a link of anyone's.
    problem_in(await listed.post("/v1/notifications/read-all", headers=cookie), 403, "forbidden")
    # Looking changes nothing.
    assert (await listed.get("/v1/notifications", headers={**cookie, "Origin": "https://evil.example"})).is_success


async def test_a_star_trusts_no_origin_with_the_cookie(opened: httpx.AsyncClient) -> None:
    opened.headers.update(ADMIN)
    cookie = {"Cookie": f"notify_token={await token(opened, 'alice')}"}
    del opened.headers["Authorization"]
    for origin in (SHOP, "*", "null"):
        answer = await opened.post("/v1/notifications/read-all", headers={**cookie, "Origin": origin})
        problem_in(answer, 403, "forbidden")
