"""The `notify` command."""

from importlib import import_module

import click

from notify import __version__
from notify.cli.apps import apps, secrets
from notify.cli.audit import audit
from notify.cli.calling import send, tail
from notify.cli.documents import asyncapi, openapi, settings
from notify.cli.identities import keys, token
from notify.cli.retention import retention
from notify.cli.schema import epoch, migrate
from notify.cli.serve import serve
from notify.cli.users import users

__all__ = ("main",)


class _Commands(click.Group):
    """Those that other commands do not want to wait for are imported when they are called for."""

    later = {"bench": "notify.cli.bench"}  # noqa: RUF012 - click makes a group of a class

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.later})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.later:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(self.later[cmd_name]), cmd_name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="notify", message="notify %(version)s")
def main() -> None:
    """A notification service: stored in PostgreSQL first, then shown on every device a user has open."""


for command in (
    serve,
    send,
    tail,
    migrate,
    settings,
    apps,
    keys,
    token,
    users,
    secrets,
    audit,
    retention,
    epoch,
    openapi,
    asyncapi,
):
    main.add_command(command)
