"""What is to be sent later: looked at, and taken back."""

from typing import Any
from uuid import UUID

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct

from notify.api.access import Access, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import delete, get
from notify.api.inputs import NoQuery, read_query
from notify.api.messages import CursorText, Limit
from notify.api.routes import route
from notify.api.typed import check_type_of
from notify.core.cursor import TimeCursor
from notify.core.errors import AlreadySentError, NotFoundError
from notify.store.scheduled import Scheduled, ScheduledSend

__all__ = ("ScheduledController",)


class ScheduledQuery(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 20
    cursor: CursorText | None = None


class ScheduledPage(Struct, frozen=True):
    items: list[ScheduledSend]
    next_cursor: str | None


class ScheduledController(Controller):
    path = "/v1/scheduled"
    tags = ("Sending",)

    @get(
        "/",
        operation_id="listScheduled",
        summary="List what is to be sent later",
        opt=route(Access.SEND_KEY, answer=ScheduledPage, query=ScheduledQuery),
    )
    async def list_(self, request: Request[Any, Any, Any], scheduled: NamedDependency[Scheduled]) -> Answer:
        """What is sent first comes first; what SQL producers have scheduled is among it. What could not be sent at its
        time stays, with the reason as its `failure`, until it is mended or cancelled.
        """
        query = read_query(request, ScheduledQuery)
        after = None if query.cursor is None else TimeCursor.parse(query.cursor)
        found = await scheduled.list(caller_of(request).app_id, query.limit + 1, after)
        shown = found[: query.limit]
        more = len(found) > query.limit
        return json_answer(
            ScheduledPage(shown, str(TimeCursor.after(shown[-1].send_at, shown[-1].id)) if more else None)
        )

    @delete(
        "/{scheduled_id:uuid}",
        operation_id="cancelScheduled",
        summary="Cancel what is to be sent later",
        status_code=204,
        opt=route(Access.SEND_KEY, status=204, problems=(NotFoundError, AlreadySentError)),
    )
    async def cancel(
        self,
        request: Request[Any, Any, Any],
        scheduled_id: FromPath[UUID],
        scheduled: NamedDependency[Scheduled],
    ) -> None:
        """204: it will not be sent, and never was. 409: it was. Either is the truth however close to its time it is
        asked, and stays so when it is asked again, for 30 days.
        """
        read_query(request, NoQuery)
        await check_type_of(request, scheduled_id)
        await scheduled.cancel(caller_of(request).app_id, scheduled_id)
