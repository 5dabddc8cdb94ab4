"""Law 3: a connection lost in COMMIT, or anywhere. The writer finds out what became of it, and only then answers or
tries again."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from support.invariants import history, rows
from support.stand import Stand
from support.waiting import until

ONE_STATEMENT = "^-- create:"
BEGIN = "^BEGIN"
LOCK = "^-- lock:"
COMMIT = "^COMMIT"

either_way = pytest.mark.parametrize(
    "forwarded", [pytest.param(True, id="after_it_was_done"), pytest.param(False, id="before_it_was_seen")]
)


def arrivals(stand: Stand, user: str) -> list[str]:
    """The titles that have arrived at users whose names begin so, in order."""
    return [row["title"] for row in history(stand.url) if row["arrived"] and row["user_id"].startswith(user)]


def create(client: httpx.Client, to: str | list[str], title: str, **fields: Any) -> httpx.Response:
    key = fields.pop("key", None)
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post("/v1/notifications", json={"to": to, "title": title, **fields}, headers=headers)


@either_way
@pytest.mark.parametrize("recipients", [1, 3])
@pytest.mark.parametrize(
    ("statement", "fields"),
    [
        (ONE_STATEMENT, {}),
        *((statement, {"key": "key"}) for statement in (BEGIN, "^-- idempotency_lock:", LOCK, ONE_STATEMENT, COMMIT)),
        *((statement, {"collapse_key": "k"}) for statement in (BEGIN, LOCK, "^-- collapse:", ONE_STATEMENT, COMMIT)),
    ],
)
def test_a_create_whose_answer_is_lost_is_written_once_and_answered(  # noqa: PLR0917
    stand: Stand,
    user: str,
    statement: str,
    fields: dict[str, Any],
    recipients: int,
    forwarded: bool,  # noqa: FBT001
) -> None:
    users = [f"{user}-{n}" for n in range(recipients)]
    fields = {**fields, "key": user} if "key" in fields else fields
    fault = stand.proxy.lose(statement, forwarded=forwarded)
    answer = create(stand.client, users, "One", **fields)
    assert fault.happened == 1
    assert answer.status_code == 201, answer.text
    stored = [row for row in history(stand.url) if row["user_id"] in users]
    assert [(row["user_id"], row["title"]) for row in stored] == [(user, "One") for user in users]
    answered = {(item["user_id"], item["id"], int(item["position"].split(".")[1])) for item in answer.json()["items"]}
    assert answered == {(row["user_id"], str(row["id"]), row["position"]) for row in stored}


def test_a_create_that_loses_its_answer_again_and_again_is_still_written_once(stand: Stand, user: str) -> None:
    for statement, times in ((ONE_STATEMENT, 1), (COMMIT, 3)):
        stand.proxy.lose(statement, forwarded=True, times=times)
    answer = create(stand.client, user, "One")
    assert answer.status_code == 201, answer.text
    assert arrivals(stand, user) == ["One"]


@either_way
@pytest.mark.parametrize("statement", [LOCK, "^-- change:", COMMIT])
def test_what_resurfaces_does_so_once(
    stand: Stand,
    user: str,
    statement: str,
    forwarded: bool,  # noqa: FBT001
) -> None:
    id_ = create(stand.client, user, "First").json()["id"]
    fault = stand.proxy.lose(statement, forwarded=forwarded)
    answer = stand.client.patch(f"/v1/notifications/{id_}", json={"title": "Again", "resurface": True})
    assert fault.happened == 1
    assert answer.status_code == 200, answer.text
    assert arrivals(stand, user) == ["First", "Again"]
    assert answer.json()["position"].endswith(".2")


@either_way
def test_a_collapse_whose_answer_is_lost_arrives_once(
    stand: Stand,
    user: str,
    forwarded: bool,  # noqa: FBT001
) -> None:
    first = create(stand.client, user, "First", collapse_key="k")
    fault = stand.proxy.lose(COMMIT, forwarded=forwarded)
    second = create(stand.client, user, "Second", collapse_key="k")
    assert fault.happened == 1
    assert second.status_code == 201, second.text
    assert second.json()["items"][0]["id"] == first.json()["items"][0]["id"]
    assert arrivals(stand, user) == ["First", "Second"]


@either_way
@pytest.mark.parametrize("statement", [BEGIN, LOCK, "^-- change:", COMMIT])
@pytest.mark.parametrize("action", ["read", "archive", "delete", "edit"])
def test_a_change_whose_answer_is_lost_takes_one_position(
    stand: Stand,
    user: str,
    action: str,
    statement: str,
    forwarded: bool,  # noqa: FBT001
) -> None:
    one = create(stand.client, user, "One").json()["id"]
    fault = stand.proxy.lose(statement, forwarded=forwarded)
    if action == "edit":
        answer = stand.client.patch(f"/v1/notifications/{one}", json={"body": "Edited"})
    elif action == "delete":
        answer = stand.client.delete(f"/v1/notifications/{one}")
    else:
        answer = stand.client.post(f"/v1/notifications/{one}/{action}")
    assert fault.happened == 1
    assert answer.status_code == (204 if action == "delete" else 200), answer.text
    assert [row["position"] for row in history(stand.url) if row["user_id"] == user] == [1, 2]


@either_way
def test_a_bulk_mark_whose_answer_is_lost_may_be_sent_again(
    stand: Stand,
    user: str,
    forwarded: bool,  # noqa: FBT001
) -> None:
    for _ in range(3):
        create(stand.client, user, "One")
    stand.proxy.lose(COMMIT, forwarded=forwarded, after="^-- change_all:")
    answer = stand.client.post("/v1/notifications/read-all", params={"user_id": user})
    assert answer.status_code == 503, answer.text
    assert answer.headers["Retry-After"]
    assert stand.client.post("/v1/notifications/read-all", params={"user_id": user}).status_code == 200
    assert stand.client.get("/v1/notifications/count", params={"user_id": user}).json()["unread"] == 0
    assert [row["position"] for row in history(stand.url) if row["user_id"] == user] == [1, 2, 3, 4, 5, 6]


@either_way
@pytest.mark.parametrize("statement", ["^-- outbox_claim:", ONE_STATEMENT, "^-- outbox_done:", COMMIT])
def test_outbox_rows_whose_transaction_is_lost_are_sent_once_and_soon(
    stand: Stand,
    user: str,
    statement: str,
    forwarded: bool,  # noqa: FBT001
) -> None:
    # Of both processes: either may be the one that claims.
    faults = [proxy.lose(statement, forwarded=forwarded) for proxy in stand.proxies]
    with psycopg.connect(stand.url) as producer:
        for title in ("A", "B", "C"):
            producer.execute("SELECT notify.send(%s, %s)", (user, title))
    until(lambda: not rows(stand.url, "SELECT FROM notify.outbox"), 3, what="an empty outbox")
    assert any(fault.happened for fault in faults)
    assert arrivals(stand, user) == ["A", "B", "C"]


@pytest.mark.parametrize("statement", [LOCK, "^-- written:", ONE_STATEMENT])
def test_a_create_that_reaches_the_server_after_we_gave_its_connection_up_is_not_written_twice(
    stand: Stand, user: str, statement: str
) -> None:
    """The server may be slow to hear what we sent before the connection broke. Between the look and the second try
    there must be no gap that it could slip into."""
    late = stand.proxy.delay(ONE_STATEMENT)
    second = stand.proxy.hold(statement)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(create, stand.client, user, "One")
        late.wait()
        second.wait()
        late.release()
        until(lambda: arrivals(stand, user) or waits_for_a_lock(stand))
        second.release()
        answer = asked.result(10)
    assert answer.status_code == 201, answer.text
    assert arrivals(stand, user) == ["One"]


@either_way
def test_a_schedule_whose_answer_is_lost_is_sent_once(
    stand: Stand,
    user: str,
    forwarded: bool,  # noqa: FBT001
) -> None:
    fault = stand.proxy.lose("^-- schedule:", forwarded=forwarded)
    asked = create(stand.client, user, "One", send_at=(datetime.now(UTC) + timedelta(seconds=1)).isoformat())
    assert (fault.happened, asked.status_code) == (1, 202), asked.text
    until(lambda: arrivals(stand, user), what="what was scheduled")
    until(lambda: not rows(stand.url, "SELECT FROM notify.outbox"), what="an empty outbox")
    assert [row["id"] for row in history(stand.url) if row["user_id"] == user] == [UUID(asked.json()["id"])]


def test_a_schedule_that_reaches_the_server_after_we_gave_its_connection_up_is_there_once(
    stand: Stand, user: str
) -> None:
    late = stand.proxy.delay("^-- schedule:")
    second = stand.proxy.hold("^-- schedule:")
    send_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(create, stand.client, user, "One", send_at=send_at)
        late.wait()
        second.wait()
        late.release()
        until(lambda: rows(stand.url, "SELECT FROM notify.outbox"), what="what was late")
        second.release()
        answer = asked.result(10)
    assert answer.status_code == 202, answer.text
    id_ = answer.json()["id"]
    assert [row["id"] for row in rows(stand.url, "SELECT id FROM notify.outbox")] == [UUID(id_)]
    assert stand.client.delete(f"/v1/scheduled/{id_}").status_code == 204


@either_way
def test_a_cancel_whose_answer_is_lost_is_true(
    stand: Stand,
    user: str,
    forwarded: bool,  # noqa: FBT001
) -> None:
    send_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    id_ = create(stand.client, user, "One", send_at=send_at).json()["id"]
    fault = stand.proxy.lose("^-- scheduled_cancel:", forwarded=forwarded)
    answers = [stand.client.delete(f"/v1/scheduled/{id_}") for _ in range(2)]
    assert (fault.happened, [answer.status_code for answer in answers]) == (1, [204, 204])
    assert not rows(stand.url, "SELECT FROM notify.outbox")


def waits_for_a_lock(stand: Stand) -> bool:
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return bool(rows(stand.url, waiting))


def test_a_create_to_several_is_not_repeated_because_one_of_them_collapsed_again(stand: Stand, user: str) -> None:
    """Before the writer looks, another process may have collapsed into what the lost commit had collapsed into."""
    alice, bob = f"{user}-alice", f"{user}-bob"
    create(stand.client, [alice, bob], "Zero", collapse_key="k")
    stand.client.post("/v1/notifications/read-all", params={"user_id": bob})
    lost = stand.proxy.lose(COMMIT, forwarded=True)
    first_look = stand.proxy.hold(LOCK)
    second_look = stand.proxy.hold(LOCK)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(create, stand.client, [alice, bob], "One", collapse_key="k")
        first_look.wait()
        first_look.release()
        lost.wait()
        second_look.wait()
        assert create(stand.clients[1], alice, "Two", collapse_key="k").status_code == 201
        second_look.release()
        answer = asked.result(10)
    assert answer.status_code == 201, answer.text
    assert {item["user_id"] for item in answer.json()["items"]} == {alice, bob}
    assert arrivals(stand, alice) == ["Zero", "One", "Two"]
    assert arrivals(stand, bob) == ["Zero", "One"]


@either_way
@pytest.mark.parametrize(
    ("statement", "has_key"),
    [("^-- publish:", False), *((statement, True) for statement in (BEGIN, "^-- publish:", COMMIT))],
)
def test_a_publication_whose_answer_is_lost_is_published_once(
    stand: Stand,
    user: str,
    statement: str,
    has_key: bool,  # noqa: FBT001
    forwarded: bool,  # noqa: FBT001
) -> None:
    subscribed = stand.client.put("/v1/subscriptions", params={"user_id": user, "topic": user})
    assert subscribed.status_code == 201, subscribed.text
    fault = stand.proxy.lose(statement, forwarded=forwarded)
    body = {"to": {"topic": user}, "title": "One"}
    answer = stand.client.post("/v1/notifications", json=body, headers={"Idempotency-Key": user} if has_key else {})
    assert fault.happened == 1
    assert answer.status_code == 202, answer.text
    published = rows(stand.url, "SELECT id::text, title FROM notify.publications WHERE topics = %s", [user])
    assert [(row["id"], row["title"]) for row in published] == [(answer.json()["id"], "One")]
    page = stand.client.get("/v1/notifications", params={"user_id": user}).json()
    assert [item["title"] for item in page["items"]] == ["One"]


@either_way
@pytest.mark.parametrize("statement", ["^-- settle_find:", "^-- create:", "^-- settle_done:", COMMIT])
def test_an_inbox_whose_settling_is_lost_is_settled_once(
    stand: Stand,
    user: str,
    statement: str,
    forwarded: bool,  # noqa: FBT001
) -> None:
    stand.client.put("/v1/subscriptions", params={"user_id": user, "topic": user})
    answer = stand.client.post("/v1/notifications", json={"to": {"topic": user}, "title": "One"})
    assert answer.status_code == 202, answer.text
    fault = stand.proxy.lose(statement, forwarded=forwarded)
    pages = [stand.client.get("/v1/notifications", params={"user_id": user}) for _ in range(2)]
    assert fault.happened == 1
    assert pages[-1].status_code == 200, pages[-1].text
    assert [item["title"] for item in pages[-1].json()["items"]] == ["One"]
    assert pages[0].status_code in {200, 503}
