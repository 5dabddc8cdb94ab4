"""Apps: the tenants."""

from typing import Any

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath

from notify.api.access import Access, app_of, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.auditing import note
from notify.api.handlers import get, patch, post
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.messages import AppBody, AppChange, AppsPage, AppsQuery
from notify.api.routes import route
from notify.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from notify.live.registry import Registry
from notify.store.apps import App, Apps, NewApp

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

    @get(
        "/{app:str}",
        operation_id="getApp",
        summary="Get an app",
        opt=route(Access.ADMIN, answer=App, problems=(NotFoundError,)),
    )
    async def get_(self, request: Request[Any, Any, Any], app: FromPath[str], apps: NamedDependency[Apps]) -> Answer:
        """Whether it is enabled, and what people call it."""
        read_query(request, NoQuery)
        return json_answer(await apps.get(app_of(request, app)))

    @patch(
        "/{app:str}",
        operation_id="changeApp",
        summary="Rename, disable or enable an app",
        opt=route(
            Access.ADMIN,
            answer=App,
            body=AppChange,
            examples={"No one gets in any more": {"enabled": False}, "Another name": {"name": "The old shop"}},
            problems=(NotFoundError,),
            audited=True,
        ),
    )
    async def change(
        self,
        request: Request[Any, Any, Any],
        app: FromPath[str],
        apps: NamedDependency[Apps],
        registry: NamedDependency[Registry],
    ) -> Answer:
        """Only the admin key enables and disables. Of an app that is disabled no key and no token is taken anywhere
        once this is answered, and its live connections end with `bye` `revoked`. What it has stays; what was scheduled
        and what is in the outbox is still written. Nobody sees it until the app is enabled again.
        """
        read_query(request, NoQuery)
        app_id = app_of(request, app)
        asked = await read_body(request, AppChange)
        if asked == AppChange():
            raise InvalidError.at("", "Say what to change: `name`, `enabled` or both.")
        if asked.enabled is not None and not caller_of(request).is_operator:
            raise ForbiddenError("Only the admin key (NOTIFY_ADMIN_KEY) enables and disables apps.")
        changed = await apps.change(app_id, name=asked.name, enabled=asked.enabled)
        if asked.enabled is False:
            await registry.revoke_app(app_id)
        return json_answer(changed)
