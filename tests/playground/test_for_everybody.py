"""The page in the dark, on a telephone, without a mouse, to a screen reader, and with much to show."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import Error, expect

from bot.demo.playground.installations import ALERTS
from bot.demo.slack_simulator import Message
from bot.demo.slack_simulator.wire import BOT_USER
from tests.playground.accessibility import fits, violations
from tests.playground.browsing import NARROW, Visitor

pytestmark = pytest.mark.asyncio(loop_scope="session")

LONG = 50  # milliseconds: longer is a pause that people feel
MANY = 100


async def background(visitor: Visitor) -> str:
    return await visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")


async def test_page_loads_from_the_playground_only_in_the_theme_of_the_system_or_the_chosen_one(visit):
    mei = await visit(color_scheme="dark")
    assert {url.removeprefix(mei.url)[:1] for url in mei.requests} == {"/"}
    assert len(mei.requests) > 10
    with pytest.raises(Error, match="Failed to fetch"):
        await mei.page.evaluate("fetch('https://example.com/')")
    assert [trouble for trouble in mei.troubles if "Content Security Policy" in trouble]
    mei.troubles.clear()

    dark = await background(mei)
    await mei.presses("Light theme")
    light = await background(mei)
    assert dark != light
    await mei.page.reload()
    await mei.sees_the_bot("running")
    assert await background(mei) == light
    await mei.presses("Dark theme")
    assert await background(mei) == dark


# Without a mouse


async def tab_to(visitor: Visitor, selector: str, *, back: bool = False) -> None:
    """Press Tab until something has the focus, as far as there is anything."""
    for _ in range(150):
        await visitor.page.keyboard.press("Shift+Tab" if back else "Tab")
        if await visitor.page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab does not lead to {selector}")


async def test_main_actions_work_with_the_keyboard_alone(mei):
    keyboard = mei.page.keyboard
    await tab_to(mei, ".slack-field-input")
    await keyboard.type("/kf")
    await keyboard.press("Enter")
    await expect(mei.private).to_have_count(1)
    await tab_to(mei, 'tr[data-key="chen@harbour_tea"] [data-action="reject"]')
    await keyboard.press("Enter")
    await expect(mei.seat("chen")).to_contain_text("rejected")
    await expect(mei.seat("chen").locator(":focus")).to_have_count(1)
    await tab_to(mei, "[role=tab]", back=True)
    await keyboard.press("ArrowRight")
    alert = mei.message("Chen · rejected")
    await expect(alert).to_be_visible()
    await tab_to(mei, '[data-action-id="alert.ack"]')
    await keyboard.press("Enter")
    await expect(mei.page.get_by_role("button", name="1 reply")).to_be_visible()
    await tab_to(mei, ".slack-thread-button")
    await keyboard.press("Enter")
    await expect(mei.page.locator(".slack-replies:visible article")).to_have_count(1)


# On a telephone


async def test_page_on_a_phone_shows_everything_without_scrolling_sideways(visit):
    mei = await visit(NARROW, has_touch=True, toured=False)
    assert await fits(mei)
    assert await violations(mei) == []
    await mei.presses("Skip the tour")
    await mei.presses("Hostile names")
    await mei.types("/kf list")
    await expect(mei.private).to_be_visible()
    assert await fits(mei)
    await mei.opens("KF Home")
    home = mei.page.get_by_role("tabpanel", name="KF Home")
    await expect(home.get_by_role("button", name="Help")).to_be_visible()
    assert await fits(mei)
    assert await violations(mei) == []
    await mei.opens("kf-alerts")
    asks = mei.page.get_by_role("button", name="Acknowledge all").first
    await expect(asks).to_be_visible()
    assert await fits(mei)
    assert await violations(mei) == []
    await asks.click()
    await expect(mei.page.get_by_role("dialog")).to_be_visible()
    assert await violations(mei) == []
    await mei.page.keyboard.press("Escape")
    await mei.presses("A small tea shop")
    await mei.does("reject", "chen")
    await expect(mei.seat("chen")).to_contain_text("rejected")
    await mei.does("invite", "chen")
    dialog = await mei.page.get_by_role("dialog").bounding_box()
    assert dialog["x"] >= 0
    assert dialog["x"] + dialog["width"] <= NARROW[0]
    await mei.page.keyboard.press("Escape")
    await mei.page.locator("#wire summary").first.click()
    await expect(mei.page.locator("#wire details[open]")).to_be_visible()
    assert await fits(mei)


# To a screen reader


async def test_axe_finds_nothing_serious_in_either_theme(visit):
    mei = await visit(toured=False)
    await mei.presses("A busy Monday")
    await mei.types("/kf list")
    await expect(mei.private).to_be_visible()
    assert await violations(mei) == []
    await mei.presses("Skip the tour")
    await mei.opens("kf-alerts")
    asks = mei.page.get_by_role("button", name="Acknowledge all").first
    await expect(asks).to_be_visible()
    await mei.page.locator("#wire summary").first.click()
    assert await violations(mei) == []
    await asks.click()
    await expect(mei.page.get_by_role("dialog")).to_be_visible()
    assert await violations(mei) == []


# With much to show


def alert(number: int) -> list[dict]:
    text = f"⛔ *Chen {number}* declined. Ask why, then invite again.\nchen{number}@harbour_tea · " * 3
    return [
        {"type": "header", "text": {"type": "plain_text", "text": f"Alert {number}"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": text}},
        {
            "type": "context",
            "elements": [{"type": "mrkdwn", "text": f"<!date^{1795438896 + number}^{{time}}|then>"}],
        },
    ]


async def test_hundred_messages_are_laid_out_without_a_pause(browser, place, mei):
    slack = place.world.slack

    def add(number: int) -> None:
        slack.add(Message(ALERTS, slack.next_ts(), BOT_USER, f"Alert {number}", alert(number)))

    await mei.has_read_everything()
    for number in range(MANY):
        add(number)
    await expect(mei.page.get_by_role("tab", name="kf-alerts")).to_contain_text(str(MANY))
    await browser.start_tracing(
        page=mei.page, categories=["devtools.timeline", "disabled-by-default-devtools.timeline"]
    )
    await mei.opens("kf-alerts")
    await expect(mei.message(f"Alert {MANY - 1}")).to_be_in_viewport()
    add(MANY)
    await expect(mei.message(f"Alert {MANY}")).to_be_in_viewport()
    await mei.page.get_by_role("log").evaluate("log => log.scrollTo(0, 0)")
    await expect(mei.message("小波 · less than 1 h left")).to_be_in_viewport()
    await mei.opens("care")
    await mei.page.set_viewport_size({"width": 1000, "height": 700})
    await mei.opens("kf-alerts")
    traced = json.loads(await browser.stop_tracing())["traceEvents"]
    # The thread's own time, where it is known: what else the machine does is not the page's fault.
    spent = [
        one.get("tdur", one.get("dur", 0)) / 1000 for one in traced if one["name"] in ("Layout", "UpdateLayoutTree")
    ]
    assert spent
    assert max(spent) < LONG
