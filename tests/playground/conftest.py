"""One browser a worker, one playground a test, and one window for all tests that need no other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from bot.delivery import updater
from bot.demo.playground.installations import ALERTS
from bot.demo.playground.run import playground
from bot.demo.playground.sandbox import Sandbox
from tests.playground.browsing import MISSING, WIDE, Visitor, chromium, launched, looks, new_page, visitor
from tests.programs import give_up_without
from tests.running import clocked_in_loop, until


@dataclass(frozen=True, slots=True)
class Place:
    """A playground that runs: its address, and what is behind it."""

    url: str
    world: Sandbox

    @property
    def told(self) -> list[str]:
        """Return the parent messages of the alert channel."""
        return [one.text for one in self.world.slack.messages(ALERTS) if one.thread_ts is None]


Visit = Callable[..., Awaitable[Visitor]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    path = chromium()
    if path is None:
        give_up_without(MISSING)
    async with launched(path) as opened:
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def window(browser: Browser) -> AsyncIterator[Page]:
    """A window that one test after the other uses: a new one costs the browser half a second of CPU."""
    async with await browser.new_context(**looks(*WIDE)) as context:
        yield await new_page(context)


@pytest_asyncio.fixture(loop_scope="session")
async def place(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Place]:
    """A small tea shop; the bot is still starting, as a process for a test with that mark.

    One in the test's loop edits a message again after a second, and not only after ten, in which the page waits.
    """
    monkeypatch.setattr(updater, "EDIT_GAP", timedelta(seconds=1))
    start = None if request.node.get_closest_marker("process") else clocked_in_loop
    async with playground(tmp_path, start=start) as (url, world):
        yield Place(url, world)
    assert world.slack.take_unexpected() == []


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser: Browser, place: Place) -> AsyncIterator[Visit]:
    """Opens a window on the playground. What goes wrong in a browser fails the test."""
    visitors: list[Visitor] = []

    async with AsyncExitStack() as stack:

        async def come(size: tuple[int, int] = WIDE, *, toured: bool = True, **more: Any) -> Visitor:
            context = await stack.enter_async_context(await browser.new_context(**looks(*size, **more)))
            one = await visitor(context, place.url, toured=toured)
            visitors.append(one)
            await has_arrived(one, place)
            return one

        yield come
    assert [trouble for one in visitors for trouble in one.troubles] == []


@pytest_asyncio.fixture(loop_scope="session")
async def mei(window: Page, place: Place) -> AsyncIterator[Visitor]:
    """Mei, who has seen the tour, at a desk. What goes wrong in her browser fails the test."""
    one = Visitor(window, place.url)
    try:
        await has_arrived(one, place)
        yield one
    finally:
        await one.leaves()
    assert one.troubles == []


async def has_arrived(one: Visitor, place: Place) -> None:
    await one.arrives()
    await until(lambda: bool(place.told), within=60)  # from now on, what happens is news
