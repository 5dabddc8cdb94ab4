"""Who may call what. Every route is closed unless it says otherwise; a guard on the whole service sees to it."""

from enum import Enum
from typing import Any

import msgspec
from litestar.connection import ASGIConnection, WebSocket
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import BaseRouteHandler
from litestar.routes import HTTPRoute

from notify.api.addresses import source_of
from notify.api.answering import answering
from notify.api.auth import Authenticator
from notify.api.parts import parts_of
from notify.api.rate_limits import RateLimits
from notify.core.errors import (
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ProblemError,
    UnauthorizedError,
)
from notify.core.identity import Caller
from notify.core.text import AppId

__all__ = (
    "Access",
    "Connection",
    "app_of",
    "caller_of",
    "check_access",
    "guard",
    "inbox_of",
    "owner_of",
    "refusal_of",
)

Connection = ASGIConnection[Any, Any, Any, Any]
"""A request, or a WebSocket."""


class Access(Enum):
    """What a route asks of its caller."""

    PUBLIC = "Open to everyone."
    READ = "A user's token, or an API key with the scope `inbox`."
    INBOX = "A user's token with the scope `inbox`, or an API key with that scope."
    INBOX_KEY = "An API key with the scope `inbox`."
    USER = "A user's token."
    SEND = "An API key with the scope `send`, or a user's token with it."
    SEND_KEY = "An API key with the scope `send`."
    OPERATIONS = "An API key with the scope `send` for what was published, with `admin` for exports and erasures."
    ADMIN = "An API key with the scope `admin`, or the admin key."
    OPERATOR = "The admin key."


_REFUSAL = "refusal"
_FOR_KEYS = frozenset({Access.INBOX_KEY, Access.SEND_KEY, Access.OPERATIONS})
_FOR_USERS = frozenset({Access.USER})
_SCOPES = {
    Access.READ: frozenset({"inbox", "inbox:read"}),
    Access.INBOX: frozenset({"inbox"}),
    Access.INBOX_KEY: frozenset({"inbox"}),
    Access.USER: frozenset({"inbox", "inbox:read"}),
    Access.SEND: frozenset({"send"}),
    Access.SEND_KEY: frozenset({"send"}),
    Access.OPERATIONS: frozenset({"send", "admin"}),
    Access.ADMIN: frozenset({"admin"}),
}


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    if connection.scope.get("method") == "OPTIONS":
        raise _no_options(connection)
    access = handler.opt.get("access", Access.OPERATOR)
    if access is Access.PUBLIC:
        return
    opens_live = bool(handler.opt.get("opens_live"))
    limits: RateLimits = parts_of(connection)["rate_limits"]
    try:
        connection.scope["auth"] = caller = await _identified(connection, handler, limits)
        limits.spend(caller, answering(connection.scope).headers)
        check_access(caller, access)
    except ProblemError as refusal:
        # On what opens a live connection the handler says so, in a way that a browser can hear.
        if not opens_live or not (isinstance(connection, WebSocket) or _passes(refusal)):
            raise
        connection.scope["auth"] = None
        connection.scope["state"][_REFUSAL] = refusal


async def _identified(connection: Connection, handler: BaseRouteHandler, limits: RateLimits) -> Caller:
    """Of an address that is wrong again and again the admin key is not taken, because it alone may be short enough to
    be guessed. Other credentials are good from anywhere at any time, whoever else has the same address.
    """
    authenticator: Authenticator = parts_of(connection)["authenticator"]
    is_suspect = limits.has_failures and limits.is_suspect(source_of(connection))
    try:
        return await authenticator.caller_of(
            connection,
            opens_live=bool(handler.opt.get("opens_live")),
            answers_from_memory=bool(handler.opt.get("answers_from_memory")),
            takes_admin_key=not is_suspect,
        )
    except ExpiredError:
        raise
    except UnauthorizedError:
        limits.count_failure(source_of(connection))
        raise


def _passes(refusal: ProblemError) -> bool:
    """Whether a browser's `EventSource`, which gives up for good on any status but 200, should come again."""
    return isinstance(refusal, ExpiredError) or refusal.retry_after_seconds is not None


def check_access(caller: Caller, access: Access) -> None:
    if access in (_FOR_USERS if caller.user_id is None else _FOR_KEYS):
        raise ForbiddenError(f"This call needs: {access.value}")
    if caller.is_operator:
        return
    if access is Access.OPERATOR:
        raise ForbiddenError("Only the admin key (NOTIFY_ADMIN_KEY) may do this.")
    if not caller.scopes & _SCOPES[access]:
        raise ForbiddenError(f"This call needs: {access.value}")


def refusal_of(connection: Connection) -> ProblemError | None:
    """Why who opens a live connection may not; the guard leaves it to the handler to say so."""
    refusal: ProblemError | None = connection.scope["state"].get(_REFUSAL)
    return refusal


def _no_options(connection: Connection) -> MethodNotAllowedException:
    """Litestar answers OPTIONS by itself, with only some of the methods where several handlers share a path."""
    template = connection.scope["path_template"]
    routes = (route for route in connection.app.routes if isinstance(route, HTTPRoute))
    methods = next(route.methods for route in routes if route.path_format == template)
    return MethodNotAllowedException(headers={"allow": ", ".join(methods)})


def caller_of(request: Connection) -> Caller:
    caller: Caller = request.scope["auth"]
    return caller


def inbox_of(request: Connection, user_id: str | None) -> tuple[str, str]:
    """The app and user whose inbox a request means: a user's own, or the one that an API key names."""
    app_id, owner = owner_of(request, user_id)
    if owner is None:
        raise InvalidError.at("user_id", "With an API key, say whose inbox you mean: `?user_id=…`.")
    return app_id, owner


def owner_of(request: Connection, user_id: str | None) -> tuple[str, str | None]:
    """The same where an id already says which notification is meant, so that an API key need not name its user."""
    caller = caller_of(request)
    if caller.user_id is None:
        return caller.app_id, user_id
    if user_id not in {None, caller.user_id}:
        raise ForbiddenError("A user's token reaches that user's inbox only; leave `user_id` out.")
    return caller.app_id, caller.user_id


def app_of(request: Connection, app_id: str) -> str:
    """An app that the path names, if the caller's key is of that app or the admin key."""
    try:
        msgspec.convert(app_id, AppId)
    except msgspec.ValidationError as error:
        raise NotFoundError("No app has such an id.") from error
    caller = caller_of(request)
    if not caller.is_operator and caller.app_id != app_id:
        raise ForbiddenError("A key reaches its own app only.")
    return app_id
