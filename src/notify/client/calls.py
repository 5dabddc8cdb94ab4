"""Every call a producer makes: what is asked, and how its answer is read. The clients offer these as methods."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID, uuid4

import msgspec

from notify.client.answers import (
    BatchItem,
    Changed,
    Count,
    Inbox,
    MarkedAll,
    Notification,
    Operation,
    Page,
    Presence,
    Scheduled,
    Sent,
    Subscription,
    SubscriptionItem,
    Token,
    TopicState,
)
from notify.client.message import Edit, Message
from notify.client.retrying import Answer, Call, Request
from notify.core.states import BulkMark, Mark, Status

__all__ = (
    "batch",
    "batch_of",
    "cancel",
    "count",
    "delete",
    "edit",
    "edit_operation",
    "end_sessions",
    "mark",
    "mark_all",
    "notification",
    "notifications",
    "operation",
    "presence",
    "recall",
    "scheduled",
    "send",
    "set_topic",
    "subscribe",
    "subscribe_many",
    "subscribers",
    "subscriptions",
    "token",
    "topic_settings",
    "unset_topic",
    "unsubscribe",
)

T = TypeVar("T")

_encode = msgspec.json.Encoder(uuid_format="canonical").encode


class _Items(msgspec.Struct, frozen=True):
    items: list[BatchItem]


class _Subscribed(msgspec.Struct, frozen=True):
    items: list[SubscriptionItem]


class _Present(msgspec.Struct, frozen=True):
    items: list[Presence]


# Sending


def send(message: Message, *, idempotency_key: str | None = None) -> Call[Sent]:
    """Stored before it is answered. With a key of your own, such as `booking-7-ready`, the same message is sent once
    however often, and from however many processes, it is asked for within a day.
    """
    request = Request("POST", "/v1/notifications", "", _encode(message), _once(idempotency_key))
    return Call(request, _read_sent)


def batch(messages: Iterable[Message], *, idempotency_key: str | None = None) -> Call[list[BatchItem]]:
    """Up to 1,000 at a time, each answered for itself and in the same order: one that is refused does not keep the
    others from being sent.
    """
    return batch_of([_encode(message) for message in messages], idempotency_key)


def batch_of(messages: Sequence[bytes], idempotency_key: str | None = None) -> Call[list[BatchItem]]:
    """The same of messages that are encoded already."""
    body = b'{"items":[%b]}' % b",".join(messages)
    return Call(
        Request("POST", "/v1/notifications/batch", "", body, _once(idempotency_key)),
        lambda answer: _as(_Items)(answer).items,
    )


def edit(notification_id: UUID | str, change: Edit) -> Call[Changed]:
    """Every device sees it change. Edits that follow each other quickly go out as one; the last always does."""
    return _call("PATCH", f"/v1/notifications/{_id(notification_id)}", Changed, body=change)


def delete(notification_id: UUID | str) -> Call[None]:
    """Gone from every device. Deleting it again is fine."""
    return _call_without_answer("DELETE", f"/v1/notifications/{_id(notification_id)}")


# What was published to an audience


def operation(operation_id: UUID | str) -> Call[Operation]:
    """How many it is for where that is known, and how many have it, have seen and read it by now."""
    return _call("GET", f"/v1/operations/{_id(operation_id)}", Operation)


def edit_operation(operation_id: UUID | str, change: Edit) -> Call[Operation]:
    """For those who have it and for those who are still to get it."""
    return _call("PATCH", f"/v1/operations/{_id(operation_id)}", Operation, body=change)


def recall(operation_id: UUID | str) -> Call[None]:
    """Gone from every inbox that has it, and nobody else gets it."""
    return _call_without_answer("DELETE", f"/v1/operations/{_id(operation_id)}")


# What is to be sent later


def scheduled(*, limit: int = 20, cursor: str | None = None) -> Call[Page[Scheduled]]:
    """Soonest first."""
    return _call("GET", "/v1/scheduled", Page[Scheduled], limit=limit, cursor=cursor)


def cancel(scheduled_id: UUID | str) -> Call[None]:
    """It will not be sent. `ConflictError`: it was."""
    return _call_without_answer("DELETE", f"/v1/scheduled/{_id(scheduled_id)}")


# Inboxes


def notifications(
    user_id: str,
    *,
    status: Status = "inbox",
    type: str | None = None,  # noqa: A002 - what it is called everywhere
    topic: str | None = None,
    limit: int = 20,
    cursor: str | None = None,
) -> Call[Inbox]:
    """Latest arrival first."""
    return _call(
        "GET",
        "/v1/notifications",
        Inbox,
        user_id=user_id,
        status=status,
        type=type,
        topic=topic,
        limit=limit,
        cursor=cursor,
    )


def notification(notification_id: UUID | str) -> Call[Notification]:
    return _call("GET", f"/v1/notifications/{_id(notification_id)}", Notification)


def count(user_id: str, *, types: Sequence[str] = ()) -> Call[Count]:
    """What is unread, unseen and there, and of each of these types."""
    return _call("GET", "/v1/notifications/count", Count, user_id=user_id, type=types)


def mark(notification_id: UUID | str, mark: Mark) -> Call[Changed]:
    """`read`, `unread`, `seen`, `archive` or `unarchive`."""
    return _call("POST", f"/v1/notifications/{_id(notification_id)}/{mark}", Changed)


def mark_all(
    user_id: str,
    mark: BulkMark,
    *,
    type: str | None = None,  # noqa: A002 - what it is called everywhere
    before: str | None = None,
) -> Call[MarkedAll]:
    """`read`, `seen` or `archive`: all of an inbox, or of one type, or what had arrived by a position."""
    which = {name: value for name, value in (("type", type), ("before", before)) if value is not None}
    return _call("POST", f"/v1/notifications/{mark}-all", MarkedAll, body=which, user_id=user_id)


# Topics


def subscribe(user_id: str, topic: str) -> Call[Subscription]:
    """To a topic, or with `orders/*` to all below one. Doing it again is fine."""
    return _call("PUT", "/v1/subscriptions", Subscription, user_id=user_id, topic=topic)


def subscribe_many(pairs: Iterable[tuple[str, str]]) -> Call[list[SubscriptionItem]]:
    """Users and topics, up to 10,000 pairs at a time, each answered for itself and in the same order."""
    items = {"items": [{"user_id": user_id, "topic": topic} for user_id, topic in pairs]}
    request = Request("POST", "/v1/subscriptions", "", _encode(items))
    return Call(request, lambda answer: _as(_Subscribed)(answer).items)


def unsubscribe(user_id: str, topic: str) -> Call[None]:
    """What the user got by it stays in the inbox."""
    return _call_without_answer("DELETE", "/v1/subscriptions", user_id=user_id, topic=topic)


def subscriptions(user_id: str, *, limit: int = 20, cursor: str | None = None) -> Call[Page[Subscription]]:
    """Of a user, by topic."""
    return _call("GET", "/v1/subscriptions", Page[Subscription], user_id=user_id, limit=limit, cursor=cursor)


def subscribers(topic: str, *, limit: int = 20, cursor: str | None = None) -> Call[Page[Subscription]]:
    """To exactly this topic or pattern, by user."""
    return _call("GET", "/v1/subscriptions", Page[Subscription], topic=topic, limit=limit, cursor=cursor)


def set_topic(
    topic: str, *, self_service: bool = False, late_entries: int | None = None, late_seconds: int | None = None
) -> Call[TopicState]:
    """Whether users may subscribe themselves, and what of before late-comers get. Takes a key with `admin`."""
    said = {"self_service": self_service, "late_entries": late_entries, "late_seconds": late_seconds}
    return _call("PUT", "/v1/topics", TopicState, body=said, topic=topic)


def topic_settings(*, limit: int = 20, cursor: str | None = None) -> Call[Page[TopicState]]:
    """Of those topics that something was said of, by name. Takes a key with `admin`."""
    return _call("GET", "/v1/topics", Page[TopicState], limit=limit, cursor=cursor)


def unset_topic(topic: str) -> Call[None]:
    """Subscriptions stay. Takes a key with `admin`."""
    return _call_without_answer("DELETE", "/v1/topics", topic=topic)


# Users and their devices


def token(user_id: str, *, ttl_seconds: int | None = None, scope: str = "inbox") -> Call[Token]:
    """For the front end of a user whom your backend has authenticated."""
    asked = {"user_id": user_id, "scope": scope} | ({} if ttl_seconds is None else {"ttl_seconds": ttl_seconds})
    return _call("POST", "/v1/tokens", Token, body=asked)


def presence(*user_ids: str) -> Call[list[Presence]]:
    """Who of these, at most 100, is online; in the order they were asked for."""
    request = Request("GET", "/v1/presence", _query({"user_id": user_ids}))
    return Call(request, lambda answer: _as(_Present)(answer).items)


def end_sessions(user_id: str) -> Call[None]:
    """Ends all live connections that the user has now, as when they log out. Their tokens stay good."""
    return _call_without_answer("DELETE", "/v1/sessions", user_id=user_id)


def _call(method: str, path: str, type_: type[T], *, body: object = None, **query: Any) -> Call[T]:
    return Call(Request(method, path, _query(query), None if body is None else _encode(body)), _as(type_))


def _call_without_answer(method: str, path: str, **query: Any) -> Call[None]:
    return Call(Request(method, path, _query(query)), _nothing)


def _query(parameters: dict[str, Any]) -> str:
    given = {name: value for name, value in parameters.items() if value is not None}
    return urlencode(given, doseq=True, quote_via=quote, safe="")


def _id(id_: UUID | str) -> str:
    return quote(str(id_), safe="")


def _once(idempotency_key: str | None) -> dict[str, str]:
    """Every attempt of a call carries the same key, so that it is done once."""
    return {"Idempotency-Key": idempotency_key or uuid4().hex}


def _as(type_: type[T]) -> Callable[[Answer], T]:
    return lambda answer: msgspec.json.decode(answer.body, type=type_)


def _read_sent(answer: Answer) -> Sent:
    sent = _as(Sent)(answer)
    return msgspec.structs.replace(sent, replayed="idempotency-replayed" in answer.headers)


def _nothing(_: Answer) -> None:
    pass
