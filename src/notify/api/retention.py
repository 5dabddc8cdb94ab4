"""What an app says of how long its notifications stay."""

from typing import Annotated, Any

import msgspec
from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from notify.api.access import Access, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.auditing import note
from notify.api.handlers import delete, get, put
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.routes import route
from notify.core.text import NotificationType
from notify.store.policies import Policies, Policy, PolicyState

__all__ = ("RetentionController",)


class RetentionQuery(Struct, frozen=True, forbid_unknown_fields=True):
    type: (
        Annotated[NotificationType, Meta(description="Of this type; absent: of all that nothing else is said of.")]
        | None
    ) = None


class RetentionPage(Struct, frozen=True):
    items: list[PolicyState]
    next_cursor: None


class RetentionController(Controller):
    path = "/v1/retention"
    tags = ("Operations",)

    @put(
        "/",
        operation_id="setRetention",
        summary="Say how long notifications stay",
        opt=route(
            Access.ADMIN,
            answer=PolicyState,
            body=Policy,
            query=RetentionQuery,
            examples={
                "A month once it was read": {"read_days": 30},
                "Out of sight, and kept": {"read_days": 7, "unread_days": 90, "action": "archive"},
                "For ever": {"read_days": 0, "unread_days": 0},
            },
            audited=True,
        ),
    )
    async def set_(self, request: Request[Any, Any, Any], policies: NamedDependency[Policies]) -> Answer:
        """Of a type, or of all that nothing else is said of, in place of what was said before; the service looks once a
        day. Days count from the latest arrival. What is archived counts as read, what is snoozed is left alone until it
        comes back. What is deleted is a deletion like any other: devices see it, and its tombstone goes later.
        """
        query = read_query(request, RetentionQuery)
        asked = await read_body(request, Policy)
        note(request, **msgspec.to_builtins(asked))
        return json_answer(await policies.set(caller_of(request).app_id, query.type, asked))

    @get(
        "/",
        operation_id="listRetention",
        summary="List what was said of how long notifications stay",
        opt=route(Access.ADMIN, answer=RetentionPage),
    )
    async def list_(self, request: Request[Any, Any, Any], policies: NamedDependency[Policies]) -> Answer:
        """By type, that without one first; at most 100, so that there is one page. Of whatever is not among them the
        service's settings count.
        """
        read_query(request, NoQuery)
        return json_answer(RetentionPage(await policies.list(caller_of(request).app_id), None))

    @delete(
        "/",
        operation_id="unsetRetention",
        summary="Take back what was said of how long notifications stay",
        status_code=204,
        opt=route(Access.ADMIN, status=204, query=RetentionQuery, audited=True),
    )
    async def unset(self, request: Request[Any, Any, Any], policies: NamedDependency[Policies]) -> None:
        """It is fine if nothing was said."""
        query = read_query(request, RetentionQuery)
        await policies.unset(caller_of(request).app_id, query.type)
