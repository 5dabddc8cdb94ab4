"""Whatever a text holds, a block of the stream stays one block, and says what was meant."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from notify.core.event import Gone, Reset
from notify.core.notification import Notification
from notify.live import frames
from notify.live.messages import DeleteMessage, NotificationMessage, UpdateMessage
from support.streams import Block

ID = UUID("01990000-0000-7000-8000-000000000001")
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40) | st.sampled_from(
    [
        "\n\n",
        "\r\n",
        "\r",
        "data: x\n\nid: 9",
        "\u2028\u2029\x85\x0b\x0c",
        "\x00\x1f\x7f",
        "\ufeff",
        "🙂",
        "id: 1\ndata: 2",
    ]
)


def notification(title: str, body: str | None, data: object) -> Notification:
    return Notification(
        id=ID,
        user_id="alice",
        type=None,
        level="info",
        title=title,
        body=body,
        data=msgspec.Raw(msgspec.json.encode(data)),
        url=None,
        actions=None,
        actor=None,
        collapse_key=None,
        created_at=NOW,
        arrived_at=NOW,
        updated_at=NOW,
        seen_at=None,
        read_at=None,
        archived_at=None,
    )


def block_of(frame: bytes) -> Block:
    assert frame.endswith(b"\n\n")
    assert frame.count(b"\n\n") == 1
    # A reader may end a line at any of these.
    assert b"\r" not in frame
    return Block.parse(frame[:-2].decode())


@given(texts, st.none() | texts, st.dictionaries(texts, texts, max_size=3))
def test_any_text_survives_in_one_block(title: str, body: str | None, data: dict[str, str]) -> None:
    block = block_of(frames.sse_event("notification", "e.5", ID, notification(title, body, data)))
    assert (block.event, block.id) == ("notification", "e.5")
    said = block.json()
    assert (said["title"], said["body"], said["data"]) == (title, body, data)


def test_a_deletion_names_what_is_gone_and_nothing_else() -> None:
    block = block_of(frames.sse_event("delete", "e.6", ID, None))
    assert block == Block(id="e.6", event="delete", data=f'{{"id":"{ID}"}}')


def test_a_plain_event_moves_no_cursor() -> None:
    block = block_of(frames.plain("reset", Reset("epoch", "e.0", "e.9")))
    assert block == Block(event="reset", data='{"reason":"epoch","floor":"e.0","head":"e.9"}')


def test_an_event_with_an_id_says_the_id_first() -> None:
    assert frames.with_id("inbox", "e.1", Gone(ID)).startswith(b"id: e.1\nevent: inbox\ndata: {")


def test_a_cursor_moves_without_anything_to_dispatch() -> None:
    assert block_of(frames.id_only("e.7")) == Block(id="e.7")


def test_a_comment_keeps_a_stream_alive() -> None:
    assert block_of(frames.KEEP_ALIVE) == Block(comment="keep-alive")


def test_the_time_to_come_back_is_in_whole_milliseconds() -> None:
    assert block_of(frames.retry(2731)) == Block(retry=2731)


def test_a_socket_tells_an_arrival_a_change_and_a_deletion_apart() -> None:
    one = notification("a title", None, {})
    assert frames.socket_message("notification", "e.1", ID, one) == NotificationMessage(id="e.1", notification=one)
    assert frames.socket_message("update", "e.2", ID, one) == UpdateMessage(id="e.2", notification=one)
    assert frames.socket_message("delete", "e.3", ID, None) == DeleteMessage(id="e.3", notification_id=ID)
