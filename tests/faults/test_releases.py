"""What is scheduled ends exactly one way, whoever cancels it while it is sent and whoever dies: 204 was never sent, 409
was sent once.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast
from uuid import UUID

import httpx
import psycopg

from notify.app import Service
from notify.settings import Settings
from support.clock import ManualClock
from support.invariants import check_inboxes, rows
from support.processes import ADMIN, ADMIN_KEY, NotifyProcess
from support.stand import Stand
from support.waiting import eventually, until

ROUNDS = 20
ROWS = 50
MINUTE = timedelta(minutes=1)
SOON = timedelta(seconds=1)
AUDIENCES = (
    ("user_id", "alice"),
    ("user_ids", ["bob", "carol"]),
    ("topic", "a/b"),
    ("everyone", True),
)


async def test_a_thousand_cancels_that_race_with_their_releases_are_told_the_truth(
    database_url: str, clock: ManualClock
) -> None:
    chance = random.Random(0)
    answers: dict[UUID, list[int]] = {}
    async with AsyncExitStack() as stack:
        clients: list[httpx.AsyncClient] = []
        for _ in range(2):
            # A few at a time, so that some rows of a round wait while others are under way.
            settings = Settings(database_url=database_url, admin_key=ADMIN_KEY, outbox_rows=5)
            service = await stack.enter_async_context(Service(settings, clock).running())
            transport = httpx.ASGITransport(cast(Any, service.asgi))
            client = httpx.AsyncClient(transport=transport, base_url="http://notify", headers=ADMIN)
            clients.append(await stack.enter_async_context(client))
            await eventually(partial(is_listening, service))

        async def cancel(id_: UUID, times: int) -> None:
            for _ in range(times):
                answer = await chance.choice(clients).delete(f"/v1/scheduled/{id_}")
                answers.setdefault(id_, []).append(answer.status_code)

        async def in_turn(ids: list[UUID]) -> None:
            for id_ in ids:
                await cancel(id_, chance.randrange(1, 3))

        for number in range(ROUNDS):
            ids = await asyncio.to_thread(schedule, database_url, clock.now() + MINUTE)
            chance.shuffle(ids)
            # The fewer at a time, the more are sent before their turn comes.
            at_a_time = 2 ** (number % 6)
            turns = [asyncio.create_task(in_turn(ids[n::at_a_time])) for n in range(at_a_time)]
            clock.advance(MINUTE)
            await asyncio.gather(*turns)
        await eventually(lambda: not rows(database_url, "SELECT FROM notify.outbox"), 20, what="an empty outbox")

    assert len(answers) == ROUNDS * ROWS
    assert all(len(set(told)) == 1 for told in answers.values()), "told one thing and then another"
    cancelled = {id_ for id_, told in answers.items() if told[0] == 204}
    released = {id_ for id_, told in answers.items() if told[0] == 409}
    assert cancelled | released == answers.keys()
    assert len(cancelled) > ROWS, "the releases were always faster"
    assert len(released) > ROWS, "the cancels were always faster"
    kept = rows(database_url, "SELECT id, is_sent FROM notify.releases")
    assert {row["id"]: row["is_sent"] for row in kept} == {id_: id_ in released for id_ in answers}
    assert times_sent(database_url) == Counter(dict.fromkeys(released, 1))
    check_inboxes(database_url)


def is_listening(service: Service) -> bool:
    return service.listener.connected


def schedule(url: str, send_at: datetime) -> list[UUID]:
    ids: list[UUID] = []
    with psycopg.connect(url) as producer:
        for n in range(ROWS):
            column, audience = AUDIENCES[n % len(AUDIENCES)]
            # The title tells which of them a notification is.
            statement = (
                f"INSERT INTO notify.outbox (id, title, send_at, {column}) VALUES (%(id)s, %(id)s, %(at)s, %(to)s)"
            )
            row = producer.execute("SELECT notify.uuid7()").fetchone()
            assert row is not None
            ids.append(row[0])
            producer.execute(statement.encode(), {"id": row[0], "at": send_at, "to": audience})
    return ids


def times_sent(url: str) -> Counter[UUID]:
    """How often each was; to two users at once is once."""
    found = rows(
        url,
        "SELECT title, inbox.user_id FROM notify.notifications JOIN notify.inboxes AS inbox ON inbox.id = inbox_id"
        " WHERE inbox.user_id <> 'carol' UNION ALL SELECT title, NULL FROM notify.publications",
    )
    return Counter(UUID(row["title"]) for row in found)


def test_what_a_killed_process_had_scheduled_another_one_sends_on_time(
    start_notify: Callable[..., NotifyProcess], database_url: str
) -> None:
    first, _ = start_notify(), start_notify()
    send_at = datetime.now(UTC) + 2 * SOON
    with first.client() as client:
        id_ = accepted(client, send_at)
    first.kill()
    sent_at = sent(database_url, id_)
    assert send_at <= sent_at < send_at + SOON


def test_what_a_process_held_as_it_was_killed_another_one_sends_soon(start_stand: Callable[..., Stand]) -> None:
    stand = start_stand(2)
    # Whichever of the two takes it gets stuck before it can commit.
    held = [proxy.hold("^-- outbox_done:") for proxy in stand.proxies]
    id_ = accepted(stand.client, datetime.now(UTC) + SOON)
    until(lambda: any(fault.happened for fault in held), what="a process that has it")
    # Nobody else can have it meanwhile.
    assert [fault.happened for fault in held].count(1) == 1
    taker = next(n for n, fault in enumerate(held) if fault.happened)
    stand.proxies[1 - taker].disarm()
    killed_at = datetime.now(UTC)
    stand.processes[taker].kill()
    held[taker].release()
    sent_at = sent(stand.url, id_)
    assert sent_at < killed_at + SOON
    stand.check()


def accepted(client: httpx.Client, send_at: datetime) -> UUID:
    body = {"to": "alice", "title": "later", "send_at": send_at.isoformat()}
    answer = client.post("/v1/notifications", json=body)
    assert answer.status_code == 202, answer.text
    return UUID(answer.json()["id"])


def sent(url: str, id_: UUID) -> datetime:
    """When it was, once it is."""
    statement = "SELECT created_at FROM notify.notifications WHERE id = %s"
    found = until(lambda: rows(url, statement, id_), what="what was scheduled")
    sent_at: datetime = found[0]["created_at"]
    return sent_at
