"""The `notify` command: what each part of it does, and the one line it says when it cannot."""

import asyncio
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import jwt
import psycopg
import pytest
from click.testing import CliRunner, Result

from notify import __version__
from notify.app import Service
from notify.cli import surroundings
from notify.cli.main import main
from notify.settings import Settings, documentation
from notify.store.migrate import Migrations
from support.calls import ALICE, changes, count
from support.command import notify
from support.invariants import rows
from support.processes import ADMIN, ADMIN_KEY, NotifyProcess
from support.servers import TestServer, reachable_folder
from support.streams import EventStream

ROOT = Path(__file__).parents[2]
Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> Call:
    """The command in this process, which is quicker, on this test's database."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOST", "PORT", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NOTIFY_DATABASE_URL", database_url)
    monkeypatch.setenv("NOTIFY_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner().invoke(main, arguments, env=variables)

    return run


@pytest.fixture
def blank_url(embedded_server: TestServer) -> Iterator[str]:
    with embedded_server.database(migrated=False) as url:
        yield url


def good(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    assert result.stderr == ""
    return result.stdout


def says(result: Result | subprocess.CompletedProcess[str], *words: str) -> None:
    """It failed, with one line of ours and nothing else."""
    status = result.exit_code if isinstance(result, Result) else result.returncode
    assert status == 1, (result.stdout, result.stderr)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("notify: ")
    for word in words:
        assert word in line


def misused(result: Result) -> None:
    """It was called wrongly, and click says how it is called."""
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: " in result.stderr
    assert "Traceback" not in result.stderr


def test_it_tells_its_version(tmp_path: Path) -> None:
    done = notify("--version", folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"notify {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["keys", "-h"], ["serve", "--help"]])
def test_it_helps(call: Call, arguments: list[str]) -> None:
    assert "Usage: " in good(call(*arguments))


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--nonsense"], ["keys", "revoke", "x"], ["token"]])
def test_a_wrong_call_is_told_how_to_call(call: Call, arguments: list[str]) -> None:
    misused(call(*arguments))


def test_the_schema_goes_up_and_down(blank_url: str, tmp_path: Path) -> None:
    def migrate(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return notify("migrate", *arguments, folder=tmp_path, given=given, DATABASE_URL=blank_url)

    newest = Migrations(blank_url, "notify").state()
    before = migrate("status")
    assert (before.returncode, before.stderr) == (0, "")
    assert before.stdout.splitlines() == [
        f"at its beginning, newest here {newest.newest}",
        *(f"pending {step}" for step in newest.pending),
    ]
    up = migrate("up")
    assert (up.returncode, up.stderr) == (0, "")
    assert up.stdout.splitlines() == [
        *(f"applying {step}" for step in newest.pending),
        f"the schema is at {newest.newest}",
    ]
    kept = migrate("down", given="n\n")
    assert kept.returncode == 1
    assert "Aborted" in kept.stderr
    assert Migrations(blank_url, "notify").state().current == newest.newest
    down = migrate("down", "--to", "base", "--yes")
    assert (down.returncode, down.stdout, down.stderr) == (0, "the schema is at its beginning\n", "")


def test_a_step_that_does_not_exist_is_one_line(call: Call) -> None:
    for revision in ("nonsense", "-99", "", "head+1"):
        says(call("migrate", "down", "--yes", "--to", revision), "could not be migrated")


def test_a_database_that_is_ahead_is_put_up_with(call: Call, database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE notify.migrations SET version_num = 'from the future'")
    status = good(call("migrate", "status"))
    assert "the database was migrated by a newer notify" in status
    result = call("apps", "list")
    assert (result.exit_code, result.stdout) == (0, "default  Default\n")
    assert result.stderr == "notify: the database was migrated by a newer notify; going on with it as it is.\n"


def test_a_database_that_is_behind_is_refused_unless_it_may_be_migrated(call: Call, blank_url: str) -> None:
    says(
        call("apps", "list", NOTIFY_DATABASE_URL=blank_url, NOTIFY_AUTO_MIGRATE="false"),
        "The schema is behind by",
        "notify migrate up",
        "NOTIFY_AUTO_MIGRATE",
    )
    assert rows(blank_url, "SELECT FROM pg_namespace WHERE nspname = 'notify'") == []
    assert good(call("apps", "list", NOTIFY_DATABASE_URL=blank_url)) == "default  Default\n"


def test_an_old_postgresql_is_refused(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """No older server is at hand: what is oldest is said to be newer than all instead."""
    monkeypatch.setattr(surroundings, "_OLDEST_POSTGRESQL", 99)
    says(call("apps", "list"), "The database is PostgreSQL", "notify needs 99 or newer")


def test_apps_keys_and_tokens_that_it_makes_are_good(
    call: Call, database_url: str, tmp_path: Path, start_notify: Callable[..., NotifyProcess]
) -> None:
    """Beside a running service. Real processes make them; what is looked at in between is looked at from this one."""
    service = start_notify()

    def run(*arguments: str) -> list[str]:
        done = notify(*arguments, folder=tmp_path, NOTIFY_DATABASE_URL=database_url)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout.splitlines()

    def get(credential: str, **query: str) -> httpx.Response:
        with service.client({"Authorization": f"Bearer {credential}"}) as client:
            return client.get("/v1/notifications", params=query)

    first, second = run("apps", "create", "shop", "--name", "The shop")
    assert first == "app         shop"
    assert re.fullmatch(r"jwt secret  \S{43,}", second)
    assert good(call("apps", "list")).splitlines() == ["default  Default", "shop  The shop"]

    id_line, scopes, key_line = run("keys", "create", "--app", "shop", "--name", "orders", "--scopes", "send, inbox")
    id_, key = id_line.split()[1], key_line.split()[1]
    assert scopes == "scopes  send inbox"
    listed = good(call("keys", "list", "--app", "shop"))
    assert listed == f"{id_}  {key[:11]}…  send inbox  never used  orders\n"
    assert get(key, **ALICE).json()["total"] == 0
    assert "  send inbox  used 20" in good(call("keys", "list", "--app", "shop"))

    (token,) = run("token", "alice", "--app", "shop", "--ttl", "60")
    with service.client({"Authorization": f"Bearer {key}"}) as client:
        client.post("/v1/notifications", json={"to": "alice", "title": "hello"})
    assert [item["title"] for item in get(token).json()["items"]] == ["hello"]

    assert good(call("keys", "revoke", "--app", "shop", id_)) == "revoked\n"
    assert get(key, **ALICE).status_code == 401
    assert "  revoked  " in good(call("keys", "list", "--app", "shop"))


async def test_keys_are_made_for_a_purpose_rotated_and_revoked_beside_a_running_service(
    call: Call, start_notify: Callable[..., NotifyProcess]
) -> None:
    service = start_notify()

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(call, "keys", *arguments)

    bounds = ["--allow", "127.0.0.0/8", "--allow", "::1", "--type", "order.*", "--expires-in", "30"]
    made = good(await run("create", "--name", "orders", "--scopes", "send,inbox", *bounds))
    id_line, scopes, until, key_line = made.splitlines()
    id_, key = id_line.split()[1], key_line.split()[1]
    assert scopes == "scopes  send inbox"
    assert re.fullmatch(r"until   20\d\d-\d\d-\d\d \d\d:\d\d UTC", until)
    (line,) = good(await run("list")).splitlines()
    assert re.search(r"  until 20\S+ \S+  orders  from 127.0.0.0/8 ::1/128  types order.\*$", line)

    async def status(credential: str, type_: str) -> int:
        async with httpx.AsyncClient(base_url=service.url, headers={"X-API-Key": credential}) as client:
            body = {"to": "alice", "title": "a", "type": type_}
            return (await client.post("/v1/notifications", json=body)).status_code

    assert [await status(key, type_) for type_ in ("order.created", "alarm")] == [201, 403]
    rotated = await run("rotate", id_, "--overlap", "60")
    fresh_id, fresh = (good(rotated).splitlines()[place].split()[1] for place in (0, -1))
    assert [await status(each, "order.created") for each in (key, fresh)] == [201, 201]
    async with await EventStream.open(service.url, query=ALICE, headers={"X-API-Key": fresh}) as stream:
        await stream.the("inbox")
        assert good(await run("revoke", fresh_id)) == "revoked\n"
        # Sooner than it looks by itself.
        assert (await stream.the("bye", 2)).json() == {"reason": "revoked"}
    assert await status(fresh, "order.created") == 401
    says(await run("rotate", fresh_id), "no such key that still works")


async def test_a_new_epoch_makes_every_position_unknown(call: Call, database_url: str) -> None:
    settings = Settings(database_url=database_url, admin_key=ADMIN_KEY)
    async with Service(settings).running() as service:
        transport = httpx.ASGITransport(service.asgi)  # type: ignore[arg-type]  # Litestar's own ASGI types
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
            before = (await count(client))["position"]
            assert good(await asyncio.to_thread(call, "epoch", "--new")) == "every client will start fresh\n"
            (reset,) = (await changes(client, before))["items"]
    assert (reset["event"], reset["data"]["reason"]) == ("reset", "epoch")


def test_an_epoch_is_not_changed_by_accident(call: Call) -> None:
    says(call("epoch"), "notify epoch --new")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["apps", "create", "Shop"], ["ID: "]),
        (["apps", "create", ""], ["ID: "]),
        (["apps", "create", "a" * 65], ["ID: "]),
        (["apps", "create", "shop", "--name", "two\nlines"], ["--name: "]),
        (["apps", "create", "shop", "--name", "\udcff"], ["--name: "]),
        (["apps", "create", "default"], ["There is an app default already"]),
        (["keys", "create", "--name", "x", "--scopes", "everything"], ["--scopes takes send, inbox, admin"]),
        (["keys", "create", "--name", "x", "--scopes", ""], ["--scopes takes send, inbox, admin"]),
        (["keys", "create", "--name", ""], ["--name: "]),
        (["keys", "create", "--name", "x", "--app", "nowhere"], ["There is no app nowhere"]),
        (["keys", "create", "--name", "x", "--type", "*"], ["--type: "]),
        (["keys", "create", "--name", "x", "--allow", "everywhere"], ["Send an address such as 192.0.2.7"]),
        (["keys", "create", "--name", "x", "--scopes", "inbox", "--type", "a"], ["Only a key that may send"]),
        (["keys", "list", "--app", "nowhere"], ["There is no app nowhere"]),
        (["keys", "list", "--app", "\udcff"], ["--app: "]),
        (["keys", "revoke", "0199aaaa-0000-7000-8000-000000000000"], ["This app has no such key"]),
        (["token", ""], ["USER: "]),
        (["token", "\udcff"], ["USER: "]),
        (["token", "a" * 256], ["USER: "]),
        (["token", "alice", "--app", "nowhere"], ["There is no app nowhere"]),
        (["token", "alice", "--scope", "everything"], ["--scope takes inbox, inbox:read, send"]),
        (["token", "alice", "--scope", ""], ["--scope takes inbox, inbox:read, send"]),
        (["token", "alice", "--ttl", "86401"], ["--ttl is at most 86400", "NOTIFY_MAX_TOKEN_TTL_SECONDS"]),
    ],
)
def test_wrong_input_is_one_line(call: Call, arguments: list[str], words: list[str]) -> None:
    says(call(*arguments), *words)


def test_a_token_says_what_was_asked_for(call: Call) -> None:
    token = good(call("token", "alice", "--scope", "inbox:read send", "--role", "admin")).strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["app"], claims["scope"]) == ("alice", "default", "inbox:read send")
    assert claims["role"] == "admin"
    assert 899 < claims["exp"] - claims["iat"] <= 900
    misused(call("token", "alice", "--ttl", "0"))


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"NOTIFY_PORT": "http"}, ["NOTIFY_PORT: expected a whole number from 0 to 65535."]),
        ({"NOTIFY_DATABASE_URL": "mysql://u:hunter2@h/d"}, ["NOTIFY_DATABASE_URL: expected a URL"]),
        ({"NOTIFY_DATABASE_URL": "postgresql://u:hunter2%zz@h/d"}, ["NOTIFY_DATABASE_URL is not understood"]),
        ({"NOTIFY_DATABASE_URL": "postgresql://h/d?hunter2=1"}, ["NOTIFY_DATABASE_URL is not understood"]),
        (
            {"NOTIFY_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1:1/d", "NOTIFY_DATABASE_WAIT_SECONDS": "0.3"},
            ["The database cannot be reached: ", "Connection refused", "Check NOTIFY_DATABASE_URL."],
        ),
    ],
)
def test_wrong_settings_are_one_line_without_their_value(
    call: Call, variables: dict[str, str], words: list[str]
) -> None:
    result = call("apps", "list", **variables)
    says(result, *words)
    assert "hunter2" not in result.stderr


def test_each_wrong_setting_is_a_line(call: Call) -> None:
    result = call("apps", "list", NOTIFY_PORT="x", NOTIFY_SCHEMA="X Y")
    assert result.exit_code == 1
    assert [line.split(":")[1].strip() for line in result.stderr.splitlines()] == ["NOTIFY_PORT", "NOTIFY_SCHEMA"]
    assert all(line.startswith("notify: ") for line in result.stderr.splitlines())


def test_a_name_that_is_no_setting_is_told_and_nothing_is_stopped(call: Call, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("NOTIFY_PROT=1\n")
    result = call("apps", "list", NOTIFY_DATABASE_ULR="x")
    assert (result.exit_code, result.stdout) == (0, "default  Default\n")
    assert result.stderr.splitlines() == [
        "notify: NOTIFY_DATABASE_ULR is not a setting; `notify settings` lists them.",
        "notify: NOTIFY_PROT is not a setting; `notify settings` lists them.",
    ]


def test_settings_are_shown_with_their_meaning_and_secrets_masked(call: Call, database_url: str) -> None:
    secrets = {"NOTIFY_ADMIN_KEY": "hush-hush" * 3, "NOTIFY_JWT_SECRET": "hush-hush" * 4}
    text = good(call("settings", NOTIFY_CORS_ORIGINS="https://a.example,https://b.example", PORT="81", **secrets))
    for field, meaning in documentation().items():
        assert re.search(rf"^[ *] NOTIFY_{field.upper()} =", text, re.MULTILINE)
        assert meaning in text
    assert "* NOTIFY_PORT = 81\n" in text
    assert "* NOTIFY_CORS_ORIGINS = https://a.example,https://b.example\n" in text
    assert "  NOTIFY_LOG_LEVEL = info\n" in text
    assert text.count("********") == 3
    assert "hush-hush" not in text
    assert database_url not in text


def test_the_table_of_settings_can_be_written_and_checked(call: Call, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text((ROOT / "README.md").read_text())
    assert good(call("settings", "--check", str(page))) == ""
    page.write_text(page.read_text().replace("`8000`", "`8001`"))
    says(call("settings", "--check", str(page)), "notify settings --write")
    assert good(call("settings", "--write", str(page))) == ""
    assert page.read_text() == (ROOT / "README.md").read_text()
    assert good(call("settings", "--markdown")) in page.read_text()
    misused(call("settings", "--check", str(tmp_path / "absent.md")))
    (tmp_path / "empty.md").write_text("no table here\n")
    says(call("settings", "--write", str(tmp_path / "empty.md")), "empty.md")
    assert (tmp_path / "empty.md").read_text() == "no table here\n"


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
def test_a_description_can_be_written_and_checked(call: Call, tmp_path: Path, name: str) -> None:
    file = tmp_path / "description.json"
    says(call(name, "--check", "--file", str(file)), f"{file} is not what the code says", f"notify {name}")
    assert good(call(name, "--file", str(file))) == ""
    assert good(call(name, "--check", "--file", str(file))) == ""
    assert json.loads(file.read_text())["info"]["version"]
    file.write_text(file.read_text().replace("notify", "ratify", 1))
    says(call(name, "--check", "--file", str(file)), "is not what the code says")
    says(call(name, "--file", str(tmp_path / "absent" / "x.json")), "absent")


def test_an_admin_key_is_made_once_for_its_owner_alone(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "data" / "admin.key"
    good(call("apps", "list"))
    key = file.read_text()
    assert re.fullmatch(r"nk_admin_\S{43}\n", key)
    assert file.stat().st_mode & 0o777 == 0o600
    good(call("apps", "list"))
    assert file.read_text() == key
    file.write_text("short\n")
    says(call("apps", "list"), "admin.key", "at least 20 characters")
    file.write_bytes(b"\xff" * 40)
    says(call("apps", "list"), "admin.key")
    assert good(call("apps", "list", NOTIFY_ADMIN_KEY="given, and so not looked for")) == "default  Default\n"


def test_a_data_folder_that_cannot_be_made_is_one_line(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    says(call("apps", "list", NOTIFY_DATA_DIR=str(tmp_path / "file" / "data")), "NOTIFY_ADMIN_KEY", "NOTIFY_DATA_DIR")


def test_without_a_url_it_uses_the_embedded_database_with_and_without_a_service_beside_it() -> None:
    with reachable_folder() as folder:
        data = {"NOTIFY_DATA_DIR": str(folder / "data")}
        alone = notify("apps", "create", "shop", folder=folder, **data)
        assert (alone.returncode, alone.stderr) == (0, ""), alone
        assert not (folder / "data" / "postgresql" / "postmaster.pid").exists(), "it is stopped again"
        with NotifyProcess({**data, "NOTIFY_ADMIN_KEY": "another admin key of these tests"}) as service:
            beside = notify("apps", "list", folder=folder, **data)
            assert (beside.returncode, beside.stdout, beside.stderr) == (0, "default  Default\nshop  shop\n", "")
            assert httpx.get(f"{service.url}/health/ready").status_code == 200, "its database was left alone"
