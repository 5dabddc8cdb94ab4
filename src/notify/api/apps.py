"""Apps: the tenants."""

from typing import Any

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency

from notify.api.access import Access, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.auditing import note
from notify.api.handlers import get, post
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.messages import AppBody, AppsPage, AppsQuery
from notify.api.routes import route
from notify.core.errors import ConflictError
from notify.store.apps import Apps, NewApp

__all__ = ("AppsController",)


class AppsController(Controller):
    path = "/v1/apps"
    tags = ("Apps and keys",)

    @post(
        "/",
        operation_id="createApp",
        summary="Make an app",
        opt=route(
            Access.OPERATOR,
            status=201,
            answer=NewApp,
            body=AppBody,
            examples={"A shop": {"id": "shop", "name": "The shop"}},
            problems=(ConflictError,),
            audited=True,
        ),
    )
    async def create(
        self,
        request: Request[Any, Any, Any],
        apps: NamedDependency[Apps],
    ) -> Answer:
        """The answer holds the secret that signs the app's user tokens. It is shown this once."""
        read_query(request, NoQuery)
        asked = await read_body(request, AppBody)
        note(request, app=asked.id, name=asked.name)
        return json_answer(await apps.create(asked.id, asked.name), status=201)

    @get("/", operation_id="listApps", summary="List apps", opt=route(Access.ADMIN, answer=AppsPage, query=AppsQuery))
    async def list_(self, request: Request[Any, Any, Any], apps: NamedDependency[Apps]) -> Answer:
        """All of them with the admin key, its own with an app's key."""
        query = read_query(request, AppsQuery)
        caller = caller_of(request)
        only = None if caller.is_operator else caller.app_id
        found = await apps.list_(query.limit + 1, query.cursor, only)
        shown = found[: query.limit]
        return json_answer(AppsPage(shown, shown[-1].id if len(found) > query.limit else None))
