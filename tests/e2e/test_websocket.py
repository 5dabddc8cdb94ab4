"""The WebSocket shows an inbox as the stream does, and takes what its client says: against real processes, by the
`websockets` library.
"""

import asyncio
import math
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import psycopg
import pytest

from support.processes import ADMIN, NotifyProcess
from support.sockets import JSON, MSGPACK, Message, Socket, open_socket, seq_of
from support.users import User

_FOREIGN = "0123456789.1"
_FROM_NOW: dict[str, Any] = {"from": "now"}  # which is a word of Python's


@pytest.fixture(scope="module")
def services(database: str) -> Iterator[list[NotifyProcess]]:
    environment = {"NOTIFY_DATABASE_URL": database, "NOTIFY_SOCKET_MESSAGES_PER_SECOND": "1000"}
    with NotifyProcess(environment, is_covered=True) as one, NotifyProcess(environment) as other:
        yield [one, other]
        complaints = [line for line in one.log + other.log if '"level":"info"' not in line]
        assert not complaints, complaints


# Starting


async def test_it_begins_with_a_welcome_then_what_is_unread_then_the_position_of_all_that(alice: User) -> None:
    read, first, second = (alice.send(title) for title in ("read", "first", "second"))
    alice.mark(read["id"], "read")
    async with open_socket(alice.url, token=alice.token()) as socket:
        closing = await socket.started()
    welcome, *shown, _ = socket.heard
    counters = {"unread": 2, "unseen": 2, "total": 3}
    assert welcome == {
        "type": "welcome",
        "session": welcome["session"],
        "position": closing["position"],
        "heartbeat_seconds": 25,
        **counters,
    }
    assert welcome["session"]
    assert closing == {"type": "inbox", "id": welcome["position"], "position": welcome["position"], **counters}
    # Oldest first, whole, and without ids: only the closing position stands for all of it.
    assert [message["notification"]["id"] for message in shown] == [first["id"], second["id"]]
    assert all(message.keys() == {"type", "notification"} for message in shown)
    assert [message["notification"] for message in shown] == alice.listed("unread")[::-1]


async def test_every_change_is_shown_once_with_its_position_and_the_counters_after_it(alice: User) -> None:
    async with open_socket(alice.url, token=alice.token()) as socket:
        await socket.started()
        id_ = alice.send("One", data={"n": 1})["id"]
        arrived = await socket.until("notification")
        counted = await socket.until("inbox")
        assert counted == {"type": "inbox", "unread": 1, "unseen": 1, "total": 1, "position": arrived["id"]}
        assert arrived["notification"] == alice.listed()[0]
        alice.mark(id_, "read")
        updated = await socket.until("update")
        assert updated["notification"] == alice.listed()[0]
        assert (await socket.until("inbox"))["unread"] == 0
        assert alice.client.delete(f"/v1/notifications/{id_}").status_code == 204
        deleted = await socket.until("delete")
        assert deleted == {"type": "delete", "id": deleted["id"], "notification_id": id_}
        assert (await socket.until("inbox"))["total"] == 0
        assert [seq_of(message["id"]) for message in socket.events] == [1, 2, 3]


@pytest.mark.parametrize(
    ("offered", "spoken"),
    [
        (None, None),
        ([JSON], JSON),
        ([MSGPACK], MSGPACK),
        ([JSON, MSGPACK], JSON),
        (["soap", MSGPACK, JSON], MSGPACK),
    ],
)
async def test_the_first_subprotocol_that_is_known_is_spoken_and_json_where_none_is_named(
    alice: User, offered: list[str] | None, spoken: str | None
) -> None:
    async with open_socket(alice.url, subprotocols=offered, token=alice.token()) as socket:
        assert socket.connection.subprotocol == spoken
        await socket.started()
        assert (await socket.ask("ping"))["ok"]


async def test_both_subprotocols_say_the_same(alice: User) -> None:
    odd = {
        "big": 2**64 - 1,
        "small": -(2**63),
        "half": 0.5,
        "text": "line\nbreak \u2028 🛎 \x7f",
        "nested": [{"a": None}],
    }
    alice.send("unread", data=odd)
    token = alice.token()
    async with (
        open_socket(alice.url, subprotocols=[JSON], token=token) as json,
        open_socket(alice.url, subprotocols=[MSGPACK], token=token) as msgpack,
    ):
        for socket in (json, msgpack):
            await socket.started()
        id_ = alice.send("new", data=odd, actions=[{"label": "Open", "url": "/"}], actor={"name": "Bob"})["id"]
        alice.mark(id_, "read")
        alice.client.delete(f"/v1/notifications/{id_}")
        for socket in (json, msgpack):
            await socket.until("delete")
            await socket.told("ping")
            await socket.refused("read", ids=[str(uuid4())])
            await socket.say("ack", id="garbage", ref="ack")
            await socket.until("reply")
            assert socket.heard[0].pop("session")
        assert json.heard == msgpack.heard
        assert json.heard[1]["notification"]["data"] == odd


