import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify.core.topic import EVERYONE, PATTERN, decisive, keys_of

names = st.text("ab~.", min_size=1, max_size=2)
topics = st.lists(names, min_size=1, max_size=4).map("/".join)
patterns = topics.map(lambda topic: f"{topic}/*")
either = topics | patterns


@pytest.mark.parametrize(
    ("topic", "decided_by"),
    [
        ("orders", ["orders"]),
        ("orders/eu", ["orders/eu", "orders/*"]),
        ("orders/eu/de", ["orders/eu/de", "orders/eu/*", "orders/*"]),
        ("orders/*", ["orders/*"]),
        ("orders/eu/*", ["orders/eu/*", "orders/*"]),
    ],
)
def test_the_most_specific_that_something_is_said_of_decides(topic: str, decided_by: list[str]) -> None:
    said = {key: key for key in (*decided_by, EVERYONE, "orders/eu/fr", "orders/eu/de/*", "other/*")}
    for most_specific in decided_by:
        assert decisive(topic, said) == most_specific
        del said[most_specific]
    assert decisive(topic, said) is None


def test_what_is_said_counts_even_if_it_is_false() -> None:
    assert decisive("a/b", {"a/b": False, "a/*": True}) is False


@given(either, st.sets(either))
def test_what_decides_is_the_topic_or_a_pattern_above_it_and_nothing_longer_was_there(
    topic: str, said: set[str]
) -> None:
    above = {key for key in said if key == topic or (key.endswith("/*") and topic.startswith(key.removesuffix("*")))}
    longest = None if not above else max(above, key=lambda key: (key == topic, len(key)))
    assert decisive(topic, {key: key for key in said}) == longest


@given(st.lists(either, max_size=4))
def test_the_keys_of_several_are_those_of_each_once(several: list[str]) -> None:
    keys = keys_of(several)
    assert len(keys) == len(set(keys))
    assert set(keys) == {key for topic in several for key in keys_of([topic])}
    assert all(PATTERN.match(key) for key in keys)
