"""User tokens."""

from datetime import timedelta
from typing import Any

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency

from notify.api.access import Access, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.auth import Authenticator
from notify.api.handlers import post
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.messages import RevokeTokenBody, TokenAnswer, TokenBody
from notify.api.parts import settings_of
from notify.api.routes import route
from notify.core.errors import ExpiredError, ForbiddenError, InvalidError, UnauthorizedError
from notify.core.identity import Caller
from notify.store.revoked import Revoked

__all__ = ("TokensController",)


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
        if "send" in scopes and caller.types is not None:
            raise ForbiddenError("This key may send some types only, so it cannot give out a token that may send any.")
        if asked.role == "admin" and ("send" not in caller.scopes or caller.types is not None):
            raise ForbiddenError("The role `admin` is given out by a key that may send anything to anybody.")
        settings = settings_of(request)
        ttl_seconds = asked.ttl_seconds or settings.token_ttl_seconds
        if ttl_seconds > settings.max_token_ttl_seconds:
            raise InvalidError.at(
                "/ttl_seconds", f"At most {settings.max_token_ttl_seconds} (NOTIFY_MAX_TOKEN_TTL_SECONDS)."
            )
        token, expires_at = await authenticator.issue(
            caller.app_id, asked.user_id, scopes, timedelta(seconds=ttl_seconds), asked.role
        )
        return json_answer(TokenAnswer(token, expires_at), status=201)

    @post(
        "/revoke",
        operation_id="revokeToken",
        summary="Revoke a user's token",
        status_code=204,
        opt=route(
            Access.READ,
            status=204,
            body=RevokeTokenBody,
            body_optional=True,
            examples={"By its jti": {"jti": "01a1fd61-d36a-7e3b-90cb-826a32323436"}},
            audited=True,
        ),
    )
    async def revoke(
        self,
        request: Request[Any, Any, Any],
        authenticator: NamedDependency[Authenticator],
        revoked: NamedDependency[Revoked],
    ) -> None:
        """With a user's token and no body: that one, which is how a user logs out. With an API key: the `token` in the
        body, or the one with this `jti`.

        No process takes it when this is answered, and within a second the live connections and tickets that go by it
        end, those with `bye` `revoked`. Revoking it again is fine.
        """
        read_query(request, NoQuery)
        asked = await read_body(request, RevokeTokenBody, default=RevokeTokenBody())
        caller = caller_of(request)
        if caller.user_id is None:
            token_id = await _token_id(authenticator, caller, asked)
        elif asked == RevokeTokenBody():
            token_id = caller.token_id
        else:
            raise ForbiddenError("A user's token revokes itself only; leave the body out.")
        if token_id is not None:
            await revoked.revoke_token(caller.app_id, token_id)


async def _token_id(authenticator: Authenticator, caller: Caller, asked: RevokeTokenBody) -> str | None:
    """None for a token that is good for nothing anyway."""
    if (asked.token is None) == (asked.jti is None):
        raise InvalidError("Send either `token` or `jti`.")
    if asked.token is None:
        return asked.jti
    not_ours = InvalidError.at("/token", "This is no user's token of this app.")
    try:
        named = await authenticator.check(asked.token)
    except ExpiredError:
        return None
    except UnauthorizedError as error:
        raise not_ours from error
    if named.user_id is None or named.app_id != caller.app_id:
        raise not_ours
    return named.token_id
