"""The SQL we run by hand: one statement per file in `sql/`, each with a line that says what it is for."""

import re
from importlib.resources import files

__all__ = ("Statements", "in_schema")

_OUR_SCHEMA = re.compile(r"(?<![\w'])notify(?=\.)|(?<=SCHEMA )notify\b|(?<=')notify(?=')|\bnotify(?=_producer\b)")


def in_schema(sql: str, schema: str) -> str:
    """SQL as it is written, with `notify`, for a service that was told to live in another schema."""
    return sql if schema == "notify" else _OUR_SCHEMA.sub(schema, sql)


class Statements:
    """Every statement, by the name of its file."""

    def __init__(self, schema: str) -> None:
        self._by_name = {
            file.name.removesuffix(".sql"): in_schema(file.read_text(), schema)
            for file in (files("notify.store") / "sql").iterdir()
            if file.name.endswith(".sql")
        }

    def __getitem__(self, name: str) -> str:
        return self._by_name[name]
