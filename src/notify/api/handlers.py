"""Litestar's route handlers. For each guard and request it makes a copy of the handler, which ours have no use for and
which costs more than the check itself.
"""

import litestar
from litestar.connection import ASGIConnection
from litestar.handlers import HTTPRouteHandler

__all__ = ("delete", "get", "head", "patch", "post")


class _Uncopied(HTTPRouteHandler):
    async def authorize_connection(self, connection: ASGIConnection) -> None:
        for guard in self.resolve_guards():
            await guard(connection, self)


class delete(_Uncopied, litestar.delete): ...  # noqa: N801 - named as Litestar's


class get(_Uncopied, litestar.get): ...  # noqa: N801 - named as Litestar's


class head(_Uncopied, litestar.head): ...  # noqa: N801 - named as Litestar's


class patch(_Uncopied, litestar.patch): ...  # noqa: N801 - named as Litestar's


class post(_Uncopied, litestar.post): ...  # noqa: N801 - named as Litestar's
