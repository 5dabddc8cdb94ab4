"""The schema goes up and down, wholly or not at all, on every PostgreSQL that we support."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from notify.app import Service
from notify.settings import Settings
from notify.store import migrate, tables
from notify.store.migrate import MigrationError, Migrations
from notify.store.tables import metadata_for
from support.calls import ALICE
from support.invariants import rows
from support.processes import ADMIN, ADMIN_KEY
from support.servers import TestServer
from support.waiting import eventually

pytestmark = pytest.mark.every_postgresql

_DESCRIPTION: dict[str, LiteralString] = {
    "relations": """
    SELECT relname, relpersistence
    FROM pg_class
    WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND relname <> 'migrations'
    ORDER BY relname
""",
    "columns": """
    SELECT
        relname, attname, format_type(atttypid, atttypmod), attnotnull, collname, attidentity, attgenerated,
        pg_get_expr(adbin, adrelid)
    FROM pg_class AS relation
    JOIN pg_attribute AS field ON attrelid = relation.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    LEFT JOIN pg_collation AS ordered ON ordered.oid = attcollation
    WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND relname <> 'migrations'
    ORDER BY relname, attnum
""",
    "constraints": """
    SELECT relname, conname, pg_get_constraintdef(held.oid)
    FROM pg_constraint AS held
    JOIN pg_class AS relation ON relation.oid = conrelid
    WHERE relnamespace = %s::regnamespace AND contype <> 'n' AND relname <> 'migrations'
    ORDER BY relname, conname
""",
    "indexes": """
    SELECT tablename, indexname, indexdef
    FROM pg_indexes
    WHERE schemaname = %s AND tablename <> 'migrations'
    ORDER BY tablename, indexname
""",
}


@pytest.fixture(params=["embedded", "debian 15"])
def blank_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database that nobody has migrated."""
    server: TestServer = request.getfixturevalue("embedded_server" if request.param == "embedded" else "debian_server")
    with server.database(migrated=False) as url:
        yield url


def engine_for(url: str) -> Engine:
    """Nothing of ours in its search path: the tests' role has the name of our schema, and would find that there."""
    scheme = url.replace("postgresql://", "postgresql+psycopg://", 1)
    return create_engine(scheme, poolclass=NullPool, connect_args={"options": "-c search_path=public"})


def described(url: str, schema: str) -> dict[str, list[tuple[Any, ...]]]:
    """A schema as PostgreSQL's catalogue has it, with its own name left out."""
    with psycopg.connect(url) as connection:
        found = {name: connection.execute(query, [schema]).fetchall() for name, query in _DESCRIPTION.items()}
    return {
        name: [tuple(text.replace(f"{schema}.", "") if isinstance(text, str) else text for text in row) for row in each]
        for name, each in found.items()
    }


def everything_in(url: str, schema: str) -> list[str]:
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s)"
            " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = to_regnamespace(%s)",
            [schema, schema],
        ).fetchall()
    return sorted(name for (name,) in found)


def client_of(service: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(service.asgi)  # type: ignore[arg-type]  # Litestar's own ASGI types
    return httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN)


async def use(url: str, schema: str = "notify") -> None:
    """The ordinary flow, so that every table of the log holds something."""
    settings = Settings(database_url=url, admin_key=ADMIN_KEY, schema=schema)
    async with Service(settings).running() as service, client_of(service) as client:
        for key in ("a", "b"):
            answer = await client.post(
                "/v1/notifications",
                json={"to": ["alice", "bob"], "title": "by REST", "type": "order", "collapse_key": "k"},
                headers={"Idempotency-Key": key},
            )
            assert answer.status_code == 201, answer.text
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SQL("SELECT {}.send('alice', 'by SQL')").format(Identifier(schema)))

        async def both() -> list[dict[str, Any]]:
            items: list[dict[str, Any]] = (await client.get("/v1/notifications", params=ALICE)).json()["items"]
            return items if len(items) == 2 else []

        newest, oldest = await eventually(both)
        assert (newest["title"], oldest["title"]) == ("by SQL", "by REST")
        assert (await client.post(f"/v1/notifications/{oldest['id']}/read")).status_code == 200
        assert (await client.delete(f"/v1/notifications/{newest['id']}")).status_code == 204
        made = await client.post("/v1/apps", json={"id": "shop", "name": "The shop"})
        assert made.status_code in {201, 409}
        assert (await client.post("/v1/apps/default/keys", json={"name": "k", "scopes": ["send"]})).status_code == 201
        assert (await client.get("/v1/notifications/count", params=ALICE)).json()["unread"] == 0


