"""Credentials: API keys, the admin key, and user tokens."""

import hmac
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import jwt
from litestar.connection import ASGIConnection

from notify.api.inputs import header
from notify.api.verifying import SECRET_ALGORITHM, Verifier
from notify.core.clock import Clock
from notify.core.errors import ForbiddenError, UnauthorizedError
from notify.core.identity import DEFAULT_APP, KEY_SCOPES, Caller, hash_key
from notify.core.ids import uuid7
from notify.core.names import Origins
from notify.store.apps import Apps
from notify.store.keys import Keys

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
        clock: Clock,
        *,
        admin_key: str,
        trusted_origins: Origins,
    ) -> None:
        self._apps = apps
        self._keys = keys
        self._verifier = verifier
        self._clock = clock
        self._admin_key_hash = hash_key(admin_key)
        self._trusted_origins = trusted_origins

    async def caller_of(
        self,
        connection: ASGIConnection[Any, Any, Any, Any],
        *,
        opens_live: bool = False,
        takes_admin_key: bool = True,
    ) -> Caller:
        """Who calls. What opens a live connection may name a token in its query, since a browser can set no header."""
        credential = _credential_in(connection)
        if credential is None and opens_live:
            credential = _token_in(connection.scope["query_string"])
        if credential is None:
            credential = connection.cookies.get(_COOKIE)
            if credential is not None:
                self._check_origin(connection, opens_live=opens_live)
        if credential is None:
            raise UnauthorizedError
        if len(credential) > _LONGEST_CREDENTIAL:
            raise UnauthorizedError("This credential is too long to be one of ours.")
        return await self.check(credential, takes_admin_key=takes_admin_key)

    async def issue(self, app_id: str, user_id: str, scopes: list[str], ttl: timedelta) -> tuple[str, datetime]:
        """A user's token, and when it runs out."""
        now = self._clock.now()
        expires_at = (now + ttl).replace(microsecond=0)
        signing = await self._apps.signs_with(app_id)
        claims = {
            "sub": user_id,
            "app": app_id,
            "scope": " ".join(scopes),
            "jti": str(uuid7()),
            "iat": now.timestamp(),
            "exp": int(expires_at.timestamp()),
        }
        # As the app wants the tokens that it signs itself.
        wanted = {"iss": signing.issuer, "aud": signing.audience}
        claims |= {name: value for name, value in wanted.items() if value is not None}
        return jwt.encode(claims, signing.secrets[0], algorithm=SECRET_ALGORITHM), expires_at

    async def check(self, credential: str, *, takes_admin_key: bool = True) -> Caller:
        # Hashed first, so that the comparison takes as long whatever was sent.
        digest = hash_key(credential)
        if takes_admin_key and hmac.compare_digest(digest, self._admin_key_hash):
            return Caller(DEFAULT_APP, frozenset(KEY_SCOPES), is_operator=True)
        if credential.count(".") == 2:  # noqa: PLR2004 - a JWT has three parts, an API key has one
            return await self._verifier.caller_of(credential, digest)
        caller = await self._keys.find(digest)
        if caller is None:
            raise UnauthorizedError("This API key is unknown or revoked.")
        await self._apps.require_enabled(caller.app_id)
        return caller

    def _check_origin(self, connection: ASGIConnection[Any, Any, Any, Any], *, opens_live: bool) -> None:
        """A browser sends the cookie along from any page, so what it may change or open is only for pages we trust."""
        origin = header(connection, b"origin") or ""
        if connection.scope.get("method") in _SAFE_METHODS:
            # A page of this host asks for a stream without naming its origin, any other page has to name it.
            from_elsewhere = origin or header(connection, b"sec-fetch-site") in {"cross-site", "same-site"}
            if not opens_live or not from_elsewhere:
                return
        host = header(connection, b"host")
        own = bool(host) and origin in {f"http://{host}", f"https://{host}"}
        if not own and origin not in self._trusted_origins:
            raise ForbiddenError(
                "With the cookie, changes are taken only from pages of this host or NOTIFY_CORS_ORIGINS."
            )


def _credential_in(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    scheme, _, credential = (header(connection, b"authorization") or "").partition(" ")
    if scheme:
        if scheme.lower() != "bearer" or not credential.strip():
            raise UnauthorizedError("The header `Authorization` has to be `Bearer`, a space, and the key or token.")
        return credential.strip()
    return (header(connection, b"x-api-key") or "").strip() or None


def _token_in(query: bytes) -> str | None:
    return dict(parse_qsl(query.decode("latin-1"))).get("token")
