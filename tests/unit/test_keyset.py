"""Which keys of a JWKS document verify tokens, and which documents nobody should send."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from notify.api.keyset import KeySetError, keyset_from
from support.signers import Signer

RSA = Signer("RS256", "r")
EC = Signer("ES256", "e")
ED = Signer("EdDSA", "o")


def document(*keys: Any) -> str:
    return json.dumps({"keys": keys})


@pytest.mark.parametrize("signer", [RSA, EC, ED], ids=lambda signer: signer.algorithm)
def test_a_key_verifies_with_the_algorithm_that_it_is_for(signer: Signer) -> None:
    (key,) = keyset_from(document(signer.jwk())).keys
    assert (key.name, key.algorithm) == (signer.kid, signer.algorithm)
    signed, _, text = signer.token().rpartition(".")
    signature = base64.urlsafe_b64decode(f"{text}==")
    assert key.verifies(signed.encode(), signature)
    assert not key.verifies(signed.encode() + b"x", signature)
    for junk in (b"", b"\0" * 64, b"\xff" * 64, b"\xff" * 256, b"x"):
        assert not key.verifies(signed.encode(), junk)


def test_a_key_is_found_by_its_name_or_by_being_the_only_one() -> None:
    several = keyset_from(document(RSA.jwk(), EC.jwk(), ED.jwk()))
    assert [several.find(name) and several.find(name).algorithm for name in ("r", "e", "o", "x", None)] == [  # type: ignore[union-attr]
        "RS256",
        "ES256",
        "EdDSA",
        None,
        None,
    ]
    alone = keyset_from(document(ED.jwk()))
    assert alone.find(None) is alone.find("o") is not None
    unnamed = keyset_from(document(ED.jwk(kid=None)))
    assert unnamed.find(None) is not None
    assert unnamed.find("o") is None


def test_keys_for_something_else_are_left_out() -> None:
    others = [
        RSA.jwk(kid="1", use="enc"),
        RSA.jwk(kid="2", alg="RSA-OAEP"),
        RSA.jwk(kid="3", alg="PS256"),
        RSA.jwk(kid="4", key_ops=["encrypt"]),
        RSA.jwk(kid="5", key_ops="verify"),
        EC.jwk(kid="6", crv="P-521"),
        EC.jwk(kid="7", alg="ES384"),
        ED.jwk(kid="8", crv="X25519"),
        {"kty": "AKP", "kid": "9"},
        {},
    ]
    assert [key.name for key in keyset_from(document(*others, RSA.jwk(use="sig", alg="RS256"))).keys] == ["r"]
    with pytest.raises(KeySetError, match="no key for RS256"):
        keyset_from(document(*others))


SECRETS = [
    {"kty": "oct", "kid": "s", "k": "c2VjcmV0"},
    {"kty": "oct"},
    RSA.private_jwk(),
    EC.private_jwk(),
    ED.private_jwk(),
    RSA.private_jwk() | {"use": "enc"},
    {"kty": "unknown", "d": "x"},
    RSA.jwk() | {"p": "x"},
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_document_with_a_secret_in_it_is_refused(secret: dict[str, Any]) -> None:
    for keys in ([secret], [ED.jwk(), secret]):
        with pytest.raises(KeySetError, match=r"private|symmetric") as refused:
            keyset_from(document(*keys))
        for value in secret.values():
            assert len(value) < 10 or value not in str(refused.value)


def weak(bits: int) -> dict[str, Any]:
    return Signer("RS256", "weak", key=rsa.generate_private_key(65537, bits)).jwk()


REFUSED: dict[str, tuple[Any, str]] = {
    "not JSON": ("{", "not a JSON object"),
    "not UTF-8": (b"\xff{}", "not a JSON object"),
    "a list": ("[]", "not a JSON object"),
    "deeply nested": ("[" * 100_000, "not a JSON object"),
    "nothing": ("{}", "no `keys`"),
    "no list": ('{"keys": {}}', "no `keys`"),
    "no keys": ('{"keys": []}', "no key for"),
    "no objects": ('{"keys": ["x"]}', "no `keys`"),
    "many": (document(*[{}] * 51), "more than 50"),
    "one name twice": (document(RSA.jwk(kid="a"), EC.jwk(kid="a")), "same `kid`"),
    "two without a name": (document(RSA.jwk(kid=None), EC.jwk(kid=None)), "same `kid`"),
    "a name that is none": (document(ED.jwk(kid=5)), "`kid` is a text"),
    "an empty name": (document(ED.jwk(kid="")), "`kid` is a text"),
    "a huge name": (document(ED.jwk(kid="k" * 256)), "`kid` is a text"),
    "a name with a line break": (document(ED.jwk(kid="a\nb")), "`kid` is a text"),
    "half a key": (document(RSA.jwk(n=None)), "cannot be read"),
    "a number for a text": (document(RSA.jwk(n=5)), "cannot be read"),
    "bad base64": (document(RSA.jwk(n="\u00e4")), "cannot be read"),
    "a short point": (document(ED.jwk(x="AAAA")), "cannot be read"),
    "a point beside the curve": (document(EC.jwk(y=EC.jwk()["x"])), "cannot be read"),
    "a point of another curve": (
        document(Signer("ES256", "p", key=ec.generate_private_key(ec.SECP256K1())).jwk(crv="P-256")),
        "cannot be read",
    ),
    "an exponent of 1": (document(RSA.jwk(e="AQ")), "cannot be read"),
    "few bits": (document(weak(1024)), "has 1024 bits"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_set_of_keys_is_refused_with_a_reason(what: str) -> None:
    given, reason = REFUSED[what]
    with pytest.raises(KeySetError, match=reason):
        keyset_from(given)
