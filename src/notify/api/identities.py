"""Apps, API keys and user tokens."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath

from notify.api.access import Access, app_of, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.auth import Authenticator
from notify.api.handlers import delete, get, post
from notify.api.inputs import NoQuery, read_body, read_query, settings_of
from notify.api.messages import AppBody, AppsPage, AppsQuery, KeyBody, KeysPage, TokenAnswer, TokenBody
from notify.api.routes import route
from notify.core.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from notify.store.identities import Identities, NewApiKey, NewApp

__all__ = ("AppsController", "TokensController")


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
        ),
    )
    async def create(
        self,
        request: Request[Any, Any, Any],
        identities: NamedDependency[Identities],
    ) -> Answer:
        """The answer holds the secret that signs the app's user tokens. It is shown this once."""
        read_query(request, NoQuery)
        asked = await read_body(request, AppBody)
        return json_answer(await identities.create_app(asked.id, asked.name), status=201)

    @get("/", operation_id="listApps", summary="List apps", opt=route(Access.ADMIN, answer=AppsPage, query=AppsQuery))
    async def list_(self, request: Request[Any, Any, Any], identities: NamedDependency[Identities]) -> Answer:
        """All of them with the admin key, its own with an app's key."""
        query = read_query(request, AppsQuery)
        caller = caller_of(request)
        only = None if caller.is_operator else caller.app_id
        apps = await identities.apps(query.limit + 1, query.cursor, only)
        shown = apps[: query.limit]
        return json_answer(AppsPage(shown, shown[-1].id if len(apps) > query.limit else None))

    @post(
        "/{app:str}/keys",
        operation_id="createKey",
        summary="Make an API key",
        opt=route(
            Access.ADMIN,
            status=201,
            answer=NewApiKey,
            body=KeyBody,
            examples={"For a backend": {"name": "orders service", "scopes": ["send"]}},
            problems=(NotFoundError,),
        ),
    )
    async def create_key(
        self,
        request: Request[Any, Any, Any],
        app: FromPath[str],
        identities: NamedDependency[Identities],
    ) -> Answer:
        """The answer holds the key. It is shown this once; the service keeps only its hash."""
        read_query(request, NoQuery)
        app_id = app_of(request, app)
        asked = await read_body(request, KeyBody)
        return json_answer(await identities.create_key(app_id, asked.name, asked.scopes), status=201)

    @get(
        "/{app:str}/keys",
        operation_id="listKeys",
        summary="List API keys",
        opt=route(Access.ADMIN, answer=KeysPage, query=AppsQuery, problems=(NotFoundError,)),
    )
    async def list_keys(
        self, request: Request[Any, Any, Any], app: FromPath[str], identities: NamedDependency[Identities]
    ) -> Answer:
        """Oldest first, the revoked ones too. No key is shown in full."""
        query = read_query(request, AppsQuery)
        app_id = app_of(request, app)
        after = None if query.cursor is None else _key_id(query.cursor)
        keys = await identities.keys(app_id, query.limit + 1, after)
        shown = keys[: query.limit]
        return json_answer(KeysPage(shown, str(shown[-1].id) if len(keys) > query.limit else None))

    @delete(
        "/{app:str}/keys/{key_id:uuid}",
        operation_id="revokeKey",
        summary="Revoke an API key",
        status_code=204,
        opt=route(Access.ADMIN, status=204, problems=(NotFoundError,)),
    )
    async def revoke_key(
        self,
        request: Request[Any, Any, Any],
        app: FromPath[str],
        key_id: FromPath[UUID],
        identities: NamedDependency[Identities],
    ) -> None:
        """It stops working at once. Revoking it again is fine."""
        read_query(request, NoQuery)
        await identities.revoke_key(app_of(request, app), key_id)


class TokensController(Controller):
    path = "/v1/tokens"
    tags = ("Apps and keys",)

    @post(
        "/",
        operation_id="createToken",
        summary="Make a token for a user",
        opt=route(
            Access.INBOX,
            status=201,
            answer=TokenAnswer,
            body=TokenBody,
            examples={"For fifteen minutes": {"user_id": "alice", "ttl_seconds": 900}},
        ),
    )
    async def create(
        self,
        request: Request[Any, Any, Any],
        authenticator: NamedDependency[Authenticator],
    ) -> Answer:
        """For the front end of a user whom your backend has authenticated. A key gives out only what it has itself."""
        read_query(request, NoQuery)
        asked = await read_body(request, TokenBody)
        caller = caller_of(request)
        if caller.user_id is not None:
            raise ForbiddenError("A user's token cannot make tokens; use an API key with the scope `inbox`.")
        scopes = list(dict.fromkeys(asked.scope.split()))
        if "send" in scopes and "send" not in caller.scopes:
            raise ForbiddenError("This key may not send, so it cannot give out a token that may.")
        settings = settings_of(request)
        ttl_seconds = asked.ttl_seconds or settings.token_ttl_seconds
        if ttl_seconds > settings.max_token_ttl_seconds:
            raise InvalidError.at(
                "/ttl_seconds", f"At most {settings.max_token_ttl_seconds} (NOTIFY_MAX_TOKEN_TTL_SECONDS)."
            )
        token, expires_at = await authenticator.issue(
            caller.app_id, asked.user_id, scopes, timedelta(seconds=ttl_seconds)
        )
        return json_answer(TokenAnswer(token, expires_at), status=201)


def _key_id(cursor: str) -> UUID:
    try:
        return UUID(cursor)
    except ValueError as error:
        raise InvalidError.at("cursor", "Send a `next_cursor` exactly as a list gave it.") from error
