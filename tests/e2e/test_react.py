"""The hooks in React 18 and 19, under StrictMode, in a real browser against a real service."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from nodejs import NotInstalledError, alone, install, run
from support.browser import running_browser
from support.documents import ROOT
from support.processes import NotifyProcess
from support.servers import require
from support.users import User
from support.waiting import until
from support.websites import SECRET, Website

TOOLS = ROOT / "scripts" / "javascript"
PACKAGES = {"18.3.1": "-18", "19.3.1": ""}
both = pytest.mark.parametrize("react", PACKAGES)
"""Without it a test sees the later one."""


class App:
    """An application that shows the user's inbox by the hooks."""

    def __init__(self, browser: Browser, website: Website, bundle: Path) -> None:
        self.context = browser.new_context()
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.trouble: list[str] = []
        self.page.on("request", lambda request: self.asked.append(f"{request.method} {request.url}"))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("console", lambda said: self.trouble.append(said.text) if said.type == "error" else None)
        self.page.route("**/react-page.js", lambda route: route.fulfill(path=bundle, content_type="text/javascript"))
        self.page.goto(website.url)
        self.page.evaluate("import('/react-page.js')")

    def show(self, url: str, user: str | None, *, how: str = "show", **more: Any) -> Any:
        return self.page.evaluate(f"(how) => {how}(how)", {"user": user, "options": {"url": url}, **more})

    def run(self, code: str) -> Any:
        return self.page.evaluate(f"async () => {{ {code} }}")

    def texts(self) -> tuple[str, list[str]]:
        """The count, and the titles in each list."""
        return self.page.locator("output").last.inner_text(), self.page.locator("p").all_inner_texts()

    def wait(self, unread: int, *lists: str) -> None:
        until(lambda: self.texts() == (str(unread), list(lists)), what=f"{unread} {lists}, not {self.texts()}")

    def wait_live(self) -> None:
        until(lambda: self.page.locator("p[data-status=live]").count() == self.page.locator("p").count() > 0)

    def times(self, what: str) -> int:
        # What happened is only heard of while something is asked of the page.
        self.page.evaluate("0")
        return self.asked.count(what)


def bundled(react: str, folder: Path) -> Path:
    """The page with this version, as for development: only there StrictMode mounts twice."""
    try:
        with alone(TOOLS):
            install(TOOLS)
    except NotInstalledError as error:
        require(None, f"React ({error})")
    made = folder / f"react-{react}.js"
    packages = [f"--alias:{name}={TOOLS / 'node_modules' / name}{PACKAGES[react]}" for name in ("react-dom", "react")]
    page = str(ROOT / "tests" / "support" / "react_page.jsx")
    options = ("--bundle", "--format=esm", "--jsx=automatic", '--define:process.env.NODE_ENV="development"')
    run(TOOLS, "esbuild/bin/esbuild", page, f"--outfile={made}", "--log-level=error", *options, *packages)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def website() -> Iterator[Website]:
    with Website() as website:
        yield website


@pytest.fixture(scope="module")
def service(database: str, website: Website) -> Iterator[NotifyProcess]:
    environment = {
        "NOTIFY_DATABASE_URL": database,
        "NOTIFY_JWT_SECRET": SECRET,
        "NOTIFY_CORS_ORIGINS": website.url,
        "NOTIFY_DRAIN_SECONDS": "0.2",
    }
    with NotifyProcess(environment) as service:
        yield service


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("bundles")
    made: dict[str, Path] = {}
    return lambda react: made.get(react) or made.setdefault(react, bundled(react, folder))


@pytest.fixture
def react() -> str:
    return list(PACKAGES)[-1]


@pytest.fixture
def app(browser: Browser, website: Website, react: str, bundles: Callable[[str], Path]) -> Iterator[App]:
    app = App(browser, website, bundles(react))
    assert app.page.evaluate("version") == react
    yield app
    app.context.close()
    assert app.trouble == []


@both
def test_strict_mode_connects_once_and_what_changes_is_shown_until_it_is_unmounted(app: App, alice: User) -> None:
    alice.send("1")
    app.show(alice.url, alice.name)
    app.wait_live()
    app.wait(1, "1")
    assert len(alice.sessions()) == 1
    assert (app.run("return asked"), app.times(f"GET {alice.url}/v1/notifications")) == (1, 1)
    alice.send("2")
    app.wait(2, "2,1")
    app.run("await shown.null.markRead(shown.null.items[1].id)")
    app.wait(1, "2,1")
    # The count renders for itself alone.
    before = app.run("return [rendered.unread, rendered.lists.length, shown.null.markSeen]")[:2]
    app.run("globalThis.marked = shown.null.markSeen; await marked(shown.null.items[0].id)")
    app.wait(1, "2,1")
    after = app.run("return [rendered.unread, rendered.lists.length, shown.null.markSeen === marked]")
    assert after[0] == before[0]
    assert after[1] > before[1]
    assert after[2], "the functions are others each time"
    app.run("leave()")
    until(lambda: alice.sessions() == [])


