#!/usr/bin/env python3
"""Sees to it that there is a browser for the tests: the system's or Playwright's own, or else Debian's, which is then
installed where that may be done.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

__all__ = ("found",)

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def found() -> Path | None:
    for name in _NAMES:
        if program := shutil.which(name):
            return Path(program)
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.exists() else None


def main() -> None:
    if found() is not None:
        return
    if os.geteuid() == 0 and Path("/usr/bin/apt-get").exists():
        print("Installing Chromium for the tests (once) ...", file=sys.stderr)  # noqa: T201
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-qq"], ["install", "-qq", "--no-install-recommends", "chromium"]):
            subprocess.run(["/usr/bin/apt-get", *command], env=quiet, stdout=subprocess.DEVNULL, check=False)  # noqa: S603
    if found() is None:
        advice = "apt-get install chromium, or .venv/bin/playwright install chromium"
        print(f"NO BROWSER: the tests that need one will be skipped ({advice}).", file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
