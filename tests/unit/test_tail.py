"""The tail is a window on the log's end: what it says it covers it shows without a hole, and nothing twice."""

from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.core.position import Position
from notify.live.tail import LiveEvent, Tail


def event(seq: int, of: int | None = None) -> LiveEvent:
    """Of a notification of its own, unless told otherwise."""
    return LiveEvent("delete", Position("e", seq), UUID(int=seq if of is None else of), None)


ONE = event(1).bytes


def tail_of(*seqs: int, start: int = 0) -> Tail:
    tail = Tail(start)
    for seq in seqs:
        tail.append(event(seq))
    return tail


def seqs(tail: Tail, after: int) -> list[int]:
    return [event.seq for event in tail.after(after)]


def test_an_empty_tail_covers_its_head_and_nothing_before() -> None:
    tail = Tail(7)
    assert (tail.head, tail.covers(7), tail.covers(6)) == (7, True, False)
    assert seqs(tail, 7) == []


def test_events_come_oldest_first_from_right_after_the_cursor() -> None:
    tail = tail_of(1, 2, 3, 4)
    assert seqs(tail, 2) == [3, 4]
    assert seqs(tail, 0) == [1, 2, 3, 4]
    assert seqs(tail, 4) == []


def test_a_head_that_was_overtaken_moves_without_an_event() -> None:
    tail = tail_of(1)
    tail.reach(3)
    assert (tail.head, tail.covers(1), seqs(tail, 1)) == (3, True, [])
    tail.append(event(4))
    assert seqs(tail, 1) == [4]


def test_what_is_forgotten_is_no_longer_covered() -> None:
    tail = tail_of(1, 2, 3)
    tail.forget_until(2 * ONE)
    assert (tail.covers(0), tail.covers(1), seqs(tail, 1)) == (False, True, [2, 3])
    tail.forget_until(0)
    assert (tail.covers(2), tail.covers(3), tail.head, tail.bytes) == (False, True, 3, 0)


def test_of_what_changed_twice_only_the_newest_is_shown() -> None:
    tail = Tail(0)
    for seq, of in enumerate([1, 2, 1, 3], start=1):
        tail.append(event(seq, of))
    assert [seqs(tail, after) for after in range(5)] == [[2, 3, 4], [2, 3, 4], [3, 4], [4], []]


def test_starting_over_leaves_nothing_but_the_head() -> None:
    tail = tail_of(1, 2)
    tail.restart(40)
    assert (tail.head, tail.start, tail.bytes, seqs(tail, 0)) == (40, 40, 0, [])


def test_an_event_is_encoded_once_for_each_format() -> None:
    one = event(1)
    assert one.sse is one.sse
    assert one.json is one.json
    assert one.msgpack is one.msgpack


def test_what_an_event_is_said_to_weigh_does_not_change_while_it_is_held() -> None:
    one = event(1)
    before = one.bytes
    assert (one.sse, one.json, one.msgpack, one.bytes)[-1] == before


@pytest.mark.parametrize("format_", ["json", "msgpack"])
def test_each_format_says_the_same(format_: str) -> None:
    id_ = uuid4()
    one = LiveEvent("delete", Position("abc", 9), id_, None)
    told = getattr(one, format_)
    decoded = msgspec.json.decode(told) if format_ == "json" else msgspec.msgpack.decode(told)
    assert decoded == {"type": "delete", "id": "abc.9", "notification_id": str(id_)}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("append"), st.integers(1, 3)),
            st.tuples(st.just("reach"), st.integers(0, 3)),
            st.tuples(st.just("forget"), st.integers(0, 4)),
            st.tuples(st.just("restart"), st.integers(0, 9)),
        ),
        max_size=40,
    ),
    st.integers(0, 40),
)
def test_whatever_it_covers_it_shows_whole_and_in_order(steps: list[tuple[str, int]], cursor: int) -> None:
    tail = Tail(0)
    log: list[int] = []
    for name, amount in steps:
        if name == "append":
            tail.append(event(tail.head + amount))
            log.append(tail.head)
        elif name == "reach":
            tail.reach(tail.head + amount)
        elif name == "forget":
            tail.forget_until(amount * ONE)
            assert tail.bytes <= amount * ONE
        else:
            tail.restart(tail.head + amount)
    assert tail.start <= tail.head
    assert tail.covers(tail.head)
    assert tail.bytes == sum(event.bytes for event in tail.after(tail.start))
    if tail.covers(cursor):
        assert seqs(tail, cursor) == [seq for seq in log if seq > cursor]
