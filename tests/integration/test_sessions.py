"""Live connections as all processes know them: listed, ended and extended from any of them, and counted as presence.

Two services on one database stand for two processes: what one knows of the other's connections it has from the database
and the doorbell only.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID

import httpx
import psycopg
import pytest

from notify.app import Service
from notify.core.ids import uuid7
from notify.live.connection import Connection
from notify.settings import Settings
from notify.store.sessions import Stay
from support.calls import send
from support.clock import ManualClock, hurried
from support.invariants import rows
from support.processes import ADMIN, ADMIN_KEY
from support.proxy import Proxy
from support.servers import TestServer
from support.visits import visiting
from support.waiting import eventually

POLL_SECONDS = 0.2
EACH = pytest.mark.parametrize("url", ["embedded", "debian 15"], indirect=True)
"""Where a statement is met for the first time, on each PostgreSQL that we support."""


@asynccontextmanager
async def client_of(service: Service, headers: dict[str, str] | None = None) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(cast(Any, service.asgi))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://notify", headers=ADMIN if headers is None else headers
    ) as client:
        yield client


def service_on(url: str, clock: ManualClock, *, poll_seconds: float = POLL_SECONDS, **settings: Any) -> Service:
    settings = {"safety_poll_seconds": poll_seconds, "max_connections_per_user": 0, **settings}
    return Service(Settings(database_url=url, admin_key=ADMIN_KEY, **settings), clock)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    which = getattr(request, "param", "embedded")
    server: TestServer = request.getfixturevalue("embedded_server" if which == "embedded" else "debian_server")
    with server.database() as url:
        yield url


@pytest.fixture
async def here(url: str, clock: ManualClock) -> AsyncIterator[Service]:
    """The process that is asked."""
    async with service_on(url, clock).running() as running:
        yield running


@pytest.fixture
async def there(url: str, clock: ManualClock) -> AsyncIterator[Service]:
    """The process that holds the connections."""
    async with service_on(url, clock).running() as running:
        yield running


@pytest.fixture
async def client(here: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(here) as client:
        yield client


async def token_of(client: httpx.AsyncClient, user_id: str = "alice", ttl_seconds: int = 900) -> str:
    answer = await client.post("/v1/tokens", json={"user_id": user_id, "ttl_seconds": ttl_seconds})
    token: str = answer.json()["token"]
    return token


async def sessions(client: httpx.AsyncClient, user_id: str = "alice", **query: Any) -> list[dict[str, Any]]:
    answer = await client.get("/v1/sessions", params={"user_id": user_id, "limit": 100, **query})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def listed(client: httpx.AsyncClient, how_many: int, user_id: str = "alice") -> list[dict[str, Any]]:
    async def look() -> list[list[dict[str, Any]]]:
        found = await sessions(client, user_id)
        return [found] if len(found) == how_many else []

    found: list[list[dict[str, Any]]] = await eventually(look)
    return found[0]


async def presence(client: httpx.AsyncClient, *user_ids: str) -> list[dict[str, Any]]:
    answer = await client.get("/v1/presence", params={"user_id": list(user_ids)})
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def online(client: httpx.AsyncClient, user_id: str, connections: int) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        (found,) = await presence(client, user_id)
        return found if found["connections"] == connections else {}

    return await eventually(look)


async def refresh(client: httpx.AsyncClient, session: str, token: str) -> httpx.Response:
    return await client.post(
        "/v1/stream/refresh", json={"session": session}, headers={"Authorization": f"Bearer {token}"}
    )


@asynccontextmanager
async def held(url: str, *statements: str) -> AsyncIterator[None]:
    """Keeps locks on rows or tables meanwhile."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        for statement in statements:
            await connection.execute(statement.encode())
        yield


PROCESSES = "LOCK TABLE notify.processes IN EXCLUSIVE MODE"
"""Keeps every process from writing sessions, but not from taking any away."""


