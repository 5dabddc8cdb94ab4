"""The configurations of docs/proxies, each run in front of a real service: streams and sockets pass as they are."""

import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import msgspec
import pytest
from playwright.sync_api import Browser, expect
from websockets.sync.client import ClientConnection, connect

from notify.api.addresses import ClientAddresses
from support.browser import running_browser
from support.curl import Curl
from support.documents import example
from support.processes import NotifyProcess
from support.reverse_proxies import PROXIES, Certificate, ReverseProxy
from support.servers import reachable_folder
from support.waiting import until

QUICK = {"NOTIFY_KEEP_ALIVE_SECONDS": "0.5", "NOTIFY_HEARTBEAT_SECONDS": "1"}
PATIENCE_SECONDS = 4
# What the example of the protocol leaves to the application.
APPLICATION = """
globalThis.shown = [];
const notify = location.origin, freshToken = () => token;
const show = ({ title }) => shown.push(title), remove = () => {}, badge = () => {}, clear = () => {};
"""
_users = (f"user-{n}" for n in itertools.count(1))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with reachable_folder() as folder:
        yield folder


@pytest.fixture(scope="module")
def certificate(folder: Path) -> Certificate:
    return Certificate(folder)


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[NotifyProcess]:
    with NotifyProcess({"NOTIFY_DATABASE_URL": database, **QUICK}) as service:
        yield service


@pytest.fixture(scope="module")
def proxies(folder: Path, certificate: Certificate, service: NotifyProcess) -> Iterator[dict[str, ReverseProxy]]:
    with ExitStack() as stack:
        running = [
            stack.enter_context(start(folder, certificate, service.url, silence=f"{PATIENCE_SECONDS}s"))
            for start in PROXIES
        ]
        yield {proxy.program: proxy for proxy in running}


@pytest.fixture(params=["nginx", "caddy", "haproxy"])
def proxy(request: pytest.FixtureRequest, proxies: dict[str, ReverseProxy]) -> ReverseProxy:
    return proxies[request.param]


@pytest.fixture
def user() -> str:
    return next(_users)


def token_of(service: NotifyProcess, user: str) -> str:
    with service.client() as client:
        token: str = client.post("/v1/tokens", json={"user_id": user}).json()["token"]
        return token


def send(service: NotifyProcess, user: str, title: str) -> None:
    with service.client() as client:
        assert client.post("/v1/notifications", json={"to": user, "title": title}).status_code == 201


def stream(proxy: ReverseProxy, *options: str, query: str = "") -> Curl:
    return Curl(["-i", "--cacert", str(proxy.certificate.chain), *options, f"{proxy.url}/v1/stream{query}"])


def socket(proxy: ReverseProxy, token: str) -> ClientConnection:
    url = proxy.url.replace("https", "wss") + f"/v1/ws?token={token}"
    return connect(url, ssl=proxy.certificate.trusting, subprotocols=["notify.v1.json"], proxy=None)  # type: ignore[list-item]


def read_until(socket: ClientConnection, type_: str) -> dict[str, Any]:
    while True:
        message: dict[str, Any] = msgspec.json.decode(socket.recv(timeout=10))
        if message["type"] == type_:
            return message


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_an_event_passes_at_once_while_its_stream_goes_on(
    version: str, proxy: ReverseProxy, service: NotifyProcess, user: str
) -> None:
    bearer = ("-H", f"Authorization: Bearer {token_of(service, user)}")
    with stream(proxy, f"--http{version}", *bearer) as first:
        first.wait_for("event: inbox")
        send(service, user, "one")
        first.wait_for('data: .*"title":"one"')
        assert not first.has_ended
    assert first.lines[0].startswith(f"HTTP/{version} 200")
    assert first.lines[first.lines.index("") + 1].startswith("retry: "), "the first thing after the head"
    send(service, user, "two")
    last = first.all("id: (.+)")[-1]
    with stream(proxy, f"--http{version}", *bearer, "-H", f"Last-Event-ID: {last}") as second:
        second.wait_for("event: inbox")
    assert second.all('data: .*"title":"(.+?)"') == ["two"]


