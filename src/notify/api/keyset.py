"""Public keys of an app, from a JWKS document (RFC 7517): which of them verify tokens, and with which algorithm."""

from collections.abc import Mapping
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from msgspec import Struct

__all__ = ("KeySet", "KeySetError", "PublicKey", "keyset_from")

_MOST_KEYS = 50
_LEAST_RSA_BITS = 2048
_MOST_RSA_BITS = 8192
_LONGEST_NAME = 255
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
_ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, frozenset[str]]] = {
    ("RSA", None): ("RS256", frozenset({"RS256"})),
    ("EC", "P-256"): ("ES256", frozenset({"ES256"})),
    ("OKP", "Ed25519"): ("EdDSA", frozenset({"EdDSA", "Ed25519"})),
}
"""What each kind of key and its curve is for here, and what its `alg` may call that."""


class KeySetError(ValueError):
    """What is wrong with a document, in a sentence that quotes nothing of it but names of keys."""


class PublicKey(Struct, frozen=True):
    name: str | None
    """The `kid`."""

    algorithm: str
    key: jwt.PyJWK

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        return bool(self.key.Algorithm.verify(signed, self.key.key, signature))


class KeySet(Struct, frozen=True):
    keys: tuple[PublicKey, ...]

    def find(self, name: str | None) -> PublicKey | None:
        """The key of that name. A token need not name it where there is only one."""
        if name is None:
            return self.keys[0] if len(self.keys) == 1 else None
        return next((key for key in self.keys if key.name == name), None)


def keyset_from(document: str | bytes) -> KeySet:
    """The keys that verify tokens; those for another purpose or algorithm are left out. No document with a secret in it
    is taken, whatever else it holds.
    """
    try:
        parsed = msgspec.json.decode(document, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise KeySetError("It is not a JSON object.") from error
    listed = parsed.get("keys")
    if not isinstance(listed, list) or not all(isinstance(key, dict) for key in listed):
        raise KeySetError("It has no `keys` that is a list of keys.")
    if len(listed) > _MOST_KEYS:
        raise KeySetError(f"It holds more than {_MOST_KEYS} keys.")
    for key in listed:
        _refuse_secret(key)
    found = tuple(_public_key(key) for key in filter(_is_for_us, listed))
    if not found:
        raise KeySetError("It holds no key for RS256, ES256 or EdDSA (Ed25519).")
    names = [key.name for key in found]
    if len(set(names)) < len(names):
        raise KeySetError("Several of its keys have the same `kid`, or none.")
    return KeySet(found)


def _refuse_secret(key: Mapping[str, Any]) -> None:
    if key.get("kty") == "oct":
        raise KeySetError(
            "It holds a symmetric key (`oct`), which signs as well as it verifies. Send public keys only."
        )
    if not _PRIVATE.isdisjoint(key):
        raise KeySetError("It holds a private key. Make a new pair, and send the public key only.")


def _is_for_us(key: Mapping[str, Any]) -> bool:
    kind = _kind_of(key)
    if kind is None or key.get("use", "sig") != "sig" or "verify" not in _list_in(key, "key_ops", ["verify"]):
        return False
    _, names = _ALGORITHMS[kind]
    return key.get("alg") is None or key["alg"] in names


def _kind_of(key: Mapping[str, Any]) -> tuple[str, str | None] | None:
    return next((kind for kind in _ALGORITHMS if kind[0] == key.get("kty") and kind[1] in {None, key.get("crv")}), None)


def _list_in(key: Mapping[str, Any], name: str, default: list[str]) -> list[Any]:
    found = key.get(name, default)
    return found if isinstance(found, list) else []


def _public_key(key: dict[str, Any]) -> PublicKey:
    name = key.get("kid")
    if name is not None and not (isinstance(name, str) and 1 <= len(name) <= _LONGEST_NAME and name.isprintable()):
        raise KeySetError(f"A `kid` is a text of 1 to {_LONGEST_NAME} printable characters.")
    kind = _kind_of(key)
    assert kind is not None  # noqa: S101 - it was asked before
    algorithm, _ = _ALGORITHMS[kind]
    said = f"The key `{name}`" if name else "Its key"
    try:
        made = jwt.PyJWK.from_dict(key, algorithm=algorithm)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise KeySetError(f"{said} cannot be read as a key for {algorithm}.") from error
    if isinstance(made.key, RSAPublicKey) and not _LEAST_RSA_BITS <= made.key.key_size <= _MOST_RSA_BITS:
        raise KeySetError(
            f"{said} has {made.key.key_size} bits; RSA keys have {_LEAST_RSA_BITS} to {_MOST_RSA_BITS} here."
        )
    return PublicKey(name, algorithm, made)
