"""A watcher and a delivery on one store, driven by hand: the whole of the bot but its processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bot.actions import AlertAction, decode
from bot.alerting.cadence import Cadence
from bot.alerting.episode import AlertPolicy
from bot.blocks.context import RenderContext
from bot.delivery.cycle import Delivery
from bot.delivery.dependencies import DeliveryDependencies
from bot.interactions.alert_actions import ActionResult, AlertActions
from bot.outbox.event_keys import EventKeys
from bot.ports import Accounts, Authorizations, BlockAction, Clock, Outcome, no_op
from bot.recorder import Recorder
from bot.store import episodes
from bot.store.database import Store
from bot.store.tables import message
from bot.watcher.poller import Watcher
from bot.watcher.recovery import Recovery
from bot.watcher.shared_outages import SharedOutages
from tests.accounts import bound, invited
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
        accounts: Accounts | None = None,
        operations: bool = False,
        recovery: Recovery | None = None,
        outages: SharedOutages | None = None,
        authorizations: Authorizations | None = None,
        **in_fleet: Any,
    ) -> None:
        self.clock = clock
        self.wechat = FakeAccounts([bound("anna")])
        self.slack = slack or FakeChannel(clock=clock, mention=mention)
        self.store = store = store.of(store.appid, self.slack.id)
        event_keys, poll = EventKeys("secret", store.appid), timedelta(seconds=300)
        shared = in_fleet.get("channel_accounts", {}).keys()
        self.recorder = Recorder(policy, event_keys, store.appid, shared if len(shared) > 1 else ())
        self.watcher = Watcher(
            accounts or self.wechat,
            store,
            recorder=self.recorder,
            recovery=recovery or Recovery(self.slack, clock, lambda: clock().timestamp()),
            cadence=Cadence(poll, poll),
            outages=outages,
            authorizations=authorizations,
        )
        context = RenderContext(policy=policy, poll=poll, mention=mention, operations=operations)
        stopwatch = stopwatch or (lambda: clock().timestamp())
        dependencies = DeliveryDependencies(
            self.slack, store, context, event_keys, EventKeys("secret", ""), LEASE, no_op, stopwatch, **in_fleet
        )
        self.delivery = Delivery(dependencies)
        self.acts = AlertActions(store, recorder=self.recorder, zone=ZoneInfo("Asia/Shanghai"))

    async def reads(self, *accounts: KfAccount, after: timedelta = timedelta(seconds=331)) -> None:
        """Poll WeChat with these accounts, and deliver every message."""
        self.wechat.listed = accounts
        self.clock.now += after
        await self.watcher.tick()
        await self.deliver()

    async def deliver(self) -> None:
        while await self.delivery.run() is not None:
            self.clock.forward(seconds=1)

    async def fails(self, *outcomes: Outcome) -> None:
        self.slack.outcomes = list(outcomes)
        await self.deliver()

    async def rows(self) -> Sequence[sa.RowMapping]:
        async with self.store.begin() as tx:
            return (await tx.run(sa.select(message).order_by(message.c.created_at))).mappings().all()

    async def statuses(self) -> list[tuple[str, str | None]]:
        return [(row["status"], row["reason"]) for row in await self.rows()]

    async def waits_out_a_lease(self) -> None:
        """Wait until the second lookup of an unknown outcome is over."""
        for part in (1.25, 0.25):
            self.clock.now += part * LEASE
            await self.deliver()

    async def clicks(self, action_id: str, value: str, user: str = "Mei") -> ActionResult | None:
        """Click as a person, and deliver every message."""
        click = BlockAction(action_id, value, f"U0{user.upper()}", user)
        action = decode(action_id, value)
        done = await self.acts.perform(action, click) if isinstance(action, AlertAction) else None
        await self.watcher.tick()
        await self.deliver()
        return done

    async def episode_id(self, name: str = "bo") -> str:
        """Return the id of an account's newest episode."""
        async with self.store.begin() as tx:
            seat = f"{name}@harbour_tea"
            return next(one.id for one in await episodes.latest(tx, [seat]) if one.account_key == seat)


def rejected(name: str = "bo") -> KfAccount:
    return invited(name, status="rejected")
