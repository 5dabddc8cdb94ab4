import json
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from notify.core.errors import InvalidError
from notify.core.notification import Content, Create, Edit, Limits, changes_of, content_of, recipients_of

LIMITS = Limits(recipients=3, topics=3, body_bytes=100, data_bytes=60, data_depth=4)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def create(**fields: Any) -> Create:
    return msgspec.convert({"to": "alice", "title": "title", **fields}, Create)


def edit(**fields: Any) -> Edit:
    return msgspec.convert(fields, Edit)


def pointer_of(caught: pytest.ExceptionInfo[InvalidError]) -> str:
    return caught.value.errors[0].pointer


@pytest.mark.parametrize(
    ("to", "recipients"), [("alice", ["alice"]), (["alice"], ["alice"]), (["b", "a", "b"], ["b", "a"])]
)
def test_each_user_once_in_the_order_given(to: str | list[str], recipients: list[str]) -> None:
    assert recipients_of(create(to=to), LIMITS) == recipients


def test_users_are_bounded() -> None:
    with pytest.raises(InvalidError) as caught:
        recipients_of(create(to=["a", "b", "c", "d"]), LIMITS)
    assert pointer_of(caught) == "/to"
    assert "At most 3" in caught.value.errors[0].detail
    assert "NOTIFY_MAX_RECIPIENTS" in caught.value.errors[0].detail


def test_what_is_left_out_is_nothing() -> None:
    assert content_of(create(), LIMITS) == Content(
        type=None,
        level="info",
        title="title",
        body=None,
        data=None,
        url=None,
        actions=None,
        actor=None,
        collapse_key=None,
    )


@pytest.mark.parametrize("body", ["x" * 100, "ä" * 50])
def test_a_body_may_fill_its_bytes(body: str) -> None:
    assert content_of(create(body=body), LIMITS).body == body
    assert changes_of(edit(body=body), LIMITS) == {"body": body}


@pytest.mark.parametrize("body", ["x" * 101, "ä" * 51])
def test_a_longer_body_is_refused(body: str) -> None:
    with pytest.raises(InvalidError) as created:
        content_of(create(body=body), LIMITS)
    with pytest.raises(InvalidError) as edited:
        changes_of(edit(body=body), LIMITS)
    for caught in (created, edited):
        assert pointer_of(caught) == "/body"
        assert "NOTIFY_MAX_TEXT_BYTES" in caught.value.errors[0].detail


@given(st.dictionaries(st.text(), json_values))
def test_data_is_kept_as_it_was_sent(data: dict[str, Any]) -> None:
    assume("\\u0000" not in json.dumps(data))
    kept = content_of(create(data=data), Limits(1, 1, 1, 1_000_000, 64)).data
    assert kept is not None
    assert json.loads(kept) == data


def test_data_is_bounded_in_depth() -> None:
    assert content_of(create(data={"a": {"b": {"c": {}}}}), LIMITS).data is not None
    assert content_of(create(data={"a": [[["leaf"]]]}), LIMITS).data is not None
    too_deep: list[dict[str, Any]] = [{"a": {"b": {"c": {"d": {}}}}}, {"a": [[[[]]]]}, {"a": {"b": [{"c": [1]}]}}]
    for deeper in too_deep:
        with pytest.raises(InvalidError) as caught:
            content_of(create(data=deeper), LIMITS)
        assert "NOTIFY_MAX_DATA_DEPTH" in caught.value.errors[0].detail


def test_data_is_bounded_in_bytes() -> None:
    assert content_of(create(data={"a": "x" * 52}), LIMITS).data == '{"a":"' + "x" * 52 + '"}'
    with pytest.raises(InvalidError) as caught:
        content_of(create(data={"a": "x" * 53}), LIMITS)
    assert "NOTIFY_MAX_DATA_BYTES" in caught.value.errors[0].detail


@pytest.mark.parametrize("data", [{"a": "\x00"}, {"\x00": 1}, {"a": [{"b": ["x\x00"]}]}])
def test_data_holds_no_nul(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidError) as caught:
        content_of(create(data=data), LIMITS)
    assert "NUL" in caught.value.errors[0].detail


def test_what_only_looks_like_a_nul_is_kept() -> None:
    assert content_of(create(data={"a": "\\u0000"}), LIMITS).data == '{"a":"\\\\u0000"}'


def test_a_whole_number_past_64_bits_is_refused() -> None:
    with pytest.raises(InvalidError) as caught:
        content_of(create(data={"a": 2**64}), LIMITS)
    assert "64 bits" in caught.value.errors[0].detail


def test_an_edit_names_what_it_sets_and_nothing_else() -> None:
    assert changes_of(edit(title="new"), LIMITS) == {"title": "new"}
    assert changes_of(edit(body=None, url=None, data=None, actions=None, actor=None), LIMITS) == dict.fromkeys(
        ("body", "url", "data", "actions", "actor")
    )
    everything = {
        "title": "t",
        "body": "b",
        "level": "error",
        "data": {"a": 1},
        "url": "/u",
        "actions": [{"label": "l"}],
        "actor": {"name": "n"},
    }
    assert changes_of(edit(**everything), LIMITS) == {
        "title": "t",
        "body": "b",
        "level": "error",
        "data": '{"a":1}',
        "url": "/u",
        "actions": '[{"label":"l"}]',
        "actor": '{"name":"n"}',
    }


def test_an_edit_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidError, match="names nothing to change"):
        changes_of(edit(), LIMITS)
