"""Whoever is turned away leaves nothing that only a collection of garbage would find: for those, everybody waits."""

import gc
from collections.abc import Iterator

import httpx
import pytest

from notify.api.answering import Answering

LIST = "/v1/notifications?user_id=alice"


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # It is the same on every PostgreSQL.
    return database_url


@pytest.fixture
def garbage() -> Iterator[list[object]]:
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [(LIST, None, 200), (LIST, "unknown", 401), (LIST + "&limit=x", None, 422), ("/v1/nowhere", None, 404)],
)
async def test_no_request_leaves_its_objects_in_a_circle(
    client: httpx.AsyncClient, garbage: list[object], path: str, key: str | None, status: int
) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    for _ in range(10):
        assert (await client.get(path, headers=headers)).status_code == status
    gc.collect()
    assert not [found for found in garbage if isinstance(found, Answering)]
