"""What the group commit does with acknowledgements."""

from collections.abc import Mapping
from datetime import datetime

from notify.core.errors import AckRefusedError
from notify.store.commands import AckCommand
from notify.store.database import Connection
from notify.store.statements import Statements

__all__ = ("ack",)

_MOST_DEVICES = 100
_REFUSED = {
    "epoch": "This position is of an inbox that was started over; take the position of what you get from now on.",
    "ahead": "The inbox has not been at that position; acknowledge what you were sent.",
    "backwards": "This device has acknowledged a later position already.",
    "devices": f"A user has at most {_MOST_DEVICES} devices; forget one with DELETE /v1/devices.",
}


async def ack(
    connection: Connection, statements: Statements, wanted: Mapping[int, AckCommand], at: datetime
) -> dict[int, AckRefusedError | None]:
    """Why each is refused, if it is."""
    if not wanted:
        return {}
    acks = list(wanted.values())
    rows = await connection.fetch(
        statements["ack"],
        [each.app_id for each in acks],
        [each.user_id for each in acks],
        [each.device for each in acks],
        [each.position.epoch for each in acks],
        [each.position.seq for each in acks],
        at,
        _MOST_DEVICES,
    )
    refused = {row["place"] - 1: row["refused"] for row in rows}
    # Without a row there is no such inbox, which is an epoch that was never.
    reasons = [refused.get(place, "epoch") for place in range(len(acks))]
    return {
        n: None if reason is None else AckRefusedError(_REFUSED[reason])
        for n, reason in zip(wanted, reasons, strict=True)
    }
