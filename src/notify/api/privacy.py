"""What is held about a user: handed out, and erased."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

import structlog
from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import Meta, Struct

from notify.api.access import Access, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.auditing import actor_of, note
from notify.api.handlers import delete, get
from notify.api.inputs import read_query
from notify.api.parts import settings_of
from notify.api.routes import route
from notify.core.errors import DatabaseAwayError
from notify.core.text import UserId
from notify.live.transport import dropping
from notify.store.erasing import Erasing
from notify.store.exporting import Export, Exports
from notify.store.many import InboxKey

__all__ = ("PrivacyController",)

log = structlog.get_logger(__name__)

OPERATION_HEADER = "Notify-Operation"
_NDJSON = "application/x-ndjson"
_ACCEPTED = 202


class UserQuery(Struct, frozen=True, forbid_unknown_fields=True):
    user_id: UserId


class ErasureAnswer(Struct, frozen=True):
    id: Annotated[UUID, Meta(description="Of the operation: `GET /v1/operations/{id}` says how far it is.")]


class PrivacyController(Controller):
    path = "/v1/users"
    tags = ("Privacy",)

    @get(
        "/export",
        operation_id="exportUser",
        summary="Export what is held about a user",
        media_type=_NDJSON,
        opt=route(Access.ADMIN, answer=str, query=UserQuery, media_type=_NDJSON, audited=True),
    )
    async def export(self, request: Request[Any, Any, Any], exports: NamedDependency[Exports]) -> ASGIApp:
        """One JSON object a line: the first says what follows, each of the others what it is (`record`), the last is
        `end`, so that an export that was cut off is known for one. The header `Notify-Operation` names the operation,
        which says how far it is. What changes meanwhile comes again.
        """
        query = read_query(request, UserQuery)
        caller = caller_of(request)
        export = await exports.begin(InboxKey(caller.app_id, query.user_id), actor_of(caller))
        note(request, operation_id=export.id)
        return _Streamed(export, settings_of(request).send_timeout_seconds)

    @delete(
        "/",
        operation_id="eraseUser",
        summary="Erase what is held about a user",
        status_code=_ACCEPTED,
        opt=route(Access.ADMIN, status=_ACCEPTED, answer=ErasureAnswer, query=UserQuery, audited=True),
    )
    async def erase(self, request: Request[Any, Any, Any], erasing: NamedDependency[Erasing]) -> Answer:
        """An operation, which any process carries on. The user's connections end, and a second later everything that is
        there by then is theirs no more; what arrives after that is kept as for any new user. Doing it again is fine.
        """
        query = read_query(request, UserQuery)
        caller = caller_of(request)
        id_ = await erasing.begin(InboxKey(caller.app_id, query.user_id), actor_of(caller))
        note(request, operation_id=id_)
        return json_answer(ErasureAnswer(id_), status=_ACCEPTED)


class _Streamed:
    """An export as it goes out: no page is read before the one before it was taken, none once the client has left."""

    def __init__(self, export: Export, send_timeout_seconds: float) -> None:
        self._export = export
        self._send_timeout_seconds = send_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [
            (b"content-type", _NDJSON.encode()),
            (b"cache-control", b"no-store"),
            (OPERATION_HEADER.lower().encode(), str(self._export.id).encode()),
        ]
        leaving = asyncio.create_task(_left(receive), name="export-left")
        try:
            async with self._export.running() as pages:
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                async for page in pages:
                    async with asyncio.timeout(self._send_timeout_seconds):
                        await send({"type": "http.response.body", "body": page, "more_body": True})
                    if leaving.done():
                        return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (DatabaseAwayError, TimeoutError) as error:
            # The answer has begun: that it does not end rightly is all that can be said.
            log.warning("an export was cut off", action="export_cut_off", cause=repr(error))
            dropping(scope)()
        finally:
            leaving.cancel()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
