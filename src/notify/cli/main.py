"""The `notify` command."""

import click

from notify import __version__
from notify.cli.calling import send, tail
from notify.cli.documents import asyncapi, openapi, settings
from notify.cli.identities import apps, keys, token
from notify.cli.schema import epoch, migrate
from notify.cli.serve import serve

__all__ = ("main",)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, package_name="notify", message="notify %(version)s")
def main() -> None:
    """A notification service: stored in PostgreSQL first, then shown on every device a user has open."""


for command in (serve, send, tail, migrate, settings, apps, keys, token, epoch, openapi, asyncapi):
    main.add_command(command)
