"""The calls as methods, described once: a `Client` waits for their answers, an `AsyncClient` lets them be awaited."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Generic, ParamSpec, TypeVar, overload

from notify.client import calls
from notify.client.retrying import Call

__all__ = ("Awaited", "Blocking", "Methods")

P = ParamSpec("P")
T = TypeVar("T")


class Blocking(ABC):
    @abstractmethod
    def perform(self, call: Call[T]) -> T: ...


class Awaited(ABC):
    @abstractmethod
    async def perform(self, call: Call[T]) -> T: ...


class _Method(Generic[P, T]):
    def __init__(self, describe: Callable[P, Call[T]]) -> None:
        self._describe = describe
        self.__doc__ = describe.__doc__

    @overload
    def __get__(self, client: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: Awaited, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, client: None, owner: type) -> "_Method[P, T]": ...
    def __get__(self, client: Blocking | Awaited | None, owner: type) -> Any:
        if client is None:
            return self

        @wraps(self._describe)
        def method(*arguments: P.args, **named: P.kwargs) -> T | Coroutine[Any, Any, T]:
            return client.perform(self._describe(*arguments, **named))

        return method


class Methods:
    """What both clients offer. `notify.client.calls` says what each does and answers."""

    send = _Method(calls.send)
    batch = _Method(calls.batch)
    edit = _Method(calls.edit)
    delete = _Method(calls.delete)

    operation = _Method(calls.operation)
    edit_operation = _Method(calls.edit_operation)
    recall = _Method(calls.recall)

    scheduled = _Method(calls.scheduled)
    cancel = _Method(calls.cancel)

    notifications = _Method(calls.notifications)
    notification = _Method(calls.notification)
    count = _Method(calls.count)
    mark = _Method(calls.mark)
    mark_all = _Method(calls.mark_all)

    subscribe = _Method(calls.subscribe)
    subscribe_many = _Method(calls.subscribe_many)
    unsubscribe = _Method(calls.unsubscribe)
    subscriptions = _Method(calls.subscriptions)
    subscribers = _Method(calls.subscribers)
    set_topic = _Method(calls.set_topic)
    topic_settings = _Method(calls.topic_settings)
    unset_topic = _Method(calls.unset_topic)

    token = _Method(calls.token)
    presence = _Method(calls.presence)
    end_sessions = _Method(calls.end_sessions)
