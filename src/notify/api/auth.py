"""Credentials: API keys, the admin key, and user tokens."""

import hmac
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import parse_qsl

import jwt
import msgspec
from litestar.connection import ASGIConnection, WebSocket
from msgspec import Meta, Struct

from notify.api.addresses import address_of
from notify.api.inputs import header
from notify.core.clock import Clock
from notify.core.errors import (
    DatabaseAwayError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthorizedError,
)
from notify.core.identity import DEFAULT_APP, KEY_SCOPES, TOKEN_SCOPES, Caller, Network, Role, hash_key
from notify.core.ids import uuid7
from notify.core.text import AppId, UserId
from notify.store.apps import Apps, LeasedApp
from notify.store.keys import Keys
from notify.store.revoked import Revoked
from notify.store.tickets import Endpoint, Tickets

__all__ = ("Authenticator",)

_ALGORITHM = "HS256"
_COOKIE = "notify_token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_CREDENTIAL = 8192
_MOST_VERIFIED = 10_000
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999: neither infinity nor NaN, which never come, is a time."""


class _Claims(Struct):
    sub: UserId
    exp: Annotated[float, Meta(le=_LAST_SECOND)]
    scope: str = "inbox"
    jti: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    iat: Annotated[float, Meta(le=_LAST_SECOND)] | None = None
    role: Any = None
    """`admin` is ours; whatever else an application says there is its own."""


class _Verified(Struct, frozen=True):
    """What a token says, as long as its app has this secret."""

    secret: str
    caller: Caller


class Authenticator:
    def __init__(
        self,
        apps: Apps,
        keys: Keys,
        revoked: Revoked,
        tickets: Tickets,
        clock: Clock,
        *,
        admin_key: str,
        default_secret: str | None,
        trusted_origins: frozenset[str],
    ) -> None:
        self._apps = apps
        self._keys = keys
        self._revoked = revoked
        self._tickets = tickets
        self._clock = clock
        self._admin_key_hash = hash_key(admin_key)
        self._default_secret = default_secret
        self._trusted_origins = trusted_origins
        self._verified: dict[bytes, _Verified] = {}
        """Tokens that were found in order, by their hashes."""

    async def caller_of(
        self,
        connection: ASGIConnection[Any, Any, Any, Any],
        *,
        opens_live: bool = False,
        answers_from_memory: bool = False,
    ) -> Caller:
        """Who calls. What opens a live connection may name a token or a ticket in its query, since a browser can set no
        header. What answers from memory while the database is away takes tokens then without asking it about them.
        """
        credential = _credential_in(connection)
        if credential is None and opens_live:
            credential, ticket = _named_in(connection.scope["query_string"])
            if ticket is not None:
                if credential is not None:
                    raise InvalidError.at("ticket", "Send either `token` or `ticket`, not both.")
                endpoint: Endpoint = "websocket" if isinstance(connection, WebSocket) else "stream"
                return await self._tickets.spend(ticket, endpoint, _origins_of(connection))
        if credential is None:
            credential = connection.cookies.get(_COOKIE)
            if credential is not None:
                self._check_origin(connection, opens_live=opens_live)
        if credential is None:
            raise UnauthorizedError
        if len(credential) > _LONGEST_CREDENTIAL:
            raise UnauthorizedError("This credential is too long to be one of ours.")
        caller = await self.check(credential, answers_from_memory=answers_from_memory)
        if caller.allowed_addresses is not None:
            _check_address(connection, caller.allowed_addresses)
        return caller

    async def issue(
        self, app_id: str, user_id: str, scopes: list[str], ttl: timedelta, role: Role = "user"
    ) -> tuple[str, datetime]:
        """A user's token, and when it runs out."""
        now = self._clock.now()
        expires_at = (now + ttl).replace(microsecond=0)
        secret = self._given_secret_of(app_id) or await self._apps.secret_of(app_id)
        if secret is None:
            raise NotFoundError(f"There is no app {app_id}.")
        claims = {
            "sub": user_id,
            "app": app_id,
            "scope": " ".join(scopes),
            "role": role,
            "jti": str(uuid7()),
            "iat": now.timestamp(),
            "exp": int(expires_at.timestamp()),
        }
        return jwt.encode(claims, secret, algorithm=_ALGORITHM), expires_at

    def _given_secret_of(self, app_id: str) -> str | None:
        return self._default_secret if app_id == DEFAULT_APP else None

    async def check(self, credential: str, *, answers_from_memory: bool = False) -> Caller:
        # Hashed first, so that the comparison takes as long whatever was sent.
        digest = hash_key(credential)
        if hmac.compare_digest(digest, self._admin_key_hash):
            return Caller(DEFAULT_APP, frozenset(KEY_SCOPES), is_operator=True)
        if credential.count(".") == 2:  # noqa: PLR2004 - a JWT has three parts, an API key has one
            return await self._check_token(credential, digest, answers_from_memory=answers_from_memory)
        caller = await self._keys.find(digest)
        if caller is None:
            raise UnauthorizedError("This API key is unknown or revoked.")
        if caller.expires_at is not None and caller.expires_at <= self._clock.now().timestamp():
            raise UnauthorizedError("This API key has expired; use the one that replaces it, or make another.")
        return caller

    async def _check_token(self, token: str, digest: bytes, *, answers_from_memory: bool) -> Caller:
        known = self._verified.get(digest)
        try:
            app_id = _app_of(token) if known is None else known.caller.app_id
            given = self._given_secret_of(app_id)
            app = await self._app(app_id, is_needed=given is None or not answers_from_memory)
            secret = given or (None if app is None else app.secret)
            if secret is None:
                raise UnauthorizedError("This token is of an app that does not exist.")
            if known is None or known.secret != secret:
                known = self._verified[digest] = _Verified(secret, _verify(token, digest, secret, app_id))
                if len(self._verified) > _MOST_VERIFIED:
                    del self._verified[next(iter(self._verified))]
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError) as error:
            raise UnauthorizedError("This token is malformed, or signed with another secret.") from error
        caller = known.caller
        assert caller.expires_at is not None  # noqa: S101 - a token without is not verified
        if caller.expires_at <= self._clock.now().timestamp():
            raise ExpiredError
        if app is not None:
            await self._revoked.check(caller, app.revocations)
        return caller

    async def _app(self, app_id: str, *, is_needed: bool) -> LeasedApp | None:
        try:
            return await self._apps.leased(app_id)
        except DatabaseAwayError:
            if is_needed:
                raise
            return None

    def _check_origin(self, connection: ASGIConnection[Any, Any, Any, Any], *, opens_live: bool) -> None:
        """A browser sends the cookie along from any page, so what it may change or open is only for pages we trust."""
        origin = header(connection, b"origin") or ""
        if connection.scope.get("method") in _SAFE_METHODS:
            # A page of this host asks for a stream without naming its origin, any other page has to name it.
            from_elsewhere = origin or _is_from_elsewhere(connection)
            if not opens_live or not from_elsewhere:
                return
        if origin not in _own_origins(connection) and origin not in self._trusted_origins:
            raise ForbiddenError(
                "With the cookie, changes are taken only from pages of this host or NOTIFY_CORS_ORIGINS."
            )


