"""User tokens of every algorithm, and everything that somebody might send instead of one."""

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from notify.app import Service
from support.clock import ManualClock
from support.credentials import app, bearer, key, signed
from support.problems import problem_in
from support.signers import Signer, in_base64url, joined

RSA = Signer("RS256", "rsa")
EC = Signer("ES256", "ec")
ED = Signer("EdDSA", "ed")
STRANGER = Signer("RS256", "rsa")
ALL = {"jwks": {"keys": [RSA.jwk(), EC.jwk(), ED.jwk()]}}
ISSUER, AUDIENCE = "https://id.example", "notify"


@pytest.fixture
def any_database_url(database_url: str) -> str:
    return database_url


@pytest.fixture
async def secret(service: Service, client: httpx.AsyncClient) -> str:
    """Of the default app, whose tokens may be signed with three keys besides."""
    assert (await client.put("/v1/apps/default/jwt", json=ALL)).status_code == 200
    return await service.apps.keep_secret("default")


async def answer_to(client: httpx.AsyncClient, token: str) -> httpx.Response:
    headers: Any = {b"Authorization": f"Bearer {token}".encode()}
    return await client.get("/v1/notifications", headers=headers)


async def status(client: httpx.AsyncClient, token: str) -> int:
    return (await answer_to(client, token)).status_code


async def refused(client: httpx.AsyncClient, token: str) -> str:
    detail: str = problem_in(await answer_to(client, token), 401, "unauthorized")["detail"]
    assert token.rsplit(".", maxsplit=1)[-1] not in detail or not token.rsplit(".", maxsplit=1)[-1]
    return detail


def claims(clock: ManualClock, **others: Any) -> dict[str, Any]:
    return {"sub": "alice", "exp": int(clock.now().timestamp()) + 60} | others


def with_secret(secret: bytes | str, head: object, payload: object) -> str:
    """HS256, whatever it says."""
    signing = joined(json.dumps(head).encode(), json.dumps(payload).encode())
    secret = secret.encode() if isinstance(secret, str) else secret
    return f"{signing}.{in_base64url(hmac.digest(secret, signing.encode(), 'sha256'))}"


# What is in order


@pytest.mark.parametrize("signer", [RSA, EC, ED], ids=lambda signer: signer.algorithm)
async def test_a_token_is_taken_that_one_of_the_apps_keys_has_signed(
    client: httpx.AsyncClient, clock: ManualClock, secret: str, signer: Signer
) -> None:
    for _ in range(2):
        assert await status(client, signer.token(clock)) == 200
    assert await status(client, signed(secret, clock)) == 200
    await refused(client, signer.token(clock, exp=int(clock.now().timestamp())))


@pytest.mark.usefixtures("secret")
async def test_a_token_need_not_name_the_only_key(client: httpx.AsyncClient, clock: ManualClock) -> None:
    unnamed = ED.token(clock, {"kid": None})
    await refused(client, unnamed)
    await client.put("/v1/apps/default/jwt", json={"jwks": {"keys": [ED.jwk()]}})
    assert await status(client, unnamed) == 200


@pytest.mark.usefixtures("secret")
async def test_a_key_that_is_taken_out_is_refused_at_once(client: httpx.AsyncClient, clock: ManualClock) -> None:
    made = {signer.algorithm: signer.token(clock) for signer in (RSA, EC, ED)}
    assert {name: await status(client, token) for name, token in made.items()} == dict.fromkeys(made, 200)
    await client.put("/v1/apps/default/jwt", json={"jwks": {"keys": [EC.jwk()]}})
    assert {name: await status(client, token) for name, token in made.items()} == {
        "RS256": 401,
        "ES256": 200,
        "EdDSA": 401,
    }
    await client.put("/v1/apps/default/jwt", json={})
    assert await status(client, made["ES256"]) == 401


