"""Texts and `data` are given back as they were sent, as data: no route and no page makes markup of them."""

from typing import Any

import httpx
import msgspec
import pytest

from notify.core.notification import Create
from support.credentials import token

SCRIPT = "<script>alert(1)</script>"
ATTRIBUTE = '"><img src=x onerror=alert(1)>'
TYPES = {"application/json", "application/problem+json"}
TEXTS = {
    "to": f"alice {SCRIPT}",
    "title": SCRIPT,
    "body": f"{SCRIPT}{ATTRIBUTE}",
    "data": {SCRIPT: [ATTRIBUTE, {ATTRIBUTE: SCRIPT}]},
    "actions": [{"id": "open", "label": SCRIPT, "url": "/x?<script>"}],
    "actor": {"id": ATTRIBUTE, "name": SCRIPT, "image_url": "/x?<script>"},
    "collapse_key": f"{SCRIPT}{ATTRIBUTE}",
    "url": "/x?<script>",
    "exclude": [SCRIPT],
}
"""Every field that takes any text."""


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # What is shown here is the same on every PostgreSQL.
    return database_url


def check_is_data(answer: httpx.Response) -> Any:
    assert answer.headers["content-type"] in TYPES, answer.request.url
    assert answer.headers["x-content-type-options"] == "nosniff"
    return answer.json()


def test_every_field_that_takes_any_text_is_among_them() -> None:
    closed = {"type", "level", "progress", "send_at", "expires_at", "ttl_seconds", "durable"}
    assert TEXTS.keys() == {field.encode_name for field in msgspec.structs.fields(Create)} - closed


async def test_a_notification_comes_back_as_it_was_sent(client: httpx.AsyncClient) -> None:
    created = check_is_data(await client.post("/v1/notifications", json=TEXTS))
    assert "id" in created, created
    user = {"user_id": str(TEXTS["to"])}
    expected = {name: value for name, value in TEXTS.items() if name not in {"to", "exclude"}}
    (listed,) = check_is_data(await client.get("/v1/notifications", params=user))["items"]
    (change,) = check_is_data(await client.get("/v1/changes", params=user))["items"]
    got = check_is_data(await client.get(f"/v1/notifications/{created['id']}"))
    for shown in (listed, change["data"], got):
        assert {name: shown[name] for name in expected} == expected
        assert shown["user_id"] == TEXTS["to"]
    edited = {"title": ATTRIBUTE, "body": SCRIPT, "data": {ATTRIBUTE: SCRIPT}}
    check_is_data(await client.patch(f"/v1/notifications/{created['id']}", json=edited))
    got = check_is_data(await client.get(f"/v1/notifications/{created['id']}"))
    assert {name: got[name] for name in edited} == edited


async def test_what_else_takes_a_text_gives_it_back_as_data(client: httpx.AsyncClient) -> None:
    check_is_data(await client.post("/v1/apps", json={"id": "shop", "name": SCRIPT}))
    assert SCRIPT in {app["name"] for app in check_is_data(await client.get("/v1/apps"))["items"]}
    check_is_data(await client.post("/v1/apps/default/keys", json={"name": SCRIPT, "scopes": ["send"]}))
    keys = check_is_data(await client.get("/v1/apps/default/keys"))["items"]
    assert SCRIPT in {key["name"] for key in keys}
    of_user = await token(client, SCRIPT)
    bearer = {"Authorization": f"Bearer {of_user}"}
    opened = check_is_data(await client.get("/v1/notifications", headers=bearer))
    ack = {"device": SCRIPT, "position": opened["position"]}
    assert (await client.post("/v1/ack", json=ack, headers=bearer)).status_code == 204
    devices = check_is_data(await client.get("/v1/devices", headers=bearer))["items"]
    assert [device["device"] for device in devices] == [SCRIPT]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/{SCRIPT}"),
        ("GET", f"/problems/{SCRIPT}"),
        ("GET", f"/docs?{SCRIPT}"),
        ("GET", f"/problems?{SCRIPT}={SCRIPT}"),
        ("GET", f"/assets/pages/{SCRIPT}"),
        ("GET", f"/v1/notifications/{SCRIPT}"),
        ("GET", f"/v1/notifications?user_id=a&{SCRIPT}={ATTRIBUTE}"),
        ("GET", f"/v1/notifications?user_id=a&cursor={SCRIPT}"),
        ("GET", f"/v1/stream?user_id=a&types={SCRIPT}"),
        ("GET", f"/v1/apps/{SCRIPT}/keys"),
        ("DELETE", f"/v1/devices?user_id=a&device={SCRIPT}"),
    ],
)
async def test_what_is_wrong_is_told_as_data(client: httpx.AsyncClient, method: str, path: str) -> None:
    # As a browser asks that was led here by a link.
    headers = {"Accept": "text/html", "X-Request-ID": SCRIPT, "Referer": f"https://evil.example/{SCRIPT}"}
    answer = await client.request(method, path, headers=headers)
    assert answer.status_code in {404, 422}
    check_is_data(answer)
    assert not any("<" in value for value in answer.headers.values())


async def test_no_page_shows_what_it_was_asked_with(client: httpx.AsyncClient) -> None:
    headers = {"X-Request-ID": SCRIPT, "Referer": SCRIPT, "User-Agent": SCRIPT, "Accept-Language": SCRIPT}
    for path in ("/docs", "/redoc", "/problems", "/problems/invalid"):
        page = await client.get(path, headers=headers)
        assert page.status_code == 200
        assert "alert(1)" not in page.text
        assert "<script>" not in page.text
