"""The scenes: the steady state, all accounts due at once, and a process killed in the middle of that."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from bench.fleet.fleet_database import cpu_seconds
from bench.fleet.lateness import lateness
from bench.fleet.measured_fleet import MeasuredFleet, Round
from bench.fleet.wechat_process import Poll
from bot.demo.process import BotProcess

SETTLE_SECONDS = 5.0  # after the due times were changed, and after a round
SAMPLE_SECONDS = 10.0  # between two readings of the due times
LEASE_SECONDS = 60  # of a poll
MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of a process of the bot, and of the database server."""

    process: float
    database: float

    def since(self, earlier: Cost) -> Cost:
        return Cost(self.process - earlier.process, self.database - earlier.database)


@dataclass(frozen=True, slots=True)
class Steady:
    """Polls that became due one after another."""

    polls: int
    seconds: float
    late: Sequence[float]  # seconds, of each
    cost: Cost


@dataclass(frozen=True, slots=True)
class Burst:
    """A poll of every account, all due at once."""

    seconds: float
    repeated: int  # polls of accounts that had been polled
    cost: Cost
    megabytes: float  # of the process, afterwards


@dataclass(frozen=True, slots=True)
class Kill:
    """A burst in which one of two processes was killed."""

    seconds: float  # from then to the last account
    repeated: int


async def steady(fleet: MeasuredFleet, bot: BotProcess, seconds: float) -> Steady:
    """Let the accounts become due in no order within one interval, and watch for so long."""
    fleet.database.spread(fleet.size.interval)
    await asyncio.sleep(fleet.asleep + SETTLE_SECONDS)
    await fleet.wechat.read()
    samples, before, began = [], _cost(fleet, bot), time.time()
    while (left := began + seconds - time.time()) > 0:
        samples.append(fleet.database.due_times())
        await asyncio.sleep(min(left, SAMPLE_SECONDS))
    polls = await fleet.wechat.read()
    ended = time.time()
    late = lateness(samples, _arrivals(polls), ended)
    return Steady(len(polls), ended - began, late, _cost(fleet, bot).since(before))


async def burst(fleet: MeasuredFleet, bot: BotProcess) -> Burst:
    """Let one process catch up with all accounts."""
    before = _cost(fleet, bot)
    polled = await fleet.round()
    await asyncio.sleep(SETTLE_SECONDS)
    memory = psutil.Process(bot.process.pid).memory_info().rss / MEGABYTE
    return Burst(polled.ended - polled.began, polled.repeated, _cost(fleet, bot).since(before), memory)


async def kill(fleet: MeasuredFleet, bot: BotProcess) -> Kill:
    """Kill one process when a third of the accounts have been polled; another continues.

    Polls that were sent and not recorded are repeated after their lease.
    """
    killed: list[float] = []

    def kill_in_the_middle(so_far: Round) -> None:
        if not killed and len(so_far.last) > fleet.size.accounts / 3:
            bot.process.send_signal(signal.SIGKILL)
            killed.append(time.time())

    polled = await fleet.round(kill_in_the_middle)
    await asyncio.sleep(killed[0] + LEASE_SECONDS + SETTLE_SECONDS - time.time())
    polled.add(await fleet.wechat.read())
    return Kill(polled.ended - killed[0], polled.repeated)


def _cost(fleet: MeasuredFleet, bot: BotProcess) -> Cost:
    return Cost(cpu_seconds(psutil.Process(bot.process.pid)), fleet.database.cpu_seconds())


def _arrivals(polls: Iterable[Poll]) -> Mapping[int, Sequence[float]]:
    found = defaultdict[int, list[float]](list)
    for poll in polls:
        found[poll.account].append(poll.at)
    return found
