"""Cross-origin requests: which pages of other origins a browser may let call the service."""

from collections.abc import Awaitable, Collection

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from notify.api.answering import answering
from notify.api.client import CLIENT_PATH
from notify.core.names import ANY_ORIGIN, Origins

__all__ = ("Cors",)

_VARY = (b"vary", b"Origin")
_EXPOSED = (
    b"access-control-expose-headers",
    b"ETag, Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID",
)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (
        b"access-control-allow-headers",
        (
            b"Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Notify-Position, X-API-Key,"
            b" X-Request-ID"
        ),
    ),
    (b"access-control-max-age", b"600"),
)
_FOR_ANYONE = ((b"access-control-allow-origin", ANY_ORIGIN.encode()),)
_Headers = tuple[tuple[bytes, bytes], ...]


class Cors:
    """Answers preflights, which carry no credential, and names the origin in every answer to a page that may read it.

    An origin that is not listed is refused nothing here: without these headers its browser keeps the answer from it.
    """

    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._takes_none = not origins
        self._takes_any = ANY_ORIGIN in origins
        self._origins = Origins(origins)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == ScopeType.HTTP and scope["path"].startswith(CLIENT_PATH):
            # The same for everyone, and a module is imported in no other way.
            answering(scope).headers += _FOR_ANYONE
            return self._app(scope, receive, send)
        if scope["type"] != ScopeType.HTTP or self._takes_none:
            return self._app(scope, receive, send)
        return self._check(scope, receive, send)

    async def _check(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        allowed = self._allowed(headers.get(b"origin"))
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            answer = [_VARY, *allowed, *_PREFLIGHT] if allowed else [_VARY]
            await send({"type": "http.response.start", "status": 204, "headers": answer})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        answering(scope).headers += [_VARY, *allowed, _EXPOSED] if allowed else [_VARY]
        await self._app(scope, receive, send)

    def _allowed(self, origin: bytes | None) -> _Headers:
        if origin is None:
            return ()
        if self._takes_any:
            # Never with credentials: any page could then act as its visitor.
            return _FOR_ANYONE
        if origin.decode("latin-1") in self._origins:
            return ((b"access-control-allow-origin", origin), (b"access-control-allow-credentials", b"true"))
        return ()
