"""Apps, API keys and user tokens: what they open, for how long, and that nothing of one app shows in another."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any, cast

import httpx
import jwt
import psycopg
import pytest

from notify.api import verifying
from notify.app import Service
from notify.settings import Settings
from notify.store.leases import LEASE_SECONDS
from support.calls import ALICE, changes, count, everything, send
from support.clock import ManualClock
from support.credentials import app, bearer, key, signed, token
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # Who may do what is the same on every PostgreSQL.
    return database_url


@pytest.fixture
async def secret(service: Service) -> str:
    """The secret of the default app's tokens."""
    return await service.apps.keep_secret("default")


def using(client: httpx.AsyncClient, headers: dict[str, str]) -> httpx.AsyncClient:
    """The same service, called with these headers and no others."""
    return httpx.AsyncClient(transport=client._transport, base_url="http://notify", headers=headers)


async def status(client: httpx.AsyncClient, credential: str) -> int:
    return (await client.get("/v1/notifications", headers=bearer(credential))).status_code


async def listed_keys(client: httpx.AsyncClient, app_id: str = "default") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await client.get(f"/v1/apps/{app_id}/keys", params={"limit": 100})).json()["items"]
    return items


# Keys ----------------------------------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_and_stored_as_its_hash(service: Service, client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/apps/default/keys", json={"name": "orders", "scopes": ["inbox", "send", "send"]})
    made = answer.json()
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    bounds = {"expires_at", "allowed_addresses", "types"}
    assert made.keys() == {"id", "name", "prefix", "scopes", "created_at", "key"} | bounds
    assert {made[bound] for bound in bounds} == {None}
    assert made["key"].startswith("nk_")
    assert len(made["key"]) > 40
    assert made["key"].startswith(made["prefix"])
    assert len(made["prefix"]) < len(made["key"]) // 2
    assert made["scopes"] == ["send", "inbox"]

    (listed,) = await listed_keys(client)
    assert listed == {
        **{name: value for name, value in made.items() if name != "key"},
        "last_used_at": None,
        "revoked_at": None,
    }
    with psycopg.connect(str(service.settings.database_url)) as connection:
        stored = connection.execute("SELECT key_hash, row_to_json(k)::text FROM notify.api_keys AS k").fetchall()
    assert stored[0][0] == hashlib.sha256(made["key"].encode()).digest()
    assert made["key"].removeprefix(made["prefix"]) not in stored[0][1]


async def test_no_two_keys_are_alike(client: httpx.AsyncClient) -> None:
    keys = [await key(client, "send") for _ in range(20)]
    assert len({made[3:11] for made in keys}) == 20


async def test_a_key_is_taken_from_either_header_and_authorization_comes_first(client: httpx.AsyncClient) -> None:
    made = await key(client, "inbox")
    for headers, expected in (
        ({"Authorization": f"Bearer {made}"}, 200),
        ({"Authorization": f"bearer   {made} "}, 200),
        ({"X-API-Key": made}, 200),
        ({"X-API-Key": f" {made} "}, 200),
        ({"X-API-Key": ADMIN_KEY}, 200),
        ({"Authorization": "Bearer nonsense", "X-API-Key": made}, 401),
        ({"Authorization": f"Bearer {made}", "X-API-Key": "nonsense"}, 200),
        ({"Authorization": f"Bearer {made}", "Cookie": "notify_token=nonsense"}, 200),
        ({"Authorization": f"Basic {made}"}, 401),
        ({"Authorization": made}, 401),
        ({"Cookie": f"notify_token={made}"}, 200),
        ({"X-API-Key": made[:-1]}, 401),
        ({"X-API-Key": made + "x"}, 401),
        ({"X-API-Key": made.upper()}, 401),
        ({"X-API-Key": ADMIN_KEY[:-1]}, 401),
        ({"X-API-Key": ADMIN_KEY + "x"}, 401),
    ):
        async with using(client, headers) as other:
            assert (headers, (await other.get("/v1/notifications", params=ALICE)).status_code) == (headers, expected)


async def test_a_credential_in_the_query_opens_nothing(client: httpx.AsyncClient) -> None:
    made = await key(client, "inbox")
    async with using(client, {}) as other:
        for name in ("token", "key", "api_key", "access_token"):
            answer = await other.get("/v1/notifications", params={**ALICE, name: made})
            problem_in(answer, 401, "unauthorized")


