"""The tour: it shows a first visitor round, and goes on by itself when the thing was done."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.running import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_each_step_of_the_tour_goes_on_when_it_was_done(visit):
    mei = await visit(toured=False)
    tour = mei.page.get_by_role("dialog", name="Tour")
    await expect(tour).to_contain_text("Step 1 of 6")
    await mei.types("/kf")
    await expect(tour).to_contain_text("Step 2 of 6")
    await mei.does("reject", "chen")
    await expect(tour).to_contain_text("Step 3 of 6")
    await mei.opens("kf-alerts")
    await expect(tour).to_contain_text("Step 4 of 6")
    await mei.message("Chen · rejected").get_by_role("button", name="Invite again").click()
    await mei.window.get_by_role("button", name="Send invitation").click()
    await expect(tour).to_contain_text("Step 5 of 6")
    await mei.does("accept", "chen")
    await mei.window.get_by_role("button", name="Close", exact=True).click()
    await expect(mei.message("Chen · bound")).to_be_visible()
    await expect(tour).to_contain_text("Step 6 of 6")
    await mei.presses("Kill the bot")
    await expect(tour).to_contain_text("The end")
    await tour.get_by_role("button", name="Finish").click()
    await expect(tour).to_have_count(0)


async def test_reloaded_page_continues_the_tour_until_it_is_skipped(visit, place):
    mei = await visit(toured=False)
    tour = mei.page.get_by_role("dialog", name="Tour")
    await tour.get_by_role("button", name="Next").click()
    await tour.get_by_role("button", name="Next").click()
    await expect(tour).to_contain_text("Step 3 of 6")
    await mei.page.reload()
    await expect(tour).to_contain_text("Step 2 of 6")  # there is no alert to look at

    await mei.does("reject", "chen")
    await expect(tour).to_contain_text("Step 3 of 6")
    await until(lambda: any("Rejected: Chen" in text for text in place.told))
    await mei.page.reload()
    await mei.opens("kf-alerts")
    await expect(tour).to_contain_text("Step 4 of 6")

    await mei.presses("Skip the tour")
    await expect(tour).to_have_count(0)
    await mei.page.reload()
    await mei.sees_the_bot("running")
    await expect(tour).to_have_count(0)
    await mei.presses("Tour")
    await expect(tour).to_be_focused()
    await mei.page.keyboard.press("Escape")
    await expect(tour).to_have_count(0)
    await expect(mei.page.get_by_role("button", name="Tour", exact=True)).to_be_focused()
