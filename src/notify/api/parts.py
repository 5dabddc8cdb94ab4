"""What answers a request. The routes are the same for every service and are built once; a request brings the parts of
the service that it came to.
"""

from collections.abc import Mapping
from typing import Any

from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.types import Scope

from notify.core.clock import Clock
from notify.settings import Settings

__all__ = ("PARTS", "PART_NAMES", "clock_of", "parts_of", "providers", "settings_of")

PARTS = "parts"
"""Where they are in a request's state."""

PART_NAMES = frozenset(
    {
        "addresses",
        "admission",
        "apps",
        "audit",
        "authenticator",
        "broadcasts",
        "bulk_marks",
        "clock",
        "database",
        "demo",
        "devices",
        "erasing",
        "exports",
        "hub",
        "keys",
        "inboxes",
        "jwks",
        "jwks_fetching",
        "known",
        "metrics",
        "outbox",
        "parts",
        "policies",
        "probing",
        "publications",
        "rate_limits",
        "readiness",
        "receipts",
        "registry",
        "revoked",
        "roster",
        "scheduled",
        "sessions",
        "settings",
        "socket_parts",
        "subscriptions",
        "tickets",
        "topics",
        "writer",
    }
)
"""What a handler may ask for by the name of an argument."""


def parts_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = connection.scope["state"][PARTS]
    return found


def settings_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Settings:
    settings: Settings = parts_of(connection)["settings"]
    return settings


def clock_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Clock:
    clock: Clock = parts_of(connection)["clock"]
    return clock


def providers() -> dict[str, Provide]:
    return {name: Provide(_from_request(name), sync_to_thread=False) for name in PART_NAMES}


def _from_request(name: str) -> Any:
    def provide(scope: Scope) -> Any:
        return scope["state"][PARTS][name]

    return provide
