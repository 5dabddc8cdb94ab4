"""Named devices, and what they have acknowledged."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from notify.core.errors import NotFoundError
from notify.core.position import Position
from notify.store.database import Database

__all__ = ("Delivery", "Device", "Devices")


class Device(Struct, frozen=True):
    """`behind` is how many positions it has not acknowledged; null if its position is of another epoch."""

    device: str
    position: str
    behind: int | None
    seen_at: datetime


class Delivery(Struct, frozen=True):
    """When a notification was first acknowledged, and the devices that have it."""

    delivered_at: datetime | None
    devices: list[str]


class Devices:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def position(self, app_id: str, user_id: str, device: str) -> Position | None:
        rows = await self._database.fetch("device", app_id, user_id, device)
        return Position(rows[0]["epoch"], rows[0]["acked"]) if rows else None

    async def list(self, app_id: str, user_id: str, limit: int, after: str | None) -> list[Device]:
        rows = await self._database.fetch("devices", app_id, user_id, after, limit)
        return [
            Device(
                row["name"],
                str(Position(row["epoch"], row["acked"])),
                row["behind"] if row["epoch"] == row["current_epoch"] else None,
                row["seen_at"],
            )
            for row in rows
        ]

    async def forget(self, app_id: str, user_id: str, device: str) -> None:
        if not await self._database.execute("forget_device", app_id, user_id, device):
            raise NotFoundError("This user has no such device.")

    async def delivery(self, app_id: str, user_id: str | None, id_: UUID) -> Delivery:
        rows = await self._database.fetch("delivery", id_, app_id, user_id)
        if not rows:
            raise NotFoundError
        return Delivery(rows[0]["delivered_at"], rows[0]["devices"])
