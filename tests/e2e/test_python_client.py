"""The Python client against the real service: every call, with threads and with asyncio."""

import contextlib
import io
import os
import pickle
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type
from uuid import uuid4

import pytest

from notify.client import (
    EVERYONE,
    Action,
    Actor,
    Arrived,
    AsyncClient,
    BatchItem,
    Client,
    ConflictError,
    Counted,
    Counts,
    Edit,
    ForbiddenError,
    InvalidError,
    Message,
    NotFoundError,
    Passing,
    Person,
    ProblemError,
    Retries,
    Room,
    Sent,
    UnauthorizedError,
    UnreachableError,
    Updated,
    friend_accepted,
    friend_request,
    invitation,
    new_message,
    topic,
    topics,
)
from support.clients import DRIVERS, Driver, done, driving
from support.documents import fenced
from support.lossy import LossyProxy
from support.processes import ADMIN_KEY, NotifyProcess
from support.waiting import eventually


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[NotifyProcess]:
    with NotifyProcess({"NOTIFY_DATABASE_URL": database, "NOTIFY_OUTBOX_POLL_SECONDS": "0.2"}) as process:
        yield process


@pytest.fixture(params=DRIVERS)
async def notify(request: pytest.FixtureRequest, service: NotifyProcess) -> AsyncIterator[Driver]:
    async with driving(request.param, service.url, ADMIN_KEY) as driver:
        yield driver


@pytest.fixture
def user() -> str:
    return f"user {uuid4()}/é&?"


@pytest.fixture
def room() -> str:
    return f"rooms/{uuid4()}"


async def inbox(notify: Driver, user: str, **filters: Any) -> list[str]:
    return [item.title for item in (await notify.do("notifications", user, **filters)).items]


# Sending


async def test_what_is_sent_is_there_as_it_was_sent(notify: Driver, user: str) -> None:
    said: dict[str, Any] = {
        "body": "Table 7",
        "type": "booking.ready",
        "level": "success",
        "url": "/bookings/7",
        "data": {"table": 7, "deep": [{"er": None}]},
        "collapse_key": "booking-7",
        "progress": 0.5,
    }
    actions, actor = [Action("Show me", "/bookings/7", "show", primary=True)], Actor("Bob", "bob", "/bob.png")
    expires_at = datetime(2027, 3, 1, tzinfo=UTC)
    sent = await notify.do("send", Message(user, "Ready", **said, actions=actions, actor=actor, expires_at=expires_at))
    (item,) = sent.items
    assert (item.id, item.user_id, sent.replayed) == (sent.id, user, False)
    there = await notify.do("notification", sent.id)
    assert {name: getattr(there, name) for name in said} == said
    assert (there.title, there.actions, there.actor, there.expires_at) == ("Ready", actions, actor, expires_at)
    listed = await notify.do("notifications", user, status="unread", type="booking.ready", limit=5)
    assert (listed.items, listed.next_cursor) == ([there], None)
    assert (listed.unread, listed.unseen, listed.total, listed.position) == (1, 1, 1, item.position)


async def test_several_get_it_but_those_who_are_left_out(notify: Driver, user: str) -> None:
    sent = await notify.do("send", Message([user, f"{user}2", f"{user}3"], "Hello", exclude=[f"{user}2"]))
    assert [item.user_id for item in sent.items] == [user, f"{user}3"]


async def test_a_key_of_ones_own_sends_it_once(notify: Driver, user: str) -> None:
    key = f"booking {user!r}".encode().hex()
    first, again = [await notify.do("send", Message(user, "Once"), idempotency_key=key) for _ in range(2)]
    assert (first.replayed, again.replayed) == (False, True)
    assert first.items == again.items
    with pytest.raises(InvalidError) as refused:
        await notify.do("send", Message(user, "Another"), idempotency_key=key)
    assert refused.value.type == "/problems/idempotency-mismatch"
    batches = [await notify.do("batch", [Message(user, "B")], idempotency_key=f"{key}-b") for _ in range(2)]
    assert batches[0] == batches[1]
    assert await inbox(notify, user) == ["B", "Once"]


async def test_each_of_a_batch_is_answered_for_itself(notify: Driver, user: str) -> None:
    items = await notify.do("batch", [Message(user, "one"), Message(user, ""), Message(topic("t"), "two")])
    assert [item.status for item in items] == [201, 422, 202]
    assert items[1].problem.errors[0].pointer == "/title"
    assert items[0].items[0].user_id == user
    assert items[2].id is not None


