"""`notify send` and `notify tail`: a producer and a device for the terminal."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import click

from notify.cli.remote import StreamEvent, found_remote
from notify.cli.surroundings import Problem

__all__ = ("send", "tail")

_LEVELS = {"info": "blue", "success": "green", "warning": "yellow", "error": "red"}


@click.command()
@click.argument("user_id", metavar="USER")
@click.argument("title")
@click.option("--body", help="The text below the title.")
@click.option("--type", "type_", help='What kind it is, such as "booking.created".')
@click.option("--level", type=click.Choice(list(_LEVELS)), default="info", show_default=True)
@click.option("--url", help="Where a click leads.")
@click.option("--data", help="A JSON object for the application.")
@click.option("--collapse-key", help="Update the unread one with this key instead of adding another.")
def send(user_id: str, title: str, type_: str | None, data: str | None, **given: str | None) -> None:
    """Send a notification through a running service (NOTIFY_URL and NOTIFY_API_KEY, or the one in the data folder)."""
    notification: dict[str, Any] = {"to": user_id, "title": title, "type": type_, **given}
    if data is not None:
        try:
            notification["data"] = json.loads(data)
        except ValueError as error:
            raise Problem(f"--data is not JSON: {error}.") from error
    notification = {name: value for name, value in notification.items() if value is not None}
    answer = found_remote().post("/v1/notifications", notification, {"Idempotency-Key": uuid4().hex})
    click.echo(f"{answer['id']} at {answer['items'][0]['position']}")


@click.command()
@click.argument("user_id", metavar="USER")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event.")
@click.option("--from-now", is_flag=True, help="Do not show what is unread first.")
def tail(user_id: str, *, as_json: bool, from_now: bool) -> None:
    """Watch a user's inbox, like a device that stays on; a broken connection is resumed without loss."""
    query = {"user_id": user_id, "from": "now" if from_now else "unread"}

    def said_to_wait(seconds: float) -> None:
        click.echo(click.style(f"… connecting again in {seconds:.1f} s", dim=True), err=True)

    try:
        _show(found_remote().stream(query, said_to_wait), as_json=as_json)
    except KeyboardInterrupt:
        return  # the only way to end it


def _show(events: Iterator[StreamEvent], *, as_json: bool) -> None:
    for event in events:
        if as_json:
            click.echo(json.dumps({"event": event.name, "id": event.id or None, "data": event.data}))
        elif event.data is not None:
            click.echo(_line(event))
        if event.name == "bye" and event.data is not None and event.data["reason"] == "auth":
            raise Problem("The service does not take this credential any more.")


def _line(event: StreamEvent) -> str:
    data = event.data
    match event.name:
        case "notification" | "update":
            time = data["updated_at"][11:19]
            mark = "+" if event.name == "notification" else "~"
            title = click.style(data["title"], fg=_LEVELS[data["level"]], bold=data["read_at"] is None)
            extra = " ".join(filter(None, (data["type"], data["url"])))
            return f"{time} {mark} {title}" + (f"  {click.style(extra, dim=True)}" if extra else "")
        case "delete":
            return click.style(f"         - {data['id']}", dim=True)
        case "inbox":
            return click.style(f"         {data['unread']} unread of {data['total']} at {data['position']}", dim=True)
        case _:
            return click.style(f"         {event.name} {json.dumps(data)}", dim=True)
