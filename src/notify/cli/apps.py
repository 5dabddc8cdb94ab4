"""`notify apps` and `notify secrets`: the tenants, how their tokens are signed, and how secrets are kept."""

import json
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from notify.api.app_tokens import JwtAnswer, JwtBody, shown, wanted_by
from notify.app import Service
from notify.cli.checking import check
from notify.cli.parts import act, with_service
from notify.cli.surroundings import Problem, found_settings
from notify.core.errors import InvalidError
from notify.core.text import AppId, Line
from notify.store.apps import App, NewSecret, Resealed
from notify.store.sealing import Sealing

__all__ = ("apps", "secrets")

_MOST = 1_000_000
_DAY_SECONDS = 86_400
_MONTH_SECONDS = 2_592_000

T = TypeVar("T")


def _checked(_context: click.Context, _argument: click.Parameter, value: str) -> str:
    check("ID", value, AppId)
    return value


_app_argument = click.argument("app_id", metavar="ID", callback=_checked)


@click.group()
def apps() -> None:
    """Apps (tenants). Everything is separated by app."""


@apps.command("create")
@_app_argument
@click.option("--name", help="What people call it. Default: the id.")
def create_app(app_id: str, name: str | None) -> None:
    """Make an app; prints the secret that signs its user tokens, this once."""
    check("--name", name or app_id, Line)
    new = with_service(
        lambda service: service.apps.create(app_id, name or app_id),
        act("createApp", app=app_id, name=name or app_id),
    )
    click.echo(f"app         {new.id}\njwt secret  {new.jwt_secret}")


@apps.command("list")
def list_apps() -> None:
    """List all apps."""
    for app in with_service(lambda service: service.apps.list_(_MOST, None, None)):
        click.echo(f"{app.id}  {app.name}{'' if app.enabled else '  (disabled)'}")


@apps.command("show")
@_app_argument
def show_app(app_id: str) -> None:
    """Show an app, and how its user tokens are verified. Never a secret."""

    async def look(service: Service) -> tuple[App, JwtAnswer]:
        return await service.apps.get(app_id), shown(await service.jwks.state(app_id))

    app, jwt = with_service(look)
    lines: list[tuple[str, object]] = [
        ("app", app.id),
        ("name", app.name),
        ("enabled", "yes" if app.enabled else "no"),
        ("issuer", jwt.issuer),
        ("audience", jwt.audience),
        ("keys from", jwt.jwks_url),
        ("fetched", _minute(jwt.fetched_at)),
        ("failure", jwt.failure),
        ("old secret", None if jwt.secret_before_until is None else f"until {_minute(jwt.secret_before_until)}"),
        *(("key", f"{key.algorithm}  {key.kid or '(without a kid)'}") for key in jwt.keys),
    ]
    for name, value in lines:
        if value is not None:
            click.echo(f"{name:<11} {value}")


@apps.command("disable")
@_app_argument
def disable_app(app_id: str) -> None:
    """Take no key and no token of an app any more, and end its live connections."""

    async def disable(service: Service) -> None:
        await service.apps.change(app_id, enabled=False)
        await service.registry.revoke_app(app_id)

    with_service(disable, act("changeApp", app_id, enabled=False))
    click.echo("disabled")


@apps.command("enable")
@_app_argument
def enable_app(app_id: str) -> None:
    """Take its keys and tokens again."""
    with_service(lambda service: service.apps.change(app_id, enabled=True), act("changeApp", app_id, enabled=True))
    click.echo("enabled")


@apps.command("rotate-secret")
@_app_argument
@click.option(
    "--overlap",
    "overlap_seconds",
    type=click.IntRange(0, _MONTH_SECONDS),
    default=_DAY_SECONDS,
    show_default=True,
    help="How long the secret of before is taken as well, in seconds.",
)
def rotate_secret(app_id: str, overlap_seconds: int) -> None:
    """Give an app a new secret for its user tokens; prints it, this once."""

    def rotate(service: Service) -> Awaitable[NewSecret]:
        return service.apps.rotate_secret(app_id, timedelta(seconds=overlap_seconds))

    new = with_service(rotate, act("rotateSecret", app_id, overlap_seconds=overlap_seconds))
    click.echo(f"jwt secret  {new.jwt_secret}")
    if new.before_until is not None:
        click.echo(f"old secret  until {_minute(new.before_until)}")


@apps.command("jwks")
@_app_argument
@click.option("--url", help="Where the app's public keys are; https only.")
@click.option("--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A JWKS document.")
@click.option("--issuer", help="What `iss` of each token has to be.")
@click.option("--audience", help="What `aud` of each token has to be, or to hold.")
def set_jwks(app_id: str, path: Path | None, url: str | None, issuer: str | None, audience: str | None) -> None:
    """Say how an app's user tokens are verified beside its secret, in place of what was said before. A service that
    runs fetches the URL.
    """
    given = {"jwks": _document_in(path), "jwks_url": url, "issuer": issuer, "audience": audience}
    try:
        asked = msgspec.convert({name: value for name, value in given.items() if value is not None}, JwtBody)
        wanted = wanted_by(asked)
    except msgspec.ValidationError as error:
        raise Problem(f"{error}.") from error
    except InvalidError as error:
        raise Problem(error.errors[0].detail) from error
    about = {name: value for name, value in given.items() if name != "jwks" and value is not None}
    with_service(lambda service: service.jwks.configure(app_id, wanted), act("configureTokens", app_id, **about))
    click.echo("done")


@click.group()
def secrets() -> None:
    """How secrets are kept in the database."""


@secrets.command("encrypt")
@click.option("--plain", is_flag=True, help="Decrypt them instead, to be kept as they are.")
def encrypt(*, plain: bool) -> None:
    """Encrypt every secret in the database with the first key of NOTIFY_ENCRYPTION_KEY. Run it after giving that a
    key, or a new one in front; what is encrypted with it already stays.
    """
    keys: Sequence[str] = found_settings().encryption_key
    if not keys:
        raise Problem("Set NOTIFY_ENCRYPTION_KEY first: 32 random bytes in base64url.")

    def reseal(service: Service) -> Awaitable[Resealed]:
        return service.apps.reseal(Sealing(keys, seals=not plain))

    done = with_service(reseal, act("encryptSecrets", plain=plain))
    word = "decrypted" if plain else "encrypted"
    click.echo(f"{word} {done.changed:,}, {done.unchanged:,} were already")


def _document_in(path: Path | None) -> object:
    if path is None:
        return None
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: expected a file with a JSON document.") from error


def _minute(time: datetime | None) -> str | None:
    return None if time is None else f"{time:%Y-%m-%d %H:%M}"
