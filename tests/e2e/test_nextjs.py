"""The Next.js example, built as its users build it, against a real service and in a real browser."""

import re
from collections.abc import Iterator
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


def test_what_is_sent_arrives_at_the_bell_and_on_the_page_and_counts_until_it_is_read(site: Site) -> None:
    site.call("POST", "/v1/notifications", json={"to": "alice", "title": "Before"})
    alice, bob = site.log_in("Alice"), site.log_in("Bob")
    items = alice.locator("main").get_by_role("listitem")
    expect(items).to_have_count(1)
    expect_count(alice, 1)
    expect_count(bob, 0)

    bob.get_by_label("To").select_option("Alice")
    bob.get_by_label("Title").fill("Lunch?")
    bob.get_by_label("Text").fill("At noon.")
    bob.get_by_role("button", name="Send").click()
    expect(bob.get_by_text("Sent to Alice.")).to_be_visible()
    expect(items.first).to_have_text(re.compile(r"Lunch\?At noon\.Bob, "))
    expect_count(alice, 2)
    # The bell, the list and the count have one connection.
    assert len(site.call("GET", "/v1/sessions", params={"user_id": "alice"})["items"]) == 1

    items.last.get_by_role("button", name="Read", exact=True).click()
    expect_count(alice, 1)
    alice.locator("main").get_by_role("button", name="Unread", exact=True).first.click()
    expect(items).to_have_count(1)
    alice.evaluate("globalThis.stays = true")
    alice.get_by_role("button", name="Notifications, 1 unread").click()
    alice.get_by_role("dialog").get_by_role("link", name="Lunch?").click()
    expect_count(alice, 0)
    expect(alice.get_by_text("There is nothing here.")).to_be_visible()
    assert alice.evaluate("stays"), "it went to another page"

    alice.get_by_role("button", name="Log out").click()
    expect(alice.get_by_role("heading", name="Who are you?")).to_be_visible()
    assert alice.evaluate("fetch('/api/notify-token').then((answer) => answer.json())") == {"token": None}
    assert site.trouble == []


def expect_count(page: Page, unread: int) -> None:
    bell, link = ("Notifications, {} unread", "Shop {} unread") if unread else ("Notifications", "Shop")
    expect(page.get_by_role("button", name=bell.format(unread), exact=True)).to_be_visible()
    expect(page.get_by_role("link", name=link.format(unread), exact=True)).to_be_visible()
