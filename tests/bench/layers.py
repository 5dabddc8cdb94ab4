"""What each layer between a socket and the database costs, in microseconds of this process's CPU time per request.

    python tests/bench/layers.py [--rounds 120]

The server's protocol object is fed requests by hand, 32 at a time, so that neither the kernel's sockets nor a load
generator are in the figures. Each is the least of twelve goes. Nothing is asserted here.
"""

import argparse
import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from litestar import Litestar, post
from litestar.connection import Request
from litestar.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from notify import logs
from notify.api.answers import json_answer
from notify.api.envelope import Envelope
from notify.api.protocol import HttpProtocol
from notify.api.transports import Transports
from notify.app import Service
from notify.cli.server import configured
from notify.core.api_keys import KeyProperties
from notify.core.notification import Create, content_of
from notify.live.feed import Follower
from notify.metrics import Metrics
from notify.settings import Settings
from notify.store.commands import CreateCommand, SendCommand, Sent, SentItem
from notify.store.many import InboxKey

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.processes import ADMIN_KEY
from support.servers import durable_server
from support.waiting import eventually

AT_A_TIME = 32
GOES = 12
USER = "user-17"
BODY = b'{"to":"user-17","title":"Build finished","data":{"ts":1732200000000}}'


class Wire(asyncio.Transport):
    """Keeps what was written last."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Protocol(HttpProtocol):
    on_done: Callable[[], None]

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.on_done()


class Group:
    """Connections that all send the same request, and again when all are answered."""

    def __init__(self, app: Any, settings: Settings) -> None:
        metrics = Metrics()
        config = configured(app, settings, metrics)
        config.load()
        transports = Transports(most=10_000, head_seconds=10, metrics=metrics)
        self._finished = asyncio.Event()
        self._left = 0
        self._all: list[tuple[Protocol, Wire]] = []
        for _ in range(AT_A_TIME):
            protocol, wire = self._protocol(config, transports), Wire()
            protocol.on_done = self._done
            protocol.connection_made(wire)
            self._all.append((protocol, wire))

    @staticmethod
    def _protocol(config: uvicorn.Config, transports: Transports) -> Protocol:
        return Protocol(config=config, server_state=ServerState(), app_state={}, transports=transports)

    def _done(self) -> None:
        self._left -= 1
        if not self._left:
            self._finished.set()

    async def go(self, request: bytes, rounds: int) -> float:
        """Microseconds per request."""
        started = time.process_time()
        for _ in range(rounds):
            self._left = AT_A_TIME
            self._finished.clear()
            for protocol, wire in self._all:
                wire.written = b""
                protocol.data_received(request)
            await self._finished.wait()
        return (time.process_time() - started) * 1e6 / rounds / AT_A_TIME

    @property
    def answer(self) -> bytes:
        return self._all[0][1].written


async def cost(app: Any, settings: Settings, request: bytes, status: int, rounds: int) -> float:
    group = Group(app, settings)
    await group.go(request, 20)
    if not group.answer.startswith(b"HTTP/1.1 %d " % status):
        raise SystemExit(f"expected {status}, got {group.answer[:200]!r}")
    gc.collect()
    gc.freeze()
    return min([await group.go(request, rounds) for _ in range(GOES)])


async def bare(_: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:  # type: ignore[typeddict-item]
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}", "more_body": False})


@post("/v1/notifications")
async def nothing(request: Request[Any, Any, Any]) -> ASGIApp:
    while (await request.receive())["more_body"]:  # type: ignore[typeddict-item]
        pass

    async def answer(_: Scope, __: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}", "more_body": False})

    return answer


@post("/v1/notifications")
async def in_one_piece(request: Request[Any, Any, Any]) -> ASGIApp:
    while (await request.receive())["more_body"]:  # type: ignore[typeddict-item]
        pass
    return json_answer({}, status=201)


def request(method: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"{method} /v1/notifications HTTP/1.1", "host: localhost", *headers]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Nobody(Follower):
    def wake(self) -> None:
        pass


async def measure(url: str, rounds: int) -> None:
    logs.configure("warning", "json")
    settings = Settings(
        database_url=url,
        admin_key=ADMIN_KEY,
        jwt_secret="s" * 32,
        key_requests_per_second=1e6,
        user_requests_per_second=1e6,
        recipient_creates_per_second=1e6,
    )

    async def show(what: str, app: Any, sent: bytes, status: int) -> None:
        sys.stdout.write(f"{await cost(app, settings, sent, status, rounds):8.1f} µs  {what}\n")
        sys.stdout.flush()

    service = Service(settings)
    quiet: dict[str, Any] = {"openapi_config": None, "logging_config": None}
    posted = request("POST", body=BODY)
    await show("uvicorn and a bare ASGI application", bare, posted, 201)
    await show("+ Litestar: `@post` that returns an ASGI callable", Litestar([nothing], **quiet), posted, 201)
    enveloped = Envelope(Litestar([in_one_piece], **quiet), {}, service.metrics, body_timeout_seconds=30)
    await show("+ envelope: id, deadline, metrics, answer in one piece", enveloped, posted, 201)
    async with service.running():
        await service.apps.create("bench", "Bench")
        key = await service.keys.create("bench", KeyProperties("bench", ["send", "inbox"]))
        token, _ = await service.authenticator.issue("default", USER, ["inbox"], timedelta(hours=1))
        create = request("POST", f"authorization: Bearer {key.key}", body=BODY)
        with_token = f"authorization: Bearer {token}"
        write = service.writer.create

        async def written_at_once(command: SendCommand) -> Sent:
            assert isinstance(command, CreateCommand)
            return Sent.of(command, [SentItem(command.recipients[0].id, USER, "3f9a1c7e2b.42")])

        service.writer.create = written_at_once  # type: ignore[method-assign]
        await show("+ guard with an API key, decoding, checks, answer", service.asgi, create, 201)
        service.writer.create = write  # type: ignore[method-assign]
        await show("+ writer: a durable create", service.asgi, create, 201)
        logs.configure("info", "json", Path(os.devnull).open("w"))  # noqa: ASYNC230, SIM115 - to the end of the run
        await show("+ a line in the log", service.asgi, create, 201)
        logs.configure("warning", "json")

        content = content_of(Create(to=USER, title="Build finished", data={"ts": 1}), settings.limits)
        for _ in range(25):
            await service.writer.create(CreateCommand.to("default", [USER], content))
        await show("a list of 20, with a user's token", service.asgi, request("GET", with_token), 200)
        inbox = InboxKey("default", USER)
        service.hub.follow(inbox, Nobody())
        await eventually(lambda: service.hub.known(inbox) is not None and service.listener.is_hearing)
        tag = f'if-none-match: "{(await service.inboxes.state(*inbox)).position}"'
        await show("304 of an inbox that is followed", service.asgi, request("GET", with_token, tag), 304)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=120, help=f"of {AT_A_TIME} requests, twelve times")
    with durable_server() as server:
        uvloop.run(measure(server.url, parser.parse_args().rounds))


if __name__ == "__main__":
    main()
