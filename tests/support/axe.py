"""What axe-core has to say of a page."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from support.servers import require

__all__ = ("violations",)

_AXE = Path(__file__).parents[2] / "scripts" / "javascript" / "node_modules" / "axe-core" / "axe.min.js"


def violations(page: Page) -> list[Any]:
    """Each with the elements that it is about. A policy against scripts does not keep it out."""
    require(_AXE.is_file(), "axe-core (`make javascript` installs it)")
    page.evaluate(_AXE.read_text(encoding="utf-8"))
    found: list[Any] = page.evaluate(
        """async () => {
            const { violations, passes } = await axe.run(document, { resultTypes: ["violations"] });
            if (passes.length < 10) throw new Error("nothing was checked");
            return violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary: why }) => [html, why])]);
        }"""
    )
    return found
