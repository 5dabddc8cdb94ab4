"""The Next.js example, built as its users build it, against a real service and in a real browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import running_browser
from support.nextjs import build_example, running_example
from support.processes import NotifyProcess
from support.reverse_proxies import free_port
from support.servers import TestServer

# It may have to be installed and built first.
pytestmark = pytest.mark.timeout(400)


class Site:
    def __init__(self, url: str, browser: Browser, service: NotifyProcess) -> None:
        self.url = url
        self.trouble: list[str] = []
        """What the browser has complained of."""

        self._browser = browser
        self._service = service
        self._contexts = ExitStack()

    def log_in(self, name: str) -> Page:
        context = self._browser.new_context()
        self._contexts.callback(context.close)
        page = context.new_page()
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", lambda said: self.trouble.append(said.text) if said.type in {"error", "warning"} else None)
        page.goto(self.url)
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("status").get_by_text("Live")).to_be_visible(timeout=15_000)
        return page

    def call(self, method: str, path: str, **how: Any) -> Any:
        with self._service.client() as client:
            return client.request(method, path, **how).raise_for_status().json()

    def close(self) -> None:
        self._contexts.close()


@pytest.fixture(scope="module")
def site(embedded_server: TestServer) -> Iterator[Site]:
    build_example()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ExitStack() as stack:
        environment = {
            "NOTIFY_DATABASE_URL": stack.enter_context(embedded_server.database()),
            "NOTIFY_CORS_ORIGINS": url,
            "NOTIFY_JWT_SECRET": "a secret of thirty-two bytes, for tests",
            "NOTIFY_DRAIN_SECONDS": "0.2",
        }
        service = stack.enter_context(NotifyProcess(environment))
        with service.client() as client:
            made = client.post("/v1/apps/default/keys", json={"name": "example", "scopes": ["send", "inbox"]})
        settings = {
            "NOTIFY_URL": service.url,
            "NOTIFY_API_KEY": made.json()["key"],
            "SESSION_SECRET": "another secret of thirty-two bytes, for tests",
        }
        printed = stack.enter_context(running_example(port, settings))
        site = Site(url, stack.enter_context(running_browser()), service)
        yield site
        site.close()
    assert not [line for line in printed if "rror" in line], printed


def test_what_is_sent_arrives_live_on_the_page_and_counts_until_it_is_read(site: Site) -> None:
    site.call("POST", "/v1/notifications", json={"to": "alice", "title": "Before"})
    alice = site.log_in("Alice")
    items, unread = alice.locator("main").get_by_role("listitem"), alice.locator("header .count")
    expect(unread).to_have_text("1")
    expect(items).to_have_count(1)
    bob = site.log_in("Bob")
    bob.get_by_label("To").select_option("Alice")
    bob.get_by_label("Title").fill("Lunch?")
    bob.get_by_label("Text").fill("At noon.")
    bob.get_by_role("button", name="Send").click()
    expect(bob.get_by_text("Sent to Alice.")).to_be_visible()
    expect(items.first).to_contain_text("At noon.Bob, ")
    expect(unread).to_have_text("2")
    alice.screenshot(path="/tmp/h/react-lab/page.png")
    alice.get_by_role("button", name="Read", exact=True).last.click()
    expect(unread).to_have_text("1")
    alice.get_by_role("button", name="Unread", exact=True).first.click()
    expect(items).to_have_count(1)
    expect(items).to_contain_text("Lunch?")
    alice.get_by_role("button", name="Mark all as read").click()
    expect(alice.get_by_text("There is nothing here.")).to_be_visible()
    expect(unread).to_have_count(0)
    assert len(site.call("GET", "/v1/sessions", params={"user_id": "alice"})["items"]) == 1
    alice.set_viewport_size({"width": 320, "height": 640})
    alice.emulate_media(color_scheme="dark")
    alice.get_by_role("button", name="All", exact=True).first.click()
    alice.screenshot(path="/tmp/h/react-lab/page-320.png", full_page=True)
    alice.get_by_role("button", name="Log out").click()
    expect(alice.get_by_role("heading", name="Who are you?")).to_be_visible()
    alice.screenshot(path="/tmp/h/react-lab/login.png")
    assert alice.evaluate("fetch('/api/notify-token').then((answer) => answer.json())") == {"token": None}
    assert site.trouble == []
