"""What every request gets, known route or not: an id, a deadline for its body, a log line, a place in the metrics.

A WebSocket is a request too, answered with 101 or with a problem.
"""

import asyncio
import re
import time
from typing import Any
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from notify.api.problems import as_problem, refuse_handshake
from notify.core.errors import BodyTooSlowError, InternalError, NotFoundError, ProblemError
from notify.live.transport import TRANSPORT, transport_of
from notify.metrics import Metrics

__all__ = ("Envelope", "keep_failure")

log = structlog.get_logger("notify.request")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{1,128}")
_UNMATCHED = "(none)"
_FAILURE = "failure"
_SWITCHING_PROTOCOLS = 101


class Envelope:
    def __init__(self, app: ASGIApp, metrics: Metrics, *, body_timeout_seconds: float) -> None:
        self._app = app
        self._metrics = metrics
        self._body_timeout_seconds = body_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {ScopeType.HTTP, ScopeType.WEBSOCKET}:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        scope["state"][TRANSPORT] = transport_of(send)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            if scope["type"] == ScopeType.HTTP:
                await self._answer(scope, receive, send, request_id)
            else:
                await self._open(scope, receive, send, request_id)

    async def _answer(self, scope: Any, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 500

        async def send_named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, self._in_time(receive), send_named)
        finally:
            self._record(scope, scope["method"], status, time.perf_counter() - started)

    async def _open(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        started = time.perf_counter()
        status = 0

        async def send_named(message: Any) -> None:
            nonlocal status
            if message["type"] == "websocket.accept":
                status = _SWITCHING_PROTOCOLS
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            elif message["type"] == "websocket.http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            elif message["type"] == "websocket.close" and not status:
                # All that Litestar says of what fails before a handler has accepted.
                await refuse_handshake(send_named, _problem_before_acceptance(scope), request_id)
                return
            await send(message)

        try:
            await self._app(scope, receive, send_named)
        except OSError:
            pass  # The client left meanwhile.
        except Exception:
            log.exception("a WebSocket failed in an unforeseen way", action="socket_failed")
        finally:
            self._record(scope, "WEBSOCKET", status, time.perf_counter() - started)

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

    def _record(self, scope: Any, method: str, status: int, seconds: float) -> None:
        route = scope.get("path_template") or _UNMATCHED
        shown = method if route != _UNMATCHED else "*"
        self._metrics.requests.labels(shown, route, str(status)).inc()
        self._metrics.request_seconds.labels(shown, route).observe(seconds)
        caller = scope.get("auth")
        log.info(
            "request",
            action="request",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            app=getattr(caller, "app_id", None),
        )


def _problem_before_acceptance(scope: Any) -> ProblemError:
    failure = scope["state"].get(_FAILURE)
    if failure is None:
        return InternalError()
    # Where a path is there, but not for WebSockets, Litestar speaks of a bad request.
    return NotFoundError() if isinstance(failure.__cause__, KeyError) else as_problem(failure)


def keep_failure(error: Exception, scope: Scope) -> None:
    """A hook for Litestar, which passes on little of what fails before a WebSocket is accepted."""
    scope["state"][_FAILURE] = error


def _request_id(scope: Any) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            given: str = value.decode()
            return given
    return uuid4().hex
