"""Tickets: what a browser opens a live connection with, where it can set no header and a token in a URL is too much."""

from datetime import timedelta
from typing import Annotated, Any

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from msgspec import Meta

from notify.api.access import Access, caller_of, inbox_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import post
from notify.api.inputs import NoQuery, header, read_body, read_query
from notify.api.messages import Owner
from notify.api.parts import clock_of, settings_of
from notify.api.routes import route
from notify.core.errors import InvalidError
from notify.core.identity import Caller
from notify.store.tickets import Endpoint, Ticket, Tickets

__all__ = ("TicketsController",)

_LONGEST_ORIGIN = 255


class TicketBody(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    endpoint: Annotated[Endpoint, Meta(description="What it opens: `GET /v1/stream` or the WebSocket `/v1/ws`.")] = (
        "stream"
    )
    origin: (
        Annotated[
            str,
            Meta(
                max_length=_LONGEST_ORIGIN,
                pattern=r"^https?://[!-)+-.0-~]+$(?!\n)",
                description="From a backend: the origin of the page that will bring it, as browsers write it. A page "
                "that asks for itself has its own `Origin` put in.",
                examples=["https://shop.example"],
            ),
        ]
        | None
    ) = None


class TicketsController(Controller):
    path = "/v1/tickets"
    tags = ("Live",)

    @post(
        "/",
        operation_id="createTicket",
        summary="Make a ticket that opens one live connection",
        opt=route(
            Access.READ,
            status=201,
            answer=Ticket,
            body=TicketBody,
            body_optional=True,
            examples={
                "With a user's token": {"endpoint": "websocket"},
                "From a backend": {"user_id": "alice", "endpoint": "stream", "origin": "https://shop.example"},
            },
        ),
    )
    async def create(self, request: Request[Any, Any, Any], tickets: NamedDependency[Tickets]) -> Answer:
        """For `?ticket=` on `GET /v1/stream` or `/v1/ws`: once, within 30 seconds, by any process, and only from the
        origin that asked for it, where one was named.

        Made with a user's token it may do what the token may, ends when that ends, and is refused once that is revoked.
        Made with an API key it has the scope `inbox`, and the connection lasts as long as a token would
        (NOTIFY_TOKEN_TTL_SECONDS), but no longer than the key. A spent one is answered with `bye` `auth`.
        """
        read_query(request, NoQuery)
        asked = await read_body(request, TicketBody, default=TicketBody())
        app_id, user_id = inbox_of(request, asked.user_id)
        caller = caller_of(request)
        origin = _origin_of(request, caller, asked.origin)
        if caller.user_id is None:
            lasts = timedelta(seconds=settings_of(request).token_ttl_seconds)
            now = clock_of(request).now()
            ends_at = (now + lasts).timestamp()
            holder = Caller(
                app_id,
                frozenset({"inbox"}),
                user_id=user_id,
                key_id=caller.key_id,
                expires_at=ends_at if caller.expires_at is None else min(ends_at, caller.expires_at),
                issued_at=now.timestamp(),
            )
        else:
            holder = caller
        return json_answer(await tickets.make(holder, asked.endpoint, origin), status=201)


def _origin_of(request: Request[Any, Any, Any], caller: Caller, named: str | None) -> str | None:
    own = header(request, b"origin") or None
    if own is not None and len(own) > _LONGEST_ORIGIN:
        raise InvalidError.at("Origin", f"At most {_LONGEST_ORIGIN} characters.")
    if named is not None and caller.user_id is not None and named != own:
        raise InvalidError.at("/origin", "Only a backend names another origin than its own; leave it out.")
    return named or own
