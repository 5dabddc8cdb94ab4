"""Our pages in a real browser: they work, and need nothing that their policies (CSP) forbid."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from support.axe import violations
from support.browser import running_browser
from support.processes import ADMIN_KEY, NotifyProcess
from support.waiting import until
from support.websites import HoldingProxy

DOCTOR = "/doctor#silence=1"
PATHS = ("/", "/problems", "/problems/invalid", "/docs", "/redoc", DOCTOR)


@pytest.fixture(scope="module")
def service(database: str) -> Iterator[NotifyProcess]:
    environment = {"NOTIFY_DATABASE_URL": database, "NOTIFY_CORS_ORIGINS": "https://*.shop.example"}
    with NotifyProcess(environment) as process:
        yield process


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


class Visit:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("requestfailed", lambda request: self.complaints.append(f"failed: {request.url}"))

    def open(self, url: str) -> None:
        answer = self.page.goto(url)
        assert answer is not None
        assert answer.ok


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    context = browser.new_context()
    yield Visit(context.new_page())
    context.close()


@pytest.mark.parametrize("path", ["/problems", "/problems/invalid"])
def test_a_page_of_text_is_shown_in_its_style(service: NotifyProcess, visit: Visit, path: str) -> None:
    visit.open(service.url + path)
    assert visit.page.locator("main").evaluate("element => getComputedStyle(element).maxWidth") == "704px"
    assert visit.complaints == []


def test_things_can_be_tried_out(service: NotifyProcess, visit: Visit) -> None:
    visit.open(f"{service.url}/docs")
    page = visit.page
    page.click("button.authorize")
    page.locator(".modal-ux input").first.fill(ADMIN_KEY)
    page.locator(".modal-ux button.authorize").first.click()
    page.click(".modal-ux .btn-done")
    call = page.locator("[id$='-listApps']")
    call.locator(".opblock-summary-control").click()
    call.locator(".try-out__btn").click()
    call.locator(".execute").click()
    answer = call.locator(".live-responses-table")
    answer.wait_for()
    assert '"items"' in answer.inner_text()
    assert visit.complaints == []


def test_the_reference_is_shown_in_its_style(service: NotifyProcess, visit: Visit) -> None:
    visit.open(f"{service.url}/redoc")
    page = visit.page
    page.get_by_text("Every kind of problem").last.wait_for()
    # The menu stands beside the text, as only its styles see to.
    menu, text = page.locator(".menu-content").bounding_box(), page.locator(".api-content").bounding_box()
    assert menu is not None
    assert text is not None
    assert menu["x"] + menu["width"] <= text["x"] + 1
    assert visit.complaints == []


@pytest.mark.parametrize("path", PATHS)
def test_a_script_that_came_into_a_page_would_do_nothing(service: NotifyProcess, visit: Visit, path: str) -> None:
    visit.open(service.url + path)
    visit.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "globalThis.ran = true";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='globalThis.ran = true'>");
        }"""
    )
    until(lambda: len(visit.complaints) >= 2, what="a complaint of each")
    assert not visit.page.evaluate("globalThis.ran")
    assert all("Content Security Policy" in complaint or "failed" in complaint for complaint in visit.complaints)


def test_no_page_stands_in_a_frame(service: NotifyProcess, visit: Visit) -> None:
    visit.open(f"{service.url}/problems")
    framed = f'<iframe src="{service.url}/problems/invalid"></iframe>'
    visit.page.set_content(framed)
    until(lambda: visit.complaints, what="a complaint")
    assert not any(frame.url.endswith("/problems/invalid") for frame in visit.page.frames)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_kept_out_of_our_own_pages(service: NotifyProcess, visit: Visit, scheme: Any) -> None:
    visit.page.emulate_media(color_scheme=scheme)
    visit.page.goto(service.url)
    assert violations(visit.page) == []
    visit.page.goto(service.url + DOCTOR)
    verdicts(visit.page, "It works; some of it could be better.")
    assert violations(visit.page) == []


def test_who_comes_first_is_told_what_this_is(service: NotifyProcess, visit: Visit) -> None:
    visit.open(service.url)
    expect(visit.page.locator("h1")).to_have_text("This is notify")
    expect(visit.page.locator(".status")).to_have_text("ready")
    assert visit.complaints == []


def verdicts(page: Page, overall: str) -> dict[str, str]:
    expect(page.locator("#overall")).to_have_text(overall, timeout=25_000)
    items = page.locator("#results > li").all()
    return {str(item.get_attribute("data-check")): str(item.get_attribute("data-verdict")) for item in items}


def test_the_doctor_finds_nothing_wrong_with_a_straight_way(service: NotifyProcess, visit: Visit) -> None:
    visit.page.goto(service.url + DOCTOR)
    found = verdicts(visit.page, "It works; some of it could be better.")
    # A browser speaks HTTP/2 over TLS only.
    assert found.pop("protocol") == "look"
    assert found == dict.fromkeys(
        ("stream", "socket", "latency", "clock", "cookies", "proxy", "idle-stream", "idle-socket"), "fine"
    )
    expect(visit.page.locator("[data-check=stream] .figure")).to_contain_text("sent over 1")
    # Chromium tells of the end of any stream of events as of a failure.
    assert [complaint for complaint in visit.complaints if "/doctor/stream" not in complaint] == []


def test_the_doctor_sees_that_a_stream_is_held_back(service: NotifyProcess, visit: Visit) -> None:
    with HoldingProxy(service.url) as proxy:
        visit.page.goto(proxy.url + DOCTOR)
        found = verdicts(visit.page, "Something is broken.")
    assert found["stream"] == "broken"
    expect(visit.page.locator("[data-check=stream] .figure")).to_contain_text("buffered")
    expect(visit.page.locator("[data-check=stream] .advice")).to_contain_text("Turn off response buffering")
    # It renames the host, and knows nothing of WebSockets.
    assert (found["proxy"], found["socket"], found["cookies"], found["clock"]) == ("look", "broken", "fine", "fine")


def test_the_doctor_answers_for_an_origin_and_can_be_quoted(service: NotifyProcess, visit: Visit) -> None:
    page = visit.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(service.url + DOCTOR)
    for origin, answer in (
        ("https://www.shop.example/cart", "Yes: pages of https://www.shop.example"),
        ("https://elsewhere.example", "No. Add https://elsewhere.example to NOTIFY_CORS_ORIGINS"),
        ("nonsense", "An origin is"),
        (service.url, "own origin"),
    ):
        page.fill("#origin", origin)
        page.click("#cors button")
        expect(page.locator("#answer")).to_contain_text(answer)
    verdicts(page, "It works; some of it could be better.")
    page.click("#copy")
    expect(page.locator("#copy")).to_have_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    assert "fine: Streaming: first event after" in text
    assert "look at this: HTTP version: http/1.1" in text
