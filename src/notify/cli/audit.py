"""`notify audit`: who has administered what."""

import json
from datetime import UTC, datetime

import click
import msgspec

from notify.cli.parts import with_service
from notify.store.audit import AuditEntry, AuditFilters

__all__ = ("audit",)

_TIME = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])


@click.command()
@click.option("--app", "app_id", help="Only of this app.")
@click.option("--action", help="Only this, such as revokeKey.")
@click.option("--actor", help="Only by this one, written as it is shown.")
@click.option("--since", type=_TIME, help="In UTC.")
@click.option("--until", type=_TIME, help="In UTC.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="The newest so many.")
@click.option("--json", "as_json", is_flag=True, help="All that is known, one line of JSON each.")
def audit(
    *,
    app_id: str | None,
    action: str | None,
    actor: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """Show the audit log: administrative acts over the API and by this command, newest first."""
    filters = AuditFilters(app_id, action, actor, _utc(since), _utc(until))
    for entry in with_service(lambda service: service.audit.list(filters, limit, None)):
        click.echo(msgspec.json.encode(entry).decode() if as_json else _line(entry))


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _line(entry: AuditEntry) -> str:
    who = entry.actor if entry.actor_name is None else f"{entry.actor} ({entry.actor_name})"
    about = " ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in sorted(entry.about.items()))
    status = "?" if entry.status is None else entry.status
    return f"{entry.at:%Y-%m-%dT%H:%M:%SZ}  {status:<3}  {entry.app}  {entry.action}  {about or '-'}  {who}"
