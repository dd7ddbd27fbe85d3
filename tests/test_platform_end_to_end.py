"""A platform over HTTP, from the owner's link to the withdrawal: the whole bot between its simulators."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from html import unescape
from pathlib import Path

import aiohttp
import pytest

from bot import app, environment
from bot.demo.process import connected, free_port
from bot.demo.push_sender import PushSender
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, SlackSimulator
from bot.platform.links import make_link
from bot.serving import serve
from bot.settings.values import Settings
from bot.tenants import reloading
from bot.tenants.loading import load_defined
from bot.tenants.reloading import Reloading
from tests.authorizations import KEYS
from tests.conftest import driver_threads, driver_threads_ended
from tests.fleets import polls, posts_at_once
from tests.people import MEI
from tests.platforms import APP, DOMAIN, PLATFORM_SECRET, SHOP, platform
from tests.running import ALERTS, CARE, POLL_SECONDS, answers, invite, sqlite, until, utc_now
from tests.vectors_of_pushes import AES_KEY, PLATFORM_APPID, TOKEN
from wechat_kf.simulator import AccountType, Simulator, World
from wechat_kf.simulator.component import Consent, Profile, ThirdPartyPlatform

pytestmark = pytest.mark.server


@dataclass
class Place:
    """WeChat with a platform, Slack, and a bot whose clock is ahead by what the test needs."""

    slack: SlackSimulator
    wechat: World
    platform: ThirdPartyPlatform
    environ: dict[str, str]
    ahead: timedelta = timedelta(0)
    url: str = ""
    pushes: PushSender = field(init=False)
    session: aiohttp.ClientSession = field(init=False)

    def clock(self) -> datetime:
        return utc_now() + self.ahead

    async def opens(self, address: str) -> str:
        """Open an address of the platform's domain, which leads to the bot."""
        local = address.replace(f"https://{DOMAIN}", self.url)
        async with self.session.get(local, headers={"Accept-Language": "en"}) as page:
            return await page.text()

    async def authorises(self, appid: str = SHOP, *sets: int) -> Consent:
        """Let the owner of an account open the link, and authorise the platform at WeChat."""
        settings = Settings.from_environ(self.environ)
        html = await self.opens(make_link(settings, MEI, self.clock()))
        link = unescape(re.findall(r'href="([^"]*)"', html)[0])
        return self.platform.authorize(link, self.wechat[appid], sets or (6,), self.clock())

    def texts(self, channel: str = ALERTS) -> list[str]:
        return [message.text for message in self.slack.messages(channel)]


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr(reloading, "CHECK_SECONDS", 0.2)
    monkeypatch.setattr(app, "CHECK_SECONDS", 0.2)
    made_platform, others = platform(), driver_threads()
    app_simulator = Simulator(APP, "secret-of-app", suffix="app", account_type=AccountType.MINI_PROGRAM)
    wechat = World([Simulator(SHOP, "secret-of-shop"), app_simulator], platform=made_platform)
    made_platform.profiles[SHOP] = Profile("Harbour Tea", "harbour")
    slack = SlackSimulator(channels=[Channel(CARE, "care"), Channel(ALERTS, "kf-alerts")])
    slack.add_person(MEI, "mei")
    async with serve_slack(slack), aiohttp.ClientSession() as session, posts_at_once():
        made = Place(slack, wechat, made_platform, {})
        made.session = session
        made.pushes = PushSender(session, lambda: made.url)
        async with serve_wechat(wechat, made.clock) as wechat_url:
            made.environ = connected(
                slack,
                wechat_url,
                SLACK_ALERT_CHANNEL=ALERTS,
                DATABASE_URL=sqlite(tmp_path),
                HOST="127.0.0.1",
                POLL_SECONDS="1",
                STORE_KEYS=KEYS[0],
                PLATFORM_APPID=PLATFORM_APPID,
                PLATFORM_SECRET=PLATFORM_SECRET,
                PLATFORM_TOKEN=TOKEN,
                PLATFORM_AES_KEY=AES_KEY,
                PLATFORM_URL=f"https://{DOMAIN}",
            )
            yield made
    await driver_threads_ended(others)
    assert slack.take_unexpected() == []


@asynccontextmanager
async def serving(place: Place) -> AsyncIterator[None]:
    """Serve inside the test's process, as the command line does. The first ticket has come."""
    environ = place.environ | {"PORT": str(free_port())}
    settings = replace(Settings.from_environ(environ), poll_seconds=POLL_SECONDS)
    defined = load_defined(settings, environ, environment.read_file)
    reloaded = Reloading(defined, environ, environment.read_file)
    served = serve(defined, role="web", exit_now=lambda _: None, clock=place.clock, reloading=reloaded)
    task = asyncio.create_task(served)
    place.url = f"http://127.0.0.1:{settings.port}"
    place.slack.app_url = f"{place.url}/slack/events"
    try:
        await until(lambda: answers(f"{place.url}/healthz"), within=20)
        await until(lambda: place.pushes.send(place.platform.push_ticket(place.clock())), within=20)
        yield
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        assert await task == 0


async def test_from_the_link_to_the_withdrawal(place):
    async with serving(place):
        await until(lambda: answers(f"{place.url}/readyz"), within=10)
        said = await place.slack.command(user=MEI, channel=CARE)
        assert "No account has authorised the platform yet" in (await said.answer()).text
        key = invite(place.wechat[SHOP], "bo")
        consent = await place.authorises()
        assert "Harbour Tea is authorised" in await place.opens(consent.address)
        assert await place.pushes.send(consent.push)
        await until(lambda: polls(place.wechat[SHOP]) > 1, within=30)
        place.wechat[SHOP].reject(key)
        await until(lambda: any("Bo" in text for text in place.texts()))
        await until(
            lambda: any("has authorised" in one.text for one in place.slack.direct_channel(MEI).messages.values())
        )
        alert = next(one for one in place.slack.messages(ALERTS) if "Bo" in one.text)
        place.ahead += timedelta(seconds=2)
        assert await place.pushes.send(place.platform.withdraw(SHOP, place.clock()))
        await until(lambda: sum("no longer watched" in text for text in place.texts()) >= 1)
        await until(lambda: "No longer watched" in place.slack.channels[ALERTS].messages[alert.ts].text)
        number, posted = polls(place.wechat[SHOP]), len(place.texts())
        await asyncio.sleep(3 * POLL_SECONDS)
        assert polls(place.wechat[SHOP]) - number <= 1
        assert len(place.texts()) == posted
        assert sum("is no longer watched" in text for text in place.texts()) == 1
