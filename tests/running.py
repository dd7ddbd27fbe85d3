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

from bot.app import Process
from bot.demo.process import environ_of, free_port
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, Message, SlackSimulator
from bot.demo.slack_simulator.sent_messages import Invocation
from bot.ports import Clock
from bot.settings.values import Settings
from bot.slack.response_url import RESPONSE_LIMITS, ResponseLimits
from bot.wiring import build_services
from tests.samples import READING
from wechat_kf.simulator import Simulator

CARE, ALERTS = "C0CARE", "C0ALERTS"


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


@asynccontextmanager
async def world(store_url: str, *, wechat_secret: str = "app-secret", **of_slack: Any) -> AsyncIterator[World]:
    """Serve the simulators; fail the test on any unexpected call to Slack."""
    wechat = Simulator("wx0123456789abcdef", wechat_secret)
    slack = SlackSimulator(channels=[Channel(CARE, "care"), Channel(ALERTS, "kf-alerts")], **of_slack)
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url:
        more = {"DATABASE_URL": store_url, "POLL_SECONDS": "1", "HOST": "127.0.0.1"}
        environ = environ_of(slack, wechat_url, "wx0123456789abcdef", wechat_secret, ALERTS, **more)
        yield World(slack, wechat, environ)
    assert slack.take_unexpected() == []


@asynccontextmanager
async def bot_in_loop(
    around: World,
    role: str = "web",
    *,
    clock: Clock = utc_now,
    limits: ResponseLimits = RESPONSE_LIMITS,
    **changed: str,
) -> AsyncIterator[str]:
    """Run the bot inside the test's loop, with this clock; its address."""
    port = str(free_port())
    settings = Settings.from_environ(around.environ | {"PORT": port} | changed)
    stop = asyncio.Event()
    async with build_services(settings, clock, role=role) as parts:
        running = asyncio.create_task(Process(parts, role, _never, limits).run(stop, []))
        url = f"http://127.0.0.1:{port}"
        if role == "web":
            await until(lambda: answers(f"{url}/healthz"))
            around.slack.app_url = f"{url}/slack/events"
        try:
            yield url
        finally:
            stop.set()
            await running


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
