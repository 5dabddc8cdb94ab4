"""`notify retention`: what has stayed long enough, and seeing it off by hand."""

import sys
from collections.abc import Iterator, Sequence
from functools import partial

import click

from notify.app import Service
from notify.cli.parts import act, with_service
from notify.cli.surroundings import Problem
from notify.progress import Progress
from notify.store.retention import Round
from notify.store.survey import Found

__all__ = ("retention",)

_HEAD = ("APP", "TYPE", "WHICH", "AFTER", "ACTION", "HOW MANY", "OLDEST")
_NUMBERS = {"AFTER", "HOW MANY"}


@click.command()
@click.option("--run", "runs", is_flag=True, help="Do it now instead of showing it.")
def retention(*, runs: bool) -> None:
    """Show what has stayed as long as it should, and would be archived or deleted by now.

    The service does it by itself, once in NOTIFY_RETENTION_HOURS. How long things stay is said by
    NOTIFY_RETENTION_READ_DAYS and NOTIFY_RETENTION_UNREAD_DAYS, and by each app at /v1/retention. Without --run nothing
    is changed.
    """
    progress = Progress(sys.stderr)
    if runs:
        round_ = with_service(partial(_run, progress), act("runRetention"))
        if round_.started_at is not None:
            raise Problem("Another process has taken the round over, and goes on with it.")
        click.echo(f"archived {round_.archived:,}, deleted {round_.deleted:,}")
    else:
        for line in _table(with_service(partial(_survey, progress))):
            click.echo(line)


async def _survey(progress: Progress, service: Service) -> list[Found]:
    def show(walked: int, upto: int) -> None:
        if not walked:
            progress.begin("looking", upto)
        progress.at(walked)

    try:
        return await service.survey.take(show)
    finally:
        progress.end()


async def _run(progress: Progress, service: Service) -> Round:
    try:
        rounds = service.retention.run()
        round_ = await anext(rounds)
        progress.begin("walking", round_.upto)
        async for round_ in rounds:
            progress.at(round_.walked)
        return round_
    finally:
        progress.end()


def _table(found: Sequence[Found]) -> Iterator[str]:
    if not found:
        yield "Nothing has stayed long enough."
        return
    rows = [_HEAD, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            text.rjust(width) if name in _NUMBERS else text.ljust(width)
            for name, text, width in zip(_HEAD, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _row(found: Found) -> tuple[str, ...]:
    return (
        found.app_id,
        found.type or "(any other)",
        "read" if found.is_read else "unread",
        f"{found.days} days",
        found.action,
        f"{found.rows:,}",
        f"{found.oldest:%Y-%m-%d}",
    )
