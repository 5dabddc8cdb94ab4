"""The parts of the service, for a command that does one thing with them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from notify.app import Service
from notify.cli.surroundings import Problem, found_settings, ready_database, with_admin_key
from notify.core.errors import ProblemError

__all__ = ("with_service",)

T = TypeVar("T")


def with_service(work: Callable[[Service], Awaitable[T]]) -> T:
    """Does one thing with the parts of the service. In the background works only what rings running services."""
    settings = found_settings()

    async def run(service: Service) -> T:
        async with _opened(service):
            return await work(service)

    with ready_database(settings) as surroundings:
        try:
            return asyncio.run(run(Service(with_admin_key(surroundings.settings))))
        except ProblemError as problem:
            raise Problem(problem.detail) from problem


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
