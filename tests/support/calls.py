"""Calls that most tests make, checked to have succeeded."""

from typing import Any

import httpx

__all__ = ("ALICE", "changes", "count", "everything", "mark", "send")

ALICE = {"user_id": "alice"}


async def send(client: httpx.AsyncClient, title: str = "a title", *, to: str = "alice", **fields: Any) -> str:
    """Creates for one user; the notification's id."""
    answer = await client.post("/v1/notifications", json={"to": to, "title": title, **fields})
    assert answer.status_code == 201, answer.text
    id_: str = answer.json()["id"]
    return id_


async def mark(client: httpx.AsyncClient, id_: str, mark: str) -> dict[str, Any]:
    return _body(await client.post(f"/v1/notifications/{id_}/{mark}", params=ALICE))


async def everything(client: httpx.AsyncClient, **filters: Any) -> list[dict[str, Any]]:
    """What is in alice's inbox and archive, newest first."""
    page = _body(await client.get("/v1/notifications", params={"status": "all", "limit": 100, **ALICE, **filters}))
    assert page["next_cursor"] is None
    items: list[dict[str, Any]] = page["items"]
    return items


async def count(client: httpx.AsyncClient, *types: str, user_id: str = "alice") -> dict[str, Any]:
    return _body(await client.get("/v1/notifications/count", params={"user_id": user_id, "type": list(types)}))


async def changes(client: httpx.AsyncClient, after: str | None = None, **query: Any) -> dict[str, Any]:
    return _body(
        await client.get("/v1/changes", params={**ALICE, **({} if after is None else {"after": after}), **query})
    )


def _body(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
