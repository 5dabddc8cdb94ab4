"""Inputs for parsers: what is sound, changed a little, and anything at all."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import NamedTuple

__all__ = ("Target", "changed", "inputs")

_TOKENS = (
    *(b"\x00", b"\n", b"\r\n", b"\t", b" ", b'"', b"'", b"\\", b"/", b"/*", b"*", b"?", b"&", b"=", b"#", b"%", b"%00"),
    *(b",", b";", b":", b".", b"..", b"-", b"_", b"~", b"@", b"+", b"[", b"]", b"{", b"}", b"null", b"true", b"NaN"),
    *(b"0", b"1", b"-1", b"1e999", b"9" * 30, b"0x10", b"1_0", b"\xff", b"\xfe", b"\x80", b"\xc0\x80", b"\xed\xa0\x80"),
    *("é".encode(), "٣".encode(), "\u2028".encode(), "\U0001f600".encode(), b"\\u0000", b"\\ud800", b"%ed%a0%80"),
    *(
        b"<script>",
        b"javascript:",
        b"Bearer ",
        b"eyJhbGciOiJub25lIn0",
        b"2026-03-01T12:00:00Z",
        b"9999-12-31T23:59:59-01:00",
    ),
)
_MOST_CHANGES = 5
_MOST_BYTES = 16 * 1024


class Target(NamedTuple):
    name: str
    seeds: Sequence[bytes]
    check: Callable[[bytes], bool]
    """Whether it is read. Raises nothing, whatever the input."""


def inputs(seeds: Sequence[bytes], seed: int, count: int) -> Iterator[bytes]:
    """The same ones for the same seed."""
    random = Random(seed)
    for _ in range(count):
        yield changed(random.choice(seeds), seeds, random)


def changed(sound: bytes, seeds: Sequence[bytes], random: Random) -> bytes:
    given = bytearray(sound)
    for _ in range(random.randint(0, _MOST_CHANGES)):
        random.choice(_CHANGES)(given, seeds, random)
    return bytes(given[:_MOST_BYTES])


def _place(given: bytearray, random: Random) -> int:
    return random.randint(0, len(given))


def _flip(given: bytearray, seeds: Sequence[bytes], random: Random) -> None:  # noqa: ARG001 - as all of them
    if given:
        given[random.randrange(len(given))] ^= 1 << random.randrange(8)


def _insert_bytes(given: bytearray, seeds: Sequence[bytes], random: Random) -> None:  # noqa: ARG001
    place = _place(given, random)
    given[place:place] = random.randbytes(random.randint(1, 4))


def _insert_token(given: bytearray, seeds: Sequence[bytes], random: Random) -> None:  # noqa: ARG001
    place = _place(given, random)
    given[place:place] = random.choice(_TOKENS)


def _cut(given: bytearray, seeds: Sequence[bytes], random: Random) -> None:  # noqa: ARG001
    place = _place(given, random)
    del given[place : place + random.randint(1, 8)]


def _end_early(given: bytearray, seeds: Sequence[bytes], random: Random) -> None:  # noqa: ARG001
    del given[_place(given, random) :]


def _repeat(given: bytearray, seeds: Sequence[bytes], random: Random) -> None:  # noqa: ARG001
    place = _place(given, random)
    part = given[place : place + random.randint(1, 16)]
    given[place:place] = part * random.choice((1, 2, 8, 64, 512))


def _cross(given: bytearray, seeds: Sequence[bytes], random: Random) -> None:
    other = random.choice(seeds)
    given[_place(given, random) :] = other[random.randint(0, len(other)) :]


_CHANGES = (_flip, _insert_bytes, _insert_token, _cut, _end_early, _repeat, _cross)
