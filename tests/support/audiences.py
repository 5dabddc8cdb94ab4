"""Publishing to audiences, and what comes of it."""

from typing import Any

import httpx

from notify.app import Service

__all__ = ("EVERYONE", "publish", "subscribe", "titles")

EVERYONE = {"everyone": True}


async def publish(client: httpx.AsyncClient, to: dict[str, Any], title: str = "news", **fields: Any) -> str:
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


async def subscribe(service: Service, user: str, *topics: str) -> None:
    async with service.database.connection() as connection:
        for topic in topics:
            await connection.execute(
                """
                INSERT INTO notify.subscriptions (app_id, user_id, topic, since, created_at)
                VALUES ('default', $1, $2, coalesce((SELECT head FROM notify.logs WHERE app_id = 'default'), 0), now())
                """,
                user,
                topic,
            )
