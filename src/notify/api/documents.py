"""The pages for people: the API's documentation, offline, and what each kind of problem means."""

import re
from functools import cache, lru_cache
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, Response
from litestar.connection import Request
from litestar.params import FromPath
from litestar.router import Router
from litestar.static_files import create_static_files_router

from notify.api.access import Access
from notify.api.asyncapi import asyncapi_document
from notify.api.handlers import get
from notify.api.html import SCRIPTED, page, page_route
from notify.api.inputs import NoQuery, read_query
from notify.api.openapi import openapi_document
from notify.api.routes import route
from notify.core.errors import NotFoundError, all_problems

__all__ = ("DOCUMENT_ROUTES",)

_WEB = Path(__file__).parents[1] / "web"
_MORE = """\
<p>Each answer says more in <code>detail</code>, points at wrong values in <code>errors</code>, and carries a
<code>request_id</code> that the log of the service knows.</p>
<p><a href="/problems">All problems</a></p>"""
# Redoc puts styles into the page: an empty element, which it then fills by script, and one that is always the same.
_REDOC_STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='"
)
_REDOC = f"script-src 'self'; style-src {_REDOC_STYLES}; img-src data:; connect-src 'self'; worker-src blob:"


@get(
    "/docs",
    operation_id="docs",
    summary="This documentation, to try things out",
    tags=["Documentation"],
    opt=page_route(),
)
async def docs(request: Request[Any, Any, Any]) -> Response[str]:
    read_query(request, NoQuery)
    return page(
        "notify: the API",
        '<link rel="stylesheet" href="/assets/vendor/swagger-ui-dist/swagger-ui.css">',
        '<div id="docs"></div>\n'
        '<script src="/assets/vendor/swagger-ui-dist/swagger-ui-bundle.js"></script>\n'
        '<script src="/assets/pages/swagger.js"></script>',
        SCRIPTED,
    )


@get("/redoc", operation_id="redoc", summary="This documentation, to read", tags=["Documentation"], opt=page_route())
async def redoc(request: Request[Any, Any, Any]) -> Response[str]:
    read_query(request, NoQuery)
    return page(
        "notify: the API",
        "",
        '<div id="docs"></div>\n'
        '<script src="/assets/vendor/redoc/redoc.standalone.js"></script>\n'
        '<script src="/assets/pages/redoc.js"></script>',
        _REDOC,
    )


@get("/problems", operation_id="problems", summary="Every kind of problem", tags=["Documentation"], opt=page_route())
async def problems(request: Request[Any, Any, Any]) -> Response[str]:
    read_query(request, NoQuery)
    rows = "\n".join(
        f'<dt><a href="/problems/{kind.slug}">{escape(kind.title)}</a></dt><dd>{kind.status} · {kind.slug}</dd>'
        for kind in all_problems()
    )
    return page("notify: problems", _STYLE, f"<main>\n<h1>Problems</h1>\n<dl>\n{rows}\n</dl>\n</main>")


@get(
    "/problems/{slug:str}",
    operation_id="problem",
    summary="What a kind of problem means",
    tags=["Documentation"],
    opt=page_route(NotFoundError),
)
async def problem(request: Request[Any, Any, Any], slug: FromPath[str]) -> Response[str]:
    read_query(request, NoQuery)
    kind = next((kind for kind in all_problems() if kind.slug == slug), None)
    if kind is None:
        raise NotFoundError
    return page(
        kind.title,
        _STYLE,
        f'<main>\n<p class="status">{kind.status} · {kind.slug}</p>\n<h1>{escape(kind.title)}</h1>\n'
        f"<p>{_prose(kind.advice)}</p>\n"
        f"{_MORE}\n</main>",
    )


_STYLE = '<link rel="stylesheet" href="/assets/pages/style.css">'


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


# Made when they are first asked for: a service starts without.
@lru_cache(maxsize=1)
def _encoded_openapi(app: Litestar) -> bytes:
    return msgspec.json.encode(openapi_document(app))


@cache
def _encoded_asyncapi() -> bytes:
    return msgspec.json.encode(asyncapi_document())


@get(
    "/openapi.json",
    operation_id="openapi",
    summary="This documentation, for machines",
    tags=["Documentation"],
    opt=route(Access.PUBLIC, answer=dict[str, Any], touches_database=False),
)
async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    read_query(request, NoQuery)
    return Response(_encoded_openapi(request.app), media_type="application/json", headers={"Cache-Control": "no-cache"})


@get(
    "/asyncapi.json",
    operation_id="asyncapi",
    summary="The documentation of the live transports, for machines",
    tags=["Documentation"],
    opt=route(Access.PUBLIC, answer=dict[str, Any], touches_database=False),
)
async def asyncapi(request: Request[Any, Any, Any]) -> Response[bytes]:
    read_query(request, NoQuery)
    return Response(_encoded_asyncapi(), media_type="application/json", headers={"Cache-Control": "no-cache"})


def _assets(folder: str) -> Router:
    # The bodies of pages leave as pages only, with a policy.
    kept = (file for file in (_WEB / folder).rglob("*") if file.is_file() and file.suffix != ".html")
    files = frozenset(file.relative_to(_WEB).as_posix() for file in kept)

    def check_asset(request: Request[Any, Any, Any]) -> None:
        # What is no file of ours is not asked of the file system, which has its own ways to refuse a name.
        if request.scope["path"].removeprefix("/assets/") not in files:
            raise NotFoundError

    return create_static_files_router(
        path=f"/assets/{folder}",
        directories=[_WEB / folder],
        opt={"access": Access.PUBLIC},
        before_request=check_asset,
        include_in_schema=False,
        name=folder,
    )


DOCUMENT_ROUTES = (docs, redoc, problems, problem, openapi, asyncapi, _assets("pages"), _assets("vendor"))
