"""The socket below ASGI, for the one thing ASGI has no word for: dropping a client that takes nothing any more."""

import asyncio
from collections.abc import Callable
from typing import Any

from litestar.types import Scope

__all__ = ("MORE", "TRANSPORT", "dropping", "transport_of")

TRANSPORT = "notify_transport"
MORE = "notify_more"
"""In a message to a WebSocket: more follows at once, so it need not leave alone. Other servers than ours ignore it."""


def transport_of(send: Any) -> asyncio.Transport | None:
    """Uvicorn's transport, where it is uvicorn whose `send` this is."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport if isinstance(transport, asyncio.Transport) or hasattr(transport, "abort") else None


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
