"""The API keys of an app."""

from typing import Any
from uuid import UUID

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath

from notify.api.access import Access, app_of
from notify.api.answers import Answer, json_answer
from notify.api.auditing import note
from notify.api.handlers import delete, get, post
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.messages import AppsQuery, KeyBody, KeysPage
from notify.api.routes import route
from notify.core.errors import InvalidError, NotFoundError
from notify.store.keys import Keys, NewApiKey

__all__ = ("KeysController",)


class KeysController(Controller):
    path = "/v1/apps/{app:str}/keys"
    tags = ("Apps and keys",)

    @post(
        "/",
        operation_id="createKey",
        summary="Make an API key",
        opt=route(
            Access.ADMIN,
            status=201,
            answer=NewApiKey,
            body=KeyBody,
            examples={"For a backend": {"name": "orders service", "scopes": ["send"]}},
            problems=(NotFoundError,),
            audited=True,
        ),
    )
    async def create_key(
        self,
        request: Request[Any, Any, Any],
        app: FromPath[str],
        keys: NamedDependency[Keys],
    ) -> Answer:
        """The answer holds the key. It is shown this once; the service keeps only its hash."""
        read_query(request, NoQuery)
        app_id = app_of(request, app)
        asked = await read_body(request, KeyBody)
        note(request, name=asked.name, scopes=asked.scopes)
        new = await keys.create(app_id, asked.name, asked.scopes)
        note(request, key_id=new.id)
        return json_answer(new, status=201)

    @get(
        "/",
        operation_id="listKeys",
        summary="List API keys",
        opt=route(Access.ADMIN, answer=KeysPage, query=AppsQuery, problems=(NotFoundError,)),
    )
    async def list_keys(
        self, request: Request[Any, Any, Any], app: FromPath[str], keys: NamedDependency[Keys]
    ) -> Answer:
        """Oldest first, the revoked ones too. No key is shown in full."""
        query = read_query(request, AppsQuery)
        app_id = app_of(request, app)
        after = None if query.cursor is None else _key_id(query.cursor)
        found = await keys.list_(app_id, query.limit + 1, after)
        shown = found[: query.limit]
        return json_answer(KeysPage(shown, str(shown[-1].id) if len(found) > query.limit else None))

    @delete(
        "/{key_id:uuid}",
        operation_id="revokeKey",
        summary="Revoke an API key",
        status_code=204,
        opt=route(Access.ADMIN, status=204, problems=(NotFoundError,), audited=True),
    )
    async def revoke_key(
        self,
        request: Request[Any, Any, Any],
        app: FromPath[str],
        key_id: FromPath[UUID],
        keys: NamedDependency[Keys],
    ) -> None:
        """It stops working at once. Revoking it again is fine."""
        read_query(request, NoQuery)
        await keys.revoke(app_of(request, app), key_id)


def _key_id(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError as error:
        raise InvalidError.at("cursor", "Send a `next_cursor` exactly as a list gave it.") from error
