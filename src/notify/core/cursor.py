"""The opaque cursors of lists: where the page before ended."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from notify.core.errors import InvalidError
from notify.core.text import Line

__all__ = ("ListCursor", "TimeCursor", "cursor_after", "name_in")

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US = (datetime.min.replace(tzinfo=UTC) - _BEGINNING) // _MICROSECOND
_LAST_US = (datetime.max.replace(tzinfo=UTC) - _BEGINNING) // _MICROSECOND

C = TypeVar("C", bound="ListCursor | TimeCursor")


class ListCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Of a list of an inbox: which one's, and with which filters."""

    epoch: Annotated[str, Meta(max_length=32)]
    arrived_us: Annotated[int, Meta(ge=-(10**15), le=10**17)]
    position: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    filters: Annotated[int, Meta(ge=0, le=2**32 - 1)]

    @classmethod
    def after(cls, epoch: str, arrived_at: datetime, position: int, filters: str) -> Self:
        return cls(epoch, (arrived_at - _BEGINNING) // _MICROSECOND, position, _fingerprint(filters))

    @classmethod
    def parse(cls, text: str, filters: str) -> Self:
        cursor = _decoded(text, cls)
        if cursor.filters != _fingerprint(filters):
            raise InvalidError.at("cursor", "This cursor belongs to a list with other filters; start that list again.")
        return cursor

    def __str__(self) -> str:
        return _encoded(self)

    @property
    def arrived_at(self) -> datetime:
        return _BEGINNING + self.arrived_us * _MICROSECOND


class TimeCursor(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Of a list by time: of the last that was shown, its time and its id."""

    time_us: Annotated[int, Meta(ge=_FIRST_US, le=_LAST_US)]
    id: UUID

    @classmethod
    def after(cls, time: datetime, id_: UUID) -> Self:
        return cls((time - _BEGINNING) // _MICROSECOND, id_)

    @classmethod
    def parse(cls, text: str) -> Self:
        return _decoded(text, cls)

    def __str__(self) -> str:
        return _encoded(self)

    @property
    def time(self) -> datetime:
        return _BEGINNING + self.time_us * _MICROSECOND


def cursor_after(name: str) -> str:
    """Of a list by name, which may be any text that is one line."""
    return urlsafe_b64encode(name.encode()).rstrip(b"=").decode()


def name_in(cursor: str) -> str:
    try:
        name = msgspec.convert(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode(), Line)
    except (binascii.Error, ValueError) as error:
        raise InvalidError.at("cursor", "Send a `next_cursor` exactly as a list gave it.") from error
    if cursor_after(name) != cursor:
        raise InvalidError.at("cursor", "Send a `next_cursor` exactly as a list gave it.")
    return name


def _encoded(cursor: ListCursor | TimeCursor) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(cursor)).rstrip(b"=").decode()


def _decoded(text: str, kind: type[C]) -> C:
    try:
        cursor = msgspec.msgpack.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=kind)
    except (msgspec.DecodeError, binascii.Error, ValueError) as error:
        raise InvalidError.at("cursor", "Send a `next_cursor` exactly as a list gave it.") from error
    if str(cursor) != text:
        raise InvalidError.at("cursor", "Send a `next_cursor` exactly as a list gave it.")
    return cursor


def _fingerprint(filters: str) -> int:
    return binascii.crc32(filters.encode())