async def test_the_issuer_and_the_audience_are_those_that_the_app_wants(
    client: httpx.AsyncClient, clock: ManualClock, secret: str
) -> None:
    plain, said = ED.token(clock), ED.token(clock, iss=ISSUER, aud=[AUDIENCE, "others"])
    assert await status(client, plain) == 200
    # Whose audience is meant is not known yet: an identity provider signs for many.
    assert "audience" in await refused(client, said)
    await client.put("/v1/apps/default/jwt", json=ALL | {"issuer": ISSUER, "audience": AUDIENCE})
    assert await status(client, said) == 200
    assert await status(client, ED.token(clock, iss=ISSUER, aud=AUDIENCE)) == 200
    assert "issuer" in await refused(client, plain)
    assert "issuer" in await refused(client, signed(secret, clock))
    for wrong in (None, "https://id.example/", "https://evil.example", ""):
        assert "issuer" in await refused(client, ED.token(clock, iss=wrong, aud=AUDIENCE))
    for others in (None, "others", ["others"], [], "NOTIFY", "notify "):
        assert "audience" in await refused(client, ED.token(clock, iss=ISSUER, aud=others))
    for junk in (5, [5], {"notify": 1}):
        await refused(client, ED.token(clock, iss=ISSUER, aud=junk))
        await refused(client, ED.token(clock, iss=junk, aud=AUDIENCE))
    # What the service signs itself says what the app wants.
    made = await client.post("/v1/tokens", json={"user_id": "alice"})
    assert await status(client, made.json()["token"]) == 200


async def test_times_have_a_leeway_and_the_end_has_none(
    client: httpx.AsyncClient, clock: ManualClock, secret: str
) -> None:
    now = clock.now().timestamp()
    for name in ("nbf", "iat"):
        assert await status(client, ED.token(clock, **{name: now + 9})) == 200
        assert "future" in await refused(client, ED.token(clock, **{name: now + 12}))
    assert "expired" in await refused(client, ED.token(clock, exp=now))
    assert await status(client, ED.token(clock, exp=int(now) + 86_400)) == 200
    assert "NOTIFY_MAX_TOKEN_TTL_SECONDS" in await refused(client, ED.token(clock, exp=int(now) + 86_400 + 12))
    assert "NOTIFY_MAX_TOKEN_TTL_SECONDS" in await refused(client, signed(secret, clock, exp=253_402_300_799))


# What is not

