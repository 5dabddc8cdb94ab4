"""uvicorn as we run it: on a socket of our own, seeing live connections off before it stops."""

import gc
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from types import FrameType

import uvicorn
from uvicorn.supervisors import ChangeReload

from notify import logs
from notify.api.protocol import HttpProtocol
from notify.api.socket_protocol import SocketProtocol
from notify.api.transports import Transports
from notify.app import Service
from notify.cli.surroundings import Problem, found_settings
from notify.cli.workers import keep_working
from notify.metrics import Metrics
from notify.settings import Settings

__all__ = ("address_of", "bound_socket", "configured", "serve_alone", "serve_reloading", "serve_with_workers")

_BACKLOG = 2048
_COLLECT_AFTER = (5_000, 10, 5_000)
"""Everybody waits while it looks: about 10 ms for the youngest when all of them are garbage, which is what WebSockets
leave when they go. Of all there is, with many connections, next to never.
"""

_IDLE_SECONDS = 620
"""Proxies keep an idle connection for a minute or two, one cloud's for ten. If we closed it first, a request that is
just being sent on it would be answered 502.
"""

_OTHER_FILES = 64
"""What a process has open besides sockets of clients and its pools: the loop's, the listener's, modules and pages being
read, and places for health beyond the limit.
"""

_FEWEST_SOCKETS = 16
_STOP_SECONDS = 30.0
"""What a worker may take to stop besides seeing everybody off."""

_SOCKET_OPTIONS = [
    # Accepted sockets inherit these. A peer that is gone without a word is noticed within a minute, and one that takes
    # nothing holds little memory of the kernel's.
    (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in {
            "TCP_KEEPIDLE": 30,
            "TCP_KEEPINTVL": 10,
            "TCP_KEEPCNT": 3,
            "TCP_USER_TIMEOUT": 60_000,
        }.items()
        if hasattr(socket, name)  # Linux has all, macOS some
    ),
]


class _Server(uvicorn.Server):
    def __init__(self, service: Service, on_ready: Callable[[], Awaitable[None]] | None) -> None:
        self._service = service
        self._on_ready = on_ready
        super().__init__(configured(service.asgi, service.settings, service.metrics))
        # Already now, or a signal that comes before it runs would be lost; and for good, because a second one must not
        # interrupt what is left to do.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Nothing makes it hurry: what it does before it stops takes a bounded time."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What lives as long as the process need not be looked at by every collection; nor is there one for every few
        # requests, which leave nothing in cycles.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_COLLECT_AFTER)
        if self._on_ready is not None and not self.should_exit:
            await self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # While the listening sockets are still open: whoever comes now is told to come back.
        await self._service.roster.drain(self._service.settings.drain_seconds)
        await super().shutdown(sockets)


def serve_alone(service: Service, listening: socket.socket, on_ready: Callable[[], Awaitable[None]]) -> None:
    _Server(service, on_ready).run(sockets=[listening])


def serve_with_workers(
    settings: Settings, listening: socket.socket, workers: int, on_started: Callable[[], None]
) -> None:
    _hand_down(settings)
    longest = settings.drain_seconds + settings.shutdown_seconds + _STOP_SECONDS
    keep_working(work, listening, workers, on_started=on_started, stop_seconds=longest)


def serve_reloading(settings: Settings, listening: socket.socket) -> None:
    """One process that starts again whenever the code changes."""
    _hand_down(settings)
    # No more than what tells when to start again: it is handed to another process, which makes one of its own.
    config = uvicorn.Config("notify.cli.server:from_environment", factory=True, log_config=None)
    config.reload_dirs = [Path(__file__).parents[1]]
    ChangeReload(config, target=_work_on, sockets=[listening]).run()


def work(listening: socket.socket) -> None:
    """What a child process does; it finds what it needs in the environment."""
    settings = found_settings()
    logs.configure(settings.log_level, settings.log_format, is_final=True)
    server = _Server(Service(settings), None)
    threading.Thread(target=_leave_with_parent, name="parent", daemon=True).start()
    server.run(sockets=[listening])


def _leave_with_parent() -> None:
    """A parent that was killed can tell nobody to stop."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def _work_on(sockets: list[socket.socket] | None = None) -> None:
    work(*(sockets or ()))


def from_environment() -> object:
    """The application by name, as uvicorn wants to know it even where `work` makes its own."""
    return Service(found_settings()).asgi


@contextmanager
def bound_socket(settings: Settings) -> Iterator[socket.socket]:
    """Bound before anything is started, so that a taken port is said at once."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as listening:
        for level, option, value in _SOCKET_OPTIONS:
            listening.setsockopt(level, option, value)
        try:
            listening.bind((settings.host, settings.port))
            listening.listen(_BACKLOG)
        except OSError as error:
            raise Problem(
                f"Cannot listen on {settings.host}:{settings.port}: {os.strerror(error.errno or 0)}; "
                "set PORT to another."
            ) from error
        yield listening


def address_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{host}:{port}"


def configured(app: object, settings: Settings, metrics: Metrics) -> uvicorn.Config:
    transports = Transports(
        most=settings.max_sockets or _sockets_that_fit(settings),
        head_seconds=settings.head_timeout_seconds,
        metrics=metrics,
    )
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        loop="uvloop",
        http=partial(HttpProtocol, transports=transports),  # type: ignore[arg-type] # called like the class
        ws=SocketProtocol,
        ws_per_message_deflate=False,  # it would double the memory of a connection, for small messages
        ws_max_size=settings.socket_message_bytes,
        ws_ping_interval=settings.heartbeat_seconds,
        ws_ping_timeout=settings.heartbeat_timeout_seconds,
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,  # it would print query strings; the envelope logs each request
        server_header=False,
        proxy_headers=False,  # nothing of ours asks for a client's address
        backlog=_BACKLOG,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=round(settings.shutdown_seconds) or 1,
    )


def _sockets_that_fit(settings: Settings) -> int:
    """Beside all else that this process has open. Where there is no room for one more file, whoever comes is dropped
    without a word, and the database may be among what cannot be reached any more.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return sys.maxsize
    return max(_FEWEST_SOCKETS, files - settings.database_pool_size - settings.resource_pool_size - _OTHER_FILES)


def _hand_down(settings: Settings) -> None:
    """What this process has found out, for those it starts."""
    assert settings.database_url is not None  # noqa: S101 - ready_database has seen to it
    assert settings.admin_key is not None  # noqa: S101 - with_admin_key has seen to it
    os.environ.update(NOTIFY_DATABASE_URL=settings.database_url, NOTIFY_ADMIN_KEY=settings.admin_key)
