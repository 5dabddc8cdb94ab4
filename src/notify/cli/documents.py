"""`notify settings` and `notify openapi`: what the code says of itself, and whether the copies still say it."""

import json
from pathlib import Path
from typing import Any

import click

from notify.api.openapi import openapi_document
from notify.app import Service
from notify.cli.surroundings import Problem, found_settings
from notify.settings import SECRETS, Settings, allowed, documentation

__all__ = ("openapi", "settings")

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
        if _table() not in check.read_text():
            raise Problem(f"The settings in {check} are not what the code says: run `notify settings --write {check}`.")
    elif write is not None:
        before, _, rest = write.read_text().partition(_BEGIN)
        _, _, after = rest.partition(_END)
        write.write_text(f"{before}{_BEGIN}{_table()}{_END}{after}")
    elif markdown:
        click.echo(_table(), nl=False)
    else:
        _show(found_settings())


@click.command()
@click.option("--check", is_flag=True, help="Fail if the file is old.")
@click.option(
    "--file", "path", type=click.Path(path_type=Path), default=Path("openapi/openapi.json"), show_default=True
)
def openapi(*, check: bool, path: Path) -> None:
    """Write the OpenAPI document, or check the one that is there."""
    unconnected = Settings(database_url="postgresql://", admin_key="none of its parts is used")
    document = json.dumps(openapi_document(Service(unconnected).litestar), indent=2, ensure_ascii=False) + "\n"
    if not check:
        path.write_text(document)
    elif not path.is_file() or path.read_text() != document:
        raise Problem(f"{path} is not what the code says: run `notify openapi`.")


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
    if value is None:
        return ""
    if field in SECRETS:
        return "********"
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)
