"""`notify users`: what is held about a user, handed out or erased."""

import sys
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import click

from notify.app import Service
from notify.cli.checking import check
from notify.cli.identities import app_option
from notify.cli.parts import act, actor, with_service
from notify.cli.surroundings import Problem
from notify.core.text import UserId
from notify.progress import Progress
from notify.store.many import InboxKey
from notify.store.receipts import EraseOperation, ExportOperation

__all__ = ("users",)

_LOOK_SECONDS = 0.2


@click.group()
def users() -> None:
    """What is held about a user."""


@users.command()
@click.argument("user_id", metavar="USER")
@app_option
@click.option(
    "--file", "path", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Default: standard output."
)
def export(user_id: str, app_id: str, path: Path | None) -> None:
    """Write what is held about a user, one JSON object a line. The last one is `end`."""
    check("USER", user_id, UserId)
    try:
        with _opened(path) as file:
            with_service(
                partial(_export, InboxKey(app_id, user_id), file),
                act("exportUser", app_id, user_id=user_id),
                details=_operation,
            )
    except OSError as error:
        raise Problem(f"{path or 'standard output'}: {error.strerror}.") from error


@users.command()
@click.argument("user_id", metavar="USER")
@app_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase(user_id: str, app_id: str, *, yes: bool) -> None:
    """Erase what is held about a user, and end their connections.

    It is seen through to its end here, or by a running service if this command is stopped.
    """
    check("USER", user_id, UserId)
    if not yes:
        click.confirm(f"What is held about {user_id} in {app_id} is lost for good. Go on?", abort=True)
    erased = with_service(
        partial(_erase, InboxKey(app_id, user_id)), act("eraseUser", app_id, user_id=user_id), details=_operation
    )
    click.echo(f"erased {erased.done:,} rows, operation {erased.id}")


def _opened(path: Path | None) -> AbstractContextManager[BinaryIO]:
    return nullcontext(sys.stdout.buffer) if path is None else path.open("wb")


def _operation(done: UUID | EraseOperation) -> dict[str, Any]:
    return {"operation_id": done if isinstance(done, UUID) else done.id}


async def _export(key: InboxKey, file: BinaryIO, service: Service) -> UUID:
    export = await service.exports.begin(key, actor())
    progress = Progress(sys.stderr)
    progress.begin("exporting", None)
    try:
        async with export.running() as pages:
            async for page in pages:
                file.write(page)
                progress.at(export.done)
        file.flush()
    finally:
        progress.end()
    return export.id


async def _erase(key: InboxKey, service: Service) -> EraseOperation:
    progress = Progress(sys.stderr)
    id_ = await service.erasing.begin(key, actor())
    progress.begin("erasing", None)
    service.erasing.start()
    try:
        while (found := await _found(service, key.app_id, id_)).state != "done":
            progress.at(found.done)
            await service.clock.sleep(_LOOK_SECONDS)
    finally:
        progress.end()
        await service.erasing.stop()
    return found


async def _found(service: Service, app_id: str, id_: UUID) -> EraseOperation:
    found: ExportOperation | EraseOperation | None = await service.receipts.get(app_id, id_)
    assert isinstance(found, EraseOperation)  # noqa: S101 - it has just begun
    return found
