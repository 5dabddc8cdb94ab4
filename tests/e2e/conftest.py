"""What the tests of several files share: a database for all tests of a file, and two users of each test's own."""

from collections.abc import Iterator

import pytest

from support.processes import NotifyProcess
from support.servers import TestServer
from support.users import User


@pytest.fixture(scope="module")
def database(embedded_server: TestServer) -> Iterator[str]:
    with embedded_server.database() as url:
        yield url


@pytest.fixture
def services(service: NotifyProcess) -> list[NotifyProcess]:
    """The processes on that database. A file with several has its own."""
    return [service]


@pytest.fixture
def alice(services: list[NotifyProcess], database: str) -> Iterator[User]:
    user = User(services, database)
    with user.client:
        yield user


@pytest.fixture
def bob(services: list[NotifyProcess], database: str) -> Iterator[User]:
    user = User(services, database)
    with user.client:
        yield user
