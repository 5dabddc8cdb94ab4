import time
from uuid import RFC_4122, UUID

from notify.core.ids import age_seconds, uuid7


def test_an_id_is_a_uuid_of_version_7() -> None:
    for _ in range(1000):
        made = uuid7()
        assert (made.version, made.variant) == (7, RFC_4122)


def test_ids_do_not_repeat() -> None:
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_an_id_begins_with_the_time_in_milliseconds() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7()
    after = time.time_ns() // 1_000_000
    assert before <= made.int >> 80 <= after


def test_an_id_tells_how_old_it_is() -> None:
    before = time.time()
    made = uuid7()
    minute_ago = UUID(int=made.int - (60_000 << 80))
    assert 0 <= age_seconds(made) <= time.time() - before + 0.001
    assert 60 <= age_seconds(minute_ago) <= time.time() - before + 60.001
