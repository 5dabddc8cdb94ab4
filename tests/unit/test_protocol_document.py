"""What docs/protocol.md shows is what goes over the wire: its examples decode, and none of the messages is missing."""

import re
from typing import Any, get_args

import httpx
import msgspec
from httpx_sse import EventSource, ServerSentEvent
from msgspec import Struct

from notify.core.event import Gone, Reset
from notify.core.notification import Notification
from notify.core.position import Position, ResetReason
from notify.live import messages
from notify.live.closing import BY_REASON, documentation
from support.documents import ROOT, fenced

TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
EVENTS: dict[str, type[Struct]] = {
    "notification": Notification,
    "update": Notification,
    "delete": Gone,
    "inbox": messages.InboxData,
    "token": messages.TokenData,
    "reset": Reset,
    "bye": messages.ByeData,
}


def blocks(language: str) -> list[str]:
    found = [text for named, text in fenced("docs/protocol.md") if named == language]
    assert found
    return found


(NOTIFICATION,) = blocks("json")


def decoded(text: str, type_: Any) -> Any:
    """An example as a Struct. A notification's free parts are of any shape, which no type can ask for."""
    plain = msgspec.json.encode({**msgspec.json.decode(NOTIFICATION), "data": None}).decode()
    return msgspec.json.decode(text.replace("{…}", plain), type=type_)


def streamed() -> list[ServerSentEvent]:
    (text,) = blocks("sse")
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, text=text)
    return list(EventSource(response).iter_sse())


def test_the_notification_is_whole() -> None:
    assert set(msgspec.json.decode(NOTIFICATION)) == set(Notification.__struct_fields__)
    assert isinstance(decoded("{…}", Notification), Notification)


def test_every_event_of_the_stream_is_shown_and_decodes() -> None:
    events = [event for event in streamed() if event.data]
    assert {event.event for event in events} == set(EVENTS)
    for event in events:
        assert isinstance(decoded(event.data, EVENTS[event.event]), EVENTS[event.event]), event
        if event.id:
            Position.parse(event.id)


def test_what_is_no_event_of_the_stream_is_shown_too() -> None:
    (text,) = blocks("sse")
    assert [event.retry for event in streamed() if event.retry] == [2731, 3120]
    (alone,) = re.findall(r"\n\nid: (\S+)\n\n", text)
    Position.parse(alone)
    assert "\n\n: keep-alive\n\n" in text


def test_every_message_of_the_socket_is_shown_and_decodes() -> None:
    from_server, from_client = (
        [decoded(line, side) for line in text.splitlines()]
        for side, text in zip((messages.ServerMessage, messages.ClientMessage), blocks("jsonl"), strict=True)
    )
    assert {type(message) for message in from_server} == set(get_args(messages.ServerMessage))
    assert {type(message) for message in from_client} == set(get_args(messages.ClientMessage))


def test_every_reason_is_explained_with_its_code() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", TEXT, re.MULTILINE))
    assert set(get_args(messages.ByeReason)) <= set(rows)
    for reason, closing in BY_REASON.items():
        assert str(closing.code) in rows[reason], reason


def test_every_close_code_is_there_as_the_code_has_it() -> None:
    _, _, rest = TEXT.partition("<!-- closings: made from src/notify/live/closing.py -->\n")
    assert rest.startswith(f"{documentation()}\n<!-- end of closings -->\n")


def test_every_reason_of_a_reset_is_explained() -> None:
    (row,) = re.findall(r"^\| `reset` \|.*$", TEXT, re.MULTILINE)
    for reason in get_args(ResetReason):
        assert f"`{reason}` (" in row or f"`{reason}` |" in row, reason
