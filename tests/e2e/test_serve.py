"""`notify serve`, as somebody starts it, uses it and stops it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from notify import __version__
from notify.cli.server import address_of, bound_socket
from notify.cli.surroundings import Problem
from notify.settings import Settings
from support.command import environment_with, notify
from support.processes import ADMIN_KEY, NotifyProcess
from support.proxy import Proxy
from support.servers import reachable_folder, require
from support.waiting import until

PACKAGE = Path(__file__).parents[2] / "src" / "notify"
Start = Callable[..., NotifyProcess]


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A place for everything of one installation."""
    with reachable_folder() as folder:
        yield folder / "data"


@pytest.fixture
def start(data_folder: Path) -> Iterator[Start]:
    started: list[NotifyProcess] = []

    def embedded(*arguments: str, **variables: str) -> NotifyProcess:
        # An admin key that is empty is none: one is made.
        started.append(
            NotifyProcess(
                {"NOTIFY_DATA_DIR": str(data_folder), "NOTIFY_ADMIN_KEY": "", **variables}, *arguments, is_covered=True
            )
        )
        return started[-1]

    yield embedded
    for process in started:
        process.stop()


def printed_commands(service: NotifyProcess) -> list[str]:
    """The lines to paste, as they stand there, the continued ones together."""
    until(lambda: "Ctrl-C" in service.output[-1], what="the last line of the greeting")
    text = "\n".join(service.output).replace("\\\n", "")
    return [line.strip() for line in text.splitlines() if line.strip().startswith("curl ")]


def bash(command: str) -> str:
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def is_clean(service: NotifyProcess) -> bool:
    """Nothing worse than what a service says in passing."""
    text = "\n".join(service.log)
    return "Traceback" not in text and '"error"' not in text and "Error" not in text


