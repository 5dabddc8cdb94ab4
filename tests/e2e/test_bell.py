"""The bell in real tabs of a real browser, on a page with a strict policy, against a real service."""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from support.axe import violations
from support.browser import running_browser
from support.documents import example
from support.inboxes import Inbox, Service
from support.servers import TestServer
from support.waiting import until
from support.websites import Tab, Website

_users = (f"bell-{n}" for n in itertools.count(1))
_NOTHING = "all caught up"
_REFUSED = {"type": "/problems/forbidden", "detail": "No, not this one.", "status": 403}


class BellTab(Tab):
    """A tab with a bell on its page, or with the list alone."""

    @property
    def button(self) -> Locator:
        return self.page.locator("notify-bell [part=button]")

    @property
    def items(self) -> Locator:
        return self.page.locator("article")

    def item(self, title: str) -> Locator:
        return self.page.get_by_role("article").filter(has_text=title)

    def shown_titles(self) -> list[str]:
        return self.page.locator("article [part=title]").all_inner_texts()

    def wait_shown(self, titles: list[str]) -> None:
        until(lambda: self.shown_titles() == titles, what=f"{titles}")

    def choose(self, title: str, choice: str) -> None:
        self.item(title).get_by_role("button", name="More for").click()
        self.page.get_by_role("menuitem", name=choice).click()

    def focus(self) -> str:
        """What has it: the title of a notification, or the name or part of something else."""
        found: str = self.run(
            """let at = document.activeElement;
            while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
            const title = at?.matches("article") && at.querySelector("[part=title]")?.textContent;
            return title || at?.getAttribute("aria-label") || at?.textContent?.trim() || at?.tagName;"""
        )
        return found

    def said(self) -> str:
        found: str = self.run("return bell.shadowRoot.querySelector('.unseen[role=status]').textContent")
        return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def website() -> Iterator[Website]:
    with Website() as website:
        yield website


@pytest.fixture(scope="module")
def service(embedded_server: TestServer, website: Website) -> Iterator[Service]:
    with embedded_server.database() as url:
        service = Service(url, website)
        yield service
        service.process.stop()


@pytest.fixture
def inbox(service: Service) -> Inbox:
    return Inbox(service, next(_users))


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def new_tab(
    context: BrowserContext, website: Website, service: Service, inbox: Inbox
) -> Iterator[Callable[..., BellTab]]:
    tabs: list[BellTab] = []

    def new(**how: str) -> BellTab:
        tabs.append(BellTab(context, website))
        return tabs[-1].place(service.url, how.pop("user", inbox.user), **how)

    yield new
    for tab in tabs:
        assert tab.heard("violation") == []
        assert tab.trouble == []


def test_the_bell_counts_what_is_unread_and_lists_what_is_there_and_what_arrives(
    new_tab: Callable[..., BellTab], inbox: Inbox
) -> None:
    inbox.send("first", body="with a body", actor={"name": "Mara Jensen"})
    inbox.send("second", level="error")
    tab = new_tab(module="bell.min.js")
    expect(tab.button).to_have_accessible_name("Notifications, 2 unread")
    expect(tab.button.locator("[part=count]")).to_have_text("2")
    tab.button.click()
    expect(tab.page.get_by_role("dialog", name="Notifications")).to_be_visible()
    tab.wait_shown(["second", "first"])
    expect(tab.item("first")).to_have_accessible_name("Unread, first")
    expect(tab.item("second")).to_have_accessible_name("Unread, Error, second")
    expect(tab.item("first")).to_have_accessible_description("Mara Jensen, with a body, now")
    expect(tab.item("first").locator("[part=avatar]")).to_have_text("MJ")
    inbox.send("third")
    tab.wait_shown(["third", "second", "first"])
    expect(tab.button).to_have_accessible_name("Notifications, 3 unread")
    until(lambda: tab.said() == "1 new notification: third", what="the announcement")
    inbox.send_many([str(n) for n in range(99)])
    expect(tab.button).to_have_accessible_name("Notifications, 102 unread")
    expect(tab.button.locator("[part=count]")).to_have_text("99+")
    tab.page.get_by_role("button", name="Mark all as read").click()
    expect(tab.button).to_have_accessible_name("Notifications")
    expect(tab.button.locator("[part=count]")).to_be_hidden()
    until(lambda: tab.said() == "102 marked as read", what="the announcement")
    assert tab.page.title() == "Shop"