def seconds_between(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


# Telling the others


async def test_a_connection_is_listed_with_what_is_known_of_it(client: httpx.AsyncClient, there: Service) -> None:
    token = await token_of(client)
    began = datetime.now(UTC)
    async with (
        visiting(there, token=token, device="phone") as named,
        visiting(there, user_id="alice") as unnamed,
        visiting(there, user_id="bob"),
    ):
        first, second = await listed(client, 2)
    assert (first["id"], second["id"]) == (named.session, unnamed.session)
    assert (first["user_id"], first["transport"], first["device"]) == ("alice", "sse", "phone")
    assert abs((datetime.fromisoformat(first["connected_at"]) - began).total_seconds()) < 2
    assert second["device"] is None
    assert datetime.fromisoformat(first["expires_at"]) == datetime(2026, 3, 1, 12, 15, tzinfo=UTC)
    assert second["expires_at"] is None, "an API key has no end"


async def test_sessions_are_listed_page_by_page(client: httpx.AsyncClient, there: Service) -> None:
    async with AsyncExitStack() as stack:
        opened = [(await stack.enter_async_context(visiting(there))).session for _ in range(5)]
        await listed(client, 5)
        cursor: str | None = None
        pages: list[list[str]] = []
        while cursor is not None or not pages:
            params: dict[str, Any] = {"user_id": "alice", "limit": 2} | ({} if cursor is None else {"cursor": cursor})
            page = (await client.get("/v1/sessions", params=params)).json()
            pages.append([item["id"] for item in page["items"]])
            cursor = page["next_cursor"]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [id_ for page in pages for id_ in page] == sorted(opened)


async def test_a_connect_does_not_wait_for_its_row(client: httpx.AsyncClient, there: Service, url: str) -> None:
    async with held(url, "LOCK TABLE notify.sessions IN ACCESS EXCLUSIVE MODE"):
        # Everything that a client sees at its start is there while nobody can write a row.
        visits = [visiting(there, f"user-{number}") for number in range(5)]
        async with AsyncExitStack() as stack:
            for visit in visits:
                await stack.enter_async_context(visit)
    assert await listed(client, 0) == []


async def test_connections_that_open_together_share_a_few_writes(
    client: httpx.AsyncClient, there: Service, url: str
) -> None:
    async with AsyncExitStack() as stack:
        await asyncio.gather(*(stack.enter_async_context(visiting(there)) for _ in range(60)))
        await listed(client, 60)
        (written,) = rows(url, "SELECT count(DISTINCT xmin::text) AS commits FROM notify.sessions")
    assert written["commits"] <= 5
    assert await listed(client, 0) == []


async def test_what_is_opened_and_closed_at_once_leaves_no_row(
    client: httpx.AsyncClient, there: Service, url: str
) -> None:
    async with held(url, PROCESSES), visiting(there):
        pass
    async with visiting(there, "bob"):
        await listed(client, 1, "bob")
    await listed(client, 0, "bob")
    assert await sessions(client) == []
    (alice,) = await presence(client, "alice")
    assert alice["last_seen_at"] is not None


async def test_a_process_that_stops_leaves_nothing_behind(
    client: httpx.AsyncClient, url: str, clock: ManualClock
) -> None:
    async with AsyncExitStack() as stack:
        other = service_on(url, clock)
        async with other.running():
            await stack.enter_async_context(visiting(other))
            await listed(client, 1)
        assert await sessions(client) == []
        assert len(rows(url, "SELECT FROM notify.processes")) == 1
        (alice,) = await presence(client, "alice")
        assert not alice["online"]
        assert alice["last_seen_at"] is not None


async def test_a_process_whose_rows_are_lost_writes_them_again(
    client: httpx.AsyncClient, there: Service, url: str
) -> None:
    async with AsyncExitStack() as stack:
        visits = [await stack.enter_async_context(visiting(there, device=f"device-{n}")) for n in range(3)]
        before = await listed(client, 3)
        # As after a crash of the database, which forgets unlogged tables.
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("TRUNCATE notify.sessions, notify.processes")
        after = await listed(client, 3)
        assert [item["id"] for item in after] == [visit.session for visit in visits]
        for was, is_ in zip(before, after, strict=True):
            assert (was["device"], was["expires_at"]) == (is_["device"], is_["expires_at"])
            assert abs(seconds_between(was["connected_at"], is_["connected_at"])) < 0.5
        assert not visits[0].all("bye")


@EACH
async def test_whoever_was_taken_for_dead_comes_back_as_another(
    client: httpx.AsyncClient, there: Service, url: str
) -> None:
    async with visiting(there):
        await listed(client, 1)
        (before,) = rows(url, "SELECT process_id FROM notify.sessions")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "UPDATE notify.processes SET alive_until = now() - interval '1 second' WHERE id = %s",
                [before["process_id"]],
            )

        async def look() -> bool:
            found = rows(url, "SELECT process_id FROM notify.sessions")
            return len(found) == 1 and found[0]["process_id"] != before["process_id"]

        await eventually(look)
        await online(client, "alice", 1)
        processes = rows(url, "SELECT id FROM notify.processes")
        assert before["process_id"] not in {row["id"] for row in processes}
    await listed(client, 0)


