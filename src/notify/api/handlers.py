"""Litestar's route handlers, called with less in between: what our handlers ask for is only looked up, and our
guard wants no copy of the handler.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Self

from litestar import HttpMethod, Litestar
from litestar.connection import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, AsyncAnyCallable, ExceptionHandlersMap

from notify.api.access import Connection
from notify.api.answers import Answer
from notify.api.auditing import audited, note_refusal
from notify.api.parts import PART_NAMES, parts_of
from notify.api.routes import Route
from notify.core.errors import ForbiddenError

__all__ = ("delete", "get", "head", "patch", "post", "put")

_READY = (Answer, ASGIApp)
"""What needs nothing more to be an answer."""

Call = Callable[[Request[Any, Any, Any]], Awaitable[Answer]]


class _Handler(HTTPRouteHandler):
    _call: Call | None = None
    _exception_handlers: "ExceptionHandlersMap | None" = None

    def __call__(self, fn: AsyncAnyCallable) -> Self:
        route: Route | None = self.opt.get("route")
        if route is None or not route.audited:
            super().__call__(fn)
        else:
            super().__call__(audited(fn, str(self.operation_id), route))
        return self

    def on_registration(self, app: Litestar) -> None:
        super().on_registration(app)
        self._call = _ready_call(self)

    def resolve_exception_handlers(self) -> ExceptionHandlersMap:
        # Litestar says that it remembers them, and gathers them anew for each request.
        if self._exception_handlers is None:
            self._exception_handlers = super().resolve_exception_handlers()
        return self._exception_handlers

    async def authorize_connection(self, connection: Connection) -> None:
        try:
            for guard in self.resolve_guards():
                checking = guard(connection, self)
                if checking is not None:
                    await checking
        except ForbiddenError:
            if "route" in self.opt:
                await note_refusal(connection, str(self.operation_id), self.opt["route"])
            raise

    def resolve_before_request(self) -> Call | None:
        """What this returns answers in place of what Litestar would make of the same handler."""
        return self._call


delete = partial(_Handler, http_method=HttpMethod.DELETE)
get = partial(_Handler, http_method=HttpMethod.GET)
head = partial(_Handler, http_method=HttpMethod.HEAD)
patch = partial(_Handler, http_method=HttpMethod.PATCH)
post = partial(_Handler, http_method=HttpMethod.POST)
put = partial(_Handler, http_method=HttpMethod.PUT)


def _ready_call(handler: HTTPRouteHandler) -> Call | None:
    """The handler with its parts; None if it wants something of the path, which Litestar is to look at, or if Litestar
    is to make an answer of what it returns.
    """
    wanted = inspect.signature(handler.fn).parameters.keys() - {"request"}
    if wanted - PART_NAMES or handler.parsed_fn_signature.return_type.annotation not in _READY:
        return None

    def call(request: Request[Any, Any, Any]) -> Awaitable[Answer]:
        parts = parts_of(request)
        answer: Awaitable[Answer] = handler.fn(request=request, **{name: parts[name] for name in wanted})
        return answer

    return call
