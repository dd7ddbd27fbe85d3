"""A crash test of one store: many kills, then one bot that keeps running, then the verdict."""

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
from bot.store.database import Store
from bot.store.outbox import rows_of
from bot.store.tables import message, operation
from tests.crash import faults
from tests.crash.accounts import ALONE, CrashAccount
from tests.crash.environment import CrashEnvironment
from tests.crash.failpoint_bot import CLOCK_SKEW, FAILPOINT
from tests.crash.failpoints import ON_EMPTY_STORE, Failpoint, Precondition, Site
from tests.crash.fault_proxy import SITES
from tests.crash.hours import let_an_hour_pass
from tests.crash.operation_oracle import OperationVerdict
from tests.crash.oracle import Verdict
from tests.crash.watched_account import EDIT_REST
from tests.crash.workload import MAX_UNREPORTED

REACH_TIMEOUT = 20  # seconds in which a running bot reaches a failpoint; then it is killed anyway
LIFETIME = (0.3, 5.0)  # seconds until a kill at any time, or until an event while the bot runs
NEWS_DURING_LIFE = 0.4  # the share of bots that meet such an event
PAUSE = Failpoint(
    Site.TIME, precondition=Precondition.NOTHING
)  # posts are a second apart: sometimes the queue must become shorter
QUIET = 3  # seconds without a complaint, while the store has nothing more to send
SETTLE_TIMEOUT = 90  # seconds at most, and one for each pending message
LOOKUP_OUTCOME = re.compile(r"delivery lookup message=\S+ outcome=(\w+)")
# The run causes the problems that health reports, except those of the store.
ERROR_LINE = re.compile(r" (?:ERROR|CRITICAL) (?!bot\.health_log problem began kind=(?!store_)).*|Traceback.*")
STALL_INTERVAL = 0.05  # seconds


@dataclass
class CrashResult:
    """The outcome of a run on one store."""

    kills: Counter[str] = field(default_factory=Counter)  # by failpoint
    missed: Counter[str] = field(default_factory=Counter)  # failpoints that were not reached in time
    verdict: Verdict = field(default_factory=Verdict)
    operations: OperationVerdict = field(default_factory=OperationVerdict)
    mixed: list[str] = field(default_factory=list)  # data of another account in a message or modal
    excess_posts: list[str] = field(default_factory=list)  # posts beyond their attempts
    unexpected: list[str] = field(
        default_factory=list
    )  # requests that Slack does not expect; errors in the bot's log
    lookups: Counter[str] = field(default_factory=Counter)  # by outcome
    requests: Counter[str] = field(default_factory=Counter)  # by kind
    stall: float = 0.0  # seconds: the longest time in which WeChat and Slack did not respond
    seconds: float = 0.0

    @property
    def unreached(self) -> list[str]:
        """Return the failpoints that were never reached."""
        return sorted(name for name, number in self.missed.items() if number and not self.kills[name])

    @property
    def complaints(self) -> dict[str, list[str]]:
        found = (
            self.verdict.complaints
            | self.operations.complaints
            | {
                "data of another account": self.mixed,
                "more than one request an attempt": self.excess_posts,
                "unexpected": self.unexpected,
            }
        )
        return {kind: lines for kind, lines in found.items() if lines}


