"""Many inboxes read in one statement."""

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from notify.store.database import Database, Record

__all__ = ("InboxKey", "rows_of")


class InboxKey(NamedTuple):
    app_id: str
    user_id: str


async def rows_of(database: Database, statement: str, keys: Sequence[InboxKey], *arguments: Any) -> list[list[Record]]:
    """For each of these inboxes the rows of a statement that numbers them by `place`, and gives at least one if the
    inbox exists. Whoever shows up for the first time gets theirs made.
    """
    names = [key.app_id for key in keys], [key.user_id for key in keys]
    while True:
        rows = await database.fetch(statement, *names, *arguments)
        found = {place - 1: list(group) for place, group in groupby(rows, itemgetter("place"))}
        if len(found) == len(keys):
            return [found[place] for place in range(len(keys))]
        missing = [key for place, key in enumerate(keys) if place not in found]
        await database.execute("open", [key.app_id for key in missing], [key.user_id for key in missing])
