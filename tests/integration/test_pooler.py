"""Behind a transaction pooler: each transaction may meet another server, and nothing lives in a session."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx
import psycopg
import pytest

from notify.app import Service
from notify.settings import Settings
from notify.store.migrate import Migrations
from support.calls import ALICE, changes, count, everything, mark, send
from support.invariants import check_inboxes, rows
from support.processes import ADMIN, ADMIN_KEY
from support.servers import TestServer, reachable_folder, require
from support.waiting import eventually, until

_CONFIGURATION = """
[databases]
* = host={host} port=5432 user={user} password={password}

[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = 3
max_client_conn = 200
"""


@pytest.fixture(scope="module")
def pooler(embedded_server: TestServer) -> Iterator[str]:
    """The query of a URL that leads through PgBouncer, with three connections to the server for all clients."""
    # On Debian not in the path of ordinary users.
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    require(program is not None, "PgBouncer (Debian's package pgbouncer)")
    assert program is not None
    # As the account that the server runs under: nobody else reaches its socket, and PgBouncer does not run as root.
    account = embedded_server.postgres._account
    server = urlsplit(embedded_server.postgres.url)
    with reachable_folder() as folder:
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(
            _CONFIGURATION.format(
                host=parse_qs(server.query)["host"][0],
                user=server.username,
                password=unquote(server.password or ""),
                folder=folder / "socket",
            )
        )
        (folder / "socket").mkdir(mode=0o700)
        account.own(folder / "socket")
        account.own(configuration)
        configuration.chmod(0o600)
        with Path(folder, "log").open("wb") as log:
            process = account.start([program, configuration], output=log.fileno())
        try:
            until((folder / "socket" / ".s.PGSQL.6432").exists, what=(folder / "log").read_text() or "its socket")
            yield f"host={quote(str(folder / 'socket'))}&port=6432"
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture
def pooled_url(pooler: str, database_url: str) -> str:
    return f"postgresql://anybody@{urlsplit(database_url).path}?{pooler}"


@pytest.fixture
async def client(pooled_url: str, database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        database_url=pooled_url,
        listen_database_url=database_url,
        prepared_statements=False,
        admin_key=ADMIN_KEY,
        database_pool_size=10,
        resource_pool_size=4,
    )
    async with Service(settings).running() as service:
        transport = httpx.ASGITransport(service.asgi)  # type: ignore[arg-type]  # Litestar's own ASGI types
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
            yield client


async def test_the_whole_flow_works(client: httpx.AsyncClient, database_url: str) -> None:
    id_ = await send(client, "first", type="order", collapse_key="k", data={"a": [1]})
    await send(client, "second", collapse_key="other")
    await mark(client, id_, "read")
    assert (await client.patch(f"/v1/notifications/{id_}", json={"title": "edited"})).status_code == 200
    assert [item["title"] for item in await everything(client)] == ["second", "edited"]
    assert [item["title"] for item in await everything(client, type="order", status="read")] == ["edited"]
    assert (await count(client, "order"))["types"]["order"] == {"unread": 0, "unseen": 0, "total": 1}
    assert len((await changes(client))["items"]) == 2
    answer = await client.post("/v1/notifications/archive-all", params=ALICE)
    assert answer.json()["updated"] == 2
    assert (await client.delete(f"/v1/notifications/{id_}")).status_code == 204
    assert check_inboxes(database_url) == 1


async def test_many_clients_at_once_never_meet_each_others_statements(
    client: httpx.AsyncClient, database_url: str
) -> None:
    async def user(number: int) -> None:
        me = {"user_id": f"user {number}"}
        for round_ in range(5):
            id_ = await send(client, f"{round_}", to=me["user_id"], type="order")
            page, counted, shown, followed = await asyncio.gather(
                client.get("/v1/notifications", params={**me, "type": "order"}),
                client.get("/v1/notifications/count", params={**me, "type": "order"}),
                client.get(f"/v1/notifications/{id_}", params=me),
                client.get("/v1/changes", params=me),
            )
            assert [item["title"] for item in page.json()["items"]] == [f"{n}" for n in range(round_, -1, -1)]
            assert counted.json()["types"]["order"]["total"] == round_ + 1
            assert shown.json()["title"] == f"{round_}"
            assert len(followed.json()["items"]) == round_ + 1

    await asyncio.gather(*(user(number) for number in range(20)))
    assert check_inboxes(database_url) == 20


async def test_idempotency_keys_lock_transactions_not_sessions(client: httpx.AsyncClient) -> None:
    async def create(key: int) -> httpx.Response:
        return await client.post(
            "/v1/notifications", json={"to": "alice", "title": f"{key}"}, headers={"Idempotency-Key": f"{key}"}
        )

    first = await asyncio.gather(*(create(key) for key in range(20)))
    again = await asyncio.gather(*(create(key) for key in range(20)))
    assert [answer.status_code for answer in first + again] == [201] * 40
    assert [answer.json() for answer in again] == [answer.json() for answer in first]
    assert (await count(client))["total"] == 20


async def test_apps_and_keys_work_many_at_once(client: httpx.AsyncClient) -> None:
    async def app(number: int) -> None:
        assert (await client.post("/v1/apps", json={"id": f"app{number}", "name": "x"})).status_code == 201
        keys = f"/v1/apps/app{number}/keys"
        made = (await client.post(keys, json={"name": "k", "scopes": ["send", "inbox"]})).json()
        sent = await client.post(
            "/v1/notifications", json={"to": "alice", "title": "x"}, headers={"Authorization": f"Bearer {made['key']}"}
        )
        assert sent.status_code == 201
        assert [key["id"] for key in (await client.get(keys)).json()["items"]] == [made["id"]]
        assert (await client.delete(f"{keys}/{made['id']}")).status_code == 204

    await asyncio.gather(*(app(number) for number in range(12)))
    assert len((await client.get("/v1/apps", params={"limit": 100})).json()["items"]) == 13


async def test_the_outbox_rings_past_the_pooler(client: httpx.AsyncClient, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT notify.send('alice', 'by SQL')")

    async def arrived() -> bool:
        return [item["title"] for item in await everything(client)] == ["by SQL"]

    await eventually(arrived, seconds=4)


def test_migrations_go_through_it_and_leave_no_setting_behind(embedded_server: TestServer, pooler: str) -> None:
    with embedded_server.database(migrated=False) as direct:
        url = f"postgresql://anybody@{urlsplit(direct).path}?{pooler}"
        migrations = Migrations(url, "notify")
        migrations.up()
        migrations.down("base")
        migrations.up()
        assert migrations.state().pending == []
        assert rows(direct, "SELECT count(*) AS tables FROM pg_tables WHERE schemaname = 'notify'")[0]["tables"] > 5
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as connection:
            for name in ("lock_timeout", "statement_timeout"):
                assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == ("0",)
