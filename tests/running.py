"""The whole bot between its simulators: inside the test's loop, or as a separate process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from bench.testbed import PYTHONPATH
from bot import environment
from bot.app import Process
from bot.demo.playground.shared_clock import CLOCK_FILE, PARENT_PROCESS, SharedClock
from bot.demo.process import BotProcess, environ_of, free_port
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, Message, SlackSimulator
from bot.demo.slack_simulator.sent_messages import Invocation
from bot.fleet import build_fleet
from bot.ports import Clock
from bot.settings.values import Settings
from bot.slack.response_url import RESPONSE_LIMITS, ResponseLimits
from bot.tenants.loading import load_defined, with_stored
from bot.tenants.stored_accounts import NO_ACCOUNTS, StoredAccounts
from tests.conftest import driver_threads, driver_threads_ended
from tests.samples import READING
from wechat_kf.simulator import Simulator

CARE, ALERTS = "C0CARE", "C0ALERTS"
APPID, SECRET = "wx0123456789abcdef", "app-secret"
NOWHERE = "sqlite:////nowhere/at/all/kf.db"
POLL_SECONDS = 0.4


def utc_now() -> datetime:
    return datetime.now(UTC)


def invite(wechat: Simulator, name: str, left: timedelta = timedelta(days=3), *, nick: str = "") -> str:
    """Add an account, invite a person to it, and return its key."""
    key = f"{name}@harbour_tea"
    wechat.add_account(key, nick or name.capitalize())
    wechat.invite(key, f"{name}_example", utc_now() + left)
    return key


class Surroundings(Protocol):
    """What a bot runs between: Slack, and WeChat behind an address in the variables."""

    slack: SlackSimulator
    environ: dict[str, str]


@dataclass
class World:
    """WeChat, Slack, and the variables that lead the bot to both."""

    slack: SlackSimulator
    wechat: Simulator
    environ: dict[str, str]

    def invite(self, name: str, left: timedelta = timedelta(days=3), nick: str = "") -> str:
        return invite(self.wechat, name, left, nick=nick)

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.slack.messages(ALERTS)]


@asynccontextmanager
async def world(store_url: str, *, wechat_secret: str = SECRET, **of_slack: Any) -> AsyncIterator[World]:
    """Serve the simulators; fail the test on any unexpected call to Slack."""
    wechat, others = Simulator(APPID, wechat_secret), driver_threads()
    slack = SlackSimulator(channels=[Channel(CARE, "care"), Channel(ALERTS, "kf-alerts")], **of_slack)
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url:
        more = {"DATABASE_URL": store_url, "POLL_SECONDS": "1", "HOST": "127.0.0.1"}
        environ = environ_of(slack, wechat_url, APPID, wechat_secret, ALERTS, PYTHONPATH=PYTHONPATH, **more)
        yield World(slack, wechat, environ)
    await driver_threads_ended(others)
    assert slack.take_unexpected() == []


def settings_in_loop(environ: Mapping[str, str]) -> Settings:
    """Return the settings of a bot in the test's loop.

    One that polls every second, which is the most that an installation may ask for, polls more often here.
    """
    settings = Settings.from_environ(environ)
    return replace(settings, poll_seconds=POLL_SECONDS) if settings.poll_seconds == 1 else settings


@asynccontextmanager
async def bot_in_loop(
    around: Surroundings,
    role: str = "web",
    *,
    clock: Clock = utc_now,
    limits: ResponseLimits = RESPONSE_LIMITS,
    stored: StoredAccounts = NO_ACCOUNTS,
    **changed: str,
) -> AsyncIterator[str]:
    """Run the bot inside the test's loop, with this clock; its address. `stored` are accounts of the store."""
    around_it = around.environ | changed
    async with started_in_loop(around_it, role, clock=clock, limits=limits, stored=stored) as bot:
        if role == "web":
            around.slack.app_url = bot.slack_url
        yield bot.url


@asynccontextmanager
async def started_in_loop(
    environ: Mapping[str, str],
    role: str,
    *,
    clock: Clock,
    limits: ResponseLimits = RESPONSE_LIMITS,
    stored: StoredAccounts = NO_ACCOUNTS,
    settings_of: Callable[[Mapping[str, str]], Settings] = settings_in_loop,
) -> AsyncIterator[BotProcess]:
    """Start a bot with these variables inside the test's loop, and stop it at the end."""
    port = str(free_port())
    environ = {"PORT": port, **environ}
    settings = settings_of(environ)
    defined = load_defined(settings, environ, environment.read_file)
    async with build_fleet(settings, with_stored(defined, stored).watched, clock, role=role) as fleet:
        stop = asyncio.Event()
        running = asyncio.create_task(Process(fleet, role, _never, limits, defined=defined).run(stop, []))
        url = f"http://127.0.0.1:{port}"
        if role == "web":
            await until(lambda: answers(f"{url}/healthz"))
        try:
            yield BotProcess(InLoop(stop, running), url)
        finally:
            stop.set()
            await running


@asynccontextmanager
async def clocked_in_loop(environ: Mapping[str, str]) -> AsyncIterator[BotProcess]:
    """Start the bot on the clock of the playground, as bot.demo.playground.clocked_bot does in a process.

    It polls every second, as there: each poll is drawn on the page, too.
    """
    variables = {**environ, "HOST": "127.0.0.1"}
    variables.pop(PARENT_PROCESS)
    clock = SharedClock(Path(variables.pop(CLOCK_FILE)))
    async with started_in_loop(variables, "web", clock=clock, settings_of=Settings.from_environ) as bot:
        yield bot


@dataclass
class InLoop:
    """A bot in the test's loop, in the place of a process. Each signal stops it."""

    stop: asyncio.Event
    running: asyncio.Task[int]
    returncode: int | None = None

    def send_signal(self, _number: int) -> None:
        self.stop.set()

    async def wait(self) -> int:
        self.returncode = await asyncio.shield(self.running)
        return self.returncode


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
