"""Creating, marking and editing, on every PostgreSQL that we support."""

import httpx


async def test_what_is_created_is_listed_newest_first(client: httpx.AsyncClient) -> None:
    for title in ("one", "two", "three"):
        answer = await client.post("/v1/notifications", json={"to": "alice", "title": title})
        assert answer.status_code == 201
    page = (await client.get("/v1/notifications", params={"user_id": "alice"})).json()
    assert [item["title"] for item in page["items"]] == ["three", "two", "one"]
    assert (page["unread"], page["unseen"], page["total"]) == (3, 3, 3)
    assert page["position"].endswith(".3")
