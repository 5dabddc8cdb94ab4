"""Everything that the contract says about `GET /v1/stream`.

On two processes that have nothing but the doorbell to tell each other: the safety net that would hide a lost ring is
taken away.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from functools import partial
from typing import Any

import httpx
import jwt
import pytest

from support.calls import send
from support.invariants import rows
from support.processes import ADMIN, NotifyProcess
from support.proxy import Proxy
from support.servers import TestServer
from support.streams import Block, EventStream, Held
from support.waiting import eventually

Open = Callable[..., Any]

ORIGIN = "https://shop.example"
SECRET = "a secret that only this test knows, and long enough"
ODD = (
    "line\nbreak\r\n and \r, \n\n, data: x\nid: 9, \u2028 \u2029 \x85 \x0b \x0c \x1f \x7f, tab\t, "
    '🛎 \u200f שלום \\ " </script>'
)

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def pair(database: str) -> Iterator[tuple[NotifyProcess, NotifyProcess]]:
    environment = {
        "NOTIFY_DATABASE_URL": database,
        "NOTIFY_SAFETY_POLL_SECONDS": "3600",
        "NOTIFY_CORS_ORIGINS": ORIGIN,
        "NOTIFY_JWT_SECRET": SECRET,
    }
    with NotifyProcess(environment) as first, NotifyProcess(environment) as second:
        yield first, second
        errors = [line for process in (first, second) for line in process.log if '"level":"error"' in line]
        assert not errors, errors[:3]
        # No credential ever reaches a log.
        assert not [line for process in (first, second) for line in process.log if "eyJ" in line]


@pytest.fixture
def first(pair: tuple[NotifyProcess, NotifyProcess]) -> NotifyProcess:
    return pair[0]


@pytest.fixture
def second(pair: tuple[NotifyProcess, NotifyProcess]) -> NotifyProcess:
    return pair[1]


@pytest.fixture
async def client(first: NotifyProcess) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=first.url, headers=ADMIN, timeout=15) as client:
        yield client


@pytest.fixture
def user() -> str:
    return f"user-{next(_numbers)}"


@pytest.fixture
async def open_stream(first: NotifyProcess, user: str) -> AsyncIterator[Open]:
    """Follows this test's user on the first process, with the admin key, unless told otherwise."""
    async with AsyncExitStack() as stack:

        async def open_stream(
            at: NotifyProcess = first, *, headers: dict[str, str] | None = None, **query: Any
        ) -> EventStream:
            stream = await EventStream.open(at.url, query={"user_id": user} | query, headers=ADMIN | (headers or {}))
            return await stack.enter_async_context(stream)

        yield open_stream


def token_for(user: str, seconds: float = 600, secret: str = SECRET, **claims: Any) -> str:
    return jwt.encode({"sub": user, "exp": time.time() + seconds, **claims}, secret, algorithm="HS256")


async def begun(stream: EventStream) -> list[Block]:
    """All blocks of the start, without the time to come back."""
    retry, *blocks = await stream.until("inbox")
    assert retry.retry is not None
    return blocks


def titles(blocks: list[Block]) -> list[str]:
    return [block.json()["title"] for block in blocks if block.event in {"notification", "update"}]


async def epoch_of(client: httpx.AsyncClient, user: str) -> str:
    position: str = (await client.get("/v1/notifications/count", params={"user_id": user})).json()["position"]
    return position.split(".", maxsplit=1)[0]


# Where it begins


async def test_a_new_stream_shows_what_is_unread_oldest_first_and_then_where_that_stands(
    client: httpx.AsyncClient, user: str, open_stream: Open
) -> None:
    ids = [await send(client, title, to=user) for title in ("one", "two", "three")]
    await client.post(f"/v1/notifications/{ids[1]}/read")
    retry, *snapshot, inbox = await (await open_stream()).until("inbox")
    assert retry == Block(retry=retry.retry)
    assert titles(snapshot) == ["one", "three"]
    assert [(block.event, block.id) for block in snapshot] == [("notification", None)] * 2
    counters = inbox.json()
    assert counters.pop("session")
    assert counters == {"unread": 2, "unseen": 2, "total": 3, "position": inbox.id}
    assert inbox.seq == 4