@both
def test_what_a_server_renders_is_empty_and_comes_to_life_in_the_browser(app: App, alice: User) -> None:
    alice.send("1")
    served = app.show(alice.url, alice.name, how="hydrate")
    assert served == '<output>0</output><p data-status="connecting"></p>'
    app.wait(1, "1")
    assert app.run("return rendered.lists")[0][1] == []
    assert app.run("return trouble") == []
    assert "<NotifyProvider>" in app.run("try { renderAlone() } catch ({ message }) { return message }")


def test_lists_with_filters_are_their_own_and_share_one_connection(app: App, alice: User) -> None:
    alice.send("plain")
    chat = alice.send("chat", type="chat")
    chats = {"type": "chat"}
    asked = f"GET {alice.url}/v1/notifications?type=chat"
    app.show(alice.url, alice.name, lists=[None, chats, chats])
    app.wait_live()
    app.wait(2, "chat,plain", "chat", "chat")
    assert (len(alice.sessions()), app.times(asked)) == (1, 1)
    alice.mark(chat["id"], "archive")
    app.wait(1, "plain", "", "")
    # What another component shows in the same breath goes on; what nobody shows is closed.
    app.show(alice.url, alice.name, lists=[chats])
    app.wait(1, "")
    assert app.times(asked) == 1
    app.show(alice.url, alice.name)
    app.wait(1, "plain")
    app.show(alice.url, alice.name, lists=[{"status": "archived"}, chats])
    app.wait(1, "chat", "")
    until(lambda: app.times(asked) == 2)
    assert len(alice.sessions()) == 1
    assert sum("/v1/stream" in asked for asked in app.asked if "GET" in asked) == 1


@pytest.mark.parametrize("is_named", [True, False], ids=["named", "by-its-token"])
def test_another_user_gets_another_inbox_and_never_sees_the_first_ones(
    app: App, alice: User, bob: User, *, is_named: bool
) -> None:
    alice.send("alice's")
    bob.send("bob's")
    if is_named:
        app.show(alice.url, alice.name, lists=[{"status": "unread"}])
        app.wait(1, "alice's")
        app.show(bob.url, bob.name, lists=[{"status": "unread"}])
    else:
        app.run("globalThis.seconds = 3")
        app.show(alice.url, None, loggedIn=alice.name)
        app.wait(1, "alice's")
        # Nothing but the function has changed.
        app.show(alice.url, None, loggedIn=bob.name)
    app.wait(1, "bob's")
    until(lambda: (len(alice.sessions()), len(bob.sessions())) == (0, 1), what="one inbox")
    seen = app.run("return rendered.lists")
    assert {(of, *titles) for of, titles in seen if titles} <= (
        {(alice.name, "alice's"), (bob.name, "bob's")} if is_named else {(None, "alice's"), (None, "bob's")}
    )
    last = max(place for place, (_, titles) in enumerate(seen) if titles == ["alice's"])
    assert all(titles != ["bob's"] for _, titles in seen[:last])


def test_an_inbox_of_the_applications_own_is_shown_and_left_open(app: App, alice: User) -> None:
    alice.send("1")
    alice.send("2", type="chat")
    app.run(
        f"""globalThis.own = connect({{ url: {json.dumps(alice.url)},
            getToken: async () => (await fetch("/token?user={alice.name}&seconds=900")).text() }});
        const show = (list) => globalThis.show({{ inbox: list ? own : null, lists: [list] }});
        globalThis.showOwn = show;
        show(null);"""
    )
    app.wait(0, "")
    assert "NotifyProvider" in app.run("return shown.null.readAll().catch(({ message }) => message)")
    app.run("showOwn({})")
    app.wait(2, "2,1")
    app.run("showOwn({ type: 'chat' })")
    app.wait(2, "2")
    assert app.run("return inbox === own && inbox.getSnapshot().filters.type") == "chat"
    app.run("leave()")
    assert app.run("return own.status") == "live"
    assert len(alice.sessions()) == 1
