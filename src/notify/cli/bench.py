"""`notify bench`: how fast a deployment is."""

import secrets
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import click

from notify.bench.drawing import drawn
from notify.bench.errors import BenchError
from notify.bench.machine import make_room
from notify.bench.plan import Plan, ScenarioName
from notify.bench.result import Report, loaded
from notify.bench.running import run
from notify.bench.target import Target
from notify.cli.remote import local_service, named_service
from notify.cli.surroundings import Problem, found_settings
from notify.cli.temporary import temporary_service
from notify.progress import Progress

__all__ = ("bench",)

_DEFAULTS = Plan()
_SCENARIOS = get_args(ScenarioName)
_KNOCK_SECONDS = 2.0


@click.command()
@click.argument("scenarios", metavar="[SCENARIO]...", nargs=-1, type=click.Choice(_SCENARIOS))
@click.option(
    "--connections",
    type=click.IntRange(1, 1_000_000),
    default=_DEFAULTS.connections,
    show_default=True,
    help="Streams that are open at a time.",
)
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    default=_DEFAULTS.rate,
    show_default=True,
    help="Creates per second in `deliver`.",
)
@click.option(
    "--duration",
    type=click.FloatRange(0.1, 3600),
    default=_DEFAULTS.duration,
    show_default=True,
    help="Seconds of what is measured for a time.",
)
@click.option(
    "--handshakes",
    type=click.IntRange(1, 10_000),
    default=_DEFAULTS.handshakes,
    show_default=True,
    help="Connections that are being opened at a time.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=_DEFAULTS.processes,
    help="Processes of the load generator. Default: half as many as there are cores.",
)
@click.option("--url", envvar="NOTIFY_URL", help="The service to measure. NOTIFY_URL works too.")
@click.option("--key", envvar="NOTIFY_API_KEY", help="An API key of it (send, inbox). NOTIFY_API_KEY works too.")
@click.option("--fresh", is_flag=True, help="Measure a service started for this run, whatever else runs.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON.")
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), help="Keep the result in a file.")
@click.option("--against", type=click.Path(dir_okay=False, path_type=Path), help="Compare with a saved result.")
@click.option("--yes", is_flag=True, help="Do not ask before a service elsewhere is put under load.")
def bench(
    *,
    scenarios: tuple[ScenarioName, ...],
    url: str | None,
    key: str | None,
    fresh: bool,
    as_json: bool,
    save: Path | None,
    against: Path | None,
    yes: bool,
    **given: float,
) -> None:
    """Measure how fast a service is: the one of NOTIFY_URL, the one in the data folder, or, where none runs, one that
    is started for it.

    \b
    fanout   many connections on one inbox: an event to all of them
    deliver  creates at a steady rate to users who each have a stream
    connect  streams opened as fast as possible
    resume   all streams lost at once, and opened again where they were
    list     the inbox as fast as it can be asked for

    Without a scenario, all of them. It sends notifications to users of its own, whose names begin with `bench-`; they
    stay there.
    """  # noqa: D301 - click keeps the lines after a backspace as they are
    if as_json and against is not None:
        raise click.UsageError("--against is for readers: leave out --json, or compare the saved files yourself.")
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    plan = Plan(
        connections=int(given["connections"]),
        rate=given["rate"],
        duration=given["duration"],
        handshakes=int(given["handshakes"]),
        processes=min(int(given["processes"]), int(given["connections"])),
    )
    try:
        earlier = None if against is None else loaded(against)
        make_room(plan)
        with _own_target() if fresh else _found_target(url, key) as target:
            if not (yes or target.is_local):
                _ask(target, plan)
            report = run(target, plan, _once_each(scenarios or _SCENARIOS), Progress(sys.stderr))
    except BenchError as error:
        raise Problem(str(error)) from error
    if as_json:
        click.echo(report.json(), nl=False)
    else:
        click.echo(drawn(report, earlier))
    if save is not None:
        _keep(report, save)
    if not all(result.is_exact for result in report.results):
        raise Problem("Not everything arrived exactly once and in order; the figures above say where.")


@contextmanager
def _found_target(url: str | None, key: str | None) -> Iterator[Target]:
    named = named_service(url, key)
    if named is not None:
        yield Target(*named)
        return
    settings = found_settings()
    local = local_service(settings)
    if local is not None and _listens(local[0]):
        yield Target(*local)
        return
    click.echo(f"notify: no service runs in {settings.data_dir}, and NOTIFY_URL names none.", err=True)
    with _own_target() as target:
        yield target


@contextmanager
def _own_target() -> Iterator[Target]:
    key = secrets.token_urlsafe(32)
    click.echo("notify: starting a service with an empty database, for this run only.", err=True)
    with temporary_service(key) as address:
        yield Target(address, key)


def _listens(url: str) -> bool:
    """Whether somebody is there. A service that was killed leaves its address behind."""
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), _KNOCK_SECONDS).close()
    except OSError:
        return False
    return True


def _ask(target: Target, plan: Plan) -> None:
    click.confirm(
        f"{target.url} is not on this machine. Put it under load, with {plan.connections:,} connections and "
        f"{plan.rate:g} creates per second?",
        abort=True,
        err=True,
    )


def _once_each(scenarios: tuple[ScenarioName, ...]) -> list[ScenarioName]:
    return list(dict.fromkeys(scenarios))


def _keep(report: Report, path: Path) -> None:
    try:
        path.write_bytes(report.json())
    except OSError as error:
        raise Problem(f"{path}: {error.strerror}; the result was not saved.") from error
