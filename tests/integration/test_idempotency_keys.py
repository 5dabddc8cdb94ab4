"""Sending the same request again with the same Idempotency-Key never makes a second notification."""

import asyncio
from datetime import timedelta

import httpx
import psycopg

from notify.app import Service
from support.clock import ManualClock

CREATE = {"to": "alice", "title": "Once"}


async def titles(client: httpx.AsyncClient, user_id: str = "alice") -> list[str]:
    page = (await client.get("/v1/notifications", params={"user_id": user_id, "limit": 100})).json()
    return [item["title"] for item in page["items"]]


async def send(client: httpx.AsyncClient, key: str, body: object = None) -> httpx.Response:
    return await client.post("/v1/notifications", json=body or CREATE, headers={"Idempotency-Key": key})


async def test_the_same_request_gets_the_first_answer(client: httpx.AsyncClient) -> None:
    first, again = await send(client, "k"), await send(client, "k")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await titles(client) == ["Once"]


async def test_the_order_of_its_fields_does_not_make_it_another_request(client: httpx.AsyncClient) -> None:
    await send(client, "k", {"to": "alice", "title": "Once"})
    again = await send(client, "k", {"title": "Once", "to": "alice"})
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_another_body_is_refused(client: httpx.AsyncClient) -> None:
    await send(client, "k")
    other = await send(client, "k", {"to": "alice", "title": "Other"})
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-mismatch")
    assert await titles(client) == ["Once"]


async def test_a_refused_request_is_not_remembered(client: httpx.AsyncClient) -> None:
    assert (await send(client, "k", {"to": "alice", "title": ""})).status_code == 422
    assert (await send(client, "k")).status_code == 201


async def test_a_key_of_256_characters_is_refused_and_one_of_255_is_not(client: httpx.AsyncClient) -> None:
    assert (await send(client, "k" * 255)).status_code == 201
    refused = await send(client, "k" * 256)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "Idempotency-Key"


async def test_many_at_once_write_one(client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(send(client, "k") for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert any(answer.status_code == 201 for answer in answers)
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 409)
    assert await titles(client) == ["Once"]


async def test_one_that_another_process_is_writing_is_told_to_wait(
    client: httpx.AsyncClient, any_database_url: str
) -> None:
    first = await send(client, "other")
    assert first.status_code == 201
    with psycopg.connect(any_database_url) as elsewhere:
        # What another process holds while it writes: the advisory lock of the key.
        elsewhere.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended("
            "app_id || ' ' || encode(key_hash, 'hex') || ' ' || part, 7)) FROM notify.idempotency"
        )
        with psycopg.connect(any_database_url) as forgetful:
            forgetful.execute("DELETE FROM notify.idempotency")
        busy = await send(client, "other")
        assert (busy.status_code, busy.json()["type"]) == (409, "/problems/idempotency-busy")
        assert busy.headers["Retry-After"] == "1"
        assert await titles(client) == ["Once"]
    assert (await send(client, "other")).status_code == 201


async def test_after_a_day_the_key_is_free_again(client: httpx.AsyncClient, clock: ManualClock) -> None:
    await send(client, "k")
    clock.advance(timedelta(hours=25))
    assert "Idempotency-Replayed" not in (await send(client, "k")).headers
    assert await titles(client) == ["Once", "Once"]


async def test_two_apps_do_not_share_keys(client: httpx.AsyncClient, service: Service) -> None:
    await service.identities.create_app("shop", "Shop")
    new = await service.identities.create_key("shop", "k", ["send", "inbox"])
    await send(client, "k")
    there = await client.post(
        "/v1/notifications",
        json=CREATE,
        headers={"Idempotency-Key": "k", "Authorization": f"Bearer {new.key}"},
    )
    assert there.status_code == 201
    assert "Idempotency-Replayed" not in there.headers


async def test_a_batch_is_replayed_item_by_item(client: httpx.AsyncClient) -> None:
    body = {"items": [{"to": "bob", "title": "1"}, {"to": "bob"}, {"to": "bob", "title": "2"}]}
    headers = {"Idempotency-Key": "batch"}
    first = await client.post("/v1/notifications/batch", json=body, headers=headers)
    again = await client.post("/v1/notifications/batch", json=body, headers=headers)
    assert [item["status"] for item in first.json()["items"]] == [201, 422, 201]
    assert again.json()["items"][0] == first.json()["items"][0]
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await client.post("/v1/notifications/batch", json={"items": [{"to": "bob", "title": "3"}]}, headers=headers)
    assert other.status_code == 422
    assert sorted(await titles(client, "bob")) == ["1", "2"]
