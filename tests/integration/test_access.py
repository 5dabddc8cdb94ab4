"""Who may call what: every route of the routing table with every kind of credential. A route without a row fails."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import httpx
import pytest
from litestar import get
from litestar.routes import HTTPRoute

from notify.api.access import Access
from notify.api.application import application, application_with
from notify.app import Service
from support.calls import ALICE, count, send
from support.clock import ManualClock
from support.credentials import app, bearer, key, signed, token, unsigned
from support.every_route import CALLS, SELF_SERVICE, SOME_ID, TOPIC, Call
from support.problems import problem_in
from support.processes import ADMIN_KEY

CLOSED = {name: call for name, call in CALLS.items() if call.access is not Access.PUBLIC}


class World:
    """A service with something of everything in it, called with no credential but those that a call brings."""

    def __init__(self, service: Service, admin: httpx.AsyncClient, clock: ManualClock) -> None:
        self.service = service
        self.admin = admin
        self.clock = clock

    async def call(self, name: str, headers: dict[str, str], user_id: str | None = "alice") -> httpx.Response:
        """Calls the route with the body that is right for it; what its path names is there. A route whose query may
        name a user is told this one, or none.
        """
        call = CALLS[name]
        method, path = name.split(" ")
        names = {
            "app": "default",
            "slug": "invalid",
            "file_path": _asset(path),
            "file_name": "notify.js",
            "session_id": SOME_ID,
            "operation_id": SOME_ID,
            "scheduled_id": SOME_ID,
        }
        body = call.body
        if path in {"/v1/ack", "/v1/devices"}:
            device = {"device": "phone", "position": (await count(self.admin))["position"]}
            await self.admin.post("/v1/ack", params=ALICE, json=device)
            body = device if body else None
        if path == "/v1/subscriptions":
            # Alice may, and is not subscribed yet.
            await self.admin.put("/v1/topics", params=TOPIC, json=SELF_SERVICE)
            await self.admin.delete(path, params={**ALICE, **TOPIC})
        if "{notification_id}" in path:
            names["notification_id"] = await send(self.admin)
        if "{key_id}" in path:
            made = await self.admin.post("/v1/apps/default/keys", json={"name": "to revoke", "scopes": ["send"]})
            names["key_id"] = made.json()["id"]
        query = {name: value for name, value in call.query.items() if name != "user_id"}
        if user_id is not None and "user_id" in call.query:
            query["user_id"] = user_id
        transport = self.admin._transport
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=headers) as client:
            return await client.request(method, path.format(**names), params=query, json=body)

    async def statuses(
        self, calls: dict[str, Call], headers: dict[str, str], user_id: str | None = "alice"
    ) -> dict[str, int]:
        """What each of these calls is answered with; a refusal has to be a problem."""
        statuses = {}
        for name in calls:
            answer = await self.call(name, headers, user_id)
            statuses[name] = answer.status_code
            if answer.is_error and answer.request.method != "HEAD":
                problem_in(answer, answer.status_code)
        return statuses


def _asset(path: str) -> str:
    return "style.css" if path.startswith("/assets/pages") else "redoc/redoc.standalone.js"


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # What is proved here is the same on every PostgreSQL.
    return database_url


@pytest.fixture
def world(service: Service, client: httpx.AsyncClient, clock: ManualClock) -> World:
    return World(service, client, clock)


@pytest.fixture
async def secret(service: Service) -> str:
    """The secret of the default app's tokens."""
    return await service.apps.keep_secret("default")


def all_of(status: int, calls: dict[str, Call] = CLOSED) -> dict[str, int]:
    return dict.fromkeys(calls, status)


def right(calls: dict[str, Call]) -> dict[str, int]:
    return {name: call.status for name, call in calls.items()}


def opened_by(*accesses: Access) -> dict[str, Call]:
    """What these open, but for what would not end."""
    return {name: call for name, call in CLOSED.items() if call.access in accesses and not call.endless}


def routing_table() -> dict[str, Any]:
    return {
        f"{method} {route.path_format}": handler
        for route in application().routes
        if isinstance(route, HTTPRoute)
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    }


def test_every_route_has_a_row_that_says_who_may_call_it() -> None:
    table = routing_table()
    assert table.keys() == CALLS.keys()
    assert {name: handler.opt.get("access") for name, handler in table.items()} == {
        name: call.access for name, call in CALLS.items()
    }


async def test_without_a_credential_every_route_is_closed_unless_it_says_otherwise(world: World) -> None:
    public = {name: call for name, call in CALLS.items() if call.access is Access.PUBLIC}
    assert await world.statuses(CALLS, {}) == all_of(401) | right(public)


