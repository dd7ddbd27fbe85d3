"""From a push to an account that can be polled: its code, its tokens, its name and its permission sets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.platform.exchange import ForeignAccountError
from bot.store import tenants
from bot.store.database import Store
from bot.store.tables import secret, token
from bot.store.tenants import StoredTenant
from tests.authorizations import PlatformBot, platform_bot
from tests.conftest import VirtualClock
from tests.platforms import APP, KIOSK, SHOP
from wechat_kf.simulator import Fault, FaultMode
from wechat_kf.simulator.component import Profile

pytestmark = pytest.mark.mostly_sqlite

QUERY_AUTH = "/cgi-bin/component/api_query_auth"
INFO = "/cgi-bin/component/api_get_authorizer_info"
DAY = timedelta(days=1)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> AsyncIterator[PlatformBot]:
    async with platform_bot(store, clock) as made:
        await made.ticket()
        yield made


@pytest.mark.both_stores
async def test_authorised_account_can_be_polled(bot):
    await bot.granted()
    assert await bot.state() == "unexchanged"
    assert bot.woken == 2  # by the ticket, too
    await bot.step()
    account = await bot.account()
    assert (account.state, account.kind, account.sets) == ("active", "official", (6,))
    assert (account.account_status, account.duty_at) == (1, None)
    assert await bot.poll() == 0
    assert await bot.secrets() == {"refresh_token", "used_code"}
    await bot.step()
    assert bot.calls("api_query_auth") == bot.calls("api_get_authorizer_info") == 1


async def test_every_stored_secret_is_sealed(bot):
    await bot.granted()
    await bot.step()
    grant = bot.platform.grants.find(SHOP)
    async with bot.store.begin() as tx:
        values = [*(await tx.run(sa.select(secret.c.value))).scalars()]
        values += (await tx.run(sa.select(token.c.value))).scalars()
    assert len(values) == 5  # two tokens, a ticket, a refresh token, a used code
    assert grant
    assert not any("@@@" in value or grant.refresh_token in value for value in values)


async def test_account_gets_its_name_and_its_alias_as_handle_once(bot):
    bot.platform.profiles[SHOP] = Profile("Harbour\u202e Tea", "HarbourTea")
    bot.platform.profiles[KIOSK] = Profile("", "harbourtea")
    bot.platform.profiles[APP] = Profile("清茶", "清 茶")
    for appid in (SHOP, KIOSK, APP):
        await bot.granted(appid, 6, 19)
        await bot.step()
    found = [await bot.account(appid) for appid in (SHOP, KIOSK, APP)]
    assert [(one.slug, one.name) for one in found] == [
        ("harbourtea", "Harbour Tea"),
        ("harbourtea-2", ""),
        ("wx0000a3", "清茶"),
    ]
    assert [one.kind for one in found] == ["official", "official", "mini"]
    await bot.change(slug="ours", name="Ours")
    await bot.granted()
    await bot.step()
    account = await bot.account()
    assert (account.slug, account.name) == ("ours", "Ours")


async def test_code_is_tried_again_until_wechat_answers(bot):
    bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=-1, times=None, path=QUERY_AUTH))
    await bot.granted()
    for after in (0, 1, 4, 15, 60, 60):
        before = bot.calls("api_query_auth")
        await bot.step(timedelta(seconds=after - 0.5))
        assert bot.calls("api_query_auth") == before
        await bot.step(timedelta(seconds=0.5))
        assert bot.calls("api_query_auth") == before + 1
    assert await bot.state() == "unexchanged"
    bot.wechat.component_api.clear_faults()
    await bot.step(timedelta(seconds=60))
    assert await bot.state() == "active"


async def test_facts_are_asked_again_and_the_account_is_polled_meanwhile(bot):
    bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=-1, times=None, path=INFO))
    await bot.granted()
    await bot.step()
    assert (await bot.account()).kind is None
    assert await bot.poll() == 0
    bot.wechat.component_api.clear_faults()
    await bot.step()
    account = await bot.account()
    assert (account.state, account.kind, bot.calls("api_query_auth")) == ("active", "official", 1)


async def test_expired_code_is_deleted_and_the_list_read_soon(bot):
    await bot.step()  # the list
    bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=-1, times=None, path=QUERY_AUTH))
    await bot.granted()
    await bot.step()
    await bot.ticket()
    bot.wechat.component_api.clear_faults()
    before = bot.calls("api_get_authorizer_list")
    bot.platform.grants.lose_refresh_token(SHOP)
    await bot.step(timedelta(minutes=61))
    assert await bot.secrets() == set()
    account = await bot.account()
    assert (account.state, account.code_until, account.code_lost_at) == ("unexchanged", None, bot.clock())
    assert account.name  # which needs no code
    assert bot.calls("api_get_authorizer_list") == before + 1
    await bot.step(timedelta(minutes=2))
    assert bot.calls("api_get_authorizer_list") == before + 1


@pytest.mark.parametrize(
    "before",
    [{"code_lost_at": -timedelta(hours=2)}, {"state": "revoked", "refused_since": -timedelta(hours=2)}],
    ids=["lost code", "withdrawal"],
)
async def test_first_refusal_after_an_authorisation_is_a_doubt_whatever_was_before(bot, before):
    await bot.granted()
    await bot.change(**{name: bot.clock() + at if name != "state" else at for name, at in before.items()})
    bot.clock.forward(seconds=1)
    await bot.granted()
    bot.wechat.component_api.inject(Fault(FaultMode.ERRCODE, errcode=61003, path=QUERY_AUTH))
    await bot.step()
    assert await bot.state() == "doubtful"


async def test_code_that_another_has_exchanged_is_given_up(bot):
    await bot.granted()
    bot.platform.grants.exchange(next(iter(bot.platform.grants._codes)), bot.clock())
    await bot.step()
    assert await bot.secrets() == {"refresh_token"}  # which the facts have
    assert await bot.state() == "active"
    assert await bot.poll() == 0


async def test_owner_who_changes_the_sets_decides_whether_it_is_polled(bot):
    await bot.granted()
    await bot.step()
    bot.platform.sets = (6, 11)
    await bot.granted(SHOP, 11)
    await bot.step()
    assert await bot.state() == "ungranted"
    await bot.granted(SHOP, 6, 11)
    await bot.step()
    account = await bot.account()
    assert (account.state, account.sets) == ("active", (6, 11))


async def test_account_without_any_set_is_ungranted(bot):
    push = bot.platform.grant(SHOP, (), bot.clock())
    await bot.pushed(push)
    await bot.step()
    assert await bot.state() == "ungranted"
    assert await bot.secrets() == {"used_code", "refresh_token"}  # of its facts


async def test_closed_account_is_asked_again_after_a_day(bot):
    bot.platform.profiles[SHOP] = Profile("Tea", account_status=19)
    await bot.granted()
    await bot.step()
    assert await bot.state() == "closed"
    bot.platform.profiles[SHOP] = Profile("Tea")
    bot.clock.now += DAY - timedelta(seconds=10)
    await bot.ticket()
    await bot.step()
    assert await bot.state() == "closed"
    await bot.step()
    assert await bot.state() == "active"


async def test_withdrawal_during_the_exchange_is_the_last_word(bot):
    async def withdraw() -> None:
        await bot.withdraws()

    await bot.granted()
    bot.clock.forward(seconds=2)
    bot.meanwhile["api_query_auth"] = withdraw
    await bot.step(timedelta(0))
    assert await bot.state() == "revoked"
    assert await bot.secrets() == set()
    await bot.step()
    assert bot.withdrawn == [SHOP]


async def test_push_during_the_exchange_leads_to_another(bot):
    async def grant() -> None:
        await bot.granted(SHOP, 6)

    await bot.granted()
    bot.clock.forward(seconds=2)
    bot.meanwhile["api_query_auth"] = grant
    await bot.step(timedelta(0))
    await bot.step()
    assert (await bot.state(), bot.calls("api_query_auth")) == ("active", 2)


async def test_account_that_a_person_has_paused_stays_paused(bot):
    await bot.granted()
    await bot.step()
    async with bot.store.begin() as tx:
        await tenants.pause(tx, SHOP)
    bot.clock.forward(seconds=1)
    await bot.granted()
    await bot.step()
    assert await bot.state() == "paused"
    assert (await bot.account()).duty_at is None


async def test_account_with_an_appsecret_keeps_its_own_tokens(bot):
    async with bot.store.begin() as tx:
        await tenants.save(tx, StoredTenant(SHOP, "shop", "Shop", "command"))
    code = bot.platform.grants.grant(SHOP, (6,), bot.clock()).code
    with pytest.raises(ForeignAccountError):
        await bot.services.exchange.exchange(code, until=bot.clock() + DAY)
    assert await bot.secrets() == set()
