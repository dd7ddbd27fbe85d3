"""Random histories through two bots, one of which forgets at once what is over. The channel must not show which."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.retention import RetentionPolicy
from bot.store.database import Store
from bot.store.tables import episode
from bot.watcher.pruner import Pruner
from tests.accounts import bound, invited
from tests.bots import Bot
from tests.budgets import share
from tests.conftest import APPID, NOW, VirtualClock
from wechat_kf import KfAccount

STEP = timedelta(milliseconds=1)
AT_ONCE = RetentionPolicy(keep=timedelta(0), every=timedelta(0), check=STEP)

SEATS = tuple(f"kf{number}" for number in range(7))  # enough for a digest
STATUSES = ("waiting", "rejected", "rejected", "bound", "bound and shown", "bound and shown", "absent")


class PrunedTwin(RuleBasedStateMachine):
    """Two bots see the same lists.

    An invitation that WeChat no longer lists does not come back, as after 400 days; another one follows it.
    """

    @initialize()
    def both_watch(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.numbers = dict.fromkeys(SEATS, 0)  # how many invitations an account has had
        self.statuses = dict.fromkeys(SEATS, "bound")
        self.hours = dict.fromkeys(SEATS, 72.0)
        self.bots = []
        for name in ("pruned", "kept"):
            clock = VirtualClock()
            store = Store.from_url(f"sqlite:///{self.folder / name}.db", APPID, clock=clock)
            self.bots.append(Bot(store, clock))
        self.poll()

    @rule(
        seats=st.sampled_from([SEATS, SEATS[:3], SEATS[3:]]) | st.sets(st.sampled_from(SEATS), min_size=1),
        status=st.sampled_from(STATUSES),
        hours=st.sampled_from([0.5, 20.0, 72.0]),
    )
    def they_change(self, seats: Collection[str], status: str, hours: float) -> None:
        for seat in seats:
            if self.statuses[seat] in ("bound", "absent") and status not in ("bound", "absent"):
                self.numbers[seat] += 1
                self.hours[seat] = self._elapsed() + hours
            self.statuses[seat] = status
        self.poll()

    @rule(hours=st.sampled_from([0.1, 1.0, 7.0, 30.0]))
    def time_passes(self, hours: float) -> None:
        for bot in self.bots:
            bot.clock.forward(hours=hours)
        self.poll()

    @rule(seat=st.sampled_from(SEATS), deed=st.sampled_from(["alert.ack", "alert.undo"]))
    def someone_clicks(self, seat: str, deed: str) -> None:
        for bot in self.bots:
            if found := self.runner.run(newest(bot, seat)):
                self.runner.run(bot.clicks(deed, f"v1:{found}{':ack' * (deed == 'alert.undo')}"))

    @invariant()
    def the_same_is_posted(self) -> None:
        if hasattr(self, "bots"):
            pruned, kept = ([one.message.text for one in bot.slack.posted] for bot in self.bots)
            assert pruned == kept

    def poll(self) -> None:
        """Let both poll often enough to believe an absence, and prune between."""
        for bot in self.bots:
            for _ in range(3):
                self.runner.run(bot.reads(*self._listed(), bound("anna")))
                self.runner.run(prune(bot) if bot is self.bots[0] else pause(bot))

    def _listed(self) -> list[KfAccount]:
        return [self._row(seat, status) for seat, status in self.statuses.items() if status != "absent"]

    def _row(self, seat: str, status: str) -> KfAccount:
        if status == "bound":
            return bound(seat)
        left, wx = timedelta(hours=self.hours[seat]), f"person_{self.numbers[seat]}"
        shown = "waiting" if status == "bound and shown" else status
        return invited(
            seat, wx=wx, status=shown, expires_in=left, kf_wx=wx if status == "bound and shown" else None
        )

    def _elapsed(self) -> float:
        return (self.bots[0].clock() - NOW) / timedelta(hours=1)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            for bot in self.bots:
                self.runner.run(bot.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)


async def prune(bot: Bot) -> None:
    process = Pruner(bot.wechat, bot.store, policy=bot.recorder.policy, clock=bot.clock, retention=AT_ONCE)
    for _ in range(2):
        bot.clock.now += STEP
        while await process.step() is not None:
            pass


async def pause(bot: Bot) -> None:
    bot.clock.now += 2 * STEP


async def newest(bot: Bot, seat: str) -> str | None:
    async with bot.store.begin() as tx:
        query = sa.select(episode.c.id).where(episode.c.account_key == f"{seat}@harbour_tea", episode.c.is_latest)
        return (await tx.run(query)).scalar()


TestPrunedTwin = PrunedTwin.TestCase
TestPrunedTwin.settings = settings(
    max_examples=share(2, 60),
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestPrunedTwin.pytestmark = [pytest.mark.model, pytest.mark.timeout(900)]
