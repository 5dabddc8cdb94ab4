"""How an answer goes out: named, and in one piece where the server takes it so."""

from typing import Any

from litestar.enums import ScopeType
from litestar.types import Scope, Send

from notify.api.problems import as_problem, refuse
from notify.api.security_headers import SECURITY_HEADERS
from notify.core.errors import InternalError, NotFoundError, ProblemError
from notify.live.transport import IN_CHUNKS

__all__ = ("ANSWERING", "Answering", "answering", "keep_failure")

ANSWERING = "answering"
_SWITCHING_PROTOCOLS = 101
_BEGINNINGS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class Answering:
    """`send`, which adds `headers` and those of every answer to whatever it is, and remembers how it began."""

    __slots__ = ("_request_id", "_send", "failure", "headers", "status")

    def __init__(self, send: Send, request_id: str, status: int) -> None:
        self._send = send
        self._request_id = request_id
        self.headers = [(b"x-request-id", request_id.encode())]
        self.status = status
        """What it was answered with, or would be if nothing came."""
        self.failure: Exception | None = None
        """Why a WebSocket could not be accepted."""

    async def __call__(self, message: Any) -> None:
        kind = message["type"]
        if kind in _BEGINNINGS:
            self.status = message.get("status", _SWITCHING_PROTOCOLS)
            first = message.pop(IN_CHUNKS, None)
            if first is not None and self._begun(message["headers"], first):
                return
            message["headers"] = [*message["headers"], *self.headers, *SECURITY_HEADERS]
            if first is not None:
                await self._send(message)
                message = {"type": "http.response.body", "body": first, "more_body": True}
        elif kind == "websocket.close" and not self.status:
            # All that Litestar says of what fails before a handler has accepted.
            # Not kept any longer: by its frames an error holds whoever holds it, until the next collection of garbage.
            failure, self.failure = self.failure, None
            await refuse("websocket", self, _problem_before_acceptance(failure), self._request_id)
            return
        await self._send(message)

    def _begun(self, headers: list[tuple[bytes, bytes]], first: bytes) -> bool:
        begin = getattr(getattr(self._send, "__self__", None), "begin", None)
        return begin is not None and begin(self.status, headers + self.headers, first)

    def at_once(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bool:
        """Whether the whole answer could be written here and now, past everything that hands messages on."""
        answer = getattr(getattr(self._send, "__self__", None), "answer", None)
        if answer is None or not answer(status, headers + self.headers, body):
            return False
        self.status = status
        return True


def answering(scope: Scope) -> Answering:
    """How this request is answered."""
    found: Answering = scope["state"][ANSWERING]
    return found


def keep_failure(error: Exception, scope: Scope) -> None:
    """A hook for Litestar, which passes on little of what fails before a WebSocket is accepted."""
    if scope["type"] == ScopeType.WEBSOCKET:
        answering(scope).failure = error


def _problem_before_acceptance(failure: Exception | None) -> ProblemError:
    if failure is None:
        return InternalError()
    # Where a path is there, but not for WebSockets, Litestar speaks of a bad request.
    return NotFoundError() if isinstance(failure.__cause__, KeyError) else as_problem(failure)
