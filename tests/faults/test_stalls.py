"""A database that does not answer: the caller is told in time, and nothing of ours hangs."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.invariants import rows
from support.processes import ADMIN
from support.stand import Stand
from support.waiting import until

LONGEST_SECONDS = 5.0
USER = {"user_id": "alice"}

Call = Callable[[httpx.Client], httpx.Response]


@pytest.fixture
def calls(stand: Stand) -> list[Call]:
    """Every kind of call that needs the database."""
    client = stand.client
    one = client.post("/v1/notifications", json={"to": "alice", "title": "One"}).json()["id"]
    key = client.post("/v1/apps/default/keys", json={"name": "all", "scopes": ["send", "inbox"]}).json()["key"]
    token = client.post("/v1/tokens", json={"user_id": "alice"}).json()["token"]
    keyed = {"Authorization": f"Bearer {key}"}
    tokened = {"Authorization": f"Bearer {token}"}

    def send(headers: dict[str, str], **fields: Any) -> Call:
        body = {"to": "alice", "title": "Two", **fields}
        return lambda client: client.post("/v1/notifications", json=body, headers=headers)

    def batch(client: httpx.Client) -> httpx.Response:
        items = [{"to": "alice", "title": f"Item {n}"} for n in range(5)]
        return client.post("/v1/notifications/batch", json={"items": items}, headers={"Idempotency-Key": "batch"})

    return [
        send(ADMIN),
        send(keyed),
        send(ADMIN | {"Idempotency-Key": "one"}),
        send(ADMIN, to=["alice", "bob"], collapse_key="k"),
        batch,
        lambda client: client.get("/v1/notifications", params=USER),
        lambda client: client.get("/v1/notifications", params=USER, headers={"If-None-Match": '"x"'}),
        lambda client: client.get("/v1/notifications", headers=tokened),
        lambda client: client.get("/v1/notifications/count", params={**USER, "type": "a"}, headers=keyed),
        lambda client: client.get("/v1/changes", params=USER),
        lambda client: client.get(f"/v1/notifications/{one}"),
        lambda client: client.post(f"/v1/notifications/{one}/read", headers=tokened),
        lambda client: client.post("/v1/notifications/read-all", params=USER),
        lambda client: client.patch(f"/v1/notifications/{one}", json={"body": "Edited"}),
        lambda client: client.delete(f"/v1/notifications/{one}"),
        lambda client: client.get("/v1/apps"),
        lambda client: client.post("/v1/apps", json={"id": "shop", "name": "Shop"}),
        lambda client: client.get("/v1/apps/default/keys"),
        lambda client: client.post("/v1/apps/default/keys", json={"name": "k", "scopes": ["send"]}),
        lambda client: client.delete(f"/v1/apps/default/keys/{one}"),
        lambda client: client.post("/v1/tokens", json={"user_id": "alice"}),
    ]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(64) as pool:
        yield pool


def timed(client: httpx.Client, call: Call) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    answer = call(client)
    return answer, time.monotonic() - started


def assert_told_in_time(answers: list[tuple[httpx.Response, float]]) -> None:
    wrong = [
        (answer.request.method, answer.request.url.path, answer.status_code, round(seconds, 2), answer.text)
        for answer, seconds in answers
        if answer.status_code != 503
        or seconds > LONGEST_SECONDS
        or not answer.headers.get("Retry-After", "").isdecimal()
        or answer.headers["Content-Type"] != "application/problem+json"
    ]
    assert not wrong, wrong


def assert_serves_again(stand: Stand, calls: list[Call]) -> None:
    until(lambda: stand.client.get("/health/ready").status_code == 200, 15, what="readiness")
    statuses = [call(stand.client).status_code for call in calls]
    assert all(status < 500 for status in statuses), statuses


def test_every_call_is_told_in_time_while_the_database_stalls_and_served_when_it_goes_on(
    stand: Stand, calls: list[Call], pool: ThreadPoolExecutor
) -> None:
    stand.proxy.stall()
    answers = [pool.submit(timed, stand.client, call) for call in calls]
    # Meanwhile the process says how it is.
    assert stand.client.get("/health/live", timeout=LONGEST_SECONDS).status_code == 200
    ready = stand.client.get("/health/ready", timeout=LONGEST_SECONDS)
    assert ready.status_code == 503
    assert {part["name"]: part["status"] for part in ready.json()["components"]}["database"] == "down"
    assert stand.client.get("/metrics", timeout=LONGEST_SECONDS).status_code == 200
    assert_told_in_time([answer.result() for answer in answers])
    # And once more, with what the first calls have left behind.
    answers = [pool.submit(timed, stand.client, call) for call in calls]
    assert_told_in_time([answer.result() for answer in answers])
    stand.proxy.resume()
    assert_serves_again(stand, calls)


def test_every_call_is_told_in_time_while_the_database_is_down_and_served_when_it_is_back(
    stand: Stand, calls: list[Call], pool: ThreadPoolExecutor
) -> None:
    stand.proxy.refuse()
    answers = [pool.submit(timed, stand.client, call) for call in calls]
    assert_told_in_time([answer.result() for answer in answers])
    ready = stand.client.get("/health/ready")
    assert (ready.status_code, stand.client.get("/health/live").status_code) == (503, 200)
    assert stand.client.get("/metrics").status_code == 200
    stand.proxy.accept()
    assert_serves_again(stand, calls)


@pytest.mark.parametrize("statement", ["^-- lock:", "^-- change:", "^COMMIT"])
def test_a_network_that_parts_within_a_transaction_frees_the_inbox_and_the_writer(
    stand: Stand, user: str, statement: str
) -> None:
    one = stand.client.post("/v1/notifications", json={"to": user, "title": "One"}).json()["id"]
    parted = stand.proxy.hold(statement)
    answer, seconds = timed(stand.client, lambda client: client.post(f"/v1/notifications/{one}/read"))
    assert parted.happened
    assert answer.status_code == 503
    assert seconds < LONGEST_SECONDS
    # Nobody tells the server; it gives the inbox up by itself.
    other = stand.clients[1]
    until(lambda: other.post(f"/v1/notifications/{one}/read").status_code == 200, 10, what="a free inbox")
    assert stand.client.post(f"/v1/notifications/{one}/archive").status_code == 200


def test_a_bulk_mark_that_loses_the_network_within_its_transaction_is_told_in_time(stand: Stand, user: str) -> None:
    stand.client.post("/v1/notifications", json={"to": user, "title": "One"})
    parted = stand.proxy.hold("^-- change_all:")
    answer, seconds = timed(
        stand.client, lambda client: client.post("/v1/notifications/read-all", params={"user_id": user})
    )
    assert parted.happened
    assert answer.status_code == 503
    assert seconds < LONGEST_SECONDS


def test_the_outbox_goes_on_after_a_network_that_parted_within_its_transaction(stand: Stand, user: str) -> None:
    parted = [proxy.hold("^-- outbox_done:") for proxy in stand.proxies]
    rows(stand.url, "SELECT notify.send(%s, 'One')", user)
    until(lambda: any(fault.happened for fault in parted))
    for proxy in stand.proxies:
        proxy.disarm()
    until(lambda: not rows(stand.url, "SELECT FROM notify.outbox"), 15, what="an empty outbox")
    assert stand.client.get("/v1/notifications/count", params={"user_id": user}).json()["total"] == 1


def test_a_service_whose_database_stalls_still_stops_when_it_is_told_to(start_stand: Callable[..., Stand]) -> None:
    stand = start_stand()
    stand.client.get("/v1/apps")
    stand.proxy.stall()
    calls: list[Call] = [
        lambda client: client.get("/v1/apps"),
        lambda client: client.get("/v1/notifications", params=USER),
        lambda client: client.post("/v1/notifications", json={"to": "alice", "title": "One"}),
        lambda client: client.post("/v1/notifications/read-all", params=USER),
    ]
    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(status_or_nobody, stand.client, call) for call in calls]
        until(lambda: in_use(stand) > 0, what="a call that waits for the database")
        started = time.monotonic()
        assert stand.processes[0].stop(signal.SIGTERM) == 0
        assert time.monotonic() - started < 25
        # One that came only now found nobody any more.
        assert {answer.result() for answer in answers} <= {503, None}
    assert any(answer.result() for answer in answers)


def status_or_nobody(client: httpx.Client, call: Call) -> int | None:
    try:
        return call(client).status_code
    except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError):
        return None


def in_use(stand: Stand) -> float:
    """Connections of the pool that somebody has."""
    figures = stand.client.get("/metrics").text
    found = re.search(r'^notify_pool_connections\{state="in_use"\} (\S+)$', figures, re.MULTILINE)
    assert found is not None
    return float(found[1])
