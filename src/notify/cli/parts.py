"""The parts of the service, for a command that does one thing with them."""

import asyncio
import getpass
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from notify import logs
from notify.app import Service
from notify.cli.surroundings import Problem, found_settings, ready_database, with_admin_key
from notify.core.errors import ProblemError
from notify.core.identity import DEFAULT_APP
from notify.store.audit import Act

__all__ = ("act", "actor", "with_service")

T = TypeVar("T")


def with_service(
    work: Callable[[Service], Awaitable[T]],
    act: Act | None = None,
    *,
    details: Callable[[T], dict[str, Any]] | None = None,
) -> T:
    """Does one thing with the parts of the service. In the background works only what rings running services. What is
    an administrative act is noted in the audit log, with what is known of it afterwards.
    """
    settings = found_settings()
    # Standard output is for what was asked for.
    logs.configure("warning", settings.log_format)

    async def noted(service: Service) -> T:
        if act is None:
            return await work(service)
        async with service.audit.noted(act) as noting:
            done = await work(service)
            if details is not None:
                noting.details |= details(done)
        return done

    async def run(service: Service) -> T:
        async with _opened(service):
            return await noted(service)

    with ready_database(settings) as surroundings:
        try:
            return asyncio.run(run(Service(with_admin_key(surroundings.settings))))
        except ProblemError as problem:
            raise Problem(problem.detail) from problem


def act(action: str, app_id: str = DEFAULT_APP, **about: Any) -> Act:
    """What a command is about to do, as the audit log calls it."""
    return Act(app_id, actor(), action, about)


def actor() -> str:
    """Whoever runs this command."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = "?"  # an account that the system has no name for
    return f"cli:{account}@{socket.gethostname()}"


@asynccontextmanager
async def _opened(service: Service) -> AsyncIterator[None]:
    await service.database.open()
    service.doorbell.start()
    try:
        await service.keep_default_secret()
        yield
    finally:
        await service.doorbell.stop()
        await service.resources.close()
        await service.database.close()
