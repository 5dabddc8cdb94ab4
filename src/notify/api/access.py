"""Who may call what. Every route is closed unless it says otherwise; a guard on the whole service sees to it."""

from enum import Enum
from typing import Any

import msgspec
from litestar.connection import ASGIConnection, Request
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from notify.api.auth import Authenticator
from notify.core.errors import ExpiredError, ForbiddenError, InvalidError, NotFoundError
from notify.core.identity import Caller
from notify.core.text import AppId

__all__ = ("Access", "app_of", "caller_of", "guard_with", "inbox_of", "owner_of")


class Access(Enum):
    """What a route asks of its caller."""

    PUBLIC = "Open to everyone."
    READ = "A user's token, or an API key with the scope `inbox`."
    INBOX = "A user's token with the scope `inbox`, or an API key with that scope."
    SEND = "An API key with the scope `send`, or a user's token with it."
    ADMIN = "An API key with the scope `admin`, or the admin key."
    OPERATOR = "The admin key."


_SCOPES = {
    Access.READ: frozenset({"inbox", "inbox:read"}),
    Access.INBOX: frozenset({"inbox"}),
    Access.SEND: frozenset({"send"}),
    Access.ADMIN: frozenset({"admin"}),
}


def guard_with(authenticator: Authenticator) -> Any:
    async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        if connection.scope.get("method") == "OPTIONS":
            raise _no_options(connection)
        access = handler.opt.get("access", Access.OPERATOR)
        if access is Access.PUBLIC:
            return
        opens_live = bool(handler.opt.get("opens_live"))
        try:
            caller = await authenticator.caller_of(connection, opens_live=opens_live)
        except ExpiredError:
            if not opens_live:
                raise
            # The handler says so in a way that a browser can hear.
            connection.scope["auth"] = None
            return
        connection.scope["auth"] = caller
        if caller.is_operator:
            return
        if access is Access.OPERATOR:
            raise ForbiddenError("Only the admin key (NOTIFY_ADMIN_KEY) may do this.")
        if not caller.scopes & _SCOPES[access]:
            raise ForbiddenError(f"This call needs: {access.value}")

    return guard


def _no_options(connection: ASGIConnection[Any, Any, Any, Any]) -> MethodNotAllowedException:
    """Litestar answers OPTIONS by itself, with only some of the methods where several handlers share a path."""
    template = connection.scope["path_template"]
    routes = (route for route in connection.app.routes if isinstance(route, HTTPRoute))
    methods = next(route.methods for route in routes if route.path_format == template)
    return MethodNotAllowedException(headers={"allow": ", ".join(methods)})


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    caller: Caller = request.scope["auth"]
    return caller


def inbox_of(request: Request[Any, Any, Any], user_id: str | None) -> tuple[str, str]:
    """The app and user whose inbox a request means: a user's own, or the one that an API key names."""
    app_id, owner = owner_of(request, user_id)
    if owner is None:
        raise InvalidError.at("user_id", "With an API key, say whose inbox you mean: `?user_id=…`.")
    return app_id, owner


def owner_of(request: Request[Any, Any, Any], user_id: str | None) -> tuple[str, str | None]:
    """The same where an id already says which notification is meant, so that an API key need not name its user."""
    caller = caller_of(request)
    if caller.user_id is None:
        return caller.app_id, user_id
    if user_id not in {None, caller.user_id}:
        raise ForbiddenError("A user's token reaches that user's inbox only; leave `user_id` out.")
    return caller.app_id, caller.user_id


def app_of(request: Request[Any, Any, Any], app_id: str) -> str:
    """An app that the path names, if the caller's key is of that app or the admin key."""
    try:
        msgspec.convert(app_id, AppId)
    except msgspec.ValidationError as error:
        raise NotFoundError("No app has such an id.") from error
    caller = caller_of(request)
    if not caller.is_operator and caller.app_id != app_id:
        raise ForbiddenError("A key reaches its own app only.")
    return app_id
