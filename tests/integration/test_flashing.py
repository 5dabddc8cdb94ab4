"""`"durable": false`: what is for whoever is connected is answered, shown and forgotten, and written nowhere else."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from notify.app import Service
from support.audiences import EVERYONE, publish
from support.calls import changes, count, everything
from support.clock import ManualClock
from support.credentials import bearer, key
from support.invariants import rows
from support.problems import problem_in

FLASH = {"to": "alice", "title": "typing", "durable": False}


def kept(url: str) -> list[dict[str, Any]]:
    return [dict(row) for row in rows(url, "SELECT * FROM notify.flashes ORDER BY id")]


@pytest.mark.parametrize("to", ["alice", ["alice", "bob"], {"topic": "orders/eu"}, {"topics": ["a", "b"]}, EVERYONE])
async def test_it_is_accepted_for_every_audience_and_is_in_no_inbox(
    client: httpx.AsyncClient, any_database_url: str, to: Any
) -> None:
    before = await count(client)
    id_ = await publish(client, to, "typing", durable=False)
    assert [str(row["id"]) for row in kept(any_database_url)] == [id_]
    assert await count(client) == before
    assert await everything(client) == []
    assert (await changes(client))["items"] == []
    for table in ("notifications", "publications", "entries", "outbox"):
        assert not rows(any_database_url, f"SELECT FROM notify.{table}")
    assert (await client.get(f"/v1/notifications/{id_}")).status_code == 404
    assert (await client.get(f"/v1/operations/{id_}")).status_code == 404


async def test_who_is_not_there_for_the_first_time_is_not_made(
    client: httpx.AsyncClient, any_database_url: str
) -> None:
    await publish(client, "nobody-yet", durable=False)
    assert not rows(any_database_url, "SELECT FROM notify.inboxes")


@pytest.mark.parametrize("durable", [True, None])
async def test_what_is_durable_is_so_without_being_said(client: httpx.AsyncClient, *, durable: bool | None) -> None:
    fields = {} if durable is None else {"durable": durable}
    answer = await client.post("/v1/notifications", json={"to": "alice", "title": "kept", **fields})
    assert answer.status_code == 201
    assert [item["title"] for item in await everything(client)] == ["kept"]


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"send_at": "2027-01-01T00:00:00Z"}, ["/send_at"]),
        ({"send_at": "2020-01-01T00:00:00Z"}, ["/send_at"]),
        ({"collapse_key": "k"}, ["/collapse_key"]),
        ({"expires_at": "2027-01-01T00:00:00Z"}, ["/expires_at"]),
        ({"ttl_seconds": 60}, ["/ttl_seconds"]),
        ({"ttl_seconds": 60, "collapse_key": "k"}, ["/collapse_key", "/ttl_seconds"]),
    ],
)
async def test_what_only_something_kept_can_be_is_refused(
    client: httpx.AsyncClient, any_database_url: str, fields: dict[str, Any], pointers: list[str]
) -> None:
    problem = problem_in(await client.post("/v1/notifications", json={**FLASH, **fields}), 422)
    assert [error["pointer"] for error in problem["errors"]] == pointers
    assert all("not kept" in error["detail"] for error in problem["errors"])
    batch = await client.post("/v1/notifications/batch", json={"items": [{**FLASH, **fields}, FLASH]})
    refused, sent = batch.json()["items"]
    assert (refused["status"], sent["status"]) == (422, 202)
    assert [str(row["id"]) for row in kept(any_database_url)] == [sent["id"]]


@pytest.mark.parametrize("durable", [0, "false", None])
async def test_durable_is_true_or_false(client: httpx.AsyncClient, durable: Any) -> None:
    problem = problem_in(await client.post("/v1/notifications", json={**FLASH, "durable": durable}), 422)
    assert [error["pointer"] for error in problem["errors"]] == ["/durable"]


async def test_with_an_idempotency_key_it_is_sent_once(client: httpx.AsyncClient, any_database_url: str) -> None:
    headers = {"Idempotency-Key": "typing-1"}
    first, again = [await client.post("/v1/notifications", json=FLASH, headers=headers) for _ in range(2)]
    assert (first.status_code, again.status_code, again.content) == (202, 202, first.content)
    assert [answer.headers.get("Idempotency-Replayed") for answer in (first, again)] == [None, "true"]
    assert len(kept(any_database_url)) == 1
    other = await client.post("/v1/notifications", json={**FLASH, "durable": True}, headers=headers)
    problem_in(other, 422)


async def test_a_batch_mixes_what_is_kept_and_what_is_not(client: httpx.AsyncClient, any_database_url: str) -> None:
    items = [FLASH, {"to": "alice", "title": "kept"}, {**FLASH, "to": EVERYONE}, {"to": EVERYONE, "title": "told"}]
    answer = await client.post("/v1/notifications/batch", json={"items": items})
    assert [item["status"] for item in answer.json()["items"]] == [202, 201, 202, 202]
    assert len(kept(any_database_url)) == 2
    assert {item["title"] for item in await everything(client)} == {"kept", "told"}


async def test_the_row_says_whom_it_is_for(client: httpx.AsyncClient, any_database_url: str) -> None:
    await client.post("/v1/apps", json={"id": "shop", "name": "Shop"})
    async with httpx.AsyncClient(
        transport=client._transport, base_url="http://notify", headers=bearer(await key(client, "send", app_id="shop"))
    ) as shop:
        await publish(shop, ["alice", "bob", "carol"], durable=False, exclude=["bob"])
        await publish(shop, {"topics": ["a/b", "a"]}, durable=False, exclude=["bob"])
        await publish(shop, EVERYONE, durable=False)
    assert [(row["app_id"], row["user_ids"], row["topics"], row["excluded"]) for row in kept(any_database_url)] == [
        ("shop", ["alice", "carol"], [], []),
        ("shop", [], ["a/b", "a"], ["bob"]),
        ("shop", [], [], []),
    ]


async def test_the_rows_are_removed_after_a_minute(
    client: httpx.AsyncClient, service: Service, clock: ManualClock, any_database_url: str
) -> None:
    await service.housekeeping.stop()
    old = await publish(client, "alice", durable=False)
    clock.advance(timedelta(seconds=40))
    young = await publish(client, "alice", durable=False)
    await service.housekeeping.tidy()
    assert [str(row["id"]) for row in kept(any_database_url)] == [old, young]
    clock.advance(timedelta(seconds=30))
    await service.housekeeping.tidy()
    assert [str(row["id"]) for row in kept(any_database_url)] == [young]
    clock.advance(timedelta(seconds=60))
    await service.housekeeping.tidy()
    assert kept(any_database_url) == []


async def test_what_waits_is_bounded_and_the_rest_is_counted(
    client: httpx.AsyncClient, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notify.live.flashing._MOST_WAITING", 2)
    await service.flashing.stop()
    for _ in range(5):
        await publish(client, "alice", durable=False)
    text = (await client.get("/metrics")).text
    assert 'notify_flashes_dropped_total{reason="overload"} 3.0' in text
    assert "notify_flashed_total 5.0" in text