async def test_it_is_edited_in_place_and_deleted(notify: Driver, user: str) -> None:
    sent = await notify.do("send", Message(user, "Cooking", body="soon", url="/7", progress=0.1))
    changed = await notify.do("edit", sent.id, Edit(progress=0.9, body=None, title="Nearly"))
    now = changed.notification
    assert (now.title, now.body, now.url, now.progress) == ("Nearly", None, "/7", 0.9)
    await notify.do("mark", sent.id, "read")
    assert (await notify.do("edit", sent.id, Edit(resurface=True))).notification.read_at is None
    await notify.do("delete", sent.id)
    await notify.do("delete", str(sent.id))
    with pytest.raises(NotFoundError):
        await notify.do("notification", sent.id)


async def test_what_is_sent_later_is_listed_and_cancelled(notify: Driver, user: str) -> None:
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    sent = await notify.do("send", Message(topics("a", "b"), user, send_at=at, ttl_seconds=60))
    assert sent.items == []
    (waiting,) = [each for each in (await notify.do("scheduled", limit=100)).items if each.id == sent.id]
    assert (waiting.title, waiting.send_at, waiting.to, waiting.failure) == (user, at, topics_as_list("a", "b"), None)
    await notify.do("cancel", sent.id)
    soon = await notify.do("send", Message(user, "soon", send_at=datetime.now(UTC) + timedelta(seconds=0.3)))

    async def is_there() -> bool:
        return await inbox(notify, user) == ["soon"]

    await eventually(is_there)
    with pytest.raises(ConflictError) as refused:
        await notify.do("cancel", soon.id)
    assert refused.value.type == "/problems/already-sent"


def topics_as_list(*names: str) -> Any:
    return type(EVERYONE)(topics=list(names))


# Audiences


async def test_what_is_published_is_counted_edited_and_recalled(notify: Driver, user: str, room: str) -> None:
    made = await notify.do("subscribe", user, room)
    assert (made.user_id, made.topic) == (user, room)
    sent = await notify.do("send", Message(topic(room), "News", url="/news"))
    assert sent.items == []
    assert await inbox(notify, user, topic=room) == ["News"]
    operation = await notify.do("operation", sent.id)
    assert (operation.topics, operation.title, operation.counted.pulled) == ([room], "News", 1)
    assert (await notify.do("edit_operation", sent.id, Edit(title="Newer"))).title == "Newer"
    assert await inbox(notify, user) == ["Newer"]
    await notify.do("recall", sent.id)
    assert await inbox(notify, user) == []
    assert (await notify.do("operation", sent.id)).recalled_at is not None


async def test_users_are_subscribed_one_by_one_and_many_at_once(notify: Driver, user: str, room: str) -> None:
    await notify.do("subscribe", user, f"{room}/*")
    items = await notify.do("subscribe_many", [(user, room), ("bob", "not a topic"), (user, f"{room}/*")])
    assert [item.status for item in items] == [201, 422, 200]
    assert items[1].problem.errors[0].pointer == "/topic"
    first = await notify.do("subscriptions", user, limit=1)
    second = await notify.do("subscriptions", user, limit=1, cursor=first.next_cursor)
    assert [each.topic for each in first.items + second.items] == [room, f"{room}/*"]
    assert second.next_cursor is None
    assert [each.user_id for each in (await notify.do("subscribers", room)).items] == [user]
    await notify.do("unsubscribe", user, room)
    assert (await notify.do("subscribers", room)).items == []


async def test_topics_have_settings(notify: Driver, room: str) -> None:
    said = await notify.do("set_topic", f"{room}/*", self_service=True, late_entries=20, late_seconds=60)
    assert (said.topic, said.self_service, said.late_entries, said.late_seconds) == (f"{room}/*", True, 20, 60)
    assert said in (await notify.do("topic_settings", limit=100)).items
    await notify.do("unset_topic", f"{room}/*")
    assert said not in (await notify.do("topic_settings", limit=100)).items


# Inboxes and users


