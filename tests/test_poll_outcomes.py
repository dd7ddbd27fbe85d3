"""What polls show of an authorisation: doubts, withdrawals, missing permissions, faults of the whole platform."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.store import poll_state
from bot.store.database import Store
from tests.authorizations import PlatformBot, platform_bot
from tests.bots import Bot
from tests.conftest import VirtualClock
from tests.platforms import APP, SERVER, SHOP
from wechat_kf import KfClient, KfError, TransportError
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.mostly_sqlite

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> AsyncIterator[PlatformBot]:
    """Return one of two accounts that are polled."""
    async with platform_bot(store, clock) as made:
        await made.ticket()
        await made.granted(SHOP, 6)
        await made.granted(APP, 19)
        await made.step()
        yield made


async def fails(bot: PlatformBot, errcode: int, times: int | None = 1) -> None:
    bot.wechat[SHOP].inject(Fault(FaultMode.ERRCODE, errcode=errcode, times=times))
    assert await bot.poll() == errcode


@pytest.mark.both_stores
async def test_withdrawal_whose_push_is_lost_is_believed_after_an_hour(bot):
    await bot.withdraws(pushes=False)
    assert await bot.poll() == 61003
    assert (await bot.state(), bot.wait) == ("doubtful", 10 * MINUTE)
    bot.clock.now += 10 * MINUTE
    assert await bot.poll() == 61003
    assert (await bot.state(), bot.wait) == ("doubtful", 50 * MINUTE)
    bot.clock.now += 50 * MINUTE
    assert await bot.poll() == 61003
    assert (await bot.state(), await bot.secrets()) == ("revoked", set())
    assert bot.withdrawn == []
    await bot.step()
    await bot.step()
    assert bot.withdrawn == [SHOP]
    assert await bot.state(APP) == "active"


async def test_good_poll_ends_a_doubt(bot):
    await fails(bot, 61003)
    assert await bot.state() == "doubtful"
    bot.clock.now += 10 * MINUTE
    assert await bot.poll() == 0
    account = await bot.account()
    assert (account.state, account.refused_since) == ("active", None)
    bot.clock.now += timedelta(hours=2)
    await bot.ticket()
    await fails(bot, 61003)
    assert await bot.state() == "doubtful"  # from the beginning


async def test_doubt_of_another_process_ends_here_after_a_reload(bot):
    await bot.change(state="doubtful", refused_since=bot.clock())
    assert await bot.poll() == 0
    assert await bot.state() == "doubtful"
    bot.services.outcomes.note_doubtful([SHOP, APP])
    assert await bot.poll() == await bot.poll(APP) == 0
    assert await bot.state() == "active"


@pytest.mark.parametrize("errcode", [61002, 61007])
async def test_missing_permission_is_a_problem_of_the_account_until_the_owner_acts(bot, errcode):
    await fails(bot, errcode)
    assert (await bot.state(), bot.wait) == ("ungranted", None)
    assert await bot.state(APP) == "active"
    bot.clock.forward(seconds=1)
    await bot.granted()
    await bot.step()
    assert (await bot.state(), await bot.poll()) == ("active", 0)


async def expire(bot: PlatformBot) -> None:
    """Let the tokens of all accounts expire."""
    bot.clock.now += timedelta(hours=2)
    await bot.ticket()


async def test_refused_refresh_token_is_repaired_by_the_list(bot):
    await expire(bot)
    await bot.step()  # the list of this hour
    bot.platform.grants.replace_refresh_token(SHOP)
    bot.clock.forward(seconds=1)
    assert await bot.poll() == 61023
    assert (await bot.state(), bot.wait) == ("doubtful", MINUTE)
    await bot.step(MINUTE)
    assert await bot.state() == "active"
    assert await bot.poll() == 0


async def test_refused_refresh_token_that_the_list_lacks_needs_the_owner(bot):
    bot.platform.grants.lose_refresh_token(SHOP)
    await expire(bot)
    assert await bot.poll() == 61023
    await bot.step(MINUTE)
    assert await bot.state() == "doubtful"
    assert await bot.poll() == 61023
    assert (await bot.state(), bot.wait) == ("unexchanged", None)
    before = bot.calls("api_get_authorizer_list")
    await bot.step(5 * MINUTE)
    assert bot.calls("api_get_authorizer_list") == before  # once
    await bot.granted()
    await bot.step()
    assert (await bot.state(), await bot.poll()) == ("active", 0)


async def test_refused_address_stops_all_calls_but_one_a_minute(bot):
    bot.wechat.component_api.allow_list = ["198.51.100.1"]
    assert [await bot.poll(appid) for appid in (SHOP, APP, SHOP)] == [61004] * 3
    assert len(refused(bot)) == 1
    assert bot.wait == MINUTE
    row = await bot.row()
    assert (row["fault"]["errcode"], row["fault"]["address"]) == (61004, SERVER)
    bot.clock.now += MINUTE
    assert [await bot.poll(appid) for appid in (SHOP, APP, APP)] == [61004] * 3
    await bot.step(timedelta(0))
    assert len(refused(bot)) == 2
    assert (await bot.row())["fault_at"] == bot.clock() - MINUTE
    assert [await bot.state(appid) for appid in (SHOP, APP)] == ["active", "active"]
    bot.wechat.component_api.allow_list = None
    bot.clock.now += MINUTE
    assert [await bot.poll(appid) for appid in (SHOP, APP)] == [0, 0]
    row = await bot.row()
    assert (row["fault"], row["fault_at"], row["next_call_at"]) == (None, None, None)


def refused(bot: PlatformBot) -> list[object]:
    calls = [*bot.wechat[SHOP].log, *bot.wechat[APP].log, *bot.wechat.component_api.log]
    return [call for call in calls if call.errcode == 61004]


async def test_other_processes_respect_the_stop(bot, store, clock):
    bot.wechat.component_api.allow_list = ["198.51.100.1"]
    assert await bot.poll() == 61004
    async with platform_bot(store, clock) as other:
        await other.step(timedelta(0))
        assert await other.poll() == 61004
        assert other.calls("") == 0


async def test_refused_ticket_is_no_problem_of_the_accounts(bot):
    bot.clock.now += timedelta(hours=13)
    assert await bot.poll() == 61005
    assert (await bot.state(), bot.wait) == ("active", MINUTE)
    assert (await bot.row())["fault"]["errcode"] == 61005
    before = (await bot.row())["fault_at"]
    bot.clock.now += MINUTE
    assert await bot.poll() == 61005
    assert (await bot.row())["fault_at"] == before
    bot.clock.now += MINUTE
    await bot.ticket()
    await bot.step()
    assert await bot.poll() == 0
    assert (await bot.row())["fault"] is None


async def test_other_failures_are_those_of_the_account(bot):
    await fails(bot, 48001)
    assert (await bot.state(), bot.wait) == ("active", None)
    assert await bot.services.outcomes.apply_failure(SHOP, TransportError("no answer")) is None
    assert await bot.services.outcomes.apply_failure("wx1", KfError()) is None
    bot.wechat[SHOP].inject(Fault(FaultMode.ERRCODE, errcode=61003))
    await bot.change(origin="command")
    assert await bot.poll() == 61003
    assert bot.wait is None


async def test_withdrawn_or_paused_account_is_not_revived_by_a_late_poll(bot):
    await bot.change(state="paused", reason="person")
    await fails(bot, 61007)
    assert await bot.state() == "paused"
    await bot.change(state="revoked", reason="")
    await fails(bot, 61003)
    assert await bot.state() == "revoked"


@pytest.fixture
async def polled(bot: PlatformBot) -> Bot:
    """Return the watcher of the shop, whose polls reach the simulated WeChat."""
    store = bot.store.of(SHOP, "C0ALERTS")
    await store.open()
    client = KfClient(bot.services.http, bot.services.tokens_of(SHOP))
    return Bot(store, bot.clock, accounts=client, authorizations=bot.services.outcomes)


async def next_poll(bot: PlatformBot, polled: Bot) -> timedelta:
    """Poll, and return the time until the next poll."""
    async with polled.store.begin() as tx:
        await poll_state.poll_now(tx, tx.now, always=True)
    await polled.watcher.tick()
    await polled.deliver()
    async with polled.store.begin() as tx:
        return (await poll_state.load(tx)).next_poll_at - bot.clock()


async def test_doubt_is_no_incident_and_plans_the_next_poll(bot, polled):
    assert await next_poll(bot, polled) > 4 * MINUTE
    bot.wechat[SHOP].inject(Fault(FaultMode.ERRCODE, errcode=61003))
    assert await next_poll(bot, polled) == 10 * MINUTE
    assert polled.slack.posted == []
    bot.clock.now += 10 * MINUTE
    assert await next_poll(bot, polled) > 4 * MINUTE
    assert await bot.state() == "active"


async def test_missing_permission_is_reported_once_and_over_after_the_next_good_poll(bot, polled):
    await next_poll(bot, polled)
    bot.wechat[SHOP].inject(Fault(FaultMode.ERRCODE, errcode=61007))
    await next_poll(bot, polled)
    assert len(polled.slack.posted) == 1
    bot.clock.forward(seconds=1)
    await bot.granted()
    await bot.step()
    await next_poll(bot, polled)
    assert len(polled.slack.posted) == 2
    assert "WeChat answers again" in polled.slack.posted[-1].message.text
