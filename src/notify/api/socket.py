"""The door of the WebSocket: who may enter, and what their messages do."""

import asyncio
import random
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from litestar import websocket
from litestar.connection import WebSocket
from litestar.di import NamedDependency
from litestar.types import Scope
from msgspec import UNSET, Meta, Struct, UnsetType

from notify.api.access import Access, caller_of, check_access, refusal_of
from notify.api.auth import Authenticator
from notify.api.handlers import get
from notify.api.inputs import position_at, read_query
from notify.api.problems import refuse
from notify.api.rate_limits import RateLimits
from notify.api.sending import CREATE, command_of, idempotency_key, users_of
from notify.api.stream import LiveQuery, visitor_of
from notify.core.clock import Clock
from notify.core.errors import (
    FieldError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ProblemError,
    ShuttingDownError,
    SubprotocolError,
    TooManyCreatesError,
    UnauthorizedError,
    UpgradeRequiredError,
)
from notify.core.identity import Caller
from notify.core.position import Position
from notify.live.admission import Admission
from notify.live.closing import BY_REASON, FORBIDDEN, Closing
from notify.live.connection import Parts, Start, Visitor
from notify.live.messages import (
    AuthMessage,
    ByeMessage,
    ClientMessage,
    MarkingMessage,
    ReadAllMessage,
    Result,
    SendMessage,
)
from notify.live.roster import Roster
from notify.live.subprotocols import Agreement, agree
from notify.live.websocket import Errands, Socket, SocketConnection, SocketLimits, Terms
from notify.settings import Settings
from notify.store.bulk import BulkMarks
from notify.store.commands import AckCommand, ChangeCommand, Changed
from notify.store.writer import Writer

__all__ = ("SocketParts", "SocketQuery", "explain_socket", "open_socket", "turn_away")

_PATH: Final = "/v1/ws"
_BACK_SOON_MS: Final = (1_000, 5_000)
_COME_BACK_LATER_MS: Final = (5_000, 30_000)


