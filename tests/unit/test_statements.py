import re

import pytest

from notify.store.statements import Statements, in_schema


def test_each_statement_says_first_what_it_is_for() -> None:
    for name, sql in Statements("notify")._by_name.items():
        assert re.match(rf"-- {name}: [a-z].{{10,}}", sql), name


def test_in_our_own_schema_nothing_is_changed() -> None:
    assert in_schema("SELECT notify.x FROM notify.y", "notify") == "SELECT notify.x FROM notify.y"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("SELECT * FROM notify.inboxes", "SELECT * FROM other.inboxes"),
        ("notify.state_of(notify.x)", "other.state_of(other.x)"),
        ("GRANT USAGE ON SCHEMA notify TO notify_producer", "GRANT USAGE ON SCHEMA other TO other_producer"),
        ("rolname = 'notify_producer'", "rolname = 'other_producer'"),
        ("PERFORM pg_notify('notify', 'outbox')", "PERFORM pg_notify('other', 'outbox')"),
        ("-- notify: says it", "-- notify: says it"),
        ("'notify.x'", "'notify.x'"),
        ("renotify.x", "renotify.x"),
    ],
)
def test_in_another_schema_only_its_name_differs(ours: str, theirs: str) -> None:
    assert in_schema(ours, "other") == theirs


def test_no_statement_keeps_our_name_elsewhere() -> None:
    for name, sql in Statements("other")._by_name.items():
        code = re.sub(r"--.*", "", sql)
        assert "notify" not in code.replace("pg_notify", ""), name


def test_a_statement_that_is_not_there_is_missed() -> None:
    with pytest.raises(KeyError):
        Statements("notify")["no such statement"]
