"""What an app says of how long its notifications stay: said, listed and taken back."""

from typing import Any

import httpx
import pytest

from support.credentials import app, bearer, key
from support.problems import problem_in

ORDER = {"type": "order"}


async def say(client: httpx.AsyncClient, query: dict[str, str], **policy: Any) -> dict[str, Any]:
    answer = await client.put("/v1/retention", params=query, json=policy)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def listed(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get("/v1/retention")
    assert answer.status_code == 200, answer.text
    assert answer.json()["next_cursor"] is None
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_what_is_said_is_answered_and_listed_by_type(client: httpx.AsyncClient) -> None:
    order = await say(client, ORDER, read_days=30, unread_days=90, action="archive")
    chat = await say(client, {"type": "chat"})
    rest = await say(client, {}, unread_days=0)
    assert order.pop("updated_at").startswith("2026-03-01T12:00:00")
    assert order == {"type": "order", "read_days": 30, "unread_days": 90, "action": "archive"}
    assert (rest["type"], rest["read_days"], rest["unread_days"], rest["action"]) == (None, None, 0, "delete")
    items = await listed(client)
    assert items[:2] == [rest, chat]
    assert {name: items[2][name] for name in order} == order


async def test_what_is_said_again_takes_the_place_of_all_that_was_said_before(client: httpx.AsyncClient) -> None:
    await say(client, ORDER, read_days=30, action="archive")
    after = await say(client, ORDER, unread_days=90)
    assert (after["read_days"], after["unread_days"], after["action"]) == (None, 90, "delete")
    assert await listed(client) == [after]


async def test_it_is_taken_back_and_that_again_is_fine(client: httpx.AsyncClient) -> None:
    await say(client, ORDER)
    await say(client, {})
    for query, left in (({}, ["order"]), ({}, ["order"]), (ORDER, [])):
        answer = await client.delete("/v1/retention", params=query)
        assert (answer.status_code, answer.content) == (204, b"")
        assert [item["type"] for item in await listed(client)] == left


@pytest.mark.parametrize(
    ("policy", "pointer"),
    [
        ({"read_days": -1}, "/read_days"),
        ({"read_days": 1.5}, "/read_days"),
        ({"unread_days": 36_501}, "/unread_days"),
        ({"action": "forget"}, "/action"),
        ({"action": None}, "/action"),
        ({"days": 1}, "/days"),
    ],
)
async def test_what_cannot_be_said_is_refused(client: httpx.AsyncClient, policy: Any, pointer: str) -> None:
    problem = problem_in(await client.put("/v1/retention", params=ORDER, json=policy), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert await listed(client) == []


@pytest.mark.parametrize("type_", ["", " ", "*", "a b", "a" * 101])
async def test_what_is_no_type_is_refused(client: httpx.AsyncClient, type_: str) -> None:
    for call in (
        client.put("/v1/retention", params={"type": type_}, json={}),
        client.delete("/v1/retention", params={"type": type_}),
    ):
        problem = problem_in(await call, 422, "invalid")
        assert [error["pointer"] for error in problem["errors"]] == ["type"]


async def test_there_is_an_end_to_how_many_types_it_is_said_of(client: httpx.AsyncClient) -> None:
    for n in range(99):
        await say(client, {"type": f"type{n}"})
    await say(client, {})
    problem = problem_in(await client.put("/v1/retention", params=ORDER, json={}), 422, "invalid")
    assert problem["errors"][0]["pointer"] == "type"
    assert "Take back" in problem["errors"][0]["detail"]
    await say(client, {"type": "type7"}, read_days=1)
    await client.delete("/v1/retention", params={"type": "type8"})
    await say(client, ORDER)
    assert len(await listed(client)) == 100


async def test_another_apps_are_not_shown_and_not_changed(client: httpx.AsyncClient) -> None:
    said = await say(client, ORDER, read_days=30)
    await app(client, "shop")
    shops = bearer(await key(client, "admin", app_id="shop"))
    assert (await client.get("/v1/retention", headers=shops)).json()["items"] == []
    assert (await client.put("/v1/retention", params=ORDER, json={}, headers=shops)).status_code == 200
    assert (await client.delete("/v1/retention", params=ORDER, headers=shops)).status_code == 204
    assert await listed(client) == [said]
