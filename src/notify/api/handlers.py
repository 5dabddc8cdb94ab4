"""Litestar's route handlers. For each guard and request it makes a copy of the handler, which ours have no use for and
which costs more than the check itself.
"""

from functools import partial

from litestar import HttpMethod
from litestar.handlers import HTTPRouteHandler

from notify.api.access import Connection

__all__ = ("delete", "get", "head", "patch", "post")


class _Uncopied(HTTPRouteHandler):
    async def authorize_connection(self, connection: Connection) -> None:
        for guard in self.resolve_guards():
            checking = guard(connection, self)
            if checking is not None:
                await checking


delete = partial(_Uncopied, http_method=HttpMethod.DELETE)
get = partial(_Uncopied, http_method=HttpMethod.GET)
head = partial(_Uncopied, http_method=HttpMethod.HEAD)
patch = partial(_Uncopied, http_method=HttpMethod.PATCH)
post = partial(_Uncopied, http_method=HttpMethod.POST)
