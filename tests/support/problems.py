"""What every problem has to look like (RFC 9457), wherever it comes from."""

import json
import re
from collections.abc import Mapping
from typing import Any

import httpx

from notify.core.errors import all_problems

__all__ = ("check_problem", "problem_in")

_KINDS = {f"/problems/{kind.slug}": kind for kind in all_problems()}
_MEMBERS = {"type", "title", "status", "detail", "request_id", "errors"}


def problem_in(answer: httpx.Response, status: int, slug: str | None = None) -> dict[str, Any]:
    """The problem in an answer, which has to be a proper one with that status, and of that kind."""
    problem = check_problem(answer.status_code, answer.headers, answer.content)
    assert answer.status_code == status, answer.text
    assert slug is None or problem["type"] == f"/problems/{slug}", answer.text
    return problem


def check_problem(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    text = body.decode()
    assert headers["content-type"] == "application/problem+json", (status, headers["content-type"], text[:500])
    problem: dict[str, Any] = json.loads(text)
    assert problem.keys() <= _MEMBERS, text
    kind = _KINDS[problem["type"]]
    assert (problem["title"], problem["status"]) == (kind.title, kind.status), text
    assert problem["status"] == status, text
    # What to do is said in whole sentences.
    assert re.fullmatch(r"[A-Z`].{10,}[.?]`?", problem["detail"], re.DOTALL), text
    assert problem["request_id"] == headers["x-request-id"], text
    for error in problem.get("errors", ()):
        assert error.keys() == {"pointer", "detail"}, text
        assert error["detail"].endswith((".", "`.")), text
    if status == 401:
        assert headers["www-authenticate"].startswith("Bearer "), headers
    if status == 405:
        assert "allow" in headers, headers
    if kind.retry_after_seconds is not None:
        assert int(headers["retry-after"]) >= 1, headers
    return problem
