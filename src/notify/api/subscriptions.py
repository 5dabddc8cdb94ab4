"""Subscribing users to topics."""

from typing import Annotated, Any

import msgspec
from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from msgspec import UNSET, Meta, Struct, UnsetType

from notify.api.access import Access, caller_of, inbox_of, owner_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import delete, get, post, put
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.messages import Limit, NameCursorText, Owner
from notify.api.parts import settings_of
from notify.api.routes import route
from notify.core.cursor import cursor_after, name_in
from notify.core.decoding import decoded
from notify.core.errors import ForbiddenError, InvalidError, ProblemError
from notify.core.problem import Problem, problem_of
from notify.core.text import UserId
from notify.core.topic import TopicPattern
from notify.settings import Settings
from notify.store.subscriptions import Pair, Subscribed, Subscription, Subscriptions
from notify.store.topics import Topics

__all__ = ("SubscriptionsController",)

_CREATED = 201
_PAIRS_AT_A_TIME = 1000


class SubscriptionQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    topic: TopicPattern


class SubscriptionsQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    topic: (
        Annotated[
            TopicPattern,
            Meta(
                description="Who is subscribed to exactly this topic or pattern; in place of a user, with an API key."
            ),
        ]
        | None
    ) = None
    limit: Limit = 20
    cursor: NameCursorText | None = None


class SubscriptionsPage(Struct, frozen=True):
    items: list[Subscription]
    next_cursor: str | None


class SubscriptionsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Objects with `topic` and `user_id`; each is checked and answered for itself."""

    items: Annotated[list[msgspec.Raw], Meta(min_length=1)]


class SubscriptionWish(Struct, frozen=True, forbid_unknown_fields=True):
    topic: TopicPattern
    user_id: UserId


class SubscriptionItem(Struct, frozen=True):
    """The answer to one item: 201 if it is new, 200 if it was there, 422 with the problem."""

    status: int
    topic: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET
    problem: Problem | UnsetType = UNSET


class SubscriptionsAnswer(Struct, frozen=True):
    items: list[SubscriptionItem]


_decode_wish = msgspec.json.Decoder(SubscriptionWish).decode


class SubscriptionsController(Controller):
    path = "/v1/subscriptions"
    tags = ("Topics",)

    @put(
        "/",
        operation_id="subscribe",
        summary="Subscribe a user to a topic, or to all below one",
        opt=route(Access.INBOX, status=_CREATED, answer=Subscription, query=SubscriptionQuery, statuses_too=(200,)),
    )
    async def subscribe(
        self,
        request: Request[Any, Any, Any],
        subscriptions: NamedDependency[Subscriptions],
        topics: NamedDependency[Topics],
    ) -> Answer:
        """What is published from then on is for the user, and as much of before as the topic's settings say. Doing it
        again is fine and answered with 200. Users' own tokens may where the topic's settings say `self_service`.
        """
        app_id, pair = await _allowed_pair(request, topics)
        (made,) = await subscriptions.subscribe(app_id, [pair])
        if made is None:
            raise _too_many("user_id", settings_of(request))
        return json_answer(made.subscription, status=_CREATED if made.is_new else 200)

    @delete(
        "/",
        operation_id="unsubscribe",
        summary="Unsubscribe a user",
        status_code=204,
        opt=route(Access.INBOX, status=204, query=SubscriptionQuery),
    )
    async def unsubscribe(
        self,
        request: Request[Any, Any, Any],
        subscriptions: NamedDependency[Subscriptions],
        topics: NamedDependency[Topics],
    ) -> None:
        """It is fine if there was no such subscription. What the user got by it stays in the inbox. Users' own tokens
        may where the topic's settings say `self_service`.
        """
        await subscriptions.unsubscribe(*await _allowed_pair(request, topics))

    @get(
        "/",
        operation_id="listSubscriptions",
        summary="List what a user is subscribed to, or who is to a topic",
        opt=route(Access.READ, answer=SubscriptionsPage, query=SubscriptionsQuery),
    )
    async def list_(self, request: Request[Any, Any, Any], subscriptions: NamedDependency[Subscriptions]) -> Answer:
        """A user's by topic, a topic's by user. An API key names one of the two, a user's token neither."""
        query = read_query(request, SubscriptionsQuery)
        app_id, user_id = owner_of(request, query.user_id)
        after = None if query.cursor is None else name_in(query.cursor)
        if query.topic is None and user_id is not None:
            found = await subscriptions.of_user(app_id, user_id, query.limit + 1, after)
            names = [subscription.topic for subscription in found]
        elif query.topic is not None and user_id is None:
            found = await subscriptions.to_topic(app_id, query.topic, query.limit + 1, after)
            names = [subscription.user_id for subscription in found]
        elif caller_of(request).user_id is not None:
            raise ForbiddenError("Who is subscribed to a topic is for API keys to ask; leave `topic` out.")
        else:
            raise InvalidError.at(
                "user_id", "With an API key, name either a user, `?user_id=…`, or a topic, `?topic=…`."
            )
        next_cursor = cursor_after(names[query.limit - 1]) if len(found) > query.limit else None
        return json_answer(SubscriptionsPage(found[: query.limit], next_cursor))

    @post(
        "/",
        operation_id="subscribeMany",
        summary="Subscribe many users in one call",
        status_code=200,
        opt=route(
            Access.INBOX_KEY,
            answer=SubscriptionsAnswer,
            body=SubscriptionsBody,
            examples={
                "Two": {
                    "items": [{"topic": "orders/eu", "user_id": "alice"}, {"topic": "orders/*", "user_id": "bob"}],
                }
            },
        ),
    )
    async def subscribe_many(
        self, request: Request[Any, Any, Any], subscriptions: NamedDependency[Subscriptions]
    ) -> Answer:
        """Each item is answered for itself, in the same order: one that is wrong does not keep the others from being
        made. If the call fails on the way, send it again: what was made by then is answered with 200.
        """
        read_query(request, NoQuery)
        settings = settings_of(request)
        asked = await read_body(request, SubscriptionsBody, limit="max_batch_body_bytes")
        most = settings.max_subscriptions_per_call
        if len(asked.items) > most:
            raise InvalidError.at("/items", f"At most {most} items (NOTIFY_MAX_SUBSCRIPTIONS_PER_CALL).")
        app_id = caller_of(request).app_id
        answers: list[SubscriptionItem] = []
        # Decoded a part at a time too: other requests get their turn in between.
        for start in range(0, len(asked.items), _PAIRS_AT_A_TIME):
            wishes = [_pair_in(item) for item in asked.items[start : start + _PAIRS_AT_A_TIME]]
            made = iter(await subscriptions.subscribe(app_id, [wish for wish in wishes if isinstance(wish, Pair)]))
            answers += [
                _refused(wish) if isinstance(wish, ProblemError) else _answer(wish, next(made), settings)
                for wish in wishes
            ]
        return json_answer(SubscriptionsAnswer(answers))