async def test_garbage_opens_nothing(world: World) -> None:
    garbage = [
        {"Authorization": "Bearer nk_no_such_key"},
        {"Authorization": "Bearer not.a.token"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "bearer\tx"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": ADMIN_KEY},
        {"Authorization": "Bearer \x7f\xff"},
        {"Authorization": "Bearer " + 9000 * "x"},
        {"Authorization": "Bearer x.x." + 9000 * "x"},
        {"X-API-Key": "nk_no_such_key"},
        {"X-API-Key": "   "},
        {"Cookie": "notify_token=nonsense"},
        {"Cookie": "notify_token="},
    ]
    for headers in garbage:
        # A cookie that may change something is first of all asked where it comes from.
        asked = "Cookie" in headers
        expected = {name: 403 if asked and not name.startswith(("GET", "HEAD")) else 401 for name in CLOSED}
        raw: Any = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
        assert (headers, await world.statuses(CLOSED, raw)) == (headers, expected)


async def test_an_expired_token_opens_nothing(world: World, secret: str) -> None:
    expired = signed(secret, world.clock, scope="inbox inbox:read send")
    world.clock.advance(timedelta(seconds=60))
    # An `EventSource` would not hear a 401: its stream opens, says `bye` and ends.
    assert await world.statuses(CLOSED, bearer(expired)) == all_of(401) | {"GET /v1/stream": 200}


async def test_tokens_that_we_did_not_sign_open_nothing(world: World, secret: str) -> None:
    another = await app(world.admin, "shop")
    now = world.clock.now().timestamp()
    claims = {"sub": "alice", "app": "default", "scope": "inbox inbox:read send admin", "exp": now + 60}
    head, payload, signature = signed(secret, world.clock).split(".")
    forged = {
        "of another secret": signed("x" * 64, world.clock),
        "of another app's secret": signed(another, world.clock, app="default"),
        "of ours for another app": signed(secret, world.clock, app="shop"),
        "of an app that is not there": signed(secret, world.clock, app="nowhere"),
        "of an app that cannot be": signed(secret, world.clock, app="\x00"),
        "of half a character": signed(secret, world.clock, app="\ud800"),
        "by nobody": unsigned(claims),
        "by nobody, with a signature": f"{unsigned(claims)}{signature}",
        "with another algorithm": signed(secret, world.clock, algorithm="HS384"),
        "with its head swapped": f"{unsigned(claims).split('.')[0]}.{payload}.{signature}",
        "without its signature": f"{head}.{payload}.",
        "with its signature cut": f"{head}.{payload}.{signature[:-4]}",
        "with another's payload": f"{head}.{unsigned(claims).split('.')[1]}.{signature}",
    }
    for what, token_ in forged.items():
        assert (what, await world.statuses(CLOSED, bearer(token_))) == (what, all_of(401))


async def test_a_revoked_key_opens_nothing(world: World) -> None:
    made = await world.admin.post(
        "/v1/apps/default/keys", json={"name": "short-lived", "scopes": ["send", "inbox", "admin"]}
    )
    of_keys = set(Access) - {Access.PUBLIC, Access.USER, Access.OPERATOR}
    usable = opened_by(*of_keys)
    assert await world.statuses(usable, bearer(made.json()["key"])) == right(usable)
    await world.admin.delete(f"/v1/apps/default/keys/{made.json()['id']}")
    assert await world.statuses(CLOSED, bearer(made.json()["key"])) == all_of(401)


@pytest.mark.parametrize(
    ("path", "ends"),
    [
        ("/v1/tokens/revoke", lambda made: {"token": made}),
        ("/v1/users/sign-out", lambda _: ALICE),
    ],
)
async def test_a_token_that_was_revoked_opens_nothing(world: World, path: str, ends: Callable[[str], Any]) -> None:
    made = await token(world.admin, "alice", "inbox inbox:read send")
    assert (await world.call("GET /v1/notifications", bearer(made))).status_code == 200
    assert (await world.admin.post(path, json=ends(made))).status_code == 204
    # As with one that has expired, the stream says so in words that an `EventSource` hears.
    assert await world.statuses(CLOSED, bearer(made)) == all_of(401) | {"GET /v1/stream": 200}
    assert '"reason":"auth"' in (await world.call("GET /v1/stream", bearer(made))).text


async def test_nothing_of_a_disabled_app_opens_anything(world: World) -> None:
    secret = await app(world.admin, "shop")
    everything = await key(world.admin, "send", "inbox", "admin", app_id="shop")
    assert (await world.admin.patch("/v1/apps/shop", json={"enabled": False})).status_code == 200
    for headers in (bearer(everything), bearer(signed(secret, world.clock, app="shop", scope="inbox send"))):
        assert await world.statuses(CLOSED, headers) == all_of(403)


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        ("send", [Access.SEND, Access.SEND_KEY, Access.OPERATIONS]),
        ("inbox", [Access.READ, Access.INBOX, Access.INBOX_KEY]),
        ("admin", [Access.ADMIN, Access.OPERATIONS]),
    ],
)
async def test_a_key_does_what_its_scope_says_and_no_more(world: World, scope: str, opens: list[Access]) -> None:
    opened = opened_by(*opens)
    shut = {name: call for name, call in CLOSED.items() if call.access not in opens}
    headers = bearer(await key(world.admin, scope))
    assert await world.statuses(opened, headers) == right(opened)
    assert await world.statuses(shut, headers) == all_of(403, shut)


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        ("inbox", [Access.READ, Access.INBOX, Access.USER]),
        ("inbox:read", [Access.READ, Access.USER]),
        ("send", [Access.SEND]),
    ],
)
async def test_a_token_does_what_its_scope_says_and_no_more(world: World, scope: str, opens: list[Access]) -> None:
    opened = {name: call for name, call in opened_by(*opens).items() if not call.ends_tokens}
    shut = {name: call for name, call in CLOSED.items() if call.access not in opens}
    headers = bearer(await token(world.admin, "alice", scope))
    # Whatever it may do otherwise, it makes no tokens.
    assert await world.statuses(opened, headers) == right(opened) | {
        name: 403 for name in opened if name == "POST /v1/tokens"
    }
    assert await world.statuses(shut, headers) == all_of(403, shut)


