"""Origins and hosts by pattern: anchored at both ends, whole names only."""

import pytest

from notify.core.names import Hosts, Origins

NAMED = Origins(["https://shop.example", "https://*.shop.example", "http://*.shop.example:3000", "*"])


@pytest.mark.parametrize(
    "origin",
    [
        "https://shop.example",
        "https://eu.shop.example",
        "https://a.b-c.shop.example",
        "http://dev.shop.example:3000",
    ],
)
def test_a_star_stands_for_one_or_more_names(origin: str) -> None:
    assert origin in NAMED


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil-shop.example",
        "https://evilshop.example",
        "https://shop.example.evil.com",
        "https://eu.shop.example.evil.com",
        "https://eu.shop.example:8443",
        "https://eu.shop.example:",
        "https://eu.shop.example/",
        "https://eu.shop.example\n",
        "https://.shop.example",
        "https://a..shop.example",
        "https://evil.com/.shop.example",
        "https://evil.com#.shop.example",
        "https://evil.com?.shop.example",
        "https://evil.com\\.shop.example",
        "https://user@.shop.example",
        "https://evil.com@a.shop.example",
        "https://a%2e.shop.example",
        "https://eu.shopxexample",
        "https://eushop.example",
        "http://eu.shop.example",
        "http://shop.example",
        "http://dev.shop.example",
        "http://dev.shop.example:30000",
        "xhttps://eu.shop.example",
        "https://é.shop.example",
        "null",
        "*",
        "",
    ],
)
def test_nothing_else_is_named(origin: str) -> None:
    assert origin not in NAMED


def test_hosts_are_named_in_any_case_and_with_any_port() -> None:
    hosts = Hosts(["Notify.example", "*.shop.example"])
    assert all(host in hosts for host in ("notify.EXAMPLE", "notify.example:1", "EU.shop.example:443"))
    assert not any(host in hosts for host in ("notify.example:x", "notify.example:1:1", "shop.example", "x", ""))