def test_what_is_read_in_one_tab_is_read_in_the_others_and_ten_tabs_share_one_connection(
    new_tab: Callable[..., BellTab], inbox: Inbox, service: Service
) -> None:
    inbox.send("one")
    inbox.send("two")
    before = _connections(service)
    tabs = [new_tab() for _ in range(10)]
    for tab in tabs:
        expect(tab.button).to_have_accessible_name("Notifications, 2 unread")
    assert _connections(service) == before + 1
    tabs[3].button.click()
    tabs[7].button.click()
    tabs[3].item("one").locator("[part=title]").click()
    expect(tabs[7].item("one")).to_have_accessible_name("one")
    inbox.send("three")
    for tab in tabs:
        expect(tab.button).to_have_accessible_name("Notifications, 2 unread")
    for tab in (tabs[3], tabs[7]):
        tab.wait_shown(["three", "two", "one"])
    assert _connections(service) == before + 1
    assert inbox.counted()["unread"] == 2


def _connections(service: Service) -> int:
    with service.process.client() as client:
        found = re.findall(r"^notify_connections\{.*\} (\d+)", client.get("/metrics").text, re.MULTILINE)
    return sum(map(int, found))


def test_everything_can_be_done_with_the_keyboard(new_tab: Callable[..., BellTab], inbox: Inbox) -> None:
    inbox.send("third", actions=[{"label": "Accept", "id": "yes"}])
    inbox.send("second")
    inbox.send("first")
    tab = new_tab(settings="")
    expect(tab.button).to_have_accessible_name("Notifications, 3 unread")
    press = tab.page.keyboard.press
    press("Tab")
    assert tab.focus() == "Notifications, 3 unread"
    for key in ("Enter", "Space"):
        press(key)
        assert tab.focus() == "Notifications"
        expect(tab.button).to_have_attribute("aria-expanded", "true")
        press("Escape")
        expect(tab.button).to_have_attribute("aria-expanded", "false")
        assert tab.focus() == "Notifications, 3 unread"
    press("ArrowDown")
    until(lambda: tab.focus() == "first", what="the focus")
    for key, title in (
        ("ArrowDown", "second"),
        ("End", "third"),
        ("ArrowDown", "third"),
        ("ArrowUp", "second"),
        ("Home", "first"),
    ):
        press(key)
        assert tab.focus() == title
    # In a notification: its title, its actions and its menu, and then out of the list.
    press("End")
    for name in ("third", "Accept", "More for “third”"):
        press("Tab")
        assert tab.focus() == name
    press("Enter")
    menu = tab.page.get_by_role("menu")
    expect(menu).to_have_accessible_name("More for “third”")
    assert tab.focus() == "Mark as read"
    press("ArrowUp")
    assert tab.focus() == "Delete"
    press("Home")
    press("a")
    assert tab.focus() == "Archive"
    press("Escape")
    expect(menu).to_be_hidden()
    assert tab.focus() == "More for “third”"
    press("Enter")
    press("a")
    press("Enter")
    tab.wait_shown(["first", "second"])
    assert tab.focus() == "second"
    press("Enter")
    expect(tab.item("second")).to_have_accessible_name("second")
    assert tab.heard("notify-select")[0][1]["title"] == "second"
    opened = [name for name, *_ in tab.run("return heard") if name in {"notify-open", "notify-close"}]
    assert opened == ["notify-open", "notify-close"] * 2 + ["notify-open"]


