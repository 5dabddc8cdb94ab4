"""Who is connected, and ending or extending that."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from notify.api.access import Access, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import delete, get, post
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.messages import CursorText, Limit
from notify.api.parts import clock_of
from notify.api.routes import route
from notify.core.errors import InvalidError, NotFoundError
from notify.core.text import UserId
from notify.live.registry import Registry
from notify.store.many import InboxKey
from notify.store.sessions import LiveSession, Presence, Sessions

__all__ = ("PresenceController", "RefreshController", "SessionsController")


class PresenceQuery(Struct, frozen=True, forbid_unknown_fields=True):
    user_id: Annotated[
        list[UserId], Meta(min_length=1, max_length=100, description="Whose; may be given several times.")
    ]


class PresenceAnswer(Struct, frozen=True):
    """In the order they were asked for."""

    items: list[Presence]


class SessionsQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    user_id: UserId
    limit: Limit = 20
    cursor: CursorText | None = None


class SessionsOf(Struct, frozen=True, forbid_unknown_fields=True):
    user_id: UserId


class SessionsPage(Struct, frozen=True):
    items: list[LiveSession]
    next_cursor: str | None


class RefreshBody(Struct, frozen=True, forbid_unknown_fields=True):
    session: Annotated[UUID, Meta(description="As the first `inbox` event, `welcome` or `token` named it.")]


class RefreshAnswer(Struct, frozen=True):
    """Until when the connection stays open now. Null for one that was opened with an API key: it has no end."""

    session: UUID
    expires_at: datetime | None


class PresenceController(Controller):
    path = "/v1/presence"
    tags = ("Sessions",)

    @get(
        "/",
        operation_id="getPresence",
        summary="Who of these users is online",
        opt=route(Access.INBOX_KEY, answer=PresenceAnswer, query=PresenceQuery),
    )
    async def presence(self, request: Request[Any, Any, Any], sessions: NamedDependency[Sessions]) -> Answer:
        """Over all processes of the service. The connections of a process that was killed count for a while longer, as
        NOTIFY_PRESENCE_SECONDS says.
        """
        query = read_query(request, PresenceQuery)
        return json_answer(PresenceAnswer(await sessions.presence(caller_of(request).app_id, query.user_id)))


class SessionsController(Controller):
    path = "/v1/sessions"
    tags = ("Sessions",)

    @get(
        "/",
        operation_id="listSessions",
        summary="List a user's live connections",
        opt=route(Access.INBOX_KEY, answer=SessionsPage, query=SessionsQuery),
    )
    async def list_(self, request: Request[Any, Any, Any], sessions: NamedDependency[Sessions]) -> Answer:
        """Over all processes of the service, oldest first."""
        query = read_query(request, SessionsQuery)
        after = None if query.cursor is None else _session_id(query.cursor)
        found = await sessions.of_user(caller_of(request).app_id, query.user_id, query.limit + 1, after)
        shown = found[: query.limit]
        return json_answer(SessionsPage(shown, str(shown[-1].id) if len(found) > query.limit else None))

    @delete(
        "/{session_id:uuid}",
        operation_id="revokeSession",
        summary="End a live connection",
        status_code=204,
        opt=route(Access.INBOX_KEY, status=204, problems=(NotFoundError,), audited=True),
    )
    async def revoke(
        self, request: Request[Any, Any, Any], session_id: FromPath[UUID], registry: NamedDependency[Registry]
    ) -> None:
        """Within a second it ends with `bye` `revoked`, whichever process holds it. The token stays good: with it the
        client may connect again.
        """
        read_query(request, NoQuery)
        await registry.revoke(caller_of(request).app_id, session_id)

    @delete(
        "/",
        operation_id="revokeSessions",
        summary="End all live connections of a user",
        status_code=204,
        opt=route(Access.INBOX_KEY, status=204, query=SessionsOf, audited=True),
    )
    async def revoke_all(self, request: Request[Any, Any, Any], registry: NamedDependency[Registry]) -> None:
        """Within a second those they have by now end with `bye` `revoked`, whichever process holds them. Their tokens
        stay good: with those they may connect again.
        """
        query = read_query(request, SessionsOf)
        await registry.revoke_user(InboxKey(caller_of(request).app_id, query.user_id))


class RefreshController(Controller):
    path = "/v1/stream/refresh"
    tags = ("Live",)

    @post(
        "/",
        operation_id="refreshStream",
        summary="Extend a live connection with a fresh token",
        status_code=200,
        opt=route(
            Access.USER,
            answer=RefreshAnswer,
            body=RefreshBody,
            examples={"A stream": {"session": "01996b5e-8d3c-7c9a-b1f0-3a9e5d2c7f41"}},
            problems=(NotFoundError,),
        ),
    )
    async def refresh(
        self,
        request: Request[Any, Any, Any],
        registry: NamedDependency[Registry],
    ) -> Answer:
        """The connection stays open until this call's token runs out, or for as long as it could anyway. It has to be
        the same user's. A WebSocket may send `auth` instead.
        """
        read_query(request, NoQuery)
        asked = await read_body(request, RefreshBody)
        caller = caller_of(request)
        assert caller.user_id is not None  # noqa: S101 - Access.USER has seen to it
        assert caller.expires_at is not None  # noqa: S101 - every token has an end
        key = InboxKey(caller.app_id, caller.user_id)
        by = caller.credential(clock_of(request).now().timestamp())
        expires_at = await registry.extend(key, asked.session, caller.expires_at, by)
        return json_answer(RefreshAnswer(asked.session, expires_at))


def _session_id(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError as error:
        raise InvalidError.at("cursor", "Send a `next_cursor` exactly as a list gave it.") from error