async def test_when_a_key_was_last_used_is_noted_about_once_a_minute(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    made = await key(client, "inbox")

    async def used_at() -> datetime | None:
        (listed,) = await listed_keys(client)
        return None if listed["last_used_at"] is None else datetime.fromisoformat(listed["last_used_at"])

    assert await used_at() is None
    before = clock.now()
    await client.get("/v1/notifications", params=ALICE, headers=bearer(made))
    first = await used_at()
    assert first is not None
    assert before < first < clock.now()
    clock.advance(timedelta(seconds=50))
    await client.get("/v1/notifications", params=ALICE, headers=bearer(made))
    assert await used_at() == first
    clock.advance(timedelta(seconds=11))
    await client.get("/v1/notifications", params=ALICE, headers=bearer(made))
    assert cast(datetime, await used_at()) - first > timedelta(minutes=1)


async def test_a_revoked_key_stops_at_once_in_every_process(
    client: httpx.AsyncClient, database_url: str, clock: ManualClock
) -> None:
    answer = await client.post("/v1/apps/default/keys", json={"name": "a", "scopes": ["inbox"]})
    made = answer.json()
    settings = Settings(database_url=database_url, admin_key=ADMIN_KEY)
    async with Service(settings, clock).running() as another:
        transport = httpx.ASGITransport(cast(Any, another.asgi))
        headers = bearer(made["key"])
        async with httpx.AsyncClient(transport=transport, base_url="http://other", headers=headers) as elsewhere:
            assert (await elsewhere.get("/v1/notifications", params=ALICE)).status_code == 200
            assert (await client.delete(f"/v1/apps/default/keys/{made['id']}")).status_code == 204
            problem_in(await elsewhere.get("/v1/notifications", params=ALICE), 401, "unauthorized")
    problem_in(await client.get("/v1/notifications", params=ALICE, headers=headers), 401, "unauthorized")
    (first,) = await listed_keys(client)
    assert first["revoked_at"] is not None
    # Again is fine, and changes nothing.
    assert (await client.delete(f"/v1/apps/default/keys/{made['id']}")).status_code == 204
    assert await listed_keys(client) == [first]


async def test_a_key_of_another_app_cannot_be_revoked_or_seen(client: httpx.AsyncClient) -> None:
    await app(client, "shop")
    made = (await client.post("/v1/apps/default/keys", json={"name": "a", "scopes": ["send"]})).json()
    problem_in(await client.delete(f"/v1/apps/shop/keys/{made['id']}"), 404, "not-found")
    assert await listed_keys(client, "shop") == []
    assert (await listed_keys(client))[0]["revoked_at"] is None
    async with using(client, bearer(await key(client, "admin", app_id="shop"))) as shop:
        problem_in(await shop.delete(f"/v1/apps/default/keys/{made['id']}"), 403, "forbidden")
        problem_in(await shop.get("/v1/apps/default/keys"), 403, "forbidden")
        problem_in(await shop.post("/v1/apps/default/keys", json={"name": "a", "scopes": ["send"]}), 403, "forbidden")
        # Nor does it learn which apps there are.
        problem_in(await shop.get("/v1/apps/nowhere/keys"), 403, "forbidden")
        assert (await shop.delete(f"/v1/apps/shop/keys/{made['id']}")).status_code == 404


async def test_keys_are_listed_in_pages_oldest_first(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.post("/v1/apps/default/keys", json={"name": f"key {number}", "scopes": ["send"]})
    names: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/v1/apps/default/keys", params={"limit": 2, **cursor})).json()
        names += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        assert len(page["items"]) == 2
        cursor = {"cursor": page["next_cursor"]}
    assert names == [f"key {number}" for number in range(5)]
    for wrong in ("x", "%00", "0" * 600):
        answer = await client.get(f"/v1/apps/default/keys?cursor={wrong}")
        assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "cursor"


async def test_a_key_that_cannot_be_is_refused(client: httpx.AsyncClient) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"name": "a", "scopes": []}, "/scopes"),
        ({"name": "a", "scopes": ["root"]}, "/scopes/0"),
        ({"name": "a", "scopes": ["inbox:read"]}, "/scopes/0"),
        ({"name": "a", "scopes": "send"}, "/scopes"),
        ({"name": "", "scopes": ["send"]}, "/name"),
        ({"name": "a\n", "scopes": ["send"]}, "/name"),
        ({"name": 256 * "a", "scopes": ["send"]}, "/name"),
        ({"scopes": ["send"]}, "/name"),
        ({"name": "a"}, "/scopes"),
        ({"name": "a", "scopes": ["send"], "kinds": ["order"]}, "/kinds"),
    ]
    for body, pointer in wrong:
        answer = await client.post("/v1/apps/default/keys", json=body)
        assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == pointer
    assert await listed_keys(client) == []


