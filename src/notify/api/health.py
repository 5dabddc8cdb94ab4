"""Whether the process lives, whether it can serve, and its figures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from litestar import Controller, Response
from litestar.connection import Request
from litestar.di import NamedDependency
from msgspec import Struct

from notify import __version__
from notify.api.access import Access
from notify.api.answers import Answer, json_answer
from notify.api.handlers import get
from notify.api.inputs import NoQuery, read_query
from notify.api.routes import route
from notify.core.errors import DatabaseAwayError, ProblemError
from notify.live.hub import Hub
from notify.live.listener import Listener
from notify.live.roster import Roster
from notify.metrics import Metrics
from notify.store.database import Database
from notify.store.outbox import Outbox

__all__ = ("HealthController", "Readiness")

_CHECK_SECONDS = 2.0


class Component(Struct, frozen=True):
    """`critical` says whether the service can serve without it."""

    name: str
    status: Literal["up", "down"]
    critical: bool
    latency_ms: float | None
    detail: str | None = None


class Ready(Struct, frozen=True):
    status: Literal["ready", "not ready"]
    components: list[Component]


class Live(Struct, frozen=True):
    status: Literal["live"]
    version: str


class Readiness:
    """What has to be there for the service to serve, and what it can do without for a while."""

    def __init__(self, database: Database, listener: Listener, roster: Roster) -> None:
        self._database = database
        self._listener = listener
        self._roster = roster

    async def check(self) -> Ready:
        components = [await self._component("database", self._ask_database), self._listening(), self._staying()]
        ready = all(component.status == "up" or not component.critical for component in components)
        return Ready("ready" if ready else "not ready", components)

    async def _component(self, name: str, ask: Callable[[], Awaitable[None]]) -> Component:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await ask()
        except (ProblemError, TimeoutError):
            return Component(name, "down", critical=True, latency_ms=None, detail=DatabaseAwayError.title)
        return Component(name, "up", critical=True, latency_ms=round((time.perf_counter() - started) * 1000, 2))

    async def _ask_database(self) -> None:
        async with self._database.connection(_CHECK_SECONDS) as connection:
            await connection.fetchval("SELECT 1")

    def _staying(self) -> Component:
        if self._roster.is_draining:
            return Component("service", "down", critical=True, latency_ms=None, detail="The service is stopping.")
        return Component("service", "up", critical=True, latency_ms=None)

    def _listening(self) -> Component:
        # Without it the database is still polled, so what is rung arrives later, not never.
        if self._listener.connected:
            return Component("listener", "up", critical=False, latency_ms=None)
        return Component(
            "listener", "down", critical=False, latency_ms=None, detail="Not listening; the database is polled instead."
        )


class HealthController(Controller):
    tags = ("Operations",)

    @get(
        "/health/live",
        operation_id="live",
        summary="Whether the process lives",
        opt=route(Access.PUBLIC, answer=Live, touches_database=False),
    )
    async def live(self, request: Request[Any, Any, Any]) -> Answer:
        read_query(request, NoQuery)
        return json_answer(Live("live", __version__))

    @get(
        "/health/ready",
        operation_id="ready",
        summary="Whether the service can serve",
        opt=route(Access.PUBLIC, answer=Ready, statuses_too=(503,), touches_database=False),
    )
    async def ready(self, request: Request[Any, Any, Any], readiness: NamedDependency[Readiness]) -> Answer:
        """200 or 503, with each component's state."""
        read_query(request, NoQuery)
        ready = await readiness.check()
        return json_answer(ready, status=200 if ready.status == "ready" else 503)

    @get(
        "/metrics",
        operation_id="metrics",
        summary="Figures for Prometheus",
        opt=route(Access.PUBLIC, answer=str, media_type=Metrics.content_type, touches_database=False),
    )
    async def metrics(
        self,
        request: Request[Any, Any, Any],
        metrics: NamedDependency[Metrics],
        database: NamedDependency[Database],
        outbox: NamedDependency[Outbox],
        hub: NamedDependency[Hub],
    ) -> Response[bytes]:
        read_query(request, NoQuery)
        in_use, open_ = database.connections
        metrics.pool_connections.labels("in_use").set(in_use)
        metrics.pool_connections.labels("idle").set(open_ - in_use)
        hub.measure()
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await outbox.measure()
        except (DatabaseAwayError, TimeoutError):
            # A scrape is worth most when the database is away; the outbox keeps its last figures.
            pass
        return Response(metrics.exposition(), media_type=metrics.content_type, headers={"Cache-Control": "no-store"})
