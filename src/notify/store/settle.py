"""Settling an inbox: what was published for its user, and was edited or recalled since, becomes rows of its own;
what has expired goes, and what was snoozed until now comes back (law 11).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct

from notify.core.clock import Clock
from notify.core.ids import uuid7
from notify.core.topic import topic_under
from notify.metrics import Metrics
from notify.store.changing import EDITABLE, MOST_DUE, let_time_pass
from notify.store.commands import ChangeCommand, CreateCommand, Publication, Recipient
from notify.store.commits import Commit
from notify.store.database import Connection, Database, Record
from notify.store.many import InboxKey
from notify.store.rows import content_from
from notify.store.writer import Writer

__all__ = ("LateComers", "Settle")

_MOST_ENTRIES = 1000
"""Of one inbox; older ones are passed over."""

_MOST_ROWS = 500
"""Of several inboxes in one transaction (law 4); one inbox is filled at once, whatever that takes."""


class LateComers(Struct, frozen=True):
    """What those who show up for the first time get of what was published to everyone before."""

    entries: int
    within: timedelta


class _Settled(NamedTuple):
    commits: list[Commit]
    pulled: int
    unfinished: Sequence[InboxKey]
    """Where more is due than one transaction should do."""


class _TooMuchError(Exception):
    """More than one transaction should write."""


class Settle:
    def __init__(
        self, database: Database, writer: Writer, clock: Clock, metrics: Metrics, late_comers: LateComers
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._metrics = metrics
        self._late_comers = late_comers

    async def settle(self, keys: Sequence[InboxKey]) -> None:
        """Fills these inboxes up to where their logs stand, and does there what is due. Whoever else does it at the
        same time finds it done.
        """
        while keys:
            try:
                settled = await self._database.committed(partial(self._settle, keys))
            except _TooMuchError:
                middle = len(keys) // 2
                await self.settle(keys[:middle])
                keys = keys[middle:]
                continue
            self._metrics.pulled.inc(settled.pulled)
            self._metrics.due.inc(len(settled.commits) - settled.pulled)
            self._writer.on_commit(settled.commits)
            keys = settled.unfinished

    async def pull(self, keys: Sequence[InboxKey]) -> None:
        """The same for those of them that lack something, if their users have shown up."""
        names = [key.app_id for key in keys], [key.user_id for key in keys]
        lacking = [keys[row["place"] - 1] for row in await self._database.fetch("unsettled", *names)]
        if lacking:
            await self.settle(lacking)

    async def _settle(self, keys: Sequence[InboxKey], connection: Connection) -> "_Settled":
        statements = self._database.statements
        names = [key.app_id for key in keys], [key.user_id for key in keys]
        now = self._clock.now()
        rows = await connection.fetch(statements["lock"], *names, [], now)
        due = [InboxKey(row["app_id"], row["user_id"]) for row in rows]
        passed = await let_time_pass(connection, statements, due, now) if due else []
        pulled = await self._fill(keys, connection, now)
        return _Settled([*passed, *pulled], len(pulled), due if len(passed) >= MOST_DUE else [])

    async def _fill(self, keys: Sequence[InboxKey], connection: Connection, now: datetime) -> list[Commit]:
        statements = self._database.statements
        names = [key.app_id for key in keys], [key.user_id for key in keys]
        late = self._late_comers
        found = await connection.fetch(
            statements["settle_find"], *names, _MOST_ENTRIES, now - late.within, late.entries, now
        )
        entries = [row for row in found if row["publication_id"] is not None]
        if len(entries) > _MOST_ROWS and len(keys) > 1:
            raise _TooMuchError
        wanted = await self._wanted(connection, keys, entries, now)
        commits: list[Commit] = []
        # What it has changes before what is new collapses into it.
        for commands in (wanted.changes(), wanted.creates()):
            batch = self._writer.batch_of(commands)
            await batch.apply(connection)
            commits += batch.commits
        of_each = {row["place"]: row for row in found}
        heads = [of_each[place]["log_head"] for place in range(1, len(keys) + 1)]
        late_ones = [(*keys[place - 1], topic) for place, row in of_each.items() for topic in row["late_topics"]]
        # Those that it has read, since others may have subscribed meanwhile.
        late_columns = [[each[column] for each in late_ones] for column in range(3)]
        await connection.execute(statements["settle_done"], *names, heads, *late_columns)
        return commits

    async def _wanted(
        self, connection: Connection, keys: Sequence[InboxKey], entries: Sequence[Record], now: datetime
    ) -> "_Wanted":
        ids = list({row["publication_id"] for row in entries})
        rows = await connection.fetch(self._database.statements["publications"], ids) if ids else []
        publications = {row["id"]: row for row in rows}
        wanted = _Wanted(publications, now)
        for row in reversed(entries):
            wanted.add(row, keys[row["place"] - 1])
        return wanted


class _Wanted:
    """What entries come to. They are added newest first."""

    def __init__(self, publications: Mapping[UUID, Record], now: datetime) -> None:
        self._publications = publications
        self._now = now
        self._new: dict[tuple[UUID, str | None, str], list[Recipient]] = {}
        self._changes: dict[UUID, ChangeCommand] = {}
        self._collapse_keys: set[tuple[InboxKey, str]] = set()

    def add(self, entry: Record, inbox: InboxKey) -> None:
        publication, had = self._publications.get(entry["publication_id"]), entry["notification_id"]
        if publication is None:
            return  # It was too old to be kept, and has gone since the entry was read.
        is_recalled = publication["recalled_at"] is not None
        if had is None and entry["change"] == "publish" and not is_recalled:
            self._add_new(publication, topic_under(entry["key"], publication["topics"]), inbox)
        elif had is not None and entry["change"] == "recall":
            self._changes[had] = ChangeCommand(*inbox, had, "delete")
        elif had is not None and entry["change"] in {"edit", "resurface"} and not is_recalled:
            # The publication is as its last edit left it.
            columns = {name: publication[name] for name in EDITABLE}
            self._changes[had] = ChangeCommand(*inbox, had, entry["change"], columns)

    def _add_new(self, publication: Record, topic: str | None, inbox: InboxKey) -> None:
        if inbox.user_id in publication["excluded"]:
            return
        if publication["expires_at"] is not None and publication["expires_at"] <= self._now:
            return
        collapse_key = publication["collapse_key"]
        if collapse_key is not None:
            if (inbox, collapse_key) in self._collapse_keys:
                return  # A later one would replace it at once.
            self._collapse_keys.add((inbox, collapse_key))
        recipients = self._new.setdefault((publication["id"], topic, inbox.app_id), [])
        recipients.append(Recipient(inbox.user_id, uuid7()))

    def changes(self) -> list[ChangeCommand]:
        """In the order of the logs."""
        return list(reversed(self._changes.values()))

    def creates(self) -> list[CreateCommand]:
        """In the order of the logs."""
        new = sorted(self._new.items(), key=lambda item: self._publications[item[0][0]]["position"])
        return [
            CreateCommand(
                app_id, recipients, content_from(publication), uuid7(), publication=_published(publication, topic)
            )
            for (id_, topic, app_id), recipients in new
            for publication in [self._publications[id_]]
        ]


def _published(row: Record, topic: str | None) -> Publication:
    return Publication(UUID(int=row["id"].int), topic, row["published_at"])
