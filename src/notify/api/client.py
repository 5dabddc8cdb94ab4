"""The JavaScript client, as modules that pages of any origin may import."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from litestar import Response
from litestar.connection import Request
from litestar.params import FromPath
from msgspec import Struct

from notify.api.access import Access
from notify.api.handlers import get
from notify.api.inputs import NoQuery, header, read_query
from notify.api.routes import route
from notify.core.errors import NotFoundError

__all__ = ("CLIENT_PATH", "client_file", "client_files")

CLIENT_PATH: Final = "/client/"

_FOLDER = Path(__file__).parents[1] / "web" / "client"
_TYPES = {".js": "text/javascript; charset=utf-8", ".ts": "text/plain; charset=utf-8"}


class _File(Struct, frozen=True):
    content: bytes
    headers: Mapping[str, str]


@cache
def _files() -> Mapping[str, _File]:
    """Read when one is first asked for."""
    return {path.name: _file(path) for path in _FOLDER.iterdir() if path.suffix in _TYPES}


def client_files() -> list[str]:
    """Their names."""
    return sorted(_files())


def _file(path: Path) -> _File:
    content = path.read_bytes()
    headers = {
        "Content-Type": _TYPES[path.suffix],
        # Asked for anew each time, so that modules of two versions never meet.
        "Cache-Control": "no-cache",
        "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    }
    return _File(content, headers)


@get(
    f"{CLIENT_PATH}{{file_name:str}}",
    operation_id="clientFile",
    summary="The JavaScript client",
    tags=["Documentation"],
    opt=route(
        Access.PUBLIC,
        answer=str,
        request_headers=("If-None-Match",),
        problems=(NotFoundError,),
        media_type="text/*",
        touches_database=False,
    ),
)
async def client_file(request: Request[Any, Any, Any], file_name: FromPath[str]) -> Response[bytes]:
    """`notify.js` and `bell.js`, the modules that they import, and `notify.min.js` and `bell.min.js`, each in one."""
    read_query(request, NoQuery)
    found = _files().get(file_name)
    if found is None:
        raise NotFoundError
    tags = {tag.strip().removeprefix("W/") for tag in (header(request, b"if-none-match") or "").split(",")}
    if found.headers["ETag"] in tags:
        return Response(b"", status_code=304, headers=dict(found.headers))
    return Response(found.content, headers=dict(found.headers))