def test_a_first_start_says_how_to_use_it_and_what_it_says_works_as_printed(start: Start, data_folder: Path) -> None:
    require(shutil.which("curl") is not None, "curl")
    service = start()
    key = (data_folder / "admin.key").read_text().strip()
    assert (data_folder / "admin.key").stat().st_mode & 0o777 == 0o600

    stream, send, list_ = printed_commands(service)
    assert service.output[0] == f"notify {__version__} on {service.url}"
    assert service.output[1].split() == ["docs", f"{service.url}/docs"]
    assert service.output[2].split()[:2] == ["data", str(data_folder)]
    assert f"Open {service.url}/ in a browser" in service.output[4]
    assert httpx.get(f"{service.url}/docs").status_code == 200
    assert f"Bearer {key}'" in send

    with subprocess.Popen(
        ["bash", "-c", f"exec {stream}"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith(b"retry:")
        assert re.search(r'"id":"[0-9a-f-]{36}"', bash(send))
        seen = b""
        while b"Hello from notify" not in seen:
            more = watching.stdout.readline()
            assert more, f"the stream ended before the notification: {seen!r}"
            seen += more
        watching.terminate()
    assert '"title":"Hello from notify"' in bash(list_)
    assert '"unread":1' in bash(list_)

    second = notify("serve", folder=data_folder, NOTIFY_DATA_DIR=str(data_folder), PORT="0")
    assert (second.returncode, second.stdout) == (1, "")
    (line,) = second.stderr.splitlines()
    assert line.startswith(f"notify: The data folder {data_folder} is in use by process {service.process.pid}")
    assert httpx.get(f"{service.url}/health/ready").status_code == 200, "the first was left alone"

    assert service.stop(signal.SIGINT) == 0
    assert is_clean(service), service.log
    assert not (data_folder / "postgresql" / "postmaster.pid").exists(), "its database is stopped too"


def test_a_later_start_finds_everything_as_it_was(start: Start, data_folder: Path) -> None:
    first = start()
    _, send, _ = printed_commands(first)
    bash(send)
    assert first.stop(signal.SIGTERM) == 0
    key = (data_folder / "admin.key").read_text()
    service = start()
    _, send, list_ = printed_commands(service)
    assert f"Bearer {key.strip()}'" in send
    assert (data_folder / "admin.key").read_text() == key
    assert '"title":"Hello from notify"' in bash(list_)
    assert service.stop(signal.SIGTERM) == 0
    assert is_clean(service), service.log


def test_it_can_be_stopped_at_any_moment_of_its_start(data_folder: Path) -> None:
    """Also while the database is being started: what was begun is ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "notify", "serve"],
        env=environment_with({"NOTIFY_DATA_DIR": str(data_folder), "PORT": "0"}),
        cwd=data_folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until((data_folder / "postgresql" / "postmaster.pid").exists, 60, what="the database's start")
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode in {0, 128 + signal.SIGTERM}
    assert "Traceback" not in log
    assert not (data_folder / "postgresql" / "postmaster.pid").exists()


def test_a_taken_port_is_one_line_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = notify("serve", folder=tmp_path, PORT=f"{port}", NOTIFY_DATA_DIR=str(tmp_path / "data"))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"notify: Cannot listen on 127.0.0.1:{port}: Address already in use; set PORT to another.\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("host", ["256.256.256.256", "no such host", "203.0.113.1"])
def test_an_address_that_is_not_ours_is_one_line(host: str) -> None:
    with pytest.raises(Problem, match=f"^Cannot listen on {re.escape(host)}:0: .+; set ") as caught:
        bound_socket(Settings(host=host, port=0)).__enter__()
    assert "\n" not in caught.value.message


EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is printed for it is tested, for a moment


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.1", "127.0.0.1"), (EVERYWHERE, "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
)
def test_the_address_it_says_can_be_opened(host: str, address: str) -> None:
    if ":" in host:
        require(socket.has_ipv6 and _has_loopback_of_ipv6(), "IPv6")
    with bound_socket(Settings(host=host, port=0)) as listening:
        assert address_of(listening) == f"http://{address}:{listening.getsockname()[1]}"
        with socket.create_connection((address.strip("[]"), listening.getsockname()[1]), timeout=5):
            pass


def _has_loopback_of_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def test_with_a_url_it_uses_that_and_a_file_may_name_it(database_url: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"DATABASE_URL={database_url}\nNOTIFY_LOG_FORMAT=json\n")
    service = NotifyProcess({"NOTIFY_DATA_DIR": str(tmp_path / "data")}, folder=tmp_path)
    until(lambda: len(service.output) == 3, what="three lines")
    assert service.output[2] == "  data   the PostgreSQL of NOTIFY_DATABASE_URL"
    with service.client() as client:
        assert client.post("/v1/notifications", json={"to": "alice", "title": "hello"}).status_code == 201
    assert ADMIN_KEY not in "\n".join(service.output + service.log)
    assert database_url not in "\n".join(service.output + service.log)
    # A second Ctrl-C does not interrupt what is left to do.
    service.process.send_signal(signal.SIGINT)
    service.process.send_signal(signal.SIGINT)
    assert service.stop(signal.SIGINT) == 0
    assert is_clean(service), service.log
    assert not (tmp_path / "data").exists(), "neither a key nor a database had to be made"


def test_it_waits_for_a_database_that_is_still_starting(database_url: str) -> None:
    with Proxy(database_url) as proxy:
        proxy.refuse()
        with socket.create_server(("127.0.0.1", urlsplit(proxy.url).port or 0)) as in_its_place:
            in_its_place.settimeout(60)
            process = subprocess.Popen(
                [sys.executable, "-m", "notify", "serve"],
                env=environment_with({"DATABASE_URL": proxy.url, "NOTIFY_ADMIN_KEY": ADMIN_KEY, "PORT": "0"}),
                cwd=Path(__file__).parent,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for _ in range(2):
                in_its_place.accept()[0].close()
        proxy.accept()
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(f"notify {__version__} on http://")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
    assert process.returncode == 0


def test_it_starts_again_when_the_code_changes(database_url: str, tmp_path: Path) -> None:
    """A copy of the package, because nobody's source is to be touched."""
    shutil.copytree(PACKAGE, tmp_path / "src" / "notify", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parents[1] / "migrations", tmp_path / "migrations")
    # Not measured: the copy is gone when coverage looks for its lines.
    unmeasured = {name: "" for name in os.environ if name.startswith("COVERAGE_")}
    service = NotifyProcess(
        {"NOTIFY_DATABASE_URL": database_url, "PYTHONPATH": str(tmp_path / "src"), **unmeasured},
        "--reload",
        folder=tmp_path,
    )
    try:
        with service.client() as client:

            def version() -> str:
                try:
                    answer: str = client.get("/health/live").json()["version"]
                except httpx.TransportError:
                    return ""
                return answer

            assert service.output[0].endswith("starting again whenever the code changes")
            until(lambda: version() == __version__, 60, what="the first answer")
            assert client.post("/v1/notifications", json={"to": "alice", "title": "x"}).status_code == 201
            changed = tmp_path / "src" / "notify" / "__init__.py"
            text = changed.read_text()
            # Modification times are compared, so it has to be later by more than they can tell apart.
            changed.write_text(f"{text}\n__version__ = '99.0.0'\n")
            os.utime(changed, (time.time() + 2, time.time() + 2))
            until(lambda: version() == "99.0.0", 60, what="the changed code's answer")
    finally:
        status = service.stop(signal.SIGINT)
    assert status == 0
    assert is_clean(service), service.log
