"""The service that is measured: where it is, how it is called, and whether it can be reached at all."""

import http.client
import ipaddress
import json
import socket
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import msgspec
from msgspec import Struct

from notify.bench.errors import BenchError

__all__ = ("Target", "problem_in")

_TIMEOUT_SECONDS = 10.0


class Target(Struct, frozen=True):
    url: str
    key: str

    def __post_init__(self) -> None:
        if self._parts.scheme not in {"http", "https"} or not self._parts.hostname:
            raise BenchError("The service's address has to be one such as https://notify.example.")

    @property
    def is_local(self) -> bool:
        """On this machine, as far as its addresses tell."""
        return all(ipaddress.ip_address(host.partition("%")[0]).is_loopback for host, _ in self.addresses())

    def addresses(self) -> list[tuple[str, int]]:
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise BenchError(f"{self.url} cannot be found: {error.strerror}. Check the address.") from error
        return [(str(address[0]), int(address[1])) for *_, address in found]

    @property
    def tls(self) -> tuple[ssl.SSLContext, str] | None:
        """How to speak TLS, and the name to expect, where it is spoken."""
        return (ssl.create_default_context(), self._host) if self._parts.scheme == "https" else None

    def request(self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> bytes:
        content = b"" if body is None else msgspec.json.encode(body)
        lines = [
            f"{method} {self._parts.path.rstrip('/')}{path} HTTP/1.1",
            f"Host: {self._parts.netloc.rpartition('@')[2]}",
            f"Authorization: Bearer {self.key}",
        ]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return "\r\n".join([*lines, "", ""]).encode() + content

    def stream_request(self, user: str, *, start: str = "from=now", after: bytes | None = None) -> bytes:
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = after.decode()
        return self.request("GET", f"/v1/stream?user_id={quote(user, safe='')}&{start}", headers=headers)

    def check(self, user: str) -> None:
        """That it is there and the key may do what a bench does: send, and read the inbox of any user."""
        self._call("POST", "/v1/notifications", {"to": user, "title": "bench"})
        self._call("GET", f"/v1/notifications/count?user_id={quote(user, safe='')}")

    def _call(self, method: str, path: str, body: object = None) -> None:
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=_TIMEOUT_SECONDS)
        headers = {"Authorization": f"Bearer {self.key}"} | (
            {} if body is None else {"Content-Type": "application/json"}
        )
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, self._parts.path.rstrip("/") + path, content, headers)
            response = connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            reason = str(error) or type(error).__name__
            raise BenchError(
                f"{self.url} cannot be reached: {reason}. Is it running, and is the address right?"
            ) from error
        finally:
            connection.close()
        if response.status in {401, 403}:
            raise BenchError(
                f"{self.url} refuses the key: {problem_in(response.status, answer)} "
                "A bench needs an API key with the scopes send and inbox."
            )
        if response.status >= http.client.BAD_REQUEST:
            raise BenchError(f"{self.url} refuses a plain request: {problem_in(response.status, answer)}")

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.url)

    @property
    def _host(self) -> str:
        return self._parts.hostname or ""

    @property
    def _port(self) -> int:
        return self._parts.port or (443 if self._parts.scheme == "https" else 80)


def problem_in(status: int, body: bytes) -> str:
    """What an answer that is no success says, in a line."""
    try:
        problem: Any = json.loads(body)
        return f"{status} {problem['title']}. {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"{status}."
