"""The API keys of an app."""

from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath

from notify.api.access import Access, app_of, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.auditing import note
from notify.api.handlers import delete, get, post
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.messages import AppsQuery, KeysPage, RotateBody
from notify.api.parts import clock_of
from notify.api.routes import route
from notify.core.api_keys import KeyProperties, check_within, checked
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
            body=KeyProperties,
            examples={
                "For a backend": {"name": "orders service", "scopes": ["send"]},
                "For one purpose": {
                    "name": "invoices",
                    "scopes": ["send"],
                    "types": ["invoice.*"],
                    "allowed_addresses": ["192.0.2.0/24"],
                },
            },
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
        """The answer holds the key. It is shown this once; the service keeps only its hash.

        A key with the scope `admin` gives out every scope of its app. One that expires, or is taken from some addresses
        only, makes none that outlives it or is taken from elsewhere.
        """
        read_query(request, NoQuery)
        app_id = app_of(request, app)
        asked = checked(await read_body(request, KeyProperties), clock_of(request).now())
        note(request, name=asked.name, scopes=asked.scopes)
        check_within(caller_of(request), asked)
        new = await keys.create(app_id, asked)
        note(request, key_id=new.id)
        return json_answer(new, status=201)

    @post(
        "/{key_id:uuid}/rotate",
        operation_id="rotateKey",
        summary="Replace an API key",
        opt=route(
            Access.ADMIN,
            status=201,
            answer=NewApiKey,
            body=RotateBody,
            examples={"Within a day": {"overlap_seconds": 86_400}},
            problems=(NotFoundError,),
            audited=True,
        ),
    )
    async def rotate_key(
        self,
        request: Request[Any, Any, Any],
        app: FromPath[str],
        key_id: FromPath[UUID],
        keys: NamedDependency[Keys],
    ) -> Answer:
        """The answer holds a new key with the same name, scopes, types, addresses and end, this once. The old one works
        for as long as the overlap says; with 0, no process takes it when this is answered. What was opened with the old
        one ends with it.
        """
        read_query(request, NoQuery)
        app_id = app_of(request, app)
        asked = await read_body(request, RotateBody)
        check = partial(check_within, caller_of(request))
        made = await keys.rotate(app_id, key_id, timedelta(seconds=asked.overlap_seconds), check)
        note(request, new_key_id=made.id)
        return json_answer(made, status=201)

    @get(
        "/",
        operation_id="listKeys",
        summary="List API keys",
        opt=route(Access.ADMIN, answer=KeysPage, query=AppsQuery, problems=(NotFoundError,)),
    )
    async def list_keys(
        self, request: Request[Any, Any, Any], app: FromPath[str], keys: NamedDependency[Keys]
    ) -> Answer:
        """Oldest first, the revoked and expired ones too. No key is shown in full."""
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
        """It stops working at once, and what was opened with it ends. Revoking it again is fine."""
        read_query(request, NoQuery)
        await keys.revoke(app_of(request, app), key_id)


def _key_id(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError as error:
        raise InvalidError.at("cursor", "Send a `next_cursor` exactly as a list gave it.") from error
