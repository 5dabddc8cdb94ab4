"""What every request gets, known route or not: an id, a deadline for its body, a log line, a place in the metrics.

A WebSocket is a request too, answered with 101 or with a problem.
"""

import asyncio
import re
import sys
import time
from collections.abc import Mapping
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from prometheus_client import Counter, Histogram

from notify.api.answering import ANSWERING, Answering
from notify.api.parts import PARTS
from notify.api.shedding import ALWAYS_ANSWERED, NO_ROOM, shed
from notify.core.errors import BodyTooSlowError
from notify.core.ids import request_id as new_request_id
from notify.live.awaiting import in_time
from notify.live.transport import SERVE, TRANSPORT, transport_of
from notify.metrics import Metrics

__all__ = ("Envelope",)

log = structlog.get_logger("notify.request")

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._\-]{1,128}")
_UNMATCHED = "(none)"
_KEPT = ("type", "method", "path", "path_template", "auth")


class Envelope:
    def __init__(
        self,
        app: ASGIApp,
        parts: Mapping[str, Any],
        metrics: Metrics,
        *,
        body_timeout_seconds: float,
        most_requests: int = 0,
    ) -> None:
        self._app = app
        self._parts = parts
        self._metrics = metrics
        self._body_timeout_seconds = body_timeout_seconds
        self._under_way = _UnderWay(most_requests, metrics)
        self._counted: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        """Metrics by method, route and status, of which there are only so many."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state[PARTS] = self._parts
        state[TRANSPORT] = transport_of(send)
        # Never unbound: a request has a task of its own, and a live connection stays in it for long.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        is_http = scope["type"] == ScopeType.HTTP
        answering = state[ANSWERING] = Answering(send, request_id, 500 if is_http else 0)
        under_way = self._under_way
        try:
            if under_way.has_no_room_for(scope):
                await shed(scope, receive, answering)
                return
            under_way.count += 1
            try:
                if is_http:
                    await self._app(scope, _InTime(receive, self._body_timeout_seconds, under_way), answering)
                else:
                    await self._open(scope, receive, answering)
            finally:
                under_way.count -= 1
            serve = state.pop(SERVE, None)
            if serve is not None:
                _strip(scope)
                await serve(receive, send)
        finally:
            # It holds the server's `send`, which holds the scope: a circle that would have to be collected.
            state.pop(ANSWERING, None)
            self._record(scope, answering.status, time.perf_counter() - started)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except OSError:
            pass  # The client left meanwhile.
        except Exception:
            log.exception("a WebSocket failed in an unforeseen way", action="socket_failed")

    def _record(self, scope: Any, status: int, seconds: float) -> None:
        method = scope.get("method", "WEBSOCKET")
        route = scope.get("path_template") or _UNMATCHED
        shown = method if route != _UNMATCHED else "*"
        counted = self._counted.get((shown, route, status))
        if counted is None:
            counted = self._counted[shown, route, status] = (
                self._metrics.requests.labels(shown, route, str(status)),
                self._metrics.request_seconds.labels(shown, route),
            )
        requests, request_seconds = counted
        requests.inc()
        request_seconds.observe(seconds)
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


class _UnderWay:
    """The requests that are being answered. One that waits for the rest of its body is not, or those who send nothing
    would keep out those who do. A live connection is a request until it has begun.
    """

    __slots__ = ("_limited", "_most", "count")

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most = most or sys.maxsize
        self._limited = metrics.limited
        self.count = 0
        metrics.requests_under_way.set_function(lambda: self.count)

    def has_no_room_for(self, scope: Any) -> bool:
        is_one_too_many = NO_ROOM in scope["state"]
        if (self.count < self._most and not is_one_too_many) or scope["path"] in ALWAYS_ANSWERED:
            return False
        self._limited.labels("sockets" if is_one_too_many else "requests-under-way").inc()
        return True


class _InTime:
    """`receive`, with a deadline for the whole body, set when there is first something to wait for. What comes after
    the body, a disconnect, has none.
    """

    __slots__ = ("_deadline", "_is_complete", "_is_waiting", "_receive", "_seconds", "_under_way")

    def __init__(self, receive: Receive, seconds: float, under_way: _UnderWay) -> None:
        self._receive = receive
        self._seconds = seconds
        self._under_way = under_way
        self._is_waiting = False
        self._deadline: float | None = None
        self._is_complete = False

    async def __call__(self) -> Any:
        if self._is_complete:
            return await self._receive()
        try:
            message = await in_time(self._next(), self._until)
        except TimeoutError as error:
            raise BodyTooSlowError from error
        finally:
            if self._is_waiting:
                self._is_waiting = False
                self._under_way.count += 1
        self._is_complete = message["type"] != "http.request" or not message["more_body"]
        return message

    async def _next(self) -> Any:
        return await self._receive()

    def _until(self) -> float:
        self._is_waiting = True
        self._under_way.count -= 1
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().time() + self._seconds
        return self._deadline


def _strip(scope: Any) -> None:
    """What a live connection does not need any more is not kept for as long as it stays."""
    kept = {name: scope[name] for name in _KEPT if name in scope}
    scope.clear()
    scope |= kept


def _request_id(scope: Any) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            given: str = value.decode()
            return given
    return new_request_id()
