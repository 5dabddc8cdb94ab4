"""`notify send` and `notify tail`, and several processes on one socket."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support.command import notify
from support.processes import ADMIN, ADMIN_KEY, NotifyProcess
from support.waiting import until


@pytest.fixture
def workers(database_url: str) -> Iterator[NotifyProcess]:
    with NotifyProcess(
        {"NOTIFY_DATABASE_URL": database_url, "NOTIFY_DRAIN_SECONDS": "0.2"}, "--workers", "2", is_covered=True
    ) as both:
        yield both


def environment(url: str) -> dict[str, str]:
    return {**os.environ, "NOTIFY_URL": url, "NOTIFY_API_KEY": ADMIN_KEY}


def send(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    folder = Path(__file__).parent
    return notify("send", *arguments, folder=folder, NOTIFY_URL=url, NOTIFY_API_KEY=ADMIN_KEY)


def test_what_one_terminal_sends_another_shows_and_goes_on_after_a_restart(
    start_notify: Callable[..., NotifyProcess],
) -> None:
    service = start_notify(NOTIFY_DRAIN_SECONDS="0.1")
    port = service.url.rpartition(":")[2]
    assert send(service.url, "joe", "First", "--level", "success", "--data", '{"x": 1}').returncode == 0
    with subprocess.Popen(
        [sys.executable, "-m", "notify", "tail", "joe", "--json"],
        env=environment(service.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as tail:
        assert tail.stdout is not None
        lines: queue.Queue[str] = queue.Queue()

        def read() -> None:
            for line in tail.stdout or ():
                lines.put(line)

        threading.Thread(target=read, daemon=True).start()

        def seen() -> str:
            while True:
                event = json.loads(lines.get(timeout=45))
                if event["event"] == "notification":
                    return str(event["data"]["title"])

        assert seen() == "First"
        assert send(service.url, "joe", "Second").returncode == 0
        assert seen() == "Second"
        service.stop()
        again = start_notify(PORT=port)
        assert send(again.url, "joe", "Third").returncode == 0
        assert seen() == "Third"
        tail.send_signal(signal.SIGINT)
        assert tail.wait(20) == 0


def test_what_cannot_be_sent_is_one_line(start_notify: Callable[..., NotifyProcess]) -> None:
    service = start_notify()
    for arguments in (["joe", ""], ["joe", "x", "--data", "no JSON"], ["joe", "x", "--url", "javascript:x"]):
        refused = send(service.url, *arguments)
        assert refused.returncode == 1
        assert refused.stderr.startswith("notify: ")
        assert refused.stderr.count("\n") == 1
    assert "cannot be reached" in send("http://127.0.0.1:1", "joe", "x").stderr


def test_two_workers_share_a_socket_and_leave_together(workers: NotifyProcess) -> None:
    with workers.client() as client:
        for title in ("one", "two", "three"):
            sent = client.post("/v1/notifications", json={"to": "ann", "title": title}, headers=ADMIN)
            assert sent.status_code == 201
        assert client.get("/v1/notifications", params={"user_id": "ann"}).json()["total"] == 3
    assert workers.stop() == 0
    assert not [line for line in workers.log if "Traceback" in line]


def test_workers_whose_parent_is_killed_leave_as_well(workers: NotifyProcess) -> None:
    with workers.client() as client:
        assert client.get("/health/live").status_code == 200
        workers.kill()
        until(lambda: refuses(client), 30, what="an address that nobody serves any more")


def refuses(client: httpx.Client) -> bool:
    try:
        client.get("/health/live", headers={"Connection": "close"})
    except httpx.ConnectError:
        return True
    except httpx.TransportError:
        return False
    return False


def test_workers_that_are_told_to_stop_while_they_start_stop(database_url: str) -> None:
    for _ in range(3):
        process = NotifyProcess({"NOTIFY_DATABASE_URL": database_url, "NOTIFY_DRAIN_SECONDS": "0.1"}, "--workers", "2")
        assert process.stop() == 0