async def test_a_row_whose_writing_was_never_confirmed_goes_with_its_connection(
    client: httpx.AsyncClient, url: str, clock: ManualClock
) -> None:
    with Proxy(url) as proxy:
        async with service_on(proxy.url, clock).running() as there:
            lost = proxy.lose(r"INSERT INTO notify\.sessions", forwarded=True)
            async with visiting(there):
                await asyncio.to_thread(lost.wait)
                await listed(client, 1)
            await listed(client, 0)
            assert lost.happened == 1


async def test_what_happens_while_the_database_is_away_is_told_once_it_is_back(
    client: httpx.AsyncClient, url: str, clock: ManualClock
) -> None:
    with Proxy(url) as proxy:
        async with (
            service_on(proxy.url, clock, presence_seconds=1).running() as there,
            visiting(there, "bob", device="phone") as bob,
        ):
            async with visiting(there):
                await listed(client, 1)
                await listed(client, 1, "bob")
                proxy.refuse()
            # The others take it for dead by then, and those whom it serves for gone.
            await online(client, "bob", 0)
            proxy.accept()
            assert (await online(client, "bob", 1))["devices"] == ["phone"]
            assert [item["id"] for item in await sessions(client, "bob")] == [bob.session]
            await online(client, "alice", 0)
            await client.delete(f"/v1/sessions/{bob.session}")
            assert await bob.bye() == "revoked"


@EACH
async def test_one_cleared_up_after_the_dead(client: httpx.AsyncClient, url: str) -> None:
    """More sessions than go in one transaction."""
    process_id, how_many = uuid7(), 1_200
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO notify.sessions (id, process_id, app_id, user_id, transport, connected_at)"
            " SELECT gen_random_uuid(), %s, 'default', 'user-' || n %% 1000, 'sse', now() - interval '1 hour'"
            " FROM generate_series(1, %s) AS n",
            [process_id, how_many],
        )
        connection.execute(
            "INSERT INTO notify.processes (id, host, pid, started_at, seen_at, alive_until)"
            " VALUES (%s, 'elsewhere', 1, now() - interval '1 day', now() - interval '40 s', now() - interval '10 s')",
            [process_id],
        )
        # Nobody is there, from the first moment on.
        (user,) = await presence(client, "user-7")
        assert (user["online"], user["connections"]) == (False, 0)
        before = user["last_seen_at"]
        await eventually(lambda: _is_empty(url, process_id))
    assert rows(url, "SELECT FROM notify.processes WHERE id = %s", process_id) == []
    (user,) = await presence(client, "user-7")
    assert user["last_seen_at"] == before
    assert 35 < seconds_between(before, datetime.now(UTC).isoformat()) < 60
    (seen,) = rows(url, "SELECT count(*) FROM notify.seen")
    assert seen["count"] == 1000


async def _is_empty(url: str, process_id: UUID) -> bool:
    return not rows(url, "SELECT FROM notify.sessions WHERE process_id = %s", process_id)


# Presence


