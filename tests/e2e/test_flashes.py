"""What is not durable, on connected devices of two processes that have only the doorbell to tell each other."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from support.audiences import EVERYONE, publish
from support.processes import ADMIN, NotifyProcess
from support.sockets import JSON, MSGPACK, Message, Socket, open_socket
from support.streams import Block, EventStream
from support.users import User
from support.waiting import eventually

FROM_NOW: dict[str, Any] = {"from": "now"}


@pytest.fixture(scope="module")
def services(database: str) -> Iterator[list[NotifyProcess]]:
    environment = {"NOTIFY_DATABASE_URL": database, "NOTIFY_SAFETY_POLL_SECONDS": "3600"}
    with NotifyProcess(environment, is_covered=True) as one, NotifyProcess(environment) as other:
        yield [one, other]
        complaints = [line for line in one.log + other.log if '"level":"info"' not in line]
        assert not complaints, complaints


@pytest.fixture
async def clients(services: list[NotifyProcess]) -> AsyncIterator[list[httpx.AsyncClient]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(httpx.AsyncClient(base_url=service.url, headers=ADMIN))
            for service in services
        ]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def streamed(stack: AsyncExitStack, url: str, user: User, **query: Any) -> EventStream:
    """A stream that is past its start."""
    stream = await EventStream.open(url, query={**user.query, **(query or FROM_NOW)})
    await stack.enter_async_context(stream)
    await stream.until("inbox")
    return stream


async def socketed(stack: AsyncExitStack, url: str, user: User, subprotocol: str = JSON, **query: Any) -> Socket:
    opening = open_socket(url, subprotocols=(subprotocol,), headers=ADMIN, **user.query, **FROM_NOW, **query)
    socket = await stack.enter_async_context(opening)
    await socket.started()
    socket.heard.clear()
    return socket


async def flash(client: httpx.AsyncClient, to: Any, title: str, **fields: Any) -> str:
    return await publish(client, to, title, durable=False, **fields)


async def blocks_until(stream: EventStream, title: str) -> list[Block]:
    """What comes up to the notification of this title."""
    blocks = await stream.until("notification")
    while blocks[-1].json()["title"] != title:
        blocks += await stream.until("notification")
    return blocks


async def messages_until(socket: Socket, title: str) -> list[Message]:
    await socket.until(lambda message: message.get("notification", {}).get("title") == title)
    return socket.heard


async def test_each_connection_of_those_it_is_for_shows_it_once_and_nobody_elses_does(
    services: list[NotifyProcess], clients: list[httpx.AsyncClient], stack: AsyncExitStack, alice: User, bob: User
) -> None:
    one, other = clients
    topic = f"{alice.name}/eu"
    await one.put("/v1/subscriptions", params={**alice.query, "topic": f"{alice.name}/*"})
    await one.put("/v1/subscriptions", params={**alice.query, "topic": topic})
    shop = f"shop-{alice.name}"
    await one.post("/v1/apps", json={"id": shop, "name": "Shop"})
    key = (await one.post(f"/v1/apps/{shop}/keys", json={"name": "a key", "scopes": ["send"]})).json()["key"]
    streams = {user.name: [await streamed(stack, each.url, user) for each in services] for user in (alice, bob)}
    sockets = [await socketed(stack, each.url, alice, name) for each in services for name in (JSON, MSGPACK)]

    await flash(one, alice.name, "1: alice")
    await flash(one, [alice.name, bob.name, "nobody"], "2: both")
    await flash(one, {"topic": topic}, "3: topic")
    await flash(one, EVERYONE, "4: everyone")
    await flash(one, EVERYONE, "5: not bob", exclude=[bob.name])
    await flash(one, {"topics": ["elsewhere", topic]}, "6: topics")
    await flash(one, {"topic": topic}, "7: not alice", exclude=[alice.name])
    async with httpx.AsyncClient(base_url=one.base_url, headers={"Authorization": f"Bearer {key}"}) as of_shop:
        for to in (EVERYONE, alice.name, {"topic": topic}):
            await flash(of_shop, to, "8: of another app")
    # Whoever wrote them hears its own rings before this one, which comes from the other process.
    await flash(other, EVERYONE, "end")

    expected = {
        alice.name: ["1: alice", "2: both", "3: topic", "4: everyone", "5: not bob", "6: topics", "end"],
        bob.name: ["2: both", "4: everyone", "end"],
    }
    topics = {"3: topic": topic, "6: topics": topic}
    for user in (alice, bob):
        for stream in streams[user.name]:
            blocks = await blocks_until(stream, "end")
            assert {(block.event, block.id) for block in blocks} == {("notification", None)}
            items = [block.json() for block in blocks]
            assert [item["title"] for item in items] == expected[user.name]
            assert {item["user_id"] for item in items} == {user.name}
            assert [item["topic"] for item in items] == [topics.get(item["title"]) for item in items]
    for socket in sockets:
        heard = await messages_until(socket, "end")
        assert {frozenset(message) for message in heard} == {frozenset({"type", "notification"})}
        assert [message["notification"]["title"] for message in heard] == expected[alice.name]
        assert {message["notification"]["user_id"] for message in heard} == {alice.name}


async def test_it_is_whole_and_the_same_for_both_transports(
    clients: list[httpx.AsyncClient], stack: AsyncExitStack, alice: User
) -> None:
    stream = await streamed(stack, alice.url, alice)
    socket = await socketed(stack, alice.urls[1], alice)
    content = {
        "body": "a body",
        "type": "typing",
        "level": "warning",
        "data": {"n": 1.5, "é": [None]},
        "url": "/a",
        "actions": [{"label": "Look", "url": "/b"}],
        "actor": {"name": "Bob"},
        "progress": 0.5,
    }
    nothing = dict.fromkeys(("body", "type", "data", "url", "actions", "actor", "progress"))
    states = dict.fromkeys(
        ("seen_at", "read_at", "archived_at", "snoozed_until", "expires_at", "topic", "collapse_key")
    )
    for title, fields in (("whole", content), ("bare", {})):
        id_ = await flash(clients[0], alice.name, title, **fields)
        shown = (await stream.the("notification")).json()
        assert (await socket.until("notification"))["notification"] == shown
        times = {shown.pop(name) for name in ("created_at", "arrived_at", "updated_at")}
        assert len(times) == 1
        said = {"id": id_, "user_id": alice.name, "title": title, "level": "info", **nothing, **fields}
        assert shown == said | states


async def test_it_is_nowhere_afterwards_and_no_cursor_has_moved(
    clients: list[httpx.AsyncClient], stack: AsyncExitStack, alice: User
) -> None:
    stream = await streamed(stack, alice.url, alice)
    alice.send("one")
    (last,) = [block.id for block in await stream.until("notification") if block.id]
    await stream.until("inbox")
    await flash(clients[0], alice.name, "passing")
    assert (await stream.the("notification")).json()["title"] == "passing"
    before = alice.counted()
    assert (before["unread"], before["total"], before["position"]) == (1, 1, last)
    alice.send("two")
    assert (await stream.the("notification")).json()["title"] == "two"
    resumed = await EventStream.open(alice.urls[1], query={**alice.query, "last_event_id": last})
    async with resumed:
        shown = [block for block in await resumed.until("inbox") if block.event == "notification"]
    assert [block.json()["title"] for block in shown] == ["two"]
    fresh = await EventStream.open(alice.urls[1], query=alice.query)
    async with fresh:
        shown = [block for block in await fresh.until("inbox") if block.event == "notification"]
    assert [block.json()["title"] for block in shown] == ["one", "two"]
    assert [item["title"] for item in alice.listed()] == ["two", "one"]
    changes = alice.client.get("/v1/changes", params=alice.query).json()["items"]
    assert [item["data"]["title"] for item in changes] == ["one", "two"]


async def test_a_window_that_is_full_does_not_hold_it_up_and_nobody_has_to_acknowledge_it(
    clients: list[httpx.AsyncClient], stack: AsyncExitStack, alice: User
) -> None:
    socket = await socketed(stack, alice.url, alice, window=1)
    for title in ("one", "two"):
        alice.send(title)
    first = await socket.until("notification")
    await flash(clients[0], alice.name, "passing")
    assert (await socket.until("notification"))["notification"]["title"] == "passing"
    await socket.told("ack", id=first["id"])
    second = socket.events[-1]
    assert second["notification"]["title"] == "two"
    await socket.told("ack", id=second["id"])


async def test_a_stream_of_some_types_shows_it_if_it_is_one_of_them(
    clients: list[httpx.AsyncClient], stack: AsyncExitStack, alice: User
) -> None:
    stream = await streamed(stack, alice.url, alice, types=["typing", "end"])
    for type_ in ("typing", "booking", None, "end"):
        await flash(clients[0], alice.name, str(type_), type=type_)
    blocks = await blocks_until(stream, "end")
    assert [(block.id, block.json()["title"]) for block in blocks] == [(None, "typing"), (None, "end")]


async def test_the_socket_sends_it_too(stack: AsyncExitStack, alice: User, bob: User) -> None:
    stream = await streamed(stack, bob.urls[1], bob)
    socket = await stack.enter_async_context(open_socket(alice.url, token=alice.token(scope="inbox send")))
    await socket.started()
    result = await socket.told("send", notification={"to": bob.name, "title": "typing", "durable": False})
    assert result.keys() == {"id"}
    shown = (await stream.the("notification")).json()
    assert (shown["id"], shown["title"]) == (result["id"], "typing")
    refused = await socket.refused(
        "send", notification={"to": bob.name, "title": "typing", "durable": False, "collapse_key": "k"}
    )
    assert [error["pointer"] for error in refused["errors"]] == ["/notification/collapse_key"]


async def test_what_is_sent_together_reaches_a_device_together_however_much_it_is(
    clients: list[httpx.AsyncClient], stack: AsyncExitStack, alice: User
) -> None:
    streams = [await streamed(stack, url, alice) for url in alice.urls]
    titles = [f"{n}" for n in range(300)]
    items = [{"to": alice.name, "title": title, "durable": False} for title in titles]
    answer = await clients[0].post("/v1/notifications/batch", json={"items": items})
    assert {item["status"] for item in answer.json()["items"]} == {202}
    assert all(item.keys() == {"status", "id"} for item in answer.json()["items"])
    for stream in streams:
        assert [block.json()["title"] for block in await blocks_until(stream, "299")] == titles


async def test_a_device_that_takes_nothing_misses_it_and_holds_up_nobody(
    clients: list[httpx.AsyncClient], stack: AsyncExitStack, alice: User
) -> None:
    stalled = await EventStream.open(alice.url, query={**alice.query, **FROM_NOW}, receive_buffer=4096)
    await stack.enter_async_context(stalled)
    await stalled.until("inbox")
    well = await streamed(stack, alice.url, alice)
    stalled.pause()
    sent = 0

    async def is_dropped() -> bool:
        nonlocal sent
        items = [{"to": alice.name, "title": f"{sent + n}", "body": "x" * 8000, "durable": False} for n in range(20)]
        await clients[0].post("/v1/notifications/batch", json={"items": items})
        sent += len(items)
        return (await _dropped(clients[0])) > 0

    await eventually(is_dropped, 30)
    await flash(clients[0], alice.name, "end")
    shown = [block.json()["title"] for block in await blocks_until(well, "end")]
    assert shown == [*map(str, range(sent)), "end"]
    alice.send("durable")
    stalled.resume()
    blocks = await blocks_until(stalled, "durable")
    assert blocks[-1].id is not None
    missed = [block.json()["title"] for block in blocks if block.event == "notification"]
    assert missed[:-1] == shown[: len(missed) - 1]
    assert len(missed) - 1 < len(shown)


async def _dropped(client: httpx.AsyncClient) -> float:
    text = (await client.get("/metrics")).text
    found = re.search(r'^notify_flashes_dropped_total{reason="busy"} (\S+)$', text, re.MULTILINE)
    return 0.0 if found is None else float(found[1])
