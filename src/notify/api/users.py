"""Users: signing them out everywhere."""

from typing import Any

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency

from notify.api.access import Access, inbox_of
from notify.api.handlers import post
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.messages import Owner
from notify.api.routes import route
from notify.store.revoked import Revoked

__all__ = ("UsersController",)


class SignOutBody(Owner, frozen=True, forbid_unknown_fields=True):
    """Whom; a user's token signs out its own."""


class UsersController(Controller):
    path = "/v1/users"
    tags = ("Apps and keys",)

    @post(
        "/sign-out",
        operation_id="signOut",
        summary="Sign a user out everywhere",
        status_code=204,
        opt=route(
            Access.READ,
            status=204,
            body=SignOutBody,
            body_optional=True,
            examples={"From a backend": {"user_id": "alice"}},
            audited=True,
        ),
    )
    async def sign_out(self, request: Request[Any, Any, Any], revoked: NamedDependency[Revoked]) -> None:
        """When this is answered, no process takes a token or ticket any more that the user was given before; within a
        second their live connections end with `bye` `revoked`. What they are given afterwards is good.

        When a token was made its `iat` says: one without is refused, and so is one made in the same second if that is
        all that its `iat` says. Sign tokens with a fraction in it, as ours have, or wait for the next second.
        """
        read_query(request, NoQuery)
        asked = await read_body(request, SignOutBody, default=SignOutBody())
        await revoked.sign_out(*inbox_of(request, asked.user_id))
