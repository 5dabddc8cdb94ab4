"""What an app says of how long its notifications stay."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from notify.core.clock import Clock
from notify.core.errors import InvalidError
from notify.core.text import NotificationType
from notify.store.database import Database, Record

__all__ = ("MOST_POLICIES", "Policies", "Policy", "PolicyState", "RetentionAction")

MOST_POLICIES = 100
"""Of one app: each is looked for in each of its inboxes."""

_HOW_LONG = "in days from its arrival; 0 is for ever, `null` is as long as the service's settings say."

RetentionAction = Literal["archive", "delete"]


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """How long notifications stay, and what then becomes of them."""

    read_days: (
        Annotated[
            int, Meta(ge=0, le=36_500, description=f"How long what was read or archived stays where it is, {_HOW_LONG}")
        ]
        | None
    ) = None
    unread_days: (
        Annotated[int, Meta(ge=0, le=36_500, description=f"How long what was not read stays where it is, {_HOW_LONG}")]
        | None
    ) = None
    action: Annotated[
        RetentionAction, Meta(description="What becomes of it then. What is archived that way, or was before, stays.")
    ] = "delete"


class PolicyState(Struct, frozen=True):
    """What was said. Without a type it is of all that nothing else is said of."""

    type: NotificationType | None
    read_days: int | None
    unread_days: int | None
    action: RetentionAction
    updated_at: datetime


class Policies:
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def set(self, app_id: str, type_: str | None, policy: Policy) -> PolicyState:
        rows = await self._database.execute(
            "retention_set",
            app_id,
            type_ or "",
            policy.read_days,
            policy.unread_days,
            policy.action,
            self._clock.now(),
            MOST_POLICIES,
        )
        if not rows:
            raise InvalidError.at(
                "type", f"An app may say this of {MOST_POLICIES} types. Take back what you said of another first."
            )
        return _state(rows[0])

    async def unset(self, app_id: str, type_: str | None) -> None:
        await self._database.execute("retention_unset", app_id, type_ or "")

    async def list(self, app_id: str) -> list[PolicyState]:
        return [_state(row) for row in await self._database.fetch("retention_said", app_id)]


def _state(row: Record) -> PolicyState:
    return PolicyState(row["type"] or None, row["read_days"], row["unread_days"], row["action"], row["updated_at"])