async def test_an_inbox_is_counted_and_marked(notify: Driver, user: str) -> None:
    first, *_ = [await notify.do("send", Message(user, each, type=each)) for each in ("a", "b", "b")]
    counted = await notify.do("count", user, types=["b", "c"])
    assert (counted.unread, counted.unseen, counted.total) == (3, 3, 3)
    assert counted.types == {"b": Counts(2, 2, 2), "c": Counts(0, 0, 0)}
    marked = await notify.do("mark", first.id, "archive")
    assert marked.notification.archived_at is not None
    assert (await notify.do("mark_all", user, "read", type="a")).updated == 0
    updated = await notify.do("mark_all", user, "read", before=marked.position)
    assert (updated.updated, (await notify.do("count", user)).unread) == (2, 0)


async def test_a_users_token_opens_their_stream_and_nobody_elses(
    notify: Driver, user: str, service: NotifyProcess
) -> None:
    made = await notify.do("token", user, ttl_seconds=60)
    assert timedelta(seconds=30) < made.expires_at - datetime.now(UTC) < timedelta(seconds=61)
    assert made.token not in repr(made)
    async with driving("awaiting", service.url, made.token) as alone:
        assert await inbox(alone, None) == []  # type: ignore[arg-type] # a token's own user
        with pytest.raises(ForbiddenError):
            await alone.do("count", "somebody else")


async def test_presence_tells_who_is_online_and_sessions_can_be_ended(notify: Driver, user: str) -> None:
    pauses: list[str] = []
    async with notify.following(user, on_pause=lambda _, reason: pauses.append(reason)) as following:
        await following.until(bool)

        async def is_online() -> bool:
            here, other = await notify.do("presence", user, "nobody")
            assert (here.user_id, other.online, other.last_seen_at) == (user, False, None)
            return bool(here.online)

        await eventually(is_online)
        await notify.do("end_sessions", user)
        await eventually(lambda: pauses)
        assert pauses == ["revoked"]


# What may go wrong


async def test_problems_are_exceptions_that_say_what_to_do(notify: Driver, user: str) -> None:
    with pytest.raises(InvalidError) as refused:
        await notify.do("send", Message(user, "", level="shout"))  # type: ignore[arg-type]
    error = refused.value
    assert (error.status, error.type) == (422, "/problems/invalid")
    assert error.errors
    assert error.request_id is not None
    assert error.request_id in str(error)
    assert isinstance(error, ProblemError)


async def test_no_error_holds_the_key(service: NotifyProcess) -> None:
    key = "nk_this-is-no-key-of-anybody"
    quick = Retries(attempts=2, first_pause_seconds=0.01)
    for kind in DRIVERS:
        async with (
            driving(kind, service.url, key) as wrong,
            driving(kind, "http://127.0.0.1:9", key, retries=quick) as away,
        ):
            errors: list[Exception] = []
            for driver, expected in ((wrong, UnauthorizedError), (away, UnreachableError)):
                with pytest.raises(expected) as refused:
                    await driver.do("send", Message("alice", "hello"))
                errors.append(refused.value)
            for error in errors:
                assert error.__cause__ is None
                assert error.__context__ is None
                assert key not in f"{error!r} {error} {vars(error)}"
                assert key.encode() not in pickle.dumps(vars(error))
            assert key not in repr(wrong.client)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_what_cannot_be_an_address_or_a_key_is_not_repeated(
    client: type[Client | AsyncClient],
) -> None:
    for url in (
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://user:secret@host",
        "http://host?secret",
        "http://h st",
    ):
        with pytest.raises(ValueError, match=r"^The address has to be like") as refused:
            client(url, "key")
        assert "secret" not in str(refused.value)
    for key in ("", " secret", "secret\n", "schlüssel"):
        with pytest.raises(ValueError, match=r"^A key or token has to be") as refused:
            client("http://host", key)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("kind", DRIVERS)
