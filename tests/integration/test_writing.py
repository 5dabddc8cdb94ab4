"""Creating, on every PostgreSQL that we support."""

import asyncio
from uuid import UUID

import httpx
import pytest

from support.calls import ALICE, count, everything, send


async def test_what_is_created_is_listed_newest_first(client: httpx.AsyncClient) -> None:
    for title in ("one", "two", "three"):
        answer = await client.post("/v1/notifications", json={"to": "alice", "title": title})
        assert answer.status_code == 201
    page = (await client.get("/v1/notifications", params=ALICE)).json()
    assert [item["title"] for item in page["items"]] == ["three", "two", "one"]
    assert (page["unread"], page["unseen"], page["total"]) == (3, 3, 3)
    assert page["position"].endswith(".3")


async def test_with_one_recipient_the_id_is_the_notifications_own(client: httpx.AsyncClient) -> None:
    for to in ("alice", ["alice"]):
        answer = (await client.post("/v1/notifications", json={"to": to, "title": "x"})).json()
        (item,) = answer["items"]
        assert answer["id"] == item["id"]
        assert UUID(item["id"]).version == 7
        assert item["position"] == (await count(client))["position"]


async def test_each_named_user_gets_it_once_in_the_order_named(client: httpx.AsyncClient) -> None:
    body = {"to": ["zoe", "alice", "bob", "alice", "zoe"], "title": "x"}
    answer = (await client.post("/v1/notifications", json=body)).json()
    assert [item["user_id"] for item in answer["items"]] == ["zoe", "alice", "bob"]
    assert len({answer["id"], *(item["id"] for item in answer["items"])}) == 4
    for item in answer["items"]:
        shown = (await client.get(f"/v1/notifications/{item['id']}")).json()
        assert shown["user_id"] == item["user_id"]
        assert item["position"] == (await count(client, user_id=item["user_id"]))["position"]


async def test_a_thousand_users_get_it_in_one_call(client: httpx.AsyncClient) -> None:
    users = [f"user {n}" for n in range(1000)]
    answer = await client.post("/v1/notifications", json={"to": users, "title": "x"})
    assert answer.status_code == 201
    items = answer.json()["items"]
    assert [item["user_id"] for item in items] == users
    assert {item["position"].partition(".")[2] for item in items} == {"1"}
    assert (await count(client, user_id="user 999"))["unread"] == 1


async def test_one_more_is_refused_and_nobody_gets_it(client: httpx.AsyncClient) -> None:
    users = [f"user {n}" for n in range(1001)]
    answer = await client.post("/v1/notifications", json={"to": users, "title": "x"})
    assert answer.status_code == 422
    assert "NOTIFY_MAX_RECIPIENTS" in answer.json()["errors"][0]["detail"]
    assert (await count(client, user_id="user 0"))["total"] == 0


@pytest.mark.parametrize(
    "user_id", ["a", "a" * 255, "ünïcödé 🛎", "x@y.example", "a/b?c=d&e#f%20", "\u202eabc", "NULL", "'; --", " "]
)
async def test_a_user_may_be_named_with_any_visible_text(client: httpx.AsyncClient, user_id: str) -> None:
    await send(client, to=user_id)
    (shown,) = await everything(client, user_id=user_id)
    assert shown["user_id"] == user_id


async def test_users_that_differ_in_case_or_form_are_different(client: httpx.AsyncClient) -> None:
    users = ["é", "e\u0301", "É", "e"]
    for user in users:
        await send(client, to=user)
    assert [(await count(client, user_id=user))["total"] for user in users] == [1] * 4


async def test_creates_asked_for_together_share_commits_and_take_one_position_each(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(
        *(client.post("/v1/notifications", json={"to": "alice", "title": f"{n}"}) for n in range(100))
    )
    positions = [answer.json()["items"][0]["position"] for answer in answers]
    assert sorted(int(position.partition(".")[2]) for position in positions) == list(range(1, 101))


async def test_data_comes_back_as_it_was_sent(client: httpx.AsyncClient) -> None:
    data = {
        "text": 'grüße \u2028 \\u0041 " \\',
        "numbers": [0, -1, 2**63 - 1, 1.5, 1e300],
        "z": {"b": None, "a": [True, False, {}, []]},
        "": "an empty name",
    }
    await send(client, data=data)
    assert (await everything(client))[0]["data"] == data
