"""User tokens: whether one is in order, and what it says. What a key is for decides the algorithm, never the token."""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from notify.api.keyset import KeySet, keyset_from
from notify.core.clock import Clock
from notify.core.errors import AppDisabledError, DatabaseAwayError, ExpiredError, KeysUnderWayError, UnauthorizedError
from notify.core.identity import DEFAULT_APP, TOKEN_SCOPES, Caller
from notify.core.text import AppId, UserId
from notify.store.apps import Apps, Signing
from notify.store.revoked import Revoked

__all__ = ("SECRET_ALGORITHM", "Verifier", "VerifierLimits")

SECRET_ALGORITHM = "HS256"  # noqa: S105 - a name
_PUBLIC_ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
_LEAST_SECRET_BYTES = 32
_MOST_VERIFIED = 10_000
_MOST_KEYSETS = 1000
_LAST_SECOND = 253_402_300_799
"""The end of the year 9999: neither infinity nor NaN, which never come, is a time."""

_MALFORMED = "This token is malformed, or signed with another secret or key."

_Time = Annotated[float, Meta(le=_LAST_SECOND)]


class _Head(Struct, frozen=True):
    """Keys that a token brings along or points at (`jwk`, `jku`, `x5c`, `x5u`) are not even looked at."""

    alg: str
    kid: Annotated[str, Meta(max_length=255)] | None = None
    crit: object = msgspec.UNSET


class _Claims(Struct, frozen=True):
    sub: UserId
    exp: _Time
    app: AppId = DEFAULT_APP
    scope: str = "inbox"
    jti: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    iat: _Time | None = None
    nbf: _Time | None = None
    iss: str | None = None
    aud: str | list[str] | None = None
    role: Any = None
    """`admin` is ours; whatever else an application says there is its own."""


class _Token(Struct, frozen=True):
    """A token taken apart. Nothing it says is true yet."""

    head: _Head
    claims: _Claims
    signed: bytes
    signature: bytes


class _Verified(Struct, frozen=True):
    """What a token says, as long as its app has its tokens verified in this way."""

    signing: Signing
    caller: Caller


class VerifierLimits(Struct, frozen=True):
    leeway_seconds: float
    most_ttl_seconds: float


