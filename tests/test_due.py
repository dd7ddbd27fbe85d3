"""Which Official Accounts have something to do is one query, and names no other."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa

from bot.store import due, slack_state, tenants
from bot.store.tables import message
from bot.store.tenants import StoredTenant
from tests.accounts import invited
from tests.bots import Bot
from tests.conftest import APPID
from tests.fakes import FakeChannel

pytestmark = pytest.mark.both_stores
KIOSK = "wx-kiosk"
with_timers = partial(due.with_timers, polled_within=timedelta(seconds=15))


class Both:
    """Two accounts in one database; the other one has nothing to do."""

    def __init__(self, store, clock):
        self.store, self.clock = store, clock
        self.harbour, self.kiosk = (
            Bot(store, clock),
            Bot(store.of(KIOSK, ""), clock, FakeChannel(clock=clock, id="C0KIOSK")),
        )

    async def appids(self, query) -> set[str]:
        async with self.store.begin() as tx:
            return set(await query(tx))

    async def to_deliver(self) -> set[str]:
        return await self.appids(partial(due.to_deliver, channels={"C0ALERTS": APPID, "C0KIOSK": KIOSK}))


@pytest.fixture
async def both(store, clock) -> Both:
    accounts = Both(store, clock)
    await store.open()
    for bot in (accounts.harbour, accounts.kiosk):
        await bot.reads(after=timedelta(0))
    return accounts


async def test_timer_makes_its_account_due_between_two_polls(both):
    await both.kiosk.reads(invited("bo", at=both.clock.now, expires_in=timedelta(hours=24, minutes=8)))
    assert await both.appids(with_timers) == set()
    both.clock.forward(minutes=3)
    assert await both.appids(with_timers) == {KIOSK}


async def test_timer_is_left_to_a_poll_that_has_just_become_due(both):
    await both.kiosk.reads(invited("bo", at=both.clock.now, expires_in=timedelta(hours=24, minutes=8)))
    both.clock.forward(minutes=5)
    assert await both.appids(with_timers) == set()
    both.clock.forward(seconds=16)
    assert await both.appids(with_timers) == {KIOSK}


async def test_timer_of_a_paused_account_does_not_pass(both):
    await both.kiosk.reads(invited("bo", at=both.clock.now, expires_in=timedelta(hours=24, minutes=8)))
    async with both.store.begin() as tx:
        await tenants.record(tx, [StoredTenant(KIOSK, "kiosk", "Kiosk", "file")])
        await tenants.pause(tx, KIOSK)
    both.clock.forward(minutes=3)
    assert await both.appids(with_timers) == set()


async def test_accounts_with_messages_to_post_or_to_keep_up_to_date_are_delivered(both):
    both.kiosk.wechat.listed = (invited("bo"),)
    both.clock.forward(minutes=6)
    await both.kiosk.watcher.tick()
    both.kiosk.wechat.listed = (invited("bo", status="rejected"),)
    both.clock.forward(minutes=6)
    await both.kiosk.watcher.tick()
    assert await both.to_deliver() == {KIOSK}  # to post
    await both.kiosk.deliver()
    assert await both.to_deliver() == {KIOSK}  # to edit when the person accepts


async def test_message_that_waits_for_other_accounts_of_its_channel_makes_no_account_due(both):
    both.kiosk.wechat.listed = (invited("bo"),)
    both.clock.forward(minutes=6)
    await both.kiosk.watcher.tick()
    both.kiosk.wechat.listed = (invited("bo", status="rejected"),)
    both.clock.forward(minutes=6)
    await both.kiosk.watcher.tick()
    async with both.store.begin() as tx:
        later = tx.now + timedelta(seconds=20)
        await tx.run(sa.update(message).values(not_before=later))
    assert await both.to_deliver() == set()
    both.clock.forward(seconds=20)
    assert await both.to_deliver() == {KIOSK}


async def test_account_that_slack_refuses_is_delivered_until_it_is_not(both):
    async with both.harbour.store.begin() as tx:
        await slack_state.record_refusal(tx, "channel_not_found", tx.now)
    assert await both.to_deliver() == {APPID}
    async with both.harbour.store.begin() as tx:
        await slack_state.record_success(tx)
    assert await both.to_deliver() == set()