def test_a_page_of_the_proxys_own_host_may_use_the_cookie(
    proxy: ReverseProxy, service: NotifyProcess, user: str
) -> None:
    cookie = ("-H", f"Cookie: notify_token={token_of(service, user)}", "-H", f"Origin: {proxy.url}")
    for version in ("--http1.1", "--http2"):
        with stream(proxy, version, *cookie) as own:
            own.wait_for("event: inbox")
    with stream(proxy, *cookie[:2], "-H", "Origin: https://elsewhere.example") as foreign:
        until(lambda: foreign.has_ended)
        foreign.wait_for("HTTP/2 403")


def test_a_client_s_address_is_the_one_that_the_proxy_saw_whatever_the_client_says(
    folder: Path, certificate: Certificate
) -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append([(name.lower().encode(), value.encode()) for name, value in self.headers.items()])
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the server's name for it
            pass

    addresses = ClientAddresses([ip_network("127.0.0.1")])
    with ExitStack() as stack:
        upstream = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        stack.callback(upstream.shutdown)
        Thread(target=upstream.serve_forever, args=(0.02,), daemon=True).start()
        for start in PROXIES:
            proxy = stack.enter_context(start(folder, certificate, f"http://127.0.0.1:{upstream.server_port}"))
            seen.clear()
            said = [("X-Forwarded-For", "192.0.2.66"), ("X-Forwarded-For", "198.51.100.1"), ("X-Probe", "this")]
            answer = httpx.get(f"{proxy.url}/v1/apps", headers=said, verify=proxy.certificate.trusting)
            assert answer.headers["strict-transport-security"] == "max-age=31536000", proxy.program
            (headers,) = (headers for headers in seen if (b"x-probe", b"this") in headers)
            assert b"x-forwarded-for" in dict(headers), proxy.program
            found = addresses.of({"client": ("127.0.0.1", 4711), "headers": headers})
            assert found == ip_address("127.0.0.1"), proxy.program


def test_a_websocket_passes_both_ways(proxy: ReverseProxy, service: NotifyProcess, user: str) -> None:
    with socket(proxy, token_of(service, user)) as client:
        assert client.subprotocol == "notify.v1.json"
        read_until(client, "inbox")
        send(service, user, "over the socket")
        assert read_until(client, "notification")["notification"]["title"] == "over the socket"
        client.send('{"type":"ping","ref":"there?"}')
        assert read_until(client, "reply")["ref"] == "there?"


def test_silence_longer_than_the_patience_of_a_proxy_ends_nothing(
    proxies: dict[str, ReverseProxy], service: NotifyProcess, user: str
) -> None:
    token = token_of(service, user)
    direct = HTTPConnection(service.url.removeprefix("http://"), timeout=10)
    direct.auto_open = 0
    direct.connect()
    assert probed(direct) == HTTPStatus.OK
    with ExitStack() as stack:
        stack.callback(direct.close)
        streams = [
            stack.enter_context(stream(proxy, f"--http{version}", "-H", f"Authorization: Bearer {token}"))
            for proxy in proxies.values()
            for version in ("1.1", "2")
        ]
        sockets = [stack.enter_context(socket(proxy, token)) for proxy in proxies.values()]
        for client in sockets:
            read_until(client, "inbox")
        for follower in streams:
            # One a second, so it was silent for longer than the proxy would bear.
            follower.wait_for(": keep-alive", count=PATIENCE_SECONDS + 3, seconds=20)
            assert len(follower.all("(event): ")) == 1
        send(service, user, "after a while")
        for follower in streams:
            follower.wait_for('data: .*"title":"after a while"')
        for client in sockets:
            assert read_until(client, "notification")["notification"]["title"] == "after a while"
        # Nor does the service close a connection that a proxy might just be about to use again.
        assert probed(direct) == HTTPStatus.OK


