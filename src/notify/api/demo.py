"""What the page for developers works with. It leaves this machine by no request that comes from elsewhere."""

import re
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Annotated, Any, Final

from litestar.connection import Request
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from notify.api.access import Access, Connection
from notify.api.addresses import address_of
from notify.api.answers import Answer, json_answer
from notify.api.auth import Authenticator
from notify.api.handlers import post
from notify.api.inputs import NoQuery, header, read_query
from notify.api.parts import settings_of
from notify.api.routes import route
from notify.core.errors import NotFoundError
from notify.store.demo import DEMO_APP, Asker, Demo

__all__ = ("demo_credentials", "is_from_this_machine")

_USERS: Final = ("alice", "bob")
_TOKEN_LIVES = timedelta(minutes=15)
_LOCAL_HOST = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE | re.ASCII)
_OF_PROXIES = re.compile(rb"forwarded|via|x-(forwarded|original|real|client|proxy|envoy)\b.*|true-client-ip|cf-.*")
"""Headers by which proxies and tunnels say that they stand between."""


class DemoUser(Struct, frozen=True):
    id: str
    token: str
    expires_at: datetime


class DemoAnswer(Struct, frozen=True):
    app: str
    key: Annotated[str, Meta(description="Sends, and reads the inboxes of this app; taken from this machine only.")]
    users: list[DemoUser]
    psql: Annotated[str, Meta(description="A command that opens the database as a role that may only send.")]
    schema: Annotated[str, Meta(description="Where `send` is, there.")]


@post(
    "/demo",
    operation_id="demo",
    summary="What the demo works with",
    status_code=200,
    tags=["Documentation"],
    opt=route(Access.PUBLIC, answer=DemoAnswer, problems=(NotFoundError,)),
)
async def demo_credentials(
    request: Request[Any, Any, Any], demo: NamedDependency[Demo | None], authenticator: NamedDependency[Authenticator]
) -> Answer:
    """For the page at `/`, which a developer sees who has just started the service: with the embedded database, on a
    loopback address, asked by that page in a browser on the same machine. Anybody else is answered with 404.

    The key belongs to an app of its own, `notify-demo`. It is made the first time, and noted in the audit log.
    """
    read_query(request, NoQuery)
    if demo is None or not is_from_this_machine(request) or not _is_from_own_page(request):
        raise NotFoundError
    key = await demo.key(Asker(str(address_of(request)), request.scope["state"]["request_id"]))
    users = [DemoUser(user, *await authenticator.issue(DEMO_APP, user, ["inbox"], _TOKEN_LIVES)) for user in _USERS]
    return json_answer(DemoAnswer(DEMO_APP, key, users, await demo.psql(key), settings_of(request).schema))


def is_from_this_machine(connection: Connection) -> bool:
    """Whether it was sent here by this machine itself, under a name that only means this machine: no page whose name
    was made to point here, and nothing that says it came through a proxy.
    """
    scope = connection.scope
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    return (
        scope["client"] is not None
        and _is_loopback(scope["client"][0])
        and len(hosts) == 1
        and _LOCAL_HOST.fullmatch(hosts[0].decode("latin-1")) is not None
        # Browsers have spoken nothing so old for decades; proxies still do.
        and scope["http_version"] != "1.0"
        and not any(_OF_PROXIES.fullmatch(name) for name, _ in scope["headers"])
    )


def _is_from_own_page(connection: Connection) -> bool:
    """A browser says so of each POST. A proxy that renames the host gives itself away by the page's origin."""
    return (
        header(connection, b"sec-fetch-site") == "same-origin"
        and header(connection, b"origin") == f"http://{header(connection, b'host')}"
    )


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
