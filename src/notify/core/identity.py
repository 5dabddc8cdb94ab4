"""Who calls: scopes, callers, and what API keys look like."""

import hashlib
import re
import secrets
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta, Struct

__all__ = (
    "DEFAULT_APP",
    "KEY_SCOPES",
    "TOKEN_SCOPES",
    "Caller",
    "Credential",
    "KeyScope",
    "Network",
    "NewKey",
    "NewTicket",
    "Role",
    "hash_key",
    "is_ticket",
    "make_key",
    "make_ticket",
)

Network = IPv4Network | IPv6Network
Role = Annotated[
    Literal["user", "admin"],
    Meta(
        description="What a token with the scope `send` may send: `user` to a few named users and in no other name, "
        "`admin` to anybody."
    ),
]

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
_TICKET_START = "nt_"
_SHOWN_CHARACTERS = 8
_SECRET_BYTES = 32
_TICKET = re.compile(_TICKET_START + r"[A-Za-z0-9_\-]{43}")


class Credential(Struct, frozen=True):
    """What a live connection was opened with, and ends with. All of it is None for the admin key."""

    token_id: str | None = None
    key_id: UUID | None = None
    issued_at: float | None = None
    """When the token says that it was made, the ticket was, or the key was shown; None where a token does not say."""


class Caller(Struct, frozen=True):
    """A request's credential, checked. `user_id` is set for a user's token or ticket, `key_id` for an API key and for a
    ticket that was made with one.
    """

    app_id: str
    scopes: frozenset[str]
    user_id: str | None = None
    key_id: UUID | None = None
    expires_at: float | None = None
    """When the credential runs out, in seconds since 1970. A user's token always does."""

    token_id: str | None = None
    """What names a user's token: its `jti`, or its hash where it has none."""

    issued_at: float | None = None
    """When a user's token says that it was made."""

    is_operator: bool = False
    is_admin: bool = False
    """Whether a user's token has the role `admin`: with the scope `send` it may send to anybody."""

    types: tuple[str, ...] | None = None
    """What an API key may send, where it is limited to some types."""

    allowed_addresses: tuple[Network, ...] | None = None
    """From where an API key is taken, where it is not from anywhere."""

    def credential(self, now: float) -> Credential:
        """What opens a live connection now."""
        is_key_itself = self.user_id is None
        return Credential(self.token_id, self.key_id, now if is_key_itself else self.issued_at)


class NewKey(Struct, frozen=True):
    """A key at the one moment when it is known in full."""

    key: str
    prefix: str
    hash: bytes


def make_key() -> NewKey:
    key = _KEY_START + secrets.token_urlsafe(_SECRET_BYTES)
    return NewKey(key, key[: len(_KEY_START) + _SHOWN_CHARACTERS], hash_key(key))


class NewTicket(Struct, frozen=True):
    """A ticket at the one moment when it is known in full."""

    ticket: str
    hash: bytes


def make_ticket() -> NewTicket:
    ticket = _TICKET_START + secrets.token_urlsafe(_SECRET_BYTES)
    return NewTicket(ticket, hash_key(ticket))


def is_ticket(text: str) -> bool:
    return _TICKET.fullmatch(text) is not None


def hash_key(key: str) -> bytes:
    # Keys are 256 random bits, so that one round of SHA-256 is all they need.
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
