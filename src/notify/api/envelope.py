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
from litestar.types import ASGIApp, Receive, Scope, Send

from notify.api.problems import as_problem, refuse_handshake
from notify.core.errors import BodyTooSlowError, InternalError, NotFoundError, ProblemError
from notify.live.transport import SERVE, TRANSPORT, transport_of
from notify.metrics import Metrics

__all__ = ("Envelope", "keep_failure")

log = structlog.get_logger("notify.request")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{1,128}")
_UNMATCHED = "(none)"
_FAILURE = "failure"
_SWITCHING_PROTOCOLS = 101
_BEGINNINGS = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_KEPT = ("type", "method", "path", "path_template", "auth")


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
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state[TRANSPORT] = transport_of(send)
        # Never unbound: a request has a task of its own, and a live connection stays in it for long.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        named = _Named(scope, send, request_id)
        try:
            if scope["type"] == ScopeType.HTTP:
                await self._app(scope, self._in_time(receive), named)
            else:
                await self._open(scope, receive, named)
            serve = state.pop(SERVE, None)
            if serve is not None:
                _strip(scope)
                await serve(receive, send)
        finally:
            self._record(scope, named.status, time.perf_counter() - started)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except OSError:
            pass  # The client left meanwhile.
        except Exception:
            log.exception("a WebSocket failed in an unforeseen way", action="socket_failed")

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
        method = scope.get("method", "WEBSOCKET")
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


class _Named:
    """`send`, which names the request in its answer and remembers how that began."""

    __slots__ = ("_request_id", "_scope", "_send", "status")

    def __init__(self, scope: Any, send: Send, request_id: str) -> None:
        self._scope = scope
        self._send = send
        self._request_id = request_id
        self.status = 500 if scope["type"] == ScopeType.HTTP else 0

    async def __call__(self, message: Any) -> None:
        kind = message["type"]
        if kind in _BEGINNINGS:
            self.status = message.get("status", _SWITCHING_PROTOCOLS)
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id.encode())]
        elif kind == "websocket.close" and not self.status:
            # All that Litestar says of what fails before a handler has accepted.
            await refuse_handshake(self, _problem_before_acceptance(self._scope), self._request_id)
            return
        await self._send(message)


def _strip(scope: Any) -> None:
    """What a live connection does not need any more is not kept for as long as it stays."""
    kept = {name: scope[name] for name in _KEPT if name in scope}
    scope.clear()
    scope |= kept


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
