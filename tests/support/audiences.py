"""Publishing to audiences, and what comes of it."""

from typing import Any

import httpx

__all__ = ("EVERYONE", "publish", "subscribe", "titles")

EVERYONE = {"everyone": True}


async def publish(client: httpx.AsyncClient, to: Any, title: str = "news", **fields: Any) -> str:
    answer = await client.post("/v1/notifications", json={"to": to, "title": title, **fields})
    assert answer.status_code == 202, answer.text
    assert list(answer.json()) == ["id"]
    id_: str = answer.json()["id"]
    return id_


async def titles(client: httpx.AsyncClient, user: str) -> list[str]:
    """What is in an inbox, newest first."""
    page = (await client.get("/v1/notifications", params={"user_id": user, "limit": 100})).json()
    assert page["total"] == page["unread"] == page["unseen"]
    assert page["next_cursor"] is not None or len(page["items"]) == page["total"]
    return [item["title"] for item in page["items"]]


async def subscribe(client: httpx.AsyncClient, user: str, *topics: str) -> None:
    for topic in topics:
        answer = await client.put("/v1/subscriptions", params={"user_id": user, "topic": topic})
        assert answer.status_code == 201, answer.text
