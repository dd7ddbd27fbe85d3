"""The pictures of both READMEs, taken of the playground: `python -m tests.playground.screenshots`."""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Browser, FloatRect, Locator, expect

from bot.demo.playground.installations import ALERTS
from bot.demo.playground.run import playground
from bot.language import Language
from tests.playground.browsing import MISSING, Visitor, chromium, launched, looks, visitor
from tests.playground.palette import reduced
from tests.running import until

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
SCALE = 2
LARGEST = 200_000  # bytes
LINES = 5  # of the wire
PAGE, TALL = (1280, 830), (1280, 1500)  # one for the whole page, one in which a whole answer has room
ALERT, DIGEST = re.compile("Chen · (rejected|已拒绝)"), re.compile("Acknowledge all|全部知道了")


@dataclass(frozen=True, slots=True)
class Edition:
    """One README: the language of its pictures, and of the browser, whose page chooses the person."""

    language: Language
    locale: str
    zone: str
    suffix: str  # of the files


EDITIONS = (
    Edition(Language.ENGLISH, "en-GB", "UTC", ".png"),
    Edition(Language.CHINESE, "zh-CN", "Asia/Shanghai", ".zh.png"),
)


@dataclass(frozen=True, slots=True)
class Photographer:
    """A visitor, and the files of the pictures."""

    visitor: Visitor
    edition: Edition

    async def take(self, name: str, part: Locator, *, whole: bool = False) -> None:
        """Take a part of the page, or the `whole` of it down to there."""
        page = self.visitor.page
        await page.mouse.move(0, 0)  # nothing is hovered over
        box = await part.bounding_box()
        assert box
        clip: FloatRect = {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}
        if whole:
            clip = {"x": 0, "y": 0, "width": PAGE[0], "height": box["y"] + box["height"]}
        file = PICTURES / f"{name}{self.edition.suffix}"
        taken = await page.screenshot(animations="disabled", caret="hide", full_page=whole, clip=clip)
        empty = await page.context.new_page()
        size = file.write_bytes(await reduced(empty, taken))
        await empty.close()
        print(f"{file.relative_to(PICTURES.parents[1])}: {size // 1000} kB")
        if size > LARGEST:
            raise SystemExit(f"{file.name} is larger than {LARGEST // 1000} kB")


async def main() -> int:
    path = chromium()
    if path is None:
        print(MISSING, file=sys.stderr)
        return 1
    PICTURES.mkdir(exist_ok=True)
    async with launched(path) as browser:
        for edition in EDITIONS:
            for size, take in ((PAGE, _whole), (TALL, _answers)):
                async with _arrived(browser, edition, size) as camera:
                    await take(camera)
    return 0


async def _whole(camera: Photographer) -> None:
    """Take the page as it is after a rejection, and its alert."""
    mei = camera.visitor
    await mei.types("/kf")
    await expect(mei.private).to_be_visible()
    await mei.does("reject", "chen")
    await mei.opens("kf-alerts")
    alert = mei.messages.filter(has_text=ALERT).last
    await expect(alert).to_be_visible()
    await camera.take("playground", mei.page.locator("#wire summary").nth(LINES - 1), whole=True)
    await camera.take("alert", alert)


async def _answers(camera: Photographer) -> None:
    """Take the answers to `/kf` on a busy day, and the digest of that day."""
    mei = camera.visitor
    await mei.page.locator('[data-preset="monday"]').click()
    await mei.opens("kf-alerts")
    digest = mei.messages.filter(has_text=DIGEST).last
    await expect(digest).to_be_visible()
    await camera.take("digest", digest)
    await mei.opens("care")
    await mei.types("/kf")
    await expect(mei.private).to_have_count(1)
    await camera.take("overview", mei.private)
    await mei.types("/kf list")
    await expect(mei.private).to_have_count(2)
    await camera.take("list", mei.private.last)


@asynccontextmanager
async def _arrived(browser: Browser, edition: Edition, size: tuple[int, int]) -> AsyncIterator[Photographer]:
    """Start a playground in the language of an edition, and open its page."""
    browsers = {"locale": edition.locale, "timezone_id": edition.zone, "color_scheme": "light"}
    with tempfile.TemporaryDirectory() as folder:
        async with (
            playground(Path(folder), zone=edition.zone, language=edition.language) as (url, world),
            await browser.new_context(**looks(*size, device_scale_factor=SCALE, **browsers)) as context,
        ):
            mei = await visitor(context, url)
            await mei.arrives()
            await until(lambda: bool(world.slack.messages(ALERTS)), within=60)
            yield Photographer(mei, edition)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
