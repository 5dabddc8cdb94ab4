"""The way to the service."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from notify.bench.target import Target

__all__ = ("Network",)

P = TypeVar("P", bound=asyncio.Protocol)


class Network:
    """Looks the service up once, and not for every connection."""

    def __init__(self, target: Target) -> None:
        self._host, self._port = target.addresses()[0]
        self._tls = target.tls

    async def connect(self, make: Callable[[], P]) -> P:
        context, name = self._tls or (None, None)
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(make, self._host, self._port, ssl=context, server_hostname=name)
        return protocol