async def test_it_may_begin_with_what_comes_next_only(alice: User) -> None:
    alice.send("before")
    async with open_socket(alice.url, token=alice.token(), **_FROM_NOW) as socket:
        assert (await socket.started())["unread"] == 1
        sent = alice.send("after")
        assert (await socket.until("notification"))["id"] == sent["position"]
    assert [message["notification"]["title"] for message in socket.events] == ["after"]


async def test_it_resumes_after_a_position_on_any_process(alice: User) -> None:
    positions = [alice.send(str(n))["position"] for n in range(5)]
    for url in alice.urls:
        async with open_socket(url, token=alice.token(), last_event_id=positions[1]) as socket:
            closing = await socket.started()
        assert [message["id"] for message in socket.events] == positions[2:]
        assert closing["id"] == positions[-1]


async def test_it_resumes_from_further_back_than_memory_reaches(alice: User) -> None:
    first = alice.send("first", body="x" * 8000)["position"]
    for _ in range(3):
        alice.send_many(100, body="x" * 8000)
    async with open_socket(alice.urls[1], token=alice.token(), last_event_id=first) as socket:
        await socket.started()
    assert [seq_of(message["id"]) for message in socket.events] == list(range(2, 302))


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        ("garbage", "malformed"),
        ("\x00", "malformed"),
        (_FOREIGN, "epoch"),
        ("{epoch}.99", "ahead"),
        ("{epoch}.1", "purged"),
    ],
)
@pytest.mark.parametrize("over", ["query", "resume"])
async def test_a_position_that_is_not_known_is_told_once_and_then_a_right_start(
    alice: User, position: str, reason: str, over: str
) -> None:
    epoch, _ = alice.send("read")["position"].split(".")
    alice.mark(alice.listed()[0]["id"], "read")
    unread = alice.send("unread")
    gone = alice.send("gone")
    alice.client.delete(f"/v1/notifications/{gone['id']}")
    with psycopg.connect(alice.database_url) as connection:
        # As housekeeping leaves it when the tombstone is too old.
        connection.execute("DELETE FROM notify.notifications WHERE id = %s", [gone["id"]])
        connection.execute("UPDATE notify.inboxes SET floor = head WHERE user_id = %s", [alice.name])
    position = position.format(epoch=epoch)
    query: dict[str, Any] = {"last_event_id": position} if over == "query" else _FROM_NOW
    async with open_socket(alice.url, token=alice.token(), **query) as socket:
        if over == "resume":
            await socket.started()
            socket.heard.clear()
            await socket.told("resume", after=position)
        closing = await socket.started()
        assert (await socket.ask("ping"))["ok"]
    # Once, before anything else, and then what is unread.
    expected = ["welcome" if over == "query" else "reply", "reset", "notification", "inbox", "reply"]
    assert [message["type"] for message in socket.heard] == expected
    assert socket.heard[1] == {"type": "reset", "reason": reason, "floor": closing["id"], "head": closing["id"]}
    assert socket.heard[2]["notification"]["id"] == unread["id"]
    assert closing["unread"] == 1


async def test_counters_carry_the_position_where_nothing_else_is_left_to_carry_it(alice: User) -> None:
    before = alice.send("stays")["position"]
    gone = alice.send("gone")
    async with open_socket(alice.url, token=alice.token(), window=1, last_event_id=before) as socket:
        await socket.started()
        assert alice.client.delete(f"/v1/notifications/{gone['id']}").status_code == 204
        with psycopg.connect(alice.database_url) as connection:
            # The room is taken, so its deletion has not been shown yet; now nothing is left of it.
            connection.execute("DELETE FROM notify.notifications WHERE id = %s", [gone["id"]])
        assert socket.events[0]["id"] == gone["position"]
    epoch, seq = gone["position"].split(".")
    # Another process, which knows of none of this.
    async with open_socket(alice.urls[1], token=alice.token(), last_event_id=before) as socket:
        assert (await socket.started())["id"] == f"{epoch}.{int(seq) + 1}"
        assert not socket.events


