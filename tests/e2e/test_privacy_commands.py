"""`notify users` and `notify audit`, beside a running service; exports over a real socket."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from support.command import notify
from support.invariants import rows
from support.processes import ADMIN, NotifyProcess
from support.waiting import until

ALICE = {"user_id": "alice"}


@pytest.fixture
def service(start_notify: Callable[..., NotifyProcess]) -> NotifyProcess:
    return start_notify(NOTIFY_PRESENCE_SECONDS="1")


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Callable[..., Any]:
    def run(*arguments: str, **more: str) -> Any:
        return notify(
            *arguments, folder=tmp_path, NOTIFY_DATABASE_URL=database_url, NOTIFY_PRESENCE_SECONDS="1", **more
        )

    return run


def send(client: httpx.Client, how_many: int) -> None:
    for start in range(0, how_many, 200):
        items = [
            {"to": "alice", "title": f"number {number}", "body": "x" * 8000}
            for number in range(start, min(start + 200, how_many))
        ]
        for part in range(0, len(items), 100):
            assert client.post("/v1/notifications/batch", json={"items": items[part : part + 100]}).status_code == 200


def test_what_is_held_is_exported_and_erased_and_the_log_tells_of_it(
    service: NotifyProcess, command: Callable[..., Any], database_url: str, tmp_path: Path
) -> None:
    with service.client(ADMIN) as client:
        send(client, 3)
        with client.stream("GET", "/v1/stream", params=ALICE) as stream:
            lines = stream.iter_lines()
            next(line for line in lines if line == "event: inbox")
            done = command("users", "export", "alice", "--file", "alice.jsonl")
            assert (done.returncode, done.stdout) == (0, ""), done.stderr
            exported = [json.loads(line) for line in (tmp_path / "alice.jsonl").read_text().splitlines()]
            assert [line["record"] for line in exported][:2] == ["export", "inbox"]
            assert exported[-1]["record"] == "end"
            assert exported[-1]["counts"]["notification"] == 3
            printed = command("users", "export", "alice")
            assert len(printed.stdout.splitlines()) == len(exported) + 1  # the act of before
            refused = command("users", "erase", "alice", given="n\n")
            assert refused.returncode == 1
            done = command("users", "erase", "alice", "--yes")
            assert done.returncode == 0, done.stderr
            assert done.stdout.startswith("erased ")
            # The stream ended, and the client was told.
            assert 'data: {"reason":"revoked"}' in list(lines)
    assert rows(database_url, "SELECT FROM notify.inboxes WHERE user_id = 'alice'") == []
    assert rows(database_url, "SELECT FROM notify.notifications") == []
    log = command("audit", "--json")
    entries = [json.loads(line) for line in log.stdout.splitlines()]
    assert [(entry["action"], entry["status"], entry["about"]["user_id"]) for entry in entries] == [
        ("eraseUser", 200, None),
        ("exportUser", 200, None),
        ("exportUser", 200, None),
    ]
    assert {entry["actor"].partition(":")[0] for entry in entries} == {"cli"}
    assert {entry["actor"].rpartition("@")[2] for entry in entries} == {socket.gethostname()}
    shown = command("audit", "--action", "eraseUser").stdout
    assert "eraseUser" in shown
    assert "user_id=null" in shown


def test_what_the_command_line_does_is_noted_as_what_the_api_does(command: Callable[..., Any]) -> None:
    assert command("apps", "create", "shop").returncode == 0
    assert command("apps", "create", "shop").returncode == 1
    made = command("keys", "create", "--app", "shop", "--name", "a key").stdout
    key_id, secret = made.split()[1], made.split()[-1]
    assert command("keys", "revoke", "--app", "shop", key_id).returncode == 0
    assert command("epoch", "--new").returncode == 0
    assert command("retention", "--run").returncode == 0
    log = command("audit", "--json").stdout
    assert [(entry["action"], entry["status"], entry["app"]) for entry in map(json.loads, log.splitlines())] == [
        ("runRetention", 200, "default"),
        ("newEpoch", 200, "default"),
        ("revokeKey", 200, "shop"),
        ("createKey", 200, "shop"),
        ("createApp", 409, "default"),
        ("createApp", 200, "default"),
    ]
    assert secret not in log
    assert key_id in log
    assert len(command("audit", "--app", "shop").stdout.splitlines()) == 2


def test_an_export_waits_for_whoever_reads_it_and_stops_when_they_leave(
    service: NotifyProcess, database_url: str
) -> None:
    with service.client(ADMIN) as client:
        send(client, 3000)
    address = urlsplit(service.url)
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((address.hostname, address.port))
        request = (
            f"GET /v1/users/export?user_id=alice HTTP/1.1\r\nHost: x\r\nAuthorization: {ADMIN['Authorization']}\r\n"
        )
        reader.sendall(f"{request}\r\n".encode())
        assert reader.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        until(lambda: rows(database_url, "SELECT FROM notify.operations WHERE done > 200"))
        (running,) = rows(database_url, "SELECT state, done, total FROM notify.operations")
        assert running["state"] == "running"
        # Sockets hold some of it, nobody holds the rest.
        assert running["done"] < running["total"]
    until(lambda: rows(database_url, "SELECT FROM notify.operations WHERE state = 'stopped'"))
    assert rows(database_url, "SELECT done FROM notify.operations")[0]["done"] < 3000


def test_two_services_finish_what_one_of_them_began_and_was_killed(
    service: NotifyProcess, start_notify: Callable[..., NotifyProcess], database_url: str
) -> None:
    with service.client(ADMIN) as client:
        send(client, 400)
        with psycopg.connect(database_url) as connection:
            # Whoever is at it waits here, in the middle.
            connection.execute("SELECT FROM notify.notifications LIMIT 1 FOR UPDATE")
            id_ = client.delete("/v1/users", params=ALICE).json()["id"]
            until(lambda: rows(database_url, "SELECT FROM notify.erasures WHERE cardinality(inbox_ids) = 1"))
            service.kill()
    other = start_notify(NOTIFY_PRESENCE_SECONDS="1")
    with psycopg.connect(database_url, autocommit=True) as connection:
        # Not to wait for the lease.
        connection.execute("UPDATE notify.erasures SET leased_until = now() - interval '1 second'")
    with other.client(ADMIN) as client:
        # It may have looked just before.
        until(lambda: client.get(f"/v1/operations/{id_}").json()["state"] == "done", 30)
    assert rows(database_url, "SELECT FROM notify.notifications") == []
    assert rows(database_url, "SELECT FROM notify.inboxes") == []