@pytest.mark.parametrize("scope", ["", "nothing", "admin", "INBOX", "inbox,send", "*"])
async def test_a_scope_that_we_do_not_know_opens_nothing(world: World, secret: str, scope: str) -> None:
    assert await world.statuses(CLOSED, bearer(signed(secret, world.clock, scope=scope))) == all_of(403)


async def test_a_users_token_reaches_that_users_inbox_only(world: World) -> None:
    headers = bearer(await token(world.admin, "alice", "inbox send"))
    naming = {name: call for name, call in CLOSED.items() if "user_id" in call.query}
    assert await world.statuses(naming, headers, "bob") == all_of(403, naming)
    for_keys = {Access.INBOX_KEY, Access.ADMIN}
    unnamed = {name: call for name, call in naming.items() if call.access not in for_keys and not call.endless}
    assert await world.statuses(unnamed, headers, None) == right(unnamed)


async def test_what_is_another_users_is_not_found(world: World) -> None:
    headers = bearer(await token(world.admin, "bob", "inbox send"))
    of_one = {name: call for name, call in CLOSED.items() if "{notification_id}" in name}
    assert await world.statuses(of_one, headers, None) == all_of(404, of_one)
    assert await world.statuses(of_one, dict(world.admin.headers), "bob") == all_of(404, of_one)


async def test_what_is_another_apps_is_not_found(world: World) -> None:
    secret = await app(world.admin, "shop")
    of_one = {name: call for name, call in CLOSED.items() if "{notification_id}" in name}
    everything = await key(world.admin, "send", "inbox", "admin", app_id="shop")
    for headers in (bearer(everything), bearer(signed(secret, world.clock, app="shop", scope="inbox send"))):
        assert await world.statuses(of_one, headers) == all_of(404, of_one)
    of_app = {name: call for name, call in CLOSED.items() if "{app}" in name}
    assert await world.statuses(of_app, bearer(everything)) == all_of(403, of_app)


async def test_the_admin_key_opens_everything_but_what_only_a_user_can_ask_for(world: World) -> None:
    usable = {name: call for name, call in CLOSED.items() if not call.endless}
    of_users = {name: 403 for name, call in usable.items() if call.access is Access.USER}
    assert await world.statuses(usable, dict(world.admin.headers)) == right(usable) | of_users


async def test_a_handler_that_does_not_say_who_may_call_it_is_closed_to_all_but_the_operator(world: World) -> None:
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "open"

    transport = httpx.ASGITransport(cast(Any, world.service.serving(application_with(forgotten))))
    for headers, status in (
        ({}, 401),
        (bearer(await key(world.admin, "send", "inbox", "admin")), 403),
        (bearer(await token(world.admin, "alice", "inbox inbox:read send")), 403),
        (dict(world.admin.headers), 200),
    ):
        answer = await transport.handle_async_request(httpx.Request("GET", "http://notify/forgotten", headers=headers))
        assert answer.status_code == status


async def test_a_method_that_a_path_does_not_take_is_refused_and_the_others_are_named(world: World) -> None:
    methods_of: dict[str, set[str]] = {}
    for name in CALLS:
        method, path = name.split(" ")
        methods_of.setdefault(path, set()).add(method)
    for path, methods in methods_of.items():
        for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - methods:
            answer = await world.admin.request(
                method,
                path.format(
                    app="default",
                    slug="invalid",
                    file_path="x",
                    file_name="x",
                    notification_id=SOME_ID,
                    key_id=SOME_ID,
                    session_id=SOME_ID,
                    operation_id=SOME_ID,
                    scheduled_id=SOME_ID,
                ),
                headers={"Authorization": ""},
            )
            assert (path, method, answer.status_code) == (path, method, 405)
            assert set(answer.headers["allow"].split(", ")) == methods, (path, method)
            if method != "HEAD":
                problem_in(answer, 405, "method-not-allowed")
