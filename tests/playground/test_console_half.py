"""The right half: what happens in WeChat, and what the bot makes of it."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

pytestmark = pytest.mark.asyncio(loop_scope="session")

REMINDER = 60_000  # milliseconds; the clock runs, and the bot is restarted for it


async def test_alert_counts_as_unread_and_changes_in_place_until_its_account_is_bound(mei):
    await mei.has_read_everything()
    await mei.does("reject", "chen")
    await expect(mei.unread).to_have_text("1 unread")
    await mei.opens("kf-alerts")
    await expect(mei.unread).to_have_count(0)
    alert = mei.message("Chen · rejected")
    await expect(alert).to_be_visible()
    await mei.invites("chen")
    await expect(mei.seat("chen")).to_contain_text("waiting")
    await mei.does("accept", "chen")
    await expect(mei.seat("chen")).to_contain_text("bound")
    await expect(mei.message("Chen · bound")).to_be_visible()
    await expect(alert).to_have_count(0)


@pytest.mark.process
@pytest.mark.test_all
async def test_killed_bot_returns_and_repeats_nothing(mei, place):
    await mei.opens("kf-alerts")
    await mei.does("reject", "chen")
    await expect(mei.message("Chen · rejected")).to_be_visible()
    await mei.presses("Kill the bot")
    await mei.does("reject", "dee")
    await mei.sees_the_bot("running · restarted once")
    await expect(mei.message("Dee · rejected")).to_be_visible()
    await mei.does("reject", "bo")
    await expect(mei.message("小波 · rejected")).to_be_visible()
    assert len(place.told) == len(set(place.told))


async def test_pace_of_a_day_a_minute_brings_the_reminder_and_the_deadline(mei):
    await mei.opens("kf-alerts")
    await mei.page.get_by_text("a day a minute").click()
    await expect(mei.page.get_by_role("radio", name="a day a minute")).to_be_checked()
    await expect(mei.message("小波 · expired")).to_be_visible(timeout=REMINDER)
    await expect(mei.message("Dee · less than")).to_be_visible(timeout=REMINDER)


async def test_account_is_added_invited_and_removed_and_the_wire_shows_all_but_secrets(mei, place):
    await mei.presses("Add account…")
    form = mei.page.get_by_role("dialog")
    await form.get_by_label("Account").fill("fan")
    await form.get_by_label("Name").fill("Fan 🍵")
    await form.get_by_role("button", name="Add", exact=True).click()
    await expect(mei.seat("fan")).to_contain_text("idle")
    await mei.invites("fan")
    await expect(mei.seat("fan")).to_contain_text("fan_example")
    await mei.does("remove", "fan")
    await mei.page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await expect(mei.seat("fan")).to_have_count(0)
    await expect(mei.page.locator("#console [role=status]")).to_have_text("5 accounts")

    await mei.types("/kf")
    await expect(mei.private).to_have_count(1)
    for line in await mei.page.locator("#wire summary").all():
        await line.click()
    text = await mei.page.locator("#wire").inner_text()
    slack = place.world.slack
    secrets = [slack.bot_token, slack.signing_secret, "playground-secret", *slack.response_urls]
    assert "stable_token" in text
    assert [secret for secret in secrets if secret in text] == []


async def test_fault_is_reported_by_the_bot_and_shown_on_the_wire(mei):
    await mei.page.get_by_label("WeChat", exact=True).select_option("40164")
    await mei.types("/kf")
    await expect(mei.private).to_contain_text("203.0.113.7")
    await mei.presses("Only failed")
    line = mei.page.locator("#wire summary").filter(has_text="getkflist").first
    await line.click()
    await expect(mei.page.locator("#wire details[open]")).to_contain_text("40164")
