"""A real browser follows an inbox with its own `EventSource`, by the example of the README and that of the protocol."""

import itertools
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from support.browser import running_browser
from support.documents import example
from support.processes import NotifyProcess
from support.servers import TestServer
from support.waiting import until

SOON = 3
SECRET = "a secret of thirty-two bytes, for tests"
BY_TOKEN = example("README.md", "new EventSource") + "listen(stream);"
BY_COOKIE = BY_TOKEN.replace("?token=${token}`", "`, { withCredentials: true }")
RENEWING = example("docs/protocol.md", "freshToken()")
assert "token=" not in BY_COOKIE

_users = (f"user-{n}" for n in itertools.count(1))

# What the examples leave to the application: a list and a badge. Here it also remembers all that it was told.
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>An application</title><link rel="icon" href="data:,">
<h1>Inbox <output id="badge"></output></h1><ol id="inbox"></ol>
"""
APPLICATION = """
globalThis.shown = [];
globalThis.heard = [];
const list = document.getElementById("inbox") ?? document.body.appendChild(document.createElement("ol"));
const show = (notification) => {
    shown.push(notification.title);
    let item = document.getElementById(notification.id);
    if (!item) {
        item = list.insertBefore(document.createElement("li"), list.firstChild);
        item.id = notification.id;
    }
    item.textContent = notification.title;
};
const remove = (id) => document.getElementById(id)?.remove();
const badge = (unread) => { document.title = `(${unread}) An application`; };
const clear = () => { heard.push("reset"); list.replaceChildren(); };
const freshToken = async () => { heard.push("renewing"); return (await fetch(`/token?user=${user}`)).text(); };
const listen = (stream) => {
    for (const name of ["token", "bye"])
        stream.addEventListener(name, (event) => heard.push([name, JSON.parse(event.data)]));
    stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) heard.push("closed"); });
};
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """A profile of its own, as of another person."""
    with ExitStack() as stack:

        def new() -> BrowserContext:
            # What a page of ours may not do (CSP), the application that is tried out on one may.
            context = browser.new_context(bypass_csp=True)
            stack.callback(context.close)
            return context

        yield new


class Website:
    """The application: its page, on another origin than the service, and fresh tokens for its users."""

    def __init__(self) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                body = PAGE
                if asked.path == "/token":
                    body = signed(parse_qs(asked.query)["user"][0], SOON)
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's name for it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture(scope="module")
def website() -> Iterator[Website]:
    with Website() as website:
        yield website