def _origins_of(connection: ASGIConnection[Any, Any, Any, Any]) -> list[str]:
    """Which origins a page may have that asks for a live connection: a page of this host need not name its own."""
    origin = header(connection, b"origin")
    if origin:
        return [origin]
    return [] if _is_from_elsewhere(connection) else _own_origins(connection)


def _own_origins(connection: ASGIConnection[Any, Any, Any, Any]) -> list[str]:
    host = header(connection, b"host")
    return [f"http://{host}", f"https://{host}"] if host else []


def _is_from_elsewhere(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    return header(connection, b"sec-fetch-site") in {"cross-site", "same-site"}


def _check_address(connection: ASGIConnection[Any, Any, Any, Any], allowed: tuple[Network, ...]) -> None:
    address = address_of(connection)
    if address is None or not any(address in network for network in allowed):
        raise ForbiddenError("This API key is not taken from your address.")


def _app_of(token: str) -> str:
    """Of which app a token says it is, to find the secret that it has to be signed with."""
    unchecked = jwt.decode(token, options={"verify_signature": False})
    return msgspec.convert(unchecked.get("app", DEFAULT_APP), AppId)


def _verify(token: str, digest: bytes, secret: str, app_id: str) -> Caller:
    payload = jwt.decode(
        token,
        secret,
        algorithms=[_ALGORITHM],
        # Times are held against our own clock, each time that it is used.
        options={
            "require": ["exp", "sub"],
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
            "verify_aud": False,
        },
    )
    claims = msgspec.convert(payload, _Claims)
    claims.sub.encode()  # JSON may hold half of a surrogate pair, which no text of ours may
    scopes = frozenset(claims.scope.split())
    return Caller(
        app_id,
        scopes.intersection(TOKEN_SCOPES),
        user_id=claims.sub,
        expires_at=claims.exp,
        token_id=claims.jti or digest.hex(),
        issued_at=claims.iat,
        is_admin=claims.role == "admin",
    )


def _credential_in(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    scheme, _, credential = (header(connection, b"authorization") or "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not credential.strip():
            raise UnauthorizedError("The header `Authorization` has to be `Bearer`, a space, and the key or token.")
        return credential.strip()
    return (header(connection, b"x-api-key") or "").strip() or None


def _named_in(query: bytes) -> tuple[str | None, str | None]:
    """The token and the ticket that a query names."""
    named = dict(parse_qsl(query.decode("latin-1")))
    return named.get("token"), named.get("ticket")