def test_from_the_tabs_the_keyboard_leads_into_the_list_and_behind_the_panel_nobody_gets_lost(
    new_tab: Callable[..., BellTab], inbox: Inbox
) -> None:
    id_ = inbox.send("third", actions=[{"label": "Accept", "id": "yes"}])
    inbox.post(f"/v1/notifications/{id_}/archive")
    tab = new_tab(settings="")
    press = tab.page.keyboard.press
    tab.button.click()
    tab.page.get_by_role("tab", name="All").focus()
    press("ArrowRight")
    press("ArrowRight")
    press("Enter")
    tab.wait_shown(["third"])
    expect(tab.page.get_by_role("tab", name="Archived")).to_have_attribute("aria-selected", "true")
    press("ArrowDown")
    assert tab.focus() == "third"
    tab.page.get_by_role("button", name="Settings").focus()
    press("Enter")
    assert len(tab.heard("notify-settings")) == 1
    tab.run("const after = document.createElement('button'); after.textContent = 'after'; document.body.append(after)")
    tab.item("third").focus()
    for _ in range(4):
        press("Tab")
    assert tab.focus() == "after"
    expect(tab.button).to_have_attribute("aria-expanded", "false")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_object_to_in_any_state(
    scheme: Any, new_tab: Callable[..., BellTab], inbox: Inbox, context: BrowserContext
) -> None:
    tab = new_tab(settings="", lang="en")
    tab.page.emulate_media(color_scheme=scheme)
    _check(tab, "closed")
    tab.button.click()
    expect(tab.page.locator("[part=state]")).to_contain_text(_NOTHING)
    _check(tab, "empty")
    inbox.send("plain", body="a body", url="/somewhere")
    inbox.send("going on", progress=0.4)
    inbox.send("asked", level="error", actions=[{"label": "Yes", "primary": True}, {"label": "No", "url": "/no"}])
    inbox.send("well", level="success", actor={"name": "Mara"})
    inbox.send("beware", level="warning")
    tab.choose("plain", "Mark as read")
    _check(tab, "list")
    tab.item("well").hover()
    _check(tab, "list with the pointer in it")
    tab.item("asked").get_by_role("button", name="More for").click()
    _check(tab, "menu")
    tab.page.keyboard.press("Escape")
    tab.page.set_viewport_size({"width": 320, "height": 600})
    _check(tab, "sheet")
    tab.run("bell.setAttribute('lang', 'ar')")
    expect(tab.page.get_by_role("heading", name="الإشعارات")).to_be_visible()
    _check(tab, "right to left")
    context.set_offline(True)
    expect(tab.page.locator("[part=banner]")).to_be_visible()
    _check(tab, "offline")
    context.set_offline(False)
    expect(tab.page.locator("[part=banner]")).to_be_hidden()
    tab.run("bell.hide(); bell.removeAttribute('lang')")
    inbox.send("a toast", level="error", url="/toast", body="a body", actions=[{"label": "Yes", "primary": True}])
    expect(tab.page.locator("[part~=toast]")).to_be_visible()
    _check(tab, "toast")
    tab.run("bell.inbox.logOut(); bell.show()")
    expect(tab.page.locator("[part=state]")).to_contain_text("You are logged out")
    _check(tab, "stopped")
    tab.page.get_by_role("button", name="Try again").click()
    expect(tab.item("a toast")).to_be_visible()


def _check(tab: BellTab, state: str) -> None:
    assert violations(tab.page) == [], state


def _box(locator: Locator) -> dict[str, float]:
    box = locator.bounding_box()
    assert box
    return {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}


def test_right_to_left_and_in_arabic_it_is_itself_in_a_mirror(new_tab: Callable[..., BellTab], inbox: Inbox) -> None:
    ids = [inbox.send(f"إشعار {n}") for n in range(3)]
    tab = new_tab(user="")
    tab.run(
        "document.documentElement.lang = 'ar'; document.documentElement.dir = 'rtl';"
        f"bell.setAttribute('token-url', '/token?user={inbox.user}&seconds=900')"
    )
    expect(tab.button).to_have_accessible_name(re.compile("^الإشعارات، .* إشعارات غير مقروءة$"))
    tab.button.click()
    expect(tab.page.get_by_role("heading", name="الإشعارات")).to_be_visible()
    item = tab.items.first
    assert _box(item.locator("[part=avatar]"))["x"] > _box(item.locator("[part=more]"))["x"]
    panel = _box(tab.page.locator("[part=panel]"))
    assert 0 <= panel["x"] <= 1280 - panel["width"]
    tab.page.get_by_role("tab", name="الكل").focus()
    tab.page.keyboard.press("ArrowLeft")
    assert tab.focus().startswith("غير مقروءة")
    for id_, expected in ((ids[0], "إشعاران غير مقروءين"), (ids[1], "إشعار واحد غير مقروء")):
        inbox.post(f"/v1/notifications/{id_}/read")
        expect(tab.button).to_have_accessible_name(f"الإشعارات، {expected}")
    # A language of its own in a page of another.
    tab.run("document.documentElement.dir = 'ltr'; document.documentElement.lang = 'en'")
    expect(tab.button).to_have_accessible_name("Notifications, 1 unread")
    tab.run("bell.lang = 'ar-EG'")
    expect(tab.button).to_have_accessible_name("الإشعارات، إشعار واحد غير مقروء")
    assert tab.run("return getComputedStyle(bell.shadowRoot.querySelector('[part=panel]')).direction") == "rtl"
    tab.run("bell.constructor.languages.set('de', { words: { title: 'Mitteilungen' } }); bell.lang = 'de-AT'")
    expect(tab.page.get_by_role("heading", name="Mitteilungen")).to_be_visible()


