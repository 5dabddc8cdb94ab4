"""What is answered at once because there is no room for it: before anybody looks at who asks."""

from typing import Any

from litestar.enums import ScopeType
from litestar.types import Send

from notify.api.problems import raw_problem
from notify.api.socket import turn_away
from notify.api.stream import STREAM_PATH, come_back_later
from notify.core.errors import OverloadedError

__all__ = ("ALWAYS_ANSWERED", "NO_ROOM", "shed")

ALWAYS_ANSWERED = frozenset({"/health/live", "/health/ready", "/metrics"})
"""However much there is to do: whoever looks after the service has to see it."""

NO_ROOM = "notify_no_room"
"""In the state of a request whose connection is one too many."""

_CLOSE = (b"connection", b"close")


async def shed(scope: Any, receive: Any, send: Send) -> None:
    problem = OverloadedError("Too many requests are under way. Wait as long as `Retry-After` says and send it again.")
    if scope["type"] == ScopeType.WEBSOCKET:
        await turn_away(scope, send, problem)
    elif scope["path"].rstrip("/") == STREAM_PATH and scope["method"] == "GET":
        await come_back_later()(scope, receive, send)
    else:
        headers, body = raw_problem(problem, scope["state"]["request_id"])
        headers.append((b"content-length", b"%d" % len(body)))
        if scope["state"].get(NO_ROOM):
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})
