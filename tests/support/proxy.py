"""A TCP proxy in front of a PostgreSQL server that stalls, cuts and refuses on demand, and loses the answer to a chosen
statement."""

import asyncio
import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar
from urllib.parse import parse_qs, urlsplit, urlunsplit

T = TypeVar("T")

_HEAD = struct.Struct("!cI")
_SSL_REQUEST = 80877103
_GSS_REQUEST = 80877104
_CANCEL_REQUEST = 80877102
_RESET = struct.pack("ii", 1, 0)


class Fault:
    """What befalls the next `times` statements that match."""

    def __init__(self, statement: str, after: str, action: str, times: int, loop: asyncio.AbstractEventLoop) -> None:
        self.pattern = re.compile(statement, re.IGNORECASE)
        self._after = re.compile(after, re.IGNORECASE)
        self.action = action
        self.left = times
        self.happened = 0
        self.once = threading.Event()
        """Set as soon as it has happened."""

        self.released = asyncio.Event()
        self._loop = loop

    def release(self) -> None:
        """Lets through what it holds back."""
        self._loop.call_soon_threadsafe(self.released.set)

    def wait(self, seconds: float = 10) -> None:
        assert self.once.wait(seconds), f"no statement met {self.pattern.pattern!r} within {seconds} s"

    def meets(self, statement: str, previous: str) -> bool:
        if self.left == 0 or not self.pattern.search(statement) or not self._after.search(previous):
            return False
        self.left -= 1
        return True

    def report(self) -> None:
        self.happened += 1
        self.once.set()