async def test_up_down_and_up_again_on_a_filled_database(blank_url: str) -> None:
    migrations = Migrations(blank_url, "notify")
    assert migrations.state().current is None
    migrations.up()
    state = migrations.state()
    assert (state.current, state.pending, state.is_ahead) == (state.newest, [], False)
    first = everything_in(blank_url, "notify")
    await use(blank_url)
    migrations.down("base")
    assert migrations.state().current is None
    assert everything_in(blank_url, "notify") == ["migrations", "migrations_pkc"]
    migrations.up()
    assert everything_in(blank_url, "notify") == first
    assert rows(blank_url, "SELECT FROM notify.notifications") == []
    await use(blank_url)


async def test_each_step_goes_down_and_up_on_a_filled_database(blank_url: str) -> None:
    migrations = Migrations(blank_url, "notify")
    steps = migrations.state().pending
    migrations.up()
    await use(blank_url)
    complete = described(blank_url, "notify")
    for undone in range(1, len(steps) + 1):
        migrations.down()
        state = migrations.state()
        assert state.pending == steps[len(steps) - undone :]
    migrations.up()
    assert described(blank_url, "notify") == complete


def test_up_when_there_is_nothing_to_do_does_nothing(any_database_url: str) -> None:
    before = described(any_database_url, "notify")
    Migrations(any_database_url, "notify").up()
    assert described(any_database_url, "notify") == before


