"""What every request gets, known route or not: an id, a deadline for its body, a log line, a place in the metrics."""

import asyncio
import re
import time
from typing import Any
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from notify.core.errors import BodyTooSlowError
from notify.live.transport import TRANSPORT, transport_of
from notify.metrics import Metrics

__all__ = ("Envelope",)

log = structlog.get_logger("notify.request")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{1,128}")
_UNMATCHED = "(none)"


class Envelope:
    def __init__(self, app: ASGIApp, metrics: Metrics, *, body_timeout_seconds: float) -> None:
        self._app = app
        self._metrics = metrics
        self._body_timeout_seconds = body_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        scope["state"][TRANSPORT] = transport_of(send)
        status = 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, self._in_time(receive), send_named)
            finally:
                self._record(scope, status, time.perf_counter() - started)

    def _in_time(self, receive: Receive) -> Receive:
        """`receive`, with a deadline for the whole body. What comes after it, a disconnect, has none."""
        deadline = asyncio.get_running_loop().time() + self._body_timeout_seconds
        complete = False

        async def receive_in_time() -> Any:
            nonlocal complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise BodyTooSlowError from error
            complete = message["type"] != "http.request" or not message["more_body"]
            return message

        return receive_in_time

    def _record(self, scope: Any, status: int, seconds: float) -> None:
        route = scope.get("path_template") or _UNMATCHED
        method = scope["method"] if route != _UNMATCHED else "*"
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.request_seconds.labels(method, route).observe(seconds)
        caller = scope.get("auth")
        log.info(
            "request",
            action="request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            app=getattr(caller, "app_id", None),
        )


def _request_id(scope: Any) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            given: str = value.decode()
            return given
    return uuid4().hex
