"""What is published to topics and to everyone is one row, and reaches whoever it is for when they look."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from support.audiences import EVERYONE, publish, subscribe, titles
from support.clock import ManualClock


async def test_everyone_who_has_shown_up_gets_it_once(client: httpx.AsyncClient) -> None:
    for user in ("alice", "bob"):
        assert await titles(client, user) == []
    await publish(client, EVERYONE, "first")
    await publish(client, EVERYONE, "second")
    for _ in range(2):
        assert await titles(client, "alice") == ["second", "first"]
    await publish(client, EVERYONE, "third")
    assert await titles(client, "bob") == ["third", "second", "first"]
    assert await titles(client, "alice") == ["third", "second", "first"]


@pytest.mark.parametrize("look", ["list", "count", "changes", "conditional"])
async def test_whatever_shows_an_inbox_settles_it(client: httpx.AsyncClient, look: str) -> None:
    alice = {"user_id": "alice"}
    tag = (await client.get("/v1/notifications", params=alice)).headers["etag"]
    await publish(client, EVERYONE)
    if look == "list":
        assert (await client.get("/v1/notifications", params=alice)).json()["total"] == 1
    elif look == "count":
        assert (await client.get("/v1/notifications/count", params=alice)).json()["unread"] == 1
    elif look == "changes":
        assert len((await client.get("/v1/changes", params=alice)).json()["items"]) == 1
    else:
        answer = await client.get("/v1/notifications", params=alice, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.json()["total"]) == (200, 1)


async def test_who_shows_up_later_gets_the_last_few_of_the_last_hour(
    client: httpx.AsyncClient, clock: ManualClock
) -> None:
    await publish(client, EVERYONE, "old")
    clock.advance(timedelta(seconds=3601))
    for n in range(7):
        await publish(client, EVERYONE, f"{n}")
    assert await titles(client, "late") == ["6", "5", "4", "3", "2"]
    clock.advance(timedelta(seconds=3601))
    assert await titles(client, "later") == []
    await publish(client, EVERYONE, "new")
    assert await titles(client, "later") == ["new"]


async def test_who_was_only_ever_sent_to_has_not_shown_up(client: httpx.AsyncClient, clock: ManualClock) -> None:
    await client.post("/v1/notifications", json={"to": "alice", "title": "hers"})
    await publish(client, EVERYONE, "old")
    clock.advance(timedelta(seconds=3601))
    assert await titles(client, "alice") == ["hers"]


async def test_subscribers_get_what_is_published_from_then_on(client: httpx.AsyncClient) -> None:
    await publish(client, {"topic": "orders/eu"}, "before")
    await subscribe(client, "alice", "orders/eu")
    await publish(client, {"topic": "orders/eu"}, "after")
    await publish(client, {"topic": "orders/us"}, "elsewhere")
    await publish(client, {"topic": "orders"}, "above")
    assert await titles(client, "alice") == ["after"]
    assert await titles(client, "bob") == []


async def test_what_was_published_before_somebody_unsubscribed_stays_theirs(client: httpx.AsyncClient) -> None:
    await subscribe(client, "alice", "a")
    assert await titles(client, "alice") == []
    await publish(client, {"topic": "a"}, "while subscribed")
    answer = await client.delete("/v1/subscriptions", params={"user_id": "alice", "topic": "a"})
    assert answer.status_code == 204
    await publish(client, {"topic": "a"}, "afterwards")
    assert await titles(client, "alice") == ["while subscribed"]


@pytest.mark.parametrize("has_shown_up", [True, False])
async def test_who_subscribes_late_gets_as_much_of_before_as_the_topic_says(
    client: httpx.AsyncClient, *, has_shown_up: bool
) -> None:
    settings = {"self_service": False, "late_entries": 2, "late_seconds": 60}
    assert (await client.put("/v1/topics", params={"topic": "a"}, json=settings)).status_code == 200
    await subscribe(client, "alice", "b")
    if has_shown_up:
        assert await titles(client, "alice") == []
    for n in range(4):
        await publish(client, {"topics": ["a", "b"]} if n == 3 else {"topic": "a"}, f"{n}")
    if has_shown_up:
        assert await titles(client, "alice") == ["3"]
    await subscribe(client, "alice", "a")
    assert await titles(client, "alice") == (["2", "3"] if has_shown_up else ["3", "2"])
    await publish(client, {"topic": "a"}, "4")
    assert await titles(client, "alice") == (["4", "2", "3"] if has_shown_up else ["4", "3", "2"])


async def test_a_pattern_takes_what_is_published_below_it(client: httpx.AsyncClient) -> None:
    await subscribe(client, "alice", "orders/*")
    for topic in ("orders", "orders/eu", "orders/eu/de", "orders-eu", "orders/made/later"):
        await publish(client, {"topic": topic}, topic)
    page = (await client.get("/v1/notifications", params={"user_id": "alice"})).json()
    assert [(item["title"], item["topic"]) for item in page["items"]] == [
        ("orders/made/later", "orders/made/later"),
        ("orders/eu/de", "orders/eu/de"),
        ("orders/eu", "orders/eu"),
    ]


async def test_several_topics_reach_a_user_once(client: httpx.AsyncClient) -> None:
    await subscribe(client, "alice", "a", "b", "c/*", "c/d")
    await publish(client, {"topics": ["a", "b", "c/d", "a"]})
    await publish(client, {"topics": ["x", "c/d"]}, "more")
    assert await titles(client, "alice") == ["more", "news"]


async def test_who_is_excluded_does_not_get_it(client: httpx.AsyncClient) -> None:
    for user in ("alice", "bob"):
        await subscribe(client, user, "room/7")
        assert await titles(client, user) == []
    await publish(client, {"topic": "room/7"}, "from alice", exclude=["alice"])
    await publish(client, EVERYONE, "not for bob", exclude=["bob"])
    assert await titles(client, "alice") == ["not for bob"]
    assert await titles(client, "bob") == ["from alice"]


async def test_collapse_keys_hold_across_audiences(client: httpx.AsyncClient) -> None:
    assert await titles(client, "alice") == []
    await client.post("/v1/notifications", json={"to": "alice", "title": "mine", "collapse_key": "k"})
    for n in range(40):
        await publish(client, EVERYONE, f"{n}", collapse_key="k")
    await publish(client, EVERYONE, "other", collapse_key="l")
    await publish(client, EVERYONE, "none")
    assert await titles(client, "alice") == ["none", "other", "39"]


async def test_of_many_waiting_the_newest_thousand_come(client: httpx.AsyncClient) -> None:
    assert await titles(client, "alice") == []
    items = [{"to": EVERYONE, "title": f"{n}"} for n in range(1000)]
    for _ in range(2):
        answer = (await client.post("/v1/notifications/batch", json={"items": items})).json()
        assert {item["status"] for item in answer["items"]} == {202}
    page = (await client.get("/v1/notifications", params={"user_id": "alice", "limit": 100})).json()
    assert page["total"] == 1000
    assert [item["title"] for item in page["items"]] == [f"{n}" for n in range(999, 899, -1)]


async def test_an_idempotency_key_publishes_once(client: httpx.AsyncClient) -> None:
    assert await titles(client, "alice") == []
    answers = [
        await client.post(
            "/v1/notifications", json={"to": EVERYONE, "title": "once"}, headers={"Idempotency-Key": "a key"}
        )
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()
    assert "idempotency-replayed" in answers[1].headers
    assert await titles(client, "alice") == ["once"]


async def test_looking_from_many_sides_at_once_pulls_once(client: httpx.AsyncClient) -> None:
    assert await titles(client, "alice") == []
    for n in range(20):
        await publish(client, EVERYONE, f"{n}")
    found = await asyncio.gather(*(titles(client, "alice") for _ in range(20)))
    assert {tuple(each) for each in found} == {tuple(f"{n}" for n in range(19, -1, -1))}


@pytest.mark.parametrize(
    ("to", "pointer"),
    [
        ({}, "/to"),
        ({"topic": "a", "everyone": True}, "/to"),
        ({"topic": ""}, "/to/topic"),
        ({"topic": "a//b"}, "/to/topic"),
        ({"topic": "/a"}, "/to/topic"),
        ({"topic": "a/*"}, "/to/topic"),
        ({"topic": "*"}, "/to/topic"),
        ({"topic": "a b"}, "/to/topic"),
        ({"topic": "a" * 256}, "/to/topic"),
        ({"topics": []}, "/to/topics"),
        ({"topics": [f"t{n}" for n in range(101)]}, "/to/topics"),
        ({"everyone": False}, "/to/everyone"),
        ({"anyone": True}, "/to"),
    ],
)
async def test_what_is_no_audience_is_refused(client: httpx.AsyncClient, to: Any, pointer: str) -> None:
    answer = await client.post("/v1/notifications", json={"to": to, "title": "news"})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


async def test_of_named_users_some_can_be_left_out_but_not_all(client: httpx.AsyncClient) -> None:
    body = {"to": ["alice", "bob"], "title": "news", "exclude": ["alice", "carol"]}
    answer = await client.post("/v1/notifications", json=body)
    assert [item["user_id"] for item in answer.json()["items"]] == ["bob"]
    answer = await client.post("/v1/notifications", json={**body, "exclude": ["alice", "bob"]})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/exclude")