def probed(connection: HTTPConnection) -> int:
    connection.request("GET", "/health/live")
    response = connection.getresponse()
    response.read()
    return response.status


def test_while_nobody_is_behind_a_proxy_no_page_is_lost_and_no_token_is_logged(
    folder: Path, certificate: Certificate, database: str, user: str, browser: Browser
) -> None:
    environment = {"NOTIFY_DATABASE_URL": database}
    with ExitStack() as stack:
        first = stack.enter_context(NotifyProcess(environment))
        token = token_of(first, user)
        proxies = [stack.enter_context(start(folder, certificate, first.url)) for start in PROXIES]
        page = stack.enter_context(browser.new_context(ignore_https_errors=True, bypass_csp=True)).new_page()
        statuses: list[int] = []
        page.on("response", lambda response: statuses.append(response.status))
        page.goto(f"{proxies[0].url}/problems")
        page.evaluate(f"async (token) => {{ {APPLICATION} {example('docs/protocol.md', 'new EventSource')} }}", token)
        streams = [stack.enter_context(stream(proxy, query=f"?token={token}")) for proxy in proxies]
        send(first, user, "one")
        until(lambda: page.evaluate("shown") == ["one"])
        for follower in streams:
            follower.wait_for('data: .*"title":"one"')

        first.kill()
        for proxy, follower in zip(proxies, streams, strict=True):
            until(lambda follower=follower: follower.has_ended)  # type: ignore[misc]
            with stream(proxy, query=f"?token={token}") as refused:
                refused.wait_for("HTTP/2 50[0-9]")
        until(lambda: page.evaluate("shown") and HTTPStatus.BAD_GATEWAY in statuses)

        second = stack.enter_context(NotifyProcess({**environment, "PORT": first.url.rpartition(":")[2]}))
        send(second, user, "two")
        until(lambda: len(page.evaluate("shown")) > 1, 15)
        assert page.evaluate("shown") == ["one", "two"]
        page.close()
        for proxy in proxies:
            until(lambda proxy=proxy: "/v1/stream" in proxy.logs(), what=f"{proxy.program}'s access log")  # type: ignore[misc]
    for proxy in proxies:
        assert token not in proxy.logs(), proxy.program
        assert token.rpartition(".")[2] not in proxy.logs(), proxy.program


def test_over_http_2_a_browser_follows_more_streams_than_six(
    proxies: dict[str, ReverseProxy], service: NotifyProcess, user: str, browser: Browser
) -> None:
    token = token_of(service, user)
    for proxy in proxies.values():
        page = browser.new_context(ignore_https_errors=True, bypass_csp=True).new_page()
        page.goto(f"{proxy.url}/problems")
        page.evaluate(
            """(token) => {
                globalThis.opened = 0;
                for (let n = 0; n < 8; n++) {
                    const stream = new EventSource(`/v1/stream?token=${token}`);
                    stream.addEventListener("inbox", () => opened++, { once: true });
                }
                new WebSocket(`wss://${location.host}/v1/ws?token=${token}`).onmessage = () => opened++;
            }""",
            token,
        )
        until(lambda page=page: page.evaluate("opened") >= 9)  # type: ignore[misc]
        page.context.close()


def test_the_doctor_finds_no_fault_in_it(proxy: ReverseProxy, browser: Browser) -> None:
    with browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        page.goto(f"{proxy.url}/doctor#silence=1")
        expect(page.locator("#overall")).to_contain_text("It works", timeout=25_000)
        found = {
            str(item.get_attribute("data-check")): str(item.get_attribute("data-verdict"))
            for item in page.locator("#results > li").all()
        }
    # The service was not told whose word on addresses to take.
    assert found.pop("proxy") == "look"
    assert set(found.values()) == {"fine"}, found
