"""Three brands in two channels: the page acts on each, and shows the alerts of all."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from bot.demo.playground.installations import AT_HARBOUR, AT_ORCHID
from tests.playground.accessibility import fits, violations
from tests.playground.browsing import NARROW
from tests.running import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_brands_have_their_consoles_commands_and_alerts_in_two_channels(mei, place):
    slack = place.world.slack
    await mei.presses("Three brands")
    await mei.sees_the_bot("running · restarted for other Official Accounts")
    await expect(mei.page.get_by_role("button", name="Tour", exact=True)).to_be_hidden()
    await until(lambda: bool(slack.messages(AT_HARBOUR) and slack.messages(AT_ORCHID)), within=30)

    await mei.field.fill("/kf @k")
    await expect(mei.page.locator(".slack-suggestions li")).to_have_text(["/kf @kiosk Night Kiosk"])
    await mei.types("/kf @kiosk")
    await expect(mei.private).to_contain_text("Night Kiosk")
    await mei.types("/kf accounts")
    await expect(mei.private.last).to_contain_text("3 Official Accounts")

    await mei.page.locator("#console").get_by_text("兰花", exact=True).click()
    await mei.page.locator('tr[data-key="qiu@orchid_hua"] [data-action="reject"]').click()
    await expect(mei.page.locator('tr[data-key="qiu@orchid_hua"]')).to_contain_text("rejected")
    await mei.opens("All alerts")
    await expect(mei.message("兰花 · 秋秋 · 已拒绝")).to_be_visible()
    await expect(mei.messages.filter(has_text="Night Kiosk").filter(has_text="Grace")).to_be_visible()
    await expect(mei.unread).to_have_count(0)
    await expect(mei.page.locator("#wire summary", has_text="getkflist @kiosk").first).to_be_visible()
    assert await violations(mei) == []
    await mei.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    assert await fits(mei)

    await mei.presses("A small tea shop")
    await expect(mei.seat("chen")).to_contain_text("waiting")
    await expect(mei.page.get_by_role("tab", name=re.compile("kf-alerts"))).to_be_visible()
    await expect(mei.page.get_by_role("dialog", name="Tour")).to_have_count(0)
