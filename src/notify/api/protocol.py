"""HTTP on the socket as uvicorn speaks it, but what it refuses before there is a request is a problem like any other,
and a request's head is bounded, in bytes and in time.
"""

import asyncio
from typing import Any, NoReturn

import msgspec
import structlog
from uvicorn._types import ASGI3Application, ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from notify.api.problems import PROBLEM_MEDIA_TYPE
from notify.api.security_headers import SECURITY_LINES
from notify.api.shedding import NO_ROOM
from notify.api.transports import Transports
from notify.core.errors import HeadTooLargeError, HeadTooSlowError, MalformedRequestError, ProblemError
from notify.core.ids import request_id as new_request_id
from notify.core.problem import problem_of

__all__ = ("HttpProtocol",)

log = structlog.get_logger(__name__)

_MOST_HEAD_BYTES = 64 * 1024


class HttpProtocol(HttpToolsProtocol):
    _in_head = False
    _in_lines = False
    """Of the head, or of the trailer that may follow a chunked body."""

    _line_bytes = 0
    _owes = True
    _refusal: ProblemError | None = None

    def __init__(self, *arguments: Any, transports: Transports, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._transports = transports

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._transports.came(self, self.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transports.left(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        was_in_lines = self._in_lines
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and not self._owes:
            self._is_owing()
        # The parser hands a header over when it has all of it, so that an endless one is seen only here.
        if was_in_lines and self._in_lines:
            self._line_bytes += len(data)
            if self._line_bytes > _MOST_HEAD_BYTES:
                self._refuse(HeadTooLargeError())

    # What it owes

    def _is_owing(self) -> None:
        self._owes = True
        self._transports.owes(self)

    def _has_paid(self) -> None:
        self._owes = False
        self._transports.has_paid(self)

    def too_late(self) -> None:
        if self.transport.is_closing():
            return
        if self._in_head:
            self._refuse(HeadTooSlowError())
        else:
            # It said nothing at all, or goes on with a body that was answered.
            self.transport.close()

    def give_way(self) -> None:
        self.transport.abort()

    # A request

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._in_lines = True
        self._line_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # A trailer would join the headers, past whatever a proxy in front has checked or set there.
        if not self._in_head:
            return
        # The rest is uvicorn's, written here because it runs for each header.
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_chunk_header(self) -> None:
        self._in_lines = True
        self._line_bytes = 0

    def on_body(self, body: bytes) -> None:
        self._in_lines = False
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._in_lines = False
        if self._owes:
            self._has_paid()
        assert self.parser is not None  # noqa: S101 - it calls
        length, hosts = len(self.url), 0
        for name, value in self.headers:
            length += len(name) + len(value)
            hosts += name == b"host"
        if length > _MOST_HEAD_BYTES:
            self._stop(HeadTooLargeError())
        # Of two, a proxy in front may have gone by the other (RFC 9112, 3.2).
        if hosts > 1:
            self._stop(MalformedRequestError())
        is_extra = self._transports.is_extra(self)
        if is_extra:
            self.scope["state"] = {**self.app_state, NO_ROOM: True}
        super().on_headers_complete()
        if is_extra and self.cycle is not None:
            self.cycle.keep_alive = False

    def handle_websocket_upgrade(self) -> None:
        if self._transports.is_extra(self):
            self.app_state = self.app_state | {NO_ROOM: True}
        self._transports.left(self)
        super().handle_websocket_upgrade()

    def on_message_complete(self) -> None:
        self._in_lines = False
        if self._owes:
            self._has_paid()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Uvicorn would read on for as long as there is more, and throw it away.
        if self.cycle.response_complete and self.cycle.more_body and not self.transport.is_closing():
            self._is_owing()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        # Uvicorn makes the cycle itself and leaves no place to say of which class.
        cycle.__class__ = _Cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says more
        refusal, self._refusal = self._refusal, None
        self._refuse(refusal or MalformedRequestError())

    def _stop(self, refusal: ProblemError) -> NoReturn:
        """The parser turns what is raised here into an error of its own, for which `send_400_response` is called."""
        self._refusal = refusal
        raise refusal

    def _refuse(self, error: ProblemError) -> None:
        before = self.cycle
        if before is not None and not before.more_body and not before.response_started:
            # What is refused came after a whole request, whose answer must not be taken from it.
            before.keep_alive = False
            self.flow.pause_reading()
            return
        if before is None or not before.response_started or before.response_complete:
            request_id = new_request_id()
            log.warning("a request was refused", action="request_refused", status=error.status, request_id=request_id)
            body = msgspec.json.encode(problem_of(error, request_id))
            head = (
                f"content-type: {PROBLEM_MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
                f"x-request-id: {request_id}\r\ncache-control: no-store\r\nconnection: close\r\n"
            )
            self.transport.write(b"".join((STATUS_LINE[error.status], head.encode(), SECURITY_LINES, b"\r\n", body)))
        self.transport.close()


class _Cycle(RequestResponseCycle):
    def answer(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Writes a whole answer with what every answer says, unless it is one of those that ask for more care. In two
        messages of ASGI each header would be looked at again.
        """
        if not self._is_usual():
            return False
        self.response_started = self.response_complete = True
        self.waiting_for_100_continue = False
        self.transport.write(b"".join((*self._head(status, headers), b"\r\n", body)))
        self.message_event.set()
        self.on_response()
        return True

    def begin(self, status: int, headers: list[tuple[bytes, bytes]], first: bytes) -> bool:
        """The same for the head of an answer that comes in chunks, and the first of them."""
        if not self._is_usual():
            return False
        self.response_started = self.chunked_encoding = True
        self.expected_content_length = 0
        self.waiting_for_100_continue = False
        chunk = b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(first), first)
        self.transport.write(b"".join((*self._head(status, headers), chunk)))
        return True

    def _is_usual(self) -> bool:
        return (
            self.keep_alive
            and not self.response_started
            and self.scope["method"] != "HEAD"
            and not self.flow.write_paused
            and not self.disconnected
            and not self.transport.is_closing()
        )

    def _head(self, status: int, headers: list[tuple[bytes, bytes]]) -> list[bytes]:
        lines = [STATUS_LINE[status]]
        for name, value in self.default_headers:
            lines += name, b": ", value, b"\r\n"
        for name, value in headers:
            lines += name, b": ", value, b"\r\n"
        lines.append(SECURITY_LINES)
        return lines

    async def send(self, message: ASGISendEvent) -> None:
        # uvloop refuses to write to who has left, and tells uvicorn that they have only a moment later.
        if self.transport.is_closing():
            self.disconnected = True
        await super().send(message)
