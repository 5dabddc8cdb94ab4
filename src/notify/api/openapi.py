"""The OpenAPI document, made from the routing table and the Structs that decode and encode."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from notify import __version__
from notify.api.access import Access
from notify.api.client import client_files
from notify.api.messages import POSITION_PATTERN
from notify.api.problems import PROBLEM_MEDIA_TYPE
from notify.api.routes import Route
from notify.core.errors import MethodNotAllowedError, ProblemError, UnauthorizedError, all_problems
from notify.core.problem import Problem, problem_of
from notify.core.text import AppId

__all__ = ("described_routes", "openapi_document")

_REF = "#/components/schemas/{name}"
_INTRODUCTION = """\
A notification is stored in PostgreSQL first and then shown on every device its user has open.

Every change in an inbox takes the inbox's next **position**. Where an answer shows an inbox it says the position it was
read at; that is its `ETag` too. Send it back as `after` to `/v1/changes` to learn what happened since.

Errors are `application/problem+json` (RFC 9457): `type` is a page that explains the problem, `detail` says what to
do."""
_TAGS = {
    "Sending": "What producers do.",
    "Inbox": "What users do, each with a token of their own, or an API key for any user of its app.",
    "Live": "What changes, as it changes.",
    "Topics": "Who is told what without being named.",
    "Devices": "Where each device of a user has got to.",
    "Sessions": "Who is connected, over all processes of the service.",
    "Apps and keys": "Who may call.",
    "Privacy": "What is held about a user.",
    "Operations": "For whoever runs the service.",
    "Documentation": "This, and what problems mean.",
}
_REQUEST_HEADERS: dict[str, tuple[str, dict[str, Any]]] = {
    "Idempotency-Key": (
        "Makes the call safe to send again: within 24 hours the same key and body get the first answer.",
        {"type": "string", "minLength": 1, "maxLength": 255},
    ),
    "If-None-Match": ("An `ETag` of before: 304 while nothing has changed.", {"type": "string"}),
    "Notify-Position": (
        "A position that the client has seen: the answer is of a state at or past it.",
        {"type": "string", "pattern": POSITION_PATTERN},
    ),
}
_REQUEST_ID = {"description": "What the log calls this request.", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
_ALLOW = {"description": "The methods that the path takes.", "schema": {"type": "string"}}
_AUTHENTICATE = {"description": "How to authenticate.", "schema": {"type": "string"}}
_RATE_LIMIT = {
    "RateLimit-Policy": {
        "description": "How many requests this credential may make within how many seconds; no such limit, no header.",
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": "How many of them are left, and after how many seconds all are there again.",
        "schema": {"type": "string"},
    },
}
_ETAG = {"description": "Of what is shown; of an inbox it is the position, quoted.", "schema": {"type": "string"}}
_FIRST_ERROR = 400
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def described_routes(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler, Route]]:
    """Path, method, handler and description of every route that is documented, in a fixed order."""
    for found in sorted((r for r in app.routes if isinstance(r, HTTPRoute)), key=lambda r: r.path_format):
        for method in _METHODS:
            handler, _ = found.route_handler_map.get(method, (None, None))  # type: ignore[call-overload]
            if handler is not None and "route" in handler.opt:
                yield found.path_format, method, handler, handler.opt["route"]


def openapi_document(app: Litestar) -> dict[str, Any]:
    routes = list(described_routes(app))
    types = list(dict.fromkeys(_types(described for *_, described in routes)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(types, schemas, strict=True))
    # What `changes_of` asks of an edit beyond its fields.
    components["Edit"]["minProperties"] = 1
    # And `topics_of` of an audience.
    components["Audience"] |= {"minProperties": 1, "maxProperties": 1}
    paths: dict[str, dict[str, Any]] = {}
    for path, method, handler, described in routes:
        operation = _operation(path, handler, described, schema_of, components)
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "notify",
            "version": __version__,
            "description": _INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "headers": _RATE_LIMIT,
            "schemas": dict(sorted(components.items())),
            "responses": dict(
                sorted(_problem_responses((described for *_, described in routes), schema_of[Problem]).items())
            ),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key (`nk_…`) or a user's token."},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _types(routes: Iterable[Route]) -> Iterator[Any]:
    yield Problem
    for described in routes:
        yield from (type_ for type_ in (described.answer, described.body, described.query) if type_ is not None)


def _operation(
    path: str,
    handler: HTTPRouteHandler,
    described: Route,
    schema_of: dict[Any, dict[str, Any]],
    components: dict[str, Any],
) -> dict[str, Any]:
    about = [handler.fn.__doc__, described.access.value]
    operation: dict[str, Any] = {
        "operationId": handler.operation_id,
        "tags": sorted(handler.resolve_tags()),
        "summary": handler.summary,
        "description": "\n\n".join(" ".join(text.split()) for text in about if text),
        "security": [] if described.access is Access.PUBLIC else [{"bearer": []}, {"key": []}],
    }
    parameters = [*_path_parameters(path), *_query_parameters(described, components), *_headers(described)]
    if parameters:
        operation["parameters"] = parameters
    if described.body is not None:
        operation["requestBody"] = {
            "required": not described.body_optional,
            "content": {
                "application/json": {
                    "schema": schema_of[described.body],
                    "examples": {name: {"value": value} for name, value in described.examples.items()},
                }
            },
        }
    operation["responses"] = _responses(described, schema_of)
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _path_schema(name)} for name in names]


def _path_schema(name: str) -> dict[str, Any]:
    if name == "app":
        return msgspec.json.schema(AppId)
    if name == "slug":
        return {"type": "string", "enum": [problem.slug for problem in all_problems()]}
    if name == "file_name":
        return {"type": "string", "enum": client_files()}
    return {"type": "string", "format": "uuid"}


def _query_parameters(described: Route, components: dict[str, Any]) -> list[dict[str, Any]]:
    if described.query is None:
        return []
    # Each query is a Struct of its own, shown as parameters and not as a component.
    schema = components[described.query.__name__]
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _without_null(field),
            **({"description": text} if (text := _description(field)) else {}),
        }
        for name, field in schema["properties"].items()
    ]


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is not there is how a query says null."""
    options = [option for option in field.get("anyOf", []) if option != {"type": "null"}]
    if len(options) == 1:
        only: dict[str, Any] = options[0]
        return only
    return {name: value for name, value in field.items() if not (name == "default" and value is None)}


