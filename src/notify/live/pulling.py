"""Publications reach whoever is connected: their inboxes are settled as soon as an app's log has moved on."""

import asyncio
from collections.abc import Iterator, Mapping

import structlog

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.live.hub import Hub
from notify.store.many import InboxKey
from notify.store.settle import Settle

__all__ = ("Pulling",)

log = structlog.get_logger(__name__)

_INBOXES_PER_PULL = 500
_PULLS = 2
"""Under way at a time: what one has committed is shown while PostgreSQL writes the other."""

_PAUSE_WHEN_AWAY_SECONDS = 0.5


class Pulling:
    def __init__(self, hub: Hub, settle: Settle, clock: Clock) -> None:
        self._hub = hub
        self._settle = settle
        self._clock = clock
        self._heads: dict[str, int] = {}
        """Where logs are known to be pulled up to, and where they are known to stand."""
        self._pulled: dict[str, int] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="pulling")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def published(self, heads: Mapping[str, int]) -> None:
        """These apps' logs stand there by now."""
        for app_id, head in heads.items():
            if head > self._heads.get(app_id, 0):
                self._heads[app_id] = head
                self._news.set()

    def is_pulled(self, app_id: str) -> bool:
        """Whether all that is known to be published is in the inboxes that are followed here."""
        return self._pulled.get(app_id, 0) == self._heads.get(app_id, 0)

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            for app_id in [app_id for app_id in self._heads if not self.is_pulled(app_id)]:
                try:
                    await self._pull(app_id)
                except DatabaseAwayError as error:
                    log.warning("publications cannot be pulled yet", action="pull_away", cause=repr(error.__cause__))
                    self._news.set()
                    await self._clock.sleep(_PAUSE_WHEN_AWAY_SECONDS)
                except Exception:
                    log.exception("publications could not be pulled", action="pull_failed", app=app_id)
                    self._news.set()
                    await self._clock.sleep(_PAUSE_WHEN_AWAY_SECONDS)

    async def _pull(self, app_id: str) -> None:
        head = self._heads[app_id]
        keys = self._hub.followed_in(app_id)
        groups = (keys[start : start + _INBOXES_PER_PULL] for start in range(0, len(keys), _INBOXES_PER_PULL))
        await asyncio.gather(*(self._pull_all(groups) for _ in range(_PULLS)))
        self._pulled[app_id] = head

    async def _pull_all(self, groups: Iterator[list[InboxKey]]) -> None:
        for keys in groups:
            await self._settle.pull(keys)
