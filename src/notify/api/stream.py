"""The door of the stream: who may enter, and where they begin."""

import random
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Controller, Response
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.types import ASGIApp
from msgspec import Meta

from notify.api.access import Access, Connection, caller_of, inbox_of, refusal_of
from notify.api.addresses import source_of
from notify.api.handlers import get, head
from notify.api.inputs import header, read_query
from notify.api.messages import Owner
from notify.api.parts import clock_of
from notify.api.routes import route
from notify.core.errors import OverloadedError
from notify.core.ids import uuid7
from notify.core.text import DeviceName, NotificationType
from notify.live.admission import Admission
from notify.live.connection import Parts, Start, Visitor
from notify.live.sse import STREAM_HEADERS, EventStream, Farewell
from notify.store.many import InboxKey

__all__ = ("STREAM_PATH", "LiveQuery", "StreamController", "StreamQuery", "come_back_later", "visitor_of")

STREAM_PATH: Final = "/v1/stream"

_COME_BACK_WITH_A_TOKEN_MS = 60_000
_BACK_SOON_MS = (1_000, 5_000)


class LiveQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a stream and a WebSocket are asked for alike."""

    last_event_id: Annotated[str, Meta(max_length=96, description="As the header `Last-Event-ID`.")] | None = None
    device: DeviceName | None = None
    start: Annotated[
        Literal["unread", "now"],
        Meta(description="Where to begin without a position: with the newest unread ones, or with what comes."),
    ] = msgspec.field(default="unread", name="from")
    token: Annotated[str, Meta(max_length=8192, description="A user's token, where no header can be set.")] | None = (
        None
    )
    ticket: (
        Annotated[str, Meta(max_length=100, description="In its place: opens one connection, see `POST /v1/tickets`.")]
        | None
    ) = None


class StreamQuery(LiveQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    types: Annotated[
        list[NotificationType], Meta(max_length=50, description="Only these types; may be given several times.")
    ] = msgspec.field(default_factory=list)


class StreamController(Controller):
    path = STREAM_PATH
    tags = ("Live",)

    @get(
        "/",
        operation_id="openStream",
        summary="Follow an inbox: Server-Sent Events",
        media_type="text/event-stream",
        opt=route(
            Access.READ,
            answer=str,
            query=StreamQuery,
            request_headers=("Last-Event-ID",),
            media_type="text/event-stream",
        )
        | {"opens_live": True},
    )
    async def stream(
        self,
        request: Request[Any, Any, Any],
        parts: NamedDependency[Parts],
        admission: NamedDependency[Admission],
    ) -> ASGIApp:
        """For a browser's `EventSource` or anything like it.

        Begins after `Last-Event-ID` where that is a position of this inbox, otherwise with the newest unread
        notifications; then shows every change as it is committed. An `id` is the position up to which everything has
        been sent.
        """
        query = read_query(request, StreamQuery)
        refusal = refusal_of(request)
        if refusal is not None:
            after = refusal.retry_after_seconds
            return Farewell("auth", _COME_BACK_WITH_A_TOKEN_MS) if after is None else come_back_later(after)
        if parts.roster.is_draining:
            return Farewell("shutdown", random.randint(*_BACK_SOON_MS))  # noqa: S311 - jitter
        visitor = visitor_of(request, query)
        try:
            admission.check(visitor.source)
        except OverloadedError:
            return come_back_later()
        given = (header(request, b"last-event-id"), query.last_event_id)
        start = Start(tuple(position for position in given if position), query.start)
        return EventStream(parts, visitor, start, frozenset(query.types))

    @head(
        "/",
        operation_id="probeStream",
        summary="Whether a stream could be opened",
        opt=route(Access.READ, query=StreamQuery),
    )
    async def probe(self, request: Request[Any, Any, Any]) -> Response[None]:
        """Opens none."""
        inbox_of(request, read_query(request, StreamQuery).user_id)
        return Response(None, headers={name.decode(): value.decode() for name, value in STREAM_HEADERS})


def come_back_later(after_seconds: int = 5) -> Farewell:
    """For whoever there is no room for. Not all of them at once, or there would be none again."""
    return Farewell("overload", random.randint(1000 * after_seconds, 6000 * after_seconds))  # noqa: S311 - jitter


def visitor_of(connection: Connection, query: LiveQuery) -> Visitor:
    caller = caller_of(connection)
    return Visitor(
        InboxKey(*inbox_of(connection, query.user_id)),
        str(uuid7()),
        caller.expires_at,
        query.device,
        caller.credential(clock_of(connection).now().timestamp()),
        source_of(connection),
    )
