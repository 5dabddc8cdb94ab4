"""What the server says when it starts and when it stops."""

import traceback
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from litestar.types import ASGIApp

__all__ = ("Lifespan",)


class Lifespan:
    def __init__(self, app: ASGIApp, running: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._app = app
        self._running = running

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        return self._live(receive, send) if scope["type"] == "lifespan" else self._app(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        failed = "lifespan.startup.failed"
        try:
            async with self._running():
                await send({"type": "lifespan.startup.complete"})
                failed = "lifespan.shutdown.failed"
                await receive()
        except BaseException:
            await send({"type": failed, "message": traceback.format_exc()})
            raise
        await send({"type": "lifespan.shutdown.complete"})
