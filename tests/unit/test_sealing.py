"""Secrets at rest: sealed with the newest key, opened with each, and only in their place."""

import base64
import secrets

import pytest

from notify.core.errors import SealedError
from notify.store.sealing import Sealing, key_from

OLD, NEW = (base64.urlsafe_b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
SECRET = "a secret with an \u00e4"
PLACE = "apps.jwt_secret of shop"


def test_what_was_sealed_opens_again_and_shows_nothing() -> None:
    sealing = Sealing([NEW])
    sealed = sealing.sealed(SECRET, PLACE)
    assert SECRET not in sealed
    assert sealing.opened(sealed, PLACE) == SECRET
    assert sealed.startswith("sealed.1.")
    assert NEW[:10] not in sealed
    # Each time with another nonce.
    assert sealing.sealed(SECRET, PLACE) != sealed


def test_without_a_key_secrets_stay_as_they_are() -> None:
    assert Sealing([]).sealed(SECRET, PLACE) == SECRET
    assert Sealing([]).opened(SECRET, PLACE) == SECRET
    assert Sealing([NEW]).opened(SECRET, PLACE) == SECRET
    assert Sealing([NEW], seals=False).sealed(SECRET, PLACE) == SECRET


def test_the_first_key_seals_and_each_opens() -> None:
    before = Sealing([OLD]).sealed(SECRET, PLACE)
    both = Sealing([NEW, OLD])
    assert both.opened(before, PLACE) == SECRET
    assert Sealing([NEW]).opened(both.sealed(SECRET, PLACE), PLACE) == SECRET
    assert not both.is_newest(before)
    assert both.is_newest(both.sealed(SECRET, PLACE))
    assert not both.is_newest(SECRET)
    assert Sealing([NEW], seals=False).is_newest(SECRET)
    assert not Sealing([NEW], seals=False).is_newest(before)


def test_what_no_key_opens_says_which_key_is_missing_and_no_secret() -> None:
    sealed = Sealing([OLD]).sealed(SECRET, PLACE)
    for keys in ([], [NEW]):
        with pytest.raises(SealedError, match="NOTIFY_ENCRYPTION_KEY") as refused:
            Sealing(keys).opened(sealed, PLACE)
        assert sealed.split(".")[2] in str(refused.value)
        assert sealed.split(".")[3] not in str(refused.value)


def test_what_was_changed_or_moved_does_not_open() -> None:
    sealing = Sealing([NEW])
    sealed = sealing.sealed(SECRET, PLACE)
    head, _, text = sealed.rpartition(".")
    body = base64.urlsafe_b64decode(text)
    flipped = base64.urlsafe_b64encode(body[:-1] + bytes([body[-1] ^ 1])).decode()
    for changed in (f"{head}.{flipped}", f"{head}.", f"{head}.AAAA", f"{head}.!!", sealed[:-8]):
        with pytest.raises(SealedError, match="changed"):
            sealing.opened(changed, PLACE)
    with pytest.raises(SealedError, match="moved"):
        sealing.opened(sealed, "apps.jwt_secret of another")


@pytest.mark.parametrize("wrong", ["", "short", "!" * 43, "A" * 42, "A" * 64, "\u00e4" * 43])
def test_a_key_has_32_bytes(wrong: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        key_from(wrong)
    assert key_from(OLD.rstrip("=")) == key_from(OLD)
