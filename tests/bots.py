"""A watcher and a delivery on one store, driven by hand: the whole of the bot but its processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bot.actions import AlertAction, decode
from bot.acts import Acts, Done
from bot.blocks.context import RenderContext
from bot.delivery import Delivery, Means
from bot.episodes import AlertPolicy
from bot.ledger import Ledger
from bot.marks import Marks
from bot.ports import Click, Clock, Outcome, uncounted
from bot.recovery import Recovery
from bot.store import Store, rows
from bot.store.tables import message
from bot.watch import Watcher
from tests.accounts import bound, invited
from tests.conftest import APPID
from tests.fakes import FakeAccounts, FakeChannel
from wechat_kf import KfAccount

LEASE = timedelta(seconds=45)


class Bot:
    """A watcher and a delivery on one store, driven by hand."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        slack: FakeChannel | None = None,
        *,
        policy: AlertPolicy = AlertPolicy(),  # noqa: B008  a frozen value
        mention: str = "",
        stopwatch: Callable[[], float] | None = None,
    ) -> None:
        self.clock = clock
        self.store = store
        self.wechat = FakeAccounts([bound("anna")])
        self.slack = slack or FakeChannel(clock=clock, mention=mention)
        marks, poll = Marks("secret", APPID), timedelta(seconds=300)
        self.ledger = Ledger(policy, marks, APPID)
        self.watcher = Watcher(
            self.wechat,
            store,
            ledger=self.ledger,
            recovery=Recovery(self.slack, clock),
            poll=poll,
        )
        context = RenderContext(policy=policy, poll=poll, mention=mention)
        means = Means(
            self.slack, store, context, marks, LEASE, uncounted, stopwatch or (lambda: clock().timestamp())
        )
        self.delivery = Delivery(means)
        self.acts = Acts(store, ledger=self.ledger, zone=ZoneInfo("Asia/Shanghai"))

    async def reads(self, *accounts: KfAccount, after: timedelta = timedelta(seconds=331)) -> None:
        """WeChat says this, and all that follows is told."""
        self.wechat.listed = accounts
        self.clock.now += after
        await self.watcher.tick()
        await self.tells()

    async def tells(self) -> None:
        while await self.delivery.run() is not None:
            self.clock.forward(seconds=1)

    async def fails(self, *outcomes: Outcome) -> None:
        self.slack.outcomes = list(outcomes)
        await self.tells()

    async def rows(self) -> Sequence[sa.RowMapping]:
        async with self.store.begin() as tx:
            return (await tx.run(sa.select(message).order_by(message.c.created_at))).mappings().all()

    async def statuses(self) -> list[tuple[str, str | None]]:
        return [(row["status"], row["reason"]) for row in await self.rows()]

    async def waits_out_a_lease(self) -> None:
        """Until the second look at an unknown outcome is over."""
        for part in (1.25, 0.25):
            self.clock.now += part * LEASE
            await self.tells()

    async def clicks(self, action_id: str, value: str, user: str = "Mei") -> Done | None:
        """A person clicks, and what follows is told."""
        click = Click(action_id, value, f"U0{user.upper()}", user)
        action = decode(action_id, value)
        done = await self.acts.do(action, click) if isinstance(action, AlertAction) else None
        await self.watcher.tick()
        await self.tells()
        return done

    async def episode_id(self, name: str = "bo") -> str:
        """The newest episode of an account."""
        async with self.store.begin() as tx:
            seat = f"{name}@harbour_tea"
            return next(one.id for one in await rows.latest(tx, [seat]) if one.seat == seat)


def rejected(name: str = "bo") -> KfAccount:
    return invited(name, status="rejected")