def test_a_change_that_is_refused_is_undone_and_the_reader_is_told(
    new_tab: Callable[..., BellTab], inbox: Inbox
) -> None:
    inbox.send("one")
    tab = new_tab(tag="notify-inbox")
    tab.wait_shown(["one"])
    tab.page.route(
        "**/archive",
        lambda route: (
            route.fulfill(
                status=403,
                headers={"Access-Control-Allow-Origin": "*", "Content-Type": "application/problem+json"},
                body=json.dumps(_REFUSED),
            )
            if route.request.method == "POST"
            else route.fallback()
        ),
    )
    tab.choose("one", "Archive")
    expect(tab.page.locator("[part=notice]")).to_contain_text("That did not work: No, not this one.")
    tab.wait_shown(["one"])
    until(lambda: "That did not work" in tab.said(), what="the announcement")
    tab.page.get_by_role("button", name="Close").click()
    expect(tab.page.locator("[part=notice]")).to_be_hidden()
    assert tab.focus() == "one"


def test_what_arrives_does_not_move_what_is_being_read(new_tab: Callable[..., BellTab], inbox: Inbox) -> None:
    inbox.send_many([f"old {n}" for n in range(30)])
    tab = new_tab(tag="notify-inbox")
    expect(tab.item("old 20")).to_be_attached()
    list_ = tab.page.locator("[part=list]")
    list_.evaluate("(list) => (list.scrollTop = 400)")
    reading = tab.item("old 22")
    before = _box(reading)["y"]
    inbox.send_many(["new 1", "new 2"])
    inbox.send("new 3", body="which is higher than the others, since it has a text " * 5)
    pill = tab.page.get_by_role("button", name="3 new")
    expect(pill).to_be_visible()
    assert _box(reading)["y"] == pytest.approx(before, abs=2)
    # Nor does what goes; and an open menu stays open.
    reading.get_by_role("button", name="More for").click()
    tab.run("await bell.inbox.remove(bell.inbox.items.find(({ title }) => title === 'new 2').id)")
    expect(tab.page.get_by_role("button", name="2 new")).to_be_visible()
    expect(tab.page.get_by_role("menu")).to_be_visible()
    tab.page.keyboard.press("Escape")
    assert _box(reading)["y"] == pytest.approx(before, abs=2)
    tab.page.get_by_role("button", name="2 new").click()
    assert list_.evaluate("(list) => list.scrollTop") == 0
    assert tab.focus() == "new 3"
    expect(tab.page.locator("[part=pill]")).to_be_hidden()
    inbox.send("new 4")
    expect(tab.item("new 4")).to_be_in_viewport()
    expect(tab.page.locator("[part=pill]")).to_be_hidden()


def test_seen_is_what_was_in_view_for_a_second_in_a_tab_that_is_looked_at(
    new_tab: Callable[..., BellTab], inbox: Inbox
) -> None:
    inbox.send_many([f"{n}" for n in range(40)])
    tab = new_tab()
    expect(tab.button).to_have_accessible_name("Notifications, 40 unread")
    tab.page.clock.install()
    _be(tab, "hidden")
    tab.button.click()
    expect(tab.item("39")).to_be_in_viewport()
    tab.page.clock.pause_at(datetime.now(UTC) + timedelta(minutes=1))
    tab.page.clock.fast_forward(5_000)
    _be(tab, "visible")
    tab.page.clock.fast_forward(900)
    assert not any(asked.endswith("/seen") for asked in tab.asked)
    assert inbox.counted()["unseen"] == 40
    tab.page.clock.fast_forward(200)
    until(lambda: inbox.counted()["unseen"] < 40, what="what was seen")
    in_view = tab.run(
        """const list = bell.shadowRoot.querySelector("notify-inbox").shadowRoot.querySelector("[part=list]");
        const { top, bottom } = list.getBoundingClientRect();
        return [...list.querySelectorAll("article")].map((item) => item.getBoundingClientRect())
            .filter((box) => (Math.min(box.bottom, bottom) - Math.max(box.top, top)) / box.height >= 0.5).length;"""
    )
    until(lambda: inbox.counted()["unseen"] == 40 - in_view, what=f"{in_view} seen")
    assert inbox.counted()["unread"] == 40


def _be(tab: BellTab, state: str) -> None:
    tab.run(
        f"Object.defineProperty(document, 'visibilityState', {{ value: '{state}', configurable: true }});"
        "document.dispatchEvent(new Event('visibilitychange'))"
    )


