"""PATCH: what a producer changes in place."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.calls import ALICE, changes, count, everything, mark, send

FULL: dict[str, Any] = {
    "title": "old",
    "body": "old",
    "level": "info",
    "data": {"old": True},
    "url": "/old",
    "actions": [{"label": "Old"}],
    "actor": {"name": "Old"},
}
NEW: dict[str, Any] = {
    "title": "new",
    "body": "new",
    "level": "error",
    "data": {"new": [1, 2]},
    "url": "https://shop.example/new",
    "actions": [{"label": "New", "id": "new", "primary": True}],
    "actor": {"name": "New", "id": "7"},
}


async def edit(client: httpx.AsyncClient, id_: str, **fields: Any) -> dict[str, Any]:
    answer = await client.patch(f"/v1/notifications/{id_}", json=fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize("field", FULL)
async def test_one_field_changes_and_the_others_stay(client: httpx.AsyncClient, field: str) -> None:
    id_ = await send(client, **FULL, type="order")
    (before,) = await everything(client)
    answer = await edit(client, id_, **{field: NEW[field]})
    after = answer["notification"]
    assert after == before | {field: NEW[field], "updated_at": after["updated_at"]}
    assert after["updated_at"] > before["updated_at"]
    assert await everything(client) == [after]
    assert answer["position"].endswith(".2")


async def test_all_fields_change_at_once_and_take_one_position(client: httpx.AsyncClient) -> None:
    id_ = await send(client, **FULL)
    answer = await edit(client, id_, **NEW)
    assert {name: answer["notification"][name] for name in NEW} == NEW
    assert answer["position"].endswith(".2")


@pytest.mark.parametrize("field", ["body", "data", "url", "actions", "actor"])
async def test_null_clears(client: httpx.AsyncClient, field: str) -> None:
    id_ = await send(client, **FULL)
    assert (await edit(client, id_, **{field: None}))["notification"][field] is None
    (shown,) = await everything(client)
    assert {name: shown[name] for name in FULL} == FULL | {field: None}


@pytest.mark.parametrize("field", ["title", "level"])
async def test_what_every_notification_has_cannot_be_cleared(client: httpx.AsyncClient, field: str) -> None:
    id_ = await send(client)
    answer = await client.patch(f"/v1/notifications/{id_}", json={field: None})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{field}")


@pytest.mark.parametrize("field", FULL)
async def test_an_edit_to_what_is_there_already_takes_no_position(client: httpx.AsyncClient, field: str) -> None:
    id_ = await send(client, **FULL)
    (before,) = await everything(client)
    answer = await edit(client, id_, **{field: FULL[field]})
    assert answer == {"notification": before, "position": (await count(client))["position"]}
    assert answer["position"].endswith(".1")


async def test_an_edit_is_an_update_for_every_device(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    position = (await count(client))["position"]
    answer = await edit(client, id_, body="60 %")
    assert (await changes(client, position))["items"] == [
        {"event": "update", "id": answer["position"], "data": answer["notification"]}
    ]


async def test_an_edit_leaves_the_state_and_the_place_in_the_list(client: httpx.AsyncClient) -> None:
    id_ = await send(client, "first")
    await send(client, "second")
    read = (await mark(client, id_, "read"))["notification"]
    edited = (await edit(client, id_, title="first, edited"))["notification"]
    kept = ("read_at", "seen_at", "archived_at", "created_at", "arrived_at")
    assert {name: edited[name] for name in kept} == {name: read[name] for name in kept}
    assert [item["title"] for item in await everything(client)] == ["second", "first, edited"]
    assert (await count(client))["unread"] == 1


async def test_what_is_archived_can_be_edited(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    await mark(client, id_, "archive")
    await edit(client, id_, title="edited")
    assert [item["title"] for item in await everything(client, status="archived")] == ["edited"]


async def test_what_never_was_or_was_deleted_or_is_of_another_user_is_not_found(client: httpx.AsyncClient) -> None:
    gone, there = await send(client), await send(client)
    await client.delete(f"/v1/notifications/{gone}", params=ALICE)
    for id_, query in ((str(uuid4()), {}), (gone, {}), (there, {"user_id": "bob"})):
        answer = await client.patch(f"/v1/notifications/{id_}", json={"title": "edited"}, params=query)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
    assert [item["title"] for item in await everything(client)] == ["a title"]


async def test_an_edit_that_names_nothing_is_told_what_it_may_name(client: httpx.AsyncClient) -> None:
    answer = await client.patch(f"/v1/notifications/{await send(client)}", json={})
    assert answer.status_code == 422
    assert "send at least one of title" in answer.json()["detail"]


@pytest.mark.parametrize("field", ["type", "to", "collapse_key", "read_at"])
async def test_what_cannot_be_edited_is_refused(client: httpx.AsyncClient, field: str) -> None:
    answer = await client.patch(f"/v1/notifications/{await send(client)}", json={field: "x"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, f"/{field}")


async def test_edits_of_one_notification_asked_for_together_are_made_in_that_order(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    answers = await asyncio.gather(*(edit(client, id_, body=f"{number}") for number in range(5)))
    # Those that came too fast for one of their own share a position.
    positions = [int(answer["position"].partition(".")[2]) for answer in answers]
    assert positions == sorted(positions)
    assert positions[0] == 2
    assert [item["body"] for item in await everything(client)] == ["4"]