async def test_a_new_stream_shows_at_most_the_newest_hundred(
    client: httpx.AsyncClient, user: str, open_stream: Open
) -> None:
    items = [{"to": user, "title": f"number {n}"} for n in range(105)]
    answer = await client.post("/v1/notifications/batch", json={"items": items})
    assert answer.status_code == 200, answer.text
    listed = await client.get("/v1/notifications", params={"user_id": user, "limit": 100})
    blocks = await begun(await open_stream())
    assert titles(blocks) == [item["title"] for item in listed.json()["items"]][::-1]
    assert len(blocks) == 101
    assert blocks[-1].json()["unread"] == 105


async def test_a_stream_from_now_begins_with_where_the_inbox_stands(
    client: httpx.AsyncClient, user: str, open_stream: Open
) -> None:
    await send(client, "before", to=user)
    stream = await open_stream(**{"from": "now"})
    (inbox,) = await begun(stream)
    assert (inbox.seq, inbox.json()["unread"]) == (1, 1)
    await send(client, "after", to=user)
    assert titles(await stream.until("inbox")) == ["after"]


@pytest.mark.usefixtures("user")
async def test_a_stream_begins_for_whoever_was_never_seen_before(open_stream: Open) -> None:
    (inbox,) = await begun(await open_stream())
    assert inbox.seq == 0


async def test_a_stream_goes_on_after_its_last_event_on_either_process(
    client: httpx.AsyncClient, user: str, second: NotifyProcess, open_stream: Open
) -> None:
    await begun(stream := await open_stream())
    kept = await send(client, "kept", to=user)
    last = (await stream.the("notification")).id
    stream.drop()
    await client.post(f"/v1/notifications/{kept}/seen")
    gone = await send(client, "gone", to=user)
    new = await send(client, "new", to=user)
    await client.delete(f"/v1/notifications/{gone}")
    # This process remembers each change.
    held = Held()
    held.connect(last)
    held.take_all(await begun(await open_stream(last_event_id=last)))
    assert (held.seq, held.resets) == (5, 0)
    assert {id_: (item["title"], item["seen_at"] is None) for id_, item in held.items.items()} == {
        kept: ("kept", False),
        new: ("new", True),
    }
    # The other one reads each notification once, in its current state, in the order of its latest change.
    blocks = await begun(await open_stream(second, headers={"Last-Event-ID": last}))
    assert [(block.event, block.seq) for block in blocks] == [
        ("update", 2),
        ("notification", 4),
        ("delete", 5),
        ("inbox", 5),
    ]
    assert titles(blocks) == ["kept", "new"]
    assert blocks[2].json() == {"id": gone}
    assert blocks[3].json()["session"]


async def test_a_long_absence_is_made_up_for_page_by_page_and_goes_on_live(
    client: httpx.AsyncClient, user: str, second: NotifyProcess, open_stream: Open
) -> None:
    await begun(stream := await open_stream())
    start = f"{await epoch_of(client, user)}.0"
    stream.drop()
    items = [{"to": user, "title": f"number {n}", "body": "x" * 500} for n in range(600)]
    assert (await client.post("/v1/notifications/batch", json={"items": items})).status_code == 200
    held = Held()
    held.connect(start)
    stream = await open_stream(second, last_event_id=start)
    held.take_all(await begun(stream))
    await send(client, "live", to=user)
    while held.seq < 601:
        held.take(await stream.next())
    assert len(held.items) == 601
    assert held.events == 601


@pytest.mark.parametrize(
    ("header", "query", "shown"),
    [
        ("E.1", None, "2 3"),
        (None, "E.2", "3"),
        ("E.1", "E.2", "3"),
        ("E.2", "E.1", "3"),
        ("E.2", "another.1", "3"),
        ("another.3", "E.2", "3"),
        ("no position", "E.1", "2 3"),
        ("E.1", "no position", "2 3"),
        ("", "E.2", "3"),
        ("another.1", "no position", "reset"),
        ("E.2", "E.4", "reset"),
    ],
)
async def test_of_two_positions_the_later_current_one_counts(  # noqa: PLR0917 - the table's columns
    client: httpx.AsyncClient, user: str, open_stream: Open, header: str | None, query: str | None, shown: str
) -> None:
    for n in range(3):
        await send(client, str(n + 1), to=user)
    epoch = await epoch_of(client, user)
    headers = {} if header is None else {"Last-Event-ID": header.replace("E.", f"{epoch}.")}
    given = {} if query is None else {"last_event_id": query.replace("E.", f"{epoch}.")}
    blocks = await begun(await open_stream(headers=headers, **given))
    if shown == "reset":
        assert blocks[0].event == "reset"
        assert titles(blocks) == ["1", "2", "3"]
    else:
        assert "reset" not in [block.event for block in blocks]
        assert " ".join(titles(blocks)) == shown