# What a client says


async def test_every_mark_is_made_and_every_other_connection_sees_it(alice: User) -> None:
    ids = [alice.send(str(n))["id"] for n in range(3)]
    async with (
        open_socket(alice.url, token=alice.token()) as socket,
        open_socket(alice.urls[1], subprotocols=[MSGPACK], token=alice.token()) as other,
    ):
        for each in (socket, other):
            await each.started()
        for mark, column, is_set in [
            ("seen", "seen_at", True),
            ("read", "read_at", True),
            ("unread", "read_at", False),
            ("archive", "archived_at", True),
            ("unarchive", "archived_at", False),
        ]:
            result = await socket.told(mark, ids=ids)
            await other.reached(result["position"])
            assert [one[column] is not None for one in alice.listed()] == [is_set] * 3, mark
        await other.told("delete", ids=ids)
        assert alice.listed() == []
        await socket.until(lambda message: message["type"] == "inbox" and message["total"] == 0)
    # Five marks and a deletion of three, each with a position of its own, on both.
    for each in (socket, other):
        assert [seq_of(message["id"]) for message in each.events] == list(range(4, 22))


async def test_a_mark_may_name_a_hundred_at_once_and_is_idempotent(alice: User) -> None:
    alice.send_many(100)
    ids = [one["id"] for one in alice.listed()]
    async with open_socket(alice.url, token=alice.token()) as socket:
        await socket.started()
        first = await socket.told("read", ids=ids)
        again = await socket.told("read", ids=[*ids[:99], ids[0]])
        assert first == again
        assert alice.counted()["unread"] == 0
        too_many = await socket.refused("read", ids=[*ids, ids[0]])
        assert too_many["errors"][0]["pointer"] == "/ids"


async def test_what_is_not_there_is_pointed_at_and_the_others_are_marked(alice: User, bob: User) -> None:
    mine, theirs = alice.send(), bob.send()
    async with open_socket(alice.url, token=alice.token()) as socket:
        problem = await socket.refused("read", ids=[str(uuid4()), mine["id"], theirs["id"]])
        assert problem["type"] == "/problems/not-found"
        assert [error["pointer"] for error in problem["errors"]] == ["/ids/0", "/ids/2"]
    assert alice.counted()["unread"] == 0
    assert bob.counted()["unread"] == 1


async def test_all_are_marked_as_read_or_those_of_a_type_or_what_was_there(alice: User) -> None:
    alice.send("a", type="a")
    before = alice.send("b", type="b")["position"]
    alice.send("b", type="b")
    alice.send("c", type="c")
    async with open_socket(alice.url, token=alice.token()) as socket:
        await socket.started()
        assert (await socket.told("read_all", of="b", before=before))["updated"] == 1
        assert (await socket.told("read_all", of="a"))["updated"] == 1
        result = await socket.told("read_all")
        assert result == {"updated": 2, "position": alice.counted()["position"]}
        assert (await socket.told("read_all"))["updated"] == 0
        await socket.reached(result["position"])
        for wrong in ("garbage", _FOREIGN):
            assert (await socket.refused("read_all", before=wrong))["errors"][0]["pointer"] == "/before"
    assert alice.counted()["unread"] == 0


async def test_sending_is_the_same_call_as_over_rest(alice: User, bob: User) -> None:
    create = {"to": bob.name, "title": "Hello", "data": {"a": 1}}
    token = alice.token(scope="inbox send")
    async with (
        open_socket(alice.url, token=token) as socket,
        open_socket(alice.urls[1], subprotocols=[MSGPACK], token=token) as other,
    ):
        sent = await socket.told("send", notification=create, idempotency_key="one")
        assert sent == {
            "id": sent["id"],
            "items": [{"id": sent["id"], "user_id": bob.name, "position": sent["items"][0]["position"]}],
        }
        again = await other.told("send", notification=create, idempotency_key="one")
        assert again == {**sent, "replayed": True}
        other_body = await socket.refused("send", notification={**create, "title": "Bye"}, idempotency_key="one")
        assert other_body["type"] == "/problems/idempotency-mismatch"
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "one"}
        over_rest = alice.client.post("/v1/notifications", json=create, headers=headers)
        assert over_rest.headers["Idempotency-Replayed"] == "true"
        assert over_rest.json() == sent
        assert (await socket.told("send", notification=create))["id"] != sent["id"]
        deep: Any = 1
        for _ in range(40):
            deep = [deep]
        for each in (socket, other):
            wrong = await each.refused("send", notification={**create, "data": {"a": deep}})
            assert wrong["errors"][0]["pointer"] == "/notification/data"
            wrong = await each.refused("send", notification={**create, "url": "javascript:alert(1)"})
            assert wrong["errors"][0]["pointer"] == "/notification/url"
    assert [one["title"] for one in bob.listed()] == ["Hello"] * 2


