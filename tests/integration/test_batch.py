"""Many different creates in one call."""

from typing import Any

import httpx
import pytest

from notify.app import Service
from notify.settings import Settings
from support.calls import count, everything
from support.processes import ADMIN_KEY


async def batch(client: httpx.AsyncClient, *items: Any) -> list[dict[str, Any]]:
    answer = await client.post("/v1/notifications/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_the_answers_are_in_the_order_of_the_items(client: httpx.AsyncClient) -> None:
    users = ["zoe", "alice", "bob", "alice"]
    answers = await batch(client, *({"to": user, "title": f"for {user} {n}"} for n, user in enumerate(users)))
    assert [answer["status"] for answer in answers] == [201] * 4
    assert [answer["items"][0]["user_id"] for answer in answers] == users
    for n, answer in enumerate(answers):
        shown = (await client.get(f"/v1/notifications/{answer['id']}")).json()
        assert shown["title"] == f"for {users[n]} {n}"


async def test_two_items_for_one_user_arrive_in_the_order_of_the_items(client: httpx.AsyncClient) -> None:
    await batch(client, *({"to": "alice", "title": f"{n}", "collapse_key": "k" if n % 2 else None} for n in range(6)))
    # The uneven ones collapse into one, which arrives again each time.
    assert [item["title"] for item in await everything(client)] == ["5", "4", "2", "0"]


async def test_one_that_is_wrong_does_not_keep_the_others_from_being_sent(client: httpx.AsyncClient) -> None:
    answers = await batch(
        client,
        {"to": "alice", "title": "right"},
        {"to": "alice"},
        {"to": "alice", "title": "right", "unknown": 1},
        "not an object",
        {"to": [], "title": "to nobody"},
        {"to": ["alice", "bob"], "title": "right too"},
    )
    assert [answer["status"] for answer in answers] == [201, 422, 422, 422, 422, 201]
    for answer, pointer in zip(answers[1:5], ["/title", "/unknown", "", "/to"], strict=True):
        assert set(answer) == {"status", "problem"}
        assert answer["problem"]["type"] == "/problems/invalid"
        assert answer["problem"]["errors"][0]["pointer"] == pointer
    assert {item["title"] for item in await everything(client)} == {"right", "right too"}


async def test_an_item_to_several_users_is_one_create(client: httpx.AsyncClient) -> None:
    (answer,) = await batch(client, {"to": ["bob", "alice", "bob"], "title": "hello"})
    assert [item["user_id"] for item in answer["items"]] == ["bob", "alice"]
    assert answer["id"] not in {item["id"] for item in answer["items"]}


async def test_a_thousand_items_are_written(client: httpx.AsyncClient) -> None:
    answers = await batch(client, *({"to": f"user {n % 10}", "title": f"{n}"} for n in range(1000)))
    assert len({answer["id"] for answer in answers}) == 1000
    for n in range(10):
        assert (await count(client, user_id=f"user {n}"))["total"] == 100


@pytest.mark.parametrize("items", [[], [{"to": "alice", "title": "x"}] * 1001])
async def test_the_number_of_items_is_bounded(client: httpx.AsyncClient, items: list[Any]) -> None:
    answer = await client.post("/v1/notifications/batch", json={"items": items})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/items")
    assert (await count(client))["total"] == 0


async def test_the_bounds_are_settings_and_are_named(database_url: str) -> None:
    settings = Settings(database_url=database_url, admin_key=ADMIN_KEY, max_batch_items=2, max_batch_recipients=3)
    async with Service(settings).running() as service:
        transport = httpx.ASGITransport(service.asgi)  # type: ignore[arg-type]  # Litestar's own ASGI types
        headers = {"Authorization": f"Bearer {ADMIN_KEY}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=headers) as client:
            one, two = {"to": "alice", "title": "x"}, {"to": ["alice", "bob"], "title": "x"}
            for items, bound in (
                ([one, one, one], "NOTIFY_MAX_BATCH_ITEMS"),
                ([two, two], "NOTIFY_MAX_BATCH_RECIPIENTS"),
            ):
                answer = await client.post("/v1/notifications/batch", json={"items": items})
                assert answer.status_code == 422
                assert bound in answer.json()["errors"][0]["detail"]
            assert len(await batch(client, one, two)) == 2
