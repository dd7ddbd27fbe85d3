"""The left half: a Slack workspace in which the bot answers and alerts."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.async_api import expect

from bot.demo.playground.installations import ALERTS, APPID, CARE
from bot.demo.slack_simulator import Message
from bot.demo.slack_simulator.wire import BOT_USER

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_commands_and_messages_of_a_workspace(mei, place):
    await mei.field.press_sequentially("/kf st")
    await mei.page.get_by_role("option", name="/kf status").click()
    await mei.field.press("Enter")
    await expect(mei.private).to_have_count(1)
    await expect(mei.field).to_have_value("")
    await mei.field.press("ArrowUp")
    await expect(mei.field).to_have_value("/kf status")

    await mei.types("/kf")
    await expect(mei.private).to_have_count(2)
    await expect(mei.private.last).to_contain_text("1 of 5 accounts needs attention")
    await expect(mei.page.get_by_text("bot answered in")).to_be_visible()
    await mei.page.get_by_label("You are:").select_option("Tom")
    await expect(mei.messages).to_have_count(0)

    await mei.types("<b>Good</b> morning, *all* <!channel>")
    await expect(mei.messages).to_contain_text("<b>Good</b> morning")

    slack = place.world.slack
    blocks = [
        {"type": "hologram", "text": "?"},
        {"type": "header", "text": {"type": "plain_text", "text": "Below"}},
    ]
    slack.add(Message(channel=CARE, ts=slack.next_ts(), user=BOT_USER, text="odd", blocks=blocks))
    await expect(mei.messages.locator(".slack-error")).to_contain_text("“hologram”")
    await expect(mei.message("Below")).to_be_visible()

    await mei.opens("kf-alerts")
    await mei.message("小波 · less than 1 h left").get_by_role("button", name="Details").click()
    await expect(mei.window).to_contain_text("bo_example")


async def test_page_of_a_list_turns_in_the_message_itself(mei):
    await mei.presses("100 accounts")
    await mei.types("/kf list")
    answer = mei.private
    await expect(answer).to_contain_text("1–10 of 100")
    await answer.get_by_role("button", name=re.compile("Next")).click()
    await expect(answer).to_contain_text("11–20 of 100")
    await answer.get_by_role("button", name=re.compile("Prev")).click()
    await expect(answer).to_contain_text("1–10 of 100")
    await expect(mei.messages).to_have_count(1)


async def test_reminder_is_snoozed_from_the_menu_of_its_alert(place, visit):
    soon = place.world.clock() + timedelta(hours=24, minutes=10)
    place.world.wechat[APPID].invite("eve@harbour_tea", "eve_example", soon)
    mei = await visit()
    await mei.opens("kf-alerts")
    await mei.page.get_by_text("an hour a minute").click()
    alert = mei.message("Eve · less than 24 h left")
    await alert.get_by_role("combobox", name="Snooze").select_option(label="1 hour")
    await expect(alert).to_contain_text("Snoozed by @Mei")
    await alert.get_by_role("button", name="Undo the snooze").click()
    await expect(alert.get_by_role("combobox", name="Snooze")).to_be_visible()


async def test_digest_asks_before_all_is_acknowledged(mei):
    await mei.opens("kf-alerts")
    await mei.presses("A busy Monday")
    asks = mei.page.get_by_role("button", name="Acknowledge all").first
    await asks.click()
    question = mei.page.get_by_role("dialog")
    await question.get_by_role("button", name="Cancel").click()
    await expect(question).to_have_count(0)
    await expect(asks).to_be_focused()
    await asks.click()
    await question.get_by_role("button", name="Acknowledge").click()
    await expect(mei.page.get_by_role("button", name="Undo").first).to_be_visible()


async def test_markup_in_names_stays_text(mei, place):
    await mei.presses("Hostile names")
    await expect(mei.seat("odd01")).to_contain_text("<img src=x onerror=alert(1)>")
    await mei.types("<img src=x onerror=alert(1)>")
    await expect(mei.message("<img src=x onerror=alert(1)>")).to_be_visible()
    await mei.types("/kf list")
    await expect(mei.private).to_contain_text("＜img src=x onerror=aler…")
    await mei.opens("kf-alerts")
    await expect(mei.page.get_by_role("button", name="Acknowledge all").first).to_be_visible()
    made = "document.querySelectorAll('img, iframe, object, b, [onerror]').length + document.scripts.length"
    assert await mei.page.evaluate(made) == 2  # the page's own scripts
    assert [url for url in mei.requests if url.endswith("/x")] == []
    assert [one.text for one in place.world.slack.messages(ALERTS) if "<!channel>" in one.text] == []
    await expect(mei.page.locator(".slack-mention.everyone")).to_have_count(0)