class SocketQuery(LiveQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    window: (
        Annotated[int, Meta(ge=1, le=1000, description="At most so many events that are not acknowledged yet.")] | None
    ) = None


class SocketParts(Struct, frozen=True):
    """What every WebSocket's messages work with."""

    live: Parts
    roster: Roster
    admission: Admission
    rate_limits: RateLimits
    writer: Writer
    bulk_marks: BulkMarks
    authenticator: Authenticator
    clock: Clock
    settings: Settings


@get(_PATH, opt={"access": Access.PUBLIC})
async def explain_socket() -> None:
    """For whoever asks for it as for a page."""
    raise UpgradeRequiredError


@websocket(_PATH, opt={"access": Access.READ, "opens_live": True})
async def open_socket(socket: WebSocket[Any, Any, Any], socket_parts: NamedDependency[SocketParts]) -> None:
    try:
        agreement = agree(socket.scope["subprotocols"])
        refusal = refusal_of(socket)
        if refusal is not None:
            raise refusal
        query = read_query(socket, SocketQuery)
        visitor = visitor_of(socket, query)
        if socket_parts.roster.is_draining:
            raise ShuttingDownError
        socket_parts.admission.check(visitor.source)
    except ProblemError as problem:
        await turn_away(socket.scope, socket.send, problem)
        return
    start = Start((query.last_event_id,) if query.last_event_id else (), query.start)
    terms = Terms(agreement, _limits(socket_parts.settings), query.window)
    errands = _Errands(socket_parts, caller_of(socket), visitor)
    await Socket(socket_parts.live, visitor, start, terms, errands)(socket.scope, socket.receive, socket.send)


def _limits(settings: Settings) -> SocketLimits:
    return SocketLimits(
        messages_per_second=settings.socket_messages_per_second,
        burst=settings.socket_burst,
        most_malformed=settings.socket_most_malformed,
        heartbeat_seconds=settings.heartbeat_seconds,
    )


async def turn_away(scope: Scope, send: Any, problem: ProblemError) -> None:
    """A browser cannot see why a handshake was refused. Who speaks our subprotocol is let in, told, and sent away."""
    agreement = _agreement(scope)
    farewell = None if agreement is None or agreement.name is None else _farewell(problem)
    if agreement is None or farewell is None:
        await refuse("websocket", send, problem, scope["state"].get("request_id"))
        return
    bye, closing = farewell
    await send({"type": "websocket.accept", "subprotocol": agreement.name, "headers": []})
    await send(agreement.subprotocol.frame(bye))
    await send({"type": "websocket.close", "code": closing.code, "reason": closing.name})


def _agreement(scope: Any) -> Agreement | None:
    try:
        return agree(scope["subprotocols"])
    except SubprotocolError:
        return None


def _farewell(problem: ProblemError) -> tuple[ByeMessage, Closing] | None:
    if isinstance(problem, UnauthorizedError):
        return ByeMessage("auth"), BY_REASON["auth"]
    if isinstance(problem, ForbiddenError):
        return ByeMessage("auth"), FORBIDDEN
    if isinstance(problem, ShuttingDownError):
        return ByeMessage("shutdown", random.randint(*_BACK_SOON_MS)), BY_REASON["shutdown"]  # noqa: S311 - jitter
    if problem.retry_after_seconds is not None:
        return ByeMessage("overload", random.randint(*_COME_BACK_LATER_MS)), BY_REASON["overload"]  # noqa: S311 - jitter
    return None


class _Errands(Errands):
    """What one visitor's messages do, as far as their credential goes."""

    def __init__(self, parts: SocketParts, caller: Caller, visitor: Visitor) -> None:
        self._parts = parts
        self._caller = caller
        self._visitor = visitor

    async def carry_out(self, connection: SocketConnection, message: ClientMessage) -> Result | UnsetType:
        if isinstance(message, MarkingMessage):
            return await self._mark(message)
        if isinstance(message, ReadAllMessage):
            return await self._mark_all(message)
        if isinstance(message, SendMessage):
            return await self._create(message)
        if isinstance(message, AuthMessage):
            return await self._extend(connection, message)
        raise AssertionError(f"nobody carries out {message!r}")

    async def keep_ack(self, device: str, position: Position) -> None:
        check_access(self._caller, Access.INBOX)
        await self._parts.writer.ack(AckCommand(*self._visitor.key, device, position))

    async def _mark(self, message: MarkingMessage) -> Result:
        check_access(self._caller, Access.INBOX)
        app_id, user_id = self._visitor.key
        outcomes = await asyncio.gather(
            *(
                self._parts.writer.change(ChangeCommand(app_id, user_id, id_, message.mark))
                for id_ in dict.fromkeys(message.ids)
            ),
            return_exceptions=True,
        )
        found: dict[Any, Changed] = {}
        for id_, outcome in zip(dict.fromkeys(message.ids), outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            if outcome is not None:
                found[id_] = outcome
        missing = tuple(
            FieldError(f"/ids/{place}", "There is no such notification in this inbox, or it was deleted.")
            for place, id_ in enumerate(message.ids)
            if id_ not in found
        )
        if missing:
            raise NotFoundError("What `errors` points at is not there; the others were marked.", errors=missing)
        newest = max((changed.position for changed in found.values()), key=lambda position: position.seq)
        return Result(position=str(newest))

    async def _mark_all(self, message: ReadAllMessage) -> Result:
        check_access(self._caller, Access.INBOX)
        before = None if message.before is None else position_at("/before", message.before)
        updated, position = await self._parts.bulk_marks.mark_all(*self._visitor.key, "read", message.of, before)
        return Result(position=str(position), updated=updated)

    async def _create(self, message: SendMessage) -> Result:
        check_access(self._caller, Access.SEND)
        self._parts.rate_limits.spend_message(self._caller)
        asked, text = message.notification, message.idempotency_key
        key = None if text is None else idempotency_key(self._caller, CREATE, text, asked)
        try:
            command = command_of(self._caller, asked, self._parts.settings, self._parts.clock.now(), key)
            self._parts.rate_limits.spend_creates(self._caller.app_id, asked, users_of(command))
        except (InvalidError, ForbiddenError) as error:
            raise type(error)(error.detail, errors=_within_notification(error)) from error
        except TooManyCreatesError as error:
            raise TooManyCreatesError(
                error.detail, errors=_within_notification(error), wait_seconds=error.retry_after_seconds or 1
            ) from error
        sent = await self._parts.writer.create(command)
        return Result(id=sent.id, items=sent.items or UNSET, replayed=True if sent.replayed else UNSET)

    async def _extend(self, connection: SocketConnection, message: AuthMessage) -> Result:
        caller = await self._parts.authenticator.check(message.token)
        if (caller.app_id, caller.user_id) != self._visitor.key:
            raise ForbiddenError("This token is of somebody else; send a fresh one of the same user and app.")
        check_access(caller, Access.READ)
        ends_at = connection.expires_at
        if ends_at is not None and caller.expires_at is not None and caller.expires_at > ends_at:
            # What outlives the old token may do what the new one says.
            self._caller = caller
            now = self._parts.clock.now().timestamp()
            self._parts.roster.extend(connection, caller.expires_at, caller.credential(now))
        if connection.expires_at is None:
            return Result()
        return Result(expires_at=datetime.fromtimestamp(connection.expires_at, UTC))


def _within_notification(error: ProblemError) -> tuple[FieldError, ...]:
    return tuple(FieldError(f"/notification{one.pointer}", one.detail) for one in error.errors)
