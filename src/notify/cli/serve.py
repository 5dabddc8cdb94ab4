"""`notify serve`: the service in the foreground."""

import signal
import socket
import sys
from datetime import timedelta
from ipaddress import ip_address

import click

from notify import __version__, logs
from notify.app import Service
from notify.cli.server import (
    address_of,
    bound_socket,
    serve_alone,
    serve_reloading,
    serve_with_workers,
)
from notify.cli.surroundings import ADDRESS_FILE, Surroundings, found_settings, ready_database, with_admin_key
from notify.core.identity import DEFAULT_APP
from notify.store.demo import DemoGround

__all__ = ("demo_ground", "serve")

_DEMO_USER = "demo"


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes on one socket.")
@click.option("--reload", is_flag=True, help="Start again whenever the code changes. For developers.")
def serve(*, workers: int, reload: bool) -> None:
    """Run the service in the foreground until Ctrl-C or SIGTERM."""
    settings = found_settings()
    logs.configure(settings.log_level, settings.log_format, is_final=True)
    # By default SIGTERM would end us without stopping a database that is being started.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with bound_socket(settings) as listening, ready_database(settings, alone=True) as surroundings:
        settings = with_admin_key(surroundings.settings)
        if surroundings.embedded_version is not None:
            # Locked until we stop, so nobody else's address is overwritten.
            (settings.data_dir / ADDRESS_FILE).write_text(f"{address_of(listening)}\n")
        if reload:
            click.echo(f"notify {__version__} on {address_of(listening)}, starting again whenever the code changes")
            serve_reloading(settings, listening)
        elif workers > 1:
            line = f"notify {__version__} on {address_of(listening)}, {workers} processes"
            serve_with_workers(settings, listening, workers, lambda: click.echo(line))
        else:
            service = Service(settings, demo=demo_ground(surroundings, listening.getsockname()[0]))

            async def greet() -> None:
                for line in await _greeting(service, surroundings, listening):
                    click.echo(line)

            serve_alone(service, listening, greet)


def demo_ground(surroundings: Surroundings, address: str) -> DemoGround | None:
    """Only for a database of our own, and only if nobody but this machine can call the address that is listened on."""
    settings = surroundings.settings
    if surroundings.psql is None or not settings.demo or not ip_address(address).is_loopback:
        return None
    return DemoGround(settings.data_dir, surroundings.psql)


def _invitation(service: Service, address: str) -> list[str]:
    return [] if service.demo is None else ["", f"Open {address}/ in a browser: see it work, and copy what you need."]


async def _greeting(service: Service, surroundings: Surroundings, listening: socket.socket) -> list[str]:
    settings = service.settings
    address = address_of(listening)
    lines = [f"notify {__version__} on {address}", f"  docs   {address}/docs"]
    if surroundings.embedded_version is None:
        return [*lines, "  data   the PostgreSQL of NOTIFY_DATABASE_URL"]
    token, _ = await service.authenticator.issue(
        DEFAULT_APP, _DEMO_USER, ["inbox"], timedelta(seconds=settings.max_token_ttl_seconds)
    )
    return [
        *lines,
        f"  data   {settings.data_dir} (PostgreSQL {surroundings.embedded_version})",
        *_invitation(service, address),
        "",
        "Watch the inbox of the user `demo`, with a token of theirs:",
        "",
        f"  curl -N {address}/v1/stream -H 'Authorization: Bearer {token}'",
        "",
        "Send a notification to `demo` from another terminal, with the admin key:",
        "",
        f"  curl -s {address}/v1/notifications -H 'Authorization: Bearer {settings.admin_key}' \\",
        '    -H \'Content-Type: application/json\' -d \'{"to":"demo","title":"Hello from notify"}\'',
        "",
        "List what `demo` has:",
        "",
        f"  curl -s {address}/v1/notifications -H 'Authorization: Bearer {token}'",
        "",
        "Ctrl-C stops it; the data stays.",
    ]
