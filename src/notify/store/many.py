"""Many inboxes read in one statement, settled before they are shown (law 11)."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from notify.core.clock import Clock
from notify.store.database import Database, Record

__all__ = ("InboxKey", "Reader")


class InboxKey(NamedTuple):
    app_id: str
    user_id: str


class Reader:
    def __init__(
        self, database: Database, clock: Clock, settle: Callable[[Sequence[InboxKey]], Awaitable[object]]
    ) -> None:
        self.database = database
        self.clock = clock
        self.settle = settle

    async def rows_of(self, statement: str, keys: Sequence[InboxKey], *arguments: Any) -> list[list[Record]]:
        """For each of these inboxes the rows of a statement that numbers them by `place`, and gives at least one if the
        inbox exists. Whoever shows up for the first time gets theirs made.
        """
        names = [key.app_id for key in keys], [key.user_id for key in keys], self.clock.now()
        is_settled = False
        while True:
            rows = await self.database.fetch(statement, *names, *arguments)
            found = {place - 1: list(group) for place, group in groupby(rows, itemgetter("place"))}
            missing = [key for place, key in enumerate(keys) if place not in found]
            if missing:
                await self.database.execute("open", [key.app_id for key in missing], [key.user_id for key in missing])
                continue
            unsettled = [keys[place] for place, group in found.items() if group[0]["unsettled"]]
            if is_settled or not unsettled:
                return [found[place] for place in range(len(keys))]
            await self.settle(unsettled)
            # What is published, or is due, from now on may come with the next read.
            is_settled = True