# Apps ----------------------------------------------------------------------------------------------------------------


async def test_the_default_app_is_there_from_the_start(client: httpx.AsyncClient) -> None:
    apps = (await client.get("/v1/apps")).json()["items"]
    assert [found["id"] for found in apps] == ["default"]
    problem_in(await client.post("/v1/apps", json={"id": "default", "name": "Again"}), 409, "conflict")


async def test_an_apps_secret_is_shown_once_and_signs_its_tokens(client: httpx.AsyncClient, clock: ManualClock) -> None:
    answer = await client.post("/v1/apps", json={"id": "shop", "name": "The shop"})
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    secret = answer.json()["jwt_secret"]
    assert len(secret) >= 32
    assert secret not in (await client.get("/v1/apps")).text
    assert await status(client, signed(secret, clock, app="shop")) == 200
    problem_in(await client.post("/v1/apps", json={"id": "shop", "name": "Another"}), 409, "conflict")
    # The second call has changed nothing.
    assert await status(client, signed(secret, clock, app="shop")) == 200
    assert [found["name"] for found in (await client.get("/v1/apps")).json()["items"]] == ["Default", "The shop"]


async def test_an_apps_key_sees_its_own_app_only(client: httpx.AsyncClient) -> None:
    await app(client, "shop")
    async with using(client, bearer(await key(client, "admin", app_id="shop"))) as shop:
        assert [found["id"] for found in (await shop.get("/v1/apps")).json()["items"]] == ["shop"]
        assert (await shop.get("/v1/apps?cursor=shop")).json()["items"] == []


async def test_apps_are_listed_in_pages(client: httpx.AsyncClient) -> None:
    for name in ("c", "a", "b"):
        await app(client, name)
    found: list[str] = []
    cursor: dict[str, str] = {}
    while cursor is not None:
        page = (await client.get("/v1/apps", params={"limit": 3, **cursor})).json()
        found += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ["a", "b", "c", "default"]


async def test_an_app_id_that_cannot_be_is_refused(client: httpx.AsyncClient) -> None:
    wrong: list[Any] = ["", "A", "a b", "a\n", "-a", "a/b", "\u00e4", "a" * 65, "a\x00", 5, None]
    for app_id in wrong:
        answer = await client.post("/v1/apps", json={"id": app_id, "name": "An app"})
        assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "/id", app_id


async def test_an_app_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    id_ = "01a1fd61-d36a-7e3b-90cb-826a32323436"
    for path in ("nowhere", "%00", "A", "a%2Fb", "%ED%A0%80", "a" * 65, "default%0A"):
        keys = f"/v1/apps/{path}/keys"
        problem_in(await client.get(keys), 404, "not-found")
        problem_in(await client.post(keys, json={"name": "a", "scopes": ["send"]}), 404, "not-found")
        problem_in(await client.delete(f"{keys}/{id_}"), 404, "not-found")


# Tokens --------------------------------------------------------------------------------------------------------------


