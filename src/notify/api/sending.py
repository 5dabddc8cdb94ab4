"""What producers do: create, one or many at a time, and edit in place."""

import asyncio
import hashlib
import itertools
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET

from notify.api.access import Access, caller_of, owner_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import patch, post
from notify.api.inputs import NoQuery, header, read_body, read_query
from notify.api.messages import BatchAnswer, BatchBody, BatchItem, ChangedAnswer, Owner, SentAnswer
from notify.api.parts import clock_of, settings_of
from notify.api.rate_limits import RateLimits
from notify.api.routes import route
from notify.api.typed import check_type_of
from notify.core.decoding import decoded
from notify.core.errors import (
    DatabaseAwayError,
    IdempotencyBusyError,
    IdempotencyMismatchError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    ProblemError,
    TooManyCreatesError,
)
from notify.core.identity import Caller
from notify.core.ids import uuid7
from notify.core.notification import (
    Audience,
    Create,
    Edit,
    changes_of,
    check_passing,
    content_of,
    recipients_of,
    topics_of,
)
from notify.core.problem import problem_of
from notify.core.rights import check_create, check_edit
from notify.core.times import expiry, send_time
from notify.settings import Settings
from notify.store.commands import (
    CreateCommand,
    FlashCommand,
    IdempotencyKey,
    PublishCommand,
    ScheduleCommand,
    SendCommand,
    Sent,
)
from notify.store.edits import Amendment
from notify.store.writer import Writer

__all__ = ("CREATE", "SendingController", "command_of", "idempotency_key", "users_of")

CREATE = "POST /v1/notifications"
"""The call that an idempotency key is of; a WebSocket's `send` is the same call."""

_LONGEST_KEY = 255
_CREATED = 201
_ACCEPTED = 202
_REPLAYED = [(b"idempotency-replayed", b"true")]
_decode_create = msgspec.json.Decoder(Create).decode
_Command = SendCommand | ProblemError
_canonical = msgspec.json.Encoder(order="sorted").encode

_CREATE_EXAMPLE = {
    "to": "alice",
    "title": "Your table is ready",
    "body": "Table 7, by the window.",
    "type": "booking.ready",
    "level": "success",
    "url": "/bookings/7",
    "data": {"table": 7},
    "collapse_key": "booking-7",
}
_TO_A_TOPIC = {"to": {"topic": "kitchen/news"}, "title": "A new menu from Monday", "exclude": ["alice"]}
_TO_WHOEVER_IS_THERE = {"to": {"topic": "kitchen/7"}, "title": "Bob is typing", "durable": False, "exclude": ["bob"]}
_TO_SEVERAL = {"to": ["alice", "bob"], "title": "The kitchen closes in 30 minutes", "level": "warning"}