async def test_a_device_goes_on_from_what_it_acknowledged_to_any_process(
    client: httpx.AsyncClient, user: str, second: NotifyProcess, open_stream: Open
) -> None:
    # Unknown so far: everything that is unread.
    await send(client, "one", to=user)
    blocks = await begun(await open_stream(device="phone"))
    assert titles(blocks) == ["one"]
    assert blocks[0].id is None
    await send(client, "two", to=user)
    epoch = await epoch_of(client, user)
    async with httpx.AsyncClient(base_url=second.url, headers=ADMIN) as other:
        acked = {"device": "phone", "position": f"{epoch}.1"}
        assert (await other.post("/v1/ack", json=acked, params={"user_id": user})).status_code == 204
    for at in (second, None):
        stream = await (open_stream(at, device="phone") if at else open_stream(device="phone"))
        blocks = await begun(stream)
        assert (titles(blocks), blocks[0].seq) == (["two"], 2)
    # What it says itself counts more than what it said before.
    assert titles(await begun(await open_stream(device="phone", last_event_id=f"{epoch}.2"))) == []
    assert titles(await begun(await open_stream(device="tablet"))) == ["one", "two"]


# Positions that nobody can go on from


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        ("0000000000.1", "epoch"),
        ("E.3", "ahead"),
        ("E.9223372036854775807", "ahead"),
        ("E.9223372036854775808", "malformed"),
        ("E", "malformed"),
        ("E.", "malformed"),
        ("E.-1", "malformed"),
        ("E.01", "malformed"),
        ("17", "malformed"),
        ("'; DROP TABLE notify.inboxes; --", "malformed"),
        ("x" * 96, "malformed"),
    ],
)
async def test_an_unknown_position_gets_one_reset_and_then_a_right_start(
    client: httpx.AsyncClient, user: str, open_stream: Open, position: str, reason: str
) -> None:
    await send(client, "one", to=user)
    await send(client, "two", to=user)
    epoch = await epoch_of(client, user)
    stream = await open_stream(
        headers={"Last-Event-ID": position.replace("E", epoch) if reason != "epoch" else position}
    )
    reset, *blocks = await begun(stream)
    assert reset.event == "reset"
    assert reset.id is None
    assert reset.json() == {"reason": reason, "floor": f"{epoch}.0", "head": f"{epoch}.2"}
    assert titles(blocks) == ["one", "two"]
    assert blocks[-1].id == f"{epoch}.2"
    held = Held()
    held.connect(None)
    held.take_all([reset, *blocks])
    await send(client, "three", to=user)
    held.take_all(await stream.until("inbox"))
    assert (held.resets, held.seq, len(held.items)) == (1, 3, 3)