class CrashRun:
    """One environment, one store, and one bot after another."""

    def __init__(
        self, store_url: str, folder: Path, seed: str, skew: float = 0, accounts: Sequence[CrashAccount] = ALONE
    ) -> None:
        """Prepare a run.

        Args:
            folder: takes the bots' log and the diary.
            skew: the largest error of a process's clock, in seconds.
        """
        self._rng = random.Random(seed)
        self._skew = skew
        self._store_url = store_url
        self._log = folder / "bot.log"
        self._environment = CrashEnvironment(folder / "diary.txt", self._rng, accounts)
        self._variables: dict[str, str] = {}
        self._result = CrashResult()

    async def run(
        self, points: Sequence[Failpoint], progress: Callable[[int], None] = lambda _: None
    ) -> CrashResult:
        """Kill bots at these failpoints, let the last one run, and judge.

        A failpoint that was not reached gets a second try. `progress` receives the number of kills so far.
        """
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks, self._environment.serve() as variables:
            stalls = tasks.create_task(self._measure_stalls())
            self._variables = variables | {"DATABASE_URL": self._store_url}
            self._environment.begin()
            waiting = deque(points)
            while waiting:
                if self._environment.unreported_count() > MAX_UNREPORTED and waiting[0] not in ON_EMPTY_STORE:
                    await self._kill_at(PAUSE)
                point = await self._next(waiting)
                if not await self._kill_at(point) and self._result.missed[str(point)] == 1:
                    waiting.append(point)
                progress(self._result.kills.total())
            self._environment.stop_faults()
            await self._settle()
            stalls.cancel()
        self._read_logs()
        self._result.seconds = time.monotonic() - began
        return self._result

    async def _next(self, waiting: deque[Failpoint]) -> Failpoint:
        """Return the next failpoint whose precondition can be met. One that needs an old message waits for one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(EDIT_REST):
                while True:
                    ready = [
                        point
                        for point in waiting
                        if point.precondition is not Precondition.CHANGED_MESSAGE
                        or self._environment.is_any_editable()
                    ]
                    if ready:
                        waiting.remove(ready[0])
                        return ready[0]
                    await asyncio.sleep(0.1)  # until a message is old enough
        return waiting.popleft()

    async def _kill_at(self, point: Failpoint) -> bool:
        """Start a bot and wait until it is killed. Return whether that was at the failpoint."""
        self._environment.note(f"-- {point} ({point.precondition.value})")
        await self._let_an_hour_pass()
        precondition = self._environment.prepare(point.precondition)
        async with AsyncExitStack() as stack:
            if self._rng.random() < NEWS_DURING_LIFE and self._environment.unreported_count() < MAX_UNREPORTED:
                loop, moment = asyncio.get_running_loop(), self._rng.uniform(*LIFETIME)
                stack.callback(loop.call_later(moment, self._environment.add_event).cancel)
            if point.site is Site.TWO:
                other = await stack.enter_async_context(self._bot(self._variables))
                stack.push_async_callback(self._kill_at_random_time, other, Site.TWO)
            lease = {"ALERT_LEASE_SECONDS": str(faults.lease(precondition, self._rng))}
            bot = await stack.enter_async_context(
                self._bot(self._variables | lease | self._commit_failpoint(point))
            )
            if point.site in SITES.values():
                self._environment.fault_proxy.arm(point, lambda: _kill(bot))
            self._environment.wechat_proxy.arm(point, lambda: _kill(bot))
            forms = asyncio.create_task(self._environment.operate(bot, point.precondition))
            reached = await self._wait_for_kill(bot, point)
            await forms
        self._environment.fault_proxy.disarm()
        self._environment.wechat_proxy.disarm()
        self._result.kills[str(point) if reached else Site.TIME] += 1
        self._result.missed[str(point)] += not reached
        self._environment.note(f"-- killed{'' if reached else ', not at the failpoint'}")
        return reached

    @asynccontextmanager
    async def _bot(self, variables: dict[str, str]) -> AsyncIterator[BotProcess]:
        """Run a bot that must be killed before the block ends. Kill it in any case afterwards."""
        skew = {CLOCK_SKEW: str(self._rng.uniform(-self._skew, self._skew))}
        async with running(variables | skew, module="tests.crash.failpoint_bot", wait=False, log=self._log) as bot:
            try:
                yield bot
            finally:
                await bot.stop(signal.SIGKILL)
        if bot.process.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the bot was not killed, and ended with status {bot.process.returncode}")

    def _commit_failpoint(self, point: Failpoint) -> dict[str, str]:
        if point.site not in (Site.BEFORE, Site.AFTER):
            return {}
        # These commits recur with every poll, so the second one is as good as the first.
        number = self._rng.randint(1, 2) if point.precondition is Precondition.NOTHING else 1
        return {FAILPOINT: f"{point.site.name.lower()},{point.what},{number}"}

    async def _wait_for_kill(self, bot: BotProcess, point: Failpoint) -> bool:
        """Wait for the kill, or kill: at random sites, and if the failpoint is not reached."""
        if point.site in (Site.TIME, Site.TWO):
            await self._kill_at_random_time(bot)
            return True
        await self._environment.is_up(bot)  # which takes long on a busy machine
        with suppress(TimeoutError):
            await asyncio.wait_for(bot.process.wait(), REACH_TIMEOUT)
            return True
        _kill(bot)
        return False

    async def _kill_at_random_time(self, bot: BotProcess, name: str = "") -> None:
        with suppress(TimeoutError):
            queue = self._environment.unreported_count() - MAX_UNREPORTED // 2  # a post takes a second
            await asyncio.wait_for(bot.process.wait(), self._rng.uniform(*LIFETIME) + max(0, queue))
        _kill(bot)
        self._result.kills.update([name] if name else [])

    async def _settle(self) -> None:
        """Run one bot until there is no complaint for a while."""
        self._environment.note("-- the last bot runs")
        store = self._store()
        try:
            async with running(self._variables, wait=False, log=self._log) as bot:
                await self._environment.operate(bot, Precondition.NOTHING)
                until = time.monotonic() + SETTLE_TIMEOUT + await unfinished(store)
                quiet_since = time.monotonic()
                while time.monotonic() < min(until, quiet_since + QUIET):
                    due_soon = self._environment.is_due_soon()
                    complaints = (
                        self._environment.judge().complaints | self._environment.judge_operations().complaints
                    )
                    if due_soon or complaints or await unfinished(store):
                        quiet_since = time.monotonic()
                    await asyncio.sleep(0.5)
            self._result.verdict = self._environment.judge()
            self._result.operations = self._environment.judge_operations()
            self._result.mixed = self._environment.mixed()
            self._result.excess_posts = await self._excess_posts(store)
        finally:
            await store.close()

    async def _let_an_hour_pass(self) -> None:
        if not self._environment.has_operated():
            return  # there may be no tables yet
        store = self._store()
        try:
            await let_an_hour_pass(store)
        finally:
            await store.close()

    def _store(self) -> Store:
        return Store.from_url(self._store_url, self._environment.accounts[0].account.appid)

    async def _excess_posts(self, store: Store) -> list[str]:
        """Return the messages for which more requests arrived than the bot made attempts."""
        async with store.begin() as tx:
            rows = rows_of(tx, (await tx.run(sa.select(message))).mappings())
        key_of = self._environment.message_key
        allowed = {key_of(row.appid, row.id, of_several=row.of_several): row.post_attempts for row in rows}
        return [
            f"{number} posts of {key} in {allowed.get(key, 0)} attempts"
            for key, number in self._environment.fault_proxy.posts.items()
            if number > allowed.get(key, 0)
        ]

    def _read_logs(self) -> None:
        result, log = self._result, self._log.read_text(errors="replace")
        result.lookups.update(LOOKUP_OUTCOME.findall(log))
        for method, number in self._environment.fault_proxy.requests.items():
            result.requests[SITES.get(method, method)] += number
        result.unexpected = [*self._environment.take_unexpected(), *ERROR_LINE.findall(log)]

    async def _measure_stalls(self) -> None:
        """Record the longest stall of this process: one above the short lease may explain a repeated alert."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(STALL_INTERVAL)
            self._result.stall = max(self._result.stall, time.monotonic() - began - STALL_INTERVAL)


def _kill(bot: BotProcess) -> None:
    with suppress(ProcessLookupError):
        bot.process.kill()


async def unfinished(store: Store) -> int:
    """Count the messages that the store has still to send, and the operations that have not ended."""
    waits, runs = message.c.status.in_(("pending", "sending")), operation.c.ended_at.is_(None)
    async with store.begin() as tx:
        messages = (await tx.run(sa.select(message.c.id).where(waits))).all()
        return len(messages) + len((await tx.run(sa.select(operation.c.id).where(runs))).all())