class SendingController(Controller):
    path = "/"
    tags = ("Sending",)

    @post(
        "/",
        operation_id="createNotification",
        summary="Send a notification to one user or to many",
        opt=route(
            Access.SEND,
            status=_CREATED,
            answer=SentAnswer,
            body=Create,
            request_headers=("Idempotency-Key",),
            examples={
                "To one user": _CREATE_EXAMPLE,
                "To several": _TO_SEVERAL,
                "To a topic": _TO_A_TOPIC,
                "To whoever is there": _TO_WHOEVER_IS_THERE,
            },
            statuses_too=(_ACCEPTED,),
            problems=(IdempotencyBusyError, IdempotencyMismatchError, OverloadedError, TooManyCreatesError),
        ),
    )
    async def create(
        self,
        request: Request[Any, Any, Any],
        writer: NamedDependency[Writer],
        rate_limits: NamedDependency[RateLimits],
    ) -> Answer:
        """Stores it for each named user, all or none, and answers once it is committed. With an `Idempotency-Key` the
        same call sent again gets the first one's answer and `Idempotency-Replayed: true`.

        To `{"topic"}`, `{"topics"}` or `{"everyone"}` it is published: 202, with the id of the operation. Those it is
        for have it when they are connected, or as soon as they look. With a `send_at` to come it waits: 202, with the
        id that `DELETE /v1/scheduled/{id}` takes. With `"durable": false` it is shown to those who are connected now
        and to nobody else: 202, with the id that they see.
        """
        read_query(request, NoQuery)
        asked = await read_body(request, Create)
        caller = caller_of(request)
        key = _key_in(request, CREATE, asked)
        command = command_of(caller, asked, settings_of(request), clock_of(request).now(), key)
        rate_limits.spend_creates(caller.app_id, asked, users_of(command))
        sent = await writer.create(command)
        return json_answer(
            SentAnswer(sent.id, sent.items or UNSET),
            status=_CREATED if sent.items else _ACCEPTED,
            headers=_REPLAYED if sent.replayed else None,
        )

    @post(
        "/batch",
        operation_id="createNotifications",
        summary="Send many different notifications in one call",
        status_code=200,
        opt=route(
            Access.SEND,
            answer=BatchAnswer,
            body=BatchBody,
            request_headers=("Idempotency-Key",),
            examples={"Two": {"items": [_CREATE_EXAMPLE, _TO_SEVERAL]}},
            problems=(IdempotencyBusyError, IdempotencyMismatchError, OverloadedError, TooManyCreatesError),
        ),
    )
    async def create_many(
        self,
        request: Request[Any, Any, Any],
        writer: NamedDependency[Writer],
        rate_limits: NamedDependency[RateLimits],
    ) -> Answer:
        """Each item is a create as `POST /v1/notifications` takes it and is answered for itself, in the same order: one
        that is wrong does not keep the others from being sent.
        """
        read_query(request, NoQuery)
        settings = settings_of(request)
        asked = await read_body(request, BatchBody, limit="max_batch_body_bytes")
        if len(asked.items) > settings.max_batch_items:
            raise InvalidError.at("/items", f"At most {settings.max_batch_items} items (NOTIFY_MAX_BATCH_ITEMS).")
        caller = caller_of(request)
        now = clock_of(request).now()
        creates = [_decoded_item(item) for item in asked.items]
        commands = [_item_command(caller, create, settings, now) for create in creates]
        recipients = sum(command.rows for command in commands if not isinstance(command, ProblemError))
        if recipients > settings.max_batch_recipients:
            raise InvalidError.at(
                "/items",
                f"At most {settings.max_batch_recipients} users in all items together (NOTIFY_MAX_BATCH_RECIPIENTS).",
            )
        items = [bytes(item) for item in asked.items]
        refused = [place for place, command in enumerate(commands) if isinstance(command, ProblemError)]
        key = _key_in(request, f"{CREATE}/batch", (items, refused))
        if key is not None:
            commands = _keyed(commands, key)
        outcomes = await _write_all(writer, _within(rate_limits, creates, commands, keyed=key is not None))
        sent = [outcome for outcome in outcomes if isinstance(outcome, Sent)]
        replayed = bool(sent) and all(outcome.replayed for outcome in sent)
        return json_answer(
            BatchAnswer([_batch_item(outcome) for outcome in outcomes]), headers=_REPLAYED if replayed else None
        )

    @patch(
        "/{notification_id:uuid}",
        operation_id="editNotification",
        summary="Edit a notification in place",
        opt=route(
            Access.SEND,
            answer=ChangedAnswer,
            body=Edit,
            query=Owner,
            examples={
                "Progress": {"body": "Your order has left the kitchen.", "progress": 0.8},
                "News of it": {"title": "Your table is ready now", "level": "success", "resurface": True},
            },
            problems=(NotFoundError, OverloadedError),
        ),
    )
    async def edit(
        self,
        request: Request[Any, Any, Any],
        notification_id: FromPath[UUID],
        writer: NamedDependency[Writer],
    ) -> Answer:
        """Every device sees it change. What the body leaves out stays, `null` clears. Edits that follow each other
        quickly go out as one; the last always does, and each is answered once it is committed.
        """
        query = read_query(request, Owner)
        asked = await read_body(request, Edit)
        app_id, user_id = owner_of(request, query.user_id)
        check_edit(caller_of(request), asked)
        await check_type_of(request, notification_id)
        columns = changes_of(asked, settings_of(request).limits)
        changed = await writer.edit(app_id, user_id, notification_id, Amendment(columns, asked.resurface))
        if changed is None:
            raise NotFoundError("There is no such notification, or it was deleted.")
        return json_answer(ChangedAnswer(changed.notification, str(changed.position)), position=changed.position)


def command_of(
    caller: Caller, asked: Create, settings: Settings, now: datetime, key: IdempotencyKey | None = None
) -> SendCommand:
    check_create(caller, asked, settings.max_peer_recipients)
    limits = settings.limits
    if not asked.durable:
        check_passing(asked)
    send_at = send_time(asked.send_at, now)
    content = content_of(asked, limits, expiry(asked.expires_at, asked.ttl_seconds, send_at or now))
    topics = topics_of(asked, asked.to, limits) if isinstance(asked.to, Audience) else []
    users = recipients_of(asked, limits)
    # Whoever is excluded from users is not among them any more.
    excluded = [] if users else asked.exclude
    if not asked.durable:
        return FlashCommand(caller.app_id, users, topics, excluded, content, uuid7(), key)
    if send_at is not None:
        return ScheduleCommand(caller.app_id, users, topics, excluded, content, uuid7(), send_at, key)
    if users:
        return CreateCommand.to(caller.app_id, users, content, key)
    return PublishCommand(caller.app_id, topics, excluded, content, uuid7(), key)


