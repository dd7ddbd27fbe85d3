"""Count the files in which a function runs for one command, one alert and one click.

`python -m bench.files_entered` prints the three numbers, with `--list` also the files. The bot runs in this process
between simulators that it reaches over HTTP. Files of the simulators do not count, nor functions that they call.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, ClassVar

from bench.testbed import ALERTS, APPID, SECRET, sqlite
from bench.uncached_bot import reuse_no_read
from bot import app, loops
from bot.demo.process import ROOT, environ_of, free_port
from bot.demo.servers import serve_slack, serve_wechat
from bot.demo.slack_simulator import Channel, Message, SlackSimulator
from bot.fleet import build_fleet
from bot.poll_loop import PollLoop
from bot.runtime.tasks import PeriodicTask
from bot.settings.values import Settings
from bot.tenants.tenant import of_environment
from bot.web import connection_limits
from bot.wiring import Services
from wechat_kf.simulator import Simulator

COUNTED = ("bot/", "wechat_kf/")
SIMULATORS = ("bot/demo/", "wechat_kf/simulator/")
HOUR = 3600.0  # seconds
WITHIN = 20.0  # seconds for an answer
POST_INTERVAL = 1.1  # seconds: the bot posts once a second
REST = 0.3  # seconds for work that goes on after a response

Flow = Callable[[], Awaitable[object]]


class FileRecorder:
    """Records the files in which functions are called."""

    def __init__(self) -> None:
        self._files: set[str] | None = None  # None: not recording
        self._paths: dict[CodeType, str] = {}

    def install(self) -> None:
        """Profile this thread and those that start later: the store's driver has a thread of its own."""
        threading.setprofile(self._on_event)
        sys.setprofile(self._on_event)

    async def record(self, flow: Flow) -> set[str]:
        """Run a flow, and return the files that it enters."""
        self._files = found = set[str]()
        await flow()
        await asyncio.sleep(REST)
        self._files = None
        return found

    def _on_event(self, frame: FrameType, event: str, _argument: object) -> None:
        if self._files is None or event != "call":
            return
        path = self._path(frame.f_code)
        if path.startswith(COUNTED) and not self._is_of_simulator(frame):
            self._files.add(path)

    def _path(self, code: CodeType) -> str:
        """Return the path of a function's file below the root; "" if it is elsewhere."""
        if code not in self._paths:
            path = Path(code.co_filename)
            self._paths[code] = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else ""
        return self._paths[code]

    def _is_of_simulator(self, frame: FrameType | None) -> bool:
        """Return whether a simulator's function is running, or one that it called."""
        while frame:
            if self._path(frame.f_code).startswith(SIMULATORS):
                return True
            frame = frame.f_back
        return False


class SteppedLoop(PeriodicTask):
    """A loop that takes one step at the start of the bot, and others only on request."""

    by_name: ClassVar[dict[str, SteppedLoop]] = {}
    started: ClassVar[asyncio.Event] = asyncio.Event()

    def __init__(
        self, name: str, step: Callable[[], Coroutine[Any, Any, float | None]], _every: float, **options: Any
    ) -> None:
        async def step_and_rest() -> None:
            try:
                await step()
            finally:
                self._has_stepped.set()

        super().__init__(name, step_and_rest, HOUR, **options)
        self._has_stepped = asyncio.Event()
        self.wanted = asyncio.Event()
        self.by_name[name] = self
        self.started.set()

    def wake(self) -> None:
        """Record that another part of the bot requests a step. Whether it belongs to a flow is decided here."""
        self.wanted.set()

    async def take_step(self) -> None:
        self._has_stepped.clear()
        super().wake()
        await self._has_stepped.wait()


class SteppedPollLoop(PollLoop, SteppedLoop):
    """The loop of polls. Its step ends when the poll has, which a slot makes."""

    async def take_step(self) -> None:
        await super().take_step()
        while self.is_polling(APPID):  # noqa: ASYNC110  there is nothing to be notified by
            await asyncio.sleep(0.01)


