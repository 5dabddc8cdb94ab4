"""Every route is closed unless it says otherwise."""

import httpx
import pytest
from litestar.routes import HTTPRoute

from notify.api.access import Access
from notify.api.openapi import described_routes
from notify.app import Service

A_UUID = "01890000-0000-7000-8000-000000000000"


def filled(path: str) -> str:
    for name, value in {"app": "default", "slug": "invalid"}.items():
        path = path.replace(f"{{{name}}}", value)
    return "/".join(A_UUID if part.startswith("{") else part for part in path.split("/"))


async def test_every_route_that_does_not_say_otherwise_asks_for_a_credential(service: Service) -> None:
    transport = httpx.ASGITransport(service.asgi)  # type: ignore[arg-type]
    closed = opened = 0
    async with httpx.AsyncClient(transport=transport, base_url="http://notify") as nobody:
        for path, method, _, route in described_routes(service.litestar):
            answer = await nobody.request(method, filled(path))
            if route.access is Access.PUBLIC:
                assert answer.status_code < 500, (method, path, answer.text)
                assert answer.status_code != 401, (method, path)
                opened += 1
            else:
                assert answer.status_code == 401, (method, path, answer.text)
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.headers["content-type"] == "application/problem+json"
                closed += 1
    assert closed > opened > 0


async def test_every_registered_path_is_described_or_an_asset(service: Service) -> None:
    described = {(path, method) for path, method, _, _ in described_routes(service.litestar)}
    for route in service.litestar.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method in set(route.methods) - {"OPTIONS", "HEAD"}:
            # The socket's path answers a plain GET only with how to upgrade.
            plain = route.path_format == "/v1/ws" or route.path_format.startswith("/assets/")
            known = (route.path_format, method) in described or plain
            assert known, f"{method} {route.path_format} says nothing of itself"


@pytest.mark.parametrize("credential", ["nk_nothing", "a.b.c", "x" * 9000, "nk_\u00e9"])
async def test_a_made_up_credential_opens_nothing(service: Service, credential: str) -> None:
    transport = httpx.ASGITransport(service.asgi)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://notify") as stranger:
        headers = {b"Authorization": f"Bearer {credential}".encode()}
        answer = await stranger.get("/v1/notifications", params={"user_id": "alice"}, headers=headers)
    assert answer.status_code == 401
    assert credential not in answer.text
