"""Whatever a client sends, it is a message that is known or a problem that says what is wrong."""

from datetime import UTC
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notify.core.errors import ProblemError, SubprotocolError
from notify.live.closing import BY_REASON, CLOSINGS, documentation
from notify.live.messages import ByeReason, ClientMessage, PingMessage
from notify.live.subprotocols import JSON, MSGPACK, Subprotocol, agree, read, ref_in

_TAGS = [kind.__struct_config__.tag for kind in get_args(ClientMessage)]

_text = st.text() | st.sampled_from(["", "\x00", "\ud800", "🛎", "\u2028", "0123456789.1", "a" * 65])
_leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**30])
    | st.floats()
    | _text
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
    | st.uuids()
    | st.builds(msgspec.msgpack.Ext, st.integers(-128, 127), st.binary())
)
_value = st.recursive(
    _leaf, lambda inner: st.lists(inner) | st.dictionaries(_text | st.integers() | st.binary(), inner), max_leaves=10
)
_fields = ["ref", "id", "ids", "of", "before", "after", "token", "notification", "idempotency_key", "type", "more"]
_create = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("to", "title", "body", "data", "url", "actions", "actor", "level", "type", "x"), _value),
)
_message = st.fixed_dictionaries(
    {"type": st.sampled_from(_TAGS)},
    optional={name: _value | _create | st.lists(st.uuids().map(str)) for name in _fields if name != "type"},
)


def understood(subprotocol: Subprotocol, received: dict[str, Any]) -> Any:
    """The message, or the problem. Anything else is a fault."""
    document: str | bytes = b""
    try:
        document = subprotocol.document(received)
        return read(document)
    except ProblemError as error:
        problem = error
    assert problem.status in {400, 422}
    assert problem.detail
    ref = ref_in(document)
    assert ref is None or len(ref) <= 64
    return problem


@pytest.mark.parametrize("depth", [1_000, 100_000, 1_000_000])
@pytest.mark.parametrize("around", ["", "notification", "ids"])
def test_a_message_that_is_nested_deeply_is_a_problem(depth: int, around: str) -> None:
    text = "[" * depth + "]" * depth
    understood(JSON, {"type": "websocket.receive", "text": f'{{"type":"send","{around}":{text}}}' if around else text})
    # Arrays of one, and maps of one with the key "a".
    for opening in (b"\x91", b"\x81\xa1a"):
        packed = opening * depth + b"\xc0"
        if around:
            packed = b"\x82\xa4type\xa4send" + bytes([0xA0 + len(around)]) + around.encode() + packed
        understood(MSGPACK, {"type": "websocket.receive", "bytes": packed})


@given(st.text())
@example('{"type":"ping","ref":"\x00"}')
@example('{"type":"ping","ref":' + "9" * 100_000 + "}")
@example("[" * 100_000)
@example('{"type":"send","notification":' + '{"data":' * 50_000)
@example('{"a":' * 50_000 + "1" + "}" * 50_000)
def test_any_text_is_a_message_or_a_problem(text: str) -> None:
    understood(JSON, {"text": text})
    understood(MSGPACK, {"text": text})


@given(st.binary())
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\xdf\xff\xff\xff\xff\xa1")
@example(b"\xc6\xff\xff\xff\xff")
@example(b"\x91" * 60_000 + b"\xc0")
@example(b"\x81\xa1a" * 20_000 + b"\xc0")
@example(b"\xd7\xff" + b"\xff" * 8)
@example(b"\x81\x90\x01")
@example(b"\xa3\xed\xa0\x80")
def test_any_bytes_are_a_message_or_a_problem(data: bytes) -> None:
    understood(MSGPACK, {"bytes": data})
    understood(JSON, {"bytes": data})


@given(_message | _value)
def test_anything_that_is_shaped_like_a_message_is_one_or_a_problem_in_both(value: Any) -> None:
    try:
        packed = msgspec.msgpack.encode(value)
    except (UnicodeError, OverflowError):
        return  # There is no such msgpack.
    by_msgpack = understood(MSGPACK, {"bytes": packed})
    try:
        text = msgspec.json.encode(value).decode()
    except TypeError:
        assert isinstance(by_msgpack, ProblemError)  # There is no such JSON.
        return
    by_json = understood(JSON, {"text": text})
    if not isinstance(by_msgpack, ProblemError):
        assert by_msgpack == by_json


@pytest.mark.parametrize(
    "said",
    [
        {"type": "ping", "ref": b"ref"},
        {"type": "send", "notification": {"to": "a", "title": "t", "data": {"a": float("inf")}}},
        {"type": "send", "notification": {"to": "a", "title": "t", "data": {"a": b"bytes"}}},
        {"type": "send", "notification": {"to": "a", "title": "t", "data": {"a": {1: 2}}}},
        {"type": "send", "notification": {"to": "a", "title": "t", "data": {"a": msgspec.msgpack.Ext(1, b"")}}},
    ],
)
def test_msgpack_that_json_could_not_say_is_refused_instead_of_changed(said: dict[str, Any]) -> None:
    problem = understood(MSGPACK, {"bytes": msgspec.msgpack.encode(said)})
    assert isinstance(problem, ProblemError)
    assert problem.slug == "malformed-message"


def test_a_ref_is_found_in_what_is_wrong_otherwise() -> None:
    assert ref_in('{"type":"nothing","ref":"7","more":[1,{"a":null}]}') == "7"
    assert ref_in('{"type":"ping","ref":"' + "x" * 64 + '"}') == "x" * 64
    for none in ('{"ref":7}', '{"ref":"' + "x" * 65 + '"}', '["ref"]', '{"ref":"7"', "", '{"ref":' * 10_000):
        assert ref_in(none) is None


def test_the_first_known_offer_is_agreed_on() -> None:
    assert agree([]) == (JSON, None)
    assert agree([""]) == (JSON, None)
    assert agree(["soap", MSGPACK.name, JSON.name]) == (MSGPACK, MSGPACK.name)
    for unknown in (["soap"], [JSON.name.upper()], [f"{JSON.name} "], ["notify.v2.json", ""]):
        with pytest.raises(SubprotocolError):
            agree(unknown)


def test_a_message_is_understood_in_both() -> None:
    said = {"type": "ping", "ref": "7"}
    assert understood(JSON, {"text": '{"type":"ping","ref":"7"}'}) == PingMessage(ref="7")
    assert understood(MSGPACK, {"bytes": msgspec.msgpack.encode(said)}) == PingMessage(ref="7")


def test_every_goodbye_has_a_code_and_every_code_one_meaning() -> None:
    assert set(BY_REASON) == set(get_args(ByeReason))
    assert set(BY_REASON.values()) <= set(CLOSINGS)
    assert len({one.code for one in CLOSINGS}) == len({one.name for one in CLOSINGS}) == len(CLOSINGS)
    # What RFC 6455 leaves to applications, and what it defines.
    assert all(4000 <= one.code <= 4999 or 1000 <= one.code <= 1015 for one in CLOSINGS)
    table = documentation()
    assert all(f"| {one.code} | `{one.name}` | {one.when} |" in table for one in CLOSINGS)
