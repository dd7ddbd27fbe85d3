"""The whole bot between its simulators: inside the test's loop, or as a separate process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from bot import environment
from bot.app import Process
from bot.demo.process import environ_of, free_port
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, Message, SlackSimulator
from bot.demo.slack_simulator.sent_messages import Invocation
from bot.fleet import build_fleet
from bot.ports import Clock
from bot.settings.values import Settings
from bot.slack.response_url import RESPONSE_LIMITS, ResponseLimits
from bot.tenants.loading import load
from tests.samples import READING
from wechat_kf import protocol, simulator
from wechat_kf.simulator import Simulator

CARE, ALERTS = "C0CARE", "C0ALERTS"
APPID, SECRET = "wx0123456789abcdef", "app-secret"  # of the account of the environment
AT_HARBOUR, AT_ORCHID = "C0HARBOUR", "C0ORCHID"
HARBOUR, KIOSK, ORCHID = "wx1111111111111111", "wx2222222222222222", "wx3333333333333333"
ACCOUNTS = f"""
[[account]]
handle = "harbour"
appid = "{HARBOUR}"
secret = "env:HARBOUR_SECRET"
name = "Harbour Tea"
channel = "{AT_HARBOUR}"

[[account]]
handle = "kiosk"
appid = "{KIOSK}"
secret = "env:KIOSK_SECRET"
name = "Night Kiosk"
channel = "{AT_HARBOUR}"

[[account]]
handle = "orchid"
appid = "{ORCHID}"
secret = "env:ORCHID_SECRET"
name = "兰花"
channel = "{AT_ORCHID}"
language = "zh"
"""
SECRETS = {HARBOUR: "secret-of-harbour", KIOSK: "secret-of-kiosk", ORCHID: "secret-of-orchid"}


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class World:
    """WeChat, Slack, and the variables that lead the bot to both."""

    slack: SlackSimulator
    wechat: Simulator
    environ: dict[str, str]

    def invite(self, name: str, left: timedelta = timedelta(days=3), nick: str = "") -> str:
        key = f"{name}@harbour_tea"
        self.wechat.add_account(key, nick or name.capitalize())
        self.wechat.invite(key, f"{name}_example", utc_now() + left)
        return key

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.slack.messages(ALERTS)]


@dataclass
class FleetWorld:
    """WeChat with several Official Accounts, Slack, and the variables that lead the bot to both."""

    slack: SlackSimulator
    wechat: simulator.World
    environ: dict[str, str]

    def invite(self, appid: str, name: str, left: timedelta = timedelta(days=3)) -> str:
        key = f"{name}@harbour_tea"  # the same in every account, to be mixed up
        self.wechat[appid].add_account(key, name.capitalize())
        self.wechat[appid].invite(key, f"{name}_example", utc_now() + left)
        return key

    def texts(self, channel: str) -> list[str]:
        return [message.text for message in self.slack.messages(channel)]


@asynccontextmanager
async def world(store_url: str, *, wechat_secret: str = SECRET, **of_slack: Any) -> AsyncIterator[World]:
    """Serve the simulators; fail the test on any unexpected call to Slack."""
    wechat = Simulator(APPID, wechat_secret)
    slack = SlackSimulator(channels=[Channel(CARE, "care"), Channel(ALERTS, "kf-alerts")], **of_slack)
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url:
        more = {"DATABASE_URL": store_url, "POLL_SECONDS": "1", "HOST": "127.0.0.1"}
        environ = environ_of(slack, wechat_url, APPID, wechat_secret, ALERTS, **more)
        yield World(slack, wechat, environ)
    assert slack.take_unexpected() == []


@asynccontextmanager
async def fleet_world(store_url: str, *, own: bool = False, **of_slack: Any) -> AsyncIterator[FleetWorld]:
    """Serve the simulators, with three Official Accounts in two channels, and that of the environment if `own`."""
    secrets = SECRETS | ({APPID: SECRET} if own else {})
    wechat = simulator.World(Simulator(appid, secret) for appid, secret in secrets.items())
    channels = [Channel(CARE, "care"), Channel(AT_HARBOUR, "harbour"), Channel(AT_ORCHID, "orchid")]
    if own:
        channels.append(Channel(ALERTS, "kf-alerts"))
    slack = SlackSimulator(channels=channels, **of_slack)
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url:
        environ = environ_of(slack, wechat_url, APPID, SECRET, ALERTS)
        if not own:
            for name in ("WECHAT_APPID", "WECHAT_SECRET", "SLACK_ALERT_CHANNEL"):
                del environ[name]
        environ |= {"DATABASE_URL": store_url, "POLL_SECONDS": "1", "HOST": "127.0.0.1", "KF_ACCOUNTS": ACCOUNTS}
        for name, appid in (("HARBOUR", HARBOUR), ("KIOSK", KIOSK), ("ORCHID", ORCHID)):
            environ[f"{name}_SECRET"] = SECRETS[appid]
        yield FleetWorld(slack, wechat, environ)
    assert slack.take_unexpected() == []


@asynccontextmanager
async def bot_in_loop(
    around: World | FleetWorld,
    role: str = "web",
    *,
    clock: Clock = utc_now,
    limits: ResponseLimits = RESPONSE_LIMITS,
    **changed: str,
) -> AsyncIterator[str]:
    """Run the bot inside the test's loop, with this clock; its address."""
    port = str(free_port())
    environ = around.environ | {"PORT": port} | changed
    settings = Settings.from_environ(environ)
    stop = asyncio.Event()
    async with build_fleet(settings, load(settings, environ, environment.read_file), clock, role=role) as fleet:
        running = asyncio.create_task(Process(fleet, role, _never, limits).run(stop, []))
        url = f"http://127.0.0.1:{port}"
        if role == "web":
            await until(lambda: answers(f"{url}/healthz"))
            around.slack.app_url = f"{url}/slack/events"
        try:
            yield url
        finally:
            stop.set()
            await running


async def polled(around: FleetWorld, times: int = 3) -> None:
    """Wait until every account has been polled this many times, and the result of all but the last is stored."""

    def lists(account: Simulator) -> int:
        return len([call for call in account.log if call.path == protocol.KF_LIST])

    accounts = around.wechat.accounts.values()
    begun = {account.appid: lists(account) for account in accounts}
    await until(lambda: all(lists(account) - begun[account.appid] >= times for account in accounts))


def _never(_status: int) -> None:
    """Fail: the bot shares the test's process and must not exit."""


async def answers(url: str, status: int = 200) -> bool:
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url) as answer:
                return answer.status == status
        except aiohttp.ClientError:
            return False


async def final_answer(said: Invocation, within: float = 20) -> Message:
    """Wait for the answer behind a notice that WeChat is being read."""
    message = await said.answer(within)
    return await said.answer(within) if message.text == READING.text else message


async def until(true: Callable[[], bool | Awaitable[bool]], within: float = 60) -> None:
    """Wait until a condition is true, in real time."""
    async with asyncio.timeout(within):
        # What is waited for lives in other processes, too: there is nothing to be notified by.
        while not (await found if isinstance(found := true(), Awaitable) else found):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def modal_text(slack: SlackSimulator, user: str) -> str:
    """Wait for the modal of a person, and return its blocks once they are there."""
    await until(
        lambda: bool(slack.views.modals.get(user)) and "Reading from WeChat" not in str(slack.modal(user).blocks)
    )
    return str(slack.modal(user).blocks)


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'kf.db'}"
