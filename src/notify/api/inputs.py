"""What comes in: JSON bodies and query strings, decoded into Structs, with errors that point at what is wrong."""

import re
from collections.abc import Callable, Hashable, Iterable
from functools import cache
from typing import Any, Literal, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec
from litestar.connection import ASGIConnection, Request
from msgspec import Struct, inspect

from notify.api.parts import settings_of
from notify.core.decoding import decoded, field_error
from notify.core.errors import (
    BodyTooLargeError,
    InvalidError,
    MalformedBodyError,
    MalformedPositionError,
    UnsupportedMediaTypeError,
)
from notify.core.position import Position

__all__ = ("NoQuery", "header", "position_at", "query_fields", "read_body", "read_query")

T = TypeVar("T")

_MOST_PARAMETERS = 100


class NoQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a route that takes none."""


async def read_body(
    request: Request[Any, Any, Any],
    type_: type[T],
    *,
    limit: Literal["max_body_bytes", "max_batch_body_bytes"] = "max_body_bytes",
    default: T | None = None,
) -> T:
    """The body as a value. `default` stands for a body that is empty."""
    body = await _receive(request, getattr(settings_of(request), limit), f"NOTIFY_{limit.upper()}")
    if not body and default is not None:
        return default
    media_type = (header(request, b"content-type") or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaTypeError
    decode: Callable[[bytes | str], T] = _decoder(cast(Hashable, type_))
    return decoded(decode, body)


def header(request: ASGIConnection[Any, Any, Any, Any], name: bytes) -> str | None:
    """The first header of that name, in lower case. Litestar's own would first make a dictionary of all of them."""
    for given, value in request.scope["headers"]:
        if given == name:
            return value.decode("latin-1")
    return None


def read_query(request: ASGIConnection[Any, Any, Any, Any], type_: type[T]) -> T:
    """The query string as a value; a parameter that is not one of its fields is refused."""
    if not request.scope["query_string"]:
        return cast(T, _empty(cast(Hashable, type_)))
    lists, numbers = _shapes(cast(Hashable, type_))
    values: dict[str, Any] = {}
    for name, value in _pairs(request.scope["query_string"]):
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidError.at(name, "This parameter may be given once.")
        else:
            values[name] = _number(value) if name in numbers else value
    return _converted(values, type_)


def _pairs(query: bytes) -> Iterable[tuple[str, str]]:
    try:
        text = query.decode()
        if "%" not in text and "+" not in text and text.count("&") < _MOST_PARAMETERS:
            # As the general way has it, in a fraction of its time.
            parts = (part.partition("=") for part in text.split("&") if part)
            return [(name, value) for name, _, value in parts]
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS)
    except ValueError as error:
        raise InvalidError(
            f"The query string has to be percent-encoded UTF-8 with at most {_MOST_PARAMETERS} parameters."
        ) from error


def query_fields(request: ASGIConnection[Any, Any, Any, Any], type_: type[Struct]) -> dict[str, str | list[str]]:
    """What a query string says of a query's fields, whether it is valid or not."""
    pairs = parse_qsl(request.scope["query_string"].decode("utf-8", "replace"), errors="replace")[:_MOST_PARAMETERS]
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        if name in type_.__struct_encode_fields__:
            values.setdefault(name, []).append(value)
    return {name: given[0] if len(given) == 1 else given for name, given in values.items()}


def _converted(values: dict[str, Any], type_: type[T]) -> T:
    try:
        return msgspec.convert(values, type_)
    except msgspec.ValidationError as error:
        raise InvalidError(errors=(field_error(error, "query"),)) from error


@cache
def _empty(type_: Any) -> Any:
    """What no query at all says. Queries are frozen, so that all such requests may share it."""
    return _converted({}, type_)


def position_at(pointer: str, text: str) -> Position:
    try:
        return Position.parse(text)
    except MalformedPositionError as error:
        raise InvalidError.at(pointer, error.detail) from error


async def _receive(request: Request[Any, Any, Any], limit: int, setting: str) -> bytes:
    too_large = f"At most {limit} bytes here ({setting}); send less at a time."
    declared = header(request, b"content-length") or ""
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLargeError(too_large)
    body = bytearray()
    while True:
        message = await request.receive()
        if message["type"] != "http.request":
            raise MalformedBodyError("The body was cut off before its end.")
        body += message["body"]
        if len(body) > limit:
            raise BodyTooLargeError(too_large)
        if not message["more_body"]:
            return bytes(body)


@cache
def _decoder(type_: Any) -> Callable[[bytes | str], Any]:
    return msgspec.json.Decoder(type_).decode


@cache
def _shapes(type_: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Which parameters may come several times, and which are numbers."""
    info = inspect.type_info(type_)
    assert isinstance(info, inspect.StructType)  # noqa: S101 - queries are Structs
    lists = {field.encode_name for field in info.fields if _has(field.type, inspect.ListType)}
    numbers = {field.encode_name for field in info.fields if _has(field.type, inspect.IntType)}
    return frozenset(lists), frozenset(numbers)


def _has(type_: inspect.Type, wanted: type[inspect.Type]) -> bool:
    if isinstance(type_, inspect.UnionType):
        return any(_has(option, wanted) for option in type_.types)
    if isinstance(type_, inspect.Metadata):
        return _has(type_.type, wanted)
    return isinstance(type_, wanted)


def _number(value: str) -> int | str:
    # Twenty digits hold every 64-bit number; more would only cost time to refuse.
    return int(value) if re.fullmatch(r"-?[0-9]{1,20}", value, re.ASCII) else value
