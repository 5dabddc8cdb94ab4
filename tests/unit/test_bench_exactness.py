"""The bench notices whatever goes wrong with an inbox, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from notify.bench.exactness import compared

GOOD = {"lost": 0, "twice": 0, "out of order": 0}
positions = st.lists(st.integers(1, 1000), unique=True, min_size=2).map(sorted)


@given(positions, st.data())
def test_all_of_it_once_and_in_order_is_exact_also_where_more_came_than_was_answered(
    seqs: list[int], data: st.DataObject
) -> None:
    answered = data.draw(st.lists(st.sampled_from(seqs), unique=True))
    assert compared(answered, seqs) == GOOD


@given(positions, st.data())
def test_each_fault_is_counted_for_what_it_is(seqs: list[int], data: st.DataObject) -> None:
    one = data.draw(st.sampled_from(seqs))
    assert compared(seqs, [seq for seq in seqs if seq != one]) == GOOD | {"lost": 1}
    assert compared(seqs, [*seqs, one]) == GOOD | {"twice": 1}
    first, *others = seqs
    assert compared(seqs, [*others, first]) == GOOD | {"out of order": 1}
