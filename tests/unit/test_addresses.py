"""Whose address counts, where proxies stand between."""

from ipaddress import ip_address, ip_network

import pytest

from notify.api.addresses import ClientAddresses

TRUSTED = ClientAddresses([ip_network("10.0.0.0/8"), ip_network("fd00::/8")])


def scope(peer: str | None, *forwarded: str) -> dict[str, object]:
    return {
        "client": None if peer is None else (peer, 1234),
        "headers": [(b"x-forwarded-for", text.encode()) for text in forwarded],
    }


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("203.0.113.9", (), "203.0.113.9"),
        ("203.0.113.9", ("198.51.100.1",), "203.0.113.9"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("192.0.2.66, 198.51.100.1",), "198.51.100.1"),
        ("10.0.0.1", ("192.0.2.66, 198.51.100.1, 10.0.0.7",), "198.51.100.1"),
        ("10.0.0.1", ("192.0.2.66", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", ("10.0.0.8, 10.0.0.7",), "10.0.0.8"),
        ("10.0.0.1", ("192.0.2.66, nonsense, 10.0.0.7",), "10.0.0.7"),
        ("10.0.0.1", ("nonsense",), "10.0.0.1"),
        ("10.0.0.1", ("198.51.100.1:4711",), "198.51.100.1"),
        ("fd00::1", ("[2001:db8::5]:4711",), "2001:db8::5"),
        ("::ffff:10.0.0.1", ("::ffff:198.51.100.1",), "198.51.100.1"),
    ],
)
def test_the_nearest_address_that_is_no_proxy_counts(peer: str, forwarded: tuple[str, ...], expected: str) -> None:
    assert TRUSTED.of(scope(peer, *forwarded)) == ip_address(expected)


def test_nobody_is_believed_unless_a_setting_says_so() -> None:
    assert ClientAddresses([]).of(scope("10.0.0.1", "198.51.100.1")) == ip_address("10.0.0.1")


def test_on_a_unix_socket_there_may_be_none() -> None:
    assert TRUSTED.of(scope(None)) is None
