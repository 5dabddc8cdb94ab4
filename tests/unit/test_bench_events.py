"""The bench reads a stream as it was meant, however it is cut on the way."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from notify.bench.events import Event, EventReader, title_at
from notify.core.event import Gone
from notify.live import frames
from notify.live.messages import InboxData

ID = UUID("01990000-0000-7000-8000-000000000001")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
blocks = st.one_of(
    st.just(frames.KEEP_ALIVE),
    st.integers(1000, 5000).map(frames.retry),
    st.integers(1, 10**6).map(lambda seq: frames.id_only(f"abcd.{seq}")),
    st.builds(lambda seq, title: frames.with_id("notification", f"abcd.{seq}", {"title": title}), st.just(3), texts),
    st.integers(1, 99).map(lambda unread: frames.plain("inbox", InboxData(unread, 0, unread, "abcd.9"))),
    st.just(frames.sse_event("delete", "abcd.4", ID, None)),
)


def read(*pieces: bytes) -> list[Event]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)]


@given(st.lists(blocks), st.lists(st.integers(0, 2000)))
def test_it_does_not_matter_where_the_pieces_end(blocks: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(blocks)
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {len(stream)})
    pieces = [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert read(*pieces) == [event for block in blocks for event in read(block)]


def test_an_event_has_its_name_its_position_and_its_data() -> None:
    (event,) = read(frames.sse_event("delete", "abcd.42", ID, None))
    assert event[:3] == (b"delete", b"abcd.42", b'{"id":"%b"}' % str(ID).encode())
    assert event.seq == 42
    assert read(frames.with_id("inbox", "abcd.7", Gone(ID)))[0].seq == 7


def test_comments_and_pauses_are_no_events_and_a_position_alone_is_one() -> None:
    assert read(frames.KEEP_ALIVE, frames.retry(2000)) == []
    (event,) = read(frames.id_only("abcd.5"))
    assert (event.name, event.id, event.data) == (b"", b"abcd.5", b"")


def test_several_lines_of_data_are_one_text() -> None:
    assert read(b"data: a\ndata:b\n\n")[0].data == b"a\nb"


@given(st.integers(1, 10**18))
def test_a_title_says_when_it_was_posted(nanoseconds: int) -> None:
    (event,) = read(frames.with_id("notification", "abcd.1", {"id": "x", "title": title_at(nanoseconds)}))
    assert event.posted_at == nanoseconds


@given(texts)
def test_another_title_says_nothing(title: str) -> None:
    (event,) = read(frames.with_id("notification", "abcd.1", {"title": title}))
    assert event.posted_at == 0
    assert read(frames.with_id("notification", "abcd.1", {"title": f"bench x{title}"}))[0].posted_at == 0