def test_toasts_tell_of_what_arrives_while_the_panel_is_closed(new_tab: Callable[..., BellTab], inbox: Inbox) -> None:
    tab = new_tab()
    tab.page.clock.install()
    until(lambda: tab.run("return bell.inbox.status") == "live", what="being live")
    toasts = tab.page.locator("[part~=toast]")
    for n in range(4):
        inbox.send(f"toast {n}", level="warning")
        expect(toasts.filter(has_text=f"toast {n}")).to_be_visible()
    expect(toasts).to_have_count(3)
    expect(tab.page.locator("[part=toasts]")).to_have_role("status")
    # As long as somebody reads them they stay.
    toasts.last.hover()
    tab.page.clock.fast_forward(20_000)
    expect(toasts).to_have_count(3)
    tab.page.mouse.move(0, 0)
    toasts.first.get_by_role("button", name="Close").focus()
    tab.page.clock.fast_forward(20_000)
    expect(toasts).to_have_count(3)
    tab.page.keyboard.press("Escape")
    expect(toasts).to_have_count(2)
    tab.button.focus()
    tab.page.clock.fast_forward(6_000)
    expect(toasts).to_have_count(2)
    tab.page.clock.fast_forward(2_000)
    expect(toasts).to_have_count(0)
    # Read elsewhere, it is nothing new any more.
    id_ = inbox.send("known")
    expect(toasts).to_have_count(1)
    inbox.post(f"/v1/notifications/{id_}/read")
    expect(toasts).to_have_count(0)
    tab.button.click()
    inbox.send("in the open panel")
    expect(tab.item("in the open panel")).to_be_visible()
    inbox.send("passing", durable=False)
    expect(toasts).to_have_text(["passing"])
    expect(tab.item("passing")).to_have_count(0)
    tab.run("bell.hide(); bell.setAttribute('toasts', 'off')")
    tab.page.clock.fast_forward(8_000)
    inbox.send("without a toast")
    expect(tab.button).to_have_accessible_name("Notifications, 6 unread")
    expect(toasts).to_have_count(0)


def test_a_toast_is_chosen_like_the_notification_that_it_is(new_tab: Callable[..., BellTab], inbox: Inbox) -> None:
    tab = new_tab(user="")
    tab.run(f"bell.getToken = async () => (await fetch('/token?user={inbox.user}&seconds=900')).text()")
    until(lambda: tab.run("return bell.inbox?.status") == "live", what="being live")
    tab.run("bell.addEventListener('notify-select', (event) => event.preventDefault())")
    inbox.send("chosen", url="/chosen", actions=[{"label": "Yes", "id": "yes"}])
    toast = tab.page.locator("[part~=toast]")
    toast.get_by_role("link", name="chosen").click()
    expect(toast).to_have_count(0)
    expect(tab.button).to_have_accessible_name("Notifications")
    assert tab.heard("notify-select")[0][1]["title"] == "chosen"
    inbox.send("acted", actions=[{"label": "Yes", "id": "yes"}])
    toast.get_by_role("button", name="Yes").click()
    expect(toast).to_have_count(0)
    assert tab.heard("notify-action")[0][1]["action"] == {"label": "Yes", "id": "yes"}


def test_every_state_is_shown_and_can_be_left(
    new_tab: Callable[..., BellTab], inbox: Inbox, context: BrowserContext, website: Website
) -> None:
    website.answers.clear()
    tab = new_tab(tag="notify-inbox")
    expect(tab.page.locator("[part=skeleton]")).to_be_visible()
    website.answers.set()
    expect(tab.page.locator("[part=state]")).to_contain_text(_NOTHING)
    inbox.send("one")
    tab.wait_shown(["one"])
    context.set_offline(True)
    expect(tab.page.locator("[part=banner]")).to_contain_text("You are offline")
    assert tab.shown_titles() == ["one"]
    context.set_offline(False)
    expect(tab.page.locator("[part=banner]")).to_be_hidden()
    tab.page.route("**/v1/stream?*", lambda route: route.abort())
    tab.run("bell.inbox.reconnect()")
    expect(tab.page.locator("[part=banner]")).to_contain_text("Connecting again")
    tab.page.unroute("**/v1/stream?*")
    tab.page.get_by_role("button", name="Try again").click()
    expect(tab.page.locator("[part=banner]")).to_be_hidden()
    tab.page.route(
        "**/v1/notifications?*",
        lambda route: route.fulfill(
            status=422,
            json=_REFUSED | {"status": 422},
            headers={"Access-Control-Allow-Origin": "*", "Content-Type": "application/problem+json"},
        ),
    )
    tab.page.get_by_role("tab", name="Unread").click()
    expect(tab.page.locator("[part=state]")).to_contain_text("Notifications could not be loaded")
    tab.page.unroute("**/v1/notifications?*")
    tab.page.get_by_role("button", name="Try again").click()
    tab.wait_shown(["one"])
    tab.choose("one", "Mark as read")
    expect(tab.page.locator("[part=state]")).to_contain_text("Nothing unread")
    tab.run("bell.inbox.logOut()")
    expect(tab.page.locator("[part=state]")).to_contain_text("You are logged out")
    tab.page.get_by_role("button", name="Try again").click()
    tab.wait_shown(["one"])
    inbox.end_sessions()
    expect(tab.page.locator("[part=state]")).to_contain_text("Notifications are not available")


