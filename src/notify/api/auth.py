"""Credentials: API keys, the admin key, and user tokens."""

import hmac
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import jwt
from litestar.connection import ASGIConnection, WebSocket

from notify.api.addresses import address_of
from notify.api.inputs import header
from notify.api.verifying import SECRET_ALGORITHM, Verifier
from notify.core.clock import Clock
from notify.core.errors import AppDisabledError, ForbiddenError, InvalidError, UnauthorizedError
from notify.core.identity import DEFAULT_APP, KEY_SCOPES, Caller, Network, Role, hash_key
from notify.core.ids import uuid7
from notify.core.names import Origins
from notify.store.apps import Apps
from notify.store.keys import Keys
from notify.store.tickets import Endpoint, Tickets

__all__ = ("Authenticator",)

_COOKIE = "notify_token"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LONGEST_CREDENTIAL = 8192


class Authenticator:
    def __init__(
        self,
        apps: Apps,
        keys: Keys,
        verifier: Verifier,
        tickets: Tickets,
        clock: Clock,
        *,
        admin_key: str,
        trusted_origins: Origins,
    ) -> None:
        self._apps = apps
        self._keys = keys
        self._verifier = verifier
        self._tickets = tickets
        self._clock = clock
        self._admin_key_hash = hash_key(admin_key)
        self._trusted_origins = trusted_origins

    async def caller_of(
        self,
        connection: ASGIConnection[Any, Any, Any, Any],
        *,
        opens_live: bool = False,
        answers_from_memory: bool = False,
        takes_admin_key: bool = True,
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
                caller = await self._tickets.spend(ticket, endpoint, _origins_of(connection))
                await self._apps.require_enabled(caller.app_id)
                return caller
        if credential is None:
            credential = connection.cookies.get(_COOKIE)
            if credential is not None:
                self._check_origin(connection, opens_live=opens_live)
        if credential is None:
            raise UnauthorizedError
        if len(credential) > _LONGEST_CREDENTIAL:
            raise UnauthorizedError("This credential is too long to be one of ours.")
        caller = await self.check(credential, answers_from_memory=answers_from_memory, takes_admin_key=takes_admin_key)
        if caller.allowed_addresses is not None:
            _check_address(connection, caller.allowed_addresses)
        return caller

    async def issue(
        self, app_id: str, user_id: str, scopes: list[str], ttl: timedelta, role: Role = "user"
    ) -> tuple[str, datetime]:
        """A user's token, and when it runs out."""
        now = self._clock.now()
        expires_at = (now + ttl).replace(microsecond=0)
        signing = await self._apps.signs_with(app_id)
        claims = {
            "sub": user_id,
            "app": app_id,
            "scope": " ".join(scopes),
            "role": role,
            "jti": str(uuid7()),
            "iat": now.timestamp(),
            "exp": int(expires_at.timestamp()),
        }
        # As the app wants the tokens that it signs itself.
        wanted = {"iss": signing.issuer, "aud": signing.audience}
        claims |= {name: value for name, value in wanted.items() if value is not None}
        return jwt.encode(claims, signing.secrets[0], algorithm=SECRET_ALGORITHM), expires_at

    async def check(
        self, credential: str, *, answers_from_memory: bool = False, takes_admin_key: bool = True
    ) -> Caller:
        # Hashed first, so that the comparison takes as long whatever was sent.
        digest = hash_key(credential)
        if takes_admin_key and hmac.compare_digest(digest, self._admin_key_hash):
            return Caller(DEFAULT_APP, frozenset(KEY_SCOPES), is_operator=True)
        if credential.count(".") == 2:  # noqa: PLR2004 - a JWT has three parts, an API key has one
            return await self._verifier.caller_of(credential, digest, answers_from_memory=answers_from_memory)
        found = await self._keys.find(digest)
        if found is None:
            raise UnauthorizedError("This API key is unknown or revoked.")
        caller = found.caller
        if caller.expires_at is not None and caller.expires_at <= self._clock.now().timestamp():
            raise UnauthorizedError("This API key has expired; use the one that replaces it, or make another.")
        if not found.is_app_enabled:
            raise AppDisabledError
        return caller

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
