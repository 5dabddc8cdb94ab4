"""Who may open a WebSocket, how the others are refused, and for how long one may stay."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec
import pytest
from websockets.exceptions import InvalidStatus

from support.processes import NotifyProcess
from support.sockets import JSON, MSGPACK, BareSocket, Message, open_socket
from support.users import User

_SECRET = "the secret of these tests, with 32 bytes or more"
_TRUSTED = "https://app.example"
_HOUR = 3600
_LONG_AGO = 1_000_000_000
_SOME_DAY = int(time.time()) + 3600
_SOME_DAY_IN_WORDS = datetime.fromtimestamp(_SOME_DAY, UTC).isoformat().replace("+00:00", "Z")


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[NotifyProcess]:
    environment = {
        "NOTIFY_DATABASE_URL": database,
        "NOTIFY_JWT_SECRET": _SECRET,
        "NOTIFY_CORS_ORIGINS": f"{_TRUSTED},https://other.example",
    }
    with NotifyProcess(environment, is_covered=True) as process:
        yield process
        log = "\n".join(line for line in process.log if '"handshake_refused"' not in line)
        assert '"level":"warning"' not in log, log
        assert '"level":"error"' not in log, log
        for secret in ("eyJ", "nk_", "nonsense"):
            assert secret not in log, "a credential was logged"


def signed(user: str, secret: str = _SECRET, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": _SOME_DAY, **claims}, secret, algorithm="HS256")


def refused_credentials(alice: User) -> dict[str, tuple[int, dict[str, str], dict[str, str]]]:
    """The status of the refusal, headers and query; by what is wrong with it."""
    key = alice.post("/v1/apps/default/keys", name="sends", scopes=["send"])["key"]
    good = alice.token()
    return {
        "none": (401, {}, {}),
        "nonsense": (401, {}, {"token": "nonsense"}),
        "a wrong secret": (401, {}, {"token": signed(alice.name, "another secret that has 32 bytes or more")}),
        "no app of this name": (401, {}, {"token": signed(alice.name, app="nowhere")}),
        "expired": (401, {}, {"token": signed(alice.name, exp=_LONG_AGO)}),
        "expired, in the header": (401, {"Authorization": f"Bearer {signed(alice.name, exp=_LONG_AGO)}"}, {}),
        "a wrong scheme": (401, {"Authorization": "Basic bm9uc2Vuc2U="}, {}),
        "an unknown key": (401, {"X-API-Key": "nk_nonsense"}, {"user_id": alice.name}),
        "a scope that does not follow": (403, {}, {"token": signed(alice.name, scope="send")}),
        "a key that does not follow": (403, {"X-API-Key": key}, {"user_id": alice.name}),
        "somebody else's inbox": (403, {}, {"token": good, "user_id": "somebody-else"}),
        "a cookie from nowhere": (403, {"Cookie": f"notify_token={good}"}, {}),
        "a cookie from elsewhere": (403, {"Cookie": f"notify_token={good}", "Origin": "https://evil.example"}, {}),
        "a cookie from almost us": (403, {"Cookie": f"notify_token={good}", "Origin": f"{_TRUSTED}.evil.example"}, {}),
        "a cookie from a file": (403, {"Cookie": f"notify_token={good}", "Origin": "null"}, {}),
        "an expired cookie": (
            401,
            {"Cookie": f"notify_token={signed(alice.name, exp=_LONG_AGO)}", "Origin": _TRUSTED},
            {},
        ),
    }


_WRONG = (
    "none",
    "nonsense",
    "a wrong secret",
    "no app of this name",
    "expired",
    "expired, in the header",
    "a wrong scheme",
    "an unknown key",
    "a scope that does not follow",
    "a key that does not follow",
    "somebody else's inbox",
    "a cookie from nowhere",
    "a cookie from elsewhere",
    "a cookie from almost us",
    "a cookie from a file",
    "an expired cookie",
)


async def handshake_refused(alice: User, **arguments: Any) -> tuple[int, Message]:
    """The status and the problem of a handshake that fails."""
    with pytest.raises(InvalidStatus) as refused:
        async with open_socket(alice.url, **arguments):
            pass
    response = refused.value.response
    assert response.headers["Content-Type"] == "application/problem+json"
    problem: Message = msgspec.json.decode(response.body or b"")
    assert problem["status"] == response.status_code
    assert problem["request_id"] == response.headers["X-Request-ID"]
    return response.status_code, problem


@pytest.mark.parametrize("wrong", _WRONG)
async def test_without_our_subprotocol_a_refusal_is_a_real_status_and_a_problem(alice: User, wrong: str) -> None:
    status, headers, query = refused_credentials(alice)[wrong]
    refused, problem = await handshake_refused(alice, subprotocols=None, headers=headers, **query)
    assert refused == status, problem
    assert problem["type"] == {401: "/problems/unauthorized", 403: "/problems/forbidden"}[status]


@pytest.mark.parametrize("wrong", _WRONG)
@pytest.mark.parametrize("subprotocol", [JSON, MSGPACK])
async def test_with_our_subprotocol_a_refusal_is_a_goodbye_that_a_browser_can_hear(
    alice: User, wrong: str, subprotocol: str
) -> None:
    status, headers, query = refused_credentials(alice)[wrong]
    async with open_socket(alice.url, subprotocols=[subprotocol], headers=headers, **query) as socket:
        assert socket.connection.subprotocol == subprotocol
        assert await socket.ended() == {401: 4401, 403: 4403}[status]
    assert socket.heard == [{"type": "bye", "reason": "auth"}]


@pytest.mark.parametrize("offered", [["soap"], ["notify.v2.json", "NOTIFY.V1.JSON"]])
async def test_who_speaks_none_of_our_subprotocols_is_refused_whoever_it_is(alice: User, offered: list[str]) -> None:
    for query in ({"token": alice.token()}, {}):
        status, problem = await handshake_refused(alice, subprotocols=offered, **query)
        assert (status, problem["type"]) == (400, "/problems/unknown-subprotocol")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"window": "0"}, "window"),
        ({"window": "1001"}, "window"),
        ({"window": "many"}, "window"),
        ({"from": "yesterday"}, "from"),
        ({"types": "a"}, "types"),
        ({"device": ""}, "device"),
        ({"last_event_id": "x" * 97}, "last_event_id"),
    ],
)
async def test_a_query_that_is_wrong_is_pointed_at(alice: User, query: dict[str, str], pointer: str) -> None:
    status, problem = await handshake_refused(alice, token=alice.token(), **query)
    assert status == 422
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


async def test_an_api_key_has_to_say_whose_inbox_it_means(alice: User) -> None:
    headers = {"X-API-Key": alice.post("/v1/apps/default/keys", name="k", scopes=["inbox"])["key"]}
    status, problem = await handshake_refused(alice, headers=headers)
    assert (status, problem["errors"][0]["pointer"]) == (422, "user_id")


async def test_no_other_path_opens_a_websocket(alice: User) -> None:
    for path in ("/v1/stream", "/v1/nothing", "/health/live"):
        with BareSocket(alice.url, path=path) as socket:
            assert socket.head.startswith("HTTP/1.1 404 "), socket.head
            assert "content-type: application/problem+json" in socket.head


def test_who_asks_for_it_as_for_a_page_is_told_what_it_is(alice: User) -> None:
    answer = alice.client.get("/v1/ws")
    assert (answer.status_code, answer.headers["Upgrade"]) == (426, "websocket")
    assert answer.json()["type"] == "/problems/upgrade-required"


@pytest.mark.parametrize(
    "line",
    [
        "GET /v1/ws?token={long} HTTP/1.1",
        "POST /v1/ws HTTP/1.1",
        "GET /v1/ws HTTP/1.1\r\nX-Long: {long}",
        "GET /v1/ws HTTP/1.1\r\nSec-WebSocket-Protocol: ,",
        "GET /v1/ws HTTP/1.1\r\nSec-WebSocket-Protocol: \xff",
    ],
)
def test_a_handshake_that_is_none_is_answered_with_a_problem(alice: User, line: str) -> None:
    with BareSocket(alice.url, request=line.format(long="x" * 9000)) as socket:
        assert socket.head.startswith(("HTTP/1.1 400 ", "HTTP/1.1 431 ")), socket.head
        assert "application/problem+json" in socket.head


@pytest.mark.parametrize("origin", [_TRUSTED, "https://other.example", "own"])
async def test_the_cookie_opens_it_from_our_own_pages_and_those_that_are_trusted(alice: User, origin: str) -> None:
    headers = {"Cookie": f"notify_token={alice.token()}", "Origin": alice.url if origin == "own" else origin}
    async with open_socket(alice.url, headers=headers) as socket:
        await socket.started()


async def test_the_header_comes_before_the_query_and_the_query_before_the_cookie(alice: User, bob: User) -> None:
    mine = alice.send("mine")["id"]
    cookie = {"Cookie": f"notify_token={bob.token()}", "Origin": "https://evil.example"}
    async with open_socket(alice.url, headers=cookie, token=alice.token()) as socket:
        await socket.started()
    assert socket.heard[1]["notification"]["id"] == mine
    header = {"Authorization": f"Bearer {alice.token()}"}
    async with open_socket(alice.url, headers=header, token=bob.token()) as socket:
        await socket.started()
    assert socket.heard[1]["notification"]["id"] == mine


# How long one may stay


async def test_who_has_no_fresh_token_is_warned_and_then_sent_away(alice: User) -> None:
    async with open_socket(alice.url, token=alice.token(ttl_seconds=3)) as socket:
        await socket.started()
        warning = await socket.until("token")
        assert warning == {"type": "token", "expires_in": warning["expires_in"], "session": socket.heard[0]["session"]}
        assert 0 < warning["expires_in"] <= 3
        assert await socket.ended() == 4401
    assert socket.bye == {"type": "bye", "reason": "token_expired"}
    assert [message["type"] for message in socket.heard].count("token") == 1


async def test_a_fresh_token_lets_one_stay_and_do_what_it_says(alice: User) -> None:
    short = alice.token(ttl_seconds=3)
    id_ = alice.send()["id"]
    async with (
        open_socket(alice.url, token=alice.token(ttl_seconds=3, scope="inbox:read")) as stays,
        open_socket(alice.url, token=short) as leaves,
    ):
        assert (await stays.refused("read", ids=[id_]))["type"] == "/problems/forbidden"
        told = await stays.told("auth", token=signed(alice.name, scope="inbox"))
        assert told == {"expires_at": _SOME_DAY_IN_WORDS}
        await stays.told("read", ids=[id_])
        # One that runs out earlier changes nothing.
        told = await stays.told("auth", token=alice.token(scope="inbox:read"))
        assert told == {"expires_at": _SOME_DAY_IN_WORDS}
        await stays.told("unread", ids=[id_])
        assert await leaves.ended() == 4401
        # Whose first token has run out at the same time.
        assert (await stays.ask("ping"))["ok"]


async def test_a_token_that_is_of_no_use_is_refused_and_the_connection_stays(alice: User, bob: User) -> None:
    alice.post("/v1/apps", id="shop", name="Shop") if not _has_shop(alice) else None
    token = alice.token()
    async with open_socket(alice.url, token=token) as socket:
        for wrong, kind in [
            (bob.token(), "forbidden"),
            (signed(alice.name, scope="send"), "forbidden"),
            ("an admin key for tests only", "forbidden"),
            (alice.post("/v1/apps/default/keys", name="k", scopes=["inbox"])["key"], "forbidden"),
            (signed(alice.name, app="shop"), "unauthorized"),
            (signed(alice.name, exp=_LONG_AGO), "unauthorized"),
            (signed(alice.name, "another secret that has 32 bytes or more"), "unauthorized"),
            ("nonsense", "unauthorized"),
            ("a.b.c", "unauthorized"),
            ("\x00", "unauthorized"),
            ("", "unauthorized"),
        ]:
            assert (await socket.refused("auth", token=wrong))["type"] == f"/problems/{kind}", wrong
        assert (await socket.refused("auth", token="x" * 8193))["errors"][0]["pointer"] == "/token"
        assert (await socket.ask("ping"))["ok"]


async def test_what_an_api_key_has_opened_does_not_run_out(alice: User) -> None:
    headers = {"X-API-Key": alice.post("/v1/apps/default/keys", name="k", scopes=["inbox"])["key"]}
    async with open_socket(alice.url, headers=headers, user_id=alice.name) as socket:
        assert await socket.told("auth", token=alice.token(ttl_seconds=1, scope="inbox:read")) == {}
        # Still with the key's scopes.
        await socket.told("read_all")


def _has_shop(user: User) -> bool:
    return any(app["id"] == "shop" for app in user.client.get("/v1/apps").json()["items"])
