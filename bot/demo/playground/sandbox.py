"""The sandbox of the playground: a simulated WeChat, a Slack simulator, the real bot and their clock."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bot.demo.playground import people, presets, public_address, serializers
from bot.demo.playground.installations import (
    CHANNELS,
    EVERY_ACCOUNT,
    Installation,
    registered_platform,
    simulated,
)
from bot.demo.playground.platform_consents import PlatformConsents
from bot.demo.playground.presets import PRESETS, Preset
from bot.demo.playground.shared_clock import CLOCK_FILE, PARENT_PROCESS, SharedClock
from bot.demo.playground.supervisor import Restart, Start, Supervisor
from bot.demo.playground.traffic import MASK, Traffic, TrafficEntry, delivery_name
from bot.demo.playground.wechat_console import NONE, FaultySlack, WeChatConsole
from bot.demo.process import connected, running
from bot.demo.push_sender import EVENTS_PATH
from bot.demo.servers import serve, wechat_application
from bot.demo.slack_simulator import Channel, sent_messages
from bot.demo.slack_simulator.http import application
from bot.demo.slack_simulator.open_views import View, ViewChange
from bot.language import Language
from bot.ports import utc_now
from wechat_kf.simulator import World
from wechat_kf.simulator.component import SealedPush

LEASE = 2.0  # real seconds, whatever the clock of the playground does
RATES = (1, 60, 1440)  # real time, an hour a minute, a day a minute
PULSE = 0.5  # seconds between two looks at what the clock alone has changed
TICK = 5.0  # seconds between two words about the time

STORE = "kf.db"
FIRST = PRESETS["tea"]  # to begin with

Publish = Callable[[str, Any], None]


class Sandbox:
    """Both simulators, the bot and the clock. `publish(kind, data)` receives every change."""

    def __init__(
        self,
        folder: Path,
        publish: Publish,
        *,
        zone: str = "UTC",
        language: Language = Language.ENGLISH,
        start: Start | None = None,
        on_fresh: Callable[[Sandbox], None] = lambda world: None,
    ) -> None:
        """`folder` takes the store, the clock and the bot's log. `zone` is the bot's until a page names its own.

        `language` is the channel's until a page chooses another. `start` starts the bot, as a process by default.
        `on_fresh` is called when all was emptied.
        """
        self._folder = folder
        self._publish = publish
        self.clock = SharedClock(folder / "clock.json")
        self.clock.reset()
        self.began = self.clock().timestamp()
        self.zone = zone
        self.language = language
        self._on_fresh = on_fresh
        self._rate: float = 1  # the one that is wanted
        self.preset = FIRST
        self.platform = registered_platform()
        self.wechat = World(map(simulated, EVERY_ACCOUNT), platform=self.platform)
        self.slack = FaultySlack(
            clock=self.clock,
            channels=[Channel(channel, name) for channel, name in CHANNELS.items()],
            trigger_clock=utc_now,  # the bot needs real time for its calls
            on_delivery=self._note,
        )
        self.slack.event_retries = ()  # the page says that the event failed, and a person opens Home again
        self.wire = Traffic(self.clock, self._tell_wire)
        self.console = WeChatConsole(self.wechat, self.slack)
        self.keeper = Supervisor(
            self._environ,
            start or partial(running, module="bot.demo.playground.clocked_bot", log=folder / "bot.log"),
            on_change=self._meet,
        )
        self._ready = asyncio.Event()  # not set while the bot starts first, or because a person asked for it
        self._wechat_url = ""
        self._public_url = ""
        self.consents = PlatformConsents(
            self.platform,
            self.wechat,
            self.clock,
            owners=lambda: self.installation.owners,
            bot_url=self._pushed_to,
            report=self._note_push,
            on_change=self._tell_platform,
        )
        self._seats: list[dict[str, Any]] = []
        self.slack.on_change(self._tell_message)
        self.slack.views.on_change(self._tell_view)
        people.introduce(self.slack, zone)
        presets.apply(FIRST, self.wechat, self.clock())

    @property
    def installation(self) -> Installation:
        return self.preset.installation

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Serve both, and keep the bot running, for as long as the block lasts."""
        slack_app = application(self.slack)
        slack_app.middlewares.append(self.wire.tap("slack", _slack_method))
        wechat_app = wechat_application(self.wechat, self.clock)
        wechat_app.middlewares.append(self.wire.tap("wechat", self._wechat_call))
        async with AsyncExitStack() as stack:
            self.slack.base_url = await stack.enter_async_context(serve(slack_app))
            self.slack.session = await stack.enter_async_context(aiohttp.ClientSession())
            self._wechat_url = await stack.enter_async_context(serve(wechat_app))
            session = await stack.enter_async_context(self.consents.served())
            public_app = public_address.application(self.consents, session)
            self._public_url = await stack.enter_async_context(serve(public_app))
            for work in (self.keeper.keep(), self._watch()):
                task = asyncio.create_task(work)
                stack.push_async_callback(_end, task)
            yield

    async def ready(self) -> None:
        """Wait while the bot starts for the first time, or because a person asked for it: nothing fails then."""
        await self._ready.wait()

    async def command(self, channel: str, user: str, text: str) -> sent_messages.Ack:
        """Type `/kf …` for a user."""
        await self.ready()
        words = text.strip().split(maxsplit=1)
        said = await self.slack.command(
            words[1] if len(words) > 1 else "", channel=channel, user=user, command=words[0]
        )
        return said.ack

    async def click(self, message: Any, user: str, details: dict[str, Any]) -> sent_messages.Ack:
        """Use a button or menu of a message for a user."""
        await self.ready()
        return (await self.slack.click(message, user=user, **details)).ack

    def run_clock(self, rate: float) -> None:
        """Change the pace of time. The bot is restarted: its lease must keep its length in real time."""
        if rate == self._rate:
            return
        self._rate = rate
        if rate < self.clock.rate:
            self._change_pace()
        self._restart(Restart("restarted for the new clock"))

    def use_zone(self, zone: str) -> None:
        """Let the channel's time zone be this one. The bot restarts if that is another than its own."""
        if zone != self.zone:
            self.zone = zone
            people.introduce(self.slack, zone)
            self._restart(Restart("restarted for your time zone"))

    def use_language(self, language: Language) -> None:
        """Let the bot write to the channel in this language. The bot restarts if that is another than before."""
        if language is not self.language:
            self.language = language
            self._publish("language", {"language": language})
            self._restart(Restart("restarted for the channel's language"))

    def use_preset(self, preset: Preset) -> None:
        """Replace what is in WeChat. For another installation all else is emptied as well, as for `start_over`."""
        if preset.installation is self.installation:
            self.preset = preset
            presets.apply(preset, self.wechat, self.clock())
        else:
            self._begin_with(preset, Restart("restarted for other Official Accounts"))

    def start_over(self) -> None:
        """Empty Slack, WeChat, the wire and the bot's store, once the present bot has ended."""
        self._begin_with(FIRST, Restart())

    def refresh_seats(self) -> None:
        """Send the table of accounts to the page, if it has changed."""
        seats = self.present_seats()
        if seats != self._seats:
            self._seats = seats
            self._publish("seats", {"seats": seats})

    def present_seats(self) -> list[dict[str, Any]]:
        appids = [account.appid for account in self.installation.consoles]
        return serializers.seats(self.wechat, appids, self.clock())

    def present_clock(self) -> dict[str, Any]:
        return {"now": self.clock().timestamp(), "rate": self.clock.rate}

    def present_bot(self) -> dict[str, Any]:
        return {"state": self.keeper.state, "restarts": self.keeper.restarts, "reason": self.keeper.reason}

    def present_faults(self) -> dict[str, str]:
        return {"wechat": self.console.trouble, "slack": self.slack.trouble}

    def present_platform(self) -> dict[str, Any]:
        owners = [account.appid for account in self.installation.owners]
        return {"owners": owners, "granted": self.consents.granted()}

    def tell_faults(self) -> None:
        self._publish("faults", self.present_faults())

    def _environ(self) -> dict[str, str]:
        more = {
            "DATABASE_URL": f"sqlite:///{self._folder / STORE}",
            "TIMEZONE": self.zone,
            "KF_LANGUAGE": self.language,
            "KF_OPERATORS": ",".join(people.OPERATORS),
            "POLL_SECONDS": "1",
            "ALERT_LEASE_SECONDS": str(round(LEASE * self._rate)),
            CLOCK_FILE: str(self._folder / "clock.json"),
            PARENT_PROCESS: str(os.getpid()),
        }
        if self.installation.owners:
            more |= {"PLATFORM_URL": self._public_url, "KF_ADMINS": ",".join(people.OPERATORS)}
        return connected(self.slack, self._wechat_url, **self.installation.settings, **more)

    def _restart(self, planned: Restart) -> None:
        self._ready.clear()
        self.keeper.restart(planned)

    def _begin_with(self, preset: Preset, planned: Restart) -> None:
        def empty() -> None:
            self._empty(preset)
            self._publish("fresh", {"tour": not planned.reason})
            self._on_fresh(self)

        self._restart(replace(planned, before_start=empty, signal=signal.SIGKILL))

    def _empty(self, preset: Preset) -> None:
        for file in self._folder.glob(f"{STORE}*"):
            file.unlink()
        self.keeper.restarts = 0
        self._rate = 1
        self.clock.reset()
        self.began = self.clock().timestamp()
        self.slack.clear()
        self.wire.clear()
        self.console.break_slack(NONE)
        self.console.break_wechat(NONE)
        self.platform.start_over()
        self.preset = preset
        presets.apply(preset, self.wechat, self.clock())
        self._seats = self.present_seats()

    def _change_pace(self) -> None:
        self.clock.run(self._rate)
        self._publish("clock", self.present_clock())

    def _meet(self, keeper: Supervisor) -> None:
        if keeper.bot:
            self.slack.app_url = keeper.bot.slack_url
            if self.clock.rate != self._rate:  # no hours pass without a bot
                self._change_pace()
        if keeper.is_ready:
            self._ready.set()
        self._publish("bot", self.present_bot())

    def _tell_message(self, change: str, message: Any) -> None:
        self._publish("message", {"change": change, **serializers.message(message)})

    def _tell_view(self, change: ViewChange, view: View) -> None:
        if change == "filled":
            return  # the page that a person types into shows it already
        if view.content["type"] == "home":
            self._publish("home", serializers.home(view))
        else:
            self._publish("modal", serializers.modal(self.slack.views, view.user))

    def _tell_wire(self, entry: TrafficEntry) -> None:
        self._publish("wire", serializers.entry(entry))

    def _tell_platform(self) -> None:
        self._publish("platform", self.present_platform())

    def _pushed_to(self) -> str:
        """Return the address to which WeChat pushes; "" without a platform, or while no bot runs."""
        return self.keeper.bot.url if self.keeper.bot and self.installation.owners else ""

    def _note_push(self, push: SealedPush, status: int | None) -> None:
        error = "" if status else "no answer"
        self.wire.add("wechat", "bot", f"POST {EVENTS_PATH}", dict(push.query), ms=0, status=status, error=error)

    def _note(self, payload: Mapping[str, Any], ack: sent_messages.Ack) -> None:
        self.wire.add(
            *("slack", "bot", delivery_name(payload), {**payload}),
            ms=ack.ms,
            status=ack.status,
            response={"body": ack.body},
            error=ack.failure or "",
        )

    async def _watch(self) -> None:
        """Send what changes with time: states whose deadline passes, and the clock."""
        while True:
            for _ in range(round(TICK / PULSE)):
                self.refresh_seats()
                await asyncio.sleep(PULSE)
            self._publish("clock", self.present_clock())

    def _wechat_call(self, request: web.Request, body: bytes) -> str:
        """Name a request to WeChat, with the handle of its account if there are several."""
        appid = self.wechat.addressed(request.path, dict(request.query), body).appid
        handles = [account.handle for account in self.installation.consoles if account.appid == appid]
        return " ".join([request.method, request.path, *(f"@{handle}" for handle in handles if handle)])


def _slack_method(request: web.Request, _body: bytes) -> str:
    path = request.path.removeprefix("/api/")
    return path if "/" not in path else f"/{request.path.split('/')[1]}/{MASK}"


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
