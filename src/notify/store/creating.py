"""What the group commit does with creates: what collapses updates the unread one with its key, the rest is stored."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from notify.core.position import Position
from notify.store.commands import CreateCommand, Recipient, Sent, SentItem
from notify.store.commits import Commit, Created
from notify.store.database import Connection, Record
from notify.store.rows import content_columns, filled, inbox_state
from notify.store.statements import Statements

__all__ = ("create", "find_created")


class _Copy(NamedTuple):
    """What one recipient of a create gets."""

    n: int
    create: CreateCommand
    to: Recipient


async def create(
    connection: Connection, statements: Statements, wanted: Mapping[int, CreateCommand], at: datetime
) -> tuple[dict[int, Sent], list[Commit]]:
    """What became of each, and what took positions. Where something collapses, the inboxes are locked."""
    copies = [_Copy(n, each, to) for n, each in wanted.items() for to in each.recipients]
    items: list[SentItem | None] = [None] * len(copies)
    commits = await _collapse(connection, statements, copies, items, at)
    commits += await _store(connection, statements, copies, items, at)
    items_of: dict[int, list[SentItem]] = {n: [] for n in wanted}
    for copy, item in zip(copies, items, strict=True):
        assert item is not None  # noqa: S101 - what did not collapse was stored
        items_of[copy.n].append(item)
    return {n: Sent.of(wanted[n], found) for n, found in items_of.items()}, commits


async def find_created(
    connection: Connection, statements: Statements, wanted: Mapping[int, CreateCommand]
) -> tuple[dict[int, Sent], list[Commit]]:
    """The same for those that are written already, after a connection was lost while they were under way (law 3)."""
    copies = [_Copy(n, each, to) for n, each in wanted.items() for to in each.recipients]
    rows = await connection.fetch(
        statements["written"],
        [copy.to.id for copy in copies],
        [copy.create.app_id for copy in copies],
        [copy.to.user_id for copy in copies],
        [copy.create.content.collapse_key for copy in copies],
    )
    found = {row["create_id"]: row for row in rows}
    sent: dict[int, Sent] = {}
    commits: list[Commit] = []
    for n, each in wanted.items():
        written = [(to, found[to.id]) for to in each.recipients if to.id in found]
        # All of a create is in one transaction, so one recipient stands for all.
        if not any(row["is_certain"] for _, row in written):
            continue
        sent[n] = Sent.of(each, [_item(row, to) for to, row in written])
        commits += [_arrived(_Copy(n, each, to), row) for to, row in written]
    return sent, commits


async def _collapse(
    connection: Connection,
    statements: Statements,
    copies: Sequence[_Copy],
    items: list[SentItem | None],
    at: datetime,
) -> list[Commit]:
    places = [place for place, copy in enumerate(copies) if copy.create.content.collapse_key is not None]
    if not places:
        return []
    wishes = [copies[place] for place in places]
    rows = await connection.fetch(
        statements["collapse"],
        [copy.create.app_id for copy in wishes],
        [copy.to.user_id for copy in wishes],
        [copy.to.id for copy in wishes],
        *content_columns(copy.create.content for copy in wishes),
        at,
        *_publication_columns(copy.create for copy in wishes),
    )
    commits: list[Commit] = []
    for row in rows:
        place = places[row["place"] - 1]
        items[place] = _item(row, copies[place].to)
        commits.append(_arrived(copies[place], row))
    return commits


async def _store(
    connection: Connection,
    statements: Statements,
    copies: Sequence[_Copy],
    items: list[SentItem | None],
    at: datetime,
) -> list[Commit]:
    places = [place for place, item in enumerate(items) if item is None]
    if not places:
        return []
    new = [copies[place] for place in places]
    # Several recipients share what they get.
    create_of = {copy.n: copy.create for copy in new}
    numbers = {n: number for number, n in enumerate(create_of, 1)}
    creates = list(create_of.values())
    rows = await connection.fetch(
        statements["create"],
        [copy.create.app_id for copy in new],
        [copy.to.user_id for copy in new],
        [copy.to.id for copy in new],
        [numbers[copy.n] for copy in new],
        *content_columns(each.content for each in creates),
        at,
        *_publication_columns(creates),
        [at if each.publication is None else each.publication.at for each in creates],
    )
    commits: list[Commit] = []
    for place, copy, row in zip(places, new, rows, strict=True):
        items[place] = SentItem(copy.to.id, copy.to.user_id, _position(row))
        created = Created(copy.create.content, copy.create.publication, at, row["arrived_at"])
        commits.append(_arrived(copy, row, id_=copy.to.id, created=created))
    return commits


def _publication_columns(creates: Iterable[CreateCommand]) -> list[list[Any]]:
    """Topics and ids of what they were published as, if they were."""
    publications = [each.publication for each in creates]
    return [
        filled(None if each is None else each.topic for each in publications),
        filled(None if each is None else each.id for each in publications),
    ]


def _arrived(copy: _Copy, row: Record, *, id_: UUID | None = None, created: Created | None = None) -> Commit:
    return Commit(
        copy.create.app_id,
        copy.to.user_id,
        row["inbox_id"],
        inbox_state(row),
        row["position"],
        "notification",
        id=id_,
        created=created,
    )


def _item(row: Record, to: Recipient) -> SentItem:
    """What it went into, by the database's word."""
    return SentItem(UUID(int=row["id"].int), to.user_id, _position(row))


def _position(row: Record) -> str:
    return str(Position(row["epoch"], row["position"]))
