"""Operations: what was published to a topic or to everyone, what is exported and erased, and what became of it."""

from typing import Any
from uuid import UUID

from litestar import Controller
from litestar.connection import Request
from litestar.di import NamedDependency
from litestar.params import FromPath

from notify.api.access import Access, caller_of
from notify.api.answers import Answer, json_answer
from notify.api.handlers import delete, get, patch
from notify.api.inputs import NoQuery, read_body, read_query
from notify.api.parts import settings_of
from notify.api.routes import route
from notify.api.typed import check_type_of
from notify.core.errors import NotFoundError
from notify.core.notification import Edit, changes_of
from notify.store.edits import Amendment
from notify.store.publications import Operation, Publications
from notify.store.receipts import EraseOperation, ExportOperation, Receipts

__all__ = ("OperationsController",)

_AnyOperation = Operation | ExportOperation | EraseOperation


class OperationsController(Controller):
    path = "/v1/operations"
    tags = ("Sending",)

    @get(
        "/{operation_id:uuid}",
        operation_id="getOperation",
        summary="What became of a publication, an export or an erasure",
        opt=route(Access.OPERATIONS, answer=_AnyOperation, problems=(NotFoundError,)),
    )
    async def get_(
        self,
        request: Request[Any, Any, Any],
        operation_id: FromPath[UUID],
        publications: NamedDependency[Publications],
        receipts: NamedDependency[Receipts],
    ) -> Answer:
        """`kind` says what it is. Of a `publication`, how many it is for where that is known, and how many have it,
        have acknowledged, seen and read it by now; of an `export` or an `erase`, how far it is, and not whom it is of.
        """
        read_query(request, NoQuery)
        caller = caller_of(request)
        if "admin" in caller.scopes and (receipt := await receipts.get(caller.app_id, operation_id)) is not None:
            return json_answer(receipt)
        if "send" not in caller.scopes:
            raise NotFoundError("There is no such export or erasure in this app, or not any more (NOTIFY_AUDIT_DAYS).")
        return json_answer(await publications.operation(caller.app_id, operation_id))

    @patch(
        "/{operation_id:uuid}",
        operation_id="editOperation",
        summary="Edit what was published",
        opt=route(
            Access.SEND_KEY,
            answer=Operation,
            body=Edit,
            examples={"A correction": {"title": "The menu changes on Tuesday"}},
            problems=(NotFoundError,),
        ),
    )
    async def edit(
        self,
        request: Request[Any, Any, Any],
        operation_id: FromPath[UUID],
        publications: NamedDependency[Publications],
    ) -> Answer:
        """Those who have it see it change in place; those who have not pulled it yet get it as it is now. What the body
        leaves out stays, `null` clears.
        """
        read_query(request, NoQuery)
        await check_type_of(request, operation_id)
        asked = await read_body(request, Edit)
        edit = Amendment(changes_of(asked, settings_of(request).limits), asked.resurface)
        return json_answer(await publications.edit(caller_of(request).app_id, operation_id, edit))

    @delete(
        "/{operation_id:uuid}",
        operation_id="recallOperation",
        summary="Call back what was published",
        status_code=204,
        opt=route(Access.SEND_KEY, status=204, problems=(NotFoundError,)),
    )
    async def recall(
        self,
        request: Request[Any, Any, Any],
        operation_id: FromPath[UUID],
        publications: NamedDependency[Publications],
    ) -> None:
        """Gone from every inbox that has it, and nobody else gets it. Doing it again is fine."""
        read_query(request, NoQuery)
        await check_type_of(request, operation_id)
        await publications.recall(caller_of(request).app_id, operation_id)
