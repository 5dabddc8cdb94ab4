"""What an API key that is limited to some types may edit, recall and cancel: what is of those types."""

from uuid import UUID

from notify.api.access import Connection, caller_of
from notify.api.parts import parts_of
from notify.core.api_keys import check_type
from notify.store.database import Database

__all__ = ("check_type_of",)


async def check_type_of(request: Connection, id_: UUID) -> None:
    """What is not there is left to whoever looks for it."""
    caller = caller_of(request)
    if caller.types is None:
        return
    database: Database = parts_of(request)["database"]
    for row in await database.fetch("type_of", caller.app_id, id_):
        check_type(caller, row["type"], pointer=None)
