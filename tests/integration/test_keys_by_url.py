"""Public keys by URL: fetched in the background from a real HTTPS server that is right, slow, dead or hostile."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from prometheus_client import CollectorRegistry

from notify.app import Service
from notify.outbound import Outbound, OutboundError
from notify.settings import Settings
from notify.store.apps import FETCH_AGAIN_AFTER, KEYS_GOOD_FOR
from notify.store.jwks import FETCH_EVERY
from notify.store.leases import LEASE_SECONDS
from support.clock import ManualClock
from support.credentials import bearer
from support.invariants import rows
from support.key_servers import KeyServer, answering, key_server, showing
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY
from support.signers import Signer
from support.visits import Visit, visiting
from support.waiting import eventually

FIRST, SECOND = Signer("ES256", "first"), Signer("EdDSA", "second")
LEASE = timedelta(seconds=LEASE_SECONDS)
TOO_LARGE = 64 * 1024 + 1


@pytest.fixture
async def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KeyServer]:
    """Shows the first key, and is trusted."""
    async with key_server(tmp_path, showing(FIRST)) as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        yield running


def service_on(url: str, clock: ManualClock, **settings: Any) -> Service:
    given: dict[str, Any] = {"jwks_private_addresses": True, **settings}
    return Service(Settings(database_url=url, admin_key=ADMIN_KEY, **given), clock)


@pytest.fixture
async def service(database_url: str, clock: ManualClock) -> AsyncIterator[Service]:
    async with service_on(database_url, clock).running() as running:
        yield running


def client_of(service: Service) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(cast(Any, service.asgi))
    return httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN)


async def configure(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.put("/v1/apps/default/jwt", json={"jwks_url": url})
    assert answer.status_code == 200, answer.text


async def shown(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/v1/apps/default/jwt")).json()
    return found


async def names(client: httpx.AsyncClient) -> list[str]:
    return [key["kid"] for key in (await shown(client))["keys"]]


async def answer_to(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.get("/v1/notifications", headers=bearer(token))


async def until_names(client: httpx.AsyncClient, *expected: str) -> None:
    async def look() -> bool:
        return await names(client) == list(expected)

    await eventually(look, what=f"the keys {expected}")


async def failure(client: httpx.AsyncClient) -> str:
    async def look() -> str | None:
        found: str | None = (await shown(client))["failure"]
        return found

    return await eventually(look, what="a failure")


def fetches(service: Service, outcome: str) -> float:
    registry: CollectorRegistry = service.metrics._registry
    return registry.get_sample_value("notify_jwks_fetches_total", {"outcome": outcome}) or 0


def fetch_again(service: Service, clock: ManualClock) -> None:
    """As a token does that names an unknown key."""
    clock.advance(FETCH_AGAIN_AFTER)
    service.jwks_fetching.ask("default")


async def test_keys_are_fetched_and_tokens_taken_in_every_process(
    service: Service, server: KeyServer, database_url: str, clock: ManualClock
) -> None:
    async with client_of(service) as client:
        await configure(client, server.url)
        await until_names(client, "first")
        assert (await answer_to(client, FIRST.token(clock))).status_code == 200
        found = await shown(client)
        assert (found["jwks_url"], found["failure"]) == (server.url, None)
        assert found["fetched_at"] is not None
        assert fetches(service, "fetched") == 1
    # Another has them from the database, and asks nobody.
    async with service_on(database_url, clock).running() as another, client_of(another) as client:
        assert (await answer_to(client, FIRST.token(clock))).status_code == 200
    assert len(server.requests) == 1
    assert server.requests[0].startswith("GET /keys HTTP/1.1\r\n")
    assert f"host: localhost:{server.port}\r\n" in server.requests[0].lower()


async def test_a_new_key_is_fetched_when_a_token_names_it_and_no_more_often_than_it_may(
    service: Service, server: KeyServer, clock: ManualClock
) -> None:
    async with client_of(service) as client:
        await configure(client, server.url)
        await until_names(client, "first")
        server.respond = showing(SECOND)
        # Too soon: whoever makes up names of keys makes nobody ask.
        await eventually(lambda: _is_refused(client, SECOND.token(clock)))
        assert len(server.requests) == 1
        clock.advance(FETCH_AGAIN_AFTER + LEASE)
        refused = await answer_to(client, SECOND.token(clock))
        assert problem_in(refused, 503, "keys-under-way")
        assert refused.headers["retry-after"] == "1"
        await until_names(client, "second")
        clock.advance(LEASE)
        assert (await answer_to(client, SECOND.token(clock))).status_code == 200
        # The other was taken away there.
        assert (await answer_to(client, FIRST.token(clock))).status_code == 401
        assert len(server.requests) == 2


async def _is_refused(client: httpx.AsyncClient, token: str) -> bool:
    return (await answer_to(client, token)).status_code == 401


async def test_keys_are_fetched_again_after_a_while_by_one_process(
    service: Service, server: KeyServer, database_url: str, clock: ManualClock
) -> None:
    async with service_on(database_url, clock).running(), client_of(service) as client:
        await configure(client, server.url)
        await until_names(client, "first")
        server.respond = showing(FIRST, SECOND)
        clock.advance(FETCH_EVERY)
        await until_names(client, "first", "second")
        assert len(server.requests) == 2


async def test_a_slow_url_holds_nobody_up_and_takes_nothing_away(
    service: Service, server: KeyServer, clock: ManualClock
) -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await writer.drain()
        await asyncio.Event().wait()

    async with client_of(service) as client:
        await configure(client, server.url)
        await until_names(client, "first")
        server.respond = slowly
        clock.advance(FETCH_AGAIN_AFTER + LEASE)
        started = time.monotonic()
        for _ in range(20):
            problem_in(await answer_to(client, SECOND.token(clock)), 503, "keys-under-way")
            assert (await answer_to(client, FIRST.token(clock))).status_code == 200
        assert time.monotonic() - started < 2
        assert "within 3 seconds" in await failure(client)
        assert time.monotonic() - started < 6
        clock.advance(LEASE)
        assert (await answer_to(client, SECOND.token(clock))).status_code == 401
        assert (await answer_to(client, FIRST.token(clock))).status_code == 200
        assert fetches(service, "time") == 1
        # For so long.
        clock.advance(KEYS_GOOD_FOR)
        problem_in(await answer_to(client, FIRST.token(clock)), 503, "keys-under-way")


async def test_a_stream_that_comes_too_early_is_told_to_come_again(
    service: Service, server: KeyServer, clock: ManualClock
) -> None:
    release = asyncio.Event()
    show = server.respond

    async def later(writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await show(writer)

    server.respond = later
    async with client_of(service) as client:
        await configure(client, server.url)
        early = Visit(service, {}, bearer(FIRST.token(clock)))
        await early.run()
        assert (early.status, await early.bye()) == (200, "overload")
        (retry,) = [block.retry for block in early.blocks if block.retry is not None]
        assert 1000 <= retry <= 6000
        release.set()
        await until_names(client, "first")
        clock.advance(LEASE)
        async with visiting(service, token=FIRST.token(clock)):
            pass


async def _nothing(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def _endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1000):
        writer.write(b"1000\r\n" + b" " * 0x1000 + b"\r\n")
        await writer.drain()


HOSTILE: dict[str, tuple[Callable[[asyncio.StreamWriter], Awaitable[None]], str, str]] = {
    "leaves": (_nothing, "connection", "No connection"),
    "speaks something else": (answering(b"", "nonsense"), "connection", "No connection"),
    "redirects": (answering(b"", "302 Found", "Location: https://localhost:1/keys"), "status", "302"),
    "is not there": (answering(b"{}", "404 Not Found"), "status", "404"),
    "is at a loss": (answering(b"{}", "500 Oops"), "status", "500"),
    "is huge": (answering(b" " * TOO_LARGE), "size", "65536 bytes"),
    "does not end": (_endless, "size", "65536 bytes"),
    "is not JSON": (answering(b"<html>"), "document", "not a JSON object"),
    "is not UTF-8": (answering(b"\xff\xfe"), "document", "not a JSON object"),
    "is compressed": (answering(b"\x1f\x8b", "200 OK", "Content-Encoding: gzip"), "document", "not a JSON object"),
    "has no keys": (answering(b'{"keys":[]}'), "document", "no key for"),
    "shows a secret": (answering(b'{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'), "document", "symmetric"),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_url_that_brings_no_keys_takes_none_away_and_says_why(
    service: Service, server: KeyServer, clock: ManualClock, what: str
) -> None:
    respond, outcome, reason = HOSTILE[what]
    async with client_of(service) as client:
        await configure(client, server.url)
        await until_names(client, "first")
        server.respond = respond
        fetch_again(service, clock)
        assert reason in await failure(client)
        await eventually(lambda: fetches(service, outcome) == 1)
        assert await names(client) == ["first"]
        assert (await answer_to(client, FIRST.token(clock))).status_code == 200
        server.respond = showing(FIRST)
        fetch_again(service, clock)
        await eventually(lambda: fetches(service, "fetched") == 2)
        assert (await shown(client))["failure"] is None


async def test_another_url_brings_other_keys_and_the_old_ones_go_at_once(
    service: Service, server: KeyServer, clock: ManualClock
) -> None:
    async with client_of(service) as client:
        await configure(client, server.url)
        await until_names(client, "first")
        # Said again it changes nothing.
        await configure(client, server.url)
        assert await names(client) == ["first"]
        server.respond = answering(b"")
        await configure(client, f"{server.url}?other")
        assert await names(client) == []
        assert (await answer_to(client, FIRST.token(clock))).status_code in {401, 503}


# Where it may lead


async def test_nothing_private_is_asked_unless_the_settings_say_so(
    server: KeyServer, database_url: str, clock: ManualClock
) -> None:
    async with (
        service_on(database_url, clock, jwks_private_addresses=False).running() as service,
        client_of(service) as client,
    ):
        await configure(client, server.url)
        assert "not of the public internet" in await failure(client)
        assert fetches(service, "address") == 1
    assert server.requests == []
    (row,) = rows(database_url, "SELECT failure FROM notify.jwks")
    assert "127.0.0.1" not in row["failure"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "localhost"])
async def test_no_spelling_of_a_private_address_is_a_way_in(server: KeyServer, host: str) -> None:
    outbound = Outbound(timeout_seconds=3, most_bytes=100, private_addresses=False)
    with pytest.raises(OutboundError) as refused:
        await outbound.get(f"https://{host}:{server.port}/keys")
    assert refused.value.reason == "address" or str(refused.value) == "The name has no address."
    assert server.requests == []


async def test_a_name_that_means_something_else_the_next_time_is_asked_once(
    server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the address that was judged is the one that is connected to."""
    asked: list[str] = []
    answers = iter(["93.184.216.34", "127.0.0.1"])

    def resolve(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        if host != "id.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    connected: list[str] = []

    async def connect(_self: object, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise OSError("no way out")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr("httpcore.AnyIOBackend.connect_tcp", connect)
    outbound = Outbound(timeout_seconds=3, most_bytes=100, private_addresses=False)
    with pytest.raises(OutboundError, match="No connection"):
        await outbound.get(f"https://id.example:{server.port}/keys")
    assert (asked, connected) == (["id.example"], ["93.184.216.34"])
    # Of several addresses each has to be public.
    monkeypatch.setattr(socket, "getaddrinfo", partial(_several, ["93.184.216.34", "10.0.0.1"]))
    with pytest.raises(OutboundError, match="not of the public"):
        await outbound.get("https://id.example/keys")


def _several(addresses: list[str], _host: str, port: int, *_: Any, **__: Any) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


async def test_a_certificate_of_another_name_or_of_nobody_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbound = Outbound(timeout_seconds=3, most_bytes=10_000, private_addresses=True)
    for name, is_trusted in (("other.example", True), ("localhost", False)):
        async with key_server(tmp_path, showing(FIRST), name) as server:
            if is_trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
            else:
                monkeypatch.delenv("SSL_CERT_FILE")
            with pytest.raises(OutboundError, match="certificate"):
                await outbound.get(server.url)
            assert server.requests == []


async def test_nobody_listening_is_a_failure_like_any_other() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        outbound = Outbound(timeout_seconds=3, most_bytes=100, private_addresses=True)
        with pytest.raises(OutboundError, match="No connection") as refused:
            await outbound.get(f"https://localhost:{free.getsockname()[1]}/keys")
        assert refused.value.reason == "connection"
