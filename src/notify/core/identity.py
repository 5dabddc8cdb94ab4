"""Who calls: scopes, callers, and what API keys look like."""

import hashlib
import secrets
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

__all__ = ("DEFAULT_APP", "KEY_SCOPES", "TOKEN_SCOPES", "Caller", "KeyScope", "NewKey", "hash_key", "make_key")

KeyScope = Annotated[
    Literal["send", "inbox", "admin"],
    Meta(
        description="`send` creates and edits, `inbox` reads and marks any inbox of the app and subscribes its users, "
        "`admin` manages keys and the settings of topics."
    ),
]
KEY_SCOPES: tuple[KeyScope, ...] = ("send", "inbox", "admin")
TOKEN_SCOPES = ("inbox", "inbox:read", "send")
DEFAULT_APP = "default"

_KEY_START = "nk_"
_SHOWN_CHARACTERS = 8
_SECRET_BYTES = 32


class Caller(Struct, frozen=True):
    """A request's credential, checked. `user_id` is set for a user's token, `key_id` for an API key."""

    app_id: str
    scopes: frozenset[str]
    user_id: str | None = None
    key_id: UUID | None = None
    expires_at: float | None = None
    """When a user's token runs out, in seconds since 1970."""

    token_id: str | None = None
    """What names a user's token: its `jti`, or its hash where it has none."""

    issued_at: float | None = None
    """When a user's token says that it was made."""

    is_operator: bool = False


class NewKey(Struct, frozen=True):
    """A key at the one moment when it is known in full."""

    key: str
    prefix: str
    hash: bytes


def make_key() -> NewKey:
    key = _KEY_START + secrets.token_urlsafe(_SECRET_BYTES)
    return NewKey(key, key[: len(_KEY_START) + _SHOWN_CHARACTERS], hash_key(key))


def hash_key(key: str) -> bytes:
    # Keys are 256 random bits, so that one round of SHA-256 is all they need.
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