@EACH
async def test_presence_counts_connections_and_names_devices_over_all_processes(
    client: httpx.AsyncClient, here: Service, there: Service
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    async with (
        visiting(here, device="tablet"),
        visiting(there, device="phone"),
        visiting(there, device="phone"),
        visiting(there),
        visiting(there, "bob"),
    ):
        alice = await online(client, "alice", 4)
        bob, nobody, again = await presence(client, "bob", "nobody", "alice")
        assert again["user_id"] == "alice", "in the order they were asked for"
        assert (alice["online"], alice["devices"]) == (True, ["phone", "tablet"])
        assert datetime.fromisoformat(alice["last_seen_at"]) > before
        assert (bob["online"], bob["connections"], bob["devices"]) == (True, 1, [])
        assert nobody == {
            "user_id": "nobody",
            "online": False,
            "connections": 0,
            "devices": [],
            "last_seen_at": None,
        }
    gone = await online(client, "alice", 0)
    assert (gone["online"], gone["devices"]) == (False, [])
    assert datetime.fromisoformat(gone["last_seen_at"]) > before


async def test_who_left_last_is_when_a_user_was_last_seen(client: httpx.AsyncClient, there: Service) -> None:
    async with visiting(there):
        async with visiting(there):
            await online(client, "alice", 2)
        first = await online(client, "alice", 1)
        assert first["online"]
    last = await online(client, "alice", 0)
    assert last["last_seen_at"] >= first["last_seen_at"]
    async with visiting(there, "bob"):
        pass
    assert (await online(client, "alice", 0))["last_seen_at"] == last["last_seen_at"], "others do not change it"


@pytest.mark.parametrize("how_many", [0, 101])
async def test_presence_is_asked_of_1_to_100_users(client: httpx.AsyncClient, how_many: int) -> None:
    answer = await client.get("/v1/presence", params={"user_id": [f"user-{n}" for n in range(how_many)]})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid")
    full = await presence(client, *(f"user-{n}" for n in range(100)))
    assert [item["user_id"] for item in full] == [f"user-{n}" for n in range(100)]


# Revoking


@EACH
async def test_a_session_is_ended_wherever_it_is(client: httpx.AsyncClient, here: Service, there: Service) -> None:
    for service in (here, there):
        async with visiting(service) as ended, visiting(service) as kept:
            await listed(client, 2)
            answer = await client.delete(f"/v1/sessions/{ended.session}")
            assert (answer.status_code, answer.content) == (204, b"")
            assert await ended.bye() == "revoked"
            assert [item["id"] for item in await listed(client, 1)] == [kept.session]
            assert not kept.is_over
        await listed(client, 0)


@EACH
async def test_all_sessions_of_a_user_are_ended_and_nobody_elses(
    client: httpx.AsyncClient, here: Service, there: Service
) -> None:
    user_id = 'a "user" \\ with, odd. characters \U0001f514 ' + "x" * 200
    async with AsyncExitStack() as stack:
        theirs = [
            await stack.enter_async_context(visiting(service, user_id)) for service in (here, there) for _ in range(3)
        ]
        other = await stack.enter_async_context(visiting(there, "bob"))
        answer = await client.delete("/v1/sessions", params={"user_id": user_id})
        assert answer.status_code == 204
        assert [await visit.bye() for visit in theirs] == ["revoked"] * 6
        assert await listed(client, 0, user_id) == []
        assert not other.is_over
    assert (await client.delete("/v1/sessions", params={"user_id": user_id})).status_code == 204, "also if none is left"


async def test_hundreds_are_revoked_at_once(client: httpx.AsyncClient, there: Service) -> None:
    """More names than go in one ring."""
    async with AsyncExitStack() as stack:
        visits = [await stack.enter_async_context(visiting(there)) for _ in range(250)]
        await eventually(lambda: _waiting_for(there, 0))
        answers = await asyncio.gather(*(client.delete(f"/v1/sessions/{visit.session}") for visit in visits))
        assert {answer.status_code for answer in answers} == {204}
        assert {await visit.bye() for visit in visits} == {"revoked"}


async def _waiting_for(service: Service, how_many: int) -> bool:
    return service.registry._rows_waiting() == how_many


@EACH
async def test_a_revocation_whose_ring_is_lost_is_found_by_looking(
    client: httpx.AsyncClient, here: Service, there: Service
) -> None:
    await here.doorbell.stop()
    async with visiting(there) as one, visiting(there, "bob") as all_of_them:
        await listed(client, 1)
        await listed(client, 1, "bob")
        await client.delete(f"/v1/sessions/{one.session}")
        await client.delete("/v1/sessions", params={"user_id": "bob"})
        assert (await one.bye(), await all_of_them.bye()) == ("revoked", "revoked")


async def test_a_user_is_revoked_while_nobody_knows_yet_of_their_session(
    client: httpx.AsyncClient, here: Service, there: Service, url: str
) -> None:
    """Neither a row nor a ring names it: the time of the revocation does."""
    await here.doorbell.stop()
    async with AsyncExitStack() as stack:
        async with held(url, PROCESSES):
            visit = await stack.enter_async_context(visiting(there))
            assert (await client.delete("/v1/sessions", params={"user_id": "alice"})).status_code == 204
            assert await sessions(client) == []
        assert await visit.bye() == "revoked"
        assert await listed(client, 0) == []


async def test_a_session_without_a_row_is_revoked_as_soon_as_it_has_one(
    client: httpx.AsyncClient, here: Service, there: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        async with held(url, PROCESSES):
            visit = await stack.enter_async_context(visiting(there))
            looked = first_call(monkeypatch, here.sessions, "revoke")
            revoking = asyncio.create_task(client.delete(f"/v1/sessions/{visit.session}"))
            await looked.wait()
        assert (await revoking).status_code == 204
        assert await visit.bye() == "revoked"


def first_call(monkeypatch: pytest.MonkeyPatch, subject: object, name: str) -> asyncio.Event:
    """Set as soon as a call of this method is over, whatever came of it."""
    is_over = asyncio.Event()
    method = getattr(subject, name)

    async def told(*arguments: Any) -> Any:
        try:
            return await method(*arguments)
        finally:
            is_over.set()

    monkeypatch.setattr(subject, name, told)
    return is_over


async def test_who_comes_back_after_a_revocation_stays(client: httpx.AsyncClient, there: Service, url: str) -> None:
    async with visiting(there) as before:
        await client.delete("/v1/sessions", params={"user_id": "alice"})
        async with visiting(there) as after:
            assert await before.bye() == "revoked"
            # Their process has looked at that revocation many times over once it has dealt with a later one.
            for _ in range(3):
                async with visiting(there, "bob") as other:
                    await client.delete("/v1/sessions", params={"user_id": "bob"})
                    await other.bye()
            (processes,) = rows(url, "SELECT max(seen_at) AS seen_at FROM notify.processes")

            async def look() -> bool:
                beaten = rows(url, "SELECT FROM notify.processes WHERE seen_at > %s", processes["seen_at"])
                return len(beaten) == 2

            await eventually(look)
            await send(client, "still here")
            await after.the("notification")
            assert not after.all("bye")


async def test_an_unknown_session_is_404(client: httpx.AsyncClient, clock: ManualClock) -> None:
    for id_ in ("00000000-0000-7000-8000-000000000000", str(uuid7())):
        answer = await hurried(clock, client.delete(f"/v1/sessions/{id_}"))
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_another_app_sees_and_ends_nothing(
    client: httpx.AsyncClient, here: Service, there: Service, clock: ManualClock
) -> None:
    await client.post("/v1/apps", json={"id": "shop", "name": "The shop"})
    key = (await client.post("/v1/apps/shop/keys", json={"name": "all", "scopes": ["inbox"]})).json()["key"]
    async with (
        client_of(here, {"X-API-Key": key}) as shop,
        client_of(there, {"X-API-Key": key}) as shop_there,
        visiting(there) as visit,
    ):
        token = (await shop.post("/v1/tokens", json={"user_id": "alice"})).json()["token"]
        await listed(client, 1)
        for elsewhere in (shop, shop_there):
            assert await sessions(elsewhere) == []
            assert not (await presence(elsewhere, "alice"))[0]["online"]
            revoked = await hurried(clock, elsewhere.delete(f"/v1/sessions/{visit.session}"))
            refreshed = await hurried(clock, refresh(elsewhere, visit.session, token))
            assert (revoked.status_code, refreshed.status_code) == (404, 404)
            assert (await elsewhere.delete("/v1/sessions", params={"user_id": "alice"})).status_code == 204
        # A revocation of ours, rung after those, is dealt with after them.
        async with visiting(there, "bob") as other:
            await client.delete("/v1/sessions", params={"user_id": "bob"})
            await other.bye()
        assert not visit.is_over


# Extending


@EACH
async def test_a_fresh_token_extends_a_session_wherever_it_is(
    client: httpx.AsyncClient, here: Service, there: Service, clock: ManualClock
) -> None:
    for service in (here, there):
        async with visiting(service, token=await token_of(client)) as visit:
            await listed(client, 1)
            clock.advance(timedelta(minutes=10))
            answer = await refresh(client, visit.session, await token_of(client))
            assert answer.status_code == 200, answer.text
            assert answer.json()["session"] == visit.session
            await _ends_at(client, answer.json()["expires_at"])
            # Past the end of the first token, before that of the second.
            clock.advance(timedelta(minutes=10))
            await _beats(service, clock, 2)
            assert not visit.all("bye")
            clock.advance(timedelta(minutes=6))
            assert await visit.bye() == "token_expired"
        await listed(client, 0)


async def _ends_at(client: httpx.AsyncClient, until: str) -> None:
    async def look() -> bool:
        (item,) = await sessions(client)
        return bool(item["expires_at"] == until)

    await eventually(look)


async def _beats(service: Service, clock: ManualClock, how_many: int) -> None:
    """So many times more the roster has looked after a connection, which takes as many seconds of the clock."""
    seen = 0
    look_after = service.roster._look_after

    def has_seen(wanted: int) -> bool:
        return seen >= wanted

    def counted(connection: Connection, now: float, wall: float) -> None:
        nonlocal seen
        seen += 1
        look_after(connection, now, wall)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service.roster, "_look_after", counted)
        for beat in range(1, how_many + 1):
            clock.advance(timedelta(seconds=1))
            await eventually(partial(has_seen, beat))


async def test_a_token_that_ends_earlier_shortens_nothing(
    client: httpx.AsyncClient, here: Service, there: Service
) -> None:
    for service in (here, there):
        async with visiting(service, token=await token_of(client)) as visit:
            (item,) = await listed(client, 1)
            answer = await refresh(client, visit.session, await token_of(client, ttl_seconds=60))
            assert (answer.status_code, answer.json()["expires_at"]) == (200, item["expires_at"])
            assert (await sessions(client))[0]["expires_at"] == item["expires_at"]
        await listed(client, 0)


async def test_what_an_api_key_opened_has_no_end_to_extend(
    client: httpx.AsyncClient, here: Service, there: Service
) -> None:
    for service in (here, there):
        async with visiting(service) as visit:
            await listed(client, 1)
            answer = await refresh(client, visit.session, await token_of(client))
            assert (answer.status_code, answer.json()["expires_at"]) == (200, None)
            assert (await sessions(client))[0]["expires_at"] is None
        await listed(client, 0)


async def test_a_session_without_a_row_can_be_extended(
    client: httpx.AsyncClient, here: Service, there: Service, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_of(client)
    async with AsyncExitStack() as stack:
        async with held(url, PROCESSES):
            visit = await stack.enter_async_context(visiting(there, token=await token_of(client, ttl_seconds=60)))
            looked = first_call(monkeypatch, here.sessions, "extend")
            refreshing = asyncio.create_task(refresh(client, visit.session, token))
            await looked.wait()
        answer = await refreshing
        assert answer.status_code == 200, answer.text
        (item,) = await listed(client, 1)
        assert answer.json()["expires_at"] == item["expires_at"]


async def test_only_the_same_user_may_extend_a_session(
    client: httpx.AsyncClient, here: Service, there: Service, clock: ManualClock
) -> None:
    bob = await token_of(client, "bob")
    for service in (here, there):
        async with visiting(service, token=await token_of(client)) as visit:
            (item,) = await listed(client, 1)
            answer = await hurried(clock, refresh(client, visit.session, bob))
            assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
            assert (await sessions(client))[0]["expires_at"] == item["expires_at"]
        await listed(client, 0)


async def test_what_cannot_extend_a_session(client: httpx.AsyncClient, there: Service, clock: ManualClock) -> None:
    expired = await token_of(client, ttl_seconds=60)
    clock.advance(timedelta(minutes=5))
    token = await token_of(client)
    async with visiting(there, token=token) as visit:
        await listed(client, 1)
        key = (await client.post("/v1/apps/default/keys", json={"name": "k", "scopes": ["inbox"]})).json()["key"]
        statuses = {
            "expired": (await refresh(client, visit.session, expired)).status_code,
            "no token": (await refresh(client, visit.session, "x.y.z")).status_code,
            "admin key": (await refresh(client, visit.session, ADMIN_KEY)).status_code,
            "api key": (await refresh(client, visit.session, key)).status_code,
            "unknown": (await refresh(client, "00000000-0000-7000-8000-000000000000", token)).status_code,
            "no session": (await refresh(client, "phone", token)).status_code,
        }
    assert statuses == {
        "expired": 401,
        "no token": 401,
        "admin key": 403,
        "api key": 403,
        "unknown": 404,
        "no session": 422,
    }


async def test_users_are_not_told_who_else_is_there(client: httpx.AsyncClient, here: Service) -> None:
    token = await token_of(client)
    async with client_of(here, {"Authorization": f"Bearer {token}"}) as user:
        for method, path in (
            ("GET", "/v1/presence?user_id=alice"),
            ("GET", "/v1/sessions?user_id=alice"),
            ("DELETE", "/v1/sessions?user_id=alice"),
            ("DELETE", f"/v1/sessions/{uuid7()}"),
        ):
            answer = await user.request(method, path)
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/forbidden"), path


async def test_an_extension_whose_ring_is_lost_is_found_before_the_end(
    client: httpx.AsyncClient, here: Service, there: Service, clock: ManualClock
) -> None:
    await here.doorbell.stop()
    async with visiting(there, token=await token_of(client)) as visit:
        await listed(client, 1)
        clock.advance(timedelta(minutes=10))
        assert (await refresh(client, visit.session, await token_of(client))).status_code == 200
        clock.advance(timedelta(minutes=10))
        await _beats(there, clock, 2)
        await send(client, "still here")
        await visit.the("notification")
        assert not visit.all("bye")


async def test_those_that_expire_together_are_looked_at_together(
    client: httpx.AsyncClient, there: Service, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    stays = there.sessions.stays

    async def counted(session_ids: list[UUID]) -> dict[UUID, Stay]:
        looks.append(len(session_ids))
        return await stays(session_ids)

    monkeypatch.setattr(there.sessions, "stays", counted)
    async with AsyncExitStack() as stack:
        token, longer = await token_of(client), await token_of(client, ttl_seconds=1000)
        visits = [await stack.enter_async_context(visiting(there, token=token)) for _ in range(50)]
        kept = await stack.enter_async_context(visiting(there, token=longer))
        clock.advance(timedelta(seconds=950))
        assert {await visit.bye() for visit in visits} == {"token_expired"}
        assert not kept.is_over
    assert looks == [50]


async def test_a_stream_hears_in_time_that_its_token_ends_and_again_after_a_fresh_one(
    client: httpx.AsyncClient, there: Service, clock: ManualClock
) -> None:
    async with visiting(there, token=await token_of(client)) as visit:
        await listed(client, 1)
        await _beats(there, clock, 2)
        assert not visit.all("token"), "there is plenty of time"
        clock.advance(timedelta(minutes=14, seconds=40))
        warning = (await visit.the("token")).json()
        assert warning["session"] == visit.session
        assert 15 <= warning["expires_in"] <= 20
        await refresh(client, visit.session, await token_of(client))
        await _beats(there, clock, 2)
        assert len(visit.all("token")) == 1
        clock.advance(timedelta(minutes=14, seconds=40))

        async def look() -> bool:
            return len(visit.all("token")) == 2

        await eventually(look)
        assert not visit.all("bye")


# Whatever else comes over the doorbell's channel


async def test_a_ring_that_nobody_understands_does_no_harm(
    client: httpx.AsyncClient, url: str, clock: ManualClock
) -> None:
    # It looks by itself so seldom that it has to hear what is rung afterwards.
    async with service_on(url, clock, poll_seconds=600).running() as there, visiting(there) as visit:
        await listed(client, 1)
        with psycopg.connect(url, autocommit=True) as connection:
            for payload in ("sessions ", "sessions x", "revoked 1,2", "inboxes 1", "inboxes a.b.c", "*", "new", ""):
                connection.execute("SELECT pg_notify('notify', %s)", [payload])
        await send(client, "heard over there")
        await visit.the("notification")
        await client.delete("/v1/sessions", params={"user_id": "alice"})
        assert await visit.bye() == "revoked"


async def test_a_ring_alone_ends_nothing(client: httpx.AsyncClient, there: Service, url: str) -> None:
    """Anyone who may connect to the database may ring, so a ring only says where to look."""
    async with visiting(there) as visit:
        await listed(client, 1)
        with psycopg.connect(url, autocommit=True) as connection:
            for kind, id_ in itertools.product(("sessions", "revoked"), (visit.session, str(uuid7()))):
                connection.execute("SELECT pg_notify('notify', %s)", [f"{kind} {id_}"])
        async with visiting(there, "bob") as other:
            await client.delete("/v1/sessions", params={"user_id": "bob"})
            await other.bye()
        assert not visit.is_over


async def test_old_revocations_are_forgotten(here: Service, clock: ManualClock, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for age in (timedelta(hours=23), timedelta(hours=25)):
            connection.execute(
                "INSERT INTO notify.revocations (id, app_id, user_id, revoked_at)"
                " VALUES (gen_random_uuid(), 'default', 'alice', %s)",
                [clock.now() - age],
            )
    await here.housekeeping.tidy()
    assert len(rows(url, "SELECT FROM notify.revocations")) == 1
