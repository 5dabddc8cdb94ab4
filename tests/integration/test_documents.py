"""The documentation: equal to what the code says, whole, and served by us alone."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from notify.api.access import Access
from notify.api.application import application
from notify.api.openapi import described_routes
from notify.core.errors import all_problems
from support.problems import problem_in

COMMITTED = Path(__file__).parents[2] / "openapi" / "openapi.json"
WEB = Path(__file__).parents[2] / "src" / "notify" / "web"


@pytest.fixture
def any_database_url(database_url: str) -> str:
    # What is shown here is the same on every PostgreSQL.
    return database_url


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(COMMITTED.read_text())
    return found


async def test_what_the_service_shows_is_what_was_committed(
    client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    answer = await client.get("/openapi.json", headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == document


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert [error.message for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []
    assert _broken_references(document, document) == []
    operations = [operation["operationId"] for _, operation in _operations(document)]
    assert sorted(operations) == sorted(set(operations))


def test_the_validator_would_notice(document: dict[str, Any]) -> None:
    broken = {**document, "paths": {"/x": {"get": {"responses": {"200": {"headers": {}}}}}}}
    assert not OPENAPI_31_VALIDATOR.is_valid(broken)
    assert _broken_references({"$ref": "#/components/schemas/None"}, document) == ["#/components/schemas/None"]


def test_every_route_is_in_it(document: dict[str, Any]) -> None:
    described = {f"{method} {path}" for path, method, _, _ in described_routes(application())}
    assert {name for name, _ in _operations(document)} == described
    undescribed = {
        f"{method} {route.path_format}"
        for route in application().routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    } - described
    # Files for the pages are no part of the API, and the WebSocket has a document of its own.
    assert all("/assets/" in name or name == "GET /v1/ws" for name in undescribed), undescribed


def test_every_operation_says_what_it_does_and_who_may_call_it(document: dict[str, Any]) -> None:
    described = {f"{method} {path}": route for path, method, _, route in described_routes(application())}
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in _operations(document):
        assert len(operation["summary"]) > 5, name
        assert operation["description"].endswith(described[name].access.value), name
        assert set(operation["tags"]) <= tags, name
        assert operation["tags"], name
        is_public = described[name].access is Access.PUBLIC
        assert (operation["security"] == []) == is_public, name
        assert ("401" in operation["responses"]) != is_public, name
        assert {"422", "500"} <= operation["responses"].keys(), name


def test_every_body_has_examples_that_its_schema_and_the_service_take(document: dict[str, Any]) -> None:
    described = {f"{method} {path}": route for path, method, _, route in described_routes(application())}
    bodies = [(name, operation) for name, operation in _operations(document) if "requestBody" in operation]
    assert {name for name, _ in bodies} == {name for name, route in described.items() if route.body is not None}
    for name, operation in bodies:
        examples = operation["requestBody"]["content"]["application/json"]["examples"]
        assert examples, name
        for example in examples.values():
            assert "value" in example, name


def test_every_parameter_is_described_or_speaks_for_itself(document: dict[str, Any]) -> None:
    for name, operation in _operations(document):
        for parameter in operation.get("parameters", ()):
            assert parameter["schema"], (name, parameter)
            if parameter["in"] == "header":
                assert parameter["description"], (name, parameter)


def test_every_kind_of_problem_is_in_it_with_an_example(document: dict[str, Any]) -> None:
    shown = {
        slug: example["value"]
        for response in document["components"]["responses"].values()
        for slug, example in response["content"]["application/problem+json"]["examples"].items()
    }
    assert shown.keys() == {kind.slug for kind in all_problems()}
    for kind in all_problems():
        example = shown[kind.slug]
        assert (example["type"], example["title"], example["status"], example["detail"]) == (
            f"/problems/{kind.slug}",
            kind.title,
            kind.status,
            kind.advice,
        )


async def test_every_kind_of_problem_has_a_page_that_explains_it(client: httpx.AsyncClient) -> None:
    overview = (await client.get("/problems", headers={"Authorization": ""})).text
    for kind in all_problems():
        assert f'href="/problems/{kind.slug}"' in overview
        page = await client.get(f"/problems/{kind.slug}", headers={"Authorization": ""})
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        text = _text_of(page.text)
        assert kind.title in text
        assert kind.advice.replace("`", "") in text
        assert str(kind.status) in text


async def test_a_kind_of_problem_that_there_is_not_has_no_page(client: httpx.AsyncClient) -> None:
    for slug in ("nothing", "%00", "..%2f..%2fetc%2fpasswd", "<script>", "a" * 2000):
        problem_in(await client.get(f"/problems/{slug}"), 404, "not-found")


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/problems", "/problems/invalid"])
async def test_a_page_names_nothing_that_we_do_not_serve_ourselves(client: httpx.AsyncClient, path: str) -> None:
    page = await client.get(path, headers={"Authorization": ""})
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = _named_in(page.text)
    assert any(name.startswith("/assets/") for name in named)
    for name in named - {"data:,"}:  # an icon that is none, so that no browser asks for one
        assert re.match(r"/(?!/)", name), f"{name} is not ours"
        answer = await client.get(name, headers={"Authorization": ""})
        assert answer.status_code == 200, name
        if name.startswith("/assets/"):
            assert answer.content == (WEB / name.removeprefix("/assets/")).read_bytes()
            kind = "text/css" if name.endswith(".css") else "text/javascript"
            assert answer.headers["content-type"].startswith(kind), name
    # Scripts of ours and the document, and nothing from anywhere else, whatever those scripts may try.
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy.get("script-src", "'self'") == policy.get("connect-src", "'self'") == "'self'"
    assert not any("http" in sources or "*" in sources for sources in policy.values())
    assert "<script>" not in page.text


async def test_the_pages_load_the_document_that_we_serve(client: httpx.AsyncClient) -> None:
    for script in ("swagger.js", "redoc.js"):
        text = (await client.get(f"/assets/pages/{script}")).text
        assert "/openapi.json" in text
        assert "//" not in re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE), "something remote"


async def test_no_other_file_leaves_by_the_folder_of_assets(client: httpx.AsyncClient) -> None:
    for path in (
        "/assets/pages/",
        "/assets/pages/nothing.js",
        "/assets/pages/../../settings.py",
        "/assets/pages/%2e%2e/%2e%2e/settings.py",
        "/assets/pages/..%2f..%2fsettings.py",
        "/assets/pages//etc/passwd",
        "/assets/pages/%2fetc%2fpasswd",
        "/assets/pages/style.css%00",
        "/assets/pages/style.css/x",
        "/assets/pages/" + 300 * "a",
        "/assets/pages/" + 300 * "a/",
        "/assets/vendor/redoc",
        "/assets/vendor/..%5c..%5csettings.py",
        "/assets/",
    ):
        # As it is written: the client would tidy the path up.
        answer = await client.request("GET", httpx.URL("http://notify", raw_path=path.encode()))
        problem_in(answer, 404, "not-found")


def _operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _broken_references(part: Any, document: dict[str, Any]) -> list[str]:
    if isinstance(part, list):
        return [broken for item in part for broken in _broken_references(item, document)]
    if not isinstance(part, dict):
        return []
    broken = [found for item in part.values() for found in _broken_references(item, document)]
    target: Any = document
    for step in part.get("$ref", "#").split("/")[1:]:
        target = target.get(step, {})
    return [*broken, part["$ref"]] if "$ref" in part and not target else broken


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.named: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - as it is called
        self.named += [value for name, value in attrs if name in {"src", "href", "action", "data"} and value]

    def handle_data(self, data: str) -> None:
        self.text += data


def _page(html: str) -> _Page:
    page = _Page()
    page.feed(html)
    return page


def _named_in(html: str) -> set[str]:
    return set(_page(html).named)


def _text_of(html: str) -> str:
    return " ".join(_page(html).text.split())
