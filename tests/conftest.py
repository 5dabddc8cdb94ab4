"""The fixtures that every kind of test may use."""

import os
import signal
import subprocess
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from notify import logs
from notify.app import Service
from notify.settings import Settings
from support.clock import ManualClock
from support.leaks import nothing_secret_is_logged
from support.processes import ADMIN, ADMIN_KEY, NotifyProcess
from support.servers import DEBIAN_15, TestServer, require, running_server

__all__ = ("nothing_secret_is_logged",)

SERVERS = ("embedded", "debian 15")

logs.configure("warning", "json")
# Whoever runs the tests in the background may have had it ignored, and what they start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def embedded_server() -> Iterator[TestServer]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="session")
def debian_server() -> Iterator[TestServer]:
    require((DEBIAN_15 / "postgres").exists(), "Debian's PostgreSQL 15")
    with running_server(DEBIAN_15) as server:
        yield server


@pytest.fixture
def database_url(embedded_server: TestServer) -> Iterator[str]:
    """A migrated database of this test's own."""
    with embedded_server.database() as url:
        yield url


@pytest.fixture(params=SERVERS)
def any_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same on each PostgreSQL that we support: the embedded one, and the oldest."""
    server: TestServer = request.getfixturevalue("embedded_server" if request.param == "embedded" else "debian_server")
    with server.database() as url:
        yield url


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests that are the same on each PostgreSQL, one half runs on the one and one half on the other, and after the
    next commit the other way round; `NOTIFY_TEST_POSTGRESQL=every` runs all on each. What is marked always does.
    """
    names_one = any("[" in argument for argument in config.args)
    if names_one or os.environ.get("NOTIFY_TEST_POSTGRESQL") == "every":
        return
    turn = _commits(config.rootpath)
    left_out = [item for item in items if not _is_its_turn(item, turn)]
    config.hook.pytest_deselected(items=left_out)
    for item in left_out:
        items.remove(item)


def _commits(repository: Path) -> int:
    counted = subprocess.run(
        ["git", "rev-list", "--count", "HEAD"], cwd=repository, capture_output=True, text=True, check=False
    )
    return int(counted.stdout) if counted.returncode == 0 else 0


def _is_its_turn(item: pytest.Item, turn: int) -> bool:
    called: Any = getattr(item, "callspec", None)
    server = called and called.params.get("any_database_url")
    if server is None or item.get_closest_marker("every_postgresql"):
        return True
    name = item.nodeid.replace(server, "")
    return bool(SERVERS[(zlib.crc32(name.encode()) + turn) % len(SERVERS)] == server)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def service(any_database_url: str, clock: ManualClock) -> AsyncIterator[Service]:
    """All parts of the service, at work in this process."""
    settings = Settings(
        database_url=any_database_url,
        admin_key=ADMIN_KEY,
        edits_per_second=1000,
        # A test may do to a single user what otherwise a thousand share.
        recipient_creates_per_second=0,
        max_connections_per_user=0,
        max_requests=0,
    )
    async with Service(settings, clock).running() as running:
        yield running


@pytest.fixture
async def client(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    """The service over HTTP without a socket, called with the admin key."""
    transport = httpx.ASGITransport(cast(Any, service.asgi))
    async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
        yield client


@pytest.fixture
def start_notify(database_url: str) -> Iterator[Callable[..., NotifyProcess]]:
    """Starts service processes on this test's database; environment variables as keywords."""
    with ExitStack() as stack:

        def start(**environment: str) -> NotifyProcess:
            process = NotifyProcess({"NOTIFY_DATABASE_URL": database_url, **environment})
            stack.callback(process.stop)
            return process

        yield start
