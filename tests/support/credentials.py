"""Apps, keys and tokens for tests, the forged ones too."""

import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt

from support.clock import ManualClock
from support.leaks import LOGS

__all__ = ("app", "bearer", "key", "signed", "ticket", "token", "unsigned")


def bearer(credential: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {credential}"}


async def app(client: httpx.AsyncClient, app_id: str) -> str:
    """Makes an app; the secret of its tokens."""
    secret: str = (await _made(client, "/v1/apps", {"id": app_id, "name": f"The {app_id}"}))["jwt_secret"]
    LOGS.know(secret)
    return secret


async def key(client: httpx.AsyncClient, *scopes: str, app_id: str = "default") -> str:
    made: str = (await _made(client, f"/v1/apps/{app_id}/keys", {"name": "for a test", "scopes": list(scopes)}))["key"]
    LOGS.know(made)
    return made


async def token(client: httpx.AsyncClient, user_id: str, scope: str = "inbox", **fields: Any) -> str:
    made: str = (await _made(client, "/v1/tokens", {"user_id": user_id, "scope": scope, **fields}))["token"]
    LOGS.know(made)
    return made


async def ticket(client: httpx.AsyncClient, headers: Mapping[str, str] | None = None, **fields: Any) -> str:
    made: str = (await _made(client, "/v1/tickets", fields, headers))["ticket"]
    LOGS.know(made)
    return made


def signed(secret: str, clock: ManualClock | None = None, *, algorithm: str = "HS256", **claims: Any) -> str:
    """A token of alice's that is good for a minute, except for what the claims say; None leaves one out."""
    now = time.time() if clock is None else clock.now().timestamp()
    every = {"sub": "alice", "exp": int(now) + 60, **claims}
    made = jwt.encode({name: value for name, value in every.items() if value is not None}, secret, algorithm=algorithm)
    LOGS.know(secret, made)
    return made


def unsigned(claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), "", algorithm="none")


async def _made(
    client: httpx.AsyncClient, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    answer = await client.post(path, json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made
