"""The fixtures that every kind of test may use."""

import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
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


@pytest.fixture(params=["embedded", "debian 15"])
def any_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The same on each PostgreSQL that we support: the embedded one, and the oldest."""
    server: TestServer = request.getfixturevalue("embedded_server" if request.param == "embedded" else "debian_server")
    with server.database() as url:
        yield url


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