async def test_a_token_names_its_user_for_as_long_as_it_was_asked_to(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    for asked, seconds in ((None, 900), (1, 1), (3600, 3600), (86_400, 86_400)):
        body = {"user_id": "alice", **({} if asked is None else {"ttl_seconds": asked})}
        now = clock.now()
        answer = await client.post("/v1/tokens", json=body)
        made = answer.json()
        assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
        claims = jwt.decode(made["token"], options={"verify_signature": False})
        assert jwt.get_unverified_header(made["token"])["alg"] == "HS256"
        assert (claims["sub"], claims["app"], claims["scope"]) == ("alice", "default", "inbox")
        expires_at = datetime.fromisoformat(made["expires_at"])
        assert expires_at.timestamp() == claims["exp"]
        assert abs((expires_at - now).total_seconds() - seconds) <= 1
        assert await status(client, made["token"]) == 200


async def test_a_token_works_until_it_expires_and_not_a_moment_longer(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    made = (await client.post("/v1/tokens", json={"user_id": "alice", "ttl_seconds": 60})).json()
    clock.advance(datetime.fromisoformat(made["expires_at"]) - clock.now() - timedelta(seconds=1))
    assert await status(client, made["token"]) == 200
    clock.advance(timedelta(seconds=1))
    answer = await client.get("/v1/notifications", headers=bearer(made["token"]))
    assert "expired" in problem_in(answer, 401, "unauthorized")["detail"]


async def test_a_token_that_was_in_order_is_refused_once_its_app_has_another_secret(
    client: httpx.AsyncClient, database_url: str, clock: ManualClock
) -> None:
    made = await token(client, "alice")
    assert [await status(client, made) for _ in range(2)] == [200, 200]
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE notify.apps SET jwt_secret = repeat('another', 8)")
    clock.advance(timedelta(seconds=LEASE_SECONDS))
    assert await status(client, made) == 401


async def test_of_tokens_that_were_in_order_so_many_are_remembered(
    service: Service, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "_MOST_VERIFIED", 2)
    made = [await token(client, user) for user in ("alice", "bob", "carol", "dora")]
    assert [await status(client, each) for each in (*made, *made)] == [200] * 8
    assert len(service.authenticator._verifier._verified) == 2


async def test_a_token_that_cannot_be_is_refused(client: httpx.AsyncClient) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "/user_id"),
        ({"user_id": ""}, "/user_id"),
        ({"user_id": 5}, "/user_id"),
        ({"user_id": 256 * "a"}, "/user_id"),
        ({"user_id": "a\x00"}, "/user_id"),
        ({"user_id": "alice\n"}, "/user_id"),
        ({"user_id": "a", "ttl_seconds": 0}, "/ttl_seconds"),
        ({"user_id": "a", "ttl_seconds": -1}, "/ttl_seconds"),
        ({"user_id": "a", "ttl_seconds": 86_401}, "/ttl_seconds"),
        ({"user_id": "a", "ttl_seconds": 2**64}, "/ttl_seconds"),
        ({"user_id": "a", "ttl_seconds": 1.5}, "/ttl_seconds"),
        ({"user_id": "a", "ttl_seconds": True}, "/ttl_seconds"),
        ({"user_id": "a", "scope": "admin"}, "/scope"),
        ({"user_id": "a", "scope": ""}, "/scope"),
        ({"user_id": "a", "scope": "inbox\n"}, "/scope"),
        ({"user_id": "a", "scope": ["inbox"]}, "/scope"),
        ({"user_id": "a", "app": "shop"}, "/app"),
    ]
    for body, pointer in wrong:
        problem = problem_in(await client.post("/v1/tokens", json=body), 422, "invalid")
        assert (body, problem["errors"][0]["pointer"]) == (body, pointer)
        if body.get("ttl_seconds") == 86_401:
            assert "NOTIFY_MAX_TOKEN_TTL_SECONDS" in problem["errors"][0]["detail"]


async def test_a_key_gives_out_only_what_it_has(client: httpx.AsyncClient) -> None:
    for scopes, asked, expected in (
        (("inbox",), "inbox", 201),
        (("inbox",), "inbox:read", 201),
        (("inbox",), "send", 403),
        (("inbox",), "inbox send", 403),
        (("inbox", "send"), "inbox send", 201),
        (("send",), "send", 403),
        (("admin",), "inbox", 403),
    ):
        async with using(client, bearer(await key(client, *scopes))) as other:
            answer = await other.post("/v1/tokens", json={"user_id": "alice", "scope": asked})
            assert (scopes, asked, answer.status_code) == (scopes, asked, expected)
    async with using(client, bearer(await token(client, "alice", "inbox send"))) as user:
        problem_in(await user.post("/v1/tokens", json={"user_id": "alice"}), 403, "forbidden")


