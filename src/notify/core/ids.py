"""Identifiers: UUIDv7 for what is stored, made before it is, so that it can be looked up after a lost COMMIT."""

import itertools
import os
import time
from uuid import UUID

__all__ = ("age_seconds", "named_at", "naming_time", "request_id", "uuid7")

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_PROCESS = os.urandom(8).hex()
_numbers = itertools.count(1)
_RANDOM_MASK = ~((0xF << 76) | (0b11 << 62))


def uuid7() -> UUID:
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM_MASK
    return UUID(int=(milliseconds << 80) | _VERSION_7 | _VARIANT | random)


def age_seconds(id_: UUID) -> float:
    """Of what was named by `uuid7`, in this process or another."""
    return naming_time() - named_at(id_)


def named_at(id_: UUID) -> float:
    """In seconds since 1970, by the clock of whoever named it."""
    return (id_.int >> 80) / 1000


def naming_time() -> float:
    return time.time()


def request_id() -> str:
    """Unlike any other, which is all that it has to be."""
    return f"{_PROCESS}{next(_numbers):016x}"
