"""What an app says of its topics."""

from typing import Any

import msgspec
from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from msgspec import Struct

from notify.api.access import Access, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.auditing import note
from notify.api.handlers import delete, get, put
from notify.api.inputs import read_body, read_query
from notify.api.messages import CursorText, Limit
from notify.api.routes import route
from notify.core.cursor import cursor_after, name_in
from notify.core.topic import TopicPattern
from notify.store.topics import Topics, TopicSettings, TopicState

__all__ = ("TopicsController",)


class TopicQuery(Struct, frozen=True, forbid_unknown_fields=True):
    topic: TopicPattern


class TopicsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    limit: Limit = 20
    cursor: CursorText | None = None


class TopicsPage(Struct, frozen=True):
    items: list[TopicState]
    next_cursor: str | None


class TopicsController(Controller):
    path = "/v1/topics"
    tags = ("Topics",)

    @put(
        "/",
        operation_id="setTopic",
        summary="Say how a topic, or all below one, is subscribed to",
        opt=route(
            Access.ADMIN,
            answer=TopicState,
            body=TopicSettings,
            query=TopicQuery,
            examples={
                "Users help themselves": {"self_service": True},
                "Late-comers get the day's news": {"late_entries": 20, "late_seconds": 86400},
            },
            audited=True,
        ),
    )
    async def set_(self, request: Request[Any, Any, Any], topics: NamedDependency[Topics]) -> Answer:
        """In place of what was said before. Where several settings fit, those of the topic itself count, else those of
        the nearest pattern above it: all of them, never some of each. Without any, only API keys subscribe, and who
        subscribes gets what is published from then on.
        """
        query = read_query(request, TopicQuery)
        asked = await read_body(request, TopicSettings)
        note(request, **msgspec.to_builtins(asked))
        return json_answer(await topics.set(caller_of(request).app_id, query.topic, asked))

    @get(
        "/",
        operation_id="listTopics",
        summary="List the settings of topics",
        opt=route(Access.ADMIN, answer=TopicsPage, query=TopicsQuery),
    )
    async def list_(self, request: Request[Any, Any, Any], topics: NamedDependency[Topics]) -> Answer:
        """By name. A topic that nothing was said of is not among them."""
        query = read_query(request, TopicsQuery)
        after = None if query.cursor is None else name_in(query.cursor)
        found = await topics.list(caller_of(request).app_id, query.limit + 1, after)
        shown = found[: query.limit]
        return json_answer(TopicsPage(shown, cursor_after(shown[-1].topic) if len(found) > query.limit else None))

    @delete(
        "/",
        operation_id="unsetTopic",
        summary="Take back the settings of a topic",
        status_code=204,
        opt=route(Access.ADMIN, status=204, query=TopicQuery, audited=True),
    )
    async def unset(self, request: Request[Any, Any, Any], topics: NamedDependency[Topics]) -> None:
        """Subscriptions stay. It is fine if there were no settings."""
        query = read_query(request, TopicQuery)
        await topics.unset(caller_of(request).app_id, query.topic)