def test_the_menu_of_a_notification_does_what_it_says(new_tab: Callable[..., BellTab], inbox: Inbox) -> None:
    for title in ("c", "b", "a"):
        inbox.send(title)
    tab = new_tab(tag="notify-inbox", tabs="all archived snoozed")
    tab.wait_shown(["a", "b", "c"])
    tab.choose("a", "Mark as read")
    expect(tab.item("a")).to_have_accessible_name("a")
    tab.choose("a", "Mark as unread")
    expect(tab.item("a")).to_have_accessible_name("Unread, a")
    tab.choose("a", "Archive")
    tab.wait_shown(["b", "c"])
    assert tab.focus() == "b"
    tab.choose("b", "For an hour")
    tab.wait_shown(["c"])
    tab.choose("c", "Delete")
    expect(tab.page.locator("[part=state]")).to_contain_text(_NOTHING)
    tab.page.get_by_role("tab", name="Archived").click()
    tab.wait_shown(["a"])
    tab.choose("a", "Move to inbox")
    tab.page.get_by_role("tab", name="Snoozed").click()
    tab.wait_shown(["b"])
    tab.choose("b", "Bring back now")
    tab.page.get_by_role("tab", name="All").click()
    tab.wait_shown(["b", "a"])
    assert inbox.counted()["total"] == 2


def test_links_lead_to_the_web_only_and_the_application_may_go_its_own_way(
    new_tab: Callable[..., BellTab], inbox: Inbox, website: Website
) -> None:
    inbox.send(
        "link", url="/elsewhere", actions=[{"label": "Go", "url": "/go"}, {"label": "Do", "id": "do"}], progress=0.25
    )
    tab = new_tab(tag="notify-inbox")
    expect(tab.item("link").get_by_role("link", name="link")).to_have_attribute("href", "/elsewhere")
    bar = tab.item("link").get_by_role("progressbar")
    expect(bar).to_have_accessible_name("Progress: link")
    assert bar.evaluate("(bar) => [bar.value, bar.max]") == [0.25, 1]
    # What the service would refuse, should it come all the same.
    unsafe = tab.run(
        f"""const {{ safeUrl }} = await import("{inbox.service.url}/client/bell-dom.js");
        const urls = ["javascript:alert(1)", "data:text/html,x", " javascript:x", "vbscript:x", "http://[", ""];
        return urls.map(safeUrl);"""
    )
    assert unsafe == [None] * 6
    tab.item("link").get_by_role("button", name="Do").click()
    expect(tab.item("link")).to_have_accessible_name("link")
    tab.run("document.addEventListener('notify-select', (event) => event.preventDefault(), { once: true })")
    tab.item("link").get_by_role("link", name="link").click()
    assert tab.page.url == f"{website.url}/"
    assert [told[1]["action"]["label"] for told in tab.heard("notify-action")] == ["Do"]
    assert [told[1]["title"] for told in tab.heard("notify-select")] == ["link"]
    tab.item("link").get_by_role("link", name="link").click()
    tab.page.wait_for_url("**/elsewhere")