async def _allowed_pair(request: Request[Any, Any, Any], topics: Topics) -> tuple[str, Pair]:
    """The app, and the user and topic that the query names, if the caller may change whether they belong together."""
    query = read_query(request, SubscriptionQuery)
    app_id, user_id = inbox_of(request, query.user_id)
    if caller_of(request).user_id is not None:
        settings = (await topics.deciding(app_id, [query.topic]))[query.topic]
        if settings is None or not settings.self_service:
            raise ForbiddenError(
                "Users may not subscribe to this topic or unsubscribe themselves, since its settings do not say "
                "`self_service`. Use an API key, or change the settings with `PUT /v1/topics`."
            )
    return app_id, Pair(user_id, query.topic)


def _pair_in(item: msgspec.Raw) -> Pair | ProblemError:
    try:
        wish = decoded(_decode_wish, bytes(item))
    except ProblemError as problem:
        return problem
    return Pair(wish.user_id, wish.topic)


def _answer(pair: Pair, made: Subscribed | None, settings: Settings) -> SubscriptionItem:
    if made is None:
        return _refused(_too_many("/user_id", settings))
    return SubscriptionItem(_CREATED if made.is_new else 200, pair.topic, pair.user_id)


def _refused(problem: ProblemError) -> SubscriptionItem:
    return SubscriptionItem(problem.status, problem=problem_of(problem))


def _too_many(pointer: str, settings: Settings) -> InvalidError:
    most = settings.max_subscriptions_per_user
    return InvalidError.at(
        pointer, f"This user has {most} subscriptions, and may not have more (NOTIFY_MAX_SUBSCRIPTIONS_PER_USER)."
    )
