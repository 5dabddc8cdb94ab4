"""What axe-core has to say of a page."""

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from nodejs import NotInstalledError, alone, install
from support.servers import require

__all__ = ("violations",)

_TOOLS = Path(__file__).parents[2] / "scripts" / "javascript"


def violations(page: Page) -> list[Any]:
    """Each with the elements that it is about. A policy against scripts does not keep it out."""
    page.evaluate(_axe())
    found: list[Any] = page.evaluate(
        """async () => {
            const { violations, passes } = await axe.run(document, { resultTypes: ["violations"] });
            if (passes.length < 10) throw new Error("nothing was checked");
            return violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary: why }) => [html, why])]);
        }"""
    )
    return found


@cache
def _axe() -> str:
    try:
        with alone(_TOOLS):
            install(_TOOLS)
    except NotInstalledError as error:
        require(None, f"axe-core ({error})")
    return (_TOOLS / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