async def test_a_position_older_than_the_tombstones_kept_gets_one_reset_and_then_a_right_start(
    embedded_server: TestServer,
) -> None:
    forgetful = {"NOTIFY_TOMBSTONE_DAYS": "0", "NOTIFY_HOUSEKEEPING_SECONDS": "0.1"}
    with (
        embedded_server.database() as url,
        NotifyProcess({"NOTIFY_DATABASE_URL": url}) as other,
        ExitStack() as stack,
    ):
        async with httpx.AsyncClient(base_url=other.url, headers=ADMIN, timeout=15) as client:
            gone = await send(client, "gone")
            await send(client, "kept")
            epoch = await epoch_of(client, "alice")
            # Whoever is there stays: nothing that it lacks was forgotten.
            async with await EventStream.open(other.url, query={"user_id": "alice"}) as present:
                await begun(present)
                await client.delete(f"/v1/notifications/{gone}")
                await present.the("delete")
                process = stack.enter_context(NotifyProcess({"NOTIFY_DATABASE_URL": url, **forgetful}))
                await eventually(lambda: floor_is(url, 3))
                await send(client, "new")
                assert titles(await present.until("notification")) == ["new"]
            for at, after, expected in [
                (process, 2, "reset"),
                (other, 2, "reset"),
                (process, 3, "notification"),
                (other, 3, "notification"),
            ]:
                query = {"user_id": "alice", "last_event_id": f"{epoch}.{after}"}
                async with await EventStream.open(at.url, query=query) as stream:
                    first, *blocks = await begun(stream)
                    assert first.event == expected
                    if expected == "reset":
                        assert first.json() == {"reason": "purged", "floor": f"{epoch}.3", "head": f"{epoch}.4"}
                        assert titles(blocks) == ["kept", "new"]


async def floor_is(url: str, floor: int) -> bool:
    return rows(url, "SELECT floor FROM notify.inboxes WHERE user_id = 'alice'") == [{"floor": floor}]


# What it shows


async def test_what_one_process_writes_is_shown_by_every_process(
    client: httpx.AsyncClient, database: str, user: str, second: NotifyProcess, open_stream: Open
) -> None:
    held = [Held(), Held()]
    streams = [await open_stream(), await open_stream(second)]
    for each, stream in zip(held, streams, strict=True):
        each.connect(None)
        each.take_all(await begun(stream))
    one = await send(client, "one", to=user, data={"n": 1}, collapse_key="k")
    await client.patch(f"/v1/notifications/{one}", json={"title": "edited"})
    await send(client, "one again", to=user, collapse_key="k")
    two = await send(client, "two", to=user)
    await client.post(f"/v1/notifications/{two}/archive")
    rows(database, "SELECT notify.send(%s, 'from SQL') AS id", user)
    while held[1].seq < 6:
        held[1].take(await streams[1].next())
    three = await send(client, "three", to=user)
    await client.post("/v1/notifications/read-all", params={"user_id": user})
    await client.delete(f"/v1/notifications/{three}")
    listed = (await client.get("/v1/notifications", params={"user_id": user, "status": "all"})).json()
    head = int(listed["position"].split(".")[1])
    assert head == 11
    for each, stream in zip(held, streams, strict=True):
        while each.seq < head or each.counters["total"] != listed["total"]:
            each.take(await stream.next())
        assert each.items == {item["id"]: item for item in listed["items"]}
        assert each.counters == {name: listed[name] for name in ("unread", "unseen", "total")}


async def test_what_happens_at_once_is_shown_in_one_go_with_one_set_of_counters(
    client: httpx.AsyncClient, user: str, open_stream: Open
) -> None:
    await begun(stream := await open_stream())
    items = [{"to": user, "title": f"number {n}"} for n in range(50)]
    assert (await client.post("/v1/notifications/batch", json={"items": items})).status_code == 200
    blocks: list[Block] = []
    while not blocks or blocks[-1].event != "inbox" or blocks[-1].json()["unread"] < 50:
        blocks += await stream.until("inbox")
    assert len(titles(blocks)) == 50
    # The first of them may have been on its way before the others were there.
    assert len(blocks) <= 52
    assert "session" not in blocks[-1].json()
    assert blocks[-1].id is None
    assert blocks[-1].json()["position"] == blocks[-2].id


async def test_any_text_survives(client: httpx.AsyncClient, database: str, user: str, open_stream: Open) -> None:
    await begun(stream := await open_stream())
    await send(client, ODD, to=user, body=ODD, data={ODD: [ODD, {"n": 1.5}]})
    shown = (await stream.the("notification")).json()
    assert (shown["title"], shown["body"], shown["data"]) == (ODD, ODD, {ODD: [ODD, {"n": 1.5}]})
    # JSON as people write it, line breaks and all.
    rows(database, "SELECT notify.send(%s, 'pretty', data => E'{\n\n  \"a\":\r\n  [1,\n\n2]\n}') AS id", user)
    assert (await stream.the("notification")).json()["data"] == {"a": [1, 2]}
    assert [item["title"] for item in map(Block.json, await begun(await open_stream())) if "title" in item] == [
        ODD,
        "pretty",
    ]


