"""Keys and tokens: what each opens, and what it does not."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
import psycopg
import pytest

from notify.app import Service
from notify.core.identity import KeyScope
from support.clock import ManualClock


class Callers:
    """One client for each kind of credential."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._transport = httpx.ASGITransport(service.asgi)  # type: ignore[arg-type]

    def with_headers(self, **headers: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._transport, base_url="http://notify", headers=headers)

    async def key(self, *scopes: KeyScope, app: str = "default") -> httpx.AsyncClient:
        new = await self._service.identities.create_key(app, "test", list(scopes))
        return self.with_headers(Authorization=f"Bearer {new.key}")

    async def user(self, user_id: str, *scopes: str, app: str = "default", ttl: int = 600) -> httpx.AsyncClient:
        token, _ = await self._service.authenticator.issue(
            app, user_id, list(scopes) or ["inbox"], timedelta(seconds=ttl)
        )
        return self.with_headers(Authorization=f"Bearer {token}")


@pytest.fixture
def callers(service: Service) -> Callers:
    return Callers(service)


LIST = ("GET", "/v1/notifications?user_id=alice")
SEND = ("POST", "/v1/notifications")
APPS = ("POST", "/v1/apps")
KEYS = ("GET", "/v1/apps/default/keys")


@pytest.mark.parametrize(
    ("scopes", "opened"),
    [
        (("send",), {SEND}),
        (("inbox",), {LIST}),
        (("admin",), {KEYS}),
        (("send", "inbox", "admin"), {SEND, LIST, KEYS}),
    ],
)
async def test_a_key_opens_what_its_scopes_name(
    callers: Callers, scopes: tuple[KeyScope, ...], opened: set[tuple[str, str]]
) -> None:
    caller = await callers.key(*scopes)
    for method, path in (LIST, SEND, APPS, KEYS):
        answer = await caller.request(method, path, json={"to": "alice", "title": "x"} if path == SEND[1] else None)
        assert (answer.status_code < 300) == ((method, path) in opened), (method, path, answer.text)
        assert answer.status_code < 300 or answer.status_code == 403


async def test_a_user_reaches_their_own_inbox_and_no_other(callers: Callers, client: httpx.AsyncClient) -> None:
    sent = (await client.post("/v1/notifications", json={"to": "alice", "title": "For alice"})).json()
    alice, bob = await callers.user("alice"), await callers.user("bob")
    assert (await alice.get("/v1/notifications")).json()["total"] == 1
    assert (await bob.get("/v1/notifications")).json()["total"] == 0
    assert (await bob.get("/v1/notifications", params={"user_id": "alice"})).status_code == 403
    for method, path in [
        ("GET", f"/v1/notifications/{sent['id']}"),
        ("POST", f"/v1/notifications/{sent['id']}/read"),
        ("DELETE", f"/v1/notifications/{sent['id']}"),
    ]:
        assert (await bob.request(method, path)).status_code == 404
    assert (await alice.post(f"/v1/notifications/{sent['id']}/read")).status_code == 200


async def test_a_reading_token_cannot_mark(callers: Callers, client: httpx.AsyncClient) -> None:
    sent = (await client.post("/v1/notifications", json={"to": "alice", "title": "x"})).json()
    reader = await callers.user("alice", "inbox:read")
    assert (await reader.get("/v1/notifications")).status_code == 200
    assert (await reader.post(f"/v1/notifications/{sent['id']}/read")).status_code == 403
    assert (await reader.post("/v1/notifications/read-all")).status_code == 403


async def test_apps_do_not_see_each_other(callers: Callers, service: Service, client: httpx.AsyncClient) -> None:
    await service.identities.create_app("shop", "Shop")
    here = (await client.post("/v1/notifications", json={"to": "alice", "title": "here"})).json()
    there = await callers.key("send", "inbox", "admin", app="shop")
    assert (await there.get("/v1/notifications", params={"user_id": "alice"})).json()["total"] == 0
    assert (await there.get(f"/v1/notifications/{here['id']}")).status_code == 404
    assert (await there.patch(f"/v1/notifications/{here['id']}", json={"title": "mine"})).status_code == 404
    assert (await there.delete(f"/v1/notifications/{here['id']}")).status_code == 404
    assert (await there.get("/v1/apps/default/keys")).status_code == 403
    assert [app["id"] for app in (await there.get("/v1/apps")).json()["items"]] == ["shop"]
    token = await callers.user("alice", app="shop")
    assert (await token.get("/v1/notifications")).json()["items"] == []


