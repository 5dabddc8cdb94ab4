"""What the group commit does with creates: what collapses updates the unread one with its key, the rest is stored."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from notify.core.position import Position
from notify.store.commands import CreateCommand, Recipient, Sent, SentItem
from notify.store.commits import Commit, Created
from notify.store.database import Connection, Record
from notify.store.rows import content_columns, inbox_state
from notify.store.statements import Statements

__all__ = ("create", "find_created")


class _Copy(NamedTuple):
    """What one recipient of a create gets."""

    create: CreateCommand
    to: Recipient


async def create(
    connection: Connection, statements: Statements, wanted: Mapping[int, CreateCommand], at: datetime
) -> tuple[dict[int, Sent], list[Commit]]:
    """What became of each, and what took positions. Where something collapses, the inboxes are locked."""
    collapsed, commits = await _collapse(connection, statements, wanted, at)
    stored, created = await _store(connection, statements, wanted, collapsed, at)
    items = collapsed | stored
    sent = {n: Sent.of(each, [items[to.id] for to in each.recipients]) for n, each in wanted.items()}
    return sent, commits + created


async def find_created(
    connection: Connection, statements: Statements, wanted: Mapping[int, CreateCommand]
) -> tuple[dict[int, Sent], list[Commit]]:
    """The same for those that are written already, after a connection was lost while they were under way (law 3)."""
    copies = _copies(wanted.values())
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
        sent[n] = Sent.of(each, [_item(row["id"], to, row) for to, row in written])
        commits += [_arrived(_Copy(each, to), row) for to, row in written]
    return sent, commits


async def _collapse(
    connection: Connection, statements: Statements, wanted: Mapping[int, CreateCommand], at: datetime
) -> tuple[dict[UUID, SentItem], list[Commit]]:
    copies = _copies(each for each in wanted.values() if each.content.collapse_key is not None)
    if not copies:
        return {}, []
    rows = await connection.fetch(
        statements["collapse"],
        [copy.create.app_id for copy in copies],
        [copy.to.user_id for copy in copies],
        [copy.to.id for copy in copies],
        *content_columns(copy.create.content for copy in copies),
        at,
        *_publication_columns(copy.create for copy in copies),
    )
    found = [(copies[row["place"] - 1], row) for row in rows]
    items = {copy.to.id: _item(row["id"], copy.to, row) for copy, row in found}
    return items, [_arrived(copy, row) for copy, row in found]


async def _store(
    connection: Connection,
    statements: Statements,
    wanted: Mapping[int, CreateCommand],
    collapsed: Mapping[UUID, SentItem],
    at: datetime,
) -> tuple[dict[UUID, SentItem], list[Commit]]:
    numbers = {n: number for number, n in enumerate(wanted, 1)}
    new = [
        (numbers[n], _Copy(each, to)) for n, each in wanted.items() for to in each.recipients if to.id not in collapsed
    ]
    if not new:
        return {}, []
    creates = list(wanted.values())
    rows = await connection.fetch(
        statements["create"],
        [copy.create.app_id for _, copy in new],
        [copy.to.user_id for _, copy in new],
        [copy.to.id for _, copy in new],
        [number for number, _ in new],
        *content_columns(each.content for each in creates),
        at,
        *_publication_columns(creates),
        [at if each.publication is None else each.publication.at for each in creates],
    )
    items: dict[UUID, SentItem] = {}
    commits: list[Commit] = []
    for (_, (each, to)), row in zip(new, rows, strict=True):
        items[to.id] = _item(to.id, to, row)
        created = Created(each.content, each.publication, at, row["arrived_at"])
        commits.append(_arrived(_Copy(each, to), row, id_=to.id, created=created))
    return items, commits


def _copies(creates: Iterable[CreateCommand]) -> list[_Copy]:
    return [_Copy(each, to) for each in creates for to in each.recipients]


def _publication_columns(creates: Iterable[CreateCommand]) -> list[list[Any]]:
    """Topics and ids of what they were published as, if they were."""
    publications = [each.publication for each in creates]
    return [
        [None if each is None else each.topic for each in publications],
        [None if each is None else each.id for each in publications],
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


def _item(id_: UUID, to: Recipient, row: Record) -> SentItem:
    return SentItem(UUID(int=id_.int), to.user_id, str(Position(row["epoch"], row["position"])))
