"""`notify apps` and `notify secrets` beside a service that runs."""

import base64
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import psycopg
import pytest

from support.command import notify
from support.processes import NotifyProcess
from support.signers import Signer

KEY = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def told(output: str, name: str) -> str:
    """What stands beside a name, such as `jwt secret`."""
    return next(line.removeprefix(name).strip() for line in output.splitlines() if line.startswith(name))


@pytest.fixture
def run(database_url: str, tmp_path: Path) -> Callable[..., str]:
    def run(*arguments: str) -> str:
        done = notify(*arguments, folder=tmp_path, NOTIFY_DATABASE_URL=database_url)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    return run


def app_of(process: NotifyProcess) -> dict[str, str]:
    """Makes the app `shop`; what alice of it calls with."""
    with process.client() as admin:
        secret = admin.post("/v1/apps", json={"id": "shop", "name": "The shop"}).json()["jwt_secret"]
    token = jwt.encode({"sub": "alice", "app": "shop", "exp": time.time() + 600}, secret, "HS256")
    return {"Authorization": f"Bearer {token}"}


def test_an_app_is_disabled_while_its_users_are_connected_to_two_processes(
    start_notify: Callable[..., NotifyProcess], run: Callable[..., str]
) -> None:
    processes = [start_notify(), start_notify()]
    headers = app_of(processes[0])
    with (
        processes[0].client(headers) as one,
        processes[1].client(headers) as two,
        one.stream("GET", "/v1/stream") as first,
        two.stream("GET", "/v1/stream") as second,
    ):
        endings = [first.iter_text(), second.iter_text()]
        for ending in endings:
            assert "retry:" in next(ending)
        assert run("apps", "disable", "shop") == "disabled\n"
        answered = time.monotonic()
        for ending in endings:
            assert 'data: {"reason":"revoked"}' in "".join(ending)
        assert time.monotonic() - answered < 1
        for client in (one, two):
            refused = client.get("/v1/notifications")
            assert (refused.status_code, refused.json()["type"]) == (403, "/problems/app-disabled")
        assert "shop  The shop  (disabled)\n" in run("apps", "list")
        assert run("apps", "enable", "shop") == "enabled\n"
        assert two.get("/v1/notifications").status_code == 200


def test_how_an_apps_tokens_are_signed_is_changed_while_a_service_runs(
    start_notify: Callable[..., NotifyProcess], run: Callable[..., str], tmp_path: Path
) -> None:
    process = start_notify()
    with process.client(app_of(process)) as client:
        assert client.get("/v1/notifications").status_code == 200
        new = told(run("apps", "rotate-secret", "shop", "--overlap", "0"), "jwt secret")
        assert client.get("/v1/notifications").status_code == 401

        signer = Signer("EdDSA", "mine")
        document = tmp_path / "keys.json"
        document.write_text(json.dumps({"keys": [signer.jwk()]}))
        assert run("apps", "jwks", "shop", "--file", str(document), "--audience", "notify") == "done\n"
        theirs = {"Authorization": f"Bearer {signer.token(None, None, app='shop', aud='notify')}"}
        assert client.get("/v1/notifications", headers=theirs).status_code == 200
    shown = run("apps", "show", "shop")
    assert (told(shown, "key  "), told(shown, "audience"), told(shown, "enabled")) == ("EdDSA  mine", "notify", "yes")
    assert new not in shown


def test_what_cannot_be_is_refused_in_words(database_url: str, tmp_path: Path) -> None:
    document = tmp_path / "keys.json"
    document.write_text(json.dumps({"keys": [Signer("EdDSA").private_jwk()]}))
    for arguments, reason in (
        (("apps", "disable", "nowhere"), "There is no app nowhere."),
        (("apps", "jwks", "default", "--file", str(document)), "private key"),
        (("apps", "jwks", "default", "--url", "http://id.example"), "https://"),
        (("secrets", "encrypt"), "NOTIFY_ENCRYPTION_KEY"),
    ):
        done = notify(*arguments, folder=tmp_path, NOTIFY_DATABASE_URL=database_url)
        assert done.returncode == 1, (arguments, done.stdout, done.stderr)
        assert reason in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr


def test_secrets_are_encrypted_and_decrypted_by_hand(database_url: str, tmp_path: Path) -> None:
    def run(*arguments: str, key: str = KEY) -> str:
        done = notify(*arguments, folder=tmp_path, NOTIFY_DATABASE_URL=database_url, NOTIFY_ENCRYPTION_KEY=key)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    def kept() -> list[str]:
        with psycopg.connect(database_url) as connection:
            return [row[0] for row in connection.execute("SELECT jwt_secret FROM notify.apps ORDER BY id")]

    plain = notify("apps", "create", "shop", folder=tmp_path, NOTIFY_DATABASE_URL=database_url)
    assert told(plain.stdout, "jwt secret") in kept()
    before = kept()
    assert run("secrets", "encrypt") == "encrypted 2, 0 were already\n"
    assert all(text.startswith("sealed.1.") for text in kept())
    assert run("secrets", "encrypt") == "encrypted 0, 2 were already\n"
    done = notify("token", "alice", folder=tmp_path, NOTIFY_DATABASE_URL=database_url)
    assert done.returncode == 1
    assert "NOTIFY_ENCRYPTION_KEY does not hold" in done.stderr
    assert run("secrets", "encrypt", "--plain") == "decrypted 2, 0 were already\n"
    assert kept() == before


def test_a_key_that_is_none_is_refused_at_the_start_without_showing_it(database_url: str, tmp_path: Path) -> None:
    key = "too-short-to-be-one"
    done = notify("apps", "list", folder=tmp_path, NOTIFY_DATABASE_URL=database_url, NOTIFY_ENCRYPTION_KEY=key)
    assert "NOTIFY_ENCRYPTION_KEY: expected" in done.stderr
    assert key not in done.stderr
