"""What an API key is and may be bound to: an end, addresses, types of notifications."""

from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Annotated

from msgspec import Meta, Struct

from notify.core.errors import FieldError, ForbiddenError, InvalidError
from notify.core.identity import Caller, KeyScope, Network
from notify.core.text import Line, TypePattern
from notify.core.times import Time, in_utc

__all__ = ("KeyProperties", "check_type", "check_within", "checked", "networks")

_MOST = 50


class KeyProperties(Struct, frozen=True, forbid_unknown_fields=True):
    """What a key is made with."""

    name: Line
    scopes: Annotated[list[KeyScope], Meta(min_length=1, max_length=3)]
    expires_at: Annotated[Time, Meta(description="When it stops working; never if absent.")] | None = None
    allowed_addresses: (
        Annotated[
            list[Annotated[str, Meta(max_length=49)]],
            Meta(
                min_length=1,
                max_length=_MOST,
                description="Addresses and networks that it is taken from; from anywhere if absent.",
                examples=[["192.0.2.7", "2001:db8::/32"]],
            ),
        ]
        | None
    ) = None
    types: (
        Annotated[
            list[TypePattern],
            Meta(
                min_length=1,
                max_length=_MOST,
                description="With the scope `send`: only notifications of these types; `order.*` means all that begin "
                "with `order.`. Any, also without a type, if absent.",
                examples=[["order.*", "invoice"]],
            ),
        ]
        | None
    ) = None


def checked(asked: KeyProperties, now: datetime) -> KeyProperties:
    """The same as it is kept, if such a key can be."""
    expires_at = None if asked.expires_at is None else in_utc("/expires_at", asked.expires_at)
    if expires_at is not None and expires_at <= now:
        raise InvalidError.at("/expires_at", "This is past already; name a time to come.")
    if asked.types is not None and ("send" not in asked.scopes or "admin" in asked.scopes):
        raise InvalidError.at(
            "/types",
            "Only a key that may send can be limited to types, and only without the scope `admin`, with which it could "
            "make a key that is not.",
        )
    addresses = None if asked.allowed_addresses is None else [str(each) for each in _parsed(asked.allowed_addresses)]
    types = None if asked.types is None else list(dict.fromkeys(asked.types))
    return KeyProperties(asked.name, asked.scopes, expires_at, addresses, types)


def check_within(maker: Caller, made: KeyProperties) -> None:
    """A key that ends or is taken from some addresses only makes no key that outlives it or is taken from elsewhere."""
    ends_at = maker.expires_at
    if ends_at is not None and (made.expires_at is None or made.expires_at.timestamp() > ends_at):
        until = datetime.fromtimestamp(ends_at, UTC).isoformat()
        raise _beyond("/expires_at", f"The key that you call with ends at {until}; one made with it ends no later.")
    if maker.allowed_addresses is not None and not all(
        any(_is_within(network, allowed) for allowed in maker.allowed_addresses)
        for network in networks(made.allowed_addresses) or _ANYWHERE
    ):
        raise _beyond(
            "/allowed_addresses",
            "The key that you call with is not taken from everywhere there; nor is one made with it.",
        )


def check_type(caller: Caller, type_: str | None, pointer: str | None = "/type") -> None:
    """Whether a key may have to do with notifications of this type."""
    if caller.types is not None and not any(_matches(type_ or "", pattern) for pattern in caller.types):
        detail = f"This key is for notifications of these types only: {', '.join(caller.types)}."
        raise ForbiddenError(detail) if pointer is None else _beyond(pointer, detail)


def networks(texts: list[str] | None) -> tuple[Network, ...] | None:
    return None if texts is None else tuple(map(ip_network, texts))


_ANYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def _parsed(texts: list[str]) -> list[Network]:
    found: dict[Network, None] = {}
    for place, text in enumerate(texts):
        try:
            found[ip_network(text)] = None
        except ValueError as error:
            raise InvalidError.at(
                f"/allowed_addresses/{place}",
                "Send an address such as 192.0.2.7, or a network by its first address, such as 192.0.2.0/24.",
            ) from error
    return list(found)


def _is_within(network: Network, allowed: Network) -> bool:
    return network.version == allowed.version and network.subnet_of(allowed)  # type: ignore[arg-type]


def _matches(type_: str, pattern: str) -> bool:
    return type_.startswith(pattern[:-1]) if pattern.endswith(".*") else type_ == pattern


def _beyond(pointer: str, detail: str) -> ForbiddenError:
    return ForbiddenError(detail, errors=(FieldError(pointer, detail),))
