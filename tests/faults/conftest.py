"""Services whose database can be taken away from them."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import httpx
import pytest

from support.servers import TestServer
from support.stand import Stand, standing
from support.waiting import until

_numbers = itertools.count(1)


@pytest.fixture
def start_stand(embedded_server: TestServer) -> Iterator[Callable[..., Stand]]:
    """Starts so many processes on a database of this test's own; environment variables as keywords."""
    with ExitStack() as stack:

        def start(processes: int = 1, **environment: str) -> Stand:
            stand = stack.enter_context(standing(embedded_server))
            for _ in range(processes):
                stand.start(**environment)
            return stand

        yield start


@pytest.fixture(scope="session")
def _shared_stand(embedded_server: TestServer) -> Iterator[Stand]:
    with standing(embedded_server) as stand:
        stand.start()
        stand.start()
        yield stand


@pytest.fixture
def stand(_shared_stand: Stand) -> Iterator[Stand]:
    """Two processes that these tests share, whole again and consistent after each."""
    yield _shared_stand
    for proxy in _shared_stand.proxies:
        proxy.disarm()
        proxy.resume()
        proxy.accept()
    for client in _shared_stand.clients:
        until(partial(is_ready, client), 15, what="a service that is ready again")
    _shared_stand.check()
    errors, _shared_stand.reported = _shared_stand.errors[_shared_stand.reported :], len(_shared_stand.errors)
    assert not errors, errors[:3]


def is_ready(client: httpx.Client) -> bool:
    return client.get("/health/ready").status_code == 200


@pytest.fixture
def user() -> str:
    """Somebody whom no other test knows."""
    return f"user-{next(_numbers)}"
