"""`notify settings`, `openapi` and `asyncapi`: what the code says of itself, and whether the copies still say it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from notify.api.application import application
from notify.api.asyncapi import asyncapi_document
from notify.api.openapi import openapi_document
from notify.cli.surroundings import Problem, found_settings
from notify.settings import SECRETS, Settings, allowed, documentation

__all__ = ("asyncapi", "openapi", "settings")

_BEGIN = "<!-- settings: made by `notify settings --write README.md` -->\n"
_END = "<!-- end of settings -->\n"


@click.command()
@click.option("--markdown", is_flag=True, help="As the table of the README.")
@click.option(
    "--check", "check", type=click.Path(path_type=Path, exists=True), help="Fail if this file's table is old."
)
@click.option("--write", "write", type=click.Path(path_type=Path, exists=True), help="Renew the table in this file.")
def settings(*, markdown: bool, check: Path | None, write: Path | None) -> None:
    """Show every setting: its value (secrets masked), what it takes and what it means."""
    if check is not None:
        if _table() not in _read(check):
            raise Problem(f"The settings in {check} are not what the code says: run `notify settings --write {check}`.")
    elif write is not None:
        before, begin, rest = _read(write).partition(_BEGIN)
        _, end, after = rest.partition(_END)
        if not begin or not end:
            raise Problem(f"{write} has no place for the settings: put the lines {_BEGIN.strip()} and {_END.strip()}.")
        _write(write, f"{before}{_BEGIN}{_table()}{_END}{after}")
    elif markdown:
        click.echo(_table(), nl=False)
    else:
        _show(found_settings())


def _document_options(path: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        file = click.option("--file", "path", type=click.Path(path_type=Path), default=Path(path), show_default=True)
        return click.option("--check", is_flag=True, help="Fail if the file is old.")(file(command))

    return decorate


@click.command()
@_document_options("openapi/openapi.json")
def openapi(*, check: bool, path: Path) -> None:
    """Write the OpenAPI document, or check the one that is there."""
    _keep(openapi_document(application()), path, "openapi", check=check)


@click.command()
@_document_options("openapi/asyncapi.json")
def asyncapi(*, check: bool, path: Path) -> None:
    """Write the AsyncAPI document, or check the one that is there."""
    _keep(asyncapi_document(), path, "asyncapi", check=check)


def _keep(content: dict[str, Any], path: Path, command: str, *, check: bool) -> None:
    document = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    if not check:
        _write(path, document)
    elif not path.is_file() or _read(path) != document:
        raise Problem(f"{path} is not what the code says: run `notify {command}`.")


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path} cannot be read: {error}.") from error


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise Problem(f"{path} cannot be written: {error.strerror}.") from error


def _show(current: Settings) -> None:
    defaults = Settings()
    for field, meaning in documentation().items():
        value = getattr(current, field)
        mark = " " if value == getattr(defaults, field) else "*"
        click.echo(f"{mark} NOTIFY_{field.upper()} = {_shown(field, value)}")
        click.echo(f"    {meaning} ({allowed(field)})")
    click.echo("\n* differs from the default")


def _table() -> str:
    defaults = Settings(data_dir=Path("~/.local/share/notify"))
    rows = ["| Variable | Default | Takes | Meaning |", "| --- | --- | --- | --- |"]
    for field, meaning in documentation().items():
        default = _shown(field, getattr(defaults, field))
        rows.append(
            f"| `NOTIFY_{field.upper()}` | {f'`{default}`' if default else ''} | {allowed(field)} | {meaning} |"
        )
    return "\n".join(rows) + "\n"


def _shown(field: str, value: Any) -> str:
    if value is None or value == []:
        return ""
    if field in SECRETS:
        return "********"
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)
