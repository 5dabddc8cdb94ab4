"""What API keys are bound to, and that none gives out more than it has."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from notify.core.api_keys import KeyProperties, check_type, check_within, checked, networks
from notify.core.errors import ForbiddenError, InvalidError
from notify.core.identity import Caller

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def caller(
    *, expires_at: datetime | None = None, addresses: list[str] | None = None, types: tuple[str, ...] | None = None
) -> Caller:
    ends_at = None if expires_at is None else expires_at.timestamp()
    return Caller("shop", frozenset({"admin"}), expires_at=ends_at, allowed_addresses=networks(addresses), types=types)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("order", ["order"], ["Order", "order.created", "orders", "", None]),
        ("order.*", ["order.created", "order.a.b", "order."], ["order", "orders", "reorder.created", "", None]),
        ("a.b.*", ["a.b.c"], ["a.b", "a.bc", "a.c.b"]),
        ("a", ["a"], ["*", ".*", "a.*"]),
    ],
)
def test_a_key_is_for_the_types_that_it_names(pattern: str, matching: list[str], others: list[str | None]) -> None:
    limited = caller(types=("something.else", pattern))
    for good in matching:
        check_type(limited, good)
    for type_ in others:
        with pytest.raises(ForbiddenError) as refused:
            check_type(limited, type_)
        assert [error.pointer for error in refused.value.errors] == ["/type"]
    check_type(caller(), None)


def test_what_a_key_is_bound_to_is_kept_in_one_form() -> None:
    kept = checked(
        KeyProperties(
            "a",
            ["send"],
            datetime(2026, 3, 1, 15, 0, tzinfo=timezone(2 * HOUR)),
            ["192.0.2.7", "192.0.2.7/32", "2001:DB8::/32"],
            ["b", "a", "b"],
        ),
        NOW,
    )
    assert kept.expires_at == NOW + HOUR
    assert str(kept.expires_at) == "2026-03-01 13:00:00+00:00"
    assert kept.allowed_addresses == ["192.0.2.7/32", "2001:db8::/32"]
    assert kept.types == ["b", "a"]


@pytest.mark.parametrize(
    ("properties", "pointer"),
    [
        (KeyProperties("a", ["send"], NOW), "/expires_at"),
        (KeyProperties("a", ["send"], datetime.min.replace(tzinfo=timezone(HOUR))), "/expires_at"),
        (KeyProperties("a", ["send"], None, ["192.0.2.0/24", "192.0.2.1/24"]), "/allowed_addresses/1"),
        (KeyProperties("a", ["send"], None, ["shop.example"]), "/allowed_addresses/0"),
        (KeyProperties("a", ["send"], None, [""]), "/allowed_addresses/0"),
        (KeyProperties("a", ["inbox"], None, None, ["order"]), "/types"),
        (KeyProperties("a", ["send", "admin"], None, None, ["order"]), "/types"),
    ],
)
def test_a_key_that_cannot_be_is_refused(properties: KeyProperties, pointer: str) -> None:
    with pytest.raises(InvalidError) as refused:
        checked(properties, NOW)
    assert [error.pointer for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize(
    ("maker", "expires_at", "addresses", "pointer"),
    [
        (caller(), None, None, None),
        (caller(expires_at=NOW), NOW, None, None),
        (caller(expires_at=NOW), NOW - HOUR, None, None),
        (caller(expires_at=NOW), NOW + HOUR, None, "/expires_at"),
        (caller(expires_at=NOW), None, None, "/expires_at"),
        (caller(addresses=["10.0.0.0/8", "::/0"]), None, ["10.1.0.0/16", "2001:db8::1"], None),
        (caller(addresses=["10.0.0.0/8"]), None, None, "/allowed_addresses"),
        (caller(addresses=["10.0.0.0/8"]), None, ["10.0.0.1", "11.0.0.1"], "/allowed_addresses"),
        (caller(addresses=["10.0.0.0/8"]), None, ["10.0.0.0/7"], "/allowed_addresses"),
        (caller(addresses=["10.0.0.0/8"]), None, ["::/0"], "/allowed_addresses"),
        (caller(addresses=["0.0.0.0/0", "::/0"]), None, None, None),
    ],
)
def test_a_key_makes_none_that_outlives_it_or_is_taken_from_elsewhere(
    maker: Caller, expires_at: datetime | None, addresses: list[str] | None, pointer: str | None
) -> None:
    made = KeyProperties("a", ["send"], expires_at, addresses)
    if pointer is None:
        check_within(maker, made)
        return
    with pytest.raises(ForbiddenError) as refused:
        check_within(maker, made)
    assert [error.pointer for error in refused.value.errors] == [pointer]
