"""The newest of what everyone was told."""

from typing import Any

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency

from notify.api.access import Access, owner_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import get
from notify.api.inputs import read_query
from notify.api.messages import Limit, Owner
from notify.api.routes import route
from notify.store.broadcasts import Broadcasts, RecentBroadcasts

__all__ = ("BroadcastsController",)


class RecentQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    limit: Limit = 20


class BroadcastsController(Controller):
    path = "/v1/broadcasts"
    tags = ("Inbox",)

    @get(
        "/recent",
        operation_id="listRecentBroadcasts",
        summary="The newest of what everyone was told",
        opt=route(Access.READ, answer=RecentBroadcasts, query=RecentQuery) | {"answers_from_memory": True},
    )
    async def recent(self, request: Request[Any, Any, Any], broadcasts: NamedDependency[Broadcasts]) -> Answer:
        """What was published to everyone and is neither recalled nor expired, newest first, but for what leaves the
        user out. It is in nobody's inbox for being looked at here.

        While the database is away it is answered from memory, as it was at `as_of`, by a process that has been asked
        for the same app before.
        """
        query = read_query(request, RecentQuery)
        app_id, user_id = owner_of(request, query.user_id)
        return json_answer(await broadcasts.recent(app_id, user_id, query.limit))