async def test_a_token_is_of_the_app_of_the_key_that_made_it(client: httpx.AsyncClient) -> None:
    await app(client, "shop")
    async with using(client, bearer(await key(client, "inbox", "send", app_id="shop"))) as shop:
        made = await token(shop, "alice")
        await send(shop, "of the shop")
    async with using(client, bearer(made)) as alice:
        assert [item["title"] for item in (await alice.get("/v1/notifications")).json()["items"]] == ["of the shop"]


EXPIRIES: list[Any] = [None, True, "9999999999", "soon", [], {}, float("nan"), float("inf"), -1, 0, 1e300, 10**30]
SUBJECTS: list[Any] = [None, "", 5, True, [], {}, 256 * "a", "a\x00b", "a\n", "\x7f", "\ud800", "a\udfffb"]
APPS: list[Any] = [None, "", 5, [], {}, "Default", "default\n", "a\x00", "\ud800", "nowhere", 65 * "a"]


async def test_a_token_has_to_say_when_it_expires_and_who_it_is_for(
    client: httpx.AsyncClient, clock: ManualClock, secret: str
) -> None:
    exp = int(clock.now().timestamp()) + 60
    for fine in ({"exp": exp}, {"exp": float(exp)}, {"exp": exp, "app": "default"}):
        assert await status(client, _raw_token(secret, {"sub": "alice", **fine})) == 200
    every_wrong: list[dict[str, Any]] = [
        {"sub": "alice"},
        {"exp": exp},
        *({"sub": "alice", "exp": expiry} for expiry in EXPIRIES),
        *({"sub": subject, "exp": exp} for subject in SUBJECTS),
        *({"sub": "alice", "exp": exp, "app": app_id} for app_id in APPS),
        {"sub": "alice", "exp": exp, "scope": ["inbox"]},
        {"sub": "alice", "exp": exp, "scope": None},
    ]
    for wrong in every_wrong:
        answer = await client.get("/v1/notifications", headers=bearer(_raw_token(secret, wrong)))
        assert (wrong, answer.status_code) == (wrong, 401)
        problem_in(answer, 401, "unauthorized")


async def test_without_an_app_claim_a_token_is_of_the_default_app(
    client: httpx.AsyncClient, clock: ManualClock, secret: str
) -> None:
    await send(client, "in the default app")
    made = signed(secret, clock)
    assert "app" not in jwt.decode(made, options={"verify_signature": False})
    page = (await client.get("/v1/notifications", headers=bearer(made))).json()
    assert [item["title"] for item in page["items"]] == ["in the default app"]


async def test_what_else_a_token_says_is_not_our_concern(
    client: httpx.AsyncClient, clock: ManualClock, secret: str
) -> None:
    exp = int(clock.now().timestamp()) + 60
    others: list[dict[str, Any]] = [
        {"aud": ["others"]},
        {"iss": "https://shop.example"},
        {"jti": "1"},
        {"iat": 0},
        {"name": {"a": []}},
    ]
    for claims in others:
        assert await status(client, _raw_token(secret, {"sub": "alice", "exp": exp, **claims})) == 200


