"""What is held about a user, as lines of JSON: read and handed on page by page, each page of one moment."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog

from notify.core.clock import Clock
from notify.core.errors import DatabaseAwayError
from notify.store.database import Database, Record
from notify.store.many import InboxKey
from notify.store.receipts import Receipts
from notify.store.rows import raw_json

__all__ = ("LEFT_OUT", "ROWS_PER_PAGE", "SECTIONS", "Export", "Exports", "Section")

log = structlog.get_logger(__name__)

ROWS_PER_PAGE = 200
_JSON = frozenset({"about", "actions", "actor", "data", "items", "notification"})


class Section(NamedTuple):
    """One kind of record, and the columns that say whose it is."""

    record: str
    statement: str
    covers: tuple[str, ...]


SECTIONS = (
    Section("inbox", "export_inbox", ("inboxes.user_id",)),
    Section("notification", "export_notifications", ("notifications.inbox_id",)),
    Section("device", "export_devices", ("devices.inbox_id",)),
    Section("ack", "export_acks", ("acks.inbox_id",)),
    Section("subscription", "export_subscriptions", ("subscriptions.user_id",)),
    Section("session", "export_sessions", ("sessions.user_id",)),
    Section("seen", "export_seen", ("seen.user_id",)),
    Section("ticket", "export_tickets", ("tickets.user_id",)),
    Section("sign_out", "export_sign_outs", ("sign_outs.user_id",)),
    Section("revocation", "export_revocations", ("revocations.user_id",)),
    Section("waiting", "export_outbox", ("outbox.user_id", "outbox.user_ids", "outbox.exclude")),
    Section("exclusion", "export_exclusions", ("publications.excluded",)),
    Section("flash", "export_flashes", ("flashes.user_ids", "flashes.excluded")),
    Section("answer", "export_answers", ("idempotency.answer",)),
    Section("act", "export_audit", ("audit.user_id", "audit.actor")),
    Section("erasure", "export_erasures", ("erasures.user_id",)),
)
"""In this order."""

LEFT_OUT: Mapping[str, str] = {
    "type_counts.inbox_id": "what the notifications by type come to, counted",
    "erasures.inbox_ids": "inboxes that have ended, on their way out",
}


class Exports:
    def __init__(self, database: Database, receipts: Receipts, clock: Clock) -> None:
        self._database = database
        self._receipts = receipts
        self._clock = clock

    async def begin(self, key: InboxKey, actor: str) -> "Export":
        rows = await self._database.fetch("held", *key)
        # And the lines before and after.
        id_ = await self._receipts.begin_export(key.app_id, actor, rows[0]["held"] + 2)
        return Export(id_, key, self._clock.now(), database=self._database, receipts=self._receipts)


class Export:
    """Of one user. `done` counts lines."""

    def __init__(self, id_: UUID, key: InboxKey, at: datetime, *, database: Database, receipts: Receipts) -> None:
        self.id = id_
        self.done = 0
        self._key = key
        self._at = at
        self._database = database
        self._receipts = receipts
        self._counts = dict.fromkeys((section.record for section in SECTIONS), 0)
        self._is_complete = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[AsyncIterator[bytes]]:
        """Its pages, for as long as somebody reads them; the receipt says whether that was to the end."""
        pages = self._pages()
        try:
            yield pages
        finally:
            await pages.aclose()
            try:
                await self._receipts.end_export(self.id, self.done, is_complete=self._is_complete)
            except DatabaseAwayError as error:
                # It is found later that nobody is at it any more.
                log.warning("the end of an export is not noted", action="export_cut_off", cause=repr(error))

    async def _pages(self) -> AsyncGenerator[bytes]:
        yield self._line(
            record="export",
            operation_id=self.id,
            app=self._key.app_id,
            user_id=self._key.user_id,
            at=self._at,
            records=list(self._counts),
        )
        for section in SECTIONS:
            async for rows in self._pages_of(section):
                lines = [self._line(record=section.record, **_shown(row)) for row in rows]
                self._counts[section.record] += len(lines)
                if lines:
                    yield b"".join(lines)
                await self._receipts.step(self.id, self.done)
        yield self._line(record="end", counts=self._counts)
        self._is_complete = True

    async def _pages_of(self, section: Section) -> AsyncIterator[list[Record]]:
        after: str | None = None
        while rows := await self._database.fetch(section.statement, *self._key, after, ROWS_PER_PAGE):
            after = rows[-1]["after"]
            yield [row for row in rows if row["is_held"]]

    def _line(self, **fields: Any) -> bytes:
        self.done += 1
        return msgspec.json.encode(fields) + b"\n"


def _shown(row: Record) -> dict[str, Any]:
    return {
        name: raw_json(value) if name in _JSON else value
        for name, value in row.items()
        if name not in {"after", "is_held"}
    }
