"""What an app says of its topics, and what that means for who subscribes."""

from datetime import timedelta
from typing import Any

import httpx
import psycopg
import pytest

from notify.app import Service
from notify.core.ids import uuid7
from support.calls import ALICE
from support.clock import ManualClock
from support.credentials import app, bearer, key
from support.problems import problem_in


async def say(client: httpx.AsyncClient, topic: str, **settings: Any) -> dict[str, Any]:
    answer = await client.put("/v1/topics", params={"topic": topic}, json=settings)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def listed(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get("/v1/topics", params=query)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


class Log:
    """The default app's publication log, written by hand: one entry a minute, the last one now."""

    def __init__(self, service: Service, clock: ManualClock) -> None:
        self._url = str(service.settings.database_url)
        self._clock = clock

    def write(self, *entries: tuple[str, str]) -> None:
        now = self._clock.now()
        with psycopg.connect(self._url) as connection:
            for place, (entry_key, change) in enumerate(entries, 1):
                entered_at = now - timedelta(minutes=len(entries) - place)
                connection.execute(
                    "INSERT INTO notify.entries VALUES ('default', %s, %s, %s, %s, %s)",
                    (entry_key, place, uuid7(), change, entered_at),
                )
            connection.execute("INSERT INTO notify.logs VALUES ('default', %s)", (len(entries),))

    def since(self, topic: str, user_id: str = "alice") -> int:
        """After which position what is published is for a subscriber."""
        with psycopg.connect(self._url) as connection:
            row = connection.execute(
                "SELECT since FROM notify.subscriptions WHERE app_id = 'default' AND topic = %s AND user_id = %s",
                (topic, user_id),
            ).fetchone()
        assert row is not None, "not subscribed"
        since: int = row[0]
        return since


@pytest.fixture
def log(service: Service, clock: ManualClock) -> Log:
    return Log(service, clock)


async def subscribe(client: httpx.AsyncClient, topic: str) -> None:
    answer = await client.put("/v1/subscriptions", params={**ALICE, "topic": topic})
    assert answer.status_code == 201, answer.text


# The settings --------------------------------------------------------------------------------------------------------


async def test_what_is_said_is_answered_and_listed(client: httpx.AsyncClient) -> None:
    said = await say(client, "orders/*", self_service=True, late_entries=20, late_seconds=3600)
    assert said.pop("updated_at").startswith("2026-03-01T12:00:00")
    assert said == {"topic": "orders/*", "self_service": True, "late_entries": 20, "late_seconds": 3600}
    (item,) = (await listed(client))["items"]
    assert {name: item[name] for name in said} == said


async def test_what_is_said_again_takes_the_place_of_all_that_was_said_before(client: httpx.AsyncClient) -> None:
    before = await say(client, "orders/eu", self_service=True, late_entries=20, late_seconds=3600)
    after = await say(client, "orders/eu", late_entries=5, late_seconds=None)
    assert (after["self_service"], after["late_entries"], after["late_seconds"]) == (False, 5, None)
    assert after["updated_at"] > before["updated_at"]
    assert (await listed(client))["items"] == [after]


async def test_they_are_taken_back_and_that_again_is_fine(client: httpx.AsyncClient) -> None:
    await say(client, "orders/eu")
    await say(client, "orders/*")
    for _ in range(2):
        answer = await client.delete("/v1/topics", params={"topic": "orders/*"})
        assert (answer.status_code, answer.content) == (204, b"")
        assert [item["topic"] for item in (await listed(client))["items"]] == ["orders/eu"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_have_no_gap_and_no_duplicate(client: httpx.AsyncClient, limit: int) -> None:
    topics = ["B", "a", "a/*", "a/b", "a/b/*", "a@b", "~"]
    for topic in reversed(topics):
        await say(client, topic)
    found: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = await listed(client, **query)
        assert len(page["items"]) <= limit
        found += [item["topic"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == topics


@pytest.mark.parametrize("topic", ["", "*", "/", "a/", "/a", "a//b", "a/*/b", "*/a", "a b", "a\n", "ä", "a" * 256])
async def test_what_is_no_topic_and_no_pattern_is_refused(client: httpx.AsyncClient, topic: str) -> None:
    for call in (
        client.put("/v1/topics", params={"topic": topic}, json={}),
        client.delete("/v1/topics", params={"topic": topic}),
    ):
        problem = problem_in(await call, 422, "invalid")
        assert [error["pointer"] for error in problem["errors"]] == ["topic"]


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"self_service": 1}, "/self_service"),
        ({"self_service": None}, "/self_service"),
        ({"late_entries": -1}, "/late_entries"),
        ({"late_entries": 1001}, "/late_entries"),
        ({"late_seconds": -1}, "/late_seconds"),
        ({"late_seconds": 31_536_001}, "/late_seconds"),
        ({"late": 1}, "/late"),
    ],
)
async def test_what_cannot_be_said_is_refused(client: httpx.AsyncClient, settings: Any, pointer: str) -> None:
    problem = problem_in(await client.put("/v1/topics", params={"topic": "a"}, json=settings), 422, "invalid")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert (await listed(client))["items"] == []


@pytest.mark.parametrize("cursor", ["", "A", "AA", "YQ", "!", "YQ=="])
async def test_a_cursor_that_no_list_gave_is_refused_unless_it_could_be_one(
    client: httpx.AsyncClient, cursor: str
) -> None:
    answer = await client.get("/v1/topics", params={"cursor": cursor})
    if cursor == "YQ":  # an a
        assert answer.status_code == 200
    else:
        assert problem_in(answer, 422, "invalid")["errors"][0]["pointer"] == "cursor"


