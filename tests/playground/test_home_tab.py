"""App Home: the page that the app publishes for each person, beside the channels."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.playground.accessibility import violations

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_home_shows_the_board_of_the_person_who_looks_and_follows_its_menus(mei, place):
    await mei.presses("A busy Monday")
    await mei.opens("KF Home")
    home = mei.page.get_by_role("tabpanel", name="KF Home")
    await expect(home).to_contain_text("of 40 accounts need attention")
    await expect(home).to_contain_text(
        "Read from WeChat"
    )  # which replaces the view, and what is chosen in it before
    await expect(mei.field).to_be_hidden()
    filters = home.get_by_role("combobox", name="Filter")
    await expect(filters.locator(":checked")).to_contain_text("Needs attention")
    assert await violations(mei) == []
    await filters.select_option(label="All (40)")
    await expect(home.get_by_role("button", name="Details of")).to_have_count(20)
    await expect(filters.locator(":checked")).to_have_text("All (40)")

    await home.get_by_role("button", name="Details of").first.click()
    details = mei.page.get_by_role("dialog", name="Account details")
    await expect(details).to_contain_text("Seat number")
    await mei.page.keyboard.press("Escape")
    await expect(home.get_by_role("button", name="Details of").first).to_be_focused()

    await expect(home.get_by_role("button", name="Add an account")).to_be_visible()
    await mei.page.get_by_label("You are:").select_option("Tom")
    await expect(home.get_by_role("button", name="Help")).to_be_visible()
    await expect(home.get_by_role("button", name="Add an account")).to_have_count(0)
    await expect(home).to_contain_text("Read from WeChat")

    await home.get_by_role("combobox", name="Language").select_option("中文")
    await expect(home).to_contain_text("40 个账号中有")
    place.world.slack.views.publish("U0TOM", {"type": "home", "blocks": [{"type": "hologram"}]})
    await expect(home.locator(".slack-error")).to_contain_text("“hologram”")
