"""Where calls to addresses that others have named may lead."""

from ipaddress import ip_address

import pytest

from notify.outbound import check_url, is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.255.255.254",
        "0.0.0.0",  # noqa: S104 - refused
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:80ff:fffe",
    ],
)
def test_no_address_of_a_network_of_ones_own_is_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "id.example",
        "http://id.example/keys",
        "ftp://id.example/keys",
        "file:///etc/passwd",
        "HTTPS",
        "https://",
        "https:///keys",
        "https://user@id.example/keys",
        "https://user:password@id.example/keys",
        "https://@id.example/keys",
        "https://id.example/keys#part",
        "https://id.example\\@evil.example/",
        "https://id.example/a b",
        "https://id.example/a\r\nX: y",
        "https://id.example/\u00e4",
        "https://id.example:0/",
        "https://id.example:99999/",
        "https://id.example:x/",
        "https://[::1/",
        "https://id.example/" + 2048 * "a",
    ],
)
def test_a_url_that_is_not_of_a_public_page_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    ["https://id.example/keys", "https://id.example:8443/a/b?c=d", "https://[2606:4700::1]/", "HTTPS://id.example"],
)
def test_others_are_fine(url: str) -> None:
    check_url(url)
