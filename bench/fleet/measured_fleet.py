"""One fleet: the processes of the bot, the database that they share, and the simulated WeChat and Slack."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.fleet import merchants
from bench.fleet.fleet_database import FleetDatabase, fresh_database
from bench.fleet.wechat_process import Poll, WeChat, serve_merchants
from bench.testbed import PYTHONPATH
from bot.demo.process import BotProcess, environ_of, running
from bot.demo.servers import serve_slack
from bot.demo.slack_simulator import SlackSimulator
from bot.queue_backends.queue_database import migrate
from bot.sealing import new_key
from bot.settings.parsers import QueueKind

LOOK_SECONDS = 0.1
ASLEEP_SECONDS = 16.0  # a process that has nothing to poll rests for an interval, and for 15 at most
MOST_POLLS = "1000"  # a second and process, as many as the setting takes
EARLIEST = 0.8  # of an interval: the bot shortens it by a tenth at most
ROUND_SECONDS = (180.0, 0.1)  # in which a round has to be over: for any fleet, and for each account


@dataclass(frozen=True, slots=True)
class Size:
    """How many accounts there are, and how often each is polled."""

    accounts: int
    interval: int  # seconds
    channels: int = 1


@dataclass
class Round:
    """The polls since all accounts became due at once."""

    began: float  # Unix seconds
    interval: float  # seconds to the next poll of each account, more or less
    last: dict[int, float] = field(default_factory=dict)  # the last arrival of each account
    ended: float = 0.0  # when the last of them was polled for the first time
    repeated: int = 0  # polls of accounts that were not due again

    def add(self, polls: list[Poll]) -> None:
        for poll in polls:
            if poll.account not in self.last:
                self.ended = poll.at
            elif poll.at - self.last[poll.account] < EARLIEST * self.interval:
                self.repeated += 1
            self.last[poll.account] = poll.at


@dataclass(frozen=True)
class MeasuredFleet:
    """Everything that a scene needs."""

    size: Size
    environ: Mapping[str, str]
    wechat: WeChat
    database: FleetDatabase
    slack: SlackSimulator

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[BotProcess]:
        """Run a process that does nothing but watch, and wait until it has started."""
        others = self.database.processes()
        async with running(self.environ, "worker", wait=False) as bot:
            await self._until(lambda: self.database.processes() > others or bot.process.returncode is not None)
            if bot.process.returncode is not None:
                raise RuntimeError(f"the bot ended with status {bot.process.returncode}")
            yield bot

    async def starts(self, number: int) -> list[float]:
        """Return the seconds from the start of a `web` process to its first `/healthz`, of so many starts."""
        return [await _start(self.environ) for _ in range(number)]

    async def starts_from_rows(self, number: int, folder: Path) -> list[float]:
        """Return the same for a process that has its accounts in the database, and reads them afterwards."""
        file, secrets = self.environ["KF_ACCOUNTS_FILE"], merchants.secrets(self.size.accounts)
        environ = {
            name: value for name, value in self.environ.items() if name not in ("KF_ACCOUNTS_FILE", *secrets)
        }
        with fresh_database(folder) as database:
            environ |= {"DATABASE_URL": database.url, "STORE_KEYS": new_key()}
            if environ["QUEUE_BACKEND"] != QueueKind.ROWS:
                await migrate(database.url)
            async with running(environ | secrets, "accounts", "import", file, wait=False) as command:
                if status := await command.process.wait():
                    raise RuntimeError(f"the accounts were not imported: status {status}")
            return [await _start(environ) for _ in range(number)]

    async def first_round(self) -> float:
        """Return the seconds until the first poll of every account is recorded."""
        began = time.perf_counter()
        await self._until(lambda: self.database.polled() >= self.size.accounts)
        return time.perf_counter() - began

    async def round(self, watch: Callable[[Round], None] = lambda _: None) -> Round:
        """Make all accounts due, and wait until each has been polled. `watch` sees the polls as they arrive.

        Raises:
            TimeoutError: an account was not polled.
        """
        found = Round(self.database.make_all_due(self.asleep), self.size.interval)
        await asyncio.sleep(self.asleep / 2)
        self.database.make_all_due(found.began - time.time())  # polls in progress have planned their next one
        await asyncio.sleep(found.began - time.time())
        found.add([poll for poll in await self.wechat.read() if poll.at >= found.began])
        async with asyncio.timeout(self._limit):
            while len(found.last) < self.size.accounts:
                await asyncio.sleep(LOOK_SECONDS)
                found.add(await self.wechat.read())
                watch(found)
        return found

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(self._limit):
            while True:
                if is_so():
                    return
                await asyncio.sleep(LOOK_SECONDS)

    @property
    def asleep(self) -> float:
        """Return the seconds after which every process has read due times that were changed just now."""
        return min(ASLEEP_SECONDS, self.size.interval + 1)

    @property
    def _limit(self) -> float:
        least, each = ROUND_SECONDS
        return least + each * self.size.accounts


async def _start(environ: Mapping[str, str]) -> float:
    began = time.perf_counter()
    async with running(environ, "web"):
        return time.perf_counter() - began


@asynccontextmanager
async def measured_fleet(size: Size, folder: Path, backend: QueueKind) -> AsyncIterator[MeasuredFleet]:
    """Set up a fleet whose database is new, without a running bot."""
    path, channels = folder / f"accounts-{size.accounts}.toml", merchants.channels(size.channels)
    path.write_text(merchants.accounts_file(size.accounts, channels))
    slack = SlackSimulator(channels=channels)
    async with serve_slack(slack), serve_merchants() as wechat:
        with fresh_database(folder) as database:
            environ = environ_of(
                *(slack, wechat.url, "", "", ""),
                **merchants.secrets(size.accounts),
                KF_ACCOUNTS_FILE=str(path),
                DATABASE_URL=database.url,
                POLL_SECONDS=str(size.interval),
                POLLS_PER_SECOND=MOST_POLLS,
                QUEUE_BACKEND=backend,
                PYTHONPATH=PYTHONPATH,
            )
            if backend is not QueueKind.ROWS:
                await migrate(database.url)
            yield MeasuredFleet(size, environ, wechat, database, slack)
