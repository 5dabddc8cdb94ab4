"""`notify keys` and `notify token`: who may call."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import click

from notify.app import Service
from notify.cli.checking import check
from notify.cli.parts import act, with_service
from notify.cli.surroundings import Problem
from notify.core.api_keys import KeyProperties, checked
from notify.core.errors import InvalidError
from notify.core.identity import DEFAULT_APP, KEY_SCOPES, TOKEN_SCOPES, KeyScope, Role
from notify.core.text import AppId, Line, TypePattern, UserId
from notify.store.keys import ApiKey, NewApiKey

__all__ = ("app_option", "keys", "token")

_MOST = 1_000_000


def _checked_app(_context: click.Context, _option: click.Parameter, value: str) -> str:
    check("--app", value, AppId)
    return value


app_option = click.option(
    "--app", "app_id", default=DEFAULT_APP, show_default=True, callback=_checked_app, help="The app it is about."
)


@click.group()
def keys() -> None:
    """API keys of an app."""


@keys.command("create")
@app_option
@click.option("--name", required=True, help="What it is for.")
@click.option("--scopes", default="send", show_default=True, help=f"Any of {', '.join(KEY_SCOPES)}, with commas.")
@click.option("--expires-in", "days", type=click.IntRange(1, 36_500), help="Days until it stops working.")
@click.option("--allow", "addresses", multiple=True, help="An address or network it is taken from; may be repeated.")
@click.option("--type", "types", multiple=True, help='A type it may send, or "order.*"; may be repeated.')
def create_key(
    *, app_id: str, name: str, scopes: str, days: int | None, addresses: tuple[str, ...], types: tuple[str, ...]
) -> None:
    """Make an API key; prints it, this once."""
    check("--name", name, Line)
    wanted = [scope.strip() for scope in scopes.split(",")]
    if not set(wanted) <= set(KEY_SCOPES):
        raise Problem(f"--scopes takes {', '.join(KEY_SCOPES)}, separated by commas.")
    for type_ in types:
        check("--type", type_, TypePattern)

    def create(service: Service) -> Awaitable[NewApiKey]:
        now = service.clock.now()
        asked = KeyProperties(
            name,
            cast(list[KeyScope], wanted),
            None if days is None else now + timedelta(days=days),
            list(addresses) or None,
            list(types) or None,
        )
        try:
            return service.keys.create(app_id, checked(asked, now))
        except InvalidError as error:
            raise Problem(error.errors[0].detail) from error

    made = act("createKey", app_id, name=name, scopes=wanted)
    _show_new(with_service(create, made, details=lambda new: {"key_id": new.id}))


@keys.command("list")
@app_option
def list_keys(app_id: str) -> None:
    """List an app's API keys, the revoked and expired ones too."""
    now = datetime.now(UTC)
    for key in with_service(lambda service: service.keys.list_(app_id, _MOST, None)):
        addresses = f"  from {' '.join(key.allowed_addresses)}" if key.allowed_addresses else ""
        types = f"  types {' '.join(key.types)}" if key.types else ""
        click.echo(f"{key.id}  {key.prefix}…  {' '.join(key.scopes)}  {_state(key, now)}  {key.name}{addresses}{types}")


@keys.command("rotate")
@click.argument("key_id", metavar="ID", type=click.UUID)
@app_option
@click.option(
    "--overlap",
    "overlap_seconds",
    type=click.IntRange(0, 2_592_000),
    default=86_400,
    show_default=True,
    help="Seconds that the old key works beside the new one; 0: not any more.",
)
def rotate_key(key_id: UUID, app_id: str, overlap_seconds: int) -> None:
    """Make a key in the place of another, with the same properties; prints it, this once."""
    overlap = timedelta(seconds=overlap_seconds)
    new = with_service(
        lambda service: service.keys.rotate(app_id, key_id, overlap),
        act("rotateKey", app_id, key_id=key_id, overlap_seconds=overlap_seconds),
        details=lambda new: {"new_key_id": new.id},
    )
    _show_new(new)


@keys.command("revoke")
@click.argument("key_id", metavar="ID", type=click.UUID)
@app_option
def revoke_key(key_id: UUID, app_id: str) -> None:
    """Revoke an API key; it stops working at once."""
    with_service(lambda service: service.keys.revoke(app_id, key_id), act("revokeKey", app_id, key_id=key_id))
    click.echo("revoked")


def _show_new(new: NewApiKey) -> None:
    click.echo(f"id      {new.id}\nscopes  {' '.join(new.scopes)}")
    if new.expires_at is not None:
        click.echo(f"until   {new.expires_at:%Y-%m-%d %H:%M} UTC")
    click.echo(f"key     {new.key}")


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None:
        return f"{'until' if key.expires_at > now else 'expired'} {key.expires_at:%Y-%m-%d %H:%M}"
    return f"used {key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never used"


@click.command()
@click.argument("user_id", metavar="USER")
@app_option
@click.option(
    "--ttl", "ttl_seconds", type=click.IntRange(min=1), help="Life in seconds. Default: NOTIFY_TOKEN_TTL_SECONDS."
)
@click.option("--scope", default="inbox", show_default=True, help=f"Any of {', '.join(TOKEN_SCOPES)}, with spaces.")
@click.option(
    "--role", type=click.Choice(["user", "admin"]), default="user", show_default=True, help="To whom it may send."
)
def token(user_id: str, app_id: str, ttl_seconds: int | None, scope: str, role: Role) -> None:
    """Make a token for a user."""
    check("USER", user_id, UserId)
    scopes = scope.split()
    if not scopes or not set(scopes) <= set(TOKEN_SCOPES):
        raise Problem(f"--scope takes {', '.join(TOKEN_SCOPES)}, separated by spaces.")

    def issue(service: Service) -> Awaitable[tuple[str, object]]:
        settings = service.settings
        if ttl_seconds is not None and ttl_seconds > settings.max_token_ttl_seconds:
            raise Problem(f"--ttl is at most {settings.max_token_ttl_seconds} (NOTIFY_MAX_TOKEN_TTL_SECONDS).")
        ttl = timedelta(seconds=ttl_seconds or settings.token_ttl_seconds)
        return service.authenticator.issue(app_id, user_id, scopes, ttl, role)

    made, _ = with_service(issue)
    click.echo(made)
