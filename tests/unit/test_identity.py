import hashlib

from notify.core.identity import hash_key, make_key


def test_a_key_is_long_and_random_and_only_its_beginning_is_shown() -> None:
    keys = [make_key() for _ in range(100)]
    assert len({key.key for key in keys}) == 100
    for key in keys:
        assert key.key.startswith("nk_")
        assert len(key.key) == 3 + 43
        assert key.key.startswith(key.prefix)
        assert len(key.prefix) == 11
        assert "." not in key.key, "three parts would make it look like a token"


def test_a_key_is_kept_as_its_hash() -> None:
    key = make_key()
    assert key.hash == hash_key(key.key) == hashlib.sha256(key.key.encode()).digest()