async def test_msgpack_says_nothing_that_json_cannot(alice: User) -> None:
    async with open_socket(alice.url, subprotocols=[MSGPACK], token=alice.token(scope="inbox send")) as socket:
        await socket.started()
        # {"type": "send", "ref": "r", "notification": {"to": …, "title": "t", "data": {"a": EXTENSION}}}
        extension = b"\xd4\x05\x00"
        to = alice.name.encode()
        await socket.connection.send(
            b"\x83\xa4type\xa4send\xa3ref\xa1r\xacnotification\x83\xa2to"
            + bytes([0xA0 | len(to)])
            + to
            + b"\xa5title\xa1t\xa4data\x81\xa1a"
            + extension
        )
        assert (await socket.until("reply"))["problem"]["type"] == "/problems/malformed-message"
    assert alice.listed() == []


async def test_progress_is_a_number(alice: User) -> None:
    async with open_socket(alice.url, subprotocols=[MSGPACK], token=alice.token(scope="inbox send")) as socket:
        await socket.started()
        # JSON has no way to say it.
        create = {"to": alice.name, "title": "t", "progress": math.nan}
        message = {"type": "send", "ref": "r", "notification": create}
        await socket.connection.send(msgspec.msgpack.encode(message))
        problem = (await socket.until("reply"))["problem"]
        assert problem["type"] == "/problems/malformed-message"
    assert alice.listed() == []


@pytest.mark.parametrize(
    ("scope", "may"),
    [
        ("inbox", {"mark"}),
        ("inbox:read", set()),
        ("inbox:read send", {"send"}),
        ("inbox send", {"mark", "send"}),
    ],
)
async def test_a_token_does_what_its_scope_says(alice: User, scope: str, may: set[str]) -> None:
    id_ = alice.send()["id"]
    async with open_socket(alice.url, token=alice.token(scope=scope), device="phone") as socket:
        closing = await socket.started()
        for kind, needs, fields in [
            *((kind, "mark", {"ids": [id_]}) for kind in ("read", "unread", "seen", "archive", "unarchive")),
            ("read_all", "mark", {}),
            ("ack", "mark", {"id": closing["id"]}),
            ("send", "send", {"notification": {"to": alice.name, "title": "t"}}),
            ("delete", "mark", {"ids": [id_]}),
        ]:
            reply = await socket.ask(kind, **fields)
            assert reply["ok"] == (needs in may), reply
            if not reply["ok"]:
                assert reply["problem"]["type"] == "/problems/forbidden"
        # What changes nothing is for everyone.
        await socket.told("ping")
        await socket.told("resume", after=closing["id"])
        await socket.started()


async def test_an_api_key_follows_whom_it_names_and_does_what_its_scopes_say(alice: User) -> None:
    id_ = alice.send()["id"]
    keys = {
        tuple(scopes): alice.post("/v1/apps/default/keys", name="k", scopes=scopes)["key"]
        for scopes in (["inbox"], ["inbox", "send"])
    }
    for scopes, key in keys.items():
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
            async with open_socket(alice.url, headers=headers, user_id=alice.name) as socket:
                await socket.told("read", ids=[id_])
                reply = await socket.ask("send", notification={"to": alice.name, "title": "t"})
                assert reply["ok"] == ("send" in scopes)