class Flows:
    """The three flows through a running bot."""

    def __init__(self, slack: SlackSimulator, wechat: Simulator, parts: Services) -> None:
        self._slack = slack
        self._wechat = wechat
        self._parts = parts

    async def count(self) -> dict[str, set[str]]:
        """Return the files by flow. Each runs twice and counts the second time, when the bot is warm."""
        recorder, found = FileRecorder(), dict[str, set[str]]()
        recorder.install()
        for name in ("bo", "li"):
            await self._invite(name)
            found["/kf find anna"] = await recorder.record(self._find)
            self._wechat.reject(_account(name))
            await self._make_poll_due()
            found["one alert"] = await recorder.record(self._alert)
            await asyncio.sleep(POST_INTERVAL)
            found["one Acknowledge"] = await recorder.record(self._acknowledge)
        return found

    async def _invite(self, name: str) -> None:
        """Invite a user, and let the bot poll the invitation and post what follows."""
        self._wechat.add_account(_account(name), name.capitalize())
        self._wechat.invite(_account(name), f"{name}_example", datetime.now(UTC) + timedelta(days=3))
        await self._make_poll_due()
        await SteppedLoop.by_name["watcher"].take_step()
        await SteppedLoop.by_name["delivery"].take_step()
        await asyncio.sleep(POST_INTERVAL)

    async def _make_poll_due(self) -> None:
        if self._parts.watcher:
            await self._parts.watcher.make_due()

    async def _find(self) -> None:
        said = await self._slack.command("find anna", channel=ALERTS)
        answer = await said.answer(WITHIN)
        _check("Anna" in answer.text, answer)

    async def _alert(self) -> None:
        await SteppedLoop.by_name["watcher"].take_step()
        await SteppedLoop.by_name["delivery"].take_step()
        _check(self._newest().text.startswith("Rejected"), self._newest())

    async def _acknowledge(self) -> None:
        """Acknowledge an alert, and let the bot update it and reply in its thread."""
        alert, delivery = self._newest(), SteppedLoop.by_name["delivery"]
        delivery.wanted.clear()
        await self._slack.click(alert, "alert.ack")
        await delivery.wanted.wait()  # the click is saved
        await delivery.take_step()
        replies = [message for message in self._slack.messages(ALERTS) if message.thread_ts == alert.ts]
        _check(len(replies) == 1 and self._slack.present(alert) != alert, alert)

    def _newest(self) -> Message:
        """Return the newest message outside threads."""
        return [message for message in self._slack.messages(ALERTS) if message.thread_ts is None][-1]


def _account(name: str) -> str:
    return f"{name}@harbour_tea"


def _check(is_as_expected: bool, message: Message) -> None:
    if not is_as_expected:
        raise RuntimeError(f"the flow did not end as expected: {message.text}")


@asynccontextmanager
async def running_here(folder: Path) -> AsyncIterator[Flows]:
    """Run the bot and the simulators in this process."""
    slack, wechat = SlackSimulator(channels=[Channel(ALERTS, "kf-alerts")]), Simulator(APPID, SECRET)
    wechat.add_account(_account("anna"), "Anna", kf_wx="anna_example")
    port, stop = free_port(), asyncio.Event()
    async with serve_slack(slack), serve_wechat(wechat) as wechat_url:
        variables = {"DATABASE_URL": sqlite(folder, "kf"), "HOST": "127.0.0.1", "PORT": str(port)}
        settings = Settings.from_environ(environ_of(slack, wechat_url, APPID, SECRET, ALERTS, **variables))
        slack.app_url = f"http://127.0.0.1:{port}/slack/events"
        async with build_fleet(settings, [of_environment(settings)], role="web") as fleet:
            parts = fleet.first
            process = asyncio.create_task(app.Process(fleet, "web", lambda _status: None).run(stop))
            try:
                await SteppedLoop.started.wait()  # then the server listens
                yield Flows(slack, wechat, parts)
            finally:
                stop.set()
                await process


async def measure() -> dict[str, set[str]]:
    """Return the files that each flow enters."""
    reuse_no_read()
    app.PeriodicTask = loops.PeriodicTask = SteppedLoop
    loops.PollLoop = SteppedPollLoop
    connection_limits.SWEEP_SECONDS = HOUR  # the sweep for idle connections belongs to no flow
    with tempfile.TemporaryDirectory() as folder:
        async with running_here(Path(folder)) as flows:
            return await flows.count()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.files_entered", description=__doc__)
    parser.add_argument("--list", action="store_true", help="print the files, too")
    options = parser.parse_args(arguments)
    for flow, files in asyncio.run(measure()).items():
        print(f"{flow}: {len(files)}")
        if options.list:
            print("".join(f"  {path}\n" for path in sorted(files)), end="")


if __name__ == "__main__":
    main()
