"""Public keys by URL: fetched in the background by one process for all; no request waits for it."""

import asyncio

import structlog

from notify.api.keyset import KeySetError, keyset_from
from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.metrics import Metrics
from notify.outbound import Outbound, OutboundError
from notify.store.database import TRY_AGAIN
from notify.store.jwks import Fetch, Jwks

__all__ = ("JwksFetching",)

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 15.0
_PAUSE_SECONDS = 0.2
_AT_ONCE = 8


class JwksFetching:
    def __init__(self, jwks: Jwks, outbound: Outbound, clock: Clock, metrics: Metrics) -> None:
        self._jwks = jwks
        self._outbound = outbound
        self._clock = clock
        self._metrics = metrics
        self._asked: set[str] = set()
        self._wanted = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._fetches: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="jwks")

    async def stop(self) -> None:
        tasks = [*self._fetches, *([] if self._task is None else [self._task])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def ask(self, app_id: str) -> None:
        """A token of this app names a key that is not known, or the app has named another URL."""
        self._asked.add(app_id)
        self._wanted.set()

    async def _run(self) -> None:
        while True:
            await self._clock.wait(self._wanted, _LOOK_SECONDS)
            self._wanted.clear()
            try:
                await self._look()
            except (DatabaseAwayError, *TRY_AGAIN) as error:
                log.warning("public keys are fetched later", action="jwks_put_off", cause=repr(error))
            except Exception:
                log.exception("public keys could not be looked after", action="jwks_failed")
            # However many tokens ask.
            await self._clock.sleep(_PAUSE_SECONDS)

    async def _look(self) -> None:
        free = _AT_ONCE - len(self._fetches)
        if free <= 0:
            self._wanted.set()
            return
        asked, self._asked = self._asked, set()
        claimed = await self._jwks.claim(asked, free)
        if len(claimed) == free:
            # Perhaps there are more.
            self._asked |= asked
            self._wanted.set()
        for fetch in claimed:
            task = asyncio.create_task(self._fetch(fetch), name="jwks-fetch")
            self._fetches.add(task)
            task.add_done_callback(self._fetches.discard)

    async def _fetch(self, fetch: Fetch) -> None:
        try:
            outcome = await self._bring(fetch)
        except (DatabaseAwayError, *TRY_AGAIN) as error:
            log.warning("fetched keys were not written", action="jwks_unwritten", app=fetch.app_id, cause=repr(error))
            return
        except Exception:
            log.exception("public keys could not be fetched", action="jwks_failed", app=fetch.app_id)
            return
        self._metrics.jwks_fetches.labels(outcome).inc()

    async def _bring(self, fetch: Fetch) -> str:
        try:
            body = await self._outbound.get(fetch.url)
            keyset_from(body)
            document = body.decode()
        except (OutboundError, KeySetError, UnicodeDecodeError) as error:
            log.warning("public keys were not fetched", action="jwks_fetch_failed", app=fetch.app_id, cause=str(error))
            await self._jwks.failed(fetch, str(error))
            return error.reason if isinstance(error, OutboundError) else "document"
        await self._jwks.fetched(fetch, document)
        return "fetched"
