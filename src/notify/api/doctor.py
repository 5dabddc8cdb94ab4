"""What `/doctor` measures a visitor's path with. It asks for no credential, tells nothing but what the visitor's own
requests look like from here, and holds only so many connections for only so long.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from litestar import websocket
from litestar.connection import Request, WebSocket
from litestar.di import NamedDependency
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta, Struct

from notify import __version__
from notify.api.access import Access, Connection
from notify.api.addresses import address_of, source_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import get
from notify.api.inputs import header, read_query
from notify.api.parts import clock_of, settings_of
from notify.api.routes import route
from notify.api.socket import turn_away
from notify.core.errors import NotFoundError, OverloadedError, ProblemError
from notify.core.names import ANY_ORIGIN, Origins
from notify.live.roster import Roster
from notify.live.sse import STREAM_HEADERS

__all__ = ("Probing", "look", "probe_socket", "probe_stream")

_MOST = 32
_MOST_PER_SOURCE = 6
_TICKS = 6
_TICK_SECONDS = 0.2
_LONGEST_SECONDS: Final = 180
_STEP_SECONDS = 1.0
_COOKIE = "notify_doctor"
_BEGINNINGS = frozenset({"http.request", "websocket.connect"})


class Probing:
    """The places for connections that only measure."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._taken: Counter[Any] = Counter()

    @property
    def is_over(self) -> bool:
        """Nobody's measurement delays the end of the service."""
        return self._roster.is_draining

    def check(self, source: Any) -> None:
        if self._taken.total() >= _MOST or (source is not None and self._taken[source] >= _MOST_PER_SOURCE):
            raise OverloadedError("Enough is being measured at this moment; try again in a few minutes.")

    @contextmanager
    def place(self, source: Any) -> Iterator[None]:
        self._taken[source] += 1
        try:
            yield
        finally:
            self._taken[source] -= 1
            self._taken += Counter()  # forgets those that are back at none


class LookQuery(Struct, frozen=True, forbid_unknown_fields=True):
    origin: Annotated[str, Meta(max_length=255, description="Of a page: may it call the service?")] | None = None


class ProbeQuery(Struct, frozen=True, forbid_unknown_fields=True):
    silence: Annotated[
        int,
        Meta(ge=0, le=_LONGEST_SECONDS, description="Say nothing for so many seconds, in place of six events in one."),
    ] = 0


class OriginSeen(Struct, frozen=True):
    origin: str
    is_allowed: bool
    with_cookies: bool


class Look(Struct, frozen=True):
    """A request as it arrived."""

    version: str
    now: datetime
    host: str | None
    address: Annotated[str | None, Meta(description="The visitor's, as far as the service can tell.")]
    is_forwarded: Annotated[bool, Meta(description="Whether a proxy says that it stands between.")]
    trusts_proxies: Annotated[bool, Meta(description="Whether NOTIFY_TRUSTED_PROXIES names any.")]
    scheme: Annotated[str | None, Meta(description="What the proxy says it was called by.")]
    has_cookie: Annotated[bool, Meta(description="Whether the cookie of the answer before came back.")]
    keep_alive_seconds: float
    heartbeat_seconds: int
    origin: Annotated[OriginSeen | None, Meta(description="What NOTIFY_CORS_ORIGINS says of the one asked about.")]


