"""`notify apps`, `notify keys` and `notify token`: who may call."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import cast
from uuid import UUID

import click
import msgspec

from notify.app import Service
from notify.cli.parts import act, with_service
from notify.cli.surroundings import Problem
from notify.core.identity import DEFAULT_APP, KEY_SCOPES, TOKEN_SCOPES, KeyScope
from notify.core.text import AppId, Line, UserId

__all__ = ("app_option", "apps", "checked", "keys", "token")

_MOST = 1_000_000


def checked(name: str, value: str, type_: object) -> None:
    try:
        msgspec.convert(value.encode().decode(), type_)
    except UnicodeEncodeError as error:
        raise Problem(f"{name}: Expected UTF-8.") from error
    except msgspec.ValidationError as error:
        raise Problem(f"{name}: {error}.") from error


def _checked_app(_context: click.Context, _option: click.Parameter, value: str) -> str:
    checked("--app", value, AppId)
    return value


app_option = click.option(
    "--app", "app_id", default=DEFAULT_APP, show_default=True, callback=_checked_app, help="The app it is about."
)


@click.group()
def apps() -> None:
    """Apps (tenants). Everything is separated by app."""


@apps.command("create")
@click.argument("app_id", metavar="ID")
@click.option("--name", help="What people call it. Default: the id.")
def create_app(app_id: str, name: str | None) -> None:
    """Make an app; prints the secret that signs its user tokens, this once."""
    checked("ID", app_id, AppId)
    checked("--name", name or app_id, Line)
    new = with_service(
        lambda service: service.apps.create(app_id, name or app_id),
        act("createApp", app=app_id, name=name or app_id),
    )
    click.echo(f"app         {new.id}\njwt secret  {new.jwt_secret}")


@apps.command("list")
def list_apps() -> None:
    """List all apps."""
    for app in with_service(lambda service: service.apps.list_(_MOST, None, None)):
        click.echo(f"{app.id}  {app.name}")


@click.group()
def keys() -> None:
    """API keys of an app."""


@keys.command("create")
@app_option
@click.option("--name", required=True, help="What it is for.")
@click.option("--scopes", default="send", show_default=True, help=f"Any of {', '.join(KEY_SCOPES)}, with commas.")
def create_key(app_id: str, name: str, scopes: str) -> None:
    """Make an API key; prints it, this once."""
    checked("--name", name, Line)
    wanted = [scope.strip() for scope in scopes.split(",")]
    if not set(wanted) <= set(KEY_SCOPES):
        raise Problem(f"--scopes takes {', '.join(KEY_SCOPES)}, separated by commas.")
    new = with_service(
        lambda service: service.keys.create(app_id, name, cast(list[KeyScope], wanted)),
        act("createKey", app_id, name=name, scopes=wanted),
        details=lambda key: {"key_id": key.id},
    )
    click.echo(f"id      {new.id}\nscopes  {' '.join(new.scopes)}\nkey     {new.key}")


@keys.command("list")
@app_option
def list_keys(app_id: str) -> None:
    """List an app's API keys, the revoked ones too."""
    for key in with_service(lambda service: service.keys.list_(app_id, _MOST, None)):
        used = f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"
        click.echo(
            f"{key.id}  {key.prefix}…  {' '.join(key.scopes)}  {'revoked' if key.revoked_at else used}  {key.name}"
        )


@keys.command("revoke")
@click.argument("key_id", metavar="ID", type=click.UUID)
@app_option
def revoke_key(key_id: UUID, app_id: str) -> None:
    """Revoke an API key; it stops working at once."""
    with_service(lambda service: service.keys.revoke(app_id, key_id), act("revokeKey", app_id, key_id=key_id))
    click.echo("revoked")


@click.command()
@click.argument("user_id", metavar="USER")
@app_option
@click.option(
    "--ttl", "ttl_seconds", type=click.IntRange(min=1), help="Life in seconds. Default: NOTIFY_TOKEN_TTL_SECONDS."
)
@click.option("--scope", default="inbox", show_default=True, help=f"Any of {', '.join(TOKEN_SCOPES)}, with spaces.")
def token(user_id: str, app_id: str, ttl_seconds: int | None, scope: str) -> None:
    """Make a token for a user."""
    checked("USER", user_id, UserId)
    scopes = scope.split()
    if not scopes or not set(scopes) <= set(TOKEN_SCOPES):
        raise Problem(f"--scope takes {', '.join(TOKEN_SCOPES)}, separated by spaces.")

    def issue(service: Service) -> Awaitable[tuple[str, object]]:
        settings = service.settings
        if ttl_seconds is not None and ttl_seconds > settings.max_token_ttl_seconds:
            raise Problem(f"--ttl is at most {settings.max_token_ttl_seconds} (NOTIFY_MAX_TOKEN_TTL_SECONDS).")
        ttl = timedelta(seconds=ttl_seconds or settings.token_ttl_seconds)
        return service.authenticator.issue(app_id, user_id, scopes, ttl)

    made, _ = with_service(issue)
    click.echo(made)
