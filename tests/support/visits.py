"""Streams of a service in this process, without a socket: what its connections are told, and how they end."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlencode

from notify.app import Service
from support.processes import ADMIN
from support.streams import Block

__all__ = ("Visit", "visiting")

_SECONDS = 10.0
_OK = 200


class Visit:
    """One stream. Its client leaves at the end of the context; until then what the service sends is taken at once."""

    def __init__(self, service: Service, query: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        self._service = service
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/stream",
            "raw_path": b"/v1/stream",
            "root_path": "",
            "query_string": urlencode(query, doseq=True).encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "server": ("notify", 80),
            "client": ("127.0.0.1", 1),
            "state": {},
        }
        self._has_asked = False
        self._left = asyncio.Event()
        self._news = asyncio.Event()
        self.status = 0
        self.blocks: list[Block] = []
        self.is_over = False
        self.session = ""

    async def run(self) -> None:
        await self._service.asgi(self._scope, self._receive, self._send)  # type: ignore[arg-type]

    async def begun(self) -> "Visit":
        """The first counters name the session."""
        first = await self.the("inbox")
        self.session = first.json()["session"]
        return self

    def leave(self) -> None:
        self._left.set()

    async def the(self, event: str) -> Block:
        """The first of this kind."""
        return await self._wait(event)

    async def bye(self) -> str:
        """Why the stream has ended."""
        reason: str = (await self._wait("bye")).json()["reason"]
        return reason

    async def news(self) -> None:
        """Whatever comes next."""
        self._news.clear()
        async with asyncio.timeout(_SECONDS):
            await self._news.wait()

    def all(self, event: str) -> list[Block]:
        return [block for block in self.blocks if block.event == event]

    async def _wait(self, event: str) -> Block:
        async with asyncio.timeout(_SECONDS):
            while not (found := self.all(event)):
                await self.news()
        return found[0]

    async def _receive(self) -> dict[str, Any]:
        if not self._has_asked:
            self._has_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        assert not self.is_over, f"sent after its end: {message}"
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        if self.status != _OK:
            self.is_over = not message["more_body"]
            self._left.set()
            return
        self.blocks += (Block.parse(text) for text in message["body"].decode().split("\n\n") if text)
        self._news.set()
        if not message["more_body"]:
            self.is_over = True
            # As uvicorn does once everything has been sent.
            self._left.set()


@asynccontextmanager
async def visiting(
    service: Service, user_id: str = "alice", *, token: str | None = None, key: str | None = None, **query: Any
) -> AsyncIterator[Visit]:
    """A stream that has begun: with a user's token, with a ticket, with an API key, or with the admin key."""
    if token is not None:
        visit = Visit(service, query, {"Authorization": f"Bearer {token}"})
    elif "ticket" in query:
        visit = Visit(service, query, {})
    else:
        visit = Visit(service, {"user_id": user_id, **query}, ADMIN if key is None else {"X-API-Key": key})
    task = asyncio.create_task(visit.run())
    try:
        yield await visit.begun()
    finally:
        visit.leave()
        with suppress(asyncio.CancelledError):
            async with asyncio.timeout(_SECONDS):
                await task
