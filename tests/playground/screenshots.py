"""The README's pictures, taken of the playground: `python -m tests.playground.screenshots`."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, FloatRect, Locator, expect

from bot.demo.playground.run import playground
from bot.demo.playground.sandbox import ALERTS, Sandbox
from tests.playground.browsing import MISSING, Visitor, chromium, launched, looks, visitor
from tests.playground.palette import reduced
from tests.running import until

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SCALE = 2
LARGEST = 200_000  # bytes
LINES = 5  # of the wire
PAGE, TALL = (1280, 830), (1280, 1500)  # one for the whole page, one in which a whole answer has room


async def main() -> int:
    path = chromium()
    if path is None:
        print(MISSING, file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    async with launched(path) as browser:
        for take in (_whole, _answers):
            with tempfile.TemporaryDirectory() as folder:
                async with playground(Path(folder)) as (url, world):
                    await take(browser, url, world)
    return 0


async def _whole(browser: Browser, url: str, world: Sandbox) -> None:
    """The page as it is after a rejection, and its alert."""
    mei = await _comes(browser, url, world, PAGE)
    await mei.types("/kf")
    await expect(mei.private).to_be_visible()
    await mei.does("reject", "chen")
    await mei.opens("kf-alerts")
    await expect(mei.message("Chen · rejected")).to_be_visible()
    await _picture(mei, "playground", mei.page.locator("#wire summary").nth(LINES - 1), whole=True)
    await _picture(mei, "alert", mei.message("Chen · rejected"))
    await mei.page.context.close()


async def _answers(browser: Browser, url: str, world: Sandbox) -> None:
    """What `/kf` answers on a busy day, and the digest of that day."""
    mei = await _comes(browser, url, world, TALL)
    await mei.presses("A busy Monday")
    await mei.opens("kf-alerts")
    digest = mei.messages.filter(has_text="Acknowledge all").last
    await expect(digest).to_be_visible()
    await _picture(mei, "digest", digest)
    await mei.opens("care")
    await mei.types("/kf")
    await expect(mei.private).to_have_count(1)
    await _picture(mei, "overview", mei.private)
    await mei.types("/kf list")
    await expect(mei.private).to_have_count(2)
    await _picture(mei, "list", mei.private.last)
    await mei.page.context.close()


async def _comes(browser: Browser, url: str, world: Sandbox, size: tuple[int, int]) -> Visitor:
    context = await browser.new_context(**looks(*size, device_scale_factor=SCALE, color_scheme="light"))
    mei = await visitor(context, url)
    await mei.arrives()
    await until(lambda: bool(world.slack.messages(ALERTS)), within=60)
    return mei


async def _picture(mei: Visitor, name: str, part: Locator, *, whole: bool = False) -> None:
    """Take a part of the page, or the `whole` of it down to there."""
    await mei.page.mouse.move(0, 0)  # nothing is hovered over
    box = await part.bounding_box()
    assert box
    clip: FloatRect = {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}
    if whole:
        clip = {"x": 0, "y": 0, "width": PAGE[0], "height": box["y"] + box["height"]}
    file = PICTURES / f"{name}.png"
    taken = await mei.page.screenshot(animations="disabled", caret="hide", full_page=whole, clip=clip)
    empty = await mei.page.context.new_page()
    size = file.write_bytes(await reduced(empty, taken))
    await empty.close()
    print(f"{file.relative_to(PICTURES.parents[1])}: {size // 1000} kB")
    if size > LARGEST:
        raise SystemExit(f"{file.name} is larger than {LARGEST // 1000} kB")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
