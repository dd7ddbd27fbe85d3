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

import sqlalchemy as sa

from bot.store import Store
from bot.store.tables import message
from tests.crash.environment import APPID
from tests.soak.environment import World
from tests.soak.faults import Mishaps
from tests.soak.load import Load, People
from tests.soak.processes import Fleet
from tests.soak.results import Result
from tests.soak.schedule import lives

FAILED = re.compile(r" (?:ERROR|CRITICAL) .*|Traceback.*")
SETTLING = 90.0  # seconds at most until everything is told and shown
NEWS = 4.0  # seconds
QUIET = 2.0  # seconds without a complaint, while the store has nothing more to send
PULSE = 0.05  # seconds


@dataclass
class Soak:
    """A run of so many seconds on one store."""

    store_url: str
    folder: Path  # takes the bots' log and the diary
    seed: str
    load: Load = field(default_factory=Load)
    progress: Callable[[str], None] = lambda _: None  # is told how far it is, once a minute
    _stall: float = 0.0

    async def run(self, seconds: float, *, news: float = NEWS) -> Result:
        """Let it all go on for `seconds`, with something that people must hear of every `news` seconds."""
        began, rng = time.monotonic(), random.Random(self.seed)
        log = self.folder / "bots.log"
        log.write_text("")
        world = World(rng, self.folder / "diary.txt")
        mishaps = Mishaps(world.slack, world.wechat, rng)
        async with world.serve() as environ:
            fleet = Fleet(environ | {"DATABASE_URL": self.store_url}, log)
            people = People(world.slack, fleet, world.board, rng)
            pulse = asyncio.create_task(self._feel_the_pulse())
            telling = asyncio.create_task(self._tell(people, fleet))
            async with fleet.run():
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(people.crowd(self.load))
                    others = [tasks.create_task(work) for work in (world.happen(news), mishaps.run())]
                    await fleet.live(lives(seconds, rng))
                    for one in others:
                        one.cancel()
                    people.leave()
                await self._settle(world)
            pulse.cancel()
            telling.cancel()
        people.forget(0)
        return Result(
            asked=people.asked,
            members=fleet.members,
            ends=Counter(fleet.ends),
            faults=mishaps.armed,
            alerts=world.judge(),
            odd=[*fleet.odd, *world.slack.take_unexpected(), *FAILED.findall(log.read_text(errors="replace"))],
            stall=self._stall,
            seconds=time.monotonic() - began,
        )

    async def _settle(self, world: World) -> None:
        """Leave the last one alone until there is nothing more to complain of."""
        store = Store.at(self.store_url, APPID)
        until = time.monotonic() + SETTLING
        quiet_since = time.monotonic()
        try:
            while time.monotonic() < min(until, quiet_since + QUIET):
                if world.is_due_soon() or world.judge().complaints or await _unsent(store):
                    quiet_since = time.monotonic()
                await asyncio.sleep(0.25)
        finally:
            await store.close()

    async def _tell(self, people: People, fleet: Fleet) -> None:
        for minute in count(1):
            await asyncio.sleep(60)
            answered = sum(one.answered is not None for one in people.asked)
            self.progress(f"{minute} min: {len(people.asked)} asked, {answered} answered, {len(fleet.ends)} ends")

    async def _feel_the_pulse(self) -> None:
        """Notice when this process was too busy to be a good Slack: what is late then may be its fault."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(PULSE)
            self._stall = max(self._stall, time.monotonic() - began - PULSE)


async def _unsent(store: Store) -> int:
    """How many messages the store has still to send."""
    waits = message.c.status.in_(("pending", "sending"))
    async with store.begin() as tx:
        return len((await tx.run(sa.select(message.c.id).where(waits))).all())
