"""The page that a developer sees first, in a real browser, beside a service with the embedded database."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from support.axe import violations
from support.browser import running_browser
from support.processes import NotifyProcess
from support.servers import reachable_folder
from support.waiting import until

ALICE = "[data-user=alice]"
BOB = "[data-user=bob]"
LOCAL_TIME = "new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString().slice(0, 19)"


@pytest.fixture(scope="module")
def service() -> Iterator[NotifyProcess]:
    with reachable_folder() as folder, NotifyProcess({"NOTIFY_DATA_DIR": str(folder / "data")}) as process:
        yield process


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


class Demo:
    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)
        expect(page.locator("#status")).to_have_text("live")
        expect(page.locator(BOB)).to_be_visible()
        expect(page.locator("pre.block.inbox")).to_be_visible()

    def send(self, to: str, title: str) -> None:
        self.page.locator(f"[name=to][value={to}]").check()
        self.page.fill("[name=title]", title)
        self.page.click("#send")

    def shows(self, user: str, title: str) -> None:
        expect(self.page.locator(f"{user} .latest")).to_contain_text(title)

    def code(self, tab: str) -> str:
        self.page.click(f"#tab-{tab}")
        return self.page.inner_text("#code")


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    yield context.new_page()
    context.close()


@pytest.fixture
def demo(page: Page, service: NotifyProcess) -> Iterator[Demo]:
    demo = Demo(page, f"{service.url}/")
    yield demo
    assert demo.complaints == [], "nothing that the page's policy forbids, and nothing else"


def test_what_is_sent_to_one_arrives_there_and_its_events_are_shown(demo: Demo) -> None:
    demo.send("alice", "Only for Alice")
    demo.shows(ALICE, "Only for Alice")
    expect(demo.page.locator("#happened")).to_contain_text("Stored at position")
    expect(demo.page.locator("#arrived")).to_contain_text("It reached Alice")
    block = demo.page.locator("pre.block.notification", has_text="Only for Alice")
    expect(block).to_contain_text("id: ")
    expect(block).to_contain_text("event: notification")
    expect(demo.page.locator(f"{BOB} .latest")).not_to_contain_text("Only for Alice")
    expect(demo.page.locator(f"{ALICE} notify-bell")).to_be_visible()


def test_a_topic_reaches_who_follows_it_and_everyone_is_everyone(demo: Demo) -> None:
    demo.send("topic", "For those who follow")
    demo.shows(ALICE, "For those who follow")
    demo.page.check("#follows-bob")
    expect(demo.page.locator("#happened")).to_contain_text("Bob follows")
    demo.send("topic", "For both")
    demo.shows(BOB, "For both")
    expect(demo.page.locator(f"{BOB} .latest")).not_to_contain_text("For those who follow")
    demo.send("everyone", "For everyone")
    demo.shows(ALICE, "For everyone")
    demo.shows(BOB, "For everyone")


def test_progress_moves_while_one_looks(demo: Demo) -> None:
    demo.page.click("[data-example=progress]")
    demo.page.click("#send")
    expect(demo.page.locator(f"{ALICE} .latest progress")).to_be_visible()
    expect(demo.page.locator("#happened")).to_contain_text("is done", timeout=10_000)
    expect(demo.page.locator(f"{ALICE} .latest progress")).to_be_hidden()
    assert demo.page.locator("pre.block.update").count() >= 5


def test_what_waits_can_be_cancelled_and_what_is_due_arrives(demo: Demo) -> None:
    page = demo.page
    page.select_option("[name=when]", "soon")
    demo.send("bob", "Never to be seen")
    expect(page.locator("#waiting-text")).to_contain_text("Sent in")
    page.click("#cancel")
    expect(page.locator("#happened")).to_contain_text("Cancelled in time")
    page.select_option("[name=when]", "at")
    # Past already by its seconds: at once.
    page.fill(
        "[name=at]",
        page.evaluate("new Date(Date.now() - new Date().getTimezoneOffset() * 6e4).toISOString().slice(0, 19)"),
    )
    demo.send("bob", "Sent at its time")
    demo.shows(BOB, "Sent at its time")


def test_what_is_not_kept_is_shown_and_gone(demo: Demo) -> None:
    demo.page.click("[data-example=typing]")
    demo.page.click("#send")
    expect(demo.page.locator("#arrived")).to_contain_text("It reached Bob")
    expect(demo.page.locator("#happened")).to_contain_text("kept nowhere")
    expect(demo.page.locator(f"{BOB} .latest")).not_to_contain_text("typing")


def test_events_can_be_paused(demo: Demo) -> None:
    page = demo.page
    page.click("#pause")
    expect(page.locator("#pause")).to_have_attribute("aria-pressed", "true")
    demo.send("alice", "While paused")
    demo.shows(ALICE, "While paused")
    expect(page.locator("pre.block", has_text="While paused")).to_have_count(0)
    page.click("#pause")
    demo.send("alice", "Then again")
    expect(page.locator("pre.block", has_text="Then again")).to_be_visible()


def test_a_refusal_says_what_is_wrong(demo: Demo) -> None:
    demo.page.locator("summary").click()
    demo.page.fill("[name=url]", "javascript:alert(1)")
    demo.send("alice", "With a bad link")
    expect(demo.page.locator("#happened.problem")).to_contain_text("/url")
    demo.complaints.clear()  # the browser's own word about the 422


@pytest.mark.parametrize(
    ("tab", "command"), [("curl", ["bash", "-c"]), ("python", [sys.executable, "-c"]), ("sql", ["bash", "-c"])]
)
def test_what_stands_there_works_when_it_is_pasted(demo: Demo, tab: str, command: list[str]) -> None:
    code = demo.code(tab)
    demo.page.click("#copy")
    until(lambda: demo.page.evaluate("navigator.clipboard.readText()") == code, what="the same on the clipboard")
    done = subprocess.run([*command, code], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr
    demo.shows(ALICE, f"Hello from {'SQL' if tab == 'sql' else tab.replace('python', 'Python')}")


def test_the_javascript_works_when_it_is_pasted_into_the_console(demo: Demo) -> None:
    unread = demo.page.evaluate(
        f"async () => {{ {demo.code('javascript')}; await new Promise((done) => inbox.on('counts', done)); "
        "const found = inbox.counts.unread; inbox.close(); return found; }"
    )
    assert unread > 0
    demo.complaints.clear()  # what it prints


def test_the_tabs_are_gone_through_by_keys(demo: Demo) -> None:
    demo.page.focus("#tab-curl")
    demo.page.keyboard.press("ArrowLeft")
    expect(demo.page.locator("#tab-sql")).to_be_focused()
    expect(demo.page.locator("#panel")).to_have_attribute("aria-labelledby", "tab-sql")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out(demo: Demo, scheme: Any) -> None:
    # What is fading in has less contrast until it is there.
    demo.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    demo.send("alice", "Looked at")
    demo.shows(ALICE, "Looked at")
    assert violations(demo.page) == []


@pytest.mark.parametrize("width", [320, 768, 1440])
def test_nothing_sticks_out(demo: Demo, width: int) -> None:
    demo.page.set_viewport_size({"width": width, "height": 900})
    assert demo.page.evaluate("document.documentElement.scrollWidth") == width


def test_a_page_of_another_origin_gets_nothing(service: NotifyProcess, page: Page) -> None:
    """Of this machine too, under another name of it."""
    page.goto(f"{service.url}/health/live")
    elsewhere = service.url.replace("127.0.0.1", "localhost")
    assert (
        page.evaluate(f"fetch('{elsewhere}/demo', {{method: 'POST'}}).then(() => 'an answer', () => 'nothing')")
        == "nothing"
    )
