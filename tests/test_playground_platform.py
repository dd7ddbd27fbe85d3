"""The platform of the playground: WeChat's page of consent, the bot's pages behind one address, and the pushes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from html import unescape
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from aiohttp import web

from bot.demo.playground import public_address
from bot.demo.playground.installations import (
    BAKERY,
    EVERY_ACCOUNT,
    LANTERN,
    PLATFORM,
    TEA_SHOP,
    TWO_SHOPS,
    registered_platform,
    simulated,
)
from bot.demo.playground.platform_consents import PlatformConsents
from bot.demo.playground.presets import PRESETS
from bot.demo.playground.request_details import account_of
from bot.demo.playground.sandbox import Sandbox
from bot.demo.playground.snapshot import whole
from bot.demo.playground.traffic import MASK, masked
from bot.demo.playground.user_actions import ACTIONS
from bot.demo.playground.wechat_console import CannotError
from bot.demo.push_sender import EVENTS_PATH
from bot.demo.servers import serve
from bot.settings.values import Settings
from tests.conftest import VirtualClock
from tests.platforms import opened
from tests.running import until
from wechat_kf.simulator import World
from wechat_kf.simulator.component import SealedPush

APPID = PLATFORM["PLATFORM_APPID"]
PHONE, DESKTOP = "/wxaopen/safe/bindcomponent", "/cgi-bin/componentloginpage"


class OwnersPlace:
    """A browser, WeChat's page, and a bot that answers pushes and shows its two pages."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.platform = registered_platform()
        wechat = World(map(simulated, EVERY_ACCOUNT), platform=self.platform)
        self.changes = 0
        self.reports: list[int | None] = []
        self.pushes: list[Mapping[str, str]] = []
        self.bot_url = self.url = ""
        self.consents = PlatformConsents(
            self.platform,
            wechat,
            self.clock,
            owners=lambda: TWO_SHOPS.owners,
            bot_url=lambda: self.bot_url,
            report=lambda push, status: self.reports.append(status),
            on_change=self.change,
        )

    def change(self) -> None:
        self.changes += 1

    async def receive(self, request: web.Request) -> web.StreamResponse:
        self.pushes.append(opened(SealedPush(await request.read(), dict(request.query))))
        return web.Response(text="success")

    async def show(self, request: web.Request) -> web.StreamResponse:
        language = request.headers.get("Accept-Language", "")
        links = (
            f'<a href="https://open.weixin.qq.com{PHONE}?a=1"></a><a href="https://mp.weixin.qq.com{DESKTOP}"></a>'
        )
        text = f"{language} {request.query_string} {links}"
        return web.Response(text=text, status=403, headers={"Referrer-Policy": "origin", "Set-Cookie": "a=b"})

    def link(self, path: str = PHONE, **changes: str) -> str:
        """Return the address of WeChat's page, as the bot's page has it but for the host."""
        query = {
            "component_appid": APPID,
            "pre_auth_code": self.platform.pre_auth_codes.issue(self.clock()),
            "redirect_uri": f"{self.url}/wechat/platform/authorized?s=EXAMPLE",
            "auth_type": "3",
        }
        if path == PHONE:
            query |= {"action": "bindcomponent", "no_scan": "1"}
        parts = (f"{name}={quote(value, safe='')}" for name, value in (query | changes).items())
        return f"{self.url}{path}?{'&'.join(parts)}"


@pytest.fixture
async def place() -> AsyncIterator[OwnersPlace]:
    place = OwnersPlace()
    app = web.Application()
    app.router.add_post(EVENTS_PATH, place.receive)
    app.router.add_get("/wechat/platform/start", place.show)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serve(app))
        session = await stack.enter_async_context(place.consents.served())
        public = public_address.application(place.consents, session)
        place.url = await stack.enter_async_context(serve(public))
        place.bot_url = url
        yield place


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def text_of(browser: aiohttp.ClientSession, url: str, language: str = "en") -> str:
    async with browser.get(url, headers={"Accept-Language": language}) as answer:
        return unescape(await answer.text())


async def authorize(browser: aiohttp.ClientSession, link: str, appid: str, *sets: int) -> str:
    """Press the button in the form of an account, and return where the browser is sent."""
    form = [("appid", appid), *(("set", str(number)) for number in sets)]
    async with browser.post(link, data=form, allow_redirects=False) as answer:
        assert answer.status == 303, await answer.text()
        return answer.headers["Location"]


async def test_bots_page_is_at_the_public_address_and_leads_to_the_page_of_consent(place, browser) -> None:
    headers = {"Accept-Language": "zh-CN"}
    async with browser.get(f"{place.url}/wechat/platform/start?s=EXAMPLE", headers=headers) as answer:
        text = await answer.text()
        assert (answer.status, answer.headers["Referrer-Policy"]) == (403, "origin")
        assert "Set-Cookie" not in answer.headers
    assert text.startswith("zh-CN s=EXAMPLE ")
    assert re.findall('href="(.*?)"', text) == [f"{place.url}{PHONE}?a=1", f"{place.url}{DESKTOP}"]


async def test_public_address_says_that_no_bot_runs(place, browser) -> None:
    place.bot_url = "http://127.0.0.1:1"
    async with browser.get(f"{place.url}/wechat/platform/start") as answer:
        assert answer.status == 502


