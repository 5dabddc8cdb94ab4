"""Subscribing users to topics: one by one, many at once, and by themselves."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import psycopg
import pytest

from notify.app import Service
from notify.settings import Settings
from support.calls import ALICE
from support.credentials import app, bearer, key, token
from support.problems import problem_in
from support.processes import ADMIN, ADMIN_KEY


async def subscribe(
    client: httpx.AsyncClient, topic: str, user_id: str | None = "alice", headers: Any = None
) -> httpx.Response:
    return await client.put("/v1/subscriptions", params=named(topic, user_id), headers=headers)


async def unsubscribe(
    client: httpx.AsyncClient, topic: str, user_id: str | None = "alice", headers: Any = None
) -> httpx.Response:
    return await client.delete("/v1/subscriptions", params=named(topic, user_id), headers=headers)


def named(topic: str, user_id: str | None) -> dict[str, str]:
    return {"topic": topic} if user_id is None else {"topic": topic, "user_id": user_id}


async def listed(client: httpx.AsyncClient, headers: Any = None, **query: Any) -> list[dict[str, Any]]:
    """All pages together."""
    found: list[dict[str, Any]] = []
    while True:
        answer = await client.get("/v1/subscriptions", params=query, headers=headers)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert len(page["items"]) <= query.get("limit", 20)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        assert len(page["items"]) == query.get("limit", 20)
        query["cursor"] = page["next_cursor"]


async def topics_of(client: httpx.AsyncClient, user_id: str = "alice") -> list[str]:
    return [item["topic"] for item in await listed(client, user_id=user_id, limit=100)]


async def subscribe_many(client: httpx.AsyncClient, *items: Any, headers: Any = None) -> list[dict[str, Any]]:
    answer = await client.post("/v1/subscriptions", json={"items": items}, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


def pair(topic: str, user_id: str = "alice") -> dict[str, str]:
    return {"topic": topic, "user_id": user_id}


async def say(client: httpx.AsyncClient, topic: str, **settings: Any) -> None:
    answer = await client.put("/v1/topics", params={"topic": topic}, json=settings)
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def narrow(any_database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A service where three is the most of everything."""
    settings = Settings(
        database_url=any_database_url,
        admin_key=ADMIN_KEY,
        max_subscriptions_per_call=3,
        max_subscriptions_per_user=3,
    )
    async with Service(settings).running() as service:
        transport = httpx.ASGITransport(cast(Any, service.asgi))
        async with httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN) as client:
            yield client


# One by one ----------------------------------------------------------------------------------------------------------


async def test_a_subscription_is_made_once_and_stays_as_it_is(client: httpx.AsyncClient) -> None:
    made = await subscribe(client, "orders/eu")
    assert made.status_code == 201
    body = made.json()
    assert body.keys() == {"topic", "user_id", "created_at"}
    assert (body["topic"], body["user_id"]) == ("orders/eu", "alice")
    assert body["created_at"].startswith("2026-03-01T12:00:00")
    again = await subscribe(client, "orders/eu")
    assert (again.status_code, again.json()) == (200, body)
    assert await listed(client, **ALICE) == [body]


async def test_a_pattern_is_subscribed_to_as_itself(client: httpx.AsyncClient) -> None:
    assert (await subscribe(client, "orders/*")).status_code == 201
    assert (await subscribe(client, "orders/eu")).status_code == 201
    assert await topics_of(client) == ["orders/*", "orders/eu"]
    assert [item["topic"] for item in await listed(client, topic="orders/*")] == ["orders/*"]
    assert await listed(client, topic="orders") == []


async def test_unsubscribing_takes_exactly_that_one_and_again_is_fine(client: httpx.AsyncClient) -> None:
    for topic, user in (("a", "alice"), ("a/*", "alice"), ("a", "bob")):
        await subscribe(client, topic, user)
    for _ in range(2):
        answer = await unsubscribe(client, "a")
        assert (answer.status_code, answer.content) == (204, b"")
        assert await topics_of(client) == ["a/*"]
        assert await topics_of(client, "bob") == ["a"]
    assert (await subscribe(client, "a")).status_code == 201


