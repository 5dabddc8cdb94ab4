"""Clients that never stay: each follows one inbox over streams and sockets in turn, on whichever process, and leaves,
falls asleep, goes back and comes again as it likes.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
import msgspec
from msgspec import Struct
from websockets.exceptions import ConnectionClosed, InvalidMessage, InvalidStatus

from support.processes import ADMIN
from support.sockets import JSON, MSGPACK, Message, Socket, open_socket
from support.streams import Block, EventStream, Held, StreamEndedError

__all__ = ("Roamer", "World")

Transport = Literal["sse", "websocket"]

_LOOK_SECONDS = 0.5
_ANSWER_SECONDS = 15.0
_STAY_SECONDS = 3.0
_LONGEST_NAP_SECONDS = 1.5
_LONGEST_PAUSE_SECONDS = 0.4
_KEPT_POSITIONS = 20
_OLDER_POSITIONS = 0.1
_NO_POSITION = 0.05

_GONE = (OSError, TimeoutError, StreamEndedError, ConnectionClosed, InvalidMessage, EOFError)


class World:
    """What all clients share."""

    def __init__(self, calls: httpx.AsyncClient, tally: Counter[str]) -> None:
        self.urls: list[str] = []
        """Where the processes are, or were."""

        self.calls = calls
        self.tally = tally
        self.arrivals: deque[str] = deque(maxlen=10)
        """Whose clients are just coming: when they may miss something."""

        self.heads: dict[str, int] = {}
        """Where each inbox ends, once nothing more is written: whoever is there has arrived."""


class Line(ABC):
    """A connection: what it shows, as blocks of a stream."""

    transport: Transport

    @abstractmethod
    async def blocks(self, seconds: float) -> list[Block]:
        """What has come; nothing if nothing comes in time."""

    @abstractmethod
    async def sleep(self, seconds: float) -> None:
        """Takes nothing meanwhile."""

    @abstractmethod
    def drop(self) -> None:
        """As by a phone that loses its net."""


class StreamLine(Line):
    transport: Transport = "sse"

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream

    async def blocks(self, seconds: float) -> list[Block]:
        try:
            return [await self._stream.next(seconds), *self._stream.taken()]
        except TimeoutError:
            return []

    async def sleep(self, seconds: float) -> None:
        self._stream.pause()
        await asyncio.sleep(seconds)
        if not self._stream.is_over:
            self._stream.resume()

    def drop(self) -> None:
        self._stream.drop()


class SocketLine(Line):
    transport: Transport = "websocket"

    def __init__(self, socket: Socket) -> None:
        self.socket = socket
        self._session = ""
        self._is_starting = True
        self.replies: list[Message] = []

    async def blocks(self, seconds: float) -> list[Block]:
        try:
            async with asyncio.timeout(seconds):
                return self._blocks_of(await self._hear())
        except TimeoutError:
            return []

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def drop(self) -> None:
        self.socket.connection.transport.abort()

    async def welcomed(self) -> None:
        async with asyncio.timeout(_ANSWER_SECONDS):
            message = await self._hear()
        if message["type"] == "bye":
            raise StreamEndedError(message["reason"])
        self._session = message["session"]

    async def go_on_from(self, position: str) -> list[Block]:
        """Asks to resume; what came before that was granted."""
        await self.socket.say("resume", after=position, ref="resume")
        before: list[Block] = []
        async with asyncio.timeout(_ANSWER_SECONDS):
            while True:
                message = await self._hear()
                if message["type"] == "reply" and message["ref"] == "resume":
                    assert message["ok"], message
                    self._is_starting = True
                    return before
                before += self._blocks_of(message)

    async def _hear(self) -> Message:
        frame = await self.socket.connection.recv()
        message: Message = msgspec.msgpack.decode(frame) if isinstance(frame, bytes) else msgspec.json.decode(frame)
        return message

    def _blocks_of(self, message: Message) -> list[Block]:
        match message:
            case {"type": "notification" | "update" as kind, "notification": shown}:
                return [_block(kind, shown, message.get("id"))]
            case {"type": "delete", "id": position, "notification_id": id_}:
                return [_block("delete", {"id": id_}, position)]
            case {"type": "reset"}:
                self._is_starting = True
                return [_block("reset", message)]
            case {"type": "inbox"}:
                return self._inbox(message)
            case {"type": "reply"}:
                self.replies.append(message)
                return []
            case {"type": "bye", "reason": "shutdown" | "overload"}:
                return []
            case _:
                raise AssertionError(f"nobody expects {message}")

    def _inbox(self, message: Message) -> list[Block]:
        position = message.pop("id", None)
        del message["type"]
        if self._is_starting:
            assert position is not None, message
            self._is_starting = False
            return [_block("inbox", message | {"session": self._session}, position)]
        # Where a stream sends an id alone.
        passed = [] if position is None else [Block(id=position)]
        return [*passed, _block("inbox", message)]


def _block(event: str, data: Any, id_: str | None = None) -> Block:
    return Block(id=id_, event=event, data=msgspec.json.encode(data).decode())


class _Visit(Struct, frozen=True):
    """How a client comes."""

    url: str
    transport: Transport
    how: Literal["fresh", "header", "query", "resume", "device"]
    position: str | None
    """What it presents or, with its device's name, has acknowledged."""


