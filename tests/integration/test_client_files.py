"""The JavaScript client is there for pages of any origin, whatever else they may ask."""

import re
from pathlib import Path

import httpx
import pytest

from notify.api.client import client_files
from support.problems import problem_in

CLIENT = Path(__file__).parents[2] / "src" / "notify" / "web" / "client"


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # Files come from no database.
    return database_url


async def test_every_file_is_there_for_every_origin_and_is_not_sent_twice(client: httpx.AsyncClient) -> None:
    for name in client_files():
        answer = await client.get(f"/client/{name}", headers={"Authorization": "", "Origin": "https://any.example"})
        assert (answer.status_code, answer.content) == (200, (CLIENT / name).read_bytes())
        assert answer.headers["content-type"].startswith("text/javascript" if name.endswith(".js") else "text/plain")
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        again = await client.get(f"/client/{name}", headers={"If-None-Match": f'"other", W/{answer.headers["etag"]}'})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == answer.headers["etag"]


async def test_a_module_imports_only_what_is_there_and_the_minified_copies_only_the_client(
    client: httpx.AsyncClient,
) -> None:
    for name in client_files():
        text = (await client.get(f"/client/{name}")).text
        imported = (
            re.findall(r"""(?:from|^import)\s*["']([./][^"']+)["']""", text, re.MULTILINE)
            if name.endswith(".js")
            else []
        )
        assert {path.removeprefix("./") for path in imported} <= set(client_files()), name
        if name.endswith(".min.js"):
            assert imported == ([] if name == "notify.min.js" else ["./notify.min.js"]), name


async def test_what_is_no_file_of_it_is_not_found(client: httpx.AsyncClient) -> None:
    for name in (
        "package.json",
        "tsconfig.json",
        "nothing.js",
        "..%2f..%2f..%2fsettings.py",
        "%2e%2e%2fpages%2fstyle.css",
    ):
        problem_in(await client.get(f"/client/{name}"), 404, "not-found")
