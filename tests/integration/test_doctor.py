"""What the doctor measures with: open to everyone, and bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import httpx
import pytest

from notify.api.doctor import Probing
from notify.app import Service
from notify.core.errors import OverloadedError
from notify.settings import Settings
from support.problems import problem_in
from support.processes import ADMIN_KEY


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # What is shown here is the same on every PostgreSQL.
    return database_url


@asynccontextmanager
async def visited(url: str, peer: str = "192.0.2.7", **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with Service(Settings(database_url=url, admin_key=ADMIN_KEY, **settings)).running() as service:
        transport = httpx.ASGITransport(cast(Any, service.asgi), client=(peer, 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://notify.example") as client:
            yield client


async def test_a_request_is_shown_as_it_arrives(database_url: str) -> None:
    async with visited(database_url, trusted_proxies=["192.0.2.0/24"]) as client:
        seen = (await client.get("/doctor/look", headers={"X-Forwarded-For": "198.51.100.4"})).json()
        assert (seen["host"], seen["address"], seen["is_forwarded"]) == ("notify.example", "198.51.100.4", True)
        assert (seen["trusts_proxies"], seen["has_cookie"], seen["origin"]) == (True, False, None)
        # The client keeps cookies as a browser does.
        assert (await client.get("/doctor/look")).json()["has_cookie"]


async def test_what_a_page_may_do_is_said_by_the_services_own_rules(database_url: str) -> None:
    origins = ["https://shop.example", "https://*.cafe.example"]
    async with visited(database_url, cors_origins=origins) as client:
        for origin, is_allowed in (
            ("https://shop.example", True),
            ("https://www.cafe.example", True),
            ("http://shop.example", False),
            ("https://cafe.example", False),
            ("*", False),
        ):
            seen = (await client.get("/doctor/look", params={"origin": origin})).json()["origin"]
            assert seen == {"origin": origin, "is_allowed": is_allowed, "with_cookies": is_allowed}
            real = await client.get("/health/live", headers={"Origin": origin})
            assert ("access-control-allow-origin" in real.headers) == is_allowed
    async with visited(database_url, cors_origins=["*"]) as client:
        seen = (await client.get("/doctor/look?origin=https://any.example")).json()["origin"]
        assert (seen["is_allowed"], seen["with_cookies"]) == (True, False)


async def test_one_address_takes_so_many_places_and_no_more(database_url: str) -> None:
    async with visited(database_url) as client:
        at_once = [client.get("/doctor/stream") for _ in range(8)]
        answers = await asyncio.gather(*at_once)
        assert sorted(answer.status_code for answer in answers) == [200] * 6 + [503] * 2
        whole = next(answer for answer in answers if answer.is_success)
        assert whole.headers["cache-control"] == "no-store, no-transform"
        assert whole.headers["x-accel-buffering"] == "no"
        assert whole.text.count("event: tick") == 6
        assert (await client.get("/doctor/stream")).status_code == 200, "they are given back"


async def test_all_addresses_together_take_so_many_places(service: Service) -> None:
    probing = Probing(service.roster)
    places = [probing.place(number) for number in range(32)]
    for place in places:
        place.__enter__()
    with pytest.raises(OverloadedError):
        probing.check("another")
    for place in places:
        place.__exit__(None, None, None)
    probing.check("another")


async def test_it_can_be_turned_off(database_url: str) -> None:
    async with visited(database_url, doctor=False) as client:
        for path in ("/doctor", "/doctor/look", "/doctor/stream"):
            problem_in(await client.get(path), 404, "not-found")
        assert "/doctor" not in (await client.get("/")).text


async def test_no_silence_is_longer_than_three_minutes(client: httpx.AsyncClient) -> None:
    problem_in(await client.get("/doctor/stream?silence=181"), 422, "invalid")


async def test_nobodys_measurement_delays_the_end_of_the_service(service: Service, client: httpx.AsyncClient) -> None:
    measuring = asyncio.create_task(client.get("/doctor/stream?silence=180"))
    await service.roster.drain(0)
    async with asyncio.timeout(10):
        answer = await measuring
    assert answer.text.count("event: tick") == 1