async def test_page_of_consent_offers_each_shop_with_its_permission_set(place, browser) -> None:
    text = await text_of(browser, place.link())
    assert re.findall("<h2>(.*?)</h2>", text) == ["Bakery Hill", "灯笼小程序"]
    assert re.findall('name="set" value="(.*?)" checked', text) == ["6", "19"]
    assert "Authorise a third-party platform" in text
    assert "授权第三方平台" in await text_of(browser, place.link(), "zh-CN,zh;q=0.9")


@pytest.mark.parametrize(("auth_type", "names"), [("1", ["Bakery Hill"]), ("2", ["灯笼小程序"])])
async def test_page_of_consent_offers_what_the_link_admits(place, browser, auth_type, names) -> None:
    text = await text_of(browser, place.link(auth_type=auth_type))
    assert re.findall("<h2>(.*?)</h2>", text) == names


async def test_consent_leads_to_the_bots_page_and_is_pushed(place, browser) -> None:
    address = await authorize(browser, place.link(), BAKERY, 6)
    assert address.startswith(f"{place.url}/wechat/platform/authorized?s=EXAMPLE&auth_code=queryauthcode%40%40%40")
    await until(lambda: len(place.pushes) > 1)
    kinds = {push["InfoType"]: push.get("AuthorizerAppid") for push in place.pushes}
    assert kinds == {"component_verify_ticket": None, "authorized": BAKERY}
    assert place.consents.granted() == {BAKERY: [6]}
    assert (place.changes, set(place.reports)) == (1, {200})


async def test_owner_grants_only_what_is_checked_and_fits_the_account(place, browser) -> None:
    await authorize(browser, place.link(), BAKERY)
    await authorize(browser, place.link(), LANTERN, 6, 19)
    assert place.consents.granted() == {BAKERY: [], LANTERN: [19]}


async def test_withdrawal_is_pushed_once(place, browser) -> None:
    await authorize(browser, place.link(), BAKERY, 6)
    place.consents.withdraw(BAKERY)
    await until(lambda: [push["InfoType"] for push in place.pushes].count("unauthorized") == 1)
    assert place.consents.granted() == {}
    for appid in (BAKERY, "wx-playground"):
        with pytest.raises(CannotError, match="has not authorised the platform"):
            place.consents.withdraw(appid)
    assert place.changes == 2


async def test_page_of_consent_refuses_as_wechat_does(place, browser) -> None:
    link = place.link()
    await authorize(browser, link, BAKERY, 6)
    assert "pre_auth_code is unknown, or was used" in await text_of(browser, link)
    assert "(61011)" in await text_of(browser, place.link(component_appid="wx9"))
    assert "微信无法打开这个页面" in await text_of(browser, place.link(component_appid="wx9"), "zh")
    async with browser.post(place.link(), data={"appid": "wx9"}) as answer:
        assert "there is no such account" in await answer.text()
    async with browser.get(place.link(DESKTOP)) as answer:
        assert "domain is empty" in await answer.text()
    async with browser.get(place.link(DESKTOP), headers={"Referer": f"{place.url}/"}) as answer:
        assert "Bakery Hill" in await answer.text()


async def test_other_pages_cannot_give_the_consent(place, browser) -> None:
    for headers in ({"Origin": "https://other.example"}, {"Host": "other.example"}, {"Host": "["}):
        async with browser.post(place.link(), data={"appid": BAKERY}, headers=headers) as answer:
            assert answer.status == 403
    assert place.consents.granted() == {}


# The installation and the page


def test_settings_of_the_platform_are_accepted() -> None:
    slack = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_SIGNING_SECRET": "x" * 32}
    variables = {**slack, **TWO_SHOPS.settings, "PLATFORM_URL": "http://127.0.0.1:3001"}
    settings = Settings.from_environ(variables)
    assert (settings.platform_appid, settings.has_platform) == (APPID, True)
    assert not PLATFORM.keys() & TEA_SHOP.settings.keys()


def test_secrets_of_the_platform_are_masked_in_the_traffic() -> None:
    names = ("component_access_token", "component_verify_ticket", "authorizer_refresh_token", "pre_auth_code")
    assert masked(dict.fromkeys(names, "x")) == dict.fromkeys(names, MASK)


async def test_page_knows_who_may_authorise_and_who_has(tmp_path) -> None:
    published: list[tuple[str, Any]] = []
    world = Sandbox(tmp_path, lambda kind, data: published.append((kind, data)))
    assert whole(world)["platform"] == {"owners": [], "granted": {}}
    world.preset = PRESETS["platform"]
    assert [one["name"] for one in whole(world)["accounts"]] == ["Harbour Tea", "Bakery Hill", "灯笼小程序"]
    assert urlsplit(world._environ()["PLATFORM_URL"]).path == ""
    assert account_of(world, {"account": BAKERY}).appid == BAKERY
    world.platform.grant(BAKERY, [6], world.clock())
    async with world.consents.served():
        await ACTIONS["wechat.withdraw-authorization"](world, {"account": BAKERY})
    assert ("platform", {"owners": [BAKERY, LANTERN], "granted": {}}) in published
