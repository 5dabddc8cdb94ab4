"""What the group commit does with publications: one row each, whatever their audience (DESIGN: lazy fan-out)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from notify.core.topic import EVERYONE, keys_of
from notify.store.commands import PublishCommand
from notify.store.database import Connection
from notify.store.rows import as_json, content_columns
from notify.store.statements import Statements

__all__ = ("find_published", "publish")


async def publish(
    connection: Connection, statements: Statements, wanted: Sequence[PublishCommand], at: datetime
) -> dict[str, int]:
    """Where the logs of the apps stand after it."""
    rows = await connection.fetch(
        statements["publish"],
        [each.app_id for each in wanted],
        [each.id for each in wanted],
        [as_json(each.topics) for each in wanted],
        [as_json(each.excluded) for each in wanted],
        [as_json(keys_of(each.topics) or [EVERYONE]) for each in wanted],
        *content_columns(each.content for each in wanted),
        at,
    )
    return {row["app_id"]: row["head"] for row in rows}


async def find_published(
    connection: Connection, statements: Statements, wanted: Sequence[PublishCommand]
) -> tuple[set[UUID], dict[str, int]]:
    """Which of them are written already, after a connection was lost while they were under way (law 3)."""
    await connection.execute(statements["lock_logs"], [each.app_id for each in wanted])
    rows = await connection.fetch(statements["published"], [each.id for each in wanted])
    return {UUID(int=row["id"].int) for row in rows}, {row["app_id"]: row["head"] for row in rows}
