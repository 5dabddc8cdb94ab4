"""Clients that were not written here follow an inbox as the documents say."""

import itertools
import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from httpx_sse import ServerSentEvent, connect_sse

from support.curl import Curl
from support.documents import example
from support.processes import NotifyProcess
from support.servers import TestServer, require

StartNotify = Callable[..., NotifyProcess]

_numbers = itertools.count(1)

ODD = "line\nbreak\r\n, \u2028 \u2029 \x85 \x0b \x0c, tab\t, data: x, 🛎 \u200f שלום"


@pytest.fixture(scope="module")
def service(embedded_server: TestServer) -> Iterator[NotifyProcess]:
    with embedded_server.database() as url, NotifyProcess({"NOTIFY_DATABASE_URL": url}) as process:
        yield process


@pytest.fixture
def user() -> str:
    return f"user-{next(_numbers)}"


def token_of(service: NotifyProcess, user: str) -> str:
    with service.client() as client:
        token: str = client.post("/v1/tokens", json={"user_id": user}).json()["token"]
        return token


def send(service: NotifyProcess, user: str, *titles: str) -> None:
    with service.client() as client:
        for title in titles:
            assert client.post("/v1/notifications", json={"to": user, "title": title}).status_code == 201


@pytest.fixture
def curl_arguments(service: NotifyProcess, user: str) -> list[str]:
    """The line of the README, as a shell would pass it on."""
    require(shutil.which("curl"), "curl")
    line = example("README.md", "curl -N").replace("$NOTIFY", service.url).replace("$TOKEN", token_of(service, user))
    program, *arguments = shlex.split(line)
    assert program == "curl"
    return arguments


def test_curl_shows_what_is_unread_and_then_each_change_at_once(
    service: NotifyProcess, user: str, curl_arguments: list[str]
) -> None:
    send(service, user, "before")
    with Curl(curl_arguments) as curl:
        curl.wait_for(r'data: .*"title":"before"')
        curl.wait_for("event: inbox")
        send(service, user, "after")
        curl.wait_for(r'data: .*"title":"after"')
        assert not curl.has_ended
    assert curl.lines[0].startswith("retry: ")
    assert curl.all("event: (notification)") == ["notification"] * 2


def test_curl_resumes_with_the_last_id_that_it_printed(
    service: NotifyProcess, user: str, curl_arguments: list[str]
) -> None:
    with Curl(curl_arguments) as curl:
        send(service, user, "first")
        curl.wait_for(r'data: .*"title":"first"')
        last = curl.all("id: (.+)")[-1]
    send(service, user, "second", "third")
    with Curl([*curl_arguments, "-H", f"Last-Event-ID: {last}"]) as curl:
        curl.wait_for(r'data: .*"title":"third"')
    assert curl.all(r'data: .*"title":"(\w+)"') == ["second", "third"]
    assert not curl.all("event: (reset)")


class Follower:
    """`httpx-sse`, which leaves connecting again to its user."""

    def __init__(self, service: NotifyProcess, user: str) -> None:
        self.service = service
        self.headers = {"Authorization": f"Bearer {token_of(service, user)}"}
        self.last_event_id = ""
        self.retry_ms: int | None = None
        self.titles: list[str] = []

    def follow_until(self, title: str) -> None:
        headers = self.headers | ({"Last-Event-ID": self.last_event_id} if self.last_event_id else {})
        with (
            httpx.Client(base_url=self.service.url, headers=headers, timeout=10) as client,
            connect_sse(client, "GET", "/v1/stream") as source,
        ):
            assert source.response.status_code == 200
            for event in source.iter_sse():
                self._take(event)
                if event.event == "inbox" and title in self.titles:
                    return

    def _take(self, event: ServerSentEvent) -> None:
        self.last_event_id = event.id or self.last_event_id
        self.retry_ms = event.retry or self.retry_ms
        data: dict[str, Any] = msgspec.json.decode(event.data) if event.data else {}
        if event.event in {"notification", "update"}:
            self.titles.append(data["title"])


def test_httpx_sse_misses_nothing_and_sees_nothing_twice_across_a_restart(start_notify: StartNotify, user: str) -> None:
    service = start_notify()
    follower = Follower(service, user)
    send(service, user, "one")
    follower.follow_until("one")
    send(service, user, "two", "three")
    follower.follow_until("three")
    service.stop(signal.SIGKILL)
    follower.service = start_notify()
    send(follower.service, user, "four")
    follower.follow_until("four")
    assert follower.titles == ["one", "two", "three", "four"]


def test_httpx_sse_gets_any_text_as_it_was_sent(service: NotifyProcess, user: str) -> None:
    follower = Follower(service, user)
    send(service, user, ODD)
    follower.follow_until(ODD)
    assert follower.titles == [ODD]