async def test_a_stream_of_some_types_moves_past_the_others(
    client: httpx.AsyncClient, user: str, second: NotifyProcess, open_stream: Open
) -> None:
    await send(client, "an order", to=user, type="order")
    await send(client, "a chat", to=user, type="chat")
    await send(client, "no type", to=user)
    here, there = await open_stream(types=["order", "news"]), await open_stream(second, types=["order", "news"])
    for stream in (here, there):
        blocks = await begun(stream)
        assert titles(blocks) == ["an order"]
        # What is counted is the whole inbox.
        assert (blocks[-1].seq, blocks[-1].json()["unread"]) == (3, 3)
    gone = await send(client, "another chat", to=user, type="chat")
    for stream in (here, there):
        passed, counters = await stream.until("inbox")
        assert (passed.seq, passed) == (4, Block(id=passed.id))
        assert counters.json()["unread"] == 4
    await send(client, "news", to=user, type="news")
    await client.delete(f"/v1/notifications/{gone}")
    for stream in (here, there):
        assert titles(await stream.until("notification")) == ["news"]
        assert (await stream.the("delete")).json() == {"id": gone}
    # From the middle of what was passed by.
    epoch = await epoch_of(client, user)
    blocks = await begun(await open_stream(second, types="order", last_event_id=f"{epoch}.1"))
    assert [(block.event, block.seq) for block in blocks] == [("delete", 6), ("inbox", 6)]
    blocks = await begun(await open_stream(second, types="chat", last_event_id=f"{epoch}.2"))
    assert [(block.event, block.seq) for block in blocks] == [("delete", 6), ("inbox", 6)]


async def test_a_stream_of_a_type_that_never_comes_moves_on_when_it_comes_back(
    client: httpx.AsyncClient, user: str, open_stream: Open
) -> None:
    await send(client, "a chat", to=user, type="chat")
    epoch = await epoch_of(client, user)
    blocks = await begun(await open_stream(types="order", last_event_id=f"{epoch}.0"))
    assert [(block.event, block.seq) for block in blocks] == [(None, 1), ("inbox", 1)]


# How it travels


