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
from notify.api.messages import TokenAnswer, TokenBody
from notify.api.parts import settings_of
from notify.api.routes import route
from notify.core.errors import ForbiddenError, InvalidError

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
