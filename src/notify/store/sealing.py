"""Secrets at rest: what the database keeps of a secret is encrypted, if there is a key for it.

Sealed text says which key it was sealed with, and opens only in the place it was sealed for: who can write to the
database cannot make the secret of one app that of another.
"""

import base64
import hashlib
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from notify.core.errors import SealedError

__all__ = ("KEY_BYTES", "Sealing", "key_from")

KEY_BYTES = 32
_NONCE_BYTES = 12
_MARK = "sealed.1."
"""What no secret of ours begins with when it is not sealed. The number is of the algorithm: AES-256-GCM."""

_SHOWN_CHARACTERS = 8


class Sealing:
    def __init__(self, keys: Sequence[str], *, seals: bool = True) -> None:
        """The first key seals, each opens. Without any, or where none `seals`, secrets are kept as they are."""
        self._keys = {_id_of(key): AESGCM(key) for key in map(key_from, keys)}
        self._newest = next(iter(self._keys), None) if seals else None

    def sealed(self, secret: str, place: str) -> str:
        """`place` is the table, column and row that it will be in."""
        if self._newest is None:
            return secret
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._keys[self._newest].encrypt(nonce, secret.encode(), place.encode())
        return f"{_MARK}{self._newest}.{base64.urlsafe_b64encode(sealed).decode()}"

    def opened(self, kept: str, place: str) -> str:
        """The secret that this was sealed from. What was kept before there was a key is what it is."""
        if not kept.startswith(_MARK):
            return kept
        key_id, _, text = kept.removeprefix(_MARK).partition(".")
        key = self._keys.get(key_id)
        if key is None:
            raise SealedError(
                f"A secret in the database ({place}) is encrypted with the key {key_id}, which NOTIFY_ENCRYPTION_KEY "
                "does not hold. Add that key to it."
            )
        try:
            sealed = base64.b64decode(text, altchars=b"-_", validate=True)
            return key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise SealedError(
                f"A secret in the database ({place}) was changed, or moved from another place. Put back what was "
                "there, or make a new secret."
            ) from error

    def is_newest(self, kept: str) -> bool:
        """Whether it is kept as it would be if it were sealed now."""
        return kept.startswith(f"{_MARK}{self._newest}.") if self._newest else not kept.startswith(_MARK)


def key_from(text: str) -> bytes:
    """The bytes of a key that is written in base64url, with padding or without."""
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise ValueError("expected base64url") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"expected {KEY_BYTES} bytes")
    return key


def _id_of(key: bytes) -> str:
    """What names a key without telling anything about it."""
    return hashlib.sha256(b"notify encryption key" + key).hexdigest()[:_SHOWN_CHARACTERS]
