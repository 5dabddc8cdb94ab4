"""The audit log, for whoever answers for the service or an app."""

from datetime import datetime
from typing import Annotated, Any

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from notify.api.access import Access, app_of, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import get
from notify.api.inputs import read_query
from notify.api.messages import CursorText, Limit
from notify.api.routes import route
from notify.core.cursor import TimeCursor
from notify.core.text import AppId
from notify.core.times import Time, in_utc
from notify.store.audit import Audit, AuditEntry, AuditFilters

__all__ = ("AuditController",)


class AuditQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    app: AppId | None = None
    action: (
        Annotated[
            str,
            Meta(
                max_length=64,
                pattern=r"^[A-Za-z]+$(?!\n)",
                description="The `operationId` of what was called.",
                examples=["revokeKey"],
            ),
        ]
        | None
    ) = None
    actor: (
        Annotated[
            Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[^\u0000-\u001f\u007f]+$(?!\n)")],
            Meta(description="Who did it, written as the log writes it.", examples=["admin key"]),
        ]
        | None
    ) = None
    since: Time | None = None
    until: Time | None = None
    limit: Limit = 20
    cursor: CursorText | None = None


class AuditPage(Struct, frozen=True):
    items: list[AuditEntry]
    next_cursor: str | None


class AuditController(Controller):
    path = "/v1/audit"
    tags = ("Operations",)

    @get(
        "/",
        operation_id="listAudit",
        summary="Who has administered what",
        opt=route(Access.ADMIN, answer=AuditPage, query=AuditQuery),
    )
    async def list_(self, request: Request[Any, Any, Any], audit: NamedDependency[Audit]) -> Answer:
        """Newest first: of the key's app, or with the admin key of all apps, unless `app` names one. An act is noted
        before it is done, and without that it is not done; refused ones are noted too.
        """
        query = read_query(request, AuditQuery)
        caller = caller_of(request)
        app_id = None if caller.is_operator else caller.app_id
        filters = AuditFilters(
            app_id if query.app is None else app_of(request, query.app),
            query.action,
            query.actor,
            _utc("since", query.since),
            _utc("until", query.until),
        )
        after = None if query.cursor is None else TimeCursor.parse(query.cursor)
        found = await audit.list(filters, query.limit + 1, after)
        shown = found[: query.limit]
        more = len(found) > query.limit
        return json_answer(AuditPage(shown, str(TimeCursor.after(shown[-1].at, shown[-1].id)) if more else None))


def _utc(name: str, time: datetime | None) -> datetime | None:
    return None if time is None else in_utc(name, time)