async def test_a_revoked_key_stops_working_at_once(callers: Callers, service: Service) -> None:
    new = await service.identities.create_key("default", "test", ["inbox"])
    caller = callers.with_headers(**{"X-API-Key": new.key})
    assert (await caller.get("/v1/notifications?user_id=alice")).status_code == 200
    await service.identities.revoke_key("default", new.id)
    assert (await caller.get("/v1/notifications?user_id=alice")).status_code == 401


async def test_a_key_is_shown_once_and_stored_hashed(
    client: httpx.AsyncClient, any_database_url: str, callers: Callers
) -> None:
    made = (await client.post("/v1/apps/default/keys", json={"name": "k", "scopes": ["inbox"]})).json()
    assert made["key"].startswith(made["prefix"])
    caller = callers.with_headers(Authorization=f"Bearer {made['key']}")
    await caller.get("/v1/notifications?user_id=alice")
    listed = (await client.get("/v1/apps/default/keys")).json()["items"]
    (shown,) = [item for item in listed if item["id"] == made["id"]]
    assert "key" not in shown
    assert shown["last_used_at"] is not None
    with psycopg.connect(any_database_url) as connection:
        stored = connection.execute("SELECT * FROM notify.api_keys WHERE id = %s", (UUID(made["id"]),)).fetchone()
    assert made["key"] not in repr(stored)


async def secret_of(database_url: str) -> str:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT jwt_secret FROM notify.apps WHERE id = 'default'").fetchone()
    assert row is not None
    return str(row[0])


async def test_tokens_that_are_not_ours_are_refused(
    callers: Callers, any_database_url: str, clock: ManualClock
) -> None:
    secret = await secret_of(any_database_url)
    good: dict[str, Any] = {"sub": "alice", "exp": int(clock.now().timestamp()) + 600}
    assert (
        await callers.with_headers(Authorization=f"Bearer {jwt.encode(good, secret)}").get("/v1/notifications")
    ).status_code == 200
    bad = {
        "another secret": jwt.encode(good, "x" * 40),
        "no expiry": jwt.encode({"sub": "alice"}, secret),
        "expired": jwt.encode(good | {"exp": int(clock.now().timestamp()) - 1}, secret),
        "no subject": jwt.encode({"exp": good["exp"]}, secret),
        "an unknown app": jwt.encode(good | {"app": "nowhere"}, secret),
        "an app that is no text": jwt.encode(good | {"app": 7}, secret),
        "another algorithm": jwt.encode(good, secret * 2, algorithm="HS512"),
        "no algorithm": jwt.encode(good, "", algorithm="none"),
        "no end": jwt.encode(good | {"exp": 10**20}, secret),
        "a subject with NUL": jwt.encode(good | {"sub": "a\x00"}, secret),
        "cut short": jwt.encode(good, secret)[:-4],
    }
    for why, token in bad.items():
        answer = await callers.with_headers(Authorization=f"Bearer {token}").get("/v1/notifications")
        assert answer.status_code == 401, why
        assert token not in answer.text


async def test_the_cookie_changes_things_only_from_pages_we_trust(callers: Callers, service: Service) -> None:
    token, _ = await service.authenticator.issue("default", "alice", ["inbox"], timedelta(minutes=5))
    cookie = {"Cookie": f"notify_token={token}"}
    assert (await callers.with_headers(**cookie).get("/v1/notifications")).status_code == 200
    assert (await callers.with_headers(**cookie).post("/v1/notifications/read-all")).status_code == 403
    own = callers.with_headers(**cookie, Origin="http://notify")
    assert (await own.post("/v1/notifications/read-all")).status_code == 200
    other = callers.with_headers(**cookie, Origin="http://evil.example")
    assert (await other.post("/v1/notifications/read-all")).status_code == 403


async def test_a_key_gives_out_no_more_than_it_has(callers: Callers) -> None:
    inbox = await callers.key("inbox")
    assert (await inbox.post("/v1/tokens", json={"user_id": "alice"})).status_code == 201
    assert (await inbox.post("/v1/tokens", json={"user_id": "alice", "scope": "send"})).status_code == 403
    user = await callers.user("alice")
    assert (await user.post("/v1/tokens", json={"user_id": "bob"})).status_code == 403
    too_long = await inbox.post("/v1/tokens", json={"user_id": "alice", "ttl_seconds": 10_000_000})
    assert too_long.status_code == 422
