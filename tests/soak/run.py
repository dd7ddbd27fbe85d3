"""One run: everything at once for a while, then one bot that is left alone, then the verdict."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from bot.store.database import Store
from tests.crash.hours import let_an_hour_pass
from tests.crash.runner import unfinished
from tests.soak.environment import ACCOUNT, SoakEnvironment
from tests.soak.faults import FaultInjector
from tests.soak.load import Load, Users
from tests.soak.processes import Bots
from tests.soak.results import SoakResult
from tests.soak.schedule import plan_lifetimes

ERROR_LINE = re.compile(r" (?:ERROR|CRITICAL) .*|Traceback.*")
SETTLE_TIMEOUT = 90.0  # seconds at most until all alerts are posted and up to date
EVENT_SECONDS = 4.0  # seconds
QUIET = 2.0  # seconds without a complaint, while the store has nothing more to send
STALL_INTERVAL = 0.05  # seconds
HOUR_SECONDS = 4.0  # seconds after which the limit of operations in an hour starts from zero


@dataclass
class SoakRun:
    """A run on one store."""

    store_url: str
    folder: Path  # takes the bots' log and the diary
    seed: str
    load: Load = field(default_factory=Load)
    progress: Callable[[str], None] = lambda _: None  # receives a line of progress once a minute
    _stall: float = 0.0

    async def run(self, seconds: float, *, event_every: float = EVENT_SECONDS) -> SoakResult:
        """Run for so many seconds, with a new event every `event_every` seconds."""
        began, rng = time.monotonic(), random.Random(self.seed)
        log = self.folder / "bots.log"
        log.write_text("")
        environment = SoakEnvironment(rng, self.folder / "diary.txt")
        injector = FaultInjector(environment.slack, environment.account.wechat, rng)
        async with environment.serve() as variables:
            bots = Bots(variables | {"DATABASE_URL": self.store_url}, log)
            users = Users(environment.slack, bots, environment.account.channel, rng)
            environment.account.operators.find_bot = users.find_bot
            stalls = asyncio.create_task(self._measure_stalls())
            progress = asyncio.create_task(self._report_progress(users, bots))
            async with bots.run():
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(users.run(self.load))
                    tasks.create_task(environment.operate(self.load.operations_every, users.stopping))
                    others = [
                        tasks.create_task(work)
                        for work in (
                            environment.change_invitations(event_every),
                            injector.run(),
                            self._let_hours_pass(),
                        )
                    ]
                    await bots.replace_each(plan_lifetimes(seconds, rng))
                    for one in others:
                        one.cancel()
                    users.stop()
                await self._settle(environment)
            stalls.cancel()
            progress.cancel()
        users.forget(0)
        return SoakResult(
            interactions=users.interactions,
            processes=bots.processes,
            replacements=Counter(bots.replacements),
            faults=injector.armed,
            alerts=environment.judge(),
            operations=environment.judge_operations(),
            forms=environment.account.operators.submissions,
            forms_not_opened=environment.account.operators.not_opened,
            unexpected=[
                *bots.unexpected,
                *environment.slack.take_unexpected(),
                *ERROR_LINE.findall(log.read_text(errors="replace")),
            ],
            stall=self._stall,
            seconds=time.monotonic() - began,
        )

    async def _settle(self, environment: SoakEnvironment) -> None:
        """Let the last bot run until there is no complaint for a while."""
        store = Store.from_url(self.store_url, ACCOUNT.appid)
        until = time.monotonic() + SETTLE_TIMEOUT
        quiet_since = time.monotonic()
        try:
            while time.monotonic() < min(until, quiet_since + QUIET):
                complaints = environment.judge().complaints | environment.judge_operations().complaints
                if environment.is_due_soon() or complaints or await unfinished(store):
                    quiet_since = time.monotonic()
                await asyncio.sleep(0.25)
        finally:
            await store.close()

    async def _let_hours_pass(self) -> None:
        store = Store.from_url(self.store_url, ACCOUNT.appid)
        try:
            while True:
                await asyncio.sleep(HOUR_SECONDS)
                await let_an_hour_pass(store)
        finally:
            await store.close()

    async def _report_progress(self, users: Users, bots: Bots) -> None:
        for minute in count(1):
            await asyncio.sleep(60)
            answered = sum(one.answered is not None for one in users.interactions)
            counts = f"{len(users.interactions)} sent, {answered} answered, {len(bots.replacements)} replaced"
            self.progress(f"{minute} min: {counts}")

    async def _measure_stalls(self) -> None:
        """Record the longest stall of this process: it may explain late responses."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(STALL_INTERVAL)
            self._stall = max(self._stall, time.monotonic() - began - STALL_INTERVAL)
