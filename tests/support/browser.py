"""The Chromium of the system, without a window."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from support.servers import require

__all__ = ("running_browser",)

_CHROMIUM = Path("/usr/bin/chromium")
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
    require(_CHROMIUM.exists(), "Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=[*_ARGUMENTS])
        try:
            yield browser
        finally:
            browser.close()
