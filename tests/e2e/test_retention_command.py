"""`notify retention`: it shows what would go, and sees it off when it is told to."""

import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, LiteralString

import httpx
import psycopg
import pytest

from support.command import notify
from support.invariants import check_inboxes, rows
from support.processes import ADMIN, NotifyProcess
from support.waiting import until

Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path, database_url: str) -> Command:
    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return notify("retention", *arguments, folder=tmp_path, NOTIFY_DATABASE_URL=database_url, **variables)

    return run


@pytest.fixture
def service(start_notify: Callable[..., NotifyProcess]) -> NotifyProcess:
    return start_notify()


def send(client: httpx.Client, *titles: str, to: str = "alice", **fields: Any) -> None:
    items = [{"to": to, "title": title, **fields} for title in titles]
    answer = client.post("/v1/notifications/batch", json={"items": items})
    assert answer.status_code == 200, answer.text


def age(url: str, titles: LiteralString, days: int) -> None:
    aged = rows(
        url,
        "UPDATE notify.notifications SET arrived_at = arrived_at - %s * interval '24 hours' WHERE title LIKE %s"
        " RETURNING 1",
        days,
        titles,
    )
    assert aged


def everything(url: str) -> list[dict[str, Any]]:
    return [
        *rows(url, "SELECT * FROM notify.notifications ORDER BY id"),
        *rows(url, "SELECT * FROM notify.inboxes ORDER BY id"),
        *rows(url, "SELECT * FROM notify.retention_round"),
    ]


def some_old_ones(service: NotifyProcess, url: str) -> None:
    with service.client(ADMIN) as client:
        for user in ("alice", "bob"):
            send(client, "old order", "older order", to=user, type="order")
            send(client, "old read", "young read", "young", to=user)
            client.post("/v1/notifications/read-all", params={"user_id": user}, json={})
            send(client, "old unread", to=user)
        assert client.put("/v1/retention", params={"type": "order"}, json={"action": "archive"}).status_code == 200
    age(url, "old%", 400)
    age(url, "older%", 100)


def test_without_anything_old_it_says_so(command: Command, service: NotifyProcess) -> None:
    with service.client(ADMIN) as client:
        send(client, "young")
    done = command()
    assert (done.returncode, done.stdout) == (0, "Nothing has stayed long enough.\n")
    done = command("--run")
    assert (done.returncode, done.stdout) == (0, "archived 0, deleted 0\n")


def test_it_shows_what_would_go_and_changes_nothing(
    command: Command, service: NotifyProcess, database_url: str
) -> None:
    some_old_ones(service, database_url)
    before = everything(database_url)
    done = command(NOTIFY_RETENTION_UNREAD_DAYS="30")
    assert done.returncode == 0, done.stderr
    assert everything(database_url) == before
    (oldest,) = rows(database_url, "SELECT min(arrived_at)::date::text AS day FROM notify.notifications")
    (old,) = rows(
        database_url, "SELECT min(arrived_at)::date::text AS day FROM notify.notifications WHERE title LIKE '%read'"
    )
    assert done.stdout.splitlines() == [
        "APP      TYPE         WHICH      AFTER  ACTION   HOW MANY  OLDEST",
        f"default  (any other)  unread   30 days  delete          2  {old['day']}",
        f"default  (any other)  read    180 days  delete          2  {old['day']}",
        f"default  order        read    180 days  archive         4  {oldest['day']}",
    ]
    assert done.stderr.splitlines() == ["looking"]


def test_told_to_it_does_it_and_whoever_is_connected_sees_it(
    command: Command, service: NotifyProcess, database_url: str
) -> None:
    some_old_ones(service, database_url)
    with (
        service.client(ADMIN) as client,
        client.stream("GET", "/v1/stream", params={"user_id": "alice", "from": "now"}) as stream,
    ):
        lines = stream.iter_lines()
        next(line for line in lines if line == "event: inbox")
        done = command("--run")
        assert (done.returncode, done.stdout) == (0, "archived 4, deleted 4\n"), done.stderr
        assert done.stderr.splitlines() == ["walking"]
        missing = {"event: update", "event: delete"}
        while missing:
            missing.discard(next(lines))
    left = rows(
        database_url, "SELECT DISTINCT title, archived_at IS NULL AS shown FROM notify.notifications ORDER BY 1"
    )
    assert [(row["title"], row["shown"]) for row in left] == [
        ("", True),
        ("old order", False),
        ("older order", False),
        ("young", True),
        ("young read", True),
    ]
    assert check_inboxes(database_url) == 2
    assert command().stdout == "Nothing has stayed long enough.\n"


def test_whom_another_process_takes_it_from_says_so(
    command: Command, service: NotifyProcess, database_url: str
) -> None:
    with service.client(ADMIN) as client:
        send(client, *["old"] * 600)
    age(database_url, "old", 400)
    with psycopg.connect(database_url) as user, ThreadPoolExecutor(1) as pool:
        user.execute("SELECT FROM notify.inboxes FOR NO KEY UPDATE")
        running = pool.submit(command, "--run")
        until(lambda: rows(database_url, "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        rows(database_url, "UPDATE notify.retention_round SET worker = gen_random_uuid() RETURNING 1")
        user.rollback()
        done = running.result()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == "notify: Another process has taken the round over, and goes on with it."
    (round_,) = rows(database_url, "SELECT deleted, started_at FROM notify.retention_round")
    assert round_["deleted"] == 100
    assert round_["started_at"] is not None
