import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from notify import logs


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    structlog.contextvars.clear_contextvars()
    logs.configure("warning", "json")


def test_json_is_one_object_a_line() -> None:
    stream = StringIO()
    logs.configure("info", "json", stream)
    log = structlog.get_logger("notify.test")
    with structlog.contextvars.bound_contextvars(request_id="abc"):
        log.info("it happened", action="happened", text="two\nlines")
        log.warning("and again")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert {name: first[name] for name in ("event", "action", "text", "request_id", "level")} == {
        "event": "it happened",
        "action": "happened",
        "text": "two\nlines",
        "request_id": "abc",
        "level": "info",
    }
    assert first["timestamp"].endswith("Z")
    assert second["level"] == "warning"


@pytest.mark.parametrize(("level", "shown"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_less_important_than_asked_for_is_left_out(level: str, shown: int) -> None:
    stream = StringIO()
    logs.configure(level, "json", stream)
    log = structlog.get_logger()
    for method in (log.debug, log.info, log.warning, log.error):
        method("it happened")
    assert len(stream.getvalue().splitlines()) == shown


def test_a_traceback_is_part_of_its_line_and_shows_no_local_variable() -> None:
    stream = StringIO()
    logs.configure("info", "json", stream)
    secret = "hush" * 4
    try:
        int(f"{len(secret)} bytes")
    except ValueError:
        structlog.get_logger().exception("it failed")
    (line,) = stream.getvalue().splitlines()
    (found,) = json.loads(line)["exception"]
    assert (found["exc_type"], found["exc_value"]) == (
        "ValueError",
        "invalid literal for int() with base 10: '16 bytes'",
    )
    assert found["frames"][-1]["name"] == "test_a_traceback_is_part_of_its_line_and_shows_no_local_variable"
    assert secret not in line


@pytest.mark.parametrize(("style", "stream"), [("text", StringIO()), ("auto", Terminal())])
def test_on_a_terminal_it_is_for_people(style: str, stream: StringIO) -> None:
    logs.configure("info", style, stream)  # type: ignore[arg-type]
    structlog.get_logger().info("it happened", action="happened")
    try:
        int("broken")
    except ValueError:
        structlog.get_logger().exception("it failed")
    text = stream.getvalue()
    assert "it happened" in text
    assert "Traceback (most recent call last)" in text
    assert "{" not in text.splitlines()[0]
    assert ("\x1b[" in text) is (style == "auto"), "colours for terminals only"


def test_elsewhere_auto_is_json() -> None:
    stream = StringIO()
    logs.configure("info", "auto", stream)
    structlog.get_logger().info("it happened")
    assert json.loads(stream.getvalue())["event"] == "it happened"


def test_libraries_join_in_from_warnings_on() -> None:
    stream = StringIO()
    logs.configure("debug", "json", stream)
    logging.getLogger("some.library").info("chatter")
    logging.getLogger("some.library").warning("%s is odd", "this")
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "this is odd"
    assert json.loads(line)["logger"] == "some.library"
