"""Checks of a page in a browser: for a screen reader, and for its width."""

from __future__ import annotations

from axe_playwright_python.async_playwright import Axe

from tests.playground.browsing import Visitor


async def violations(visitor: Visitor) -> list[str]:
    """Return the accessibility problems that axe finds in the light and in the dark theme."""
    contrast = {"runOnly": ["color-contrast"], "resultTypes": ["violations"]}  # all else is the same in the dark
    found = (await Axe().run(visitor.page)).response["violations"]
    await visitor.page.emulate_media(color_scheme="dark")
    found += (await Axe().run(visitor.page, options=contrast)).response["violations"]
    await visitor.page.emulate_media(color_scheme="light")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


async def fits(visitor: Visitor) -> bool:
    """Whether nothing is wider than the page, and nothing cut off at the edge of a panel."""
    parts = ".panel, .slack-log, .slack-home, .slack-modal-body"
    boxes = f"[document.scrollingElement, ...document.querySelectorAll('{parts}')]"
    return await visitor.page.evaluate(f"{boxes}.every((box) => box.scrollWidth <= box.clientWidth)")
