"""Requests of ours as httpx takes them, and its answers as we do: for threads and for tasks."""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from notify import __version__
from notify.client.following import Opened
from notify.client.retrying import Answer, Outcome, Request, Unreached

__all__ = ("AsyncWire", "Target", "Wire", "checked", "opened")

_CREDENTIAL = re.compile(r"[!-~]+(?: +[!-~]+)*", re.ASCII)
_ADDRESS = re.compile(r"https?://[!-~]+", re.ASCII)
_OK = 200
_SILENCE_SECONDS = 45.0
"""The service says something on every stream each 15 seconds."""

# Streams hold theirs for long, so that any number would be too few.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)


class Target:
    """Where the service is and who calls it."""

    def __init__(self, url: str, key: str | None, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        if not (_ADDRESS.fullmatch(url) and parts.hostname) or parts.query or parts.fragment or "@" in parts.netloc:
            # What is wrong may be a password in it, so it is not repeated.
            raise ValueError(
                "The address has to be like https://notify.example, without a user, a query or a fragment."
            )
        self._url = url.rstrip("/")
        self._headers = {"User-Agent": f"notify-python/{__version__}", "Accept": "application/json"}
        if key is not None:
            self._headers["Authorization"] = f"Bearer {checked(key)}"
        self._timeout = httpx.Timeout(timeout_seconds).as_dict()

    def request(self, request: Request, *, silence_seconds: float | None = None) -> httpx.Request:
        """`silence_seconds`: for how long nothing may come of what has no end."""
        return httpx.Request(
            request.method,
            f"{self._url}{request.path}" + (f"?{request.query}" if request.query else ""),
            headers={
                **self._headers,
                **({} if request.body is None else {"Content-Type": "application/json"}),
                **request.headers,
            },
            content=request.body,
            extensions={
                "timeout": self._timeout if silence_seconds is None else {**self._timeout, "read": silence_seconds}
            },
        )


class Wire:
    def __init__(self, target: Target, http: httpx.Client | None) -> None:
        """An `http` that was given is not closed."""
        self._target = target
        self._http = http or httpx.Client(limits=_LIMITS)
        self._is_ours = http is None

    def attempt(self, request: Request) -> Outcome:
        try:
            return _answer(self._http.send(self._target.request(request)))
        except httpx.RequestError as error:
            return _unreached(error)

    def open(self, request: Request) -> httpx.Response | Outcome:
        """A response that is still to be read, if it is the stream that was asked for."""
        try:
            response = self._http.send(self._target.request(request, silence_seconds=_SILENCE_SECONDS), stream=True)
            if response.status_code == _OK:
                return response
            response.read()
        except httpx.RequestError as error:
            return _unreached(error)
        return _answer(response)

    def close(self) -> None:
        if self._is_ours:
            self._http.close()

    @staticmethod
    def read(chunks: Iterator[bytes]) -> bytes | Unreached | None:
        """None at the end."""
        try:
            return next(chunks, None)
        except httpx.RequestError as error:
            return _unreached(error)


class AsyncWire:
    def __init__(self, target: Target, http: httpx.AsyncClient | None) -> None:
        """An `http` that was given is not closed."""
        self._target = target
        self._http = http or httpx.AsyncClient(limits=_LIMITS)
        self._is_ours = http is None

    async def attempt(self, request: Request) -> Outcome:
        try:
            return _answer(await self._http.send(self._target.request(request)))
        except httpx.RequestError as error:
            return _unreached(error)

    async def open(self, request: Request) -> httpx.Response | Outcome:
        """A response that is still to be read, if it is the stream that was asked for."""
        target = self._target.request(request, silence_seconds=_SILENCE_SECONDS)
        try:
            response = await self._http.send(target, stream=True)
            if response.status_code == _OK:
                return response
            await response.aread()
        except httpx.RequestError as error:
            return _unreached(error)
        return _answer(response)

    async def close(self) -> None:
        if self._is_ours:
            await self._http.aclose()

    @staticmethod
    async def read(chunks: AsyncIterator[bytes]) -> bytes | Unreached | None:
        """None at the end."""
        try:
            return await anext(chunks, None)
        except httpx.RequestError as error:
            return _unreached(error)


def checked(credential: Any) -> str:
    # An error of the HTTP library would quote it.
    if not isinstance(credential, str) or not _CREDENTIAL.fullmatch(credential):
        raise ValueError("A key or token has to be ASCII, without line breaks and without spaces around it.")
    return credential


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, _headers(response), response.content)


def opened(response: httpx.Response) -> Opened:
    return Opened(_headers(response))


def _headers(response: httpx.Response) -> Mapping[str, str]:
    return {name.lower(): value for name, value in response.headers.items()}


def _unreached(error: httpx.RequestError) -> Unreached:
    """In words only: the error itself knows the request, and so the key."""
    return Unreached(str(error) or type(error).__name__)
