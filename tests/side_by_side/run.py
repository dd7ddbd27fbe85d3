"""One store and one order of two versions: one makes the store, the other joins, and each is killed in turn."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from bot import actions
from bot.demo.process import BotProcess, running
from bot.demo.slack_simulator import Message
from bot.store.database import Store
from tests.crash.accounts import PEOPLE
from tests.crash.environment import CrashEnvironment
from tests.crash.failpoints import Precondition
from tests.crash.runner import ERROR_LINE, QUIET, unfinished
from tests.crash.workload import EXPIRED, REJECTED
from tests.running import until
from tests.side_by_side.outcome import Outcome, Version

ROUNDS = 6  # in every second one, one of the two is killed and started again
REPORT_SECONDS = 60.0  # until everything that happened must be shown
CLICK_SECONDS = 20.0  # until a click must show: an edit waits up to ten
SETTLE_SECONDS = 90.0
POSTED = re.compile(r"post message=(\S+) .*outcome=sent")
TROUBLES = (
    Precondition.NEW_EVENT,
    Precondition.LOST_RESPONSE,
    Precondition.LOST_REQUEST,
    Precondition.CHANGED_MESSAGE,
)


class SideBySide:
    """Two bots of different versions. `roots` are their code."""

    def __init__(self, store_url: str, folder: Path, seed: str, roots: Mapping[Version, Path]) -> None:
        self._store_url = store_url
        self._folder = folder
        self._rng = random.Random(seed)
        self._roots = roots
        self._environment = CrashEnvironment(folder / "diary.txt", self._rng)
        (self._account,) = self._environment.accounts
        self._variables: dict[str, str] = {}
        self._stacks: dict[Version, AsyncExitStack] = {}
        self._alive: dict[Version, BotProcess] = {}
        self._outcome = Outcome()
        self._account.operators.find_bot = self._direct

    async def run(self, first: Version) -> Outcome:
        """Let one version make the store, then both work on it, and judge."""
        async with self._environment.serve() as self._variables, self._ended():
            self._environment.begin()
            await self._start(first)
            await self._reported()
            await self._start(first.other)
            for number in range(ROUNDS):
                killed = [first, first.other][number // 2 % 2] if number % 2 else None
                await self._round(killed)
            self._environment.stop_faults()
            await self._settle()
            self._outcome.verdict = self._environment.judge()
            self._outcome.operations = self._environment.judge_operations()
        self._read_logs()
        return self._outcome

    async def _round(self, killed: Version | None) -> None:
        """Let events happen, a person operate and click, and start the killed version again."""
        self._environment.prepare(self._rng.choice(TROUBLES))
        if killed:
            await asyncio.sleep(self._rng.uniform(0, 2))
            await self._kill(killed)
            self._environment.prepare(Precondition.NEW_EVENT)
        await self._account.operators.submit_again()
        await self._account.operators.operate(lambda: True)
        await self._reported()
        for version in [*self._alive]:
            await self._click_alert_of(version.other, version)
        if killed:
            await self._start(killed)

    async def _reported(self) -> None:
        """Wait until everything is shown. What is still not shown at the end is lost."""
        with suppress(TimeoutError):
            await until(lambda: self._environment.unreported_count() == 0, within=REPORT_SECONDS)

    async def _click_alert_of(self, poster: Version, handler: Version) -> None:
        """Acknowledge an alert that one version has posted, at the other one.

        Only of a rejection or an expiry: after that of a reminder the oracle would miss the next one.
        """
        keys = self._keys_posted_by(poster)
        alerts = [
            message
            for message in self._account.channel.current.values()
            if _key_of(message) in keys
            and not message.edits  # its buttons are those of the version that edited it
            and _has_button(message, actions.ACKNOWLEDGE)
            and {event for _, event in self._account.oracle.events_in(message)} <= {REJECTED, EXPIRED}
        ]
        if not alerts:
            return
        ts = alerts[-1].ts
        self._environment.slack.app_url = self._alive[handler].slack_url
        await self._environment.slack.click(alerts[-1], actions.ACKNOWLEDGE, user=self._rng.choice([*PEOPLE]))
        try:
            await until(lambda: self._is_acknowledged(ts), within=CLICK_SECONDS)
        except TimeoutError:
            self._outcome.dead_buttons.append(f"{ts} of the {poster} version, clicked at the {handler} one")
        else:
            self._outcome.clicked[handler] += 1

    def _is_acknowledged(self, ts: str) -> bool:
        """Return whether the thread of an alert says so, and its button is gone."""
        replies = [one for one in self._account.channel.posted if one.thread_ts == ts]
        return any(one.text.startswith("Acknowledged by") for one in replies) and not _has_button(
            self._account.channel.current[ts], actions.ACKNOWLEDGE
        )

    async def _settle(self) -> None:
        """Wait until there has been no complaint for a while."""
        store = Store.from_url(self._store_url, self._account.account.appid)
        end = time.monotonic() + SETTLE_SECONDS
        quiet_since = time.monotonic()
        try:
            while time.monotonic() < min(end, quiet_since + QUIET):
                wrong = self._environment.judge().complaints | self._environment.judge_operations().complaints
                if self._environment.is_due_soon() or wrong or await unfinished(store):
                    quiet_since = time.monotonic()
                await asyncio.sleep(0.25)
        finally:
            await store.close()

    def _direct(self) -> BotProcess:
        """Send the next request of an operator to either version: forms of the one are submitted at the other."""
        bot = self._rng.choice([*self._alive.values()])
        self._environment.slack.app_url = bot.slack_url
        return bot

    async def _start(self, version: Version) -> None:
        self._environment.note(f"-- the {version} version starts")
        stack = AsyncExitStack()
        variables = self._variables | {"DATABASE_URL": self._store_url}
        started = running(variables, wait=False, log=self._log(version), root=self._roots[version])
        self._stacks[version] = stack
        self._alive[version] = await stack.enter_async_context(started)
        if not await self._environment.is_up(self._alive[version]):
            raise RuntimeError(f"the {version} version did not start")

    async def _kill(self, version: Version) -> None:
        self._environment.note(f"-- the {version} version is killed")
        await self._alive.pop(version).stop(signal.SIGKILL)
        await self._stacks.pop(version).aclose()
        self._outcome.kills[version] += 1

    @asynccontextmanager
    async def _ended(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            for stack in self._stacks.values():
                await stack.aclose()

    def _log(self, version: Version) -> Path:
        return self._folder / f"{version}.log"

    def _keys_posted_by(self, version: Version) -> set[str]:
        log = self._log(version).read_text(errors="replace") if self._log(version).exists() else ""
        return {self._account.event_keys.message_key(message_id) for message_id in POSTED.findall(log)}

    def _read_logs(self) -> None:
        for version in Version:
            keys = self._keys_posted_by(version)
            self._outcome.posted[version] = sum(
                _key_of(message) in keys for message in self._account.channel.posted
            )
            errors = ERROR_LINE.findall(self._log(version).read_text(errors="replace"))
            self._outcome.unexpected += [f"{version}: {line}" for line in errors]
        self._outcome.unexpected += self._environment.take_unexpected()


def _key_of(message: Message) -> str:
    return str((message.metadata or {}).get("event_payload", {}).get("k"))


def _has_button(message: Message, action_id: str) -> bool:
    return any(
        element.get("action_id") == action_id
        for block in message.blocks
        for element in block.get("elements", ())
        if isinstance(element, dict)
    )
