"""Administrative calls are noted in the audit log, refused ones too. Which calls those are, their routes say."""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import msgspec

from notify.api.access import Connection, caller_of
from notify.api.addresses import address_of
from notify.api.answers import Answer
from notify.api.inputs import query_fields
from notify.api.parts import parts_of
from notify.api.routes import Route
from notify.core.errors import ForbiddenError
from notify.core.identity import Caller
from notify.core.text import AppId
from notify.store.audit import Act, Audit, Noted

__all__ = ("actor_of", "audited", "note", "note_refusal")

_NOTED = "noted"
_NEVER = frozenset({"token", "ticket"})
_LONGEST = 255
"""Characters of one value. What is longer is not valid, and is only to be recognised."""


def audited(fn: Callable[..., Awaitable[Any]], action: str, route: Route) -> Callable[..., Awaitable[Any]]:
    """The handler with each call noted before it is done, and after that how it ended."""

    @wraps(fn)
    async def act(*args: Any, request: Connection, **parts: Any) -> Any:
        async with _audit_of(request).noted(_act(request, action, route)) as noted:
            request.scope["state"][_NOTED] = noted
            answer = await fn(*args, request=request, **parts)
            noted.status = answer.status if isinstance(answer, Answer) else route.status
        return answer

    return act


def note(request: Connection, **details: Any) -> None:
    """What an audited handler has to say of the act besides what its path and query name. Never a secret."""
    noted: Noted = request.scope["state"][_NOTED]
    noted.details |= details


async def note_refusal(connection: Connection, action: str, route: Route) -> None:
    """Somebody known to us may not do this. Nothing is noted of strangers."""
    if route.audited and connection.scope.get("auth") is not None:
        await _audit_of(connection).refused(_act(connection, action, route), ForbiddenError.status)


def actor_of(caller: Caller) -> str:
    if caller.is_operator:
        return "admin key"
    return f"key:{caller.key_id}" if caller.user_id is None else f"user:{caller.user_id}"


def _audit_of(connection: Connection) -> Audit:
    audit: Audit = parts_of(connection)["audit"]
    return audit


def _act(connection: Connection, action: str, route: Route) -> Act:
    caller = caller_of(connection)
    address = address_of(connection)
    named = {name: _shown(value) for name, value in connection.scope["path_params"].items()}
    asked = {} if route.query is None else query_fields(connection, route.query)
    about = named | {name: _shown(value) for name, value in asked.items() if name not in _NEVER}
    return Act(
        _app_of(caller, named.get("app")),
        actor_of(caller),
        action,
        about,
        caller.key_id,
        None if address is None else str(address),
        connection.scope["state"]["request_id"],
    )


def _app_of(caller: Caller, named: str | None) -> str:
    """The app that it is about; a key that reaches for another app's is noted in its own."""
    if named is None or not caller.is_operator:
        return caller.app_id
    try:
        return msgspec.convert(named, AppId)
    except msgspec.ValidationError:
        return caller.app_id


def _shown(value: Any) -> Any:
    if isinstance(value, list):
        return [_shown(each) for each in value]
    # PostgreSQL has no NUL.
    return str(value)[:_LONGEST].replace("\0", "\ufffd")