async def test_an_answer_that_gets_lost_is_asked_for_again_with_the_same_key(
    kind: str, service: NotifyProcess, user: str
) -> None:
    retries = Retries(first_pause_seconds=0.01)
    with LossyProxy(service.url) as proxy:
        async with driving(kind, proxy.url, ADMIN_KEY, retries=retries) as notify:
            proxy.lose = 2
            await notify.do("send", Message(user, "sent"))
            proxy.lose = 2
            answer = await notify.do("batch", [Message(user, "b1"), Message(user, "b2")])
            for three in (proxy.seen[:3], proxy.seen[3:]):
                (asked,) = {(seen.path, seen.headers["idempotency-key"], seen.body) for seen in three}
                assert asked[1]
                assert len(three) == 3
            assert [item.status for item in answer] == [201, 201]
            assert proxy.seen[0].headers["idempotency-key"] != proxy.seen[3].headers["idempotency-key"]
            proxy.lose = 12
            with pytest.raises(UnreachableError):
                await notify.do("send", Message(user, "given up"), idempotency_key=user.encode().hex())
            assert proxy.lose == 4, "eight attempts"
            proxy.lose = 0
            queue = notify.client.queue()
            proxy.lose = 2
            for n in range(3):
                queue.send(Message(user, f"q{n}"))
            assert await done(queue.flush, 10)
    async with driving(kind, service.url, ADMIN_KEY) as direct:
        titles = await inbox(direct, user)
    assert sorted(titles) == sorted(["sent", "b1", "b2", "given up", "q0", "q1", "q2"])


# The occasions


async def test_a_room_has_one_line_however_much_is_said_in_it(notify: Driver, user: str) -> None:
    room, bob = Room(str(uuid4()), "Kitchen", "/rooms/7"), Person(f"{user} bob", "Bob", image_url="/bob.png")
    await notify.do("subscribe_many", [(user, room.topic), (bob.id, room.topic)])
    await notify.do("send", new_message(room, bob, "Soup or salad?"))
    (item,) = (await notify.do("notifications", user)).items
    assert (item.title, item.body, item.type, item.url) == (
        "Bob in Kitchen",
        "Soup or salad?",
        "message.new",
        "/rooms/7",
    )
    assert item.actor == Actor("Bob", bob.id, "/bob.png")
    await notify.do("send", new_message(room, bob, "Soup it is.", count=2))
    (item,) = (await notify.do("notifications", user)).items
    assert (item.title, item.body) == ("2 new messages in Kitchen", "Bob: Soup it is.")
    assert item.data == {"room_id": room.id, "count": 2}
    assert (await notify.do("notifications", bob.id)).items == []


async def test_invitations_and_friends(notify: Driver, user: str) -> None:
    bob = Person("bob", "B" * 300, url="/bob")
    for _ in range(2):
        await notify.do("send", invitation(user, bob, "Kitchen", invitation_id="7", url="/i/7", decline_url="/i/7/no"))
        await notify.do("send", friend_request(user, bob))
    await notify.do("send", friend_accepted(user, Person("eve", "Eve")))
    accepted, request, invited = (await notify.do("notifications", user)).items
    assert [action.id for action in invited.actions] == ["accept", "decline"]
    assert (invited.type, request.type, accepted.type) == ("invitation.received", "friend.requested", "friend.accepted")
    assert (invited.url, request.url, accepted.url, len(request.title)) == ("/i/7", "/bob", None, 255)


# Streams


async def test_a_stream_shows_what_is_unread_and_then_each_change(notify: Driver, user: str) -> None:
    first = await notify.do("send", Message(user, "before"))
    async with notify.following(user) as following:
        await following.until(lambda events: isinstance(events[-1], Counted) if events else False)
        start = following.events[:]
        await notify.do("edit", first.id, Edit(title="edited"))
        await notify.do("send", Message(user, "there only", durable=False))
        await following.until(lambda events: any(isinstance(each, Passing) for each in events))
        await notify.do("delete", first.id)
        await following.until(lambda events: any(type(each).__name__ == "Deleted" for each in events))
        assert following.stream.position == (await notify.do("count", user)).position
    assert isinstance(start[0], Arrived)
    assert (start[0].notification.title, start[0].position) == ("before", None)
    assert isinstance(start[1], Counted)
    assert (start[1].unread, start[1].position) == (1, first.items[0].position)
    (update,) = [each for each in following.events if isinstance(each, Updated)]
    assert update.notification.title == "edited"
    assert update.position is not None


async def test_a_stream_goes_on_after_a_position_and_shows_only_some_types(notify: Driver, user: str) -> None:
    first = await notify.do("send", Message(user, "1", type="a"))
    for n, kind in ((2, "b"), (3, "a")):
        await notify.do("send", Message(user, str(n), type=kind))
    async with notify.following(user, after=first.items[0].position, types=["a"]) as following:
        await following.until(lambda events: any(isinstance(each, Counted) for each in events))
        assert [each.notification.title for each in following.events if isinstance(each, Arrived)] == ["3"]
    async with notify.following(user, first="now") as following:
        (event,) = await following.until(bool)
        assert isinstance(event, Counted)
        assert event.total == 3


