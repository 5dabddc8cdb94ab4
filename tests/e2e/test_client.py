"""The JavaScript client in real tabs of a real browser, on a page with a strict policy, against real processes."""

import itertools
import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from support.browser import running_browser
from support.documents import example
from support.inboxes import Inbox, Service
from support.servers import TestServer
from support.waiting import until
from support.websites import HoldingProxy, Tab, Website

_TROUBLE = "of a listener"
_users = (f"user-{n}" for n in itertools.count(1))


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
def new_context(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    with ExitStack() as stack:

        def new() -> BrowserContext:
            context = browser.new_context()
            stack.callback(context.close)
            return context

        yield new


@pytest.fixture
def context(new_context: Callable[[], BrowserContext]) -> BrowserContext:
    return new_context()


@pytest.fixture
def new_tab(context: BrowserContext, website: Website, service: Service, inbox: Inbox) -> Iterator[Callable[..., Tab]]:
    tabs: list[Tab] = []

    def new(**options: Any) -> Tab:
        tabs.append(Tab(context, website).open(service.url, inbox.user, **options))
        return tabs[-1]

    yield new
    assert {trouble for tab in tabs for trouble in tab.trouble} <= {_TROUBLE}


def test_what_is_there_is_listed_and_what_arrives_is_shown_and_counted(
    new_tab: Callable[..., Tab], inbox: Inbox
) -> None:
    inbox.send_many(["1", "2", "3"])
    tab = new_tab(module="notify.min.js", pageSize=2)
    shown = tab.wait_live()
    assert ([item["title"] for item in shown["items"]], shown["hasMore"]) == (["3", "2"], True)
    assert shown["counts"] == {"unread": 3, "unseen": 3, "total": 3}
    tab.run("inbox.subscribe(() => { throw new Error('" + _TROUBLE + "') })")
    inbox.send("4")
    tab.wait_titles(["4", "3", "2"])
    assert tab.run("return (await inbox.loadMore()).items.map(({ title }) => title)") == ["4", "3", "2", "1"]
    inbox.send("passing", durable=False)
    until(lambda: len(tab.heard("notification")) == 2)
    assert [(told["title"], about) for _, told, about in tab.heard("notification")] == [
        ("4", {"durable": True}),
        ("passing", {"durable": False}),
    ]
    assert tab.titles() == ["4", "3", "2", "1"]
    assert tab.page.locator("output").inner_text() == "4"
    assert tab.heard("violation") == []
    assert set(tab.trouble) == {_TROUBLE}


def test_marks_show_at_once_and_in_every_tab_and_at_the_service(new_tab: Callable[..., Tab], inbox: Inbox) -> None:
    ids = [inbox.send(title) for title in ("1", "2", "3", "4")]
    one, other = new_tab(), new_tab()
    one.wait_live()
    other.wait_live()
    shown = one.run(
        f"""const [first, second, third, fourth] = {json.dumps(ids)};
        const marking = [inbox.markRead(first), inbox.markSeen([second]), inbox.archive(third), inbox.remove(fourth)];
        const at_once = inbox.getSnapshot();
        await Promise.all(marking);
        return at_once;"""
    )
    assert ([item["title"] for item in shown["items"]], shown["counts"]) == (
        ["2", "1"],
        {"unread": 1, "unseen": 0, "total": 2},
    )
    for tab in (one, other):
        tab.wait_titles(["2", "1"])
        tab.wait(lambda shown: shown["counts"] == inbox.counted(), "the service's counts")
        # Never anything but what is true before or after.
        assert [told[1]["unread"] for told in tab.heard("counts")][-1] == 1
    assert [told[1]["unread"] for told in one.heard("counts")] == sorted(
        (told[1]["unread"] for told in one.heard("counts")), reverse=True
    )
    other.run(f"await inbox.unarchive('{ids[2]}'); await inbox.markUnread('{ids[0]}')")
    one.wait_titles(["3", "2", "1"])
    one.wait(lambda shown: shown["counts"] == inbox.counted() == {"unread": 3, "unseen": 1, "total": 3}, "the counts")
    other.run(f"await inbox.snooze('{ids[1]}', new Date(Date.now() + 3600_000))")
    one.wait_titles(["3", "1"])
    one.run(f"await inbox.unsnooze('{ids[1]}')")
    for tab in (one, other):
        tab.wait_titles(["2", "3", "1"])
        tab.wait(lambda shown: shown["counts"] == inbox.counted(), "the service's counts")
    assert one.run("return (await inbox.count({ type: 'x' })).types") == {"x": {"unread": 0, "unseen": 0, "total": 0}}


def test_what_arrives_while_all_is_marked_stays_unread(new_tab: Callable[..., Tab], inbox: Inbox) -> None:
    inbox.send_many([str(n) for n in range(30)])
    tab = new_tab()
    position = tab.wait_live()["position"]
    inbox.send("later")
    tab.wait(lambda shown: shown["counts"]["unread"] == 31, "what came later")
    at_once = tab.run(
        f"const marking = inbox.readAll({{ before: {json.dumps(position)} }});"
        "const { counts } = inbox.getSnapshot(); return [counts, await marking];"
    )
    assert at_once == [{"unread": 1, "unseen": 1, "total": 31}, 30]
    tab.wait(lambda shown: shown["counts"] == inbox.counted() == at_once[0], "the service's counts")
    assert [told[1]["unread"] for told in tab.heard("counts")] == [30, 31, 1]
    assert tab.run("await inbox.archiveAll(); return inbox.items.length") == 0


def test_a_change_that_is_refused_is_undone_and_says_why(new_tab: Callable[..., Tab], inbox: Inbox) -> None:
    id_ = inbox.send("1")
    tab = new_tab()
    tab.wait_live()
    tab.page.route(
        "**/read",
        lambda route: (
            route.fulfill(
                status=403,
                headers={"Access-Control-Allow-Origin": "*", "Content-Type": "application/problem+json"},
                body=json.dumps({"type": "/problems/forbidden", "detail": "No, not this one.", "status": 403}),
            )
            if route.request.method == "POST"
            else route.fallback()
        ),
    )
    before, during, after, error = tab.run(
        f"""const before = inbox.getSnapshot();
        const marking = inbox.markRead('{id_}');
        const during = inbox.getSnapshot();
        const error = await marking.catch((error) => [error.name, error.status, error.problem.type, error.message]);
        return [before, during, inbox.getSnapshot(), error];"""
    )
    assert (before["counts"]["unread"], during["counts"]["unread"], after) == (1, 0, before)
    assert error == ["NotifyError", 403, "/problems/forbidden", "No, not this one."]


def test_ten_tabs_share_one_connection_and_all_are_right(new_tab: Callable[..., Tab], inbox: Inbox) -> None:
    inbox.send("before")
    tabs = [new_tab() for _ in range(10)]
    for tab in tabs:
        tab.wait_live()
    assert len(inbox.sessions()) == 1
    id_ = inbox.send("live")
    for tab in tabs:
        tab.wait_titles(["live", "before"])
    tabs[-1].run(f"await inbox.markRead('{id_}')")
    for tab in tabs:
        tab.wait(lambda shown: shown["counts"] == {"unread": 1, "unseen": 1, "total": 2}, "the counts")
        assert [told["title"] for _, told, _ in tab.heard("notification")] == ["live"]
    assert len(inbox.sessions()) == 1
    assert sum(tab.times("/v1/stream") for tab in tabs) == 1


def test_when_the_leading_tab_closes_or_crashes_another_takes_over_and_misses_nothing(
    new_tab: Callable[..., Tab], inbox: Inbox
) -> None:
    tabs = [new_tab() for _ in range(3)]
    for tab in tabs:
        tab.wait_live()
    titles: list[str] = []
    for end in (Tab.close, Tab.crash):
        leader = next(tab for tab in tabs if tab.times("/v1/stream"))
        tabs.remove(leader)
        titles.insert(0, f"before {len(tabs)}")
        inbox.send(titles[0])
        end(leader)
        titles.insert(0, f"after {len(tabs)}")
        inbox.send(titles[0])
        for tab in tabs:
            tab.wait_titles(titles)
            assert [told["title"] for _, told, _ in tab.heard("notification")] == titles[::-1]
            assert tab.heard("reset") == []
    until(lambda: len(inbox.sessions()) == 1)
    assert "last_event_id=" in next(asked for asked in tabs[0].asked if asked.startswith("/v1/stream"))


def test_a_tab_that_hangs_loses_the_lead(new_tab: Callable[..., Tab], inbox: Inbox) -> None:
    leader, follower = new_tab(), new_tab()
    leader.wait_live()
    follower.wait_live()
    # As seen from the other tabs: it holds the lock, and says nothing.
    leader.run("BroadcastChannel.prototype.postMessage = () => {}")
    follower.page.clock.install()
    follower.run("document.dispatchEvent(new Event('visibilitychange'))")
    follower.page.clock.fast_forward(4_000)
    assert follower.times("/v1/stream") == 0
    follower.page.clock.fast_forward(1_000)
    until(lambda: follower.times("/v1/stream") == 1, 15, what="the lead of the other tab")
    inbox.send("1")
    for tab in (leader, follower):
        tab.wait_titles(["1"])
    until(lambda: len(inbox.sessions()) == 1)


def test_restarts_and_lost_networks_are_survived_without_loss_or_repetition(
    new_tab: Callable[..., Tab], inbox: Inbox, service: Service, context: BrowserContext
) -> None:
    tab = new_tab()
    tab.wait_live()
    service.restart(signal.SIGTERM)
    inbox.send("1")
    tab.wait_titles(["1"], 30)
    context.set_offline(True)
    tab.wait(lambda shown: shown["status"] == "offline", "being offline")
    inbox.send("2")
    assert tab.titles() == ["1"]
    context.set_offline(False)
    tab.wait_titles(["2", "1"], 5)
    tab.wait_live()
    assert [told["title"] for _, told, _ in tab.heard("notification")] == ["1", "2"]
    assert tab.heard("reset") == []
    assert tab.times("/v1/notifications") == 1


def test_a_token_is_renewed_before_it_runs_out(new_tab: Callable[..., Tab], inbox: Inbox, website: Website) -> None:
    tab = new_tab(seconds=3)
    tab.wait_live()
    until(lambda: tab.times("/v1/stream/refresh") >= 2, 15, what="renewals")
    inbox.send("1")
    tab.wait_titles(["1"])
    assert tab.times("/v1/stream?") == 1
    assert website.tokens[inbox.user] >= 3
    assert [status for _, status, *_ in tab.heard("status")] == ["live"]
    # Where that fails it runs out, and the stream begins again with a fresh one.
    tab.page.route("**/v1/stream/refresh", lambda route: route.abort())
    until(lambda: tab.times("/v1/stream?") == 2, 15, what="another stream")
    inbox.send("2")
    tab.wait_titles(["2", "1"])


def test_without_a_token_it_stops_and_with_that_of_another_user_nothing_stays(
    new_tab: Callable[..., Tab], inbox: Inbox
) -> None:
    inbox.send("mine")
    tab = new_tab(seconds=3)
    tab.wait_titles(["mine"])
    tab.run("globalThis.user = 'mallory'")
    shown = tab.wait(lambda shown: shown["status"] == "stopped", "the end")
    assert (shown["reason"], shown["items"], shown["counts"]["total"]) == ("another-user", [], 0)
    tab.page.reload()
    tab.open(inbox.service.url, "")
    assert tab.wait(lambda shown: shown["status"] == "stopped", "the end")["reason"] == "unauthorized"
    tab.run("globalThis.user = " + json.dumps(inbox.user) + "; inbox.reconnect()")
    tab.wait_titles(["mine"])


def test_tabs_without_locks_have_a_connection_each(
    new_tab: Callable[..., Tab], inbox: Inbox, context: BrowserContext
) -> None:
    context.add_init_script("Object.defineProperty(Navigator.prototype, 'locks', { value: undefined })")
    tabs = [new_tab(), new_tab()]
    for tab in tabs:
        tab.wait_live()
    assert len(inbox.sessions()) == 2
    inbox.send("1")
    for tab in tabs:
        tab.wait_titles(["1"])
        tab.run("inbox.close()")
    until(lambda: inbox.sessions() == [])


def test_a_reload_goes_on_where_it_was(new_tab: Callable[..., Tab], inbox: Inbox, service: Service) -> None:
    inbox.send_many([str(n) for n in range(5)])
    tab = new_tab(pageSize=2)
    tab.wait_live()
    tab.run("await inbox.loadMore()")
    tab.wait_titles(["4", "3", "2", "1"])
    tab.page.goto("about:blank")
    inbox.send("meanwhile")
    tab.asked.clear()
    tab.page.go_back()
    tab.open(service.url, inbox.user, pageSize=2)
    tab.wait_titles(["meanwhile", "4", "3", "2", "1"])
    tab.wait_live()
    assert [asked.partition("?")[0] for asked in tab.asked] == ["/v1/stream"]
    assert [told["title"] for _, told, _ in tab.heard("notification")] == ["meanwhile"]
    assert tab.heard("reset") == []
    assert tab.run("return (await inbox.loadMore()).items.length") == 6
    tab.run("inbox.close()")
    assert tab.run("return [sessionStorage.length, inbox.items.length, inbox.status]") == [0, 0, "stopped"]


def test_logging_out_ends_it_in_every_tab_and_forgets(new_tab: Callable[..., Tab], inbox: Inbox) -> None:
    inbox.send("1")
    tabs = [new_tab(), new_tab()]
    for tab in tabs:
        tab.wait_live()
        tab.page.evaluate("document.dispatchEvent(new Event('pagehide'))")
    tabs[1].run("inbox.logOut()")
    for tab in tabs:
        shown = tab.wait(lambda shown: shown["status"] == "stopped", "the end")
        assert (shown["reason"], shown["items"], shown["counts"]["unread"]) == ("logged-out", [], 0)
        assert tab.run("return sessionStorage.length") == 0
    until(lambda: inbox.sessions() == [])


def test_a_session_that_was_revoked_stays_away_and_says_so(new_tab: Callable[..., Tab], inbox: Inbox) -> None:
    tabs = [new_tab(), new_tab()]
    for tab in tabs:
        tab.wait_live()
    inbox.end_sessions()
    for tab in tabs:
        assert tab.wait(lambda shown: shown["status"] == "stopped", "the end")["reason"] == "revoked"
    assert inbox.sessions() == []
    tabs[1].run("inbox.reconnect()")
    inbox.send("1")
    for tab in tabs:
        tab.wait_titles(["1"])
    assert sum(tab.times("/v1/stream") for tab in tabs) == 2


def test_where_a_proxy_holds_streams_back_it_is_polled(
    context: BrowserContext, website: Website, service: Service, inbox: Inbox
) -> None:
    inbox.send("1")
    with HoldingProxy(service.url) as proxy:
        tabs = [
            Tab(context, website).open(proxy.url, inbox.user, patienceSeconds=0.5, pollSeconds=0.3) for _ in range(2)
        ]
        for tab in tabs:
            assert tab.wait(lambda shown: shown["status"] == "live", "polling")["transport"] == "polling"
        id_ = inbox.send("2")
        for tab in tabs:
            tab.wait_titles(["2", "1"])
        tabs[1].run(f"await inbox.markRead('{id_}')")
        for tab in tabs:
            tab.wait(lambda shown: shown["counts"] == inbox.counted() == {"unread": 1, "unseen": 1, "total": 2}, "it")
            assert len(tab.heard("notification")) == 1
        assert proxy.streams == 1
        for tab in tabs:
            tab.run("inbox.close()")


def test_over_a_websocket_a_device_acknowledges_and_goes_on(
    new_tab: Callable[..., Tab], inbox: Inbox, context: BrowserContext
) -> None:
    context.add_init_script(
        "WebSocket = class extends WebSocket { constructor(...how) { super(...how); globalThis.socket = this; } };"
    )
    inbox.send("1")
    tab = new_tab(transport="websocket", device="browser-1", seconds=3)
    assert tab.wait_live()["transport"] == "websocket"
    assert [session["transport"] for session in inbox.sessions()] == ["websocket"]
    address = tab.run("return socket.url")
    assert "ticket=" in address
    assert "token=" not in address
    id_ = inbox.send("2")
    tab.wait_titles(["2", "1"])
    tab.run(f"await inbox.markRead('{id_}')")
    tab.wait(lambda shown: shown["counts"] == inbox.counted() == {"unread": 1, "unseen": 1, "total": 2}, "the counts")
    until(lambda: inbox.acknowledged() == {"browser-1": tab.look()["position"]}, what="the acknowledgement")
    until(lambda: tab.times("/v1/stream/refresh"), what="a renewal")
    tab.run(
        "const closed = new Promise((then) => socket.addEventListener('close', then)); socket.close(); await closed"
    )
    inbox.send("3")
    tab.wait_titles(["3", "2", "1"])
    assert len(inbox.sessions()) == 1
    assert [told["title"] for _, told, _ in tab.heard("notification")] == ["2", "3"]
    assert tab.times("/v1/notifications?") + tab.times("/v1/changes") == 0
    assert tab.asked.count("/v1/notifications") == 1


def test_filters_are_kept_by_what_arrives_and_changes(new_tab: Callable[..., Tab], inbox: Inbox) -> None:
    inbox.send("1", type="chat")
    id_ = inbox.send("2", type="order")
    tab = new_tab()
    tab.wait_live()
    assert tab.run("return (await inbox.list({ status: 'unread', type: 'order' })).items.map(({ id }) => id)") == [id_]
    inbox.send("3", type="chat")
    inbox.send("4", type="order")
    tab.wait_titles(["4", "2"])
    tab.run(f"await inbox.markRead('{id_}')")
    tab.wait_titles(["4"])
    assert tab.run("return (await inbox.list()).items.map(({ title }) => title)") == ["4", "3", "2", "1"]


def test_users_of_one_page_are_kept_apart(
    context: BrowserContext, website: Website, service: Service, inbox: Inbox
) -> None:
    other = Inbox(service, next(_users))
    tab = Tab(context, website).open(service.url, inbox.user)
    tab.run("globalThis.first = inbox")
    tab.open(service.url, other.user)
    inbox.send("mine")
    other.send("theirs")
    tab.wait_titles(["theirs"])
    until(lambda: tab.run("return first.items.map(({ title }) => title)") == ["mine"])


def test_an_inbox_that_was_replaced_is_shown_anew(new_tab: Callable[..., Tab], inbox: Inbox, service: Service) -> None:
    inbox.send("1")
    tabs = [new_tab(), new_tab()]
    for tab in tabs:
        tab.wait_live()
    # What a reload after a restored backup brings: a position of another epoch.
    for tab in tabs:
        tab.page.evaluate("window.dispatchEvent(new Event('pagehide'))")
        tab.run(
            "for (const [key, saved] of Object.entries(sessionStorage))"
            r""" sessionStorage.setItem(key, saved.replaceAll(/"[0-9a-z]+\.(\d+)"/g, '"gone.$1"'));"""
        )
        tab.asked.clear()
    for tab in tabs:
        tab.run("Storage.prototype.setItem = () => {}")
        tab.page.reload()
        tab.open(service.url, inbox.user)
    for tab in tabs:
        tab.wait_live()
        tab.wait(lambda shown: shown["position"] and not shown["position"].startswith("gone"), "a new position")
        assert tab.titles() == ["1"]
        assert len(tab.heard("reset")) == 1
    inbox.send("2")
    for tab in tabs:
        tab.wait_titles(["2", "1"])


def test_the_example_of_the_documentation_is_a_working_page(
    context: BrowserContext, website: Website, service: Service, inbox: Inbox
) -> None:
    code = example("docs/javascript.md", "replaceChildren").replace("https://notify.example.com", service.url)
    imported, rest = code.split(";", 1)
    found = re.fullmatch(r"import (\{.*\}) from (\".*\")", imported)
    assert found
    tab = Tab(context, website)
    tab.page.route("**/notify-token", lambda route: route.fulfill(status=200, body=website.token_for(inbox.user, 900)))
    tab.run(
        f"""const [badge, list] = ["output", "ol"].map((name) => document.createElement(name));
        document.body.append(badge, list);
        const {found[1]} = await import({found[2]});
        {rest}"""
    )
    inbox.send("1")
    inbox.send("2")
    tab.page.locator("li.unread", has_text="1").click()
    tab.page.locator("li.read", has_text="1").wait_for()
    assert tab.page.locator("li").all_inner_texts() == ["2", "1"]
    assert tab.page.locator("output").last.inner_text() == "1"
    assert tab.trouble == []
