"""Requests as bytes on a socket, for what no client would send."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPResponse
from typing import NamedTuple
from urllib.parse import urlsplit

__all__ = ("Answer", "answer_on", "connected", "exchange", "head")

_TIMEOUT_SECONDS = 15


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=_TIMEOUT_SECONDS) as connection:
        yield connection


def head(method: str, target: str, *headers: str, host: str = "notify") -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


def exchange(url: str, request: bytes) -> Answer:
    """What the service answers to these bytes."""
    with connected(url) as connection:
        # It may have heard enough before all is said; what it answered can still be read.
        with suppress(ConnectionError):
            connection.sendall(request)
        return answer_on(connection)


def answer_on(connection: socket.socket) -> Answer:
    with HTTPResponse(connection) as response:
        response.begin()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())