class Restartable:
    """A service that comes back at the same address."""

    def __init__(self, database_url: str, website: Website) -> None:
        self._environment = {
            "NOTIFY_DATABASE_URL": database_url,
            "NOTIFY_JWT_SECRET": SECRET,
            "NOTIFY_CORS_ORIGINS": website.url,
            "NOTIFY_DRAIN_SECONDS": "0.2",
        }
        self.process = NotifyProcess(self._environment)
        self.url = self.process.url
        self._environment["PORT"] = str(urlsplit(self.url).port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def restart(self, number: signal.Signals) -> None:
        self.process.stop(number)
        self.process = NotifyProcess(self._environment)

    def send(self, user: str, title: str) -> None:
        with self.process.client() as client:
            answer = client.post("/v1/notifications", json={"to": user, "title": title})
            assert answer.status_code == 201, answer.text


@pytest.fixture(scope="module")
def service(embedded_server: TestServer, website: Website) -> Iterator[Restartable]:
    with embedded_server.database() as url, Restartable(url, website) as service:
        yield service


@pytest.fixture
def user() -> str:
    return next(_users)


def signed(user: str, ttl_seconds: int) -> str:
    """A token as the application's own server signs it."""
    return jwt.encode({"sub": user, "exp": int(datetime.now(UTC).timestamp()) + ttl_seconds}, SECRET, "HS256")


class Tab:
    """A page with the code of an example."""

    def __init__(self, page: Page, url: str) -> None:
        self.streams_opened = 0
        self._page = page
        page.on("request", self._count)
        page.goto(url)

    def run(self, code: str, service: Restartable, user: str, token: str = "") -> Self:
        given = {"notify": service.url, "user": user, "token": token}
        constants = "".join(f"const {name} = {json.dumps(value)};" for name, value in given.items())
        self._page.evaluate(f"async () => {{ {constants} {APPLICATION} {code} }}")
        return self

    def shown(self) -> list[str]:
        """Every title that was given to `show`, in order."""
        titles: list[str] = self._page.evaluate("shown")
        return titles

    def listed(self) -> list[str]:
        """What the page lists now."""
        return self._page.locator("li").all_inner_texts()

    def heard(self) -> list[Any]:
        told: list[Any] = self._page.evaluate("heard")
        return told

    def wait_until_shown(self, titles: list[str]) -> None:
        try:
            until(lambda: len(self.shown()) >= len(titles), 15)
        finally:
            assert self.shown() == titles

    def _count(self, request: Any) -> None:
        self.streams_opened += "/v1/stream" in request.url


def test_every_page_resumes_by_itself_and_shows_each_notification_once(
    service: Restartable, website: Website, user: str, new_context: Callable[[], BrowserContext]
) -> None:
    with_cookie = [new_context(), new_context()]
    for context in with_cookie:
        context.add_cookies([{"name": "notify_token", "value": signed(user, 900), "url": website.url}])
    tabs = [
        Tab(new_context().new_page(), website.url).run(BY_TOKEN, service, user, signed(user, 900)),
        Tab(with_cookie[0].new_page(), website.url).run(BY_COOKIE, service, user),
        Tab(with_cookie[1].new_page(), f"{service.url}/problems").run(BY_COOKIE, service, user),
    ]
    titles: list[str] = []

    def send_and_see(title: str) -> None:
        service.send(user, title)
        titles.append(title)
        for tab in tabs:
            tab.wait_until_shown(titles)

    send_and_see("before anything happened")
    send_and_see("live")
    for number in (signal.SIGKILL, signal.SIGTERM):
        service.restart(number)
        send_and_see(f"after {number.name}")
    for tab in tabs:
        assert tab.listed() == titles[::-1]
        assert "reset" not in tab.heard()
        assert tab.streams_opened >= 3


def test_a_page_without_a_valid_token_is_told_and_does_not_hammer(
    service: Restartable, website: Website, user: str, new_context: Callable[[], BrowserContext]
) -> None:
    context = new_context()
    expired = Tab(context.new_page(), website.url).run(BY_TOKEN, service, user, signed(user, -1))
    expiring = Tab(context.new_page(), website.url).run(BY_TOKEN, service, user, signed(user, SOON))
    renewing = Tab(context.new_page(), website.url).run(RENEWING, service, user)
    auth = ["bye", {"reason": "auth"}]
    until(lambda: auth in expired.heard(), 15)
    until(lambda: auth in expiring.heard(), 15)
    # The longest that a page is told to wait otherwise is four seconds. Another one lives on meanwhile.
    titles: list[str] = []
    for n in range(3):
        titles.append(f"notification {n}")
        service.send(user, titles[-1])
        renewals = len(renewing.heard())
        until(lambda renewals=renewals: len(renewing.heard()) > renewals, 15)  # type: ignore[misc]
    renewing.wait_until_shown(titles)
    assert expired.heard() == [auth]
    assert expired.streams_opened == 1
    assert [name for name, _ in expiring.heard()] == ["token", "bye", "bye"]
    assert expiring.streams_opened == 2
    assert renewing.streams_opened <= len(renewing.heard())
    until(lambda: renewing.streams_opened == len(renewing.heard()), what="one stream for each renewal")


def test_a_page_of_an_origin_that_is_not_listed_sees_nothing(
    service: Restartable, website: Website, user: str, new_context: Callable[[], BrowserContext]
) -> None:
    service.send(user, "not for everyone")
    tab = Tab(new_context().new_page(), f"http://localhost:{website.port}")
    tab.run(BY_TOKEN, service, user, signed(user, 900))
    until(lambda: "closed" in tab.heard())
    assert tab.shown() == []


@pytest.mark.parametrize(("path", "sign"), [("/docs", ".opblock-summary-description"), ("/redoc", "h2")])
def test_the_documentation_shows_itself_and_calls_nobody_else(
    path: str, sign: str, service: Restartable, new_context: Callable[[], BrowserContext]
) -> None:
    page = new_context().new_page()
    wrong: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(service.url + path)
    page.locator(sign).filter(has_text="Follow an inbox: Server-Sent Events").wait_for()
    assert not wrong
    assert f"{service.url}/openapi.json" in asked
    assert [url for url in asked if not url.startswith((service.url, "data:", "blob:"))] == []
