"""Bodies and queries become values, or errors that point at what is wrong."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar.connection import Request
from msgspec import Meta, Struct

from notify.api.inputs import NoQuery, read_body, read_query
from notify.core.errors import (
    BodyTooLargeError,
    InvalidError,
    MalformedBodyError,
    ProblemError,
    UnsupportedMediaTypeError,
)
from notify.settings import Settings

SETTINGS = Settings(max_body_bytes=1024, max_batch_body_bytes=2048)


class Inner(Struct, forbid_unknown_fields=True):
    name: str
    size: Annotated[int, Meta(ge=0)] = 0


class Body(Struct, forbid_unknown_fields=True):
    text: str = ""
    inner: Inner | None = None
    many: list[Inner] = []
    free: dict[str, Any] = {}
    odd: Annotated[int, Meta(ge=0)] = msgspec.field(default=0, name="a/b~c")


class Query(Struct, forbid_unknown_fields=True):
    text: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    kinds: list[str] = []
    since: datetime | None = None
    yes: str | None = msgspec.field(default=None, name="is")


def request(
    *messages: dict[str, Any], query: bytes = b"", content_type: str | None = "application/json", **headers: str
) -> Request[Any, Any, Any]:
    left: Iterator[Any] = iter(messages)

    async def receive() -> Any:
        return next(left)

    every = {**({} if content_type is None else {"content-type": content_type}), **headers}
    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": query,
        "state": {"parts": {"settings": SETTINGS}},
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in every.items()],
    }
    return Request(scope, receive)


def chunks(*bodies: bytes) -> list[dict[str, Any]]:
    """A body as it may arrive."""
    every: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": True} for body in bodies]
    return [*every, {"type": "http.request", "body": b"", "more_body": False}]


def body_of(messages: Iterable[dict[str, Any]], type_: Any = Body, **given_: Any) -> Any:
    options = {name: given_.pop(name) for name in ("limit", "default") if name in given_}
    return asyncio.run(read_body(request(*messages, **given_), type_, **options))


def error_of(messages: Iterable[dict[str, Any]], **given_: Any) -> ProblemError:
    with pytest.raises(ProblemError) as caught:
        body_of(messages, **given_)
    return caught.value


def pointed_at(document: Any) -> dict[str, str]:
    error = error_of(chunks(json.dumps(document).encode()))
    assert isinstance(error, InvalidError)
    return {field.pointer: field.detail for field in error.errors}


def query_error(query: str | bytes, type_: type[Any] = Query) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        read_query(request(query=query.encode() if isinstance(query, str) else query), type_)
    return caught.value


# Bodies --------------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=30), max_size=8), st.binary(max_size=30))
def test_a_body_is_the_same_however_it_is_cut_into_pieces(pieces: list[bytes], text: bytes) -> None:
    document = json.dumps({"text": text.hex() + b"".join(pieces).hex()}).encode()
    cuts = sorted({min(len(piece) * 7, len(document)) for piece in pieces})
    parts = [document[a:b] for a, b in zip([0, *cuts], [*cuts, len(document)], strict=True)]
    assert body_of(chunks(*parts)) == body_of(chunks(document)) == Body(**json.loads(document))


def test_a_body_is_read_up_to_the_bound_and_not_past_it() -> None:
    def document(size: int) -> bytes:
        return b'{"text":"' + (size - 11) * b"x" + b'"}'

    assert len(body_of(chunks(document(1024))).text) == 1013
    assert len(body_of(chunks(document(2048)), limit="max_batch_body_bytes").text) == 2037
    for messages, given_, setting in (
        (chunks(document(1025)), {}, "NOTIFY_MAX_BODY_BYTES"),
        (chunks(document(1000), 25 * b"x"), {}, "NOTIFY_MAX_BODY_BYTES"),
        (chunks(document(2049)), {"limit": "max_batch_body_bytes"}, "NOTIFY_MAX_BATCH_BODY_BYTES"),
    ):
        error = error_of(messages, **given_)
        assert isinstance(error, BodyTooLargeError)
        assert setting in error.detail
    # What was declared too large is not read at all, and what lies about its size is found out.
    assert isinstance(error_of([], content_length="1025"), BodyTooLargeError)
    assert isinstance(error_of(chunks(document(1025)), content_length="5"), BodyTooLargeError)


def test_a_body_that_was_cut_off_is_none() -> None:
    begun = {"type": "http.request", "body": b"{}", "more_body": True}
    error = error_of([begun, {"type": "http.disconnect"}])
    assert isinstance(error, MalformedBodyError)
    assert "cut off" in error.detail


def test_only_json_is_read_unless_there_is_nothing_to_read() -> None:
    for content_type in (None, "", "text/json", "application/jsonx", "application/json+x"):
        assert isinstance(error_of(chunks(b"{}"), content_type=content_type), UnsupportedMediaTypeError)
    for content_type in ("application/json", "Application/JSON ; charset=utf-8"):
        assert body_of(chunks(b"{}"), content_type=content_type) == Body()
    fallback = Body("fallback")
    assert body_of(chunks(), content_type=None, default=fallback) is fallback
    assert body_of(chunks(b"{}"), default=fallback) == Body()
    assert isinstance(error_of(chunks()), MalformedBodyError)


def test_a_wrong_value_is_pointed_at_by_a_json_pointer() -> None:
    for document, pointer in (
        ({"text": 5}, "/text"),
        ({"inner": {"name": "a", "size": -1}}, "/inner/size"),
        ({"many": [{"name": "a"}, {"name": "b", "size": "c"}]}, "/many/1/size"),
        ({"many": 12 * [{"name": "a"}] + [{"name": 5}]}, "/many/12/name"),
        ({"many": {}}, "/many"),
        ({"a/b~c": -1}, "/a~1b~0c"),
        ([], ""),
    ):
        assert list(pointed_at(document)) == [pointer], document
    assert pointed_at({"inner": {}}) == {"/inner/name": "This is required."}
    assert pointed_at({"many": [{"name": "a", "x": 1}]}) == {"/many/0/x": "There is no such field."}


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(
    lambda name: name not in {"text", "inner", "many", "free", "a/b~c"}
)


@given(names)
def test_an_unknown_field_is_pointed_at_whatever_it_is_called(name: str) -> None:
    escaped = name.replace("~", "~0").replace("/", "~1")
    assert pointed_at({name: 1}) == {f"/{escaped}": "There is no such field."}


def test_no_error_shows_how_we_match_texts() -> None:
    class Matched(Struct):
        name: Annotated[str, Meta(pattern="^[a-z`]+$")]

    error = error_of(chunks(b'{"name":"A"}'), type_=Matched)
    (field,) = error.errors
    assert field.pointer == "/name"
    assert "a-z" not in field.detail
    assert field.detail.endswith(".")


# Queries -------------------------------------------------------------------------------------------------------------


def test_a_query_becomes_values() -> None:
    query = b"text=a%20b+c&limit=5&kinds=x&kinds=y&since=2026-03-01T12:00:00Z&is=1"
    assert read_query(request(query=query), Query) == Query(
        "a b c", 5, ["x", "y"], datetime(2026, 3, 1, 12, tzinfo=UTC), "1"
    )
    assert read_query(request(), Query) == Query()
    assert read_query(request(query=b"text="), Query) == Query("")
    assert read_query(request(), NoQuery) == NoQuery()


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    limit=st.integers(1, 100),
    kinds=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5),
)
def test_what_was_escaped_is_read_back(text: str, limit: int, kinds: list[str]) -> None:
    query = urlencode({"text": text, "limit": limit, "kinds": kinds}, doseq=True)
    assert read_query(request(query=query.encode()), Query) == Query(text, limit, kinds)


@given(st.integers())
def test_a_number_is_within_its_bounds_or_pointed_at(number: int) -> None:
    if 1 <= number <= 100:
        assert read_query(request(query=f"limit={number}".encode()), Query).limit == number
    else:
        assert [field.pointer for field in query_error(f"limit={number}").errors] == ["limit"]


def test_a_wrong_query_is_refused() -> None:
    for query, name in (
        ("limit=5&limit=5", "limit"),
        ("text=a&text=b", "text"),
        ("limit=1.0", "limit"),
        ("limit=" + 5000 * "9", "limit"),
        ("limit=%D9%A5", "limit"),
        ("since=yesterday", "since"),
        ("since=2026-03-01T12:00:00+01:00", "since"),
        ("unknown=1", "unknown"),
        ("yes=1", "yes"),
        ("=1", ""),
        ("%00=1", "\x00"),
    ):
        error = query_error(query)
        assert [field.pointer for field in error.errors] == [name], query
    assert "%2B" in query_error("since=2026-03-01T12:00:00+01:00").errors[0].detail
    assert [field.pointer for field in query_error("x=1", NoQuery).errors] == ["x"]


@pytest.mark.parametrize(
    "query", [b"text=\xff", b"text=%FF", b"text=%ED%A0%80", b"%C3%28=1", b"&".join(101 * [b"text=a"])]
)
def test_a_query_that_is_none_is_refused(query: bytes) -> None:
    error = query_error(query)
    assert error.errors == ()
    assert "UTF-8" in error.detail
