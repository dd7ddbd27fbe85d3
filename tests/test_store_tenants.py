"""Which Official Accounts are stored, and the pace of a channel that several of them post to."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.outbox.messages import MessageKind, NewMessage
from bot.store import outbox, tenants
from bot.store.outbox import NotItsTurnError
from bot.store.tenants import StoredTenant, TenantState

HARBOUR = StoredTenant("wx-harbour", "harbour", "Harbour Tea", "file")
KIOSK = StoredTenant("wx-kiosk", "kiosk", "", "file")


async def stored(store, *loaded):
    async with store.begin() as tx:
        await tenants.record(tx, loaded)
    async with store.begin() as tx:
        return {one.slug: one for one in await tenants.load(tx)}


async def test_account_that_is_no_longer_loaded_is_paused_and_continues_when_it_is_back(store):
    assert await stored(store, HARBOUR, KIOSK) == {"harbour": HARBOUR, "kiosk": KIOSK}
    assert (await stored(store, HARBOUR))["kiosk"].state is TenantState.PAUSED
    assert (await stored(store, HARBOUR, KIOSK))["kiosk"] == KIOSK


async def test_accounts_take_turns_in_a_channel_that_they_share(store, clock):
    harbour, kiosk = store, store.of("wx-kiosk")
    await store.open()
    for one in (harbour, kiosk):
        async with one.begin() as tx:
            messages = [NewMessage(f"{one.appid}-{number}", MessageKind.ALERT, 1) for number in range(3)]
            await outbox.enqueue(tx, messages, {}, tx.now)

    async def claim(one, channel="C0HARBOUR"):
        async with one.begin() as tx:
            second = timedelta(seconds=1)
            return await outbox.claim(tx, tx.now, 45 * second, second, shared_channel=channel)

    assert await claim(harbour)
    with pytest.raises(NotItsTurnError):
        await claim(kiosk)
    assert await claim(kiosk, "C0KIOSK")
    clock.forward(seconds=1)
    assert await claim(kiosk)
    with pytest.raises(NotItsTurnError):
        await claim(harbour)
    clock.forward(seconds=1)
    async with harbour.begin() as tx:
        await outbox.pause_queue(tx, tx.now + timedelta(seconds=30))
    assert await claim(harbour) is None
    assert await claim(kiosk)  # a paused queue has not taken the turn
    clock.forward(seconds=30)
    assert await claim(harbour)
