"""A running service, as `notify send` and `notify tail` call it: over HTTP, like anybody else."""

import http.client
import json
import os
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from notify.cli.surroundings import ADDRESS_FILE, Problem, found_settings, with_admin_key
from notify.settings import Settings

__all__ = ("Refused", "Remote", "StreamEvent", "found_remote", "local_service", "named_service")

_TIMEOUT_SECONDS = 10.0
_SILENCE_SECONDS = 60.0
"""The service says something every 15 seconds; after this much silence the connection is dead."""

_LONGEST_PAUSE_SECONDS = 30.0


class Refused(Problem):
    """The service said no, and will say so again."""


class StreamEvent(NamedTuple):
    name: str
    id: str
    data: Any


class Remote:
    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise Problem("NOTIFY_URL has to be an address such as https://notify.example.")
        self._is_secure = parts.scheme == "https"
        self._address = (parts.hostname, parts.port)
        self._path = parts.path.rstrip("/")
        self._url = url
        self._key = key

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """The answer to a request that may be repeated, which it is if the connection fails."""
        for attempt in range(3):
            connection = self._connect(_TIMEOUT_SECONDS)
            try:
                connection.request(
                    "POST",
                    self._path + path,
                    json.dumps(body),
                    {**self._headers(), "Content-Type": "application/json", **headers},
                )
                return _checked(connection.getresponse())
            except (OSError, http.client.HTTPException) as error:
                if attempt == 2:  # noqa: PLR2004 - the third of three
                    raise Problem(f"{self._url} cannot be reached: {str(error) or type(error).__name__}.") from error
                time.sleep(0.2 * 2**attempt)
            finally:
                connection.close()
        raise AssertionError("unreachable")

    def stream(self, query: Mapping[str, str], on_pause: Any) -> Iterator[StreamEvent]:
        """The events of a stream without end: a broken one is opened again where it broke off."""
        position = ""
        retry_seconds = 1.0
        failures = 0
        while True:
            connection = self._connect(_SILENCE_SECONDS)
            try:
                headers = self._headers() | ({"Last-Event-ID": position} if position else {})
                connection.request("GET", f"{self._path}/v1/stream?{urlencode(query)}", headers=headers)
                response = connection.getresponse()
                if response.status != http.client.OK:
                    _checked(response)
                for event in _events(response):
                    failures = 0
                    position = event.id or position
                    if event.name == "retry":
                        retry_seconds = int(event.data) / 1000
                    else:
                        yield event
            except (OSError, http.client.HTTPException):
                failures += 1
            finally:
                connection.close()
            pause = min(_LONGEST_PAUSE_SECONDS, retry_seconds * 2 ** min(failures, 5)) * random.uniform(0.5, 1)  # noqa: S311 - jitter
            on_pause(pause)
            time.sleep(pause)

    def _connect(self, timeout_seconds: float) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_secure else http.client.HTTPConnection
        host, port = self._address
        assert host is not None  # noqa: S101 - checked when it was made
        return kind(host, port, timeout=timeout_seconds)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"}


def found_remote() -> Remote:
    """The service of NOTIFY_URL and NOTIFY_API_KEY, or the one that runs in the data folder."""
    named = named_service(os.environ.get("NOTIFY_URL"), os.environ.get("NOTIFY_API_KEY"))
    if named is not None:
        return Remote(*named)
    settings = found_settings()
    local = local_service(settings)
    if local is None:
        raise Problem(f"No service runs in {settings.data_dir}: start one, or set NOTIFY_URL and NOTIFY_API_KEY.")
    return Remote(*local)


def named_service(url: str | None, key: str | None) -> tuple[str, str] | None:
    """Address and key, if they are given."""
    if url and key:
        return url, key
    if url or key:
        raise Problem("Set both NOTIFY_URL and NOTIFY_API_KEY, or neither for the service in the data folder.")
    return None


def local_service(settings: Settings) -> tuple[str, str] | None:
    """Address and key of the service that said it runs in the data folder."""
    try:
        url = (settings.data_dir / ADDRESS_FILE).read_text().strip()
    except OSError:
        return None
    admin_key = with_admin_key(settings).admin_key
    assert admin_key is not None  # noqa: S101 - with_admin_key has seen to it
    return url, admin_key


def _checked(response: http.client.HTTPResponse) -> Any:
    body = response.read()
    if response.status < http.client.BAD_REQUEST:
        return json.loads(body)
    try:
        problem = json.loads(body)
        errors = " ".join(f"{error['pointer']}: {error['detail']}" for error in problem.get("errors", ()))
        said = f"{problem['title']}. {errors or problem['detail']}"
    except (ValueError, KeyError, TypeError):
        said = f"{response.status} {response.reason}"
    if response.status >= http.client.INTERNAL_SERVER_ERROR:
        raise http.client.HTTPException(said)
    raise Refused(said)


def _events(response: http.client.HTTPResponse) -> Iterator[StreamEvent]:
    name = position = ""
    data: list[str] = []
    for raw in response:
        line = raw.decode().rstrip("\r\n")
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data or position:
                yield StreamEvent(name or "message", position, json.loads("\n".join(data)) if data else None)
            name = position = ""
            data = []
        elif field == "event":
            name = value
        elif field == "id":
            position = value
        elif field == "data":
            data.append(value)
        elif field == "retry":
            yield StreamEvent("retry", "", value)
