"""Transactions that meet on the same rows wait for each other, and never deadlock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import sqlalchemy as sa

from bot.outbox.messages import MessageKind, NewMessage
from bot.store import channels, outbox, poll_state, shared_channel_rows, tenants
from bot.store.database import Store, Tx
from bot.store.tables import tenant
from bot.store.tenants import COMMAND, PauseReason, StoredTenant, TenantState
from tests.bots import LEASE, Bot
from tests.conftest import APPID, VirtualClock

Step = Callable[[Tx], Awaitable[object]]


@pytest.fixture
async def bot(postgres_url: str) -> AsyncIterator[Bot]:
    clock = VirtualClock()
    store = Store.from_url(postgres_url, APPID)  # whose clock is the database's
    await store.open()
    made = Bot(store, clock)
    yield made
    await store.close()


async def meet(store: Store, first: tuple[Step, Step], second: Step) -> None:
    """Let a transaction begin, the other one run until it waits or ends, and the first one go on."""
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def one() -> None:
        async with store.begin() as tx:
            await first[0](tx)
            begun.set()
            await goes_on.wait()
            await first[1](tx)

    async def other() -> None:
        await begun.wait()
        async with store.begin() as tx:
            await second(tx)

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        tasks.create_task(one())
        tasks.create_task(other())
        await begun.wait()
        await asyncio.sleep(0.1)  # until the other one waits for a lock
        goes_on.set()


def summary(ends: float) -> NewMessage:
    return NewMessage(
        f"quiet-{ends}", MessageKind.QUIET_SUMMARY, 2, ("e",), payload={"ends": 1, "held": {}, "events": []}
    )


async def test_poll_that_extends_a_message_meets_its_post(bot):
    store = bot.store
    async with store.begin() as tx:
        await bot.recorder.enqueue(tx, [summary(1)], [], tx.now)
        await channels.take_turn(tx, tx.now - 2 * LEASE)  # so that the channel has its row

    async def extend(tx: Tx) -> None:
        await bot.recorder.enqueue(tx, [summary(2)], [], tx.now)

    async def hasten(tx: Tx) -> None:
        await shared_channel_rows.make_due(tx, tx.now)

    async def claim(tx: Tx) -> None:
        assert await outbox.claim(tx, tx.now, LEASE)

    await meet(store, (extend, hasten), claim)


async def test_pause_of_accounts_meets_a_transaction_that_locks_them_in_order(bot):
    store = bot.store
    rows = [StoredTenant(f"wx-{one}", one, "", COMMAND) for one in "cab"]
    async with store.begin() as tx:
        for row in rows:
            await tenants.save(tx, row)
    store.include(row.appid for row in rows)
    await store.open()

    def lock(appid: str) -> Step:
        return lambda tx: poll_state.load(tx.of(appid, ""), lock=True)

    async def pause(tx: Tx) -> None:
        await tx.run(sa.update(tenant).values(state=TenantState.PAUSED, reason=PauseReason.PERSON))
        await tenants.record(tx, rows)

    await meet(store, (lock("wx-a"), lock("wx-c")), pause)
