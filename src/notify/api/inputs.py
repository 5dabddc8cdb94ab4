"""What comes in: JSON bodies and query strings, decoded into Structs, with errors that point at what is wrong."""

import re
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, Literal, TypeVar, cast
from urllib.parse import parse_qsl

import msgspec
from litestar.connection import Request
from msgspec import Struct, inspect

from notify.core.errors import (
    BodyTooLargeError,
    FieldError,
    InvalidError,
    MalformedBodyError,
    UnsupportedMediaTypeError,
)
from notify.settings import Settings

__all__ = ("NoQuery", "decoded", "read_body", "read_query")

T = TypeVar("T")

_MOST_PARAMETERS = 100
_PATH = re.compile(r" - at `(key in )?\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


class NoQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The query of a route that takes none."""


async def read_body(
    request: Request[Any, Any, Any],
    type_: type[T],
    settings: Settings,
    *,
    limit: Literal["max_body_bytes", "max_batch_body_bytes"] = "max_body_bytes",
    default: T | None = None,
) -> T:
    """The body as a value. `default` stands for a body that is empty."""
    body = await _receive(request, getattr(settings, limit), f"NOTIFY_{limit.upper()}")
    if not body and default is not None:
        return default
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaTypeError
    decode: Callable[[bytes], T] = _decoder(cast(Hashable, type_))
    return decoded(decode, body)


def read_query(request: Request[Any, Any, Any], type_: type[T]) -> T:
    """The query string as a value; a parameter that is not one of its fields is refused."""
    lists, numbers = _shapes(cast(Hashable, type_))
    values: dict[str, Any] = {}
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError as error:
        raise InvalidError(
            f"The query string has to be percent-encoded UTF-8 with at most {_MOST_PARAMETERS} parameters."
        ) from error
    for name, value in pairs:
        if name in lists:
            values.setdefault(name, []).append(value)
        elif name in values:
            raise InvalidError.at(name, "This parameter may be given once.")
        else:
            values[name] = _number(value) if name in numbers else value
    try:
        return msgspec.convert(values, type_)
    except msgspec.ValidationError as error:
        raise InvalidError(errors=(_field_error(error, "query"),)) from error


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise InvalidError(errors=(_field_error(error, "body"),)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBodyError from error
    except RecursionError as error:
        raise InvalidError.at(
            "", "The body is nested too deeply; `data` takes as many levels as NOTIFY_MAX_DATA_DEPTH says."
        ) from error


async def _receive(request: Request[Any, Any, Any], limit: int, setting: str) -> bytes:
    too_large = f"At most {limit} bytes here ({setting}); send less at a time."
    declared = request.headers.get("content-length", "")
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
def _decoder(type_: Any) -> Callable[[bytes], Any]:
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


def _field_error(error: msgspec.ValidationError, place: str) -> FieldError:
    text = str(error)
    match = _PATH.search(text)
    detail = (text[: match.start()] if match else text).replace("`", "")
    steps = [name or index for name, index in _STEP.findall(match.group(2))] if match else []
    unknown = re.fullmatch(r"Object contains unknown field (.+)", detail)
    missing = re.fullmatch(r"Object missing required field (.+)", detail)
    if unknown:
        steps.append(unknown.group(1))
        detail = "There is no such field." if place == "body" else "There is no such parameter."
    elif missing:
        steps.append(missing.group(1))
        detail = "This is required."
    else:
        detail = _sentence(detail)
    if place == "query":
        return FieldError(".".join(steps), detail)
    return FieldError("".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps), detail)


def _sentence(detail: str) -> str:
    pattern = re.fullmatch(r"Expected str matching regex (.+)", detail, re.DOTALL)
    if pattern:
        return "These characters, or this form, are not allowed here; see the documentation of this field."
    if detail == "Invalid RFC3339 encoded datetime":
        return "Send a time such as 2026-03-01T12:00:00Z; in a query a `+` is written %2B."
    return detail if detail.endswith(".") else f"{detail}."
