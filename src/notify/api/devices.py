"""Acknowledging, and the devices that do."""

from typing import Any
from uuid import UUID

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct

from notify.api.access import Access, inbox_of, owner_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import delete, get, post
from notify.api.inputs import position_at, read_body, read_query
from notify.api.messages import Limit, NameCursorText, Owner, PositionText
from notify.api.routes import route
from notify.core.cursor import cursor_after, name_in
from notify.core.errors import AckRefusedError, NotFoundError, OverloadedError
from notify.core.text import DeviceName
from notify.store.commands import AckCommand
from notify.store.devices import Delivery, Device, Devices
from notify.store.writer import Writer

__all__ = ("DevicesController",)


class AckBody(Struct, frozen=True, forbid_unknown_fields=True):
    device: DeviceName
    position: PositionText


class DevicesQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    limit: Limit = 20
    cursor: NameCursorText | None = None


class DeviceQuery(Owner, frozen=True, forbid_unknown_fields=True, kw_only=True):
    device: DeviceName


class DevicesPage(Struct, frozen=True):
    items: list[Device]
    next_cursor: str | None


class DevicesController(Controller):
    path = "/v1"
    tags = ("Devices",)

    @post(
        "/ack",
        operation_id="acknowledge",
        summary="Acknowledge everything up to a position",
        status_code=204,
        opt=route(
            Access.INBOX,
            status=204,
            body=AckBody,
            query=Owner,
            examples={"A phone": {"device": "phone-1f3a", "position": "3f9a1c7e2b.42"}},
            problems=(AckRefusedError, OverloadedError),
        ),
    )
    async def acknowledge(
        self,
        request: Request[Any, Any, Any],
        writer: NamedDependency[Writer],
    ) -> None:
        """For clients of the stream and of REST; a WebSocket has a message for it.

        A device that connects with its name and no position goes on from what it has acknowledged, on any process.
        """
        app_id, user_id = inbox_of(request, read_query(request, Owner).user_id)
        asked = await read_body(request, AckBody)
        await writer.ack(AckCommand(app_id, user_id, asked.device, position_at("/position", asked.position)))

    @get(
        "/devices",
        operation_id="listDevices",
        summary="List a user's devices",
        opt=route(Access.READ, answer=DevicesPage, query=DevicesQuery),
    )
    async def list_(self, request: Request[Any, Any, Any], devices: NamedDependency[Devices]) -> Answer:
        """By name, each with the position it has acknowledged."""
        query = read_query(request, DevicesQuery)
        after = None if query.cursor is None else name_in(query.cursor)
        found = await devices.list(*inbox_of(request, query.user_id), query.limit + 1, after)
        shown = found[: query.limit]
        return json_answer(DevicesPage(shown, cursor_after(shown[-1].device) if len(found) > query.limit else None))

    @delete(
        "/devices",
        operation_id="forgetDevice",
        summary="Forget a device",
        status_code=204,
        opt=route(Access.INBOX, status=204, query=DeviceQuery, problems=(NotFoundError,)),
    )
    async def forget(self, request: Request[Any, Any, Any], devices: NamedDependency[Devices]) -> None:
        """What it has acknowledged is forgotten with it."""
        query = read_query(request, DeviceQuery)
        await devices.forget(*inbox_of(request, query.user_id), query.device)

    @get(
        "/notifications/{notification_id:uuid}/delivery",
        operation_id="getDelivery",
        summary="When a notification was first delivered",
        opt=route(Access.READ, answer=Delivery, query=Owner, problems=(NotFoundError,)),
    )
    async def delivery(
        self,
        request: Request[Any, Any, Any],
        notification_id: FromPath[UUID],
        devices: NamedDependency[Devices],
    ) -> Answer:
        """Derived from the acknowledgements that passed it; null while there is none."""
        app_id, user_id = owner_of(request, read_query(request, Owner).user_id)
        return json_answer(await devices.delivery(app_id, user_id, notification_id))