@pytest.mark.parametrize(
    "topic", ["", "*", "/", "a/", "/a", "a//b", "a/*/b", "*/a", "a*", "a b", "a\n", "ä", "a" * 256]
)
async def test_what_is_no_topic_is_refused_everywhere(client: httpx.AsyncClient, topic: str) -> None:
    for call in (
        subscribe(client, topic),
        unsubscribe(client, topic),
        client.get("/v1/subscriptions", params={"topic": topic}),
    ):
        problem = problem_in(await call, 422, "invalid")
        assert [error["pointer"] for error in problem["errors"]] == ["topic"]
    (item,) = await subscribe_many(client, pair(topic))
    assert (item["status"], item["problem"]["errors"][0]["pointer"]) == (422, "/topic")
    assert await topics_of(client) == []


@pytest.mark.parametrize("user_id", ["", "a\nb", "\x00", "a" * 256])
async def test_what_is_no_user_is_refused_everywhere(client: httpx.AsyncClient, user_id: str) -> None:
    for call in (
        subscribe(client, "a", user_id),
        unsubscribe(client, "a", user_id),
        client.get("/v1/subscriptions", params={"user_id": user_id}),
    ):
        problem = problem_in(await call, 422, "invalid")
        assert [error["pointer"] for error in problem["errors"]] == ["user_id"]
    (item,) = await subscribe_many(client, pair("a", user_id))
    assert (item["status"], item["problem"]["errors"][0]["pointer"]) == (422, "/user_id")


async def test_an_api_key_has_to_say_whose(client: httpx.AsyncClient) -> None:
    for answer in (
        await subscribe(client, "a", None),
        await unsubscribe(client, "a", None),
        await client.get("/v1/subscriptions"),
        await client.get("/v1/subscriptions", params={**ALICE, "topic": "a"}),
    ):
        (error,) = problem_in(answer, 422, "invalid")["errors"]
        assert error["pointer"] == "user_id"
        assert "?user_id=" in error["detail"]


async def test_without_a_topic_there_is_nothing_to_subscribe_to(client: httpx.AsyncClient) -> None:
    for call in (client.put, client.delete):
        problem = problem_in(await call("/v1/subscriptions", params=ALICE), 422, "invalid")
        assert problem["errors"] == [{"pointer": "topic", "detail": "This is required."}]


async def test_a_user_has_a_most(narrow: httpx.AsyncClient) -> None:
    for topic in ("a", "b", "c"):
        assert (await subscribe(narrow, topic)).status_code == 201
    problem = problem_in(await subscribe(narrow, "d"), 422, "invalid")
    assert problem["errors"][0]["pointer"] == "user_id"
    assert "NOTIFY_MAX_SUBSCRIPTIONS_PER_USER" in problem["errors"][0]["detail"]
    assert await topics_of(narrow) == ["a", "b", "c"]
    # What is there counts as there, others are not concerned, and who leaves one makes room.
    assert (await subscribe(narrow, "a")).status_code == 200
    assert (await subscribe(narrow, "d", "bob")).status_code == 201
    await unsubscribe(narrow, "b")
    assert (await subscribe(narrow, "d")).status_code == 201


# Lists ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_have_no_gap_and_no_duplicate(client: httpx.AsyncClient, limit: int) -> None:
    topics = ["B", "a", "a/*", "a/b", "a/b/*", "a@b", "~"]
    # By their bytes. One needs a cursor as long as they come.
    users = ["Zoe", "a b", "alice", "grüße", "日本", "🛎" * 255]
    await subscribe_many(client, *(pair(topic, user) for topic in reversed(topics) for user in reversed(users)))
    assert [item["topic"] for item in await listed(client, user_id="🛎" * 255, limit=limit)] == topics
    assert [item["user_id"] for item in await listed(client, topic="a/*", limit=limit)] == users


async def test_a_page_goes_on_where_the_one_before_ended_whatever_happens_between(client: httpx.AsyncClient) -> None:
    await subscribe_many(client, *(pair(topic) for topic in "bdfh"))
    first = (await client.get("/v1/subscriptions", params={**ALICE, "limit": 2})).json()
    assert [item["topic"] for item in first["items"]] == ["b", "d"]
    await unsubscribe(client, "d")
    await subscribe_many(client, pair("a"), pair("e"))
    rest = await listed(client, **ALICE, cursor=first["next_cursor"])
    assert [item["topic"] for item in rest] == ["e", "f", "h"]


