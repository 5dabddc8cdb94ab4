"""Clients of the WebSocket: one on the `websockets` library, and one over a bare socket that may do anything."""

import asyncio
import base64
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

__all__ = ("JSON", "MSGPACK", "BareSocket", "Message", "Socket", "open_socket", "seq_of", "socket_url")

JSON = "notify.v1.json"
MSGPACK = "notify.v1.msgpack"
_SECONDS = 10.0

Message = dict[str, Any]


def socket_url(url: str, **query: Any) -> str:
    path = f"ws{url.removeprefix('http')}/v1/ws"
    return f"{path}?{urlencode(query)}" if query else path


def seq_of(position: str) -> int:
    return int(position.split(".")[1])


class Socket:
    """What was heard stays in `heard`, so that one may wait for one message and look at the others later."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.heard: list[Message] = []
        self._refs = 0

    @property
    def packs(self) -> bool:
        return self.connection.subprotocol == MSGPACK

    async def hear(self, seconds: float = _SECONDS) -> Message:
        try:
            async with asyncio.timeout(seconds):
                frame = await self.connection.recv()
        except TimeoutError:
            raise AssertionError(f"nothing came within {seconds} s after {self.heard[-3:]}") from None
        assert isinstance(frame, bytes) == self.packs, frame
        message: Message = msgspec.msgpack.decode(frame) if isinstance(frame, bytes) else msgspec.json.decode(frame)
        self.heard.append(message)
        return message

    async def until(self, wanted: str | Callable[[Message], bool], seconds: float = _SECONDS) -> Message:
        """The next message of a type, or that meets a condition."""
        async with asyncio.timeout(seconds):
            while True:
                message = await self.hear(seconds)
                if message["type"] == wanted if isinstance(wanted, str) else wanted(message):
                    return message

    async def started(self) -> Message:
        """The `inbox` that closes the start."""
        return await self.until(lambda message: message["type"] == "inbox" and "id" in message)

    async def reached(self, position: str | int) -> None:
        """Everything up to a position has been heard."""
        wanted = position if isinstance(position, int) else seq_of(position)
        if self.events and seq_of(self.events[-1]["id"]) >= wanted:
            return
        await self.until(lambda message: "id" in message and seq_of(message["id"]) >= wanted)

    @property
    def events(self) -> list[Message]:
        """What was heard that has a position, but for the counters."""
        return [message for message in self.heard if "id" in message and message["type"] != "inbox"]

    async def say(self, kind: str, **fields: Any) -> None:
        message = {"type": kind, **fields}
        await self.connection.send(
            msgspec.msgpack.encode(message) if self.packs else msgspec.json.encode(message).decode()
        )

    async def ask(self, kind: str, **fields: Any) -> Message:
        """Says something and returns the reply to it."""
        self._refs += 1
        ref = f"ref-{self._refs}"
        await self.say(kind, ref=ref, **fields)
        return await self.until(lambda message: message["type"] == "reply" and message["ref"] == ref)

    async def told(self, kind: str, **fields: Any) -> Message:
        """The same where it has to succeed; what it brought about."""
        reply = await self.ask(kind, **fields)
        assert reply["ok"], reply
        result: Message = reply.get("result", {})
        return result

    async def refused(self, kind: str, **fields: Any) -> Message:
        """The same where it has to be refused; the problem."""
        reply = await self.ask(kind, **fields)
        assert not reply["ok"], reply
        problem: Message = reply["problem"]
        return problem

    async def ended(self, seconds: float = _SECONDS) -> int:
        """The code that the server closes it with, once everything that came before has been heard."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.hear(seconds)
                except ConnectionClosed as closed:
                    return 1006 if closed.rcvd is None else closed.rcvd.code

    @property
    def bye(self) -> Message:
        last = self.heard[-1]
        assert last["type"] == "bye", last
        return last


@asynccontextmanager
async def open_socket(
    url: str,
    *,
    subprotocols: Sequence[str] | None = (JSON,),
    headers: Mapping[str, str] | None = None,
    **query: Any,
) -> AsyncIterator[Socket]:
    offered = None if subprotocols is None else [Subprotocol(name) for name in subprotocols]
    async with connect(
        socket_url(url, **query),
        subprotocols=offered,
        additional_headers=headers,
        compression=None,
        ping_interval=None,
        close_timeout=1,
        max_size=None,
    ) as connection:
        yield Socket(connection)


class BareSocket:
    """A client that reads only when told to, answers no ping, and may send any bytes."""

    def __init__(
        self, url: str, *, receive_buffer: int | None = None, path: str = "", request: str = "", **query: Any
    ) -> None:
        parts = urlsplit(url)
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(_SECONDS)
        self.socket.connect((parts.hostname, parts.port))
        key = base64.b64encode(os.urandom(16)).decode()
        request = request or f"GET {path or '/v1/ws'}?{urlencode(query)} HTTP/1.1"
        self.socket.sendall(
            f"{request}\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode("latin-1")
        )
        self._unread = b""
        self.head = self._until(b"\r\n\r\n").decode().lower().replace("http/", "HTTP/")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, opcode: int, payload: bytes, *, fin: bool = True) -> None:
        self.socket.sendall(frame(opcode, payload, fin=fin))

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Each frame's opcode and payload, up to the end of the connection."""
        while True:
            try:
                opcode, length = self._take(2)
                if length == 126:
                    (length,) = struct.unpack("!H", self._take(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", self._take(8))
                payload = self._take(length)
            except (EOFError, ConnectionError):
                return
            yield opcode & 0x0F, payload

    def close_code(self) -> int | None:
        """The code of the close frame at the end, if there is one."""
        last = [payload for opcode, payload in self.frames() if opcode == 0x8]
        return int.from_bytes(last[-1][:2]) if last else None

    def _until(self, end: bytes) -> bytes:
        while end not in self._unread:
            self._more()
        found, _, self._unread = self._unread.partition(end)
        return found

    def _take(self, length: int) -> bytes:
        while len(self._unread) < length:
            self._more()
        taken, self._unread = self._unread[:length], self._unread[length:]
        return taken

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError
        self._unread += data


def frame(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    """A client's frame; masked with zeros, which is a mask."""
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 1 << 16:
        head += b"\xfe" + struct.pack("!H", len(payload))
    else:
        head += b"\xff" + struct.pack("!Q", len(payload))
    return head + bytes(4) + payload
