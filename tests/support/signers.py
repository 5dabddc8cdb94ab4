"""Whoever signs user tokens with a key pair of their own: an identity provider, or a backend that has one."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from support.clock import ManualClock

__all__ = ("Signer", "in_base64url", "joined")

_MAKERS = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


class Signer:
    def __init__(self, algorithm: str = "EdDSA", kid: str | None = "first", *, key: Any = None) -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.private: Any = _MAKERS[algorithm]() if key is None else key

    def jwk(self, **others: Any) -> dict[str, Any]:
        """The public key, as it stands in a JWKS document; None leaves a member out."""
        algorithm: Any = jwt.get_algorithm_by_name(self.algorithm)
        made: dict[str, Any] = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        made = {name: value for name, value in made.items() if name != "key_ops"}
        every = made | {"kid": self.kid} | others
        return {name: value for name, value in every.items() if value is not None}

    def private_jwk(self) -> dict[str, Any]:
        algorithm: Any = jwt.get_algorithm_by_name(self.algorithm)
        made: dict[str, Any] = algorithm.to_jwk(self.private, as_dict=True)
        return {name: value for name, value in made.items() if name != "key_ops"} | {"kid": self.kid}

    def pem(self) -> bytes:
        found: bytes = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return found

    def token(self, clock: ManualClock | None = None, headers: dict[str, Any] | None = None, /, **claims: Any) -> str:
        """Alice's for a minute, except for what the claims and headers say; None leaves one out."""
        now = time.time() if clock is None else clock.now().timestamp()
        every = {"sub": "alice", "exp": int(now) + 60} | claims
        head = {"alg": self.algorithm, "kid": self.kid} | (headers or {})
        return self.raw(*({k: v for k, v in part.items() if v is not None} for part in (head, every)))

    def raw(self, head: object, claims: object) -> str:
        """Signed whatever it says, with the algorithm that the key is for."""
        signing = joined(json.dumps(head).encode(), json.dumps(claims).encode())
        algorithm: Any = jwt.get_algorithm_by_name(self.algorithm)
        return f"{signing}.{in_base64url(algorithm.sign(signing.encode(), self.private))}"


def joined(*parts: bytes) -> str:
    return ".".join(in_base64url(part) for part in parts)


def in_base64url(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