def test_pages_make_it_their_own_with_templates_slots_parts_and_variables(
    new_tab: Callable[..., BellTab], inbox: Inbox
) -> None:
    inbox.send("order", body="shipped", data={"order": {"number": 42}}, actor={"name": "Shop"})
    inbox.send("other")
    tab = new_tab(
        html="""<template slot="item"><p part="mine"><b data-notify="title" data-notify-do="select"></b>
        <i data-notify="data.order.number"></i> <span data-notify-if="body">!</span>
        <button data-notify-do="toggle-read">toggle</button></p></template>
        <span slot="icon">ring</span><h2 slot="header">News</h2><p slot="empty">Nothing here</p>
        <button slot="settings">tune</button>"""
    )
    expect(tab.button).to_have_accessible_name("Notifications, 2 unread")
    expect(tab.page.get_by_text("ring")).to_be_visible()
    tab.button.click()
    expect(tab.page.get_by_role("heading", name="News")).to_be_visible()
    assert tab.item("order").inner_text().split() == ["order", "42", "!", "toggle"]
    assert tab.item("other").inner_text().split() == ["other", "toggle"]
    tab.item("order").get_by_role("button", name="toggle").click()
    expect(tab.button).to_have_accessible_name("Notifications, 1 unread")
    tab.page.get_by_role("button", name="tune").click()
    assert len(tab.heard("notify-settings")) == 1
    tab.run(
        """const sheet = new CSSStyleSheet();
        sheet.replaceSync(`notify-bell { --notify-surface: rgb(1, 2, 3) }
            notify-bell::part(mine) { color: rgb(4, 5, 6) } notify-bell::part(heading) { color: rgb(7, 8, 9) }`);
        document.adoptedStyleSheets = [sheet];"""
    )
    expect(tab.page.locator("[part=mine]").first).to_have_css("color", "rgb(4, 5, 6)")
    expect(tab.page.locator("[part=panel]")).to_have_css("background-color", "rgb(1, 2, 3)")
    tab.page.get_by_role("tab", name="Archived").click()
    expect(tab.page.get_by_text("Nothing here")).to_be_visible()
    tab.run(
        """bell.renderItem = ({ title }, { ago, lang }) => `${title} in ${lang}`;
        bell.tabs = [{ label: "Everything", filters: {} }];"""
    )
    tab.page.get_by_role("tab", name="Everything").click()
    until(lambda: tab.items.all_inner_texts() == ["other in en", "order in en"], what="the items")


def test_ten_thousand_notifications_scroll_with_few_of_them_in_the_page(
    new_tab: Callable[..., BellTab], inbox: Inbox
) -> None:
    for n in range(10):
        inbox.send_many([f"{1000 * n + k}" for k in range(1000)])
    tab = new_tab(user="", tag="notify-inbox")
    tab.run(
        f"""const {{ connect }} = await import(`{inbox.service.url}/client/notify.js`);
        const getToken = async () => (await fetch("/token?user={inbox.user}&seconds=900")).text();
        bell.inbox = connect({{ url: "{inbox.service.url}", getToken, pageSize: 100 }});"""
    )
    expect(tab.item("9999")).to_be_visible()
    # Each time the end comes near, more is loaded.
    loaded = tab.run(
        """const list = bell.shadowRoot.querySelector("[part=list]");
        for (let frame = 0; frame < 1_000 && bell.inbox.items.length < 1_000; frame++) {
            list.scrollTop += 2_000;
            await new Promise(requestAnimationFrame);
        }
        return bell.inbox.items.length;"""
    )
    assert loaded >= 1_000
    measured = tab.run(
        """while (bell.inbox.getSnapshot().hasMore) await bell.inbox.loadMore();
        const list = bell.shadowRoot.querySelector("[part=list]");
        const times = [];
        let [most, last] = [0, performance.now()];
        // Slowly, as with a wheel, and then through all of it.
        for (const step of [...Array(60).fill(-137), ...Array(60).fill(9_000)]) {
            list.scrollTop += step;
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            times.push(now - last);
            last = now;
            most = Math.max(most, bell.shadowRoot.querySelectorAll("*").length);
        }
        times.sort((one, other) => one - other);
        return { items: bell.inbox.items.length, most, median: times[60], longest: times[119] };"""
    )
    assert measured["items"] == 10_000
    assert measured["most"] < 1_500, measured
    assert measured["median"] < 50, measured
    # Keys reach both ends, and what has the focus keeps it wherever the list is scrolled to.
    tab.items.first.focus()
    tab.page.keyboard.press("End")
    assert tab.focus() == "0"
    expect(tab.items.last).to_be_in_viewport()
    tab.page.keyboard.press("Home")
    assert tab.focus() == "9999"
    tab.page.locator("[part=list]").evaluate("(list) => (list.scrollTop = 300_000)")
    expect(tab.item("9999")).not_to_be_in_viewport()
    assert tab.focus() == "9999"
    tab.page.keyboard.press("ArrowDown")
    assert tab.focus() == "9998"
    expect(tab.item("9998")).to_be_in_viewport()
    expect(tab.item("9998")).to_have_attribute("aria-posinset", "2")
    expect(tab.item("9998")).to_have_attribute("aria-setsize", "10000")


