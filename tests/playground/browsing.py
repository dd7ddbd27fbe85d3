"""The browser of the machine, and a user of the page."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    async_playwright,
    expect,
)

# The first has no window around the page, and needs less CPU.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
MISSING = (
    "no chromium on PATH (Debian: apt-get install chromium-headless-shell fonts-noto-color-emoji fonts-noto-cjk)"
)
ARGUMENTS = [
    "--no-sandbox",  # a container's root has none
    "--disable-dev-shm-usage",  # and a small one
    # Pages of its own that Chromium loads for the address field of each window: a second of a core each.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]
PATIENCE = 30_000  # milliseconds for what takes one; a machine that does much else takes longer
WIDE, NARROW = (1280, 900), (360, 740)

expect.set_options(timeout=PATIENCE)


def chromium() -> str | None:
    """The path of the machine's own browser."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@asynccontextmanager
async def launched(path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """A user at the page. Errors of the browser are in `troubles`."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listeners: dict[Any, Callable[[Any], Any]] = {
            "console": self._console,
            "pageerror": lambda error: self.troubles.append(f"error: {error}"),
            "dialog": self._dialog,
            "request": lambda request: self._request(request.url),
        }
        for event, listener in self._listeners.items():
            self.page.on(event, listener)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"console: {message.text}")

    async def _dialog(self, dialog: Dialog) -> None:
        self.troubles.append(f"dialog: {dialog.message}")
        await dialog.dismiss()  # it would hold the page up

    def _request(self, url: str) -> None:
        self.requests.append(url)
        if not url.startswith(f"{self.url}/"):
            self.troubles.append(f"asked elsewhere: {url}")

    async def arrives(self) -> None:
        """Open the page, and wait until the bot is there."""
        await self.page.goto(f"{self.url}/")
        await expect(self.page.locator(".chain-stop.of-bot")).to_have_attribute("data-state", "running")

    async def leaves(self) -> None:
        """Leave the window to the next user as it was, but for what the browser stores of this address."""
        for event, listener in self._listeners.items():
            self.page.remove_listener(event, listener)
        for other in self.page.context.pages:
            if other is not self.page:
                await other.close()
        await self.page.goto("about:blank")
        await self.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
        await self.page.emulate_media(color_scheme="light")

    async def sees_the_bot(self, words: str | re.Pattern[str]) -> None:
        await expect(self.page.locator(".of-bot .chain-state")).to_have_text(words)

    # Slack

    @property
    def field(self) -> Locator:
        return self.page.get_by_role("combobox", name=re.compile("^(Message|发消息到) #"))

    async def types(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    async def opens(self, channel: str) -> None:
        tab = self.page.get_by_role("tab", name=channel)
        await tab.click()
        await expect(tab).to_have_attribute("aria-selected", "true")

    async def has_read_everything(self) -> None:
        """Look at the alerts: the first one may have been posted before or after the page was opened."""
        await self.opens("kf-alerts")
        await self.opens("care")
        await expect(self.unread).to_have_count(0)

    @property
    def unread(self) -> Locator:
        return self.page.locator("[role=tab] .slack-unread:visible")

    @property
    def messages(self) -> Locator:
        """Those of the open channel, without replies that are folded away."""
        return self.page.locator("#slack [role=tabpanel]:not([hidden]) article")

    @property
    def private(self) -> Locator:
        """Return the ephemeral messages to this user."""
        return self.messages.filter(has_text=re.compile("Only visible to you|仅你可见"))

    def message(self, text: str) -> Locator:
        """The newest one that has this text."""
        return self.messages.filter(has_text=text).last

    @property
    def window(self) -> Locator:
        """The app's window in front of the workspace."""
        return self.page.locator("#slack").get_by_role("dialog")

    # WeChat

    def seat(self, name: str) -> Locator:
        return self.page.locator(f'tr[data-key="{name}@harbour_tea"]')

    async def does(self, action: str, name: str) -> None:
        """Press one of the buttons of an account."""
        await self.seat(name).locator(f'[data-action="{action}"]').click()

    async def invites(self, name: str) -> None:
        await self.does("invite", name)
        await self.page.get_by_role("dialog").get_by_role("button", name="Invite", exact=True).click()

    async def presses(self, name: str) -> None:
        await self.page.get_by_role("button", name=name, exact=True).click()


async def visitor(context: BrowserContext, url: str, *, toured: bool = True) -> Visitor:
    """Open a tab. Who has not `toured` yet is shown round."""
    return Visitor(await new_page(context, toured=toured), url)


async def new_page(context: BrowserContext, *, toured: bool = True) -> Page:
    context.set_default_timeout(PATIENCE)
    if toured:
        await context.add_init_script("localStorage.setItem('kf-tour', 'over')")
    return await context.new_page()


def looks(width: int, height: int, **more: Any) -> dict[str, Any]:
    """How a browser's window is, the same on every machine."""
    size = {"width": width, "height": height}
    return {"viewport": size, "locale": "en-GB", "timezone_id": "UTC", "reduced_motion": "reduce", **more}
