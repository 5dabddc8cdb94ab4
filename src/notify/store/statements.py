"""The SQL we run by hand: one statement per file in `sql/`, each with a line that says what it is for."""

import re
from functools import cache
from importlib.resources import files

__all__ = ("Statements", "in_schema")

_OUR_SCHEMA = re.compile(r"(?<![\w'])notify(?=\.)|(?<=SCHEMA )notify\b|(?<=')notify(?=')|\bnotify(?=_producer\b)")


def in_schema(sql: str, schema: str) -> str:
    """SQL as it is written, with `notify`, for a service that was told to live in another schema."""
    return sql if schema == "notify" else _OUR_SCHEMA.sub(schema, sql)


@cache
def _files() -> dict[str, str]:
    return {
        file.name.removesuffix(".sql"): file.read_text()
        for file in (files("notify.store") / "sql").iterdir()
        if file.name.endswith(".sql")
    }


class Statements:
    """Every statement, by the name of its file."""

    def __init__(self, schema: str) -> None:
        self._by_name = {name: in_schema(text, schema) for name, text in _files().items()}

    def __getitem__(self, name: str) -> str:
        return self._by_name[name]
