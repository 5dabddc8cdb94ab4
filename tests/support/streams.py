"""A client of the stream over a bare socket: every block as it is on the wire, cheap enough for hundreds at once."""

import asyncio
import re
import socket
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from support.processes import ADMIN

__all__ = ("Block", "EventStream", "Held", "StreamEndedError")

_SECONDS = 10.0


class StreamEndedError(Exception):
    """There is nothing more to come."""


class Block(Struct, frozen=True):
    """What stands between two blank lines."""

    id: str | None = None
    event: str | None = None
    data: str | None = None
    retry: int | None = None
    comment: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        fields: dict[str, Any] = {}
        for line in text.split("\n"):
            name, _, value = line.partition(":")
            name, value = name or "comment", value.removeprefix(" ")
            assert name in cls.__struct_fields__, f"no field of an event stream: {line!r}"
            assert name not in fields, f"{name} twice in {text!r}"
            fields[name] = int(value) if name == "retry" else value
        return cls(**fields)

    @property
    def seq(self) -> int:
        assert self.id is not None
        return int(self.id.split(".")[1])

    def json(self) -> Any:
        assert self.data is not None, self
        return msgspec.json.decode(self.data)


class Held:
    """What a client knows and where it stands: it upserts what it is sent by id, drops what is deleted, and starts anew
    when told. Checks on the way that no connection shows a position twice, out of order, or at or before the one that
    it was opened with.
    """

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.position: str | None = None
        """What it will present when it connects again."""

        self.resets = 0
        self.events = 0
        """How many with a position it was shown, over all connections."""

        self.counters: dict[str, int] = {}
        self.counted_at = 0
        """The position that those are of."""

        self.begun_at = 0
        """Its first position since the last start without one: what happened before is known only from the snapshot."""

        self.shown_at_start: set[str] = set()
        self.session = ""
        self._epoch = ""
        self._last = 0
        self._is_fresh = True
        self._is_starting = True

    @property
    def seq(self) -> int:
        return 0 if self.position is None else int(self.position.split(".")[1])

    @property
    def is_started(self) -> bool:
        """The counters that close the start have come."""
        return not self._is_starting

    def connect(self, presented: str | None) -> None:
        """A new connection, opened with this position or with none."""
        self._is_starting = True
        if presented is None:
            self._start_anew()
        else:
            self.position = presented
            self._epoch, self._last = presented.split(".")[0], int(presented.split(".")[1])
            self._is_fresh = False

    def take(self, block: Block) -> None:
        if block.event == "reset":
            self.resets += 1
            self._is_starting = True
            self._start_anew()
        elif block.event == "inbox":
            self._count(block)
        elif block.event in _CHANGES and block.id is None:
            assert self._is_fresh, f"no part of a snapshot: {block}"
            assert block.event == "notification", block
            self._hold(block)
            self.shown_at_start.add(block.json()["id"])
        elif block.event in _CHANGES:
            self._move(block)
            self.events += 1
            self._hold(block)
        elif block.id is not None:
            assert block.event is None, block
            self._move(block)

    def take_all(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            self.take(block)

    def _start_anew(self) -> None:
        self.items.clear()
        self.shown_at_start.clear()
        self.position = None
        self._epoch, self._last = "", 0
        self._is_fresh = True

    def _move(self, block: Block) -> None:
        assert block.id is not None
        assert not self._is_fresh, f"a position before the start was closed: {block}"
        epoch, seq = block.id.split(".")
        assert epoch == self._epoch, f"of another epoch than {self._epoch}: {block}"
        assert int(seq) > self._last, f"not past {self._last}: {block}"
        self.position, self._last = block.id, int(seq)

    def _hold(self, block: Block) -> None:
        data = block.json()
        if block.event == "delete":
            self.items.pop(data["id"], None)
        else:
            self.items[data["id"]] = data

    def _count(self, block: Block) -> None:
        data = block.json()
        position: str = data.pop("position")
        epoch, seq = position.split(".")
        if self._is_fresh:
            self._epoch, self.begun_at, self._is_fresh = epoch, int(seq), False
        assert (block.id is not None) == self._is_starting, f"only what closes the start has an id: {block}"
        if block.id is not None:
            assert block.id == position, block
            self.session = data.pop("session")
            self.position = position
            self._is_starting = False
        assert epoch == self._epoch, f"counters of another epoch than {self._epoch}: {block}"
        assert int(seq) >= self._last, f"counters from before {self._last}: {block}"
        self._last = self.counted_at = int(seq)
        self.counters = data


_CHANGES = frozenset({"notification", "update", "delete"})


class EventStream(asyncio.Protocol):
    """One stream. Used as a context, it is dropped at the end without ceremony, as by a phone that loses its net."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._raw = bytearray()
        self._text = bytearray()
        self._blocks: deque[Block] = deque()
        self._news = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_over = False
        """The connection is closed: nothing comes any more."""

        self.is_complete = False
        """The response was brought to its end, and not cut off."""

        self.received = 0
        """Bytes, of the body."""

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        path: str = "/v1/stream",
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] = ADMIN,
        receive_buffer: int | None = None,
        seconds: float = _SECONDS,
    ) -> Self:
        """Returns when the head of the answer is there."""
        where = urlsplit(url)
        assert where.hostname is not None
        assert where.port is not None
        target = f"{path}?{urlencode(query, doseq=True)}" if query else path
        lines = [f"GET {target} HTTP/1.1", f"Host: {where.netloc}", "Accept: text/event-stream"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        request = "\r\n".join([*lines, "", ""]).encode()
        sock = socket.socket()
        sock.setblocking(False)  # noqa: FBT003
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, (where.hostname, where.port))
            _, stream = await loop.create_connection(lambda: cls(request), sock=sock)
        except BaseException:
            sock.close()
            raise
        try:
            while not stream.status:
                await stream._more(seconds)
        except BaseException:
            stream.drop()
            raise
        return stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.drop()
        while not self.is_over:
            await self._more(_SECONDS)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Takes nothing from the socket any more."""
        assert self._transport is not None
        self._transport.pause_reading()

    def resume(self) -> None:
        assert self._transport is not None
        self._transport.resume_reading()

    async def next(self, seconds: float = _SECONDS) -> Block:
        """The next block, whatever it is."""
        while not self._blocks:
            await self._more(seconds)
        return self._blocks.popleft()

    def taken(self) -> list[Block]:
        """What has come and was not asked for yet."""
        blocks = list(self._blocks)
        self._blocks.clear()
        return blocks

    async def until(self, event: str, seconds: float = _SECONDS) -> list[Block]:
        """All blocks up to the next of this kind, that one included."""
        blocks = [await self.next(seconds)]
        while blocks[-1].event != event:
            blocks.append(await self.next(seconds))
        return blocks

    async def the(self, event: str, seconds: float = _SECONDS) -> Block:
        """The next of this kind."""
        return (await self.until(event, seconds))[-1]

    async def rest(self, seconds: float = _SECONDS) -> list[Block]:
        """All that still comes until the other side has said everything, or closes."""
        while not self.is_complete and not self.is_over:
            await self._more(seconds)
        return self.taken()

    async def _more(self, seconds: float) -> None:
        if self.is_over:
            raise StreamEndedError(f"status {self.status}, {bytes(self._text)!r}")
        self._news.clear()
        async with asyncio.timeout(seconds):
            await self._news.wait()

    # The protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._raw += data
        if not self.status and not self._read_head():
            return
        self._read_body()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.is_over = True
        self._news.set()

    def _read_head(self) -> bool:
        head, end, rest = self._raw.partition(b"\r\n\r\n")
        if not end:
            return False
        first, *lines = head.decode().split("\r\n")
        for line in lines:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self._raw = rest
        self.status = int(first.split()[1])
        return True

    def _read_body(self) -> None:
        if self.headers.get("transfer-encoding") != "chunked":
            self._take(bytes(self._raw))
            self._raw.clear()
            return
        start = 0
        while (line := _CHUNK.match(self._raw, start)) is not None:
            end = line.end() + int(line[1], 16)
            if len(self._raw) < end + 2:
                break
            self.is_complete = end == line.end()
            self._take(bytes(self._raw[line.end() : end]))
            start = end + 2
        del self._raw[:start]

    def _take(self, data: bytes) -> None:
        self.received += len(data)
        self._text += data
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            *whole, self._text = self._text.split(b"\n\n")
            self._blocks += (Block.parse(block.decode()) for block in whole)

    @property
    def body(self) -> str:
        """Of an answer that is no stream."""
        return self._text.decode()


_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")
