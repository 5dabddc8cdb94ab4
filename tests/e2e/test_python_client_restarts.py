"""The Python client while the service is killed and started again: what is sent arrives once and is shown once."""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from notify.client import Arrived, Event, Message, Retries
from support.clients import DRIVERS, Driver, Following, done, driving
from support.processes import ADMIN_KEY, NotifyProcess
from support.waiting import eventually

StartNotify = Callable[..., NotifyProcess]

PATIENT = Retries(attempts=1000, longest_pause_seconds=1)
_PAUSE_SECONDS = 0.01


def titles(events: list[Event]) -> list[str]:
    return [event.notification.title for event in events if isinstance(event, Arrived)]


class Sender:
    """Somebody who queues one message after the other for a user, and looks at a stream of what arrives."""

    def __init__(self, notify: Driver, user: str, following: Following) -> None:
        self.queue = notify.client.queue()
        self.following = following
        self.sent: list[str] = []
        self._notify = notify
        self._user = user

    async def send_on(self) -> None:
        for number in itertools.count():
            assert self.queue.send(Message(self._user, str(number)))
            self.sent.append(str(number))
            await asyncio.sleep(_PAUSE_SECONDS)

    async def is_shown_more(self) -> None:
        shown = len(titles(self.following.events))
        await self.following.until(lambda events: len(titles(events)) > shown + 20, 30)

    async def is_waiting(self) -> None:
        waiting = len(self.queue)
        await eventually(lambda: len(self.queue) > waiting + 20)

    async def check(self) -> None:
        assert await done(self.queue.flush, 30)
        # What came twice would come before this.
        await self._notify.do("send", Message(self._user, "the end"))
        await self.following.until(lambda events: "the end" in titles(events), 30)
        assert titles(self.following.events) == [*self.sent, "the end"]
        assert (self.queue.sent, sum(self.queue.dropped.values())) == (len(self.sent), 0)
        assert (await self._notify.do("count", self._user)).total == len(self.sent) + 1


async def test_what_is_queued_arrives_once_and_a_stream_shows_each_once(start_notify: StartNotify) -> None:
    service = await asyncio.to_thread(start_notify)
    port = str(urlsplit(service.url).port)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(driving(kind, service.url, ADMIN_KEY, retries=PATIENT)) for kind in DRIVERS
        ]
        streams = [
            await stack.enter_async_context(client.following(kind))
            for kind, client in zip(DRIVERS, clients, strict=True)
        ]
        await asyncio.gather(*(stream.until(bool) for stream in streams))
        senders = [Sender(*each) for each in zip(clients, DRIVERS, streams, strict=True)]
        sending = [asyncio.create_task(sender.send_on()) for sender in senders]
        for _ in range(2):
            await asyncio.gather(*(sender.is_shown_more() for sender in senders))
            await asyncio.to_thread(service.kill)
            calls = [asyncio.create_task(client.do("send", Message("carol", "meanwhile"))) for client in clients]
            await asyncio.gather(*(sender.is_waiting() for sender in senders))
            service = await asyncio.to_thread(start_notify, PORT=port)
            # Not as long as it would pause by now.
            await asyncio.gather(*calls, *(done(sender.queue.flush, 0) for sender in senders))
        for task in sending:
            task.cancel()
        await asyncio.wait(sending)
        await asyncio.gather(*(sender.check() for sender in senders))
        assert (await clients[0].do("count", "carol")).total == 4, "calls wait for a service that comes back"
