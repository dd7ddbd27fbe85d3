"""The recurring work for the platform: tickets that stop, and what happens when they come again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.sealing import StoreKeys
from bot.store.database import Store
from bot.store.sealed_secrets import TICKET
from bot.store.token_leases import StoredTokens
from tests.authorizations import KEYS, PlatformBot, platform_bot
from tests.conftest import VirtualClock
from tests.platforms import SHOP
from tests.vectors_of_pushes import PLATFORM_APPID
from wechat_kf.simulator import Fault, FaultMode
from wechat_kf.simulator.component import paths

pytestmark = pytest.mark.mostly_sqlite

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> AsyncIterator[PlatformBot]:
    async with platform_bot(store, clock) as made:
        yield made


async def test_tickets_are_requested_at_the_first_start_and_then_hourly(bot):
    bot.platform.tickets.is_running = False
    await bot.step()
    await bot.step()
    assert (bot.calls("api_start_push_ticket"), bot.platform.tickets.is_running) == (1, True)
    assert (await bot.row())["fault"] is None  # the first ticket may come at any moment
    await bot.step(HOUR)
    assert bot.calls("api_start_push_ticket") == 2


@pytest.mark.parametrize(
    ("steps", "requests", "fault", "errcode"),
    [(1, 1, None, 0), (3, 3, None, 0), (13, 13, 61005, 61005)],
    ids=["1 h", "3 h", "13 h"],
)
async def test_missing_tickets_stop_polls_once_the_tokens_expire(bot, steps, requests, fault, errcode):
    await bot.ticket()
    await bot.granted()
    await bot.step()
    for _ in range(steps):
        await bot.step(62 * MINUTE)
        polled = await bot.poll()
    assert bot.calls("api_start_push_ticket") == requests
    found = (await bot.row())["fault"]
    assert (found and found["errcode"], polled, await bot.state()) == (fault, errcode, "active")
    await bot.ticket()
    await bot.step(MINUTE)
    assert await bot.poll() == 0
    assert (await bot.row())["fault"] is None


async def test_ticket_that_could_not_be_stored_is_stored_as_soon_as_the_store_answers(bot):
    """It would be lost if the accounts were reloaded before a renewal."""
    await bot.ticket()
    await bot.step()
    sealed = StoreKeys(KEYS).seal(PLATFORM_APPID, TICKET, "ticket@@@kept")
    bot.services.stored.keep_ticket(PLATFORM_APPID, bot.clock(), sealed)
    await bot.step()
    assert await StoredTokens(bot.store, StoreKeys(KEYS)).secret(PLATFORM_APPID, TICKET) == "ticket@@@kept"


async def test_ticket_that_comes_every_ten_minutes_is_not_requested(bot):
    await bot.ticket()
    for _ in range(12):
        await bot.step(10 * MINUTE)
        await bot.ticket()
    assert bot.calls("api_start_push_ticket") == 0


async def test_wrong_secret_is_recorded_as_a_fault_of_the_platform(bot):
    start = Fault(FaultMode.ERRCODE, errcode=40125, path=paths.START_PUSH)
    bot.wechat.component_api.inject(start)
    await bot.step()
    assert (await bot.row())["fault"]["errcode"] == 40125


async def test_failure_of_one_account_leaves_the_others(bot):
    await bot.ticket()
    await bot.step()
    bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=61003, path=paths.AUTHORIZER_INFO))
    await bot.granted()
    await bot.step()
    account = await bot.account()
    assert (account.state, account.duty_at) == ("doubtful", None)
    assert await bot.poll() == 0
    assert await bot.state() == "active"


async def test_withdrawal_is_reported_once(bot):
    await bot.ticket()
    await bot.granted()
    await bot.step()
    bot.clock.now += MINUTE
    await bot.withdraws()
    assert await bot.state() == "revoked"
    for _ in range(3):
        await bot.step(MINUTE)
    assert bot.withdrawn == [SHOP]


async def test_withdrawal_of_a_paused_account_is_reported_once_it_is_loaded_again(bot):
    await bot.ticket()
    await bot.granted()
    await bot.step()
    await bot.change(state="paused", reason="person")
    bot.has_loaded = False
    bot.clock.now += MINUTE
    await bot.withdraws()
    await bot.step()
    assert bot.withdrawn == []
    bot.has_loaded = True
    for _ in range(3):
        await bot.step(MINUTE)
    assert bot.withdrawn == [SHOP]