NOTHING: list[Any] = ["none", "None", "NONE", "nOnE", "none ", "", None, False, 0, [], ["none"], {}, "HS0"]
NAMES: list[Any] = [
    None,
    "",
    "RSA",
    "rsa ",
    "rsa\x00",
    "ec",
    "ed",
    "../../../../dev/null",
    "/proc/self/environ",
    "' OR '1'='1",
    "x' UNION SELECT 'secret' --",
    "| cat /etc/passwd",
    "https://127.0.0.1:9/keys",
    "k" * 255,
    "k" * 256,
    "k" * 4000,
    "\u202ersa",
    "\ud800",
    5,
    ["rsa"],
    {"rsa": 1},
    True,
]
ATTACKS: dict[str, Callable[[ManualClock, str], str]] = {
    # No signature at all, in all spellings.
    **{
        f"alg {alg!r}, signature {signature!r}": lambda clock, _, alg=alg, signature=signature: (  # type: ignore[misc]
            joined(json.dumps({"alg": alg}).encode(), json.dumps(claims(clock)).encode()) + "." + signature
        )
        for alg in NOTHING
        for signature in ("", "AAAA")
    },
    # A public key taken for a secret.
    **{
        f"HS256 with the text of a public key: {what}": lambda clock, _, text=text, head=head: with_secret(  # type: ignore[misc]
            text, {"alg": "HS256"} | head, claims(clock)
        )
        for what, text in {
            "PEM": RSA.pem(),
            "PEM, stripped": RSA.pem().strip(),
            "JWK": json.dumps(RSA.jwk()).encode(),
            "n": RSA.jwk()["n"].encode(),
            "x": base64.urlsafe_b64decode(ED.jwk()["x"] + "="),
            "nothing": b"",
            "zeros": bytes(32),
        }.items()
        for head in ({}, {"kid": "rsa"})
    },
    # One algorithm's name with another's key.
    "RS256 with the secret": lambda clock, secret: with_secret(secret, {"alg": "RS256", "kid": "rsa"}, claims(clock)),
    "HS512 with the secret": lambda clock, secret: signed(secret, clock, algorithm="HS512"),
    "hs256 with the secret": lambda clock, secret: with_secret(secret, {"alg": "hs256"}, claims(clock)),
    "no alg with the secret": lambda clock, secret: with_secret(secret, {}, claims(clock)),
    **{
        f"{alg} by the key {signer.kid}": lambda clock, _, alg=alg, signer=signer: signer.token(clock, {"alg": alg})  # type: ignore[misc]
        for signer in (RSA, EC, ED)
        for alg in ("none", "HS256", "RS256", "ES256", "EdDSA", "PS256", "RS512", "ES384", "Ed25519")
        if alg != signer.algorithm
    },
    # Keys that the token brings along, or says where to get.
    "a jwk": lambda clock, _: STRANGER.token(clock, {"jwk": STRANGER.jwk()}),
    "a jwk and no kid": lambda clock, _: STRANGER.token(clock, {"jwk": STRANGER.jwk(), "kid": None}),
    "a jku": lambda clock, _: STRANGER.token(clock, {"jku": "https://127.0.0.1:9/keys"}),
    "an x5u": lambda clock, _: STRANGER.token(clock, {"x5u": "https://127.0.0.1:9/cert"}),
    "an x5c": lambda clock, _: STRANGER.token(clock, {"x5c": ["MIIB"]}),
    # Names of keys.
    **{
        f"kid {str(kid)[:20]!r}": lambda clock, _, kid=kid: RSA.token(clock, {"kid": kid})  # type: ignore[misc]
        for kid in NAMES
    },
    "kid and the secret of nothing": lambda clock, _: with_secret(
        b"", {"alg": "HS256", "kid": "/dev/null"}, claims(clock)
    ),
    # Extensions that have to be understood.
    "crit": lambda clock, secret: with_secret(secret, {"alg": "HS256", "crit": ["exp"], "exp": 1}, claims(clock)),
    "an empty crit": lambda clock, secret: with_secret(secret, {"alg": "HS256", "crit": []}, claims(clock)),
    "crit null": lambda clock, secret: with_secret(secret, {"alg": "HS256", "crit": None}, claims(clock)),
    "crit b64": lambda clock, secret: with_secret(
        secret, {"alg": "HS256", "b64": False, "crit": ["b64"]}, claims(clock)
    ),
    # What is not a token.
    "not JSON": lambda _, secret: _raw(secret, b'{"alg":"HS256"}', b"not JSON"),
    "a head that is not JSON": lambda clock, secret: _raw(secret, b"x", json.dumps(claims(clock)).encode()),
    "a list": lambda _, secret: with_secret(secret, {"alg": "HS256"}, ["alice"]),
    "a list for a head": lambda clock, secret: with_secret(secret, ["HS256"], claims(clock)),
    "nothing": lambda _, secret: _raw(secret, b'{"alg":"HS256"}', b""),
    "not UTF-8": lambda _, secret: _raw(secret, b'{"alg":"HS256"}', b'{"sub":"\xff"}'),
    "UTF-16": lambda clock, secret: _raw(secret, b'{"alg":"HS256"}', json.dumps(claims(clock)).encode("utf-16")),
    "deeply nested": lambda _, secret: _raw(secret, b'{"alg":"HS256"}', b"[" * 3000),
    "a huge number": lambda _, secret: _raw(secret, b'{"alg":"HS256"}', b'{"sub":"alice","exp":' + b"9" * 4400 + b"}"),
    "sub twice": lambda clock, secret: _raw(
        secret, b'{"alg":"HS256"}', b'{"sub":"bob","sub":"alice","exp":%d}' % (clock.now().timestamp() + 60)
    ),
    "app twice": lambda clock, secret: _raw(
        secret,
        b'{"alg":"HS256"}',
        b'{"sub":"alice","app":"shop","app":"default","exp":%d}' % (clock.now().timestamp() + 60),
    ),
    "alg twice": lambda clock, secret: _raw(
        secret, b'{"alg":"none","alg":"HS256"}', json.dumps(claims(clock)).encode()
    ),
    "huge": lambda clock, secret: signed(secret, clock, x="x" * 9000),
    # Base64 that says the same in another way.
    "padding": lambda clock, secret: _padded(signed(secret, clock)),
    "the other alphabet": lambda clock, secret: _with_standard_alphabet(secret, clock),
    "bits at the end": lambda clock, secret: _with_other_last_bits(signed(secret, clock)),
    "a line break": lambda clock, secret: signed(secret, clock)[:-4] + "\t" + signed(secret, clock)[-4:],
    "bad base64": lambda clock, secret: signed(secret, clock)[:-1] + "!",
    "a character beyond ASCII": lambda clock, secret: signed(secret, clock)[:-1] + "\u00e4",
    "empty parts": lambda _clock, _secret: "..",
    "a short signature": lambda clock, _: RSA.token(clock).rpartition(".")[0] + ".AAAA",
    # Others.
    "a key of the same name": lambda clock, _: STRANGER.token(clock),
    "of another app": lambda clock, _: RSA.token(clock, app="shop"),
    "expired": lambda clock, _: RSA.token(clock, exp=1),
    "of the far future": lambda clock, _: RSA.token(clock, nbf=int(clock.now().timestamp()) + 3600),
}