async def test_a_secret_from_the_settings_replaces_the_one_that_is_kept(
    client: httpx.AsyncClient, database_url: str, clock: ManualClock, secret: str
) -> None:
    settings = Settings(database_url=database_url, admin_key=ADMIN_KEY, jwt_secret="s" * 32)
    async with Service(settings, clock).running() as configured:
        transport = httpx.ASGITransport(cast(Any, configured.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as other:
            assert await status(other, signed("s" * 32, clock)) == 200
            assert await status(other, await token(other, "alice")) == 200
            assert await status(other, signed(secret, clock)) == 401
    assert await status(client, signed(secret, clock)) == 200


async def test_the_cookie_is_as_good_as_the_header_for_looking(client: httpx.AsyncClient) -> None:
    await send(client, "for alice")
    cookie = {"Cookie": f"other=1; notify_token={await token(client, 'alice')}; more=2"}
    async with using(client, cookie) as alice:
        assert [item["title"] for item in (await alice.get("/v1/notifications")).json()["items"]] == ["for alice"]
        # What it may change asks first where it comes from: test_cors.py.
        problem_in(await alice.post("/v1/notifications/read-all"), 403, "forbidden")


def _raw_token(secret: str, claims: dict[str, Any]) -> str:
    """Signed, whatever the claims: the library refuses to make some of these. None is sent as null."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signing = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    signature = hmac.digest(secret.encode(), signing.encode(), "sha256")
    return f"{signing}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


# Apps are separate ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def shop(client: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """The service called by another app, whose users have the same names."""
    await app(client, "shop")
    async with using(client, bearer(await key(client, "send", "inbox", "admin", app_id="shop"))) as other:
        yield other


async def test_users_of_the_same_name_in_two_apps_have_inboxes_of_their_own(
    client: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    await send(client, "one", type="order")
    await send(client, "two")
    await send(shop, "of the shop")
    assert [item["title"] for item in await everything(client)] == ["two", "one"]
    assert [item["title"] for item in await everything(shop)] == ["of the shop"]
    ours, theirs = await count(client, "order"), await count(shop, "order")
    assert (ours["unread"], ours["types"]["order"]["unread"]) == (2, 1)
    assert (theirs["unread"], theirs["types"]["order"]["unread"]) == (1, 0)
    assert [event["data"]["title"] for event in (await changes(shop))["items"]] == ["of the shop"]


async def test_no_call_reaches_a_notification_of_another_app(
    client: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    id_ = await send(client, "ours")
    before = await everything(client)
    path = f"/v1/notifications/{id_}"
    for query in ({}, ALICE):
        problem_in(await shop.get(path, params=query), 404, "not-found")
        problem_in(await shop.patch(path, params=query, json={"title": "theirs"}), 404, "not-found")
        problem_in(await shop.delete(path, params=query), 404, "not-found")
        for mark in ("read", "unread", "seen", "archive", "unarchive"):
            problem_in(await shop.post(f"{path}/{mark}", params=query), 404, "not-found")
    for mark in ("read-all", "seen-all", "archive-all"):
        assert (await shop.post(f"/v1/notifications/{mark}", params=ALICE)).json()["updated"] == 0
    assert await everything(client) == before


async def test_a_collapse_key_of_one_app_updates_nothing_in_another(
    client: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    await send(client, "ours", collapse_key="k")
    await send(shop, "theirs", collapse_key="k")
    assert [item["title"] for item in await everything(client)] == ["ours"]
    assert [item["title"] for item in await everything(shop)] == ["theirs"]


async def test_cursors_and_positions_of_one_app_mean_nothing_in_another(
    client: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    for number in range(3):
        await send(client, f"ours {number}")
        await send(shop, f"theirs {number}")
    page = (await client.get("/v1/notifications", params={**ALICE, "limit": 1})).json()
    answer = await shop.get("/v1/notifications", params={**ALICE, "limit": 1, "cursor": page["next_cursor"]})
    assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "cursor"
    followed = await changes(shop, page["position"])
    assert followed["items"][0]["event"] == "reset"
    assert followed["items"][0]["data"]["reason"] == "epoch"
    assert [event["data"].get("title") for event in followed["items"][1:]] == ["theirs 0", "theirs 1", "theirs 2"]
    answer = await shop.get("/v1/notifications", params=ALICE, headers={"Notify-Position": page["position"]})
    problem_in(answer, 412, "position-unknown")
    answer = await shop.post("/v1/notifications/read-all", params=ALICE, json={"before": page["position"]})
    assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "/before"
    answer = await shop.get("/v1/notifications", params=ALICE, headers={"If-None-Match": f'"{page["position"]}"'})
    assert answer.status_code == 200


async def test_an_idempotency_key_of_one_app_is_free_in_another(
    client: httpx.AsyncClient, shop: httpx.AsyncClient
) -> None:
    headers = {"Idempotency-Key": "order-7"}
    ours = await client.post("/v1/notifications", json={"to": "alice", "title": "ours"}, headers=headers)
    theirs = await shop.post("/v1/notifications", json={"to": "alice", "title": "theirs"}, headers=headers)
    assert (ours.status_code, theirs.status_code) == (201, 201)
    assert "idempotency-replayed" not in theirs.headers
    assert [item["title"] for item in await everything(shop)] == ["theirs"]