def idempotency_key(caller: Caller, call: str, text: str, asked: object) -> IdempotencyKey:
    # Users' tokens and API keys do not share keys, nor do two users.
    owner = "" if caller.user_id is None else caller.user_id
    meant = f"{call}\n".encode() + _canonical(asked)
    return IdempotencyKey(
        caller.app_id, hashlib.sha256(f"{owner}\x00{text}".encode()).digest(), hashlib.sha256(meant).digest()
    )


def users_of(command: SendCommand) -> list[str]:
    """Those that it names; none where it is for an audience."""
    if isinstance(command, CreateCommand):
        return [recipient.user_id for recipient in command.recipients]
    return [] if isinstance(command, PublishCommand) else command.user_ids


def _decoded_item(item: msgspec.Raw) -> Create | ProblemError:
    try:
        return decoded(_decode_create, bytes(item))
    except ProblemError as problem:
        return problem


def _item_command(caller: Caller, create: Create | ProblemError, settings: Settings, now: datetime) -> _Command:
    if isinstance(create, ProblemError):
        return create
    try:
        return command_of(caller, create, settings, now)
    except ProblemError as problem:
        return problem


def _within(
    limits: RateLimits, creates: list[Create | ProblemError], commands: list[_Command], *, keyed: bool
) -> list[_Command]:
    """With those that have to wait as problems. With an idempotency key the first may not be one of them alone: it is
    where another request with that key is met.
    """
    allowed: list[_Command] = []
    is_first = keyed
    for create, command in zip(creates, commands, strict=True):
        if isinstance(create, ProblemError) or isinstance(command, ProblemError):
            allowed.append(command)
            continue
        try:
            limits.spend_creates(command.app_id, create, users_of(command))
        except TooManyCreatesError as problem:
            if is_first:
                raise
            allowed.append(problem)
        else:
            allowed.append(command)
        is_first = False
    return allowed


def _keyed(commands: list[_Command], key: IdempotencyKey) -> list[_Command]:
    """Each create with its part of the key. Only creates are counted, so that whatever is written with a key, there is
    a part 0: where another request meets it.
    """
    parts = itertools.count()
    return [
        command
        if isinstance(command, ProblemError)
        else msgspec.structs.replace(command, key=msgspec.structs.replace(key, part=next(parts)))
        for command in commands
    ]


async def _write_all(writer: Writer, commands: list[_Command]) -> list[Sent | ProblemError]:
    outcomes: list[Sent | ProblemError] = [
        command if isinstance(command, ProblemError) else InvalidError() for command in commands
    ]
    places = [place for place, command in enumerate(commands) if not isinstance(command, ProblemError)]
    # The first item settles what the key means before any other is written: another request's key, or one that is
    # still running, refuses the whole call.
    for group in (places[:1], places[1:]):
        results = await asyncio.gather(*(_written(writer, commands[place]) for place in group))
        for place, result in zip(group, results, strict=True):
            if isinstance(result, (IdempotencyMismatchError, IdempotencyBusyError, DatabaseAwayError, OverloadedError)):
                raise result
            outcomes[place] = result
    return outcomes


async def _written(writer: Writer, command: _Command) -> Sent | ProblemError:
    assert not isinstance(command, ProblemError)  # noqa: S101 - the caller picked the others
    try:
        return await writer.create(command)
    except ProblemError as problem:
        return problem


def _batch_item(outcome: Sent | ProblemError) -> BatchItem:
    if isinstance(outcome, ProblemError):
        return BatchItem(outcome.status, problem=problem_of(outcome))
    return BatchItem(_CREATED if outcome.items else _ACCEPTED, id=outcome.id, items=outcome.items or UNSET)


def _key_in(request: Request[Any, Any, Any], call: str, asked: object) -> IdempotencyKey | None:
    text = header(request, b"idempotency-key")
    if text is None:
        return None
    if not 1 <= len(text) <= _LONGEST_KEY:
        raise InvalidError.at("Idempotency-Key", f"Send 1 to {_LONGEST_KEY} characters.")
    return idempotency_key(caller_of(request), call, text, asked)
