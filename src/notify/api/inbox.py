"""What users do: list, count, look at, mark and delete what is in an inbox, and follow its changes."""

from typing import Any, Literal
from uuid import UUID

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from notify.api.access import Access, inbox_of, owner_of
from notify.api.answers import (
    Answer,
    check_reached,
    is_conditional,
    json_answer,
    names_position,
    not_modified,
    unchanged_since,
)
from notify.api.handlers import delete, get, post
from notify.api.inputs import position_at, read_body, read_query
from notify.api.messages import (
    ChangedAnswer,
    ChangesAnswer,
    ChangesQuery,
    CountAnswer,
    CountQuery,
    InboxPage,
    ListQuery,
    MarkAll,
    MarkedAllAnswer,
    Owner,
    SnoozeBody,
)
from notify.api.parts import clock_of
from notify.api.routes import route
from notify.core.errors import (
    NotFoundError,
    OverloadedError,
    PositionUnknownError,
)
from notify.core.notification import Notification
from notify.core.states import BulkMark, Mark
from notify.core.times import in_utc, put_off_until
from notify.live.known import Known
from notify.store.bulk import BulkMarks
from notify.store.commands import ChangeCommand, Changed
from notify.store.inbox import Filters, Inboxes
from notify.store.rows import InboxState
from notify.store.writer import Writer

__all__ = ("ChangesController", "InboxController")

_READING = ("If-None-Match", "Notify-Position")


def _marking(mark: Mark | Literal["unsnooze"], operation_id: str, summary: str) -> HTTPRouteHandler:
    @post(
        f"/{{notification_id:uuid}}/{mark}",
        operation_id=operation_id,
        summary=summary,
        status_code=200,
        opt=route(Access.INBOX, answer=ChangedAnswer, query=Owner, problems=(NotFoundError, OverloadedError)),
    )
    async def handler(
        _: Controller,
        request: Request[Any, Any, Any],
        notification_id: FromPath[UUID],
        writer: NamedDependency[Writer],
    ) -> Answer:
        changed = await _change(request, writer, notification_id, mark)
        return json_answer(ChangedAnswer(changed.notification, str(changed.position)), position=changed.position)

    return handler


def _marking_all(mark: BulkMark, operation_id: str, summary: str) -> HTTPRouteHandler:
    @post(
        f"/{mark}-all",
        operation_id=operation_id,
        summary=summary,
        status_code=200,
        opt=route(
            Access.INBOX,
            answer=MarkedAllAnswer,
            body=MarkAll,
            body_optional=True,
            query=Owner,
            examples={"Everything": {}, "What was on screen": {"before": "3f9a1c7e2b.42"}},
        ),
    )
    async def handler(
        _: Controller,
        request: Request[Any, Any, Any],
        bulk_marks: NamedDependency[BulkMarks],
    ) -> Answer:
        app_id, user_id = inbox_of(request, read_query(request, Owner).user_id)
        asked = await read_body(request, MarkAll, default=MarkAll())
        before = None if asked.before is None else position_at("/before", asked.before)
        updated, position = await bulk_marks.mark_all(app_id, user_id, mark, asked.type, before)
        return json_answer(MarkedAllAnswer(updated, str(position)))

    return handler


