"""A crash test of one store: kill after kill, then one bot that is left alone, then the verdict."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from bot.demo.process import BotProcess, running
from bot.store import Store
from bot.store.tables import message
from tests.crash import faults
from tests.crash.environment import APPID, EDIT_REST, World
from tests.crash.failpoint_bot import KILL_AT, SKEW
from tests.crash.failpoints import FIRST, Needs, Point, Where
from tests.crash.fault_proxy import KIND
from tests.crash.oracle import Verdict
from tests.crash.workload import PLENTY

PATIENCE = 20  # seconds for a kill point to be reached; then the kill comes anyway
LIFE = (0.3, 5.0)  # seconds: when a kill at any time comes, or news while the bot is at work
SURPRISING = 0.4  # of all lives have such news
BREATH = Point(Where.TIME, needs=Needs.NOTHING)  # posts are a second apart: now and then a queue grows too long
QUIET = 3  # seconds without a complaint, while the store has nothing more to send
SETTLING = 90  # seconds at most, and one for each message that waits
LOOKED = re.compile(r"look for message=\S+ outcome=(\w+)")
# Problems that health reports are made on purpose, but for those of the store.
FAILED = re.compile(r" (?:ERROR|CRITICAL) (?!bot\.health_log problem began kind=(?!store_)).*|Traceback.*")
PULSE = 0.05  # seconds


@dataclass
class Result:
    """What came of a run on one store."""

    kills: Counter[str] = field(default_factory=Counter)  # by the name of the point
    missed: Counter[str] = field(default_factory=Counter)  # points that were not reached in time
    verdict: Verdict = field(default_factory=Verdict)
    excess: list[str] = field(default_factory=list)  # posts beyond their attempts
    odd: list[str] = field(default_factory=list)  # what Slack did not expect; failures in the bot's log
    looks: Counter[str] = field(default_factory=Counter)  # by outcome
    requests: Counter[str] = field(default_factory=Counter)  # by kind
    stall: float = 0.0  # seconds: the longest for which WeChat and Slack did not answer anybody
    seconds: float = 0.0

    @property
    def never(self) -> list[str]:
        """The points that were tried in vain."""
        return sorted(name for name, number in self.missed.items() if number and not self.kills[name])

    @property
    def complaints(self) -> dict[str, list[str]]:
        found = self.verdict.complaints | {"more than one request an attempt": self.excess, "odd": self.odd}
        return {kind: lines for kind, lines in found.items() if lines}


class Arena:
    """One world, one store, and one bot after another."""

    def __init__(self, store_url: str, folder: Path, seed: str, skew: float = 0) -> None:
        """`skew` is the most, in seconds, that the clock of a process is ahead or behind."""
        """`folder` takes the bots' log and the diary."""
        self._rng = random.Random(seed)
        self._skew = skew
        self._store_url = store_url
        self._log = folder / "bot.log"
        self._world = World(folder / "diary.txt", self._rng)
        self._environ: dict[str, str] = {}
        self._result = Result()

    async def run(self, points: Sequence[Point], progress: Callable[[int], None] = lambda _: None) -> Result:
        """Kill bots at these points, let the last one live, and judge.

        A point that was not reached has a second turn. `progress` is told the kills so far.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks, self._world.serve() as environ:
            pulse = tasks.create_task(self._feel_the_pulse())
            self._environ = environ | {"DATABASE_URL": self._store_url}
            self._world.script.begin()
            waiting = deque(points)
            while waiting:
                if self._world.owed() > PLENTY and waiting[0] not in FIRST:
                    await self._life(BREATH)
                point = await self._next(waiting)
                if not await self._life(point) and self._result.missed[str(point)] == 1:
                    waiting.append(point)
                progress(self._result.kills.total())
            self._world.calm_down()
            await self._settle()
            pulse.cancel()
        self._sum_up()
        self._result.seconds = time.monotonic() - began
        return self._result

    async def _next(self, waiting: deque[Point]) -> Point:
        """The next point whose needs can be met. One that wants an old message is put off until there is one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(EDIT_REST):
                while True:
                    ready = [point for point in waiting if point.needs is not Needs.VIEW or self._world.rested()]
                    if ready:
                        waiting.remove(ready[0])
                        return ready[0]
                    await asyncio.sleep(0.1)  # messages come to rest by themselves
        return waiting.popleft()

    async def _life(self, point: Point) -> bool:
        """Start a bot, and see it killed. Was it where it should be?"""
        self._world.note(f"-- {point} ({point.needs.value})")
        needs = self._world.move_on(point.needs)
        async with AsyncExitStack() as stack:
            if self._rng.random() < SURPRISING and self._world.owed() < PLENTY:
                loop, moment = asyncio.get_running_loop(), self._rng.uniform(*LIFE)
                stack.callback(loop.call_later(moment, self._world.script.make_news).cancel)
            if point.where is Where.TWO:
                other = await stack.enter_async_context(self._bot(self._environ))
                stack.push_async_callback(self._kill_some_time, other, Where.TWO)
            lease = {"ALERT_LEASE_SECONDS": str(faults.lease(needs, self._rng))}
            bot = await stack.enter_async_context(self._bot(self._environ | lease | self._bullet(point)))
            if point.where in KIND.values():
                self._world.gate.set_trap(point, lambda: _kill(bot))
            reached = await self._killed(bot, point)
        self._world.gate.take_trap()
        self._result.kills[str(point) if reached else Where.TIME] += 1
        self._result.missed[str(point)] += not reached
        self._world.note(f"-- killed{'' if reached else ', by impatience'}")
        return reached

    @asynccontextmanager
    async def _bot(self, environ: dict[str, str]) -> AsyncIterator[BotProcess]:
        """A bot that is to be killed before the block ends, and surely is after it."""
        skew = {SKEW: str(self._rng.uniform(-self._skew, self._skew))}
        async with running(environ | skew, module="tests.crash.failpoint_bot", wait=False, log=self._log) as bot:
            try:
                yield bot
            finally:
                await bot.stop(signal.SIGKILL)
        if bot.process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the bot ended by itself with status {bot.process.returncode}")

    def _bullet(self, point: Point) -> dict[str, str]:
        if point.where not in (Where.BEFORE, Where.AFTER):
            return {}
        # A bot polls again and again, so that its second time may be as good as its first.
        number = self._rng.randint(1, 2) if point.needs is Needs.NOTHING else 1
        return {KILL_AT: f"{point.where.name.lower()} {point.what} {number}"}

    async def _killed(self, bot: BotProcess, point: Point) -> bool:
        """Wait for the kill. At any time, or when it does not come, it comes from here."""
        if point.where in (Where.TIME, Where.TWO):
            await self._kill_some_time(bot)
            return True
        with suppress(TimeoutError):
            await asyncio.wait_for(bot.process.wait(), PATIENCE)
            return True
        _kill(bot)
        return False

    async def _kill_some_time(self, bot: BotProcess, name: str = "") -> None:
        with suppress(TimeoutError):
            queue = self._world.owed() - PLENTY // 2  # a post takes a second
            await asyncio.wait_for(bot.process.wait(), self._rng.uniform(*LIFE) + max(0, queue))
        _kill(bot)
        self._result.kills.update([name] if name else [])

    async def _settle(self) -> None:
        """Let one bot live until there is nothing more to complain of, and for a while after."""
        self._world.note("-- the last one lives")
        store = Store.at(self._store_url, APPID)
        try:
            async with running(self._environ, wait=False, log=self._log):
                until = time.monotonic() + SETTLING + await self._unsent(store)
                quiet_since = time.monotonic()
                while time.monotonic() < min(until, quiet_since + QUIET):
                    due_soon = self._world.script.is_due_soon()
                    if due_soon or self._world.judge().complaints or await self._unsent(store):
                        quiet_since = time.monotonic()
                    await asyncio.sleep(0.5)
            self._result.verdict = self._world.judge()
            self._result.excess = await self._excess(store)
        finally:
            await store.close()

    async def _unsent(self, store: Store) -> int:
        """How many messages the store has still to send."""
        waits = message.c.status.in_(("pending", "sending"))
        async with store.begin() as tx:
            return len((await tx.run(sa.select(message.c.id).where(waits))).all())

    async def _excess(self, store: Store) -> list[str]:
        """Where more requests arrived than there were attempts to post."""
        async with store.begin() as tx:
            rows = await tx.run(sa.select(message.c.id, message.c.posts))
            allowed = {self._world.mark(row.id): row.posts for row in rows}
        return [
            f"{number} posts of {key} in {allowed.get(key, 0)} attempts"
            for key, number in self._world.gate.posts.items()
            if number > allowed.get(key, 0)
        ]

    def _sum_up(self) -> None:
        result, log = self._result, self._log.read_text(errors="replace")
        result.looks.update(LOOKED.findall(log))
        for method, number in self._world.gate.requests.items():
            result.requests[KIND.get(method, method)] += number
        result.odd = [*self._world.take_unexpected(), *FAILED.findall(log)]

    async def _feel_the_pulse(self) -> None:
        """Notice when this machine was too slow for the short lease: then a repeat may be its fault."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(PULSE)
            self._result.stall = max(self._result.stall, time.monotonic() - began - PULSE)


def _kill(bot: BotProcess) -> None:
    with suppress(ProcessLookupError):
        bot.process.kill()