@get(
    "/doctor/look",
    operation_id="look",
    summary="A request, as the service sees it",
    tags=["Documentation"],
    opt=route(Access.PUBLIC, answer=Look, query=LookQuery, problems=(NotFoundError,), touches_database=False),
)
async def look(request: Request[Any, Any, Any]) -> Answer:
    """For `/doctor`. Nothing here is of anybody but the visitor."""
    query = read_query(request, LookQuery)
    settings = _settings_with_doctor(request)
    address = address_of(request)
    seen = Look(
        __version__,
        clock_of(request).now(),
        header(request, b"host"),
        None if address is None else str(address),
        any(name in {b"x-forwarded-for", b"forwarded"} for name, _ in request.scope["headers"]),
        bool(settings.trusted_proxies),
        header(request, b"x-forwarded-proto"),
        _COOKIE in request.cookies,
        settings.keep_alive_seconds,
        settings.heartbeat_seconds,
        None if query.origin is None else _origin_seen(query.origin, settings.cors_origins),
    )
    cookie = f"{_COOKIE}=1; Path=/doctor; Max-Age=60; HttpOnly; SameSite=Strict"
    return json_answer(seen, headers=[(b"set-cookie", cookie.encode())])


def _origin_seen(origin: str, allowed: list[str]) -> OriginSeen:
    if ANY_ORIGIN in allowed:
        return OriginSeen(origin, is_allowed=True, with_cookies=False)
    is_allowed = origin in Origins(allowed)
    return OriginSeen(origin, is_allowed, is_allowed)


class _Tick(Struct, frozen=True):
    ms: int


class _Probe:
    """A stream that ends by itself: events at known times, or silence between two."""

    def __init__(self, probing: Probing, source: Any, silence: int) -> None:
        self._probing = probing
        self._source = source
        self._pauses = [float(silence)] if silence else [_TICK_SECONDS] * (_TICKS - 1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        with self._probing.place(self._source):
            await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
            begun = time.monotonic()
            for pause in (0.0, *self._pauses):
                if pause and await _is_over(receive, pause, self._probing):
                    break
                await send({"type": "http.response.body", "body": _tick(begun), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _tick(begun: float) -> bytes:
    return b"event: tick\ndata: %b\n\n" % msgspec.json.encode(_Tick(round((time.monotonic() - begun) * 1000)))


@get(
    "/doctor/stream",
    operation_id="probeDelay",
    summary="Events at known times",
    media_type="text/event-stream",
    tags=["Documentation"],
    opt=route(
        Access.PUBLIC,
        answer=str,
        query=ProbeQuery,
        media_type="text/event-stream",
        problems=(NotFoundError, OverloadedError),
        touches_database=False,
    ),
)
async def probe_stream(request: Request[Any, Any, Any], probing: NamedDependency[Probing]) -> ASGIApp:
    """For `/doctor`: six events, a fifth of a second apart, each with the milliseconds since the first; or two with
    silence between. Who gets them later than that has something in between that holds them back.
    """
    query = read_query(request, ProbeQuery)
    _settings_with_doctor(request)
    source = source_of(request)
    probing.check(source)
    return _Probe(probing, source, query.silence)


@websocket("/doctor/socket", opt={"access": Access.PUBLIC})
async def probe_socket(socket: WebSocket[Any, Any, Any], probing: NamedDependency[Probing]) -> None:
    """Says that it is open, and then nothing."""
    source = source_of(socket)
    try:
        _settings_with_doctor(socket)
        probing.check(source)
    except ProblemError as problem:
        await turn_away(socket.scope, socket.send, problem)
        return
    with probing.place(source):
        await socket.send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        await socket.send({"type": "websocket.send", "text": "open", "bytes": None})
        await _is_over(socket.receive, _LONGEST_SECONDS, probing)
        await socket.send({"type": "websocket.close", "code": 1000, "reason": "enough"})


async def _is_over(receive: Receive, seconds: float, probing: Probing) -> bool:
    """Whether the visitor left or spoke, or the service stops, before so much time has passed."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if probing.is_over:
            return True
        try:
            # What somebody else takes is real time.
            async with asyncio.timeout(min(left, _STEP_SECONDS)):
                if (await receive())["type"] not in _BEGINNINGS:
                    return True
        except TimeoutError:
            continue
    return False


def _settings_with_doctor(connection: Connection) -> Any:
    settings = settings_of(connection)
    if not settings.doctor:
        raise NotFoundError
    return settings
