"""By which names the service may be called, where a setting says so.

A page whose own name was made to point here (DNS rebinding) would otherwise be of the same origin as the service.
"""

from collections.abc import Collection
from typing import Literal

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from notify.api.problems import refuse
from notify.core.errors import MisdirectedError
from notify.core.names import Hosts

__all__ = ("checking_hosts",)

_FOR_ANY_HOST = frozenset({"/health/live", "/health/ready", "/metrics"})
"""What probes and scrapes ask for by address. It tells nothing about anybody."""


def checking_hosts(app: ASGIApp, names: Collection[str]) -> ASGIApp:
    """The same application, for requests to these hosts only; for all of them if none is named."""
    if not names:
        return app
    hosts = Hosts(names)

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in _FOR_ANY_HOST or _host_of(scope) in hosts:
            await app(scope, receive, send)
            return
        kind: Literal["http", "websocket"] = "http" if scope["type"] == ScopeType.HTTP else "websocket"
        await refuse(kind, send, MisdirectedError(), scope["state"]["request_id"])

    return check


def _host_of(scope: Scope) -> str:
    """Empty unless there is exactly one: of two, a proxy in front may have believed the other."""
    given = [value for name, value in scope["headers"] if name == b"host"]
    return given[0].decode("latin-1") if len(given) == 1 else ""
