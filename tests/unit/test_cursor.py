from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.core.cursor import ListCursor, TimeCursor, cursor_after, name_in
from notify.core.errors import InvalidError

times = st.datetimes(datetime(1940, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


@given(st.text("abc0123", max_size=32), times, st.integers(0, 2**63 - 1), st.text())
def test_a_cursor_is_read_as_it_was_given(epoch: str, arrived_at: datetime, position: int, filters: str) -> None:
    cursor = ListCursor.after(epoch, arrived_at, position, filters)
    again = ListCursor.parse(str(cursor), filters)
    assert (again.epoch, again.arrived_at, again.position) == (epoch, arrived_at, position)


def test_a_cursor_is_fit_for_a_query() -> None:
    text = str(ListCursor.after("a" * 32, datetime.now(UTC), 2**63 - 1, "anything"))
    assert text.replace("-", "").replace("_", "").isalnum()
    assert len(text) < 120


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_cursor_of_times_is_read_as_it_was_given(time: datetime, id_: UUID) -> None:
    again = TimeCursor.parse(str(TimeCursor.after(time, id_)))
    assert (again.time, again.id) == (time, id_)


@pytest.mark.parametrize("time_us", [-(10**17), 10**18])
def test_a_cursor_of_a_time_that_cannot_be_is_refused(time_us: int) -> None:
    with pytest.raises(InvalidError) as caught:
        TimeCursor.parse(str(TimeCursor(time_us, UUID(int=0))))
    assert caught.value.errors[0].pointer == "cursor"


def test_the_offset_of_a_time_makes_no_difference() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    elsewhere = noon.astimezone(timezone(timedelta(hours=9)))
    assert ListCursor.after("a", noon, 1, "") == ListCursor.after("a", elsewhere, 1, "")


@given(st.text())
def test_any_other_text_is_refused_and_nothing_worse(text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        ListCursor.parse(text, "filters")
    assert caught.value.errors[0].pointer == "cursor"


@given(st.lists(st.none() | st.integers() | st.text() | st.binary(), max_size=6).filter(lambda value: value != []))
def test_a_forged_one_is_refused_unless_it_could_have_been_given(values: list[object]) -> None:
    try:
        forged = urlsafe_b64encode(msgspec.msgpack.encode(values)).rstrip(b"=").decode()
    except OverflowError:
        return
    with pytest.raises(InvalidError):
        ListCursor.parse(forged, "filters")


@pytest.mark.parametrize("spoil", [lambda text: text + "A", lambda text: text + "=", lambda text: text[:-1], str.upper])
def test_a_spoiled_one_is_refused(spoil: object) -> None:
    text = str(ListCursor.after("abc", datetime.now(UTC), 7, "filters"))
    with pytest.raises(InvalidError):
        ListCursor.parse(spoil(text), "filters")  # type: ignore[operator]


def test_one_of_another_list_is_refused() -> None:
    text = str(ListCursor.after("a", datetime.now(UTC), 1, "unread"))
    with pytest.raises(InvalidError) as caught:
        ListCursor.parse(text, "read")
    assert "other filters" in caught.value.errors[0].detail


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=255))
def test_a_name_is_read_from_its_cursor_and_is_fit_for_a_query(name: str) -> None:
    cursor = cursor_after(name)
    assert name_in(cursor) == name
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert cursor.isascii()
    assert len(cursor) <= 1360


@given(st.text() | st.binary().map(lambda raw: urlsafe_b64encode(raw).rstrip(b"=").decode()))
def test_a_cursor_without_a_name_is_refused_and_nothing_worse(text: str) -> None:
    try:
        name = name_in(text)
    except InvalidError:
        return
    assert cursor_after(name) == text
    assert "\x00" not in name
