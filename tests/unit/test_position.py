import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.core.errors import MalformedPositionError
from notify.core.position import Bounds, Position

MOST = 2**63 - 1
epochs = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=32)
numbers = st.integers(0, MOST)


@given(epochs, numbers, numbers)
def test_what_is_written_is_read_again(epoch: str, seq: int, since_floor: int) -> None:
    position = Position(epoch, seq, since_floor)
    again = Position.parse(str(position))
    assert (again.epoch, again.seq) == (epoch, seq)
    # A floor that the position has passed is not worth keeping.
    assert again.since_floor == (since_floor if since_floor > seq else 0)
    assert str(again) == str(position)


@given(st.text())
def test_any_other_text_is_malformed_and_nothing_worse(text: str) -> None:
    try:
        position = Position.parse(text)
    except MalformedPositionError:
        return
    assert str(position) in {text, text.rpartition(".")[0]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a",
        "a.",
        ".1",
        "a.b",
        "a.01",
        "a.-1",
        "a.+1",
        "a. 1",
        "a.1 ",
        "a.1\n",
        "A.1",
        "ä.1",
        "a.1.0",
        "a.1.2.3",
        "a.\N{ARABIC-INDIC DIGIT ONE}",
        f"a.{MOST + 1}",
        f"a.0.{MOST + 1}",
        "a" * 33 + ".1",
        "a.10000000000000000000",
    ],
)
def test_these_are_malformed(text: str) -> None:
    with pytest.raises(MalformedPositionError):
        Position.parse(text)


@pytest.mark.parametrize(
    ("position", "reason"),
    [
        (Position("a", 5), None),
        (Position("a", 10), None),
        (Position("a", 11), "ahead"),
        (Position("a", 4), "purged"),
        (Position("a", 0), "purged"),
        (Position("b", 7), "epoch"),
        (Position("b", 11), "epoch"),
        (Position("a", 0, since_floor=5), None),
        (Position("a", 3, since_floor=4), "purged"),
        (Position("a", 11, since_floor=99), "ahead"),
    ],
)
def test_a_position_is_good_from_the_floor_to_the_head_of_its_epoch(position: Position, reason: str | None) -> None:
    assert position.invalid_in(Bounds("a", floor=5, head=10)) == reason
