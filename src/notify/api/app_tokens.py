"""How an app's user tokens are signed: its secret, its public keys, and what its tokens have to say."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from notify.api.access import Access, app_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import get, post, put
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.jwks_fetching import JwksFetching
from notify.api.keyset import KeySetError, keyset_from
from notify.api.routes import route
from notify.core.errors import InvalidError, NotFoundError, SecretInSettingsError
from notify.outbound import check_url
from notify.store.apps import Apps, NewSecret
from notify.store.jwks import Jwks, JwtState, JwtWanted

__all__ = ("AppTokensController", "JwtAnswer", "JwtBody", "RotateBody", "shown", "wanted_by")

_Party = Annotated[str, Meta(min_length=1, max_length=255)]
_MONTH_SECONDS = 2_592_000


class JwtBody(Struct, frozen=True, forbid_unknown_fields=True):
    """All of it, in place of what was said before. What is left out is not asked for, or not there, any more."""

    jwks: (
        Annotated[
            dict[str, Any], Meta(description="A JWKS document (RFC 7517) with public keys for RS256, ES256 or EdDSA.")
        ]
        | None
    ) = None
    jwks_url: Annotated[str, Meta(max_length=2048, description="Where such a document is; https only.")] | None = None
    issuer: Annotated[_Party, Meta(description="What `iss` of each token has to be.")] | None = None
    audience: Annotated[_Party, Meta(description="What `aud` of each token has to be, or to hold.")] | None = None


class RotateBody(Struct, frozen=True, forbid_unknown_fields=True):
    overlap_seconds: Annotated[
        int,
        Meta(
            ge=0,
            le=_MONTH_SECONDS,
            description="How long the secret of before is taken as well. 0: no more.",
        ),
    ] = 86_400


class KnownKey(Struct, frozen=True):
    kid: str | None
    algorithm: str


class JwtAnswer(Struct, frozen=True):
    """How an app's tokens are verified. `keys` are the public ones that are taken now."""

    issuer: str | None
    audience: str | None
    jwks_url: str | None
    keys: list[KnownKey]
    begun_at: Annotated[datetime, Meta(description="When the URL was last asked.")] | None
    fetched_at: Annotated[datetime, Meta(description="When it last brought keys.")] | None
    failure: Annotated[str, Meta(description="What went wrong the last time, if anything did.")] | None
    secret_before_until: (
        Annotated[datetime, Meta(description="Until when the secret before the last rotation is taken.")] | None
    )


class AppTokensController(Controller):
    path = "/v1/apps/{app:str}/jwt"
    tags = ("Apps and keys",)

    @put(
        "/",
        operation_id="configureTokens",
        summary="Say how an app's tokens are verified",
        opt=route(
            Access.ADMIN,
            answer=JwtAnswer,
            body=JwtBody,
            examples={
                "Keys of an identity provider": {
                    "jwks_url": "https://id.shop.example/.well-known/jwks.json",
                    "issuer": "https://id.shop.example",
                    "audience": "notify",
                },
                "A key of one's own": {
                    "jwks": {
                        "keys": [
                            {
                                "kty": "OKP",
                                "crv": "Ed25519",
                                "kid": "2026-03",
                                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                            }
                        ]
                    }
                },
                "The secret alone": {},
            },
            problems=(NotFoundError,),
            audited=True,
        ),
    )
    async def configure(
        self,
        request: Request[Any, Any, Any],
        app: FromPath[str],
        jwks: NamedDependency[Jwks],
        jwks_fetching: NamedDependency[JwksFetching],
    ) -> Answer:
        """Beside the app's secret, which goes on to be taken (HS256). Every process goes by it once this is answered;
        keys behind a URL are there a moment later.
        """
        read_query(request, NoQuery)
        app_id = app_of(request, app)
        asked = await read_body(request, JwtBody)
        await jwks.configure(app_id, wanted_by(asked))
        if asked.jwks_url is not None:
            jwks_fetching.ask(app_id)
        return json_answer(shown(await jwks.state(app_id)))

    @get(
        "/",
        operation_id="getTokens",
        summary="Show how an app's tokens are verified",
        opt=route(Access.ADMIN, answer=JwtAnswer, problems=(NotFoundError,)),
    )
    async def show(self, request: Request[Any, Any, Any], app: FromPath[str], jwks: NamedDependency[Jwks]) -> Answer:
        """Never a secret. What went wrong with a URL is said here."""
        read_query(request, NoQuery)
        return json_answer(shown(await jwks.state(app_of(request, app))))

    @post(
        "/rotate",
        operation_id="rotateSecret",
        summary="Give an app a new secret for its tokens",
        opt=route(
            Access.ADMIN,
            status=201,
            answer=NewSecret,
            body=RotateBody,
            body_optional=True,
            examples={"Overlapping for a day": {"overlap_seconds": 86_400}, "At once": {"overlap_seconds": 0}},
            problems=(NotFoundError, SecretInSettingsError),
            audited=True,
        ),
    )
    async def rotate(self, request: Request[Any, Any, Any], app: FromPath[str], apps: NamedDependency[Apps]) -> Answer:
        """The new one is shown this once. Every process signs and verifies with it once this is answered; the one
        before is taken until the overlap ends, the one before that no more.
        """
        read_query(request, NoQuery)
        app_id = app_of(request, app)
        asked = await read_body(request, RotateBody, default=RotateBody())
        return json_answer(await apps.rotate_secret(app_id, timedelta(seconds=asked.overlap_seconds)), status=201)


def wanted_by(asked: JwtBody) -> JwtWanted:
    """What is asked for, if it can be."""
    if asked.jwks is not None and asked.jwks_url is not None:
        raise InvalidError.at("/jwks_url", "Give `jwks` or `jwks_url`, not both.")
    if asked.jwks_url is not None:
        try:
            check_url(asked.jwks_url)
        except ValueError as error:
            raise InvalidError.at("/jwks_url", str(error)) from error
    document = None if asked.jwks is None else msgspec.json.encode(asked.jwks).decode()
    if document is not None:
        try:
            keyset_from(document)
        except KeySetError as error:
            raise InvalidError.at("/jwks", str(error)) from error
    return JwtWanted(asked.issuer, asked.audience, asked.jwks_url, document)


def shown(state: JwtState) -> JwtAnswer:
    keys = () if state.document is None else keyset_from(state.document).keys
    return JwtAnswer(
        state.issuer,
        state.audience,
        state.url,
        [KnownKey(key.name, key.algorithm) for key in keys],
        state.begun_at,
        state.fetched_at,
        state.failure,
        state.secret_before_until,
    )
