"""What lies below ASGI, for what ASGI has no word for: dropping a client that takes nothing any more, writing bytes
that are framed already, and staying when all that opened a connection has been left.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.types import Receive, Scope, Send

__all__ = ("IN_CHUNKS", "MORE", "SERVE", "TRANSPORT", "Chunks", "dropping", "serve_later", "transport_of")

SERVE = "notify_serve"
TRANSPORT = "notify_transport"
MORE = "notify_more"
"""In a message to a WebSocket: more follows at once, so it need not leave alone. Other servers than ours ignore it."""

IN_CHUNKS = "notify_in_chunks"
"""In the beginning of an answer whose headers are ours and whose length is not known: its first part, to go with it."""

_OF_UVICORN = ("flow", "transport")


def transport_of(send: Any) -> asyncio.Transport | None:
    """Uvicorn's transport, where it is uvicorn whose `send` this is."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport if isinstance(transport, asyncio.Transport) or hasattr(transport, "abort") else None


class Chunks:
    """Where chunks of an HTTP/1.1 answer can be written without ASGI in between, which would frame each one anew."""

    __slots__ = ("_flow", "_transport")

    def __init__(self, flow: Any, transport: asyncio.Transport) -> None:
        self._flow = flow
        self._transport = transport

    @classmethod
    def of(cls, send: Send) -> "Chunks | None":
        """Once an answer has been started by uvicorn, in chunks; None under any other server."""
        cycle: Any = getattr(send, "__self__", None)
        is_known = getattr(cycle, "chunked_encoding", None) and all(hasattr(cycle, name) for name in _OF_UVICORN)
        return cls(cycle.flow, cycle.transport) if is_known else None

    def write(self, chunk: bytes) -> bool:
        """Whether it could be written at once. Not to be called any more once the answer is complete."""
        if self._flow.write_paused or self._transport.is_closing():
            return False
        self._transport.write(chunk)
        return True


def serve_later(scope: Scope, serve: Callable[[Receive, Send], Awaitable[None]]) -> None:
    """A live connection goes on when all that opened it has been left, and so holds nothing of that."""
    scope["state"][SERVE] = serve


def dropping(scope: Scope) -> Callable[[], None]:
    """How to drop this connection without waiting for what is still to be sent."""
    transport = scope.get("state", {}).get(TRANSPORT)
    if transport is not None:
        return transport.abort  # type: ignore[no-any-return]
    serving = asyncio.current_task()
    assert serving is not None  # noqa: S101 - ASGI applications run in tasks

    def end() -> None:
        serving.cancel()

    return end
