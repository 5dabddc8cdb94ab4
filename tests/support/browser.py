"""The Chromium of the system or Playwright's own, without a window."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from chromium import found
from support.servers import require

__all__ = ("running_browser",)

# It talks to nobody but the pages it is shown, and needs no sandbox against our own.
_ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """For a module of tests at the longest: while it runs, its event loop is the thread's own."""
    program = found()
    require(program, "Chromium (apt-get install chromium, or .venv/bin/playwright install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_ARGUMENTS])
        try:
            yield browser
        finally:
            browser.close()
