"""Calls to addresses that others have named. None of them leads into our own network.

The name is resolved here, every address that it has is judged, and the connection goes to one that was judged: a name
that means something else the next time it is asked (DNS rebinding) is no way in. The certificate is checked against the
name.
"""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Literal, cast
from urllib.parse import urlsplit

import httpcore
import httpx

__all__ = ("Outbound", "OutboundError", "Reason", "check_url", "is_public")

Reason = Literal["address", "connection", "time", "status", "size"]

_LONGEST_URL = 2048
_OK = 200
_NAT64 = IPv6Network("64:ff9b::/96")


class OutboundError(Exception):
    """A call that brought nothing: why in a word, and in a sentence that names no address."""

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason: Reason = reason
        super().__init__(detail)


def check_url(url: str) -> None:
    """Raises ValueError with what is wrong about it."""
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"Expected a URL of at most {_LONGEST_URL} characters in ASCII, percent-encoded where needed.")
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("Expected a URL that begins with https://.")
    if "@" in parts.netloc:
        raise ValueError("A URL with a name or password in it is not taken.")
    if "#" in url or "\\" in url:
        raise ValueError("Expected a URL without a fragment or a backslash.")
    if parts.port == 0:
        raise ValueError("Expected a port from 1 to 65535.")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is of the internet at large, whatever it is wrapped in."""
    if isinstance(address, IPv6Address):
        inner = _wrapped_in(address)
        if inner is not None:
            return is_public(inner)
        if address.scope_id is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not address.is_unspecified


def _wrapped_in(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet for this one may end up at."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


class Outbound:
    def __init__(self, *, timeout_seconds: float, most_bytes: int, private_addresses: bool) -> None:
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes
        self._backend = _JudgingBackend(private_addresses=private_addresses)

    async def get(self, url: str) -> bytes:
        """The body of a 200, in time and not too large. Redirects are not followed, no proxy is asked."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._get(url)
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise OutboundError("time", f"No whole answer came within {self._timeout_seconds:g} seconds.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
            raise OutboundError("connection", _what_failed(error)) from error

    async def _get(self, url: str) -> bytes:
        # Certificates are read anew each time: whoever runs the service may have added one.
        context = await asyncio.to_thread(httpx.create_ssl_context)
        async with (
            httpcore.AsyncConnectionPool(ssl_context=context, network_backend=self._backend) as pool,
            pool.stream(
                "GET",
                url,
                headers={
                    "Host": urlsplit(url).netloc,
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": "notify",
                },
            ) as response,
        ):
            if response.status != _OK:
                raise OutboundError("status", f"The answer was {response.status}; expected 200, without a redirect.")
            body = bytearray()
            async for part in response.aiter_stream():
                body += part
                if len(body) > self._most_bytes:
                    raise OutboundError("size", f"The answer is larger than {self._most_bytes} bytes.")
            return bytes(body)


class _JudgingBackend(httpcore.AsyncNetworkBackend):
    def __init__(self, *, private_addresses: bool) -> None:
        self._private_addresses = private_addresses
        self._network = cast(httpcore.AsyncNetworkBackend, httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(where[0]) for *_, where in found))
        if not self._private_addresses and not all(is_public(ip_address(address)) for address in addresses):
            raise OutboundError("address", "The name leads to an address that is not of the public internet.")
        failed: Exception | None = None
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed or OutboundError("connection", "The name has no address.")

    async def connect_unix_socket(self, *_: object, **__: object) -> httpcore.AsyncNetworkStream:
        raise NotImplementedError

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


def _what_failed(error: Exception) -> str:
    causes = [error, error.__cause__, error.__context__]
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return "The name has no address."
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "The certificate is not that of this name, or of nobody we trust (SSL_CERT_FILE)."
    return "No connection came about, or it broke."