@pytest.mark.parametrize(("name", "value"), [("limit", 0), ("limit", 101), ("cursor", "!"), ("cursor", "AA"), ("x", 1)])
async def test_what_a_list_does_not_take_is_refused(client: httpx.AsyncClient, name: str, value: Any) -> None:
    problem = problem_in(await client.get("/v1/subscriptions", params={**ALICE, name: value}), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [name]


# Many at once --------------------------------------------------------------------------------------------------------


async def test_each_of_many_is_answered_for_itself_in_its_place(client: httpx.AsyncClient) -> None:
    await subscribe(client, "b")
    answers = await subscribe_many(
        client,
        pair("c"),
        pair("b"),
        pair("*"),
        pair("c"),
        {"topic": "a"},
        "not an object",
        {**pair("a"), "since": 1},
        pair("a", "zoe"),
    )
    assert [answer["status"] for answer in answers] == [201, 200, 422, 200, 422, 422, 422, 201]
    assert answers[0] == {"status": 201, "topic": "c", "user_id": "alice"}
    assert answers[7] == {"status": 201, "topic": "a", "user_id": "zoe"}
    for place, pointer in ((2, "/topic"), (4, "/user_id"), (5, ""), (6, "/since")):
        assert answers[place].keys() == {"status", "problem"}
        assert answers[place]["problem"]["type"] == "/problems/invalid"
        assert answers[place]["problem"]["errors"][0]["pointer"] == pointer
    assert await topics_of(client) == ["b", "c"]
    assert await topics_of(client, "zoe") == ["a"]


async def test_ten_thousand_pairs_with_a_bad_one_among_them(client: httpx.AsyncClient, service: Service) -> None:
    items: list[Any] = [pair(f"orders/{n % 10}", f"user-{n // 10}") for n in range(10_000)]
    items[5432] = pair("orders//2", "user-543")
    started = time.monotonic()
    answers = await subscribe_many(client, *items)
    assert time.monotonic() - started < 20
    assert [n for n, answer in enumerate(answers) if answer["status"] != 201] == [5432]
    assert answers[5432]["status"] == 422
    assert [(answer["topic"], answer["user_id"]) for n, answer in enumerate(answers) if n != 5432] == [
        (item["topic"], item["user_id"]) for n, item in enumerate(items) if n != 5432
    ]
    with psycopg.connect(str(service.settings.database_url)) as connection:
        assert connection.execute("SELECT count(*) FROM notify.subscriptions").fetchall() == [(9999,)]
    again = await subscribe_many(client, *items)
    assert {answer["status"] for answer in again} == {200, 422}


@pytest.mark.parametrize("number", [0, 4])
async def test_how_many_one_call_makes_is_bounded(narrow: httpx.AsyncClient, number: int) -> None:
    answer = await narrow.post("/v1/subscriptions", json={"items": [pair("a", f"{n}") for n in range(number)]})
    assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "/items"
    assert await listed(narrow, topic="a") == []


async def test_of_many_only_what_is_too_much_for_a_user_is_refused(narrow: httpx.AsyncClient) -> None:
    await subscribe(narrow, "b")
    await subscribe(narrow, "d")
    answers = await subscribe_many(narrow, pair("c"), pair("a"), pair("a", "bob"))
    assert [answer["status"] for answer in answers] == [201, 422, 201]
    assert answers[1]["problem"]["errors"][0]["pointer"] == "/user_id"
    assert "NOTIFY_MAX_SUBSCRIPTIONS_PER_USER" in answers[1]["problem"]["errors"][0]["detail"]
    answers = await subscribe_many(narrow, pair("a"), pair("c"), pair("a"))
    assert [answer["status"] for answer in answers] == [422, 200, 422]
    assert await topics_of(narrow) == ["b", "c", "d"]


async def test_the_most_of_a_user_is_a_thousand(client: httpx.AsyncClient) -> None:
    answers = await subscribe_many(client, *(pair(f"{n}") for n in range(1001)))
    assert [answer["status"] for answer in answers] == [201] * 1000 + [422]


async def test_calls_that_overlap_in_opposite_order_do_not_hinder_each_other(client: httpx.AsyncClient) -> None:
    items = [pair(f"orders/{n % 20}", f"user-{n // 20}") for n in range(1000)]
    for round_ in range(3):
        renamed = [pair(f"{round_}/{item['topic']}", item["user_id"]) for item in items]
        calls = [renamed, renamed[::-1], renamed[500:] + renamed[:500], renamed[::-2]]
        answered = await asyncio.gather(*(subscribe_many(client, *call) for call in calls))
        made = [
            (answer["topic"], answer["user_id"])
            for answers in answered
            for answer in answers
            if answer["status"] == 201
        ]
        assert {answer["status"] for answers in answered for answer in answers} <= {200, 201}
        # Each is new to exactly one of them.
        assert sorted(made) == sorted((item["topic"], item["user_id"]) for item in renamed)


async def test_of_calls_for_the_same_one_that_race_one_makes_it(client: httpx.AsyncClient) -> None:
    for n in range(10):
        answers = await asyncio.gather(*(subscribe(client, f"{n}") for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({answer.text for answer in answers}) == 1


# Who may -------------------------------------------------------------------------------------------------------------


async def test_a_user_may_only_where_the_settings_say_so(client: httpx.AsyncClient) -> None:
    alices = bearer(await token(client, "alice"))
    for call in (subscribe, unsubscribe):
        problem = problem_in(await call(client, "orders/eu", None, alices), 403, "forbidden")
        assert "self_service" in problem["detail"]
    await say(client, "orders/eu", self_service=True)
    made = await subscribe(client, "orders/eu", None, alices)
    assert (made.status_code, made.json()["user_id"]) == (201, "alice")
    assert (await subscribe(client, "orders/eu", "alice", alices)).status_code == 200
    assert await listed(client, alices) == [made.json()]
    await say(client, "orders/eu", self_service=False)
    assert (await unsubscribe(client, "orders/eu", None, alices)).status_code == 403
    assert await listed(client, alices) == [made.json()]
    await say(client, "orders/eu", self_service=True)
    assert (await unsubscribe(client, "orders/eu", None, alices)).status_code == 204
    assert await listed(client, alices) == []


async def test_the_most_specific_settings_say_whether_a_user_may(client: httpx.AsyncClient) -> None:
    alices = bearer(await token(client, "alice"))

    async def may(topic: str) -> bool:
        status = (await subscribe(client, topic, None, alices)).status_code
        assert status in {200, 201, 403}
        return status != 403

    await say(client, "orders/*", self_service=True)
    await say(client, "orders/eu/*", self_service=False)
    await say(client, "orders/eu/de", self_service=True)
    assert [await may(topic) for topic in ("orders/us", "orders/us/ny", "orders/us/*", "orders/*")] == [True] * 4
    assert [await may(topic) for topic in ("orders/eu/fr", "orders/eu/*", "orders/eu/fr/*")] == [False] * 3
    assert [await may(topic) for topic in ("orders/eu/de", "orders/eu")] == [True] * 2
    # What is said of a topic is not said of what is below or above it.
    assert [await may(topic) for topic in ("orders/eu/de/be", "orders", "order/x", "ordersx/y")] == [False] * 4


async def test_a_user_reaches_only_their_own(client: httpx.AsyncClient) -> None:
    await say(client, "a", self_service=True)
    await subscribe(client, "a", "bob")
    alices = bearer(await token(client, "alice"))
    problem_in(await subscribe(client, "a", "bob", alices), 403, "forbidden")
    problem_in(await unsubscribe(client, "a", "bob", alices), 403, "forbidden")
    problem_in(await client.get("/v1/subscriptions", params={"user_id": "bob"}, headers=alices), 403, "forbidden")
    for query in ({"topic": "a"}, {"topic": "a", **ALICE}):
        problem_in(await client.get("/v1/subscriptions", params=query, headers=alices), 403, "forbidden")
    answer = await client.post("/v1/subscriptions", json={"items": [pair("a")]}, headers=alices)
    problem_in(answer, 403, "forbidden")
    assert await topics_of(client, "bob") == ["a"]
    assert await listed(client, alices) == []


async def test_a_token_that_only_reads_lists_and_changes_nothing(client: httpx.AsyncClient) -> None:
    await say(client, "a", self_service=True)
    reading = bearer(await token(client, "alice", "inbox:read"))
    assert await listed(client, reading) == []
    problem_in(await subscribe(client, "a", None, reading), 403, "forbidden")
    problem_in(await unsubscribe(client, "a", None, reading), 403, "forbidden")


async def test_nothing_of_one_app_shows_in_another(client: httpx.AsyncClient) -> None:
    await app(client, "shop")
    shops = bearer(await key(client, "inbox", app_id="shop"))
    await subscribe(client, "a")
    assert await listed(client, shops, **ALICE) == []
    assert await listed(client, shops, topic="a") == []
    assert (await unsubscribe(client, "a", headers=shops)).status_code == 204
    assert await topics_of(client) == ["a"]
    assert (await subscribe(client, "a", headers=shops)).status_code == 201
    assert [item["status"] for item in await subscribe_many(client, pair("a"), pair("b"), headers=shops)] == [200, 201]
    assert await topics_of(client) == ["a"]
