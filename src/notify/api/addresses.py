"""From which address a request comes, where proxies stand between."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from litestar.connection import ASGIConnection

from notify.api.parts import parts_of

__all__ = ("Address", "ClientAddresses", "Network", "address_of", "source_of")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_FORWARDED_FOR = b"x-forwarded-for"
_HOST_BITS = 64
"""Of an IPv6 address: what follows the network that a single customer has to themselves."""


class ClientAddresses:
    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._trusted_proxies = trusted_proxies

    def of(self, scope: Any) -> Address | None:
        """The nearest address that is not a proxy of ours. What stands left of it in the header, anyone may have
        written. None on a Unix socket whose proxy says nothing.
        """
        peer = scope["client"]
        address = None if peer is None else _peer(peer[0])
        if not self._trusted_proxies or not self._is_trusted(address):
            return address
        for text in reversed(_forwarded_for(scope)):
            forwarded = _parsed(text)
            if forwarded is None:
                break
            address = forwarded
            if not self._is_trusted(address):
                break
        return address

    def _is_trusted(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted_proxies)


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Address | None:
    addresses: ClientAddresses = parts_of(connection)["addresses"]
    return addresses.of(connection.scope)


def source_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Address | None:
    """What limits by address count by. None for this machine, whose address does not tell its callers apart: they are
    its own, or come by a proxy that was not named.
    """
    address = address_of(connection)
    return None if address is None else _source(address)


@lru_cache(1024)
def _source(address: Address) -> Address | None:
    if address.is_loopback:
        return None
    return address if isinstance(address, IPv4Address) else IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS)


def _forwarded_for(scope: Any) -> list[str]:
    return [
        text
        for name, value in scope["headers"]
        if name == _FORWARDED_FOR
        for text in value.decode("latin-1").split(",")
    ]


@lru_cache(1024)
def _peer(text: str) -> Address | None:
    """The same few again and again, as a rule."""
    return _parsed(text)


def _parsed(text: str) -> Address | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
