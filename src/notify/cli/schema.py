"""`notify migrate` and `notify epoch`: the schema, and what its positions are worth."""

import click

from notify.cli.parts import act, with_service
from notify.cli.surroundings import Problem, found_settings, ready_database
from notify.settings import Settings
from notify.store.migrate import Migrations

__all__ = ("epoch", "migrate")


@click.group()
def migrate() -> None:
    """Bring the database's schema up or down, or say where it is."""


@migrate.command()
def up() -> None:
    """Apply what is pending."""
    with ready_database(found_settings(), migrated=False) as surroundings:
        migrations = _migrations(surroundings.settings)
        pending = migrations.state().pending
        for step in pending:
            click.echo(f"applying {step}")
        migrations.up()
        click.echo(f"the schema is at {migrations.state().current}")


@migrate.command()
@click.option("--to", "revision", default="-1", show_default=True, help="A revision, -N for N steps, or base.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def down(revision: str, *, yes: bool) -> None:
    """Undo the newest migration. What its tables hold is lost."""
    with ready_database(found_settings(), migrated=False) as surroundings:
        if not yes:
            click.confirm("Going down drops tables and what they hold. Go on?", abort=True)
        migrations = _migrations(surroundings.settings)
        migrations.down(revision)
        click.echo(f"the schema is at {migrations.state().current or 'its beginning'}")


@migrate.command()
def status() -> None:
    """Say where the schema is and what is pending."""
    with ready_database(found_settings(), migrated=False) as surroundings:
        state = _migrations(surroundings.settings).state()
        click.echo(f"at {state.current or 'its beginning'}, newest here {state.newest}")
        for step in state.pending:
            click.echo(f"pending {step}")
        if state.is_ahead:
            click.echo("the database was migrated by a newer notify")


@click.command()
@click.option("--new", is_flag=True, help="Make every position ever given out unknown.")
def epoch(*, new: bool) -> None:
    """After a restore that the service could not notice: make every client start fresh.

    A restore into the same cluster at the same place shows in nothing that PostgreSQL tells; without this a client
    could resume from a position that now means something else.
    """
    if not new:
        raise Problem("Say `notify epoch --new` to make every client start fresh.")
    with_service(lambda service: service.database.execute("new_generation"), act("newEpoch"))
    click.echo("every client will start fresh")


def _migrations(settings: Settings) -> Migrations:
    assert settings.database_url is not None  # noqa: S101 - ready_database has seen to it
    return Migrations(settings.database_url, settings.schema)