def test_processes_that_migrate_at_once_take_turns(blank_url: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NOTIFY_", "DATABASE_"))}
    together = [
        subprocess.Popen(
            [sys.executable, "-m", "notify", "migrate", "up"],
            env={**environment, "NOTIFY_DATABASE_URL": blank_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(3)
    ]
    outputs = [process.communicate(timeout=60)[0] for process in together]
    assert [process.returncode for process in together] == [0, 0, 0], outputs
    state = Migrations(blank_url, "notify").state()
    assert (state.current, state.pending) == (state.newest, [])


async def test_the_whole_flow_works_in_a_schema_of_another_name(blank_url: str) -> None:
    Migrations(blank_url, "other_place").up()
    with psycopg.connect(blank_url, autocommit=True) as listening:
        listening.execute("LISTEN other_place")
        await use(blank_url, "other_place")
        assert [ring.payload for ring in listening.notifies(timeout=0)].count("outbox") == 1
    assert rows(blank_url, "SELECT FROM pg_namespace WHERE nspname = 'notify'") == []
    Migrations(blank_url, "notify").up()
    assert described(blank_url, "other_place") == described(blank_url, "notify")


async def test_two_schemas_in_one_database_do_not_meet(blank_url: str) -> None:
    for schema in ("notify", "other_place"):
        Migrations(blank_url, schema).up()
    await use(blank_url, "other_place")
    assert rows(blank_url, "SELECT FROM notify.notifications") == []
    Migrations(blank_url, "other_place").down("base")
    await use(blank_url)


def test_alembic_finds_no_difference_between_models_and_schema(any_database_url: str) -> None:
    engine = engine_for(any_database_url)
    options = {
        "compare_type": True,
        "compare_server_default": True,
        "include_schemas": True,
        "include_name": lambda name, kind, _: (
            name == "notify" if kind == "schema" else name != "migrations" or kind != "table"
        ),
    }
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata_for("notify")) == []


def test_tables_made_from_the_models_are_those_of_the_migrations(any_database_url: str) -> None:
    """In every detail: order, collations, defaults, checks and the conditions of indexes too."""
    with psycopg.connect(any_database_url) as connection:
        connection.execute("CREATE SCHEMA modelled")
    engine = engine_for(any_database_url).execution_options(schema_translate_map={"notify": "modelled"})
    tables._metadata.create_all(engine)
    modelled, migrated = described(any_database_url, "modelled"), described(any_database_url, "notify")
    for name, found in migrated.items():
        assert found, name
        assert modelled[name] == found, name


def broken_scripts(folder: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds a migration to a copy of ours, and has that copy used."""
    copy = folder / "migrations"
    shutil.copytree(migrate._scripts(), copy)
    newest = max(path.name for path in (copy / "versions").glob("0*.py"))
    revision = (copy / "versions" / newest).read_text()
    (copy / "versions" / "9999_broken.py").write_text(
        revision.replace("down_revision = ", "old = ").replace("revision = ", "down_revision = ", 1)
        + '\nrevision = "9999"\n'
    )
    (copy / "versions" / "9999_broken.sql").write_text(sql)
    monkeypatch.setattr(migrate, "_scripts", lambda: copy)


def test_a_migration_that_fails_leaves_nothing_behind(
    blank_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_scripts(tmp_path, "CREATE TABLE notify.half (); SELECT 1 / 0", monkeypatch)
    migrations = Migrations(blank_url, "notify")
    with pytest.raises(MigrationError, match=r"^division by zero$"):
        migrations.up()
    state = migrations.state()
    assert state.pending == ["9999 " + state.pending[0].partition(" ")[2]], "what came before it is done"
    assert "half" not in everything_in(blank_url, "notify")
    with pytest.raises(MigrationError, match=r"^division by zero$"):
        migrations.up()


LOCKS: dict[str, LiteralString] = {
    "somebody reads": "LOCK TABLE notify.notifications IN ACCESS SHARE MODE",
    "somebody changes it": "LOCK TABLE notify.apps IN ACCESS EXCLUSIVE MODE",
}


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_migration_does_not_wait_long_for_a_lock(
    any_database_url: str, lock: LiteralString, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_LOCK_TIMEOUT", "200ms")
    migrations = Migrations(any_database_url, "notify")
    before = described(any_database_url, "notify")
    with psycopg.connect(any_database_url) as holder:
        holder.execute(lock)
        with pytest.raises(MigrationError, match="lock timeout"):
            migrations.down("base")
        assert migrations.state().current is not None, "what it could not undo is still there"
    migrations.up()
    assert described(any_database_url, "notify") == before


def test_a_statement_that_takes_too_long_is_given_up(
    blank_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "_STATEMENT_TIMEOUT", "500ms")
    broken_scripts(tmp_path, "SELECT pg_sleep(60)", monkeypatch)
    with pytest.raises(MigrationError, match="statement timeout"):
        Migrations(blank_url, "notify").up()


@pytest.mark.parametrize("revision", ["nonsense", "-99", "9999", ""])
def test_a_step_that_does_not_exist_is_told_in_one_line(any_database_url: str, revision: str) -> None:
    migrations = Migrations(any_database_url, "notify")
    with pytest.raises(MigrationError) as caught:
        migrations.down(revision)
    assert "\n" not in str(caught.value)
    assert migrations.state().pending == []


def test_a_database_that_is_not_there_is_told_in_one_line() -> None:
    with pytest.raises(MigrationError) as caught:
        Migrations("postgresql://nobody@127.0.0.1:1/none", "notify").up()
    assert "\n" not in str(caught.value)


def test_a_newer_schema_is_ahead(any_database_url: str) -> None:
    with psycopg.connect(any_database_url) as connection:
        connection.execute("UPDATE notify.migrations SET version_num = 'from the future'")
    state = Migrations(any_database_url, "notify").state()
    assert (state.current, state.is_ahead, state.pending) == ("from the future", True, [])


def test_asking_for_the_state_changes_nothing(blank_url: str) -> None:
    state = Migrations(blank_url, "notify").state()
    assert (state.current, len(state.pending) > 0) == (None, True)
    assert rows(blank_url, "SELECT FROM pg_namespace WHERE nspname = 'notify'") == []


async def test_an_owner_that_may_make_neither_schemas_nor_roles_goes_without(blank_url: str) -> None:
    """A schema made for it is enough; the producers' role is then for the administrator to make."""
    with psycopg.connect(blank_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE owner_without_rights LOGIN PASSWORD 'secret'")
        try:
            connection.execute("CREATE SCHEMA theirs AUTHORIZATION owner_without_rights")
            scheme, _, rest = blank_url.partition("//")
            url = f"{scheme}//owner_without_rights:secret@{rest.partition('@')[2]}"
            Migrations(url, "theirs").up()
            assert Migrations(url, "theirs").state().pending == []
        finally:
            connection.execute("DROP OWNED BY owner_without_rights")
            connection.execute("DROP ROLE owner_without_rights")


def test_what_is_pending_is_what_alembic_would_do(blank_url: str) -> None:
    script = ScriptDirectory(str(Path(__file__).parents[2] / "migrations"))
    steps = [f"{step.revision} {step.doc}" for step in script.walk_revisions()][::-1]
    assert Migrations(blank_url, "notify").state().pending == steps