class InboxController(Controller):
    path = "/"
    tags = ("Inbox",)

    @get(
        "/",
        operation_id="listNotifications",
        summary="List an inbox, latest arrival first",
        opt=route(
            Access.READ, answer=InboxPage, query=ListQuery, request_headers=_READING, problems=(PositionUnknownError,)
        ),
    )
    async def list_(
        self,
        request: Request[Any, Any, Any],
        inboxes: NamedDependency[Inboxes],
        known: NamedDependency[Known],
    ) -> Answer:
        """A page of notifications, with the counters and the position of the same moment.

        `next_cursor` leads to the next page while there is one.
        """
        query = read_query(request, ListQuery)
        app_id, user_id = inbox_of(request, query.user_id)
        if is_conditional(request):
            state = _known_state(request, known, app_id, user_id) or await inboxes.state(app_id, user_id)
            check_reached(request, state)
            if unchanged_since(request, state.position):
                return not_modified(state.position)
        since, until = (
            None if time is None else in_utc(name, time)
            for name, time in (("since", query.since), ("until", query.until))
        )
        filters = Filters(query.status, query.type, query.topic, since, until)
        page = await inboxes.page(app_id, user_id, filters, query.limit, query.cursor)
        inbox = page.inbox
        check_reached(request, inbox)
        return json_answer(
            InboxPage(page.items, page.next_cursor, inbox.unread, inbox.unseen, inbox.total, str(inbox.position)),
            position=inbox.position,
        )

    @get(
        "/count",
        operation_id="countNotifications",
        summary="Count what is unread, unseen and there",
        opt=route(
            Access.READ,
            answer=CountAnswer,
            query=CountQuery,
            request_headers=_READING,
            problems=(PositionUnknownError,),
        ),
    )
    async def count(
        self,
        request: Request[Any, Any, Any],
        inboxes: NamedDependency[Inboxes],
        known: NamedDependency[Known],
    ) -> Answer:
        """The counters of the inbox, and within it of each `type` that is named."""
        query = read_query(request, CountQuery)
        app_id, user_id = inbox_of(request, query.user_id)
        state = _known_state(request, known, app_id, user_id) if is_conditional(request) else None
        if state is not None and unchanged_since(request, state.position):
            return not_modified(state.position)
        inbox, counts = await inboxes.count(app_id, user_id, query.type)
        check_reached(request, inbox)
        if unchanged_since(request, inbox.position):
            return not_modified(inbox.position)
        answer = CountAnswer(inbox.unread, inbox.unseen, inbox.total, str(inbox.position))
        if counts:
            answer = CountAnswer(inbox.unread, inbox.unseen, inbox.total, str(inbox.position), counts)
        return json_answer(answer, position=inbox.position)

    @get(
        "/{notification_id:uuid}",
        operation_id="getNotification",
        summary="Look at one notification",
        opt=route(
            Access.READ,
            answer=Notification,
            query=Owner,
            request_headers=_READING,
            problems=(NotFoundError, PositionUnknownError),
        ),
    )
    async def get_(
        self,
        request: Request[Any, Any, Any],
        notification_id: FromPath[UUID],
        inboxes: NamedDependency[Inboxes],
    ) -> Answer:
        app_id, user_id = owner_of(request, read_query(request, Owner).user_id)
        notification, inbox = await inboxes.get(app_id, user_id, notification_id)
        check_reached(request, inbox)
        if unchanged_since(request, inbox.position):
            return not_modified(inbox.position)
        return json_answer(notification, position=inbox.position)

    read = _marking("read", "markRead", "Mark as read, and so as seen")
    unread = _marking("unread", "markUnread", "Mark as unread")
    seen = _marking("seen", "markSeen", "Mark as seen")
    archive = _marking("archive", "archive", "Archive: out of the inbox and its counters, but kept")
    unarchive = _marking("unarchive", "unarchive", "Bring back from the archive")
    unsnooze = _marking("unsnooze", "unsnooze", "Bring back what is snoozed now, as unread and newest")

    @post(
        "/{notification_id:uuid}/snooze",
        operation_id="snooze",
        summary="Snooze: out of the inbox and its counters until then",
        status_code=200,
        opt=route(
            Access.INBOX,
            answer=ChangedAnswer,
            body=SnoozeBody,
            query=Owner,
            examples={"Until tomorrow": {"until": "2026-12-01T08:00:00Z"}},
            problems=(NotFoundError, OverloadedError),
        ),
    )
    async def snooze(
        self,
        request: Request[Any, Any, Any],
        notification_id: FromPath[UUID],
        writer: NamedDependency[Writer],
    ) -> Answer:
        """It comes back as unread and newest, on every device. Doing it again moves the time."""
        app_id, user_id = owner_of(request, read_query(request, Owner).user_id)
        asked = await read_body(request, SnoozeBody)
        until = put_off_until(asked.until, clock_of(request).now())
        changed = await _changed(writer, ChangeCommand(app_id, user_id, notification_id, "snooze", until=until))
        return json_answer(ChangedAnswer(changed.notification, str(changed.position)), position=changed.position)

    read_all = _marking_all("read", "markAllRead", "Mark everything as read")
    seen_all = _marking_all("seen", "markAllSeen", "Mark everything as seen")
    archive_all = _marking_all("archive", "archiveAll", "Archive everything")

    @delete(
        "/{notification_id:uuid}",
        operation_id="deleteNotification",
        summary="Delete a notification",
        status_code=204,
        opt=route(Access.INBOX, status=204, query=Owner, problems=(NotFoundError, OverloadedError)),
    )
    async def delete_(
        self,
        request: Request[Any, Any, Any],
        notification_id: FromPath[UUID],
        writer: NamedDependency[Writer],
    ) -> None:
        """Gone from every device. Deleting it again is fine."""
        await _change(request, writer, notification_id, "delete")


class ChangesController(Controller):
    path = "/v1/changes"
    tags = ("Inbox",)

    @get(
        "/",
        operation_id="listChanges",
        summary="What changed after a position",
        opt=route(
            Access.READ,
            answer=ChangesAnswer,
            query=ChangesQuery,
            request_headers=("Notify-Position",),
            problems=(PositionUnknownError,),
        ),
    )
    async def changes(self, request: Request[Any, Any, Any], inboxes: NamedDependency[Inboxes]) -> Answer:
        """Everything that changed, in order, whole and as it is now.

        Upsert `notification` and `update` by their id, drop what `delete` names. While `more` is true, ask again with
        `after` set to `position`. A position that is not known here is answered with one `reset` and a fresh start.
        """
        query = read_query(request, ChangesQuery)
        app_id, user_id = inbox_of(request, query.user_id)
        after = None if query.after is None else position_at("after", query.after)
        changes = await inboxes.changes(app_id, user_id, after, query.limit)
        check_reached(request, changes.inbox)
        return json_answer(ChangesAnswer(changes.items, str(changes.position), changes.more))


def _known_state(request: Request[Any, Any, Any], known: Known, app_id: str, user_id: str) -> InboxState | None:
    """Where the inbox stands, without the database. Whoever has seen a position elsewhere may be ahead of us."""
    return None if names_position(request) else known.state(app_id, user_id)


async def _change(
    request: Request[Any, Any, Any], writer: Writer, id_: UUID, mark: Mark | Literal["unsnooze"]
) -> Changed:
    app_id, user_id = owner_of(request, read_query(request, Owner).user_id)
    return await _changed(writer, ChangeCommand(app_id, user_id, id_, mark))


async def _changed(writer: Writer, command: ChangeCommand) -> Changed:
    changed = await writer.change(command)
    if changed is None:
        raise NotFoundError("There is no such notification in this inbox, or it was deleted.")
    return changed
