"""The main job in half a minute: the real bot, on a simulated WeChat and a Slack stand-in, told as text."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.demo.process import BotProcess, running
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack import Channel, Message, SlackStandIn
from wechat_kf.simulator import Simulator

APPID, SECRET = "wx-demo", "demo-app-secret"
CARE, ALERTS = "C0CARE", "C0ALERTS"
EXPIRY_SECONDS = 12
PATIENCE = 20  # seconds for each message; more means that something is wrong


def main() -> int:
    """Play the walk. 0 when everything was told."""
    print("The real bot, on a simulated WeChat and a small Slack, both on this machine.")
    try:
        asyncio.run(_walk())
    except TimeoutError:
        print("\nA message that should have come did not.")
        return 1
    except KeyboardInterrupt:
        return 130
    print("\nThat was the main job. README.md says how to install it in a real workspace.")
    return 0


async def _walk() -> None:
    wechat = _harbour_tea(_now())
    slack = SlackStandIn(channels=[Channel(CARE, "care"), Channel(ALERTS, "kf-alerts")])
    screen = Screen(slack)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            serve_slack(slack),
            serve_wechat(wechat, _now) as wechat_url,
            running(_environ(slack, wechat_url, Path(folder))) as bot,
        ):
            await _play(wechat, slack, screen, bot)


async def _play(wechat: Simulator, slack: SlackStandIn, screen: Screen, bot: BotProcess) -> None:
    slack.app_url = bot.slack_url
    await screen.scene("Dee's invitation ends within the hour, 小波's too: the bot says so by itself.", 2)
    await screen.scene("You type /kf in #care.", 1, lambda: _type(slack, ""))
    await screen.scene("You type /kf find chen.", 1, lambda: _type(slack, "find chen"))

    async def reject() -> None:
        wechat.reject("chen@harbour_tea")

    async def accept() -> None:
        wechat.accept("bo@harbour_tea")

    await screen.scene("Chen declines in WeChat.", 1, reject)
    await screen.scene("小波 accepts in WeChat: the alert itself changes.", 2, accept)
    await screen.scene("Nobody answers for Dee, and the deadline passes.", 2)
    await screen.scene("You type /kf again.", 1, lambda: _type(slack, ""))


async def _type(slack: SlackStandIn, text: str) -> None:
    said = await slack.command(text, channel=CARE)
    print(f"  (acknowledged in {said.ack.ms:.0f} ms)")


class Screen:
    """Prints what people see in Slack, as it arrives and changes."""

    def __init__(self, slack: SlackStandIn) -> None:
        self._slack = slack
        self._seen: asyncio.Queue[Message] = asyncio.Queue()
        slack.on_change(self._show)

    async def scene(self, title: str, messages: int, act: Callable[[], Awaitable[None]] | None = None) -> None:
        """Tell what happens, do it, and wait for as many messages or edits.

        Raises:
            TimeoutError: they did not come.
        """
        print(f"\n* {title}")
        if act:
            await act()
        async with asyncio.timeout(PATIENCE):
            for _ in range(messages):
                await self._seen.get()

    def _show(self, change: str, message: Message) -> None:
        channel = f"#{self._slack.channels[message.channel].name}"
        where = (
            "only you see" if message.only_for else f"{channel}, in the thread" if message.thread_ts else channel
        )
        print(f"  [{where}{', changed' if change == 'edited' else ''}] {message.text}")
        self._seen.put_nowait(message)


def _now() -> datetime:
    return datetime.now(UTC)


def _harbour_tea(now: datetime) -> Simulator:
    """A small tea shop's customer service."""
    wechat = Simulator(APPID, SECRET)
    wechat.add_account("anna@harbour_tea", "Anna", kf_wx="anna_example")
    for name, nick, left in (
        ("bo", "小波", timedelta(minutes=41)),
        ("chen", "Chen", timedelta(days=3)),
        ("dee", "Dee", timedelta(seconds=EXPIRY_SECONDS)),
    ):
        wechat.add_account(f"{name}@harbour_tea", nick)
        wechat.invite(f"{name}@harbour_tea", f"{name}_example", now + left)
    wechat.add_account("eve@harbour_tea", "Eve")
    return wechat


def _environ(slack: SlackStandIn, wechat_url: str, folder: Path) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_SIGNING_SECRET": slack.signing_secret,
        "SLACK_API_URL": slack.api_url,
        "SLACK_ALERT_CHANNEL": ALERTS,
        "WECHAT_APPID": APPID,
        "WECHAT_SECRET": SECRET,
        "WECHAT_API_URL": wechat_url,
        "DATABASE_URL": f"sqlite:///{folder / 'kf.db'}",
        "POLL_SECONDS": "1",
    }
