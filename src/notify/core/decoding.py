"""What comes in, decoded into Structs, with errors that point at what is wrong."""

import re
from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec

from notify.core.errors import FieldError, InvalidError, MalformedBodyError

__all__ = ("decoded", "field_error")

T = TypeVar("T")

_PATH = re.compile(r" - at `(key in )?\$(.*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")


def decoded(decode: Callable[[bytes | str], T], document: bytes | str) -> T:
    try:
        return decode(document)
    except msgspec.ValidationError as error:
        raise InvalidError(errors=(field_error(error, "body"),)) from error
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MalformedBodyError from error
    except RecursionError as error:
        raise InvalidError.at(
            "", "The body is nested too deeply; `data` takes as many levels as NOTIFY_MAX_DATA_DEPTH says."
        ) from error


def field_error(error: msgspec.ValidationError, place: Literal["body", "query"]) -> FieldError:
    text = str(error)
    match = _PATH.search(text)
    detail = text[: match.start()] if match else text
    steps = [name or index for name, index in _STEP.findall(match.group(2))] if match else []
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", detail, re.DOTALL)
    missing = re.fullmatch(r"Object missing required field `(.*)`", detail)
    if unknown:
        steps.append(unknown.group(1))
        detail = "There is no such field." if place == "body" else "There is no such parameter."
    elif missing:
        steps.append(missing.group(1))
        detail = "This is required."
    else:
        detail = _sentence(detail.replace("`", ""))
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
