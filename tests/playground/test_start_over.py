"""The button that empties all of it, and the restarts of the bot that a page causes."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_start_over_shows_an_empty_workspace_and_the_tour_again(mei):
    await mei.types("/kf")
    await expect(mei.private).to_have_count(1)
    await mei.has_read_everything()
    await mei.does("reject", "chen")
    await expect(mei.unread).to_have_text("1 unread")
    await mei.presses("Kill the bot")
    await mei.sees_the_bot("running · restarted once")
    await mei.presses("Start over")
    await expect(mei.private).to_have_count(0)
    await expect(mei.seat("chen")).to_contain_text("waiting")
    await expect(mei.page.get_by_role("dialog", name="Tour")).to_contain_text("Step 1 of 6")
    await expect(mei.page.locator("#wire summary", has_text="/kf")).to_have_count(0)
    await expect(mei.page.get_by_text("bot answered in")).to_have_count(0)
    await mei.sees_the_bot("running")
    await expect(mei.unread).to_have_text("1 unread")


async def test_page_names_its_time_zone_and_why_the_bot_restarted(visit, place):
    mei = await visit(timezone_id="Asia/Tokyo")
    await mei.sees_the_bot("running · restarted for your time zone")
    assert place.world.zone == "Asia/Tokyo"
    await mei.page.reload()
    await mei.page.get_by_text("a day a minute").click()
    await mei.sees_the_bot("running · restarted for the new clock")
