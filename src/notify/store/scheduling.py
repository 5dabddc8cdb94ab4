"""What the group commit does with what is to be sent later: it waits in the outbox until its time (law 5)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from notify.store.commands import ScheduleCommand
from notify.store.database import Connection
from notify.store.rows import as_json, content_columns
from notify.store.statements import Statements

__all__ = ("find_scheduled", "schedule")


async def schedule(
    connection: Connection, statements: Statements, wanted: Sequence[ScheduleCommand], at: datetime
) -> None:
    await connection.execute(
        statements["schedule"],
        [each.app_id for each in wanted],
        [each.id for each in wanted],
        [as_json(each.user_ids) for each in wanted],
        [as_json(each.topics) for each in wanted],
        [as_json(each.excluded) for each in wanted],
        *content_columns(each.content for each in wanted),
        [each.send_at for each in wanted],
        at,
    )


async def find_scheduled(
    connection: Connection, statements: Statements, wanted: Sequence[ScheduleCommand]
) -> set[UUID]:
    """Which of them wait or are over already, after a connection was lost while they were under way (law 3)."""
    rows = await connection.fetch(statements["scheduled_written"], [each.id for each in wanted])
    return {UUID(int=row["id"].int) for row in rows}