class Roamer:
    def __init__(self, world: World, name: str, user: str, home: Transport, *, has_device: bool) -> None:
        self.name = name
        self.user = user
        self.held = Held()
        self.is_there = False
        self._world = world
        self._home: Transport = home
        self._device = name if has_device else None
        self._random = random.Random(name)
        self._kept: list[str] = []
        """Some positions that it was at."""

        self._acknowledged: str | None = None
        self._asked_seq = 0
        """The latest that it has asked to acknowledge, answered or not."""

        self._asked: dict[str, str] = {}
        self._visit: _Visit | None = None

    def __str__(self) -> str:
        return f"{self.name} of {self.user} at {self.held.position}, came with {self._visit}"

    @property
    def _tally(self) -> Counter[str]:
        return self._world.tally

    async def roam(self) -> None:
        """Until it is where the inbox ends."""
        while not self.is_there:
            try:
                await self._come_and_go()
            except InvalidStatus as error:
                if error.response.status_code != 503:
                    raise
                self._tally["sockets refused"] += 1
            except _GONE as error:
                self._tally[f"lost: {type(error).__name__}"] += 1
            except AssertionError as error:
                raise AssertionError(f"{self}: {error}") from error
            await asyncio.sleep(self._random.uniform(0, _LONGEST_PAUSE_SECONDS))

    async def _come_and_go(self) -> None:
        visit = self._choose()
        self._world.arrivals.append(self.user)
        async with self._open(visit) as line:
            previous, self._visit = self._visit, visit
            if visit.position is None:
                self.held.connect(None)
            else:
                self._go_to(visit.position)
            self._tally["connections"] += 1
            self._tally[f"begun with {visit.how} over {visit.transport}"] += 1
            if previous is not None:
                self._tally["came back on another process"] += previous.url != visit.url
                self._tally["came back over another transport"] += previous.transport != visit.transport
            await self._follow(line)
            if self._random.random() < 0.5:
                line.drop()

    def _choose(self) -> _Visit:
        other: Transport = "sse" if self._home == "websocket" else "websocket"
        url = self._random.choice(self._world.urls)
        transport: Transport = self._home if self._random.random() < 0.7 else other
        if self.held.position is None or (self._device is None and self._random.random() < _NO_POSITION):
            return _Visit(url, transport, "fresh", None)
        # Not within a repetition: what was said to be dealt with is not shown again, and some of it may just have been
        # replaced by what was true before.
        if self._acknowledged is not None and self.held.seq >= self._asked_seq and self._random.random() < 0.5:
            return _Visit(url, transport, "device", self._acknowledged)
        position = self.held.position
        if self._kept and self._random.random() < _OLDER_POSITIONS:
            position = self._random.choice(self._kept)
        how = self._random.choice(("header", "query") if transport == "sse" else ("query", "resume"))
        return _Visit(url, transport, how, position)  # type: ignore[arg-type] # the checker widens the tuples

    @asynccontextmanager
    async def _open(self, visit: _Visit) -> AsyncIterator[Line]:
        query: dict[str, Any] = {"user_id": self.user}
        if self._device is not None:
            query["device"] = self._device
        if visit.how == "query":
            query["last_event_id"] = visit.position
        if visit.transport == "sse":
            headers = {**ADMIN, "Last-Event-ID": visit.position} if visit.how == "header" and visit.position else ADMIN
            async with await EventStream.open(visit.url, query=query, headers=headers) as stream:
                if stream.status != 200:
                    assert stream.status == 503, stream.body
                    raise StreamEndedError(stream.body)
                yield StreamLine(stream)
            return
        if visit.how == "resume":
            query["from"] = "now"
        if self._device is None and self._random.random() < 0.3:
            query["window"] = 10
        protocols = self._random.choice(([JSON], [MSGPACK]))
        async with open_socket(visit.url, subprotocols=protocols, headers=ADMIN, **query) as socket:
            line = SocketLine(socket)
            await line.welcomed()
            if visit.how == "resume":
                assert visit.position is not None
                await line.go_on_from(visit.position)
            yield line

    def _go_to(self, position: str) -> None:
        self.held.connect(position)
        # What lies past it is shown, so it is known even if an earlier start without a position skipped it.
        self.held.begun_at = min(self.held.begun_at, self.held.seq)

    async def _follow(self, line: Line) -> None:
        clock = asyncio.get_running_loop().time
        leaves_at = clock() + self._random.expovariate(1 / _STAY_SECONDS)
        while True:
            self._take(await line.blocks(_LOOK_SECONDS))
            if isinstance(line, SocketLine):
                self._take_replies(line.replies)
            end = self._world.heads.get(self.user)
            if end is None and clock() >= leaves_at:
                return
            if end is not None and self.held.is_started and min(self.held.seq, self.held.counted_at) >= end:
                self.is_there = True
                return
            await self._do_something(line, is_last=end is not None)

    def _take(self, blocks: Sequence[Block]) -> None:
        self.held.take_all(blocks)
        assert not self.held.resets, f"a reset that nobody asked for: {blocks}"
        self._tally["events shown"] += sum(block.id is not None and block.data is not None for block in blocks)
        if self.held.position is not None and self._random.random() < 0.1:
            self._kept = [*self._kept[1 - _KEPT_POSITIONS :], self.held.position]

    async def _do_something(self, line: Line, *, is_last: bool) -> None:
        position = self.held.position
        if self._device is None and position is not None and isinstance(line, SocketLine):
            # For those with a window, who would get nothing more.
            await line.socket.say("ack", id=position)
        if position is None or not self.held.is_started:
            return
        if self._device is not None and self.held.seq > self._asked_seq and self._random.random() < 0.2:
            await self._acknowledge(line, position)
        if is_last:
            return
        if isinstance(line, SocketLine) and self._kept and self._random.random() < 0.01:
            older = self._random.choice(self._kept)
            self._take(await line.go_on_from(older))
            self._go_to(older)
            self._tally["went back on an open socket"] += 1
        if self._random.random() < 0.01:
            await line.sleep(self._random.uniform(0, _LONGEST_NAP_SECONDS))
            self._tally["naps"] += 1

    async def _acknowledge(self, line: Line, position: str) -> None:
        self._asked_seq = self.held.seq
        if isinstance(line, SocketLine):
            ref = f"ack-{self._asked_seq}"
            self._asked[ref] = position
            await line.socket.say("ack", id=position, ref=ref)
            return
        try:
            answer = await self._world.calls.post(
                f"{self._random.choice(self._world.urls)}/v1/ack",
                params={"user_id": self.user},
                json={"device": self._device, "position": position},
            )
        except httpx.TransportError:
            return
        assert answer.status_code in {204, 503}, answer.text
        if answer.status_code == 204:
            self._note_acknowledged(position)

    def _take_replies(self, replies: list[Message]) -> None:
        for reply in replies:
            position = self._asked.pop(reply["ref"], None)
            assert position is not None, reply
            assert reply["ok"] or reply["problem"]["status"] == 503, reply
            if reply["ok"]:
                self._note_acknowledged(position)
        replies.clear()

    def _note_acknowledged(self, position: str) -> None:
        self._acknowledged = position
        self._tally["acknowledgements"] += 1