async def test_the_head_says_what_proxies_need(open_stream: Open) -> None:
    stream = await open_stream(headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert stream.status == 200
    assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert stream.headers["cache-control"] == "no-store, no-transform"
    assert stream.headers["x-accel-buffering"] == "no"
    assert stream.headers["transfer-encoding"] == "chunked"
    assert not {"content-length", "content-encoding", "etag", "connection"} & stream.headers.keys()


async def test_clients_are_told_to_come_back_at_different_times(open_stream: Open) -> None:
    streams = await asyncio.gather(*(open_stream() for _ in range(20)))
    times = [(await stream.next()).retry for stream in streams]
    assert all(1000 <= time <= 4000 for time in times if time is not None)
    assert len(set(times)) > 10


async def test_the_head_and_the_time_to_come_back_leave_before_the_database_has_answered(
    embedded_server: TestServer,
) -> None:
    with (
        embedded_server.database() as url,
        Proxy(url) as proxy,
        NotifyProcess({"NOTIFY_DATABASE_URL": proxy.url}) as process,
    ):
        proxy.stall()
        async with await EventStream.open(process.url, query={"user_id": "alice"}) as stream:
            assert (await stream.next()).retry
            proxy.resume()
            assert (await stream.the("inbox")).seq == 0


async def test_of_too_many_connections_of_a_user_the_oldest_leaves(embedded_server: TestServer) -> None:
    environment = {"NOTIFY_MAX_CONNECTIONS_PER_USER": "2"}
    with embedded_server.database() as url, NotifyProcess({"NOTIFY_DATABASE_URL": url, **environment}) as process:
        async with AsyncExitStack() as stack:
            streams: list[EventStream] = []
            for user in ("alice", "bob", "alice", "alice"):
                stream = await EventStream.open(process.url, query={"user_id": user})
                streams.append(await stack.enter_async_context(stream))
                await begun(stream)
            *_, retry, bye = await streams[0].rest()
            assert bye == Block(event="bye", data='{"reason":"overload"}')
            assert retry.retry is not None
            assert retry.retry >= 30_000
            async with httpx.AsyncClient(base_url=process.url, headers=ADMIN) as client:
                for user in ("alice", "bob"):
                    await send(client, "still here", to=user)
            for stream in streams[1:]:
                assert titles(await stream.until("inbox")) == ["still here"]


async def test_who_leaves_while_the_database_is_away_is_not_kept(embedded_server: TestServer) -> None:
    with (
        embedded_server.database() as url,
        Proxy(url) as proxy,
        NotifyProcess({"NOTIFY_DATABASE_URL": proxy.url}) as process,
    ):
        proxy.refuse()
        for _ in range(3):
            async with await EventStream.open(process.url, query={"user_id": "alice"}) as stream:
                await stream.next()
        async with httpx.AsyncClient(base_url=process.url) as client:
            await eventually(lambda: open_streams(client, 0))
        proxy.accept()
        async with await EventStream.open(process.url, query={"user_id": "alice"}) as stream:
            await stream.the("inbox")


async def open_streams(client: httpx.AsyncClient, count: int) -> bool:
    figures = (await client.get("/metrics")).text
    return f'notify_connections{{transport="sse"}} {float(count)}' in figures


async def test_a_silent_stream_is_kept_alive_and_one_that_speaks_needs_nothing(
    start_notify: Callable[..., NotifyProcess],
) -> None:
    process = start_notify(NOTIFY_KEEP_ALIVE_SECONDS="2")
    async with (
        httpx.AsyncClient(base_url=process.url, headers=ADMIN) as client,
        await EventStream.open(process.url, query={"user_id": "alice"}) as spoken_to,
        await EventStream.open(process.url, query={"user_id": "bob"}) as silent,
    ):
        await begun(spoken_to)
        await begun(silent)
        kept_alive = asyncio.create_task(asyncio.wait_for(two_of(silent), 10))
        while not kept_alive.done():
            await send(client, "for alice")
            await asyncio.wait([kept_alive], timeout=0.2)
        assert await kept_alive == [Block(comment="keep-alive")] * 2
        assert len(titles(spoken := spoken_to.taken())) > 5
        assert {block.comment for block in spoken} == {None}


async def two_of(stream: EventStream) -> list[Block]:
    return [await stream.next(), await stream.next()]


async def test_head_opens_no_stream(start_notify: Callable[..., NotifyProcess]) -> None:
    process = start_notify()
    async with httpx.AsyncClient(base_url=process.url, headers=ADMIN) as client:
        answer = await client.head("/v1/stream", params={"user_id": "alice"})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["x-accel-buffering"] == "no"
        assert await open_streams(client, 0) or "notify_connections{" not in (await client.get("/metrics")).text
        assert (await client.head("/v1/stream", params={"user_id": "alice"}, headers={"Authorization": "no"})).is_error


async def test_a_stream_that_its_client_leaves_is_forgotten(start_notify: Callable[..., NotifyProcess]) -> None:
    process = start_notify()
    async with httpx.AsyncClient(base_url=process.url) as client:
        async with await EventStream.open(process.url, query={"user_id": "alice"}) as stream:
            await begun(stream)
            assert await open_streams(client, 1)
        await eventually(lambda: open_streams(client, 0))


# Who may follow


@asynccontextmanager
async def opened(
    process: NotifyProcess, headers: dict[str, str] | None = None, **query: Any
) -> AsyncIterator[EventStream]:
    async with await EventStream.open(process.url, headers=headers or {}, query=query) as stream:
        yield stream


async def test_a_user_follows_with_a_token_in_the_header_the_query_or_the_cookie(
    first: NotifyProcess, user: str, client: httpx.AsyncClient
) -> None:
    token = token_for(user)
    await send(client, "for them", to=user)
    host = first.url.removeprefix("http://")
    ways: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"Authorization": f"Bearer {token}"}, {}),
        ({}, {"token": token}),
        ({"Cookie": f"notify_token={token}"}, {}),
        ({"Cookie": f"notify_token={token}", "Origin": f"http://{host}"}, {}),
        ({"Cookie": f"notify_token={token}", "Sec-Fetch-Site": "same-origin"}, {}),
        ({"Cookie": f"notify_token={token}", "Origin": ORIGIN}, {}),
    ]
    for headers, query in ways:
        async with opened(first, headers, **query) as stream:
            assert stream.status == 200, stream.body
            assert titles(await begun(stream)) == ["for them"]


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_page_that_is_not_trusted_opens_no_stream_with_the_cookie(
    first: NotifyProcess, user: str, headers: dict[str, str]
) -> None:
    async with opened(first, {"Cookie": f"notify_token={token_for(user)}", **headers}) as stream:
        assert stream.status == 403
        assert stream.headers["content-type"] == "application/problem+json"


