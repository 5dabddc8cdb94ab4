"""The page that one sees first, and the one that measures the way here."""

from html import escape
from typing import Any

from litestar import Response
from litestar.connection import Request
from litestar.di import NamedDependency

from notify import __version__
from notify.api.demo import is_from_this_machine
from notify.api.handlers import get
from notify.api.health import Readiness
from notify.api.html import SCRIPTED, body_of, page, page_route
from notify.api.inputs import NoQuery, read_query
from notify.api.parts import settings_of
from notify.core.errors import NotFoundError
from notify.store.demo import Demo

__all__ = ("doctor", "home")

_STYLE = '<link rel="stylesheet" href="/assets/pages/{name}.css">'
_SCRIPT = '<script type="module" src="/assets/pages/{name}.js"></script>'
_IS_READY = {True: ("good", "ready"), False: ("bad", "not ready")}


@get("/", operation_id="home", summary="What this is", tags=["Documentation"], opt=page_route())
async def home(
    request: Request[Any, Any, Any],
    demo: NamedDependency[Demo | None],
    readiness: NamedDependency[Readiness],
) -> Response[str]:
    """A live demo for a developer who has just started the service: with the embedded database, on a loopback address,
    in a browser on the same machine. For everybody else it says what this is, and whether it is ready.
    """
    read_query(request, NoQuery)
    if demo is not None and is_from_this_machine(request):
        return page("notify: the demo", _head("demo"), body_of("demo"), SCRIPTED)
    ready = await readiness.check()
    kind, words = _IS_READY[ready.status == "ready"]
    body = body_of("welcome").format(kind=kind, words=words, version=escape(__version__))
    doctor_link = '<li><a href="/doctor">The doctor</a>: how good is the way from your browser to here?</li>'
    return page(
        "notify",
        _STYLE.format(name="site"),
        body.replace("<!-- doctor -->", doctor_link if settings_of(request).doctor else ""),
    )


@get(
    "/doctor",
    operation_id="doctor",
    summary="How good the way from a browser to here is",
    tags=["Documentation"],
    opt=page_route(NotFoundError),
)
async def doctor(request: Request[Any, Any, Any]) -> Response[str]:
    """A page that measures the path of its visitor: buffering, HTTP/2, idle connections, WebSockets, cookies, CORS and
    clocks, and says what to change.
    """
    read_query(request, NoQuery)
    if not settings_of(request).doctor:
        raise NotFoundError
    return page("notify: the doctor", _head("doctor"), body_of("doctor"), SCRIPTED)


def _head(name: str) -> str:
    return "\n".join((_STYLE.format(name="site"), _STYLE.format(name=name), _SCRIPT.format(name=name)))
