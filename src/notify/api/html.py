"""The pages for people: what each of them begins and ends with, and what it may do in a browser."""

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from litestar import Response

from notify.api.access import Access
from notify.api.routes import route
from notify.core.errors import ProblemError

__all__ = ("PAGE_FILES", "SCRIPTED", "body_of", "page", "page_route")

PAGE_FILES = Path(__file__).parents[1] / "web" / "pages"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
{head}
</head>
<body>
{body}
</body>
</html>
"""
_HTML = "text/html"  # to which Litestar adds the charset
_HEADERS = {
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-cache",
}
_NOTHING_ELSE = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_TEXT = "style-src 'self'; img-src data:"
SCRIPTED = "script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'"


def page(title: str, head: str, body: str, policy: str = _TEXT) -> Response[str]:
    """`policy` says what it needs (Content-Security-Policy); it may do nothing else."""
    headers = {**_HEADERS, "Content-Security-Policy": f"{_NOTHING_ELSE}; {policy}"}
    return Response(_PAGE.format(title=escape(title), head=head, body=body), media_type=_HTML, headers=headers)


def page_route(*problems: type[ProblemError]) -> dict[str, Any]:
    return route(Access.PUBLIC, answer=str, media_type="text/html", problems=problems, touches_database=False)


@cache
def body_of(name: str) -> str:
    """The body of a page that is kept as a file."""
    return (PAGE_FILES / f"{name}.html").read_text(encoding="utf-8")