class Verifier:
    def __init__(
        self,
        apps: Apps,
        revoked: Revoked,
        clock: Clock,
        limits: VerifierLimits,
        on_unknown_key: Callable[[str], None],
    ) -> None:
        """`on_unknown_key` is told of which app a token names a public key that may be had from its URL."""
        self._apps = apps
        self._revoked = revoked
        self._clock = clock
        self._limits = limits
        self._on_unknown_key = on_unknown_key
        self._verified: dict[bytes, _Verified] = {}
        """Tokens that were found in order, by their hashes."""

        self._keysets: dict[str, tuple[str, KeySet]] = {}
        """Of each app, with the document that they are from."""

    async def caller_of(self, token: str, digest: bytes, *, answers_from_memory: bool) -> Caller:
        """Whose token this is; `digest` is its hash."""
        known = self._verified.get(digest)
        if known is None:
            opened = _opened(token)
            app_id = opened.claims.app
        else:
            opened, app_id = None, known.caller.app_id
        signing = await self._signing_of(app_id, answers_from_memory=answers_from_memory)
        if signing is None:
            raise UnauthorizedError("This token is of an app that does not exist.")
        if known is None or known.signing is not signing:
            known = self._remember(digest, _Verified(signing, self._verify(opened or _opened(token), signing)))
        caller = known.caller
        assert caller.expires_at is not None  # noqa: S101 - a token without is not verified
        if caller.expires_at <= self._clock.now().timestamp():
            raise ExpiredError
        await self._revoked.check(caller, signing.revocations)
        if not signing.is_enabled:
            raise AppDisabledError
        return caller

    async def _signing_of(self, app_id: str, *, answers_from_memory: bool) -> Signing | None:
        try:
            return await self._apps.signing_of(app_id)
        except DatabaseAwayError:
            given = self._apps.given_signing_of(app_id)
            if not answers_from_memory or given is None:
                raise
            return given

    def _remember(self, digest: bytes, verified: _Verified) -> _Verified:
        self._verified[digest] = verified
        if len(self._verified) > _MOST_VERIFIED:
            del self._verified[next(iter(self._verified))]
        return verified

    def _verify(self, token: _Token, signing: Signing) -> Caller:
        claims = token.claims
        from_public_key = token.head.alg in _PUBLIC_ALGORITHMS
        if from_public_key:
            is_signed = self._is_signed_with_key(token, signing)
        else:
            is_signed = token.head.alg == SECRET_ALGORITHM and _is_signed_with_secret(token, signing)
        if not is_signed:
            raise UnauthorizedError(_MALFORMED)
        self._check_times(claims)
        _check_parties(claims, signing, from_public_key=from_public_key)
        scopes = frozenset(claims.scope.split())
        return Caller(
            claims.app,
            scopes.intersection(TOKEN_SCOPES),
            user_id=claims.sub,
            expires_at=claims.exp,
            # Of what is signed: of some signatures there are several for one token.
            token_id=claims.jti or hashlib.sha256(token.signed).hexdigest(),
            issued_at=claims.iat,
            is_admin=claims.role == "admin",
        )

    def _is_signed_with_key(self, token: _Token, signing: Signing) -> bool:
        keys = self._keys_of(token.claims.app, signing)
        key = None if keys is None else keys.find(token.head.kid)
        if key is None:
            if (keys is None or token.head.kid is not None) and signing.may_get_keys(self._clock.now()):
                self._on_unknown_key(token.claims.app)
                raise KeysUnderWayError
            return False
        return key.algorithm == token.head.alg and key.verifies(token.signed, token.signature)

    def _keys_of(self, app_id: str, signing: Signing) -> KeySet | None:
        if signing.document is None:
            return None
        document, keys = self._keysets.get(app_id, (None, None))
        if keys is None or document is not signing.document:
            keys = keyset_from(signing.document)
            self._keysets[app_id] = signing.document, keys
            if len(self._keysets) > _MOST_KEYSETS:
                del self._keysets[next(iter(self._keysets))]
        return keys

    def _check_times(self, claims: _Claims) -> None:
        # Whether it has run out is asked each time that it is used.
        now, leeway = self._clock.now().timestamp(), self._limits.leeway_seconds
        if claims.exp > now + self._limits.most_ttl_seconds + leeway:
            raise UnauthorizedError(
                f"This token lives longer than {self._limits.most_ttl_seconds:.0f} seconds "
                "(NOTIFY_MAX_TOKEN_TTL_SECONDS); sign one with an earlier `exp`."
            )
        for name, time in (("nbf", claims.nbf), ("iat", claims.iat)):
            if time is not None and time > now + leeway:
                raise UnauthorizedError(
                    f"This token is of the future (`{name}`); compare the clock of whoever signed it with ours."
                )


def _check_parties(claims: _Claims, signing: Signing, *, from_public_key: bool) -> None:
    if signing.issuer is not None and claims.iss != signing.issuer:
        raise UnauthorizedError("This token is of another issuer (`iss`) than its app wants.")
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud or []
    if signing.audience is not None:
        if signing.audience not in audiences:
            raise UnauthorizedError("This token is for another audience (`aud`) than its app wants.")
    elif audiences and from_public_key:
        # A secret is the app's own. An identity provider signs for many, and this one is not known to be for us.
        raise UnauthorizedError("This token is for an audience (`aud`), and its app has not said which one is its own.")


def _is_signed_with_secret(token: _Token, signing: Signing) -> bool:
    # Of every secret, so that the answer takes as long whichever it is.
    found = [
        hmac.compare_digest(hmac.digest(secret.encode(), token.signed, "sha256"), token.signature)
        for secret in signing.secrets
        if len(secret.encode()) >= _LEAST_SECRET_BYTES
    ]
    return any(found)


def _opened(token: str) -> _Token:
    try:
        signed, _, signature = token.encode("ascii").rpartition(b".")
        head, claims = signed.split(b".")
        opened = _Token(_part(head, _Head), _part(claims, _Claims), signed, _bytes_of(signature))
        opened.claims.sub.encode()  # JSON may hold half of a surrogate pair, which no text of ours may
    except (ValueError, RecursionError) as error:
        raise UnauthorizedError(_MALFORMED) from error
    if opened.head.crit is not msgspec.UNSET:
        raise UnauthorizedError("This token asks for an extension (`crit`) that is not known here.")
    return opened


def _part(part: bytes, type_: type[Any]) -> Any:
    return msgspec.convert(json.loads(_bytes_of(part).decode(), object_pairs_hook=_unambiguous), type_)


def _bytes_of(part: bytes) -> bytes:
    """Base64url as JWTs write it: without padding, and in the only way to write these bytes."""
    found = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
    if base64.urlsafe_b64encode(found).rstrip(b"=") != part:
        raise binascii.Error("not canonical")
    return found


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is given twice")
    return found
