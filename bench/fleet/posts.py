"""What many accounts post at once: rejections, first polls, and an outage of WeChat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench.fleet.measured_fleet import LOOK_SECONDS, MeasuredFleet, Size, measured_fleet
from bench.fleet.wechat_process import Poll
from bench.results import Figure
from bot.demo.slack_simulator.state import Message
from bot.settings.parsers import QueueKind

INTERVAL = 60  # seconds between two polls of an account
QUIET_SECONDS = 45.0  # without a message, after which none is expected: they wait for 20 s, and edits for 10
FIRST_REPORTED = 50  # accounts whose first poll shows a problem: without any there is no message
OUTAGE_SECONDS = 60.0
NOTICE_SECONDS = 240.0  # for the notice of an outage, which needs two polls of an account
CAUGHT_UP_SECONDS = 300.0
APART = 5.0  # seconds between two probes, at least
LONGEST_POLL = 10.0  # seconds: what had begun before polls were paused repeats its requests for so long at most


@dataclass(frozen=True, slots=True)
class Posted:
    """What appeared in the channels."""

    parents: int
    edits: int
    seconds: float  # from the beginning to the last parent message


@dataclass(frozen=True, slots=True)
class Outage:
    """What an outage of WeChat led to."""

    notices: int
    probe_every: float  # seconds, over all processes
    caught_up: float  # seconds from its end until every account was polled


async def storm(fleet: MeasuredFleet, people: int) -> Posted:
    """Let people of every account refuse, all accounts be polled at once, and the messages arrive."""
    await fleet.wechat.reject(fleet.size.accounts, people)
    known = _seen(fleet)
    polled = await fleet.round()
    return await _posted(fleet, known, polled.began)


async def first_polls(fleet: MeasuredFleet) -> Posted:
    """Wait for the first poll of every account, and for the messages about them."""
    began = time.time()
    await fleet.first_round()
    return await _posted(fleet, set(), began)


async def outage(fleet: MeasuredFleet, seconds: float = OUTAGE_SECONDS) -> Outage:
    """Let WeChat be out of reach until its notice is there, and so many seconds more."""
    known = _seen(fleet)
    await fleet.wechat.silence(lasts=True)
    fleet.database.make_all_due(0)
    await _until(lambda: len(_parents(fleet)) > len(known), NOTICE_SECONDS)
    await asyncio.sleep(LONGEST_POLL)
    await fleet.wechat.read()
    await asyncio.sleep(seconds)
    probes = probes_in(await fleet.wechat.read())
    await fleet.wechat.silence(lasts=False)
    ended, polled = time.time(), set[int]()
    async with asyncio.timeout(CAUGHT_UP_SECONDS):
        while len(polled) < fleet.size.accounts:
            await asyncio.sleep(LOOK_SECONDS)
            polled |= {poll.account for poll in await fleet.wechat.read()}
    notices = [one for one in _parents(fleet) if one.ts not in known]
    return Outage(len(notices), seconds / max(probes, 1), time.time() - ended)


async def take(accounts: int, folder: Path) -> list[Figure]:
    """Measure the storms of 200 accounts, the first polls of all, and an outage of 300."""
    figures = []
    for channels, most in ((1, 3), (50, 50)):
        async with _running(Size(200, INTERVAL, channels), folder) as fleet:
            await first_polls(fleet)
            found = await storm(fleet, 5)
        what = f"1,000 rejections of 200 accounts in {channels} channels"
        figures += [
            Figure(f"{what}: parent messages", str(found.parents), f"at most {most}", found.parents <= most),
            Figure(f"{what}: until the last", f"{found.seconds:.0f} s", "at most 60 s", found.seconds <= 60),
        ]
    async with measured_fleet(Size(accounts, 10 * INTERVAL, 5), folder, QueueKind.ROWS) as fleet:
        await fleet.wechat.reject(FIRST_REPORTED, 1)
        async with fleet.worker():
            first = await first_polls(fleet)
    what = f"First polls of {accounts:,} accounts in 5 channels"
    figures += [
        Figure(f"{what}: parent messages", str(first.parents), "5", first.parents == 5),
        Figure(f"{what}: edits", str(first.edits), "at most 60", first.edits <= 60),
    ]
    async with _running(Size(300, INTERVAL), folder) as fleet, fleet.worker():
        await first_polls(fleet)
        silent = await outage(fleet)
    return [
        *figures,
        Figure("WeChat out of reach: notices", str(silent.notices), "1", silent.notices == 1),
        Figure(
            "Seconds between two probes of two processes",
            f"{silent.probe_every:.0f} s",
            "at least 10 s",
            silent.probe_every >= 10,
        ),
        Figure(
            "From its end until all are polled",
            f"{silent.caught_up:.0f} s",
            "at most 300 s",
            silent.caught_up <= CAUGHT_UP_SECONDS,
        ),
    ]


def probes_in(requests: Sequence[Poll]) -> int:
    """Count the polls behind these requests: one that gets no answer is repeated at once, some times."""
    first = [
        one for before, one in pairwise(requests) if one.account != before.account or one.at - before.at > APART
    ]
    return len(first) + bool(requests)


@asynccontextmanager
async def _running(size: Size, folder: Path) -> AsyncIterator[MeasuredFleet]:
    async with measured_fleet(size, folder, QueueKind.ROWS) as fleet, fleet.worker():
        yield fleet


async def _posted(fleet: MeasuredFleet, known: set[str], began: float) -> Posted:
    """Wait until nothing more appears, and count what has."""
    seen, quiet_since = 0, time.time()
    while time.time() - quiet_since < QUIET_SECONDS:
        if len(fleet.slack.calls) != seen:
            seen, quiet_since = len(fleet.slack.calls), time.time()
        await asyncio.sleep(1)
    new = [one for one in _parents(fleet) if one.ts not in known]
    edits = sum(call.method == "chat.update" for call in fleet.slack.calls)
    last = max((float(one.ts) for one in new), default=began)
    return Posted(len(new), edits, last - began)


def _parents(fleet: MeasuredFleet) -> list[Message]:
    every = [one for channel in fleet.slack.channels for one in fleet.slack.messages(channel)]
    return [one for one in every if one.thread_ts is None]


def _seen(fleet: MeasuredFleet) -> set[str]:
    return {one.ts for one in _parents(fleet)}


async def _until(is_so: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if is_so():
                return
            await asyncio.sleep(LOOK_SECONDS)
