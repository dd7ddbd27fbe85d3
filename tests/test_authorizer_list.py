"""The list of authorised accounts: what lost pushes did not bring, and what a lost store has forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.platform.authorizer_list import LEASE
from bot.store import tenants
from bot.store.database import Store
from bot.store.tables import platform, secret, tenant
from bot.store.tenants import StoredTenant
from tests.authorizations import PlatformBot, platform_bot
from tests.conftest import VirtualClock
from tests.platforms import KIOSK, SHOP
from wechat_kf import BusyError
from wechat_kf.simulator import Fault, FaultMode

pytestmark = pytest.mark.mostly_sqlite

LIST = "/cgi-bin/component/api_get_authorizer_list"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> AsyncIterator[PlatformBot]:
    async with platform_bot(store, clock) as made:
        await made.ticket()
        yield made


async def next_list(bot: PlatformBot) -> None:
    """Let an hour pass, after which the list is read again."""
    bot.clock.now += HOUR
    await bot.ticket()
    await bot.step()


@pytest.mark.both_stores
async def test_lost_store_recovers_by_the_first_ticket(bot):
    for appid in (SHOP, KIOSK):
        bot.platform.grants.grant(appid, (6,), bot.clock())
        bot.platform.grants.required(appid).is_exchanged = True
    await bot.step()
    assert [await bot.state(appid) for appid in (SHOP, KIOSK)] == ["active", "active"]
    assert await bot.poll() == 0
    assert (await bot.account()).kind == "official"


async def test_list_waits_for_the_first_ticket_and_is_then_read_each_hour(store, clock):
    async with platform_bot(store, clock) as bot:
        await bot.step()
        assert bot.calls("api_get_authorizer_list") == 0
        await bot.ticket()
        await bot.step(timedelta(seconds=15))
        assert bot.calls("api_get_authorizer_list") == 1
        await bot.step(59 * MINUTE)
        assert bot.calls("api_get_authorizer_list") == 1
        await bot.step(MINUTE)
        assert bot.calls("api_get_authorizer_list") == 2


async def test_lost_push_of_an_authorisation_needs_the_owner(bot):
    await bot.granted(pushes=False)
    await bot.step()
    assert await bot.state() == "unexchanged"
    await next_list(bot)
    assert await bot.state() == "unexchanged"
    await bot.granted()
    await bot.step()
    assert await bot.state() == "active"


@pytest.mark.parametrize("lost", ["unauthorized", "authorized"])
async def test_owner_withdraws_and_authorises_again_and_one_push_is_lost(bot, lost):
    await bot.granted()
    await bot.step()
    bot.clock.forward(seconds=60)
    await bot.withdraws(pushes=lost != "unauthorized")
    bot.clock.forward(seconds=60)
    await bot.granted(pushes=lost != "authorized")
    await bot.step()
    if lost == "unauthorized":
        assert await bot.state() == "active"
    else:
        assert await bot.state() == "revoked"
        bot.platform.grants.required(SHOP).is_exchanged = True
        await next_list(bot)
    assert await bot.state() == "active"
    assert await bot.poll() == 0


async def test_list_that_still_names_a_withdrawn_account_changes_nothing(bot):
    await bot.granted()
    await bot.step()
    grant = bot.platform.grants.required(SHOP)
    bot.clock.forward(seconds=60)
    await bot.withdraws()
    bot.platform.grants._in_force[SHOP] = grant
    await next_list(bot)
    assert await bot.state() == "revoked"
    assert await bot.secrets() == set()


@pytest.mark.parametrize("is_removed", [False, True])
async def test_list_adds_an_account_that_is_gone_only_if_it_was_authorised_afterwards(bot, is_removed):
    """It has withdrawn before it was known, or a person has removed it."""
    await bot.granted(pushes=is_removed)
    await bot.step()
    bot.clock.forward(seconds=60)
    grant = bot.platform.grants.required(SHOP)
    if is_removed:
        async with bot.store.begin() as tx:
            await tenants.remove(tx, SHOP)
    else:
        async with bot.store.begin() as tx:
            await tx.run(sa.delete(tenant))
        await bot.withdraws()
        bot.platform.grants._in_force[SHOP] = grant
    grant.is_exchanged = True
    await next_list(bot)
    assert (await shown(bot), await bot.secrets()) == ([], set())
    bot.platform.grants.withdraw(SHOP)
    bot.platform.grants.grant(SHOP, (6,), bot.clock())
    bot.platform.grants.required(SHOP).is_exchanged = True
    await next_list(bot)
    assert await shown(bot) == [SHOP]
    assert await bot.state() == "active"


async def shown(bot: PlatformBot) -> list[str]:
    async with bot.store.begin() as tx:
        return [one.appid for one in await tenants.load(tx)]


async def test_account_that_two_lists_lack_is_withdrawn_once_wechat_says_so(bot):
    await bot.granted()
    await bot.step()
    await bot.withdraws(pushes=False)
    await next_list(bot)
    assert await bot.state() == "active"
    await next_list(bot)
    assert await bot.state() == "doubtful"
    for after in (10, 50):
        bot.clock.now += after * MINUTE
        await bot.ticket()
        assert await bot.poll() == 61003
    assert await bot.state() == "revoked"


async def test_account_that_two_lists_lack_by_mistake_stays(bot):
    await bot.granted()
    await bot.step()
    grants = bot.platform.grants
    await next_list(bot)
    bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=-1, path=LIST))
    grant = grants._in_force.pop(SHOP)
    await next_list(bot)
    bot.clock.now += MINUTE
    await bot.step()
    grants._in_force[SHOP] = grant
    await next_list(bot)
    assert await bot.state() == "active"
    async with bot.store.begin() as tx:
        assert (await tx.run(sa.select(tenant.c.missed_lists))).scalar() == 0


async def test_long_list_is_read_in_pages(bot):
    for number in range(501):
        bot.platform.grants.grant(f"wx{number:016}", (6,), bot.clock())
    await bot.services.list.read_if_due()
    assert bot.calls("api_get_authorizer_list") == 2
    async with bot.store.begin() as tx:
        assert (await tx.run(sa.select(sa.func.count()).select_from(tenant))).scalar() == 501


async def test_account_with_an_appsecret_is_not_taken_over(bot):
    async with bot.store.begin() as tx:
        await tenants.save(tx, StoredTenant(SHOP, "shop", "Shop", "command"))
    await bot.granted(pushes=False)
    await bot.step()
    async with bot.store.begin() as tx:
        assert (await tx.run(sa.select(tenant.c.origin))).scalar() == "command"


async def test_only_one_process_reads_the_list(bot):
    async with bot.store.begin() as tx:
        values = {"listing_until": tx.now + LEASE}
        await tx.run(sa.update(platform).values(**values))
    assert not await bot.services.list.read_if_due()
    bot.clock.now += LEASE
    assert await bot.services.list.read_if_due()
    assert not await bot.services.list.read_if_due()
    bot.clock.forward(seconds=1)
    assert await bot.services.list.read_if_due(always=True)


async def test_failure_is_tried_again_after_a_minute_and_keeps_what_was_read(bot):
    bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=45009, times=None, path=LIST))
    await bot.step()
    await bot.step()
    assert bot.calls("api_get_authorizer_list") == 1
    await bot.step(MINUTE)
    assert bot.calls("api_get_authorizer_list") == 2
    assert (await bot.row())["fault"]["errcode"] == 45009
    bot.wechat.component_api.clear_faults()
    bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=-1, path=LIST))
    with pytest.raises(BusyError):
        await bot.services.list.read_if_due()
    await bot.step(MINUTE)
    row = await bot.row()
    assert (row["listed_at"], row["fault"]) == (bot.clock(), None)


async def test_lost_keys_are_repaired_by_the_list(bot):
    await bot.granted()
    await bot.step()
    async with bot.store.begin() as tx:
        other = sa.func.replace(secret.c.value, sa.func.substr(secret.c.value, 1, 8), "00000000")
        await tx.run(sa.update(secret).values(value=other, key_id="00000000"))
    await next_list(bot)
    assert await bot.poll() == 0