def test_elements_of_one_user_share_a_client_which_ends_with_the_last_of_them(
    new_tab: Callable[..., BellTab], inbox: Inbox, service: Service
) -> None:
    inbox.send("one")
    tab = new_tab(tag="notify-inbox")
    tab.wait_shown(["one"])
    tab.run("globalThis.list = bell")
    tab.place(service.url, inbox.user)
    expect(tab.button).to_have_accessible_name("Notifications, 1 unread")
    assert tab.run("return list.inbox === bell.inbox")
    assert tab.times("/v1/notifications?") + tab.times("/v1/notifications/count") <= 1
    tab.item("one").first.locator("[part=title]").click()
    expect(tab.button).to_have_accessible_name("Notifications")
    # To move an element, or to remove one of two, ends nothing.
    tab.run("globalThis.client = bell.inbox; list.remove(); document.body.prepend(bell)")
    inbox.send("two")
    expect(tab.button).to_have_accessible_name("Notifications, 1 unread")
    assert tab.run("return client === bell.inbox && client.status") == "live"
    other = Inbox(service, next(_users))
    other.send("of another")
    other.send("of another")
    tab.run(f"bell.setAttribute('token-url', '/token?user={other.user}&seconds=900')")
    expect(tab.button).to_have_accessible_name("Notifications, 2 unread")
    until(lambda: tab.run("return client.getSnapshot().reason") == "closed", what="the end of the client")
    tab.run("globalThis.client = bell.inbox; bell.remove()")
    until(lambda: tab.run("return client.getSnapshot().reason") == "closed", what="the end of the client")
    until(lambda: inbox.sessions() == other.sessions() == [], what="the end of the connections")


def test_times_go_by(new_tab: Callable[..., BellTab], inbox: Inbox) -> None:
    inbox.send("one")
    tab = new_tab(tag="notify-inbox")
    time = tab.page.locator("[part=time]")
    expect(time).to_have_text("now")
    expect(time).to_have_attribute("datetime", re.compile(r"^20.*Z$"))
    expect(time).to_have_attribute("title", re.compile(r"20\d\d"))
    tab.page.clock.install()
    tab.run("document.body.append(bell)")
    tab.page.clock.fast_forward("05:30")
    expect(time).to_have_text("5 min. ago")


def test_as_a_sheet_it_fills_a_small_window(new_tab: Callable[..., BellTab], inbox: Inbox) -> None:
    inbox.send("a title without end " * 5, body="andaverylongwordthatwouldnotfit" * 4, actor={"name": "M" * 80})
    tab = new_tab()
    tab.page.set_viewport_size({"width": 320, "height": 480})
    expect(tab.button).to_have_accessible_name("Notifications, 1 unread")
    tab.button.click()
    assert _box(tab.page.locator("[part=panel]")) == {"x": 0, "y": 0, "width": 320, "height": 480}
    assert tab.page.locator("[part=list]").evaluate("(list) => list.scrollWidth <= list.clientWidth")
    small = tab.run(
        """const within = ({ shadowRoot }) => (shadowRoot ? all(shadowRoot) : []);
        const all = (root) => [...root.querySelectorAll("*")].flatMap((each) => [each, ...within(each)]);
        return all(document).filter((each) => each.matches("button, a:not(.title)") && each.getClientRects().length)
            .map((each) => [each.outerHTML, each.getBoundingClientRect()])
            .filter(([, { width, height }]) => width < 24 || height < 24);"""
    )
    assert small == []
    tab.page.get_by_role("button", name="Close").click()
    expect(tab.page.locator("[part=panel]")).to_be_hidden()
    assert tab.focus().startswith("Notifications")


def test_the_example_of_the_documentation_is_a_working_page(
    context: BrowserContext, website: Website, service: Service, inbox: Inbox
) -> None:
    markup = example("docs/bell.md", "<script").replace("https://notify.example.com", service.url)
    policy = example("docs/bell.md", "script-src").replace("https://notify.example.com", service.url)
    policy = policy.removeprefix("Content-Security-Policy: ").strip()
    tab = BellTab(context, website)
    tab.page.route("**/notify-token", lambda route: route.fulfill(json={"token": website.token_for(inbox.user, 900)}))
    website.pages["/shop"] = (f"<!doctype html><title>Shop</title>{markup}", policy)
    tab.page.goto(f"{website.url}/shop")
    inbox.send("one")
    expect(tab.button).to_have_accessible_name("Notifications, 1 unread")
    tab.button.click()
    tab.wait_shown(["one"])
    assert tab.trouble == []
