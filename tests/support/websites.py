"""An application's website with the JavaScript client on its page, under a strict content security policy, and what may
stand between it and the service.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
from playwright.sync_api import BrowserContext, Page, Request
from playwright.sync_api import Error as PlaywrightError

from support.waiting import until

__all__ = ("HoldingProxy", "Tab", "Website")

SECRET = "a secret of thirty-two bytes, for tests"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">
<script type="module" src="/page.js"></script><main><h1>Shop</h1><output></output></main></html>"""
_POLICY = (
    "default-src 'none'; script-src 'self' http://127.0.0.1:*; img-src data:; "
    "connect-src 'self' http://127.0.0.1:* ws://127.0.0.1:*"
)
_SCRIPT = """
globalThis.heard = [];
globalThis.begin = async (url, user, options = {}) => {
    const { connect } = await import(`${url}/client/${options.module ?? "notify.js"}`);
    globalThis.user = user;
    const getToken = async () =>
        globalThis.user && (await fetch(`/token?user=${globalThis.user}&seconds=${options.seconds ?? 900}`)).text();
    globalThis.inbox = connect({ url, getToken, ...options });
    for (const name of ["notification", "update", "delete", "counts", "status", "reset"])
        inbox.on(name, (...about) => heard.push([name, ...about]));
    inbox.subscribe(() => {
        document.querySelector("output").textContent = inbox.counts.unread;
    });
};
globalThis.place = async (url, user, { tag = "notify-bell", module = "bell.js", html = "", ...attributes }) => {
    await import(`${url}/client/${module}`);
    globalThis.bell = document.createElement(tag);
    bell.innerHTML = html;
    if (user) bell.setAttribute("token-url", `/token?user=${user}&seconds=900`);
    for (const [name, value] of Object.entries(attributes)) bell.setAttribute(name, value);
    document.querySelector("main").append(bell);
};
for (const name of ["open", "close", "select", "action", "settings"])
    document.addEventListener(`notify-${name}`, ({ detail }) => heard.push([`notify-${name}`, detail]));
document.addEventListener("securitypolicyviolation", (event) => heard.push(["violation", event.blockedURI]));
"""


class _Server:
    """Its `handler` answers on a port of its own."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


class Website(_Server):
    def __init__(self) -> None:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked = urlsplit(self.path)
                kind = "text/html"
                body, policy = site.pages.get(asked.path, (_PAGE, _POLICY))
                if asked.path == "/page.js":
                    kind, body = "text/javascript", _SCRIPT
                elif asked.path == "/token":
                    query = {name: values[0] for name, values in parse_qs(asked.query).items()}
                    site.answers.wait(30)
                    site.tokens[query["user"]] += 1
                    kind, body = "text/plain", site.token_for(query["user"], int(query["seconds"]))
                content = body.encode()
                self.send_response(200)
                self.send_header("Content-Type", f"{kind}; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                self.send_header("Content-Security-Policy", policy)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's name for it
                pass

        super().__init__(Handler)
        self.tokens: Counter[str] = Counter()
        """How often a token was asked for, by user."""

        self.pages: dict[str, tuple[str, str]] = {}
        """Those of a test's own, by path, and their policies."""

        self.answers = threading.Event()
        """Unless it is set, whoever asks for a token waits."""

        self.answers.set()

    def token_for(self, user: str, seconds: int) -> str:
        now = int(datetime.now(UTC).timestamp())
        return jwt.encode({"sub": user, "iat": now, "exp": now + seconds}, SECRET, "HS256")


class HoldingProxy(_Server):
    """Passes everything on, and of a stream nothing but its head."""

    def __init__(self, upstream: str) -> None:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                if self.command == "GET" and self.path.startswith("/v1/stream"):
                    proxy.streams += 1
                    self.send_response(200)
                    self.send_header("Content-Type", "text/event-stream")
                    self.send_header("Access-Control-Allow-Origin", self.headers["Origin"])
                    self.end_headers()
                    self.wfile.flush()
                    self.close_connection = True
                    proxy._closing.wait(30)
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {
                    name: value for name, value in self.headers.items() if name not in {"Host", "Accept-Encoding"}
                }
                answer = proxy._client.request(self.command, self.path, headers=headers, content=body)
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name not in {"content-length", "transfer-encoding", "date", "server", "connection"}:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                with suppress(OSError):  # The tab may have left.
                    self.wfile.write(answer.content)

            do_GET = do_POST = do_DELETE = do_OPTIONS = _pass  # noqa: N815 - the server's names for it

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's name for it
                pass

        super().__init__(Handler)
        self.streams = 0
        self._client = httpx.Client(base_url=upstream)
        self._closing = threading.Event()

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        super().__exit__()
        self._client.close()


class Tab:
    """A tab of a browser in which a user has the website open."""

    def __init__(self, context: BrowserContext, site: Website) -> None:
        self.page: Page = context.new_page()
        self.asked: list[str] = []
        """The paths of the service that it has asked for, with their queries."""

        self.trouble: list[str] = []
        """What went wrong in it and was not handled."""

        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.goto(site.url)

    def open(self, url: str, user: str, **options: Any) -> Self:
        self.page.evaluate("([url, user, options]) => begin(url, user, options)", [url, user, options])
        return self

    def place(self, url: str, user: str, **how: str) -> Self:
        """A bell, or another `tag`, with these attributes."""
        self.page.evaluate("([url, user, how]) => place(url, user, how)", [url, user, how])
        return self

    def run(self, code: str) -> Any:
        """What it gives in the end; `inbox` is the client."""
        return self.page.evaluate(f"async () => {{ {code} }}")

    def look(self) -> dict[str, Any]:
        snapshot: dict[str, Any] = self.run("return inbox.getSnapshot()")
        return snapshot

    def titles(self) -> list[str]:
        return [item["title"] for item in self.look()["items"]]

    def heard(self, name: str) -> list[Any]:
        told: list[Any] = self.run(f"return heard.filter(([name]) => name === {json.dumps(name)})")
        return told

    def times(self, path: str) -> int:
        # What happened is only heard of while something is asked of the page.
        self.page.evaluate("0")
        return sum(asked.startswith(path) for asked in self.asked)

    def wait(self, condition: Callable[[dict[str, Any]], object], what: str, seconds: float = 10) -> dict[str, Any]:
        """The first snapshot of which this is true."""
        snapshot: dict[str, Any] = {}

        def is_so() -> bool:
            nonlocal snapshot
            snapshot = self.look()
            return bool(condition(snapshot))

        try:
            until(is_so, seconds, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}; {snapshot}; {self.asked[-10:]}; {self.trouble}") from error
        return snapshot

    def wait_live(self) -> dict[str, Any]:
        return self.wait(lambda snapshot: snapshot["status"] == "live" and not snapshot["isLoading"], "being live", 15)

    def wait_titles(self, titles: list[str], seconds: float = 10) -> None:
        self.wait(lambda shown: [item["title"] for item in shown["items"]] == titles, f"{titles}", seconds)

    def close(self) -> None:
        self.page.close()

    def crash(self) -> None:
        with self.page.expect_event("crash"), suppress(PlaywrightError):
            self.page.goto("chrome://crash")

    def _note(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if request.method != "OPTIONS" and parts.path.startswith("/v1/"):
            self.asked.append(parts.path + (f"?{parts.query}" if parts.query else ""))