class Proxy:
    """`url` reaches the server behind it. All methods may be called from any thread."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self._upstream_host = query.get("host", [parts.hostname or "127.0.0.1"])[0]
        self._upstream_port = int(query.get("port", [str(parts.port or 5432)])[0])
        self._faults: list[Fault] = []
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._listener: socket.socket | None = None
        self._port = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._run(self._listen())
        credentials = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
        self.url = urlunsplit(("postgresql", f"{credentials}127.0.0.1:{self._port}", parts.path, "", ""))
        self._random = random.Random()
        self.longest_delay_seconds = 0.0
        """Each answer takes up to so long, as over a network; then two connections' answers overtake each other."""

        self.cuts = 0
        """How many connections it has cut, in whatever way."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def stall(self) -> None:
        """From now on nothing passes, in either direction, and nobody is told. New connections stall too."""
        self._run(self._stall())

    def resume(self) -> None:
        self._run(self._resume())

    def cut(self) -> int:
        """Resets every connection; says how many there were."""
        return self._run(self._cut())

    def refuse(self) -> None:
        """Resets every connection and lets nobody in, as a server does that is down."""
        self._run(self._refuse())

    def accept(self) -> None:
        """Lets clients in again."""
        self._run(self._listen())

    def lose(self, statement: str, *, forwarded: bool, times: int = 1, after: str = "") -> Fault:
        """Cuts the connection at the next statement that matches, unanswered. `forwarded`: only after the server has
        executed it and answered; not forwarded: before the server has seen it. `^COMMIT` is a statement like others;
        `after` says what came before it, where others commit as well."""
        return self._arm(statement, "lose the answer" if forwarded else "lose the statement", times, after)

    def delay(self, statement: str) -> Fault:
        """Cuts the client off at the next statement that matches, and hands that to the server when it is released."""
        return self._arm(statement, "delay", 1)

    def hold(self, statement: str) -> Fault:
        """Keeps the next statement that matches from the server until it is released; neither end is told. Never
        released, it is a network that has parted."""
        return self._arm(statement, "hold", 1)

    def disarm(self) -> None:
        """No fault that has not happened yet will."""
        self._run(self._disarm())

    @property
    def connections(self) -> int:
        return len(self._pairs)

    def _arm(self, statement: str, action: str, times: int, after: str = "") -> Fault:
        fault = Fault(statement, after, action, times, self._loop)
        self._run(self._add(fault))
        return fault

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    # On the proxy's own loop.

    async def _listen(self) -> None:
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self._port))
            self._listener.setblocking(False)  # noqa: FBT003
            self._port = self._listener.getsockname()[1]
            # asyncio's own server trips over a connection that comes just as it closes.
            self._loop.add_reader(self._listener, self._let_in, self._listener)

    def _let_in(self, listener: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            task = self._loop.create_task(self._accept(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _close(self) -> None:
        await self._refuse()
        await asyncio.sleep(0)  # or one that has not begun would leave its socket open
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _stall(self) -> None:
        self._flowing.clear()

    async def _resume(self) -> None:
        self._flowing.set()

    async def _add(self, fault: Fault) -> None:
        self._faults.append(fault)

    async def _disarm(self) -> None:
        self._faults.clear()

    async def _cut(self) -> int:
        pairs = list(self._pairs)
        for pair in pairs:
            pair.cut()
        return len(pairs)

    async def _refuse(self) -> None:
        if self._listener is not None:
            self._loop.remove_reader(self._listener)
            self._listener.close()
            self._listener = None
        await self._cut()

    async def _accept(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            _abort(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Or each answer that goes out in two parts would wait 40 ms for the client to acknowledge the first.
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        greeting = await self._greeting(reader, writer)
        await self._flowing.wait()
        if self._upstream_host.startswith("/"):
            path = f"{self._upstream_host}/.s.PGSQL.{self._upstream_port}"
            upstream = await asyncio.open_unix_connection(path)
        else:
            upstream = await asyncio.open_connection(self._upstream_host, self._upstream_port)
        pair = _Pair(
            (reader, writer),
            upstream,
            self._flowing,
            self._next_fault,
            count_cut=self._count_cut,
            delay=self._delay,
        )
        self._pairs.add(pair)
        try:
            upstream[1].write(greeting)
            await pair.run()
        finally:
            self._pairs.discard(pair)
            pair.close()

    async def _greeting(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The client's first message; offers of encryption are declined."""
        while True:
            head = await reader.readexactly(8)
            length, code = struct.unpack("!II", head)
            if code not in {_SSL_REQUEST, _GSS_REQUEST}:
                return head + await reader.readexactly(length - 8)
            await self._flowing.wait()
            writer.write(b"N")

    def _next_fault(self, statement: str, previous: str) -> Fault | None:
        return next((fault for fault in self._faults if fault.meets(statement, previous)), None)

    def _count_cut(self) -> None:
        self.cuts += 1

    def _delay(self) -> float:
        return self._random.uniform(0, self.longest_delay_seconds)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Pair:
    """A client's connection and the one to the server that goes with it."""

    def __init__(
        self,
        client: Stream,
        server: Stream,
        flowing: asyncio.Event,
        next_fault: Callable[[str, str], Fault | None],
        *,
        count_cut: Callable[[], None],
        delay: Callable[[], float],
    ) -> None:
        self._client = client
        self._server = server
        self._flowing = flowing
        self._next_fault = next_fault
        self._count_cut = count_cut
        self._delay = delay
        self._prepared: dict[bytes, str] = {}
        self._bound = ""
        self._executes: list[str] = []
        self._previous = ""
        self._answers_due = 0
        self._losing: Fault | None = None
        self._is_cut = False

    async def run(self) -> None:
        both = [asyncio.create_task(self._forward_requests()), asyncio.create_task(self._forward_answers())]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    def cut(self) -> None:
        if not self._is_cut:
            self._is_cut = True
            self._count_cut()
            _abort(self._client[1])
            _abort(self._server[1])

    def close(self) -> None:
        _abort(self._client[1])
        # Not aborted: what the client sent before it left still reaches the server, as on a real network.
        self._server[1].close()

    async def _forward_requests(self) -> None:
        waiting = bytearray()
        while True:
            kind, message = await _read_message(self._client[0])
            waiting += message
            self._note(kind, message[_HEAD.size :])
            if kind not in b"QSHXpdcf":
                continue
            await self._flowing.wait()
            fault = self._fault_at(kind)
            if fault is not None and await self._befall(fault):
                return
            if kind in b"QS":
                self._answers_due += 1
            self._server[1].write(bytes(waiting))
            waiting.clear()
            await self._server[1].drain()

    async def _forward_answers(self) -> None:
        while True:
            kind, message = await _read_message(self._server[0])
            if kind == b"Z" and (seconds := self._delay()):
                await asyncio.sleep(seconds)
            await self._flowing.wait()
            if kind == b"Z" and self._answers_due:
                self._answers_due -= 1
            if self._losing is None:
                self._client[1].write(message)
                await self._client[1].drain()
            elif kind == b"Z" and not self._answers_due:
                fault = self._losing
                self.cut()
                fault.report()
                return

    async def _befall(self, fault: Fault) -> bool:
        """What happens before the statement is forwarded; whether it is lost."""
        if fault.action == "lose the statement":
            self.cut()
            fault.report()
            return True
        if fault.action == "delay":
            self._count_cut()
            _abort(self._client[1])
        if fault.action == "lose the answer":
            self._losing = fault
        else:
            fault.report()
            await fault.released.wait()
        return False

    def _note(self, kind: bytes, body: bytes) -> None:
        """Keeps track of which text the next Execute stands for."""
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._prepared[name] = text.decode(errors="replace")
        elif kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            self._bound = self._prepared.get(name, "")
        elif kind == b"E":
            self._executes.append(self._bound)
        elif kind == b"Q":
            self._executes.append(body.rstrip(b"\0").decode(errors="replace"))

    def _fault_at(self, kind: bytes) -> Fault | None:
        if kind not in b"QS":
            return None
        statements, self._executes = self._executes, []
        for statement in statements:
            previous, self._previous = self._previous, statement
            if (fault := self._next_fault(statement, previous)) is not None:
                return fault
        return None


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(_HEAD.size)
    kind, length = _HEAD.unpack(head)
    return kind, head + await reader.readexactly(length - 4)


def _abort(writer: asyncio.StreamWriter) -> None:
    """With a reset, so that whoever waits on the other end is told at once."""
    sock = writer.get_extra_info("socket")
    with suppress(OSError):
        if sock is not None and sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