async def test_another_apps_are_not_shown_not_changed_and_do_not_count(client: httpx.AsyncClient) -> None:
    await say(client, "orders/eu", self_service=True)
    await app(client, "shop")
    shops = bearer(await key(client, "admin", app_id="shop"))
    assert (await client.get("/v1/topics", headers=shops)).json()["items"] == []
    assert (await client.put("/v1/topics", params={"topic": "orders/eu"}, json={}, headers=shops)).status_code == 200
    assert (await client.delete("/v1/topics", params={"topic": "orders/eu"}, headers=shops)).status_code == 204
    (item,) = (await listed(client))["items"]
    assert item["self_service"] is True


# Late-comers ---------------------------------------------------------------------------------------------------------


async def test_without_settings_it_begins_where_the_log_stands(client: httpx.AsyncClient, log: Log) -> None:
    await subscribe(client, "before/anything")
    assert log.since("before/anything") == 0
    log.write(("a", "publish"), ("a", "publish"), ("b", "publish"))
    await subscribe(client, "a")
    assert log.since("a") == 3


@pytest.mark.parametrize(
    ("entries", "seconds", "since"),
    [
        (1, 86400, 6),
        (2, 86400, 4),
        (3, 86400, 0),
        (1000, 86400, 0),
        (1000, 200, 4),  # the fifth entry is three minutes old
        (1000, 150, 6),
        (1, 200, 6),
        (1000, 0, 8),
        (0, 86400, 8),
        (None, 86400, 8),
        (1000, None, 8),
    ],
)
async def test_late_comers_begin_just_before_the_newest_that_are_young_enough(
    client: httpx.AsyncClient, log: Log, entries: int | None, seconds: int | None, since: int
) -> None:
    log.write(
        ("a", "publish"),
        ("b", "publish"),
        ("a", "edit"),
        ("b", "publish"),
        ("a", "publish"),
        ("b", "publish"),
        ("a", "publish"),
        ("a", "recall"),
    )
    await say(client, "a", late_entries=entries, late_seconds=seconds)
    await subscribe(client, "a")
    assert log.since("a") == since


async def test_of_a_pattern_late_comers_get_what_was_published_below_it(client: httpx.AsyncClient, log: Log) -> None:
    log.write(("orders/eu", "publish"), ("orders/*", "publish"), ("orders/*", "publish"), ("other", "publish"))
    await say(client, "orders/*", late_entries=10, late_seconds=3600)
    await subscribe(client, "orders/*")
    assert log.since("orders/*") == 1
    # The same settings count for a topic below, with what was published to that.
    await subscribe(client, "orders/eu")
    assert log.since("orders/eu") == 0


async def test_the_most_specific_settings_say_what_late_comers_get(client: httpx.AsyncClient, log: Log) -> None:
    log.write(*[("orders/eu/de", "publish")] * 5)
    await say(client, "orders/*", late_entries=3, late_seconds=3600)
    await say(client, "orders/eu/*", late_entries=1, late_seconds=3600)
    await subscribe(client, "orders/eu/de")
    assert log.since("orders/eu/de") == 4
    # What is said of the topic itself counts whole: its silence is not filled from above.
    await say(client, "orders/eu/de", self_service=True)
    await client.delete("/v1/subscriptions", params={**ALICE, "topic": "orders/eu/de"})
    await subscribe(client, "orders/eu/de")
    assert log.since("orders/eu/de") == 5


async def test_who_is_subscribed_already_keeps_where_it_began(client: httpx.AsyncClient, log: Log) -> None:
    log.write(("a", "publish"), ("a", "publish"))
    await subscribe(client, "a")
    await say(client, "a", late_entries=10, late_seconds=3600)
    answer = await client.put("/v1/subscriptions", params={**ALICE, "topic": "a"})
    assert (answer.status_code, log.since("a")) == (200, 2)


async def test_in_a_call_for_many_each_topic_has_its_own_settings(client: httpx.AsyncClient, log: Log) -> None:
    log.write(("a", "publish"), ("b", "publish"), ("c", "publish"))
    await say(client, "a", late_entries=10, late_seconds=3600)
    await say(client, "b", late_entries=10, late_seconds=3600)
    items = [{"topic": topic, "user_id": user} for user in ("alice", "bob") for topic in ("c", "a", "b")]
    answer = await client.post("/v1/subscriptions", json={"items": items})
    assert [item["status"] for item in answer.json()["items"]] == [201] * 6
    assert [log.since(item["topic"], item["user_id"]) for item in items] == [3, 0, 1] * 2


async def test_another_apps_log_does_not_count(client: httpx.AsyncClient, log: Log, service: Service) -> None:
    log.write(("a", "publish"), ("a", "publish"))
    await app(client, "shop")
    shops = bearer(await key(client, "admin", "inbox", app_id="shop"))
    await client.put("/v1/topics", params={"topic": "a"}, json={"late_entries": 1, "late_seconds": 60}, headers=shops)
    answer = await client.put("/v1/subscriptions", params={**ALICE, "topic": "a"}, headers=shops)
    assert answer.status_code == 201
    with psycopg.connect(str(service.settings.database_url)) as connection:
        rows = connection.execute("SELECT app_id, since FROM notify.subscriptions").fetchall()
    assert rows == [("shop", 0)]