async def test_a_page_of_a_trusted_origin_may_read_the_stream_with_its_cookie(
    first: NotifyProcess, user: str, client: httpx.AsyncClient
) -> None:
    async with opened(first, {"Cookie": f"notify_token={token_for(user)}", "Origin": ORIGIN}) as stream:
        assert stream.headers["access-control-allow-origin"] == ORIGIN
        assert stream.headers["access-control-allow-credentials"] == "true"
    # A client that sets the header itself has to ask first.
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    answer = await client.options(
        "/v1/stream", headers={**asked, "Access-Control-Request-Headers": "last-event-id,authorization"}
    )
    assert {"Last-Event-ID", "Authorization"} <= set(answer.headers["access-control-allow-headers"].split(", "))


async def test_a_credential_that_was_valid_once_is_told_to_come_back_with_another(
    first: NotifyProcess, user: str
) -> None:
    token = token_for(user, -5)
    ways: list[tuple[dict[str, str], dict[str, str]]] = [
        ({"Authorization": f"Bearer {token}"}, {}),
        ({}, {"token": token}),
        ({"Cookie": f"notify_token={token}"}, {}),
    ]
    for headers, query in ways:
        async with opened(first, headers, **query) as stream:
            # Any other status would make a browser give up for good.
            assert stream.status == 200
            assert await stream.next() == Block(retry=60_000)
            assert await stream.next() == Block(event="bye", data='{"reason":"auth"}')
            await eventually(partial(is_complete, stream))
            assert not stream.taken()


async def is_complete(stream: EventStream) -> bool:
    return stream.is_complete


@pytest.mark.parametrize(
    "credential",
    [
        None,
        "no token",
        "nk_unknown",
        "a.b.c",
        token_for("alice", secret="another secret that is long enough for it"),
        token_for("alice", app="nobodys"),
        token_for("alice", -5, secret="another secret that is long enough for it"),
    ],
)
async def test_a_credential_that_was_never_valid_is_refused(first: NotifyProcess, credential: str | None) -> None:
    ways: list[tuple[dict[str, str], dict[str, str]]] = [({}, {})]
    if credential is not None:
        ways = [({"Authorization": f"Bearer {credential}"}, {}), ({}, {"token": credential})]
    for headers, query in ways:
        async with opened(first, headers, **query) as stream:
            assert stream.status == 401
            assert stream.headers["content-type"] == "application/problem+json"


async def test_a_user_follows_nobody_else(first: NotifyProcess, user: str) -> None:
    token = {"Authorization": f"Bearer {token_for(user)}"}
    async with opened(first, token, user_id="somebody-else") as stream:
        assert stream.status == 403
    async with opened(first, token, user_id=user) as stream:
        assert stream.status == 200
    async with opened(first, {"Authorization": f"Bearer {token_for(user, scope='send')}"}) as stream:
        assert stream.status == 403
    async with opened(first, {"Authorization": f"Bearer {token_for(user, scope='inbox:read')}"}) as stream:
        assert stream.status == 200


async def test_the_streams_of_two_users_have_nothing_in_common(
    client: httpx.AsyncClient, first: NotifyProcess, user: str
) -> None:
    async with opened(first, token=token_for(user)) as stream, opened(first, token=token_for(f"{user}!")) as other:
        await begun(stream)
        await begun(other)
        await send(client, "for one", to=user)
        assert titles(await stream.until("inbox")) == ["for one"]
        await send(client, "for the other", to=f"{user}!")
        assert titles(await other.until("inbox")) == ["for the other"]
