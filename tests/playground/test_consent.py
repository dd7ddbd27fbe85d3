"""An owner authorises the bot's platform on WeChat's page, and withdraws it in the console."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from playwright.async_api import expect

from bot.demo.playground.installations import BAKERY, PLATFORM
from tests.playground.accessibility import fits, violations
from tests.playground.browsing import NARROW, Visitor
from tests.running import until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def consent_link(world) -> str:
    """Return the address of WeChat's page as the bot's own page has it."""
    address = world._environ()["PLATFORM_URL"]
    query = {
        "component_appid": PLATFORM["PLATFORM_APPID"],
        "pre_auth_code": world.platform.pre_auth_codes.issue(world.clock()),
        "redirect_uri": f"{address}/wechat/platform/authorized?s=EXAMPLE",
        "auth_type": "3",
        "action": "bindcomponent",
        "no_scan": "1",
    }
    return f"{address}/wxaopen/safe/bindcomponent?{urlencode(query)}#wechat_redirect"


async def test_owner_authorises_on_wechats_page_and_withdraws_in_the_console(mei, place):
    await mei.presses("A platform")
    await mei.sees_the_bot("running · restarted for other Official Accounts")
    await mei.page.locator("#console").get_by_text("Bakery Hill", exact=True).click()
    state = mei.page.locator(".console-platform")
    await expect(state).to_contain_text("has not authorised the bot's platform")
    await until(lambda: any(one.name == "POST /wechat/platform/events" for one in place.world.wire.entries))

    owner = Visitor(await mei.page.context.new_page(), place.url)
    await owner.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    await owner.page.goto(consent_link(place.world))
    assert await violations(owner) == []
    assert await fits(owner)
    shop = owner.page.get_by_role("form", name="Bakery Hill")
    await expect(shop.get_by_role("checkbox", name="Customer service permission set 6")).to_be_checked()
    await shop.get_by_role("button", name="Authorise").click()
    await owner.page.wait_for_url("**/wechat/platform/authorized?s=EXAMPLE&auth_code=*")

    await expect(state).to_contain_text("has authorised the bot's platform: permission set 6.")
    await state.get_by_role("button", name="Withdraw…").click()
    await mei.page.get_by_role("dialog").get_by_role("button", name="Withdraw authorisation").click()
    await expect(state).to_contain_text("has not authorised the bot's platform")
    assert BAKERY not in place.world.consents.granted()
