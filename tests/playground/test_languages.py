"""The page in English and in Chinese, people of both languages, and the language of the channel."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Locator, expect

from bot.language import Language
from tests.playground.accessibility import fits, violations
from tests.playground.browsing import NARROW, WIDE, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

# The page's own texts and labels: not of messages, requests, accounts and people, nor what is in another language.
OWN_TEXTS = """
() => {
  const foreign = "article, bdi, .wire-list, .slack-usage, noscript, script, [lang]:not(html):not([lang^=zh])";
  const found = [document.title];
  for (const element of document.querySelectorAll("body, body *")) {
    if (element.closest(foreign)) continue;
    found.push(...[...element.childNodes].filter((one) => one.nodeType === Node.TEXT_NODE).map((one) => one.data));
    for (const name of ["aria-label", "placeholder", "title"]) found.push(element.getAttribute(name) ?? "");
  }
  return found;
}
"""
# Names, commands and units, which are the same in both languages.
SAME = {"Slack", "access_token", "alerts", "care", "kf", "KF_LANGUAGE", "Enter", "KF", "ms", "make", "demo", "JSON"}
SAME |= {"Anna", "Chen", "Dee", "Eve", "bo", "chat", "update", "rejected"}  # rejected: an example of a filter


async def english_words(visitor: Visitor) -> set[str]:
    texts = await visitor.page.evaluate(OWN_TEXTS)
    return {word for text in texts for word in re.findall(r"[A-Za-z_]{2,}", text)} - SAME


async def test_chinese_browser_shows_the_page_in_chinese_until_the_switch_and_remembers_it(visit):
    lin = await visit(NARROW, locale="zh-CN", toured=False)
    html = lin.page.locator("html")
    await expect(html).to_have_attribute("lang", "zh-CN")
    await expect(lin.page.get_by_role("dialog", name="导览")).to_contain_text("第 1 步，共 6 步")
    await expect(lin.page.get_by_label("你是：").locator(":checked")).to_have_text("林晓")
    assert await english_words(lin) == set()
    assert await fits(lin)
    assert await violations(lin) == []

    await lin.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    await lin.presses("跳过导览")
    await lin.types("/bad")
    await expect(lin.private).to_contain_text("/bad 不是有效的命令。")
    lin.troubles.clear()  # the browser reports the refusal
    await lin.types("/kf")
    await expect(lin.page.get_by_text("本应用在")).to_be_visible()
    await lin.presses("添加账号…")
    await expect(lin.page.get_by_role("dialog")).to_be_visible()
    assert await english_words(lin) == set()
    assert await violations(lin) == []
    await lin.page.keyboard.press("Escape")

    await lin.presses("English")
    await expect(html).to_have_attribute("lang", "en")
    await lin.page.reload()
    await lin.sees_the_bot("running")
    await expect(lin.page.get_by_role("heading", name="WeChat KF playground")).to_be_visible()
    await lin.presses("中文")
    await lin.sees_the_bot("运行中")


async def first_date(message: Locator) -> tuple[datetime, str]:
    """Return a moment in a message, and how it is written."""
    date = message.locator(".slack-text time").first
    moment = await date.get_attribute("datetime")
    assert moment
    return datetime.fromisoformat(moment), await date.inner_text()


async def test_person_with_chinese_slack_has_chinese_dates_and_commands_and_the_channel_keeps_its_language(
    mei, place
):
    await mei.opens("kf-alerts")
    moment, written = await first_date(mei.message("小波"))
    assert moment.strftime("%-I:%M %p") in written
    await mei.field.fill("/kf ")
    await expect(mei.page.get_by_role("option", name="/kf waiting")).to_be_visible()
    await mei.field.fill("/kf 待")
    offered = mei.page.locator(".slack-suggestions li")
    await expect(offered).to_have_text(["/kf 待确认 accounts that are waiting"])

    await mei.page.get_by_label("You are:").select_option("林晓")
    moment, written = await first_date(mei.message("小波"))
    assert re.search("(今|明)天 ..:..$", written)
    assert moment.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%H:%M") in written
    await mei.field.fill("/kf ")
    await expect(mei.page.get_by_role("option", name="/kf 查找")).to_be_visible()
    await mei.field.fill("/kf st")
    await expect(offered).to_have_text(["/kf status how the bot itself is"])

    await mei.page.locator("#channel-language").get_by_text("中文").click()
    await mei.sees_the_bot("running · restarted for the channel's language")
    assert place.world.language is Language.CHINESE
    await expect(mei.message("小波")).to_contain_text("在微信中接受邀请")  # the open alert is edited
    await mei.page.reload()
    await expect(mei.page.get_by_role("radio", name="中文")).to_be_checked()
    await expect(mei.page.get_by_label("You are:").locator(":checked")).to_have_text("林晓")