async def test_every_message_with_a_ref_is_replied_to_once_and_no_other(alice: User) -> None:
    id_ = alice.send()["id"]
    async with open_socket(alice.url, token=alice.token(scope="inbox send")) as socket:
        closing = await socket.started()
        said: list[tuple[str, Message]] = [
            ("ack", {"id": closing["id"]}),
            ("ack", {"id": _FOREIGN}),
            *((mark, {"ids": [id_]}) for mark in ("read", "unread", "seen", "archive", "unarchive")),
            ("read_all", {}),
            ("resume", {"after": closing["id"]}),
            ("auth", {"token": alice.token(scope="inbox send")}),
            ("auth", {"token": "nonsense"}),
            ("send", {"notification": {"to": alice.name, "title": "t"}}),
            ("send", {"notification": {"to": alice.name}}),
            ("ping", {}),
            ("delete", {"ids": [id_]}),
            ("no such type", {}),
        ]
        for number, (kind, fields) in enumerate(said):
            await socket.say(kind, ref=f"{number}", **fields)
            if kind not in {"no such type", "send"}:
                await socket.say(kind, **fields)
        await socket.say("ping", ref="the end")
        await socket.until(lambda message: message.get("ref") == "the end")
    replies = [message for message in socket.heard if message["type"] == "reply"]
    # A message that makes no sense is replied to without a `ref` too; none of these is one.
    assert [reply["ref"] for reply in replies] == [*map(str, range(len(said))), "the end"]
    assert [said[n] for n, reply in enumerate(replies[:-1]) if not reply["ok"]] == [
        said[1],
        said[10],
        said[12],
        said[15],
    ]
    assert all(("problem" in reply) != reply["ok"] for reply in replies)


# Acknowledging


async def test_acknowledging_is_cumulative_and_nothing_else_goes(alice: User) -> None:
    alice.send("before")
    async with open_socket(alice.url, token=alice.token()) as socket:
        closing = await socket.started()
        positions = [alice.send(str(n))["position"] for n in range(3)]
        await socket.reached(positions[-1])
        epoch, last = positions[-1].split(".")
        await socket.told("ack", id=closing["id"])
        await socket.told("ack", id=positions[1])
        await socket.told("ack", id=positions[1])
        for wrong in (positions[0], closing["id"], f"{epoch}.{int(last) + 1}", f"{epoch}.{2**63 - 1}", _FOREIGN):
            assert (await socket.refused("ack", id=wrong))["type"] == "/problems/ack-refused", wrong
        for garbage in ("", "x", f"{epoch}.{2**63}", f"{epoch}.-1", "\x00"):
            assert (await socket.refused("ack", id=garbage))["errors"][0]["pointer"] == "/id", garbage
        await socket.told("ack", id=positions[2])


async def test_a_window_holds_back_what_does_not_fit_until_it_is_acknowledged(alice: User) -> None:
    first = alice.send("first")["position"]
    async with open_socket(alice.url, token=alice.token(), window=3, last_event_id=first) as socket:
        await socket.started()
        alice.send_many(10)
        for reached in (4, 7, 10, 11):
            await socket.reached(reached)
            # Whatever else is said comes after what the window let through.
            await socket.told("ping")
            assert [seq_of(message["id"]) for message in socket.events] == list(range(2, reached + 1))
            await socket.told("ack", id=socket.events[-1]["id"])
        assert socket.heard[-1]["type"] == "reply"
        # What is acknowledged one by one makes room for one.
        alice.send_many(5)
        await socket.reached(14)
        for seq in (12, 13):
            await socket.told("ack", id=socket.events[seq - 2]["id"])
            await socket.reached(seq + 3)


@pytest.mark.parametrize("window", [1, 7, 250])
async def test_a_window_holds_from_far_behind_too_and_never_more_is_under_way(alice: User, window: int) -> None:
    first = alice.send("first")["position"]
    number = 60 if window == 1 else 500
    last = alice.send_many(number, body="x" * 1800)
    async with open_socket(alice.urls[1], token=alice.token(), window=window, last_event_id=first) as socket:
        acknowledged = 1
        while acknowledged < seq_of(last):
            wanted = min(acknowledged + window, seq_of(last))
            await socket.reached(wanted)
            assert seq_of(socket.events[-1]["id"]) - acknowledged <= window
            acknowledged = wanted
            await socket.say("ack", id=socket.events[-1]["id"])
        await socket.started()
        assert [seq_of(message["id"]) for message in socket.events] == list(range(2, number + 2))


async def test_a_named_device_goes_on_from_what_it_acknowledged_on_any_process(alice: User) -> None:
    device: dict[str, Any] = {"token": alice.token(), "device": "phone"}
    async with open_socket(alice.url, **device) as socket:
        await socket.started()
        positions = [alice.send(str(n))["position"] for n in range(4)]
        await socket.reached(positions[-1])
        await socket.told("ack", id=positions[1])
    for url in (alice.urls[1], alice.urls[0]):
        async with open_socket(url, **device) as socket:
            await socket.started()
            assert [message["id"] for message in socket.events] == positions[2:]
    async with open_socket(alice.url, **device) as socket:
        await socket.started()
        # Kept: what another connection of the device has acknowledged is not taken back.
        async with open_socket(alice.urls[1], **device) as other:
            await other.started()
            await other.told("ack", id=positions[3])
        assert (await socket.refused("ack", id=positions[2]))["type"] == "/problems/ack-refused"
    devices = alice.client.get("/v1/devices", params=alice.query).json()["items"]
    assert [(one["device"], one["position"]) for one in devices] == [("phone", positions[3])]