async def test_a_position_of_another_inbox_starts_afresh(notify: Driver, user: str) -> None:
    await notify.do("send", Message(user, "here"))
    async with notify.following(user, after="0000000000.7") as following:
        await following.until(lambda events: any(isinstance(each, Counted) for each in events))
    assert [type(each).__name__ for each in following.events] == ["Reset", "Arrived", "Counted"]


@pytest.mark.parametrize("kind", DRIVERS)
async def test_tokens_are_renewed_while_the_stream_goes_on(kind: str, service: NotifyProcess, user: str) -> None:
    async with driving("awaiting", service.url, ADMIN_KEY) as admin, driving(kind, service.url, None) as device:
        tokens = [(await admin.do("token", user, ttl_seconds=seconds)).token for seconds in (2, 4, 60)]
        given: list[str] = []
        pauses: list[str] = []

        def next_token() -> str:
            given.append(tokens[min(len(given), 2)])
            return given[-1]

        async def next_token_soon() -> str:
            return next_token()

        get_token = next_token if kind == "blocking" else next_token_soon
        async with device.following(get_token=get_token, on_pause=lambda _, why: pauses.append(why)) as following:
            await eventually(lambda: len(given) == 3)
            await admin.do("send", Message(user, "still there"))
            await following.until(lambda events: any(isinstance(each, Arrived) for each in events))
        assert pauses == [], "each was extended before it ran out"


@pytest.mark.parametrize("kind", DRIVERS)
async def test_a_stream_that_may_not_be_opened_says_so(kind: str, service: NotifyProcess, user: str) -> None:
    async with driving(kind, service.url, "nk_no-key") as notify, notify.following(user) as following:
        with pytest.raises(UnauthorizedError):
            await following.ended()


# What it is like to use


def check_types(client: Client) -> None:
    assert_type(client.send(Message("alice", "hello")), Sent)
    assert_type(client.batch([]), list[BatchItem])


async def check_awaited_types(client: AsyncClient) -> None:
    assert_type(await client.send(Message("alice", "hello")), Sent)


def test_it_loads_nothing_of_the_service() -> None:
    script = "import sys, notify.client; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "httpx" in loaded
    assert not {"litestar", "sqlalchemy", "asyncpg", "psycopg", "uvicorn", "structlog", "alembic"} & set(loaded)


def test_what_a_program_has_queued_is_sent_before_it_ends(service: NotifyProcess, user: str) -> None:
    script = """
import os
from notify.client import Client, Message
queue = Client(os.environ["NOTIFY"], os.environ["KEY"]).queue()
for number in range(3):
    queue.send(Message(os.environ["USER_ID"], str(number)))
"""
    environment = {**os.environ, "NOTIFY": service.url, "KEY": ADMIN_KEY, "USER_ID": user}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    with Client(service.url, ADMIN_KEY) as client:
        assert [item.title for item in client.notifications(user).items] == ["2", "1", "0"]


def test_the_documentation_does_what_it_says(service: NotifyProcess) -> None:
    """Its examples in one go, each with what those before it have imported and made."""
    first, asynchronous, *others = [text for language, text in fenced("docs/python.md") if language == "python"]
    environment = {**os.environ, "NOTIFY": service.url, "KEY": ADMIN_KEY}
    for script in (first, asynchronous):
        printed = subprocess.run(
            [sys.executable, "-c", script],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        ).stdout
        assert re.fullmatch(r"[0-9a-f-]{36} [1-9]\d*\n", printed)
    with Client(service.url, ADMIN_KEY) as client:
        names: dict[str, Any] = {"notify": client}
        with contextlib.redirect_stdout(io.StringIO()) as printed_by_others:
            for example in others:
                exec(example, names)  # noqa: S102 - our own
        assert "unread of" in printed_by_others.getvalue()
        assert names["queue"].sent == 1
        titles = [item.title for item in client.notifications("alice").items]
    told = {"Bob would like to be your friend", "Bob invites you to the team Kitchen", "2 new messages in Kitchen"}
    assert set(titles[:3]) == told
