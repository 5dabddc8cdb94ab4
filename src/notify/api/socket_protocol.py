"""WebSocket on the socket as uvicorn speaks it, but bounded where that is not, and with nothing secret in a log."""

import logging
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidState, SecurityError
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request, Response

from notify.api.problems import PROBLEM_MEDIA_TYPE
from notify.api.security_headers import SECURITY_HEADERS
from notify.core.errors import HeadTooLargeError, MalformedRequestError, ProblemError
from notify.core.ids import request_id as new_request_id
from notify.core.problem import problem_of
from notify.live.transport import MORE

__all__ = ("SocketProtocol",)

log = structlog.get_logger(__name__)

_SLICE_BYTES = 4096
_MOST_FRAGMENTS = 1000
_HEAD_ADVICE = "To open a WebSocket, send at most 128 headers, and no line longer than 8 KiB."
_GOODBYE_SECONDS = 5.0
_SHUTDOWN_SECONDS = 1.0


class SocketProtocol(WebSocketsSansIOProtocol):
    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # It would log tokens in queries, and errors where a handshake is refused or a client sends nonsense. Whatever
        # fails in our own code is logged there.
        self.logger = logging.Logger("silent", logging.CRITICAL + 1)  # noqa: LOG001 - of no hierarchy, so that it stays silent
        self.conn.logger = self.logger
        self.close_timeout = _GOODBYE_SECONDS
        self._unread = bytearray()
        self._is_reading_soon = False

    # Reading

    def data_received(self, data: bytes) -> None:
        # One read may hold thousands of small messages. A slice at a time, so that others get their turn in between,
        # and no more of them wait than fit into a slice.
        self._unread += data
        if not self._is_reading_soon and not self.read_paused:
            self._read_on()

    def _read_on(self) -> None:
        self._is_reading_soon = False
        if self._unread and not self.transport.is_closing():
            data = bytes(self._unread[:_SLICE_BYTES])
            del self._unread[:_SLICE_BYTES]
            super().data_received(data)
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                too_large = isinstance(self.conn.handshake_exc, SecurityError)
                self._refuse(HeadTooLargeError(_HEAD_ADVICE) if too_large else MalformedRequestError())
        if self.read_paused or self.transport.is_closing():
            return
        if self._unread:
            self._is_reading_soon = True
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)
        else:
            self.transport.resume_reading()

    async def receive(self) -> Any:
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            self._read_on()
        return message

    def handle_connect(self, event: Request) -> None:
        try:
            self.conn.process_request(event)
        except InvalidHandshake as error:
            self._refuse(MalformedRequestError(f"This is not how a WebSocket is opened: {error}."))
        else:
            super().handle_connect(event)

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            # A client that takes no answers gets none, instead of having them pile up here (RFC 6455, 5.5.3). There is
            # nothing else to throw away: what is held leaves before anybody else has a turn.
            self.conn.data_to_send()

    def handle_cont(self, event: Frame) -> None:
        super().handle_cont(event)
        if len(self.frames) > _MOST_FRAGMENTS and not self.close_sent:
            # Empty ones cost no bytes of the largest message, but memory.
            self.frames = []
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many fragments")
            self.handle_parser_exception()

    # Writing

    def _hold(self, message: Any) -> None:
        """Until the next one, with which it leaves in one write."""
        try:
            if message.get("bytes") is not None:
                self.conn.send_binary(message["bytes"])
            else:
                self.conn.send_text(message["text"].encode())
        except InvalidState as error:
            raise ClientDisconnected from error

    # Ending

    def handle_parser_exception(self) -> None:
        """Says why, and hears the other side out. Closing at once would reset the connection while it still sends, and
        it would not learn why.
        """
        if self.close_sent:
            return
        assert self.conn.close_sent is not None  # noqa: S101 - the parser failed the connection
        code, reason = self.conn.close_sent.code, self.conn.close_sent.reason
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._abort_in(self.close_timeout)
        else:
            self.transport.close()

    async def send(self, message: Any) -> None:
        await self.writable.wait()
        if self.close_sent:
            # Sent by the protocol itself, of which the application hears in a moment.
            raise ClientDisconnected
        if message.get(MORE):
            self._hold(message)
            return
        await super().send(message)
        if message["type"] == "websocket.close" and self.close_timer is not None:
            self._abort_in(self.close_timeout)
            # Its goodbye may lie among what has not been read yet.
            self._read_on()

    def keepalive_timeout(self) -> None:
        if self.read_paused or self._unread:
            # The answer may lie among what has not been read yet.
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def shutdown(self) -> None:
        super().shutdown()
        # Without this the process would wait for a client that takes nothing any more.
        self._abort_in(_SHUTDOWN_SECONDS)

    def _abort_in(self, seconds: float) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(seconds, self.transport.abort)

    # Refusing

    def _refuse(self, error: ProblemError) -> None:
        """What is refused before there is a request is a problem like any other."""
        request_id = new_request_id()
        log.warning("a handshake was refused", action="handshake_refused", status=error.status, request_id=request_id)
        body = msgspec.json.encode(problem_of(error, request_id))
        headers = Headers(
            {
                "Content-Type": PROBLEM_MEDIA_TYPE,
                "Content-Length": str(len(body)),
                "Connection": "close",
                "X-Request-ID": request_id,
                "Cache-Control": "no-store",
                **{name.decode(): value.decode() for name, value in SECURITY_HEADERS},
            }
        )
        self.handshake_complete = self.close_sent = True
        self.transport.write(Response(error.status, HTTPStatus(error.status).phrase, headers, body).serialize())
        self.transport.close()