def _description(field: dict[str, Any]) -> str | None:
    described = [field, *field.get("anyOf", [])]
    return next((part["description"] for part in described if "description" in part), None)


def _headers(described: Route) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": schema}
        for name, (text, schema) in _REQUEST_HEADERS.items()
        if name in described.request_headers
    ]


def _responses(described: Route, schema_of: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "Done.", "headers": {"X-Request-ID": _REQUEST_ID}}
    if described.access is not Access.PUBLIC:
        success["headers"] |= {name: {"$ref": f"#/components/headers/{name}"} for name in _RATE_LIMIT}
    if "If-None-Match" in described.request_headers:
        success["headers"]["ETag"] = _ETAG
    if described.answer is not None:
        success["content"] = {described.media_type: {"schema": schema_of[described.answer]}}
    if "Idempotency-Key" in described.request_headers:
        success["headers"]["Idempotency-Replayed"] = {
            "description": "`true` where this is the answer of an earlier call with the same key.",
            "schema": {"type": "string"},
        }
    responses: dict[str, Any] = {str(described.status): success}
    for status in described.statuses_too:
        said = "Nothing had to be done." if status < _FIRST_ERROR else "Not done; the answer says why."
        responses[str(status)] = {**success, "description": said}
    if "If-None-Match" in described.request_headers:
        responses["304"] = {
            "description": "Nothing has changed.",
            "headers": {"X-Request-ID": _REQUEST_ID, "ETag": _ETAG},
        }
    for status, problems in _by_status(described).items():
        responses[str(status)] = {"$ref": f"#/components/responses/{_name(problems)}"}
    return responses


def _problem_responses(routes: Iterable[Route], problem_schema: dict[str, Any]) -> dict[str, Any]:
    """Every set of problems that some route answers with under one status, and those that no single route has."""
    sets = [problems for described in routes for problems in _by_status(described).values()]
    named = {problem for problems in sets for problem in problems}
    sets += [[problem] for problem in all_problems() if problem not in named]
    return {
        _name(problems): {
            "description": " ".join(f"{problem.title}." for problem in problems),
            "headers": _problem_headers(problems),
            "content": {
                PROBLEM_MEDIA_TYPE: {
                    "schema": problem_schema,
                    "examples": {
                        problem.slug: {"value": msgspec.to_builtins(problem_of(problem(), "0f8d2c"))}
                        for problem in problems
                    },
                }
            },
        }
        for problems in sets
    }


def _problem_headers(problems: list[type[ProblemError]]) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-ID": _REQUEST_ID}
    if any(problem.retry_after_seconds is not None for problem in problems):
        headers["Retry-After"] = _RETRY_AFTER
    if MethodNotAllowedError in problems:
        headers["Allow"] = _ALLOW
    if UnauthorizedError in problems:
        headers["WWW-Authenticate"] = _AUTHENTICATE
    return headers


def _by_status(described: Route) -> dict[int, list[type[ProblemError]]]:
    by_status: dict[int, list[type[ProblemError]]] = {}
    for problem in sorted(described.problems, key=lambda problem: (problem.status, problem.slug)):
        by_status.setdefault(problem.status, []).append(problem)
    return by_status


def _name(problems: list[type[ProblemError]]) -> str:
    return "-or-".join(problem.slug for problem in problems)
