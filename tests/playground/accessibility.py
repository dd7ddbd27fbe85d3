"""Checks of a page in a browser: for a screen reader, and for its width."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT

from tests.playground.browsing import Visitor

# What passes is many times as long as what does not.
SERIOUS = """
async (options) => (await axe.run({...options, resultTypes: ["violations"]})).violations
  .filter((one) => ["serious", "critical"].includes(one.impact))
  .flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target} ${node.failureSummary}`))
"""


async def violations(visitor: Visitor) -> list[str]:
    """Return the accessibility problems that axe finds in the light and in the dark theme."""
    page = visitor.page
    if not await page.evaluate("'axe' in window"):  # half a megabyte, which stays until the page is loaded again
        await page.evaluate(AXE_SCRIPT)
    contrast: dict[str, Any] = {"runOnly": ["color-contrast"]}  # all else is the same in the dark
    found: list[str] = await page.evaluate(SERIOUS, {})
    await page.emulate_media(color_scheme="dark")
    found += await page.evaluate(SERIOUS, contrast)
    await page.emulate_media(color_scheme="light")
    return found


async def fits(visitor: Visitor) -> bool:
    """Whether nothing is wider than the page, and nothing cut off at the edge of a panel."""
    parts = ".panel, .slack-log, .slack-home, .slack-modal-body"
    boxes = f"[document.scrollingElement, ...document.querySelectorAll('{parts}')]"
    return await visitor.page.evaluate(f"{boxes}.every((box) => box.scrollWidth <= box.clientWidth)")
