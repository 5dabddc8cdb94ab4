"""`notify serve`: the service in the foreground."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import click
import uvicorn
from uvicorn.supervisors import ChangeReload

from notify import __version__, logs
from notify.api.protocol import HttpProtocol
from notify.app import Service
from notify.cli.surroundings import Problem, Surroundings, found_settings, ready_database, with_admin_key
from notify.core.identity import DEFAULT_APP
from notify.settings import Settings

__all__ = ("serve",)

_DEMO_USER = "demo"


@click.command()
@click.option("--reload", is_flag=True, help="Start again whenever the code changes. For developers.")
def serve(*, reload: bool) -> None:
    """Run the service in the foreground until Ctrl-C or SIGTERM."""
    settings = found_settings()
    logs.configure(settings.log_level, settings.log_format)
    # By default SIGTERM would end us without stopping a database that is being started.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with _bound_socket(settings) as listening, ready_database(settings, alone=True) as surroundings:
        settings = with_admin_key(surroundings.settings)
        _outlive_signals()
        if reload:
            _serve_and_reload(settings, listening)
        else:
            _Server(settings, surroundings, listening).run(sockets=[listening])


class _Server(uvicorn.Server):
    """uvicorn's server, which says how to reach it once it can be reached."""

    def __init__(self, settings: Settings, surroundings: Surroundings, listening: socket.socket) -> None:
        self._service = Service(settings)
        self._surroundings = surroundings
        self._listening = listening
        super().__init__(_configured(self._service.asgi, settings))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            for line in await _greeting(self._service, self._surroundings, self._listening):
                click.echo(line)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # While the listening sockets are still open: whoever comes now is told to come back.
        await self._service.roster.drain(self._service.settings.drain_seconds)
        await super().shutdown(sockets)


def from_environment() -> object:
    """The application of a reloaded process, which finds what it needs in the environment."""
    settings = found_settings()
    logs.configure(settings.log_level, settings.log_format)
    return Service(settings).asgi


def _serve_and_reload(settings: Settings, listening: socket.socket) -> None:
    assert settings.database_url is not None  # noqa: S101 - ready_database has seen to it
    assert settings.admin_key is not None  # noqa: S101 - with_admin_key has seen to it
    os.environ.update(NOTIFY_DATABASE_URL=settings.database_url, NOTIFY_ADMIN_KEY=settings.admin_key)
    config = _configured("notify.cli.serve:from_environment", settings)
    config.factory = True
    config.reload_dirs = [Path(__file__).parents[1]]
    click.echo(f"notify {__version__} on {_address(listening)}, starting again whenever the code changes")
    ChangeReload(config, target=uvicorn.Server(config).run, sockets=[listening]).run()


def _configured(app: object, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # it would print query strings; the envelope logs each request
        server_header=False,
        timeout_graceful_shutdown=round(settings.shutdown_seconds) or 1,
    )


@contextmanager
def _bound_socket(settings: Settings) -> Iterator[socket.socket]:
    """Bound before anything is started, so that a taken port is said at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
            listening.listen(1)
        except OSError as error:
            raise Problem(
                f"Cannot listen on {settings.host}:{settings.port}: {os.strerror(error.errno or 0)}; "
                "set PORT to another."
            ) from error
        yield listening


def _outlive_signals() -> None:
    """The server stops on SIGINT and SIGTERM and then raises them once more, which would end us before the database is
    stopped. Never undone: a second Ctrl-C must not interrupt what is left to do either.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


async def _greeting(service: Service, surroundings: Surroundings, listening: socket.socket) -> list[str]:
    settings = service.settings
    address = _address(listening)
    lines = [f"notify {__version__} on {address}", f"  docs   {address}/docs"]
    if surroundings.embedded_version is None:
        return [*lines, "  data   the PostgreSQL of NOTIFY_DATABASE_URL"]
    token, _ = await service.authenticator.issue(
        DEFAULT_APP, _DEMO_USER, ["inbox"], timedelta(seconds=settings.max_token_ttl_seconds)
    )
    return [
        *lines,
        f"  data   {settings.data_dir} (PostgreSQL {surroundings.embedded_version})",
        "",
        "Send a notification to the user `demo`, with the admin key:",
        "",
        f"  curl -s {address}/v1/notifications -H 'Authorization: Bearer {settings.admin_key}' \\",
        '    -H \'Content-Type: application/json\' -d \'{"to":"demo","title":"Hello from notify"}\'',
        "",
        "List what `demo` has, with a token of theirs:",
        "",
        f"  curl -s {address}/v1/notifications -H 'Authorization: Bearer {token}'",
        "",
        "Ctrl-C stops it; the data stays.",
    ]


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}"
