"""Server-Sent Events as they arrive: bytes in any pieces become blocks."""

from collections.abc import Iterator

from msgspec import Struct

from notify.client.errors import UnexpectedAnswerError

__all__ = ("Block", "Blocks")

_MOST_BYTES = 16 * 1024 * 1024
"""Of one block. A service of ours stays far below."""


class Block(Struct, frozen=True):
    """What stands between two blank lines."""

    event: str = ""
    id: str = ""
    data: str = ""
    retry_ms: int | None = None


class Blocks:
    def __init__(self) -> None:
        self._rest = bytearray()
        self._lines: list[str] = []
        self._bytes = 0

    def feed(self, data: bytes) -> Iterator[Block]:
        """The blocks that are complete by now. What is cut off is of none."""
        searched = len(self._rest)
        self._rest += data
        start = 0
        while (end := self._rest.find(b"\n", max(start, searched))) >= 0:
            line = self._rest[start:end].removesuffix(b"\r").decode(errors="replace")
            start = end + 1
            if line:
                self._lines.append(line)
                self._bytes += len(line)
            elif self._lines:
                yield _block_of(self._lines)
                self._lines = []
                self._bytes = 0
        del self._rest[:start]
        if len(self._rest) + self._bytes > _MOST_BYTES:
            raise UnexpectedAnswerError(f"An event of more than {_MOST_BYTES} bytes is none of notify's.")


def _block_of(lines: list[str]) -> Block:
    fields: dict[str, str] = {}
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            data.append(value)
        else:
            fields[name] = value
    retry = fields.get("retry", "")
    return Block(
        fields.get("event", ""), fields.get("id", ""), "\n".join(data), int(retry) if retry.isdecimal() else None
    )
