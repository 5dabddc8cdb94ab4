"""What the group commit does with marks and edits, and with what time does to a notification."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from notify.store.commands import ChangeCommand, Changed
from notify.store.commits import Commit
from notify.store.database import Connection, Record
from notify.store.rows import inbox_state, notification_from
from notify.store.statements import Statements

__all__ = ("EDITABLE", "MOST_DUE", "change", "let_time_pass")

EDITABLE = ("title", "body", "level", "data", "url", "actions", "actor", "progress")

MOST_DUE = 500
"""What expires or comes back in one transaction (law 4)."""


async def change(
    connection: Connection, statements: Statements, wanted: Mapping[int, ChangeCommand], at: datetime
) -> tuple[dict[int, Changed], list[Commit]]:
    """How those are now that were found, in inboxes that are locked, and what took positions."""
    if not wanted:
        return {}, []
    changes = list(wanted.values())
    rows = await connection.fetch(
        statements["change"],
        [each.id for each in changes],
        [each.app_id for each in changes],
        [each.user_id for each in changes],
        [each.action for each in changes],
        [each.until for each in changes],
        [each.trace for each in changes],
        [sum(1 << bit for bit, name in enumerate(EDITABLE) if name in each.columns) for each in changes],
        *([each.columns.get(name) for each in changes] for name in EDITABLE),
        at,
    )
    numbers = list(wanted)
    changed: dict[int, Changed] = {}
    commits: list[Commit] = []
    for row in rows:
        each = changes[row["place"] - 1]
        changed[numbers[row["place"] - 1]] = outcome = _changed(row)
        if outcome.changed:
            commits.append(_commit(each, outcome, row))
    return changed, commits


async def let_time_pass(
    connection: Connection, statements: Statements, inboxes: Sequence[tuple[str, str]], at: datetime
) -> list[Commit]:
    """Of these inboxes, which are locked, removes what has expired and brings back what was snoozed until now. If it is
    more than one transaction should do, the inboxes are due again.
    """
    names = [app_id for app_id, _ in inboxes], [user_id for _, user_id in inboxes]
    due = await connection.fetch(statements["due"], *names, at, MOST_DUE)
    wanted = {
        place: ChangeCommand(row["app_id"], row["user_id"], row["id"], row["action"]) for place, row in enumerate(due)
    }
    _, commits = await change(connection, statements, wanted, at)
    rows = await connection.fetch(statements["due_done"], *names, at)
    due_at = {(row["app_id"], row["user_id"]): row["due_at"] for row in rows}
    return [
        replace(commit, inbox=replace(commit.inbox, due_at=due_at.get((commit.app_id, commit.user_id))))
        for commit in commits
    ]


def _changed(row: Record) -> Changed:
    notification = notification_from(row, row["user_id"])
    return Changed(notification, inbox_state(row).position, changed=row["position"] is not None)


def _commit(asked: ChangeCommand, changed: Changed, row: Record) -> Commit:
    is_gone = asked.action == "delete"
    return Commit(
        asked.app_id,
        row["user_id"],
        row["inbox_id"],
        inbox_state(row),
        row["position"],
        "delete" if is_gone else "notification" if row["arrives"] else "update",
        id=changed.notification.id,
        changed=None if is_gone else changed.notification,
    )