def _raw(secret: str, head: bytes, payload: bytes) -> str:
    signing = joined(head, payload)
    return f"{signing}.{in_base64url(hmac.digest(secret.encode(), signing.encode(), 'sha256'))}"


def _padded(token: str) -> str:
    return token + "=" * (-len(token.rpartition(".")[2]) % 4)


def _with_standard_alphabet(secret: str, clock: ManualClock) -> str:
    """The first whose signature would look different."""
    tokens = (signed(secret, clock, jti=str(number)) for number in range(1000))
    token = next(token for token in tokens if {"-", "_"} & set(token.rpartition(".")[2]))
    head, _, signature = token.rpartition(".")
    return f"{head}.{signature.replace('-', '+').replace('_', '/')}"


def _with_other_last_bits(token: str) -> str:
    """32 bytes leave two bits of the last character unused."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) ^ 1]


async def test_what_is_not_in_order_is_refused(
    client: httpx.AsyncClient, clock: ManualClock, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    await app(client, "shop")
    good = RSA.token(clock)
    assert await status(client, good) == 200
    answers = {}
    for what, make in ATTACKS.items():
        token = make(clock, secret)
        assert what == "huge" or len(token) < 8000, what
        answer = await answer_to(client, token)
        answers[what] = answer.status_code
        assert answer.status_code == 401, what
        problem_in(answer, 401, "unauthorized")
        for part in token.split("."):
            assert len(part) < 8 or part not in answer.text, what
    assert answers == dict.fromkeys(ATTACKS, 401)
    assert caplog.text == ""
    assert await status(client, good) == 200


@pytest.mark.usefixtures("secret")
async def test_another_signature_of_a_token_is_still_that_token(clock: ManualClock, service: Service) -> None:
    """ECDSA can sign the same twice, and from one signature anyone makes a second: a token without `jti` is named by
    what it says, so that its revocation holds for all of them.
    """
    said = {"exp": int(clock.now().timestamp()) + 60}
    callers = [await service.authenticator.check(EC.token(clock, **said)) for _ in range(2)]
    assert callers[0].token_id == callers[1].token_id
    other = await service.authenticator.check(EC.token(clock, **said, x=1))
    assert other.token_id != callers[0].token_id


# What an app may say of its tokens


@pytest.mark.usefixtures("secret")
async def test_what_an_app_says_of_its_tokens_is_shown_without_secrets(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/v1/apps/default/jwt")).json()
    assert shown == {
        "issuer": None,
        "audience": None,
        "jwks_url": None,
        "keys": [
            {"kid": "rsa", "algorithm": "RS256"},
            {"kid": "ec", "algorithm": "ES256"},
            {"kid": "ed", "algorithm": "EdDSA"},
        ],
        "begun_at": None,
        "fetched_at": None,
        "failure": None,
        "secret_before_until": None,
    }
    emptied = await client.put("/v1/apps/default/jwt", json={"issuer": ISSUER, "audience": AUDIENCE})
    assert emptied.json() == shown | {"issuer": ISSUER, "audience": AUDIENCE, "keys": []}
    problem_in(await client.get("/v1/apps/nowhere/jwt"), 404, "not-found")
    problem_in(await client.put("/v1/apps/nowhere/jwt", json={}), 404, "not-found")
    problem_in(await client.post("/v1/apps/nowhere/jwt/rotate"), 404, "not-found")


@pytest.mark.usefixtures("secret")
async def test_what_cannot_be_is_refused_and_changes_nothing(client: httpx.AsyncClient) -> None:
    before = (await client.get("/v1/apps/default/jwt")).json()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"jwks": {"keys": [RSA.private_jwk()]}}, "/jwks"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "/jwks"),
        ({"jwks": {"keys": [RSA.jwk(), ED.jwk(kid="rsa")]}}, "/jwks"),
        ({"jwks": {"keys": []}}, "/jwks"),
        ({"jwks": "https://id.example/keys"}, "/jwks"),
        ({"jwks_url": "http://id.example/keys"}, "/jwks_url"),
        ({"jwks_url": "https://user:password@id.example/keys"}, "/jwks_url"),
        ({"jwks_url": "https://id.example/keys", **ALL}, "/jwks_url"),
        ({"issuer": ""}, "/issuer"),
        ({"issuer": 5}, "/issuer"),
        ({"audience": ["a"]}, "/audience"),
        ({"audience": 256 * "a"}, "/audience"),
        ({"secret": "s"}, "/secret"),
    ]
    for body, pointer in wrong:
        answer = await client.put("/v1/apps/default/jwt", json=body)
        problem = problem_in(answer, 422, "invalid")
        assert (body, problem["errors"][0]["pointer"]) == (body, pointer)
        assert RSA.private_jwk()["d"] not in answer.text
        assert "password" not in answer.text.replace("name or password", "")
    assert (await client.get("/v1/apps/default/jwt")).json() == before


@pytest.mark.usefixtures("secret")
async def test_keys_of_one_app_sign_nothing_of_another(client: httpx.AsyncClient, clock: ManualClock) -> None:
    await app(client, "shop")
    theirs = Signer("EdDSA", "ed")
    headers = bearer(await key(client, "admin", app_id="shop"))
    answer = await client.put("/v1/apps/shop/jwt", json={"jwks": {"keys": [theirs.jwk()]}}, headers=headers)
    assert answer.status_code == 200
    assert await status(client, theirs.token(clock, app="shop")) == 200
    await refused(client, theirs.token(clock))
    await refused(client, ED.token(clock, app="shop"))
    for method, path in (("GET", "/jwt"), ("PUT", "/jwt"), ("POST", "/jwt/rotate"), ("GET", ""), ("PATCH", "")):
        answer = await client.request(method, f"/v1/apps/default{path}", headers=headers)
        problem_in(answer, 403, "forbidden")
