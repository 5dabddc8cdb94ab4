"""What the OpenAPI document allows, the running service takes, what it forbids is refused, and every answer is one that
it names: schemathesis tries to find a request for which that is not so.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import httpx
import pytest
import schemathesis
from hypothesis import assume, settings
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.openapi.checks import RejectedPositiveData

from support.processes import ADMIN, NotifyProcess
from support.servers import TestServer

# That the running service shows this very document is what test_documents.py proves.
schema = schemathesis.openapi.from_path(Path(__file__).parents[2] / "openapi" / "openapi.json")
# A stream does not end by itself; its tests follow it. That of the doctor may be silent for long.
# And tests reach for nobody else, as a JWKS URL would make the service do.
documented = (
    schema.exclude(path="/v1/stream", method="GET")
    .exclude(path="/doctor/stream", method="GET")
    .exclude(path="/v1/apps/{app}/jwt", method="PUT")
)

# What no schema can say: whether a cursor or a position is of this inbox, whether a key was used before, that an API
# key has to name a user, what cannot be stored within free data, what means nothing where nothing is kept, whether a
# time is past or too far ahead, what is an address and whose token it is, and that to us 2.0 is not a whole number.
_BEYOND_A_SCHEMA = {
    "cursor",
    "after",
    "/before",
    "/exclude",
    "/position",
    "Notify-Position",
    "user_id",
    "/token",
    "/types",
}
_OF_TIMES = ("past already", "days ahead.", "over before it is sent", "years 1 to 9999", "not both")
_KINDS_BEYOND_A_SCHEMA = {"/problems/idempotency-mismatch", "/problems/position-unknown"}

_LONGEST_QUERY = 50_000

load_all_checks()


@pytest.fixture(scope="module")
def service(embedded_server: TestServer) -> Iterator[NotifyProcess]:
    # As long as the document says that a token may live.
    environment = {"NOTIFY_MAX_TOKEN_TTL_SECONDS": "31536000", "NOTIFY_LOG_LEVEL": "warning"}
    with embedded_server.database() as url, NotifyProcess({"NOTIFY_DATABASE_URL": url, **environment}) as process:
        yield process
        assert not process.log, "nothing that anyone sends is worth a warning"


@pytest.fixture(scope="module")
def producer(service: NotifyProcess) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@documented.parametrize()
@settings(max_examples=25, deadline=None)
def test_every_answer_is_as_documented(
    case: schemathesis.Case[Any], service: NotifyProcess, producer: httpx.Client
) -> None:
    # A longer head is refused before there is a request, of which test_hostile_input.py knows more.
    assume(len(urlencode(case.query or {}, doseq=True, errors="replace")) < _LONGEST_QUERY)
    _name_what_exists(case, producer)
    response = case.call(base_url=service.url, headers=ADMIN, timeout=15)
    try:
        case.validate_response(response)
    except FailureGroup as found:
        if not _is_beyond_a_schema(response):
            raise
        _, others = found.split(RejectedPositiveData)
        if others is not None:
            raise others from None


def _name_what_exists(case: schemathesis.Case[Any], producer: httpx.Client) -> None:
    """A path that may name something names what is there, so that more than a 404 is seen."""
    parameters = case.path_parameters
    if _is_uuid(parameters.get("notification_id")):
        answer = producer.post("/v1/notifications", json={"to": "alice", "title": "to be found"})
        parameters["notification_id"] = answer.json()["id"]
    if _is_uuid(parameters.get("operation_id")):
        answer = producer.post("/v1/notifications", json={"to": {"topic": "found"}, "title": "to be found"})
        parameters["operation_id"] = answer.json()["id"]
    if re.fullmatch("[a-z0-9][a-z0-9_-]{0,63}", str(parameters.get("app", ""))):
        parameters["app"] = "default"
    if _is_uuid(parameters.get("key_id")):
        answer = producer.post("/v1/apps/default/keys", json={"name": "to be revoked", "scopes": ["send"]})
        parameters["key_id"] = answer.json()["id"]


def _is_uuid(value: Any) -> bool:
    try:
        UUID(value)
    except (ValueError, TypeError, AttributeError):
        return False
    return True


def _is_beyond_a_schema(response: schemathesis.Response) -> bool:
    if response.status_code < 400 or not response.content:
        return response.status_code >= 400  # HEAD tells nobody what was wrong
    problem = response.json()
    errors = problem.get("errors", [])
    if problem["detail"].startswith(("The body names nothing to change", "Send either `token` or `jti`")):
        return True  # `"resurface": false` is allowed, and changes nothing by itself.
    return problem["type"] in _KINDS_BEYOND_A_SCHEMA or any(
        error["pointer"] in _BEYOND_A_SCHEMA
        or any(words in error["detail"] for words in _OF_TIMES)
        or error["detail"].startswith(("NUL characters", "Whole numbers", "It is not kept", "Say what to change"))
        or error["pointer"].startswith("/allowed_addresses/")
        or error["detail"].endswith("got float.")
        for error in errors
    )
