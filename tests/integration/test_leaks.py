"""The search of the logs for secrets finds them: those that a test has told of, and those that look like some."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from support.credentials import signed
from support.leaks import LeaksError, LogSearch, shown_in_logs
from support.processes import NotifyProcess

SECRET = "a secret of thirty-two bytes, for tests"
TESTS = Path(__file__).parents[1]
KEY = "nk_" + 43 * "a"
SECRETS = {
    "an API key": KEY,
    "an API key in a text": f"no such key: {KEY}.",
    "a token": signed(SECRET),
    "a token without a signature": signed(SECRET).rpartition(".")[0] + ".",
    "an authorization": "authorization: Bearer 0123456789abcdef",
    "a line of a request": "GET /v1/stream?user_id=alice HTTP/1.1",
    "an address with a query": "http://127.0.0.1:8000/v1/notifications?user_id=alice",
    "a token in a query": "token=abc",
    "a ticket in a query": "x&ticket=abc",
    "a database": "postgresql://notify:hunter2@db.example/notify",
    "a database by SQLAlchemy": "postgresql+asyncpg://notify:hunter2@db.example/notify",
    "a private key": "-----BEGIN EC PRIVATE KEY-----",
}
SOUND = [
    "request",
    "/v1/notifications/{id}",
    "notify 0.1.0 on http://127.0.0.1:8000",
    "postgresql://notify@db.example/notify",
    "postgresql://notify:***@db.example/notify",
    "Send an API key or a user token as `Authorization: Bearer …`.",
    "What is this? And that?",
    "0199c0de-0000-7000-8000-000000000001",
]


@pytest.mark.parametrize("what", SECRETS)
def test_what_looks_like_a_secret_is_found(what: str) -> None:
    search = LogSearch()
    with shown_in_logs(search):
        structlog.get_logger().info("something", action="test", value=SECRETS[what])
    with pytest.raises(LeaksError) as found:
        search.check()
    assert "hunter2" not in str(found.value)
    assert KEY not in str(found.value)


def test_what_is_none_is_not(service_log: list[str]) -> None:
    search = LogSearch()
    search.read(service_log)
    with shown_in_logs(search):
        for text in SOUND:
            structlog.get_logger().info(text, action="test", value=text)
    assert search.lines >= len(SOUND)
    search.check()


@pytest.fixture
def service_log(database_url: str) -> list[str]:
    settings = {"NOTIFY_DATABASE_URL": database_url, "NOTIFY_LOG_LEVEL": "debug"}
    with NotifyProcess(settings) as process, process.client() as client:
        client.get("/v1/notifications?user_id=alice")
        client.get("/v1/notifications?token=abc", headers={"Authorization": f"Bearer {KEY}"})
    assert any('"action":"request"' in line for line in process.log)
    return process.log


@pytest.mark.parametrize("secret", [SECRET, "0123456789abcdef", signed(SECRET)])
def test_what_a_test_has_told_of_is_found_before_and_after(secret: str) -> None:
    search = LogSearch()
    search.read([f'{{"event":"it is {secret}."}}'])
    search.know(secret)
    with pytest.raises(LeaksError) as found:
        search.check()
    assert secret not in str(found.value)


def test_what_libraries_and_exceptions_say_is_searched_too() -> None:
    search = LogSearch()
    search.know(SECRET)
    with shown_in_logs(search):
        structlog.get_logger().error("it failed", exc_info=ValueError(SECRET))
    with pytest.raises(LeaksError):
        search.check()


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_run_in_which_a_secret_is_logged_fails(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_it.py").write_text(
        "import structlog\n"
        "from notify import logs\n"
        f"def test_it() -> None:\n    logs.configure('warning', 'json')\n    structlog.get_logger().info({KEY!r})\n"
    )
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "support.leaks", f"-n{workers}", "--rootdir=.", "test_it.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 times something secret was logged" in run.stdout
    assert KEY not in run.stdout
