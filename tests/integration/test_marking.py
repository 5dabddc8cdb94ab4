"""Read, unread, seen, archive, unarchive and delete, one notification at a time."""

from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from support.calls import ALICE, changes, count, everything, mark, send
from support.clock import ManualClock

MARKS = ("read", "unread", "seen", "archive", "unarchive")


@pytest.mark.parametrize("name", MARKS)
async def test_a_mark_made_twice_changes_nothing_the_second_time(client: httpx.AsyncClient, name: str) -> None:
    id_ = await send(client)
    if name in {"unread", "unarchive"}:
        await mark(client, id_, "read" if name == "unread" else "archive")
    before = await count(client)
    first = await mark(client, id_, name)
    assert first["position"] != before["position"]
    counted = await count(client)
    second = await mark(client, id_, name)
    assert second == first, "neither the position nor updated_at may move"
    assert await count(client) == counted


async def test_the_answer_is_the_notification_as_it_is_then(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    answer = await mark(client, id_, "read")
    assert answer["notification"] == (await client.get(f"/v1/notifications/{id_}", params=ALICE)).json()
    assert answer["position"] == (await count(client))["position"]


async def test_read_implies_seen(client: httpx.AsyncClient) -> None:
    marked = (await mark(client, await send(client), "read"))["notification"]
    assert marked["read_at"] == marked["seen_at"] == marked["updated_at"]


async def test_what_was_seen_before_it_was_read_keeps_the_time_it_was_seen(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    id_ = await send(client)
    seen = (await mark(client, id_, "seen"))["notification"]
    clock.advance(timedelta(minutes=5))
    read = (await mark(client, id_, "read"))["notification"]
    assert read["seen_at"] == seen["seen_at"] < read["read_at"]


async def test_unread_again_is_still_seen(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    read = (await mark(client, id_, "read"))["notification"]
    unread = (await mark(client, id_, "unread"))["notification"]
    assert (unread["read_at"], unread["seen_at"]) == (None, read["seen_at"])
    counted = await count(client)
    assert (counted["unread"], counted["unseen"]) == (1, 0)


@pytest.mark.parametrize("before", [[], ["seen"], ["read"]])
async def test_unarchive_restores_what_archive_took_away(client: httpx.AsyncClient, before: list[str]) -> None:
    id_ = await send(client)
    for name in before:
        await mark(client, id_, name)
    (shown,), counted = await everything(client), await count(client)
    archived = (await mark(client, id_, "archive"))["notification"]
    assert archived["archived_at"] is not None
    assert (await count(client))["total"] == 0
    restored = (await mark(client, id_, "unarchive"))["notification"]
    assert restored == shown | {"updated_at": restored["updated_at"]}
    assert await count(client) == counted | {"position": (await count(client))["position"]}


async def test_what_is_archived_can_be_read(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    await mark(client, id_, "archive")
    await mark(client, id_, "read")
    restored = (await mark(client, id_, "unarchive"))["notification"]
    assert restored["read_at"] is not None
    counted = await count(client)
    assert (counted["unread"], counted["total"]) == (0, 1)


async def test_a_mark_does_not_move_a_notification_in_the_list(client: httpx.AsyncClient) -> None:
    ids = [await send(client, f"{number}") for number in range(3)]
    for name in MARKS:
        await mark(client, ids[0], name)
    assert [item["id"] for item in await everything(client)] == ids[::-1]


async def test_a_deleted_notification_is_a_tombstone_without_content(client: httpx.AsyncClient) -> None:
    id_ = await send(client, "secret", body="secret", data={"a": 1}, url="/x", actor={"name": "A"}, type="order")
    assert (await client.delete(f"/v1/notifications/{id_}", params=ALICE)).status_code == 204
    assert (await client.get(f"/v1/notifications/{id_}", params=ALICE)).status_code == 404
    assert await everything(client) == []
    answer = await changes(client)
    assert answer["items"] == [{"event": "delete", "id": answer["position"], "data": {"id": id_}}]
    counted = await count(client, "order")
    assert (counted["total"], counted["types"]["order"]["total"]) == (0, 0)


async def test_deleting_twice_is_fine_and_changes_nothing_the_second_time(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    for _ in range(2):
        answer = await client.delete(f"/v1/notifications/{id_}", params=ALICE)
        assert (answer.status_code, answer.content) == (204, b"")
    assert (await count(client))["position"].endswith(".2")


@pytest.mark.parametrize("name", MARKS)
async def test_what_was_deleted_cannot_be_marked(client: httpx.AsyncClient, name: str) -> None:
    id_ = await send(client)
    await client.delete(f"/v1/notifications/{id_}", params=ALICE)
    answer = await client.post(f"/v1/notifications/{id_}/{name}", params=ALICE)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


@pytest.mark.parametrize("name", [*MARKS, ""])
async def test_what_never_was_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    path = f"/v1/notifications/{uuid4()}"
    answer = await (client.post(f"{path}/{name}", params=ALICE) if name else client.delete(path, params=ALICE))
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")


async def test_a_key_need_not_name_the_user_of_a_notification(client: httpx.AsyncClient) -> None:
    id_ = await send(client)
    assert (await client.get(f"/v1/notifications/{id_}")).json()["user_id"] == "alice"
    assert (await client.post(f"/v1/notifications/{id_}/read")).status_code == 200
    assert (await client.post(f"/v1/notifications/{id_}/read", params={"user_id": "bob"})).status_code == 404
    assert (await client.delete(f"/v1/notifications/{id_}")).status_code == 204