# Going back


async def test_a_client_may_go_back_and_have_it_all_again(alice: User) -> None:
    start = alice.send("start")["position"]
    async with open_socket(alice.url, token=alice.token(), last_event_id=start, window=5) as socket:
        await socket.started()
        positions = [alice.send(str(n))["position"] for n in range(3)]
        await socket.reached(positions[-1])
        await socket.told("ack", id=positions[-1])
        for after in (positions[0], start, positions[-1]):
            socket.heard.clear()
            await socket.told("resume", after=after)
            closing = await socket.started()
            assert closing["id"] == positions[-1]
            assert [message["id"] for message in socket.events] == [p for p in positions if seq_of(p) > seq_of(after)]
        # Acknowledging begins where it went back to.
        await socket.told("resume", after=start)
        await socket.started()
        for position in positions:
            await socket.told("ack", id=position)
        new = alice.send("new")["position"]
        await socket.reached(new)


# Everybody at once


async def test_many_connections_see_everything_in_order_and_once_while_many_write(alice: User) -> None:
    done = asyncio.Event()
    first = alice.send("the first")
    travellers = [_Traveller(alice, first["position"], number) for number in range(12)]
    travels = [asyncio.create_task(traveller.travel(done)) for traveller in travellers]
    async with httpx.AsyncClient(headers=ADMIN, timeout=30) as client:
        await asyncio.gather(*(_write(client, alice, writer) for writer in range(6)))
    done.set()
    alice.send("the last")
    await asyncio.gather(*travels)
    expected = {one["id"]: one for one in alice.listed() if one["id"] != first["id"]}
    assert len(expected) == 6 * 20 + 1
    for traveller in travellers:
        positions = [seq_of(event["id"]) for event in traveller.events]
        assert positions == sorted(set(positions)), "a position came twice or out of order"
        assert traveller.held() == expected


async def _write(client: httpx.AsyncClient, user: User, writer: int) -> None:
    """Creates, reads and deletes, now on one process, now on the other."""
    for n in range(25):
        create = {"to": user.name, "title": f"{writer}.{n}"}
        answer = await client.post(f"{user.urls[n % 2]}/v1/notifications", json=create)
        id_ = answer.json()["id"]
        if n % 3 == 0:
            await client.post(f"{user.urls[writer % 2]}/v1/notifications/{id_}/read")
        if n % 5 == 0:
            await client.delete(f"{user.urls[n % 2]}/v1/notifications/{id_}")


class _Traveller:
    """Every second one leaves after a few events and comes back on the other process, every third has a window."""

    def __init__(self, user: User, start: str, number: int) -> None:
        self._user = user
        self._start = start
        self._token = user.token()
        self._leaves_after = 5 if number % 2 == 0 else None
        self._query: dict[str, Any] = {"window": 3} if number % 3 == 0 else {}
        self._subprotocol = (JSON, MSGPACK)[number % 2]
        self.events: list[Message] = []

    async def travel(self, done: asyncio.Event) -> None:
        visits = 0
        is_there = False
        while not is_there:
            visits += 1
            url = self._user.urls[visits % 2]
            async with open_socket(
                url,
                subprotocols=[self._subprotocol],
                token=self._token,
                last_event_id=self.events[-1]["id"] if self.events else self._start,
                **self._query,
            ) as socket:
                is_there = await self._follow(socket, done)
            self.events += socket.events

    async def _follow(self, socket: Socket, done: asyncio.Event) -> bool:
        """Until it leaves, or everything has been written and heard: whether it has."""
        while True:
            message = await socket.hear()
            if self._query and "id" in message:
                await socket.say("ack", id=message["id"])
            if message["type"] == "inbox" and done.is_set() and message["position"] == self._user.counted()["position"]:
                return True
            if self._leaves_after is not None and not done.is_set() and len(socket.events) >= self._leaves_after:
                return False

    def held(self) -> dict[str, Message]:
        """What a client holds that upserts what it is shown and drops what is deleted."""
        held: dict[str, Message] = {}
        for event in self.events:
            if event["type"] == "delete":
                held.pop(event["notification_id"], None)
            else:
                held[event["notification"]["id"]] = event["notification"]
        return held
