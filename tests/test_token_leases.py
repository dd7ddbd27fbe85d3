"""Tokens in the store: one process renews at a time, sealed values, and clocks that were wrong."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.accounts_cli.rotation import reseal
from bot.sealing import StoreKeys, new_key
from bot.store import platform_rows, sealed_secrets, tables, token_leases
from bot.store.sealed_secrets import REFRESH_TOKEN, TICKET, SealedSecret
from bot.store.token_leases import RIVAL_PAUSE, StoredTokens, sealed_name
from tests.conftest import NOW
from wechat_kf.token_store import TokenKind, TokenRow, TokenStore

PLATFORM, ROSE = "wx00000000000000c0", "wx00000000000000a1"
COMPONENT, AUTHORIZER = TokenKind
KEYS = StoreKeys([new_key()])
LEASE, LIFE, SECOND = timedelta(seconds=15), timedelta(hours=2), timedelta(seconds=1)


@pytest.fixture
def tokens(store) -> StoredTokens:
    return StoredTokens(store, KEYS)


async def renew(tokens: TokenStore, token: str, kind: TokenKind = AUTHORIZER, **more: str) -> bool:
    """Renew a token as a process does that sees the row and wins the claim."""
    owner = PLATFORM if kind is COMPONENT else ROSE
    seen = (await tokens.get(owner, kind)).fence
    return await tokens.claim(owner, kind, seen, LEASE) and await tokens.put(
        owner, kind, seen + 1, token, LIFE, **more
    )


async def test_token_has_its_life_by_the_clock_of_the_store(tokens, clock):
    assert await tokens.get(ROSE, AUTHORIZER) == TokenRow()
    assert await renew(tokens, "first")
    clock.forward(minutes=30)
    assert await tokens.get(ROSE, AUTHORIZER) == TokenRow("first", timedelta(minutes=90), LIFE, fence=2)
    clock.forward(hours=3)
    assert (await tokens.get(ROSE, AUTHORIZER)).left == timedelta(0)
    assert await tokens.get(ROSE, COMPONENT) == TokenRow()
    assert await tokens.get(PLATFORM, AUTHORIZER) == TokenRow()


async def test_one_process_of_several_wins_a_claim_and_keeps_it_for_the_lease(tokens, clock):
    claims = await asyncio.gather(*(tokens.claim(ROSE, AUTHORIZER, 0, LEASE) for _ in range(3)))
    assert sorted(claims) == [False, False, True]
    row = await tokens.get(ROSE, AUTHORIZER)
    assert (row.is_leased, row.fence) == (True, 1)
    assert not await tokens.claim(ROSE, AUTHORIZER, 1, LEASE)
    clock.forward(seconds=15)
    assert not (await tokens.get(ROSE, AUTHORIZER)).is_leased
    assert await tokens.claim(ROSE, AUTHORIZER, 1, LEASE)


async def test_row_that_was_read_before_or_during_a_renewal_claims_nothing_after_it(tokens):
    await tokens.claim(ROSE, AUTHORIZER, 0, LEASE)
    during = (await tokens.get(ROSE, AUTHORIZER)).fence
    await tokens.put(ROSE, AUTHORIZER, 1, "first", LIFE)
    assert [await tokens.claim(ROSE, AUTHORIZER, fence, LEASE) for fence in (0, during)] == [False] * 2
    assert (await tokens.get(ROSE, AUTHORIZER)).value == "first"


async def test_token_whose_claim_another_process_has_taken_over_is_not_stored(tokens, clock):
    await tokens.claim(ROSE, AUTHORIZER, 0, LEASE)
    clock.forward(seconds=15)
    await tokens.claim(ROSE, AUTHORIZER, 1, LEASE)
    assert not await tokens.put(ROSE, AUTHORIZER, 1, "late", LIFE, refresh_token="late")
    assert await tokens.put(ROSE, AUTHORIZER, 2, "second", LIFE)
    assert (await tokens.get(ROSE, AUTHORIZER)).value == "second"
    assert await tokens.secret(ROSE, REFRESH_TOKEN) == ""


async def test_old_token_is_there_until_the_new_one_is(tokens):
    await renew(tokens, "first")
    await tokens.claim(ROSE, AUTHORIZER, 2, LEASE)
    assert (await tokens.get(ROSE, AUTHORIZER)).value == "first"


async def test_failed_renewal_is_not_repeated_before_its_pause_is_over(tokens, clock):
    await tokens.claim(ROSE, AUTHORIZER, 0, LEASE)
    await tokens.fail(ROSE, AUTHORIZER, 1, timedelta(minutes=1), 45009)
    assert await tokens.get(ROSE, AUTHORIZER) == TokenRow(fence=1, wait=timedelta(minutes=1), errcode=45009)
    assert not await tokens.claim(ROSE, AUTHORIZER, 1, LEASE)
    clock.forward(minutes=1)
    assert await tokens.claim(ROSE, AUTHORIZER, 1, LEASE)
    await tokens.fail(ROSE, AUTHORIZER, 1, timedelta(hours=1))  # of the claim before
    assert (await tokens.get(ROSE, AUTHORIZER)).is_leased
    assert await tokens.put(ROSE, AUTHORIZER, 2, "first", LIFE)
    assert await tokens.get(ROSE, AUTHORIZER) == TokenRow("first", LIFE, LIFE, fence=3)


async def test_refresh_token_is_stored_with_the_token_and_kept_without_a_new_one(tokens):
    await renew(tokens, "first", refresh_token="r1")
    await renew(tokens, "second")
    assert await tokens.secret(ROSE, REFRESH_TOKEN) == "r1"
    await renew(tokens, "third", refresh_token="r2")
    assert await tokens.secret(ROSE, REFRESH_TOKEN) == "r2"


async def test_times_that_a_wrong_clock_has_written_stop_no_renewal(tokens, clock):
    clock.forward(minutes=10)
    await tokens.claim(ROSE, AUTHORIZER, 0, LEASE)
    clock.forward(minutes=-10)
    assert not (await tokens.get(ROSE, AUTHORIZER)).is_leased
    assert await tokens.claim(ROSE, AUTHORIZER, 1, LEASE)
    clock.forward(days=400)
    await tokens.put(ROSE, AUTHORIZER, 2, "first", LIFE)
    await tokens.claim(ROSE, AUTHORIZER, 3, LEASE)
    await tokens.fail(ROSE, AUTHORIZER, 4, timedelta(hours=23))
    clock.forward(days=-400)
    row = await tokens.get(ROSE, AUTHORIZER)
    assert (row.value, row.left, row.wait) == ("first", timedelta(0), timedelta(0))
    assert await tokens.claim(ROSE, AUTHORIZER, 4, LEASE)


@pytest.mark.parametrize(("errcode", "wait"), [(61006, timedelta(minutes=1)), (0, RIVAL_PAUSE)])
async def test_short_wait_that_was_written_hours_ahead_stops_no_renewal(tokens, clock, errcode, wait):
    clock.forward(hours=12)
    await tokens.claim(PLATFORM, COMPONENT, 0, LEASE)
    await tokens.fail(PLATFORM, COMPONENT, 1, wait, errcode)
    row = await tokens.get(PLATFORM, COMPONENT)
    assert row.wait == wait
    assert not await tokens.claim(PLATFORM, COMPONENT, row.fence, LEASE)
    clock.forward(hours=-12)
    row = await tokens.get(PLATFORM, COMPONENT)
    assert row.wait == timedelta(0)
    assert await tokens.claim(PLATFORM, COMPONENT, row.fence, LEASE)


async def test_wait_for_a_quota_lasts_for_hours(tokens, clock):
    await tokens.claim(ROSE, AUTHORIZER, 0, LEASE)
    await tokens.fail(ROSE, AUTHORIZER, 1, timedelta(hours=24), 45009)
    clock.forward(hours=23)
    assert (await tokens.get(ROSE, AUTHORIZER)).wait == timedelta(hours=1)
    assert not await tokens.claim(ROSE, AUTHORIZER, 1, LEASE)


async def test_values_are_sealed_for_their_owner_and_kind(tokens, store):
    await renew(tokens, "first", refresh_token="r1")
    async with store.begin() as tx:
        stored = [*(await tx.run(sa.select(tables.token.c.value, tables.token.c.owner))).all()]
        refresh = await sealed_secrets.load(tx, ROSE, REFRESH_TOKEN)
        assert [KEYS.open(owner, sealed_name(AUTHORIZER), value) for value, owner in stored] == ["first"]
        await tx.run(sa.update(tables.token).values(value=refresh))
    assert (await tokens.get(ROSE, AUTHORIZER)).value == ""


async def test_value_that_no_key_opens_counts_as_missing_and_is_logged_once(store, caplog):
    before = StoredTokens(store, StoreKeys([new_key()]))
    await renew(before, "first", refresh_token="r1")
    tokens = StoredTokens(store, KEYS)
    for _ in range(2):
        assert await tokens.get(ROSE, AUTHORIZER) == TokenRow(fence=2)
        assert await tokens.secret(ROSE, REFRESH_TOKEN) == ""
    assert len(caplog.records) == 1
    assert "sealed value cannot be opened" in caplog.text
    assert "STORE_KEYS lacks the key" in caplog.text
    async with store.begin() as tx:
        await sealed_secrets.put(tx, SealedSecret(ROSE, REFRESH_TOKEN, KEYS.seal(PLATFORM, REFRESH_TOKEN, "r")))
    assert await tokens.secret(ROSE, REFRESH_TOKEN) == ""
    assert len(caplog.records) == 2
    assert await renew(tokens, "second")
    assert (await tokens.get(ROSE, AUTHORIZER)).value == "second"


async def test_token_without_a_claim_replaces_the_one_before_and_ends_a_renewal(tokens, store):
    for token in ("exchanged", "again"):
        await tokens.claim(ROSE, AUTHORIZER, (await tokens.get(ROSE, AUTHORIZER)).fence, LEASE)
        claimed = (await tokens.get(ROSE, AUTHORIZER)).fence
        async with store.begin() as tx:
            sealed = KEYS.seal(ROSE, sealed_name(AUTHORIZER), token)
            await token_leases.replace(tx, ROSE, AUTHORIZER, sealed, LIFE)
        assert not await tokens.put(ROSE, AUTHORIZER, claimed, "renewed", LIFE)
        row = await tokens.get(ROSE, AUTHORIZER)
        assert (row.value, row.left, row.is_leased) == (token, LIFE, False)


# A second holder of the platform


async def rival_at(store) -> object:
    async with store.begin() as tx:
        return (await platform_rows.load(tx, PLATFORM)).rival_at


async def refuse(tokens: TokenStore, token: str, renewed: str) -> None:
    """Renew the platform's token because WeChat has refused it."""
    assert await renew(tokens, renewed, COMPONENT)
    await tokens.note_refused(PLATFORM, COMPONENT, token)


async def test_second_refusal_within_an_hour_shows_a_rival_and_slows_renewals_down(tokens, store, clock):
    await renew(tokens, "first", COMPONENT)
    clock.forward(minutes=3)
    await refuse(tokens, "first", "second")
    assert (await tokens.get(PLATFORM, COMPONENT)).wait == timedelta(0)
    assert await rival_at(store) is None
    clock.forward(minutes=3)
    await refuse(tokens, "second", "third")
    assert await rival_at(store) == clock()
    assert (await tokens.get(PLATFORM, COMPONENT)).wait == RIVAL_PAUSE
    assert not await renew(tokens, "too early", COMPONENT)
    clock.forward(minutes=6)
    assert await renew(tokens, "fourth", COMPONENT)
    assert (await tokens.get(PLATFORM, COMPONENT)).wait == RIVAL_PAUSE
    clock.forward(minutes=55)
    assert await renew(tokens, "fifth", COMPONENT)
    assert (await tokens.get(PLATFORM, COMPONENT)).wait == timedelta(0)


async def test_refusals_more_than_an_hour_apart_show_no_rival(tokens, store, clock):
    for token in ("first", "second"):
        await refuse(tokens, token, token)
        clock.forward(minutes=61)
    assert await rival_at(store) is None
    clock.forward(days=-1)  # it was wrong before
    await refuse(tokens, "third", "fourth")
    assert await rival_at(store) is None


# The ticket that could not be stored


async def test_kept_ticket_stays_until_it_can_be_stored_and_is_that_of_its_platform(tokens, store):
    tokens.keep_ticket(PLATFORM, NOW, KEYS.seal(PLATFORM, TICKET, "newest"))
    tokens.keep_ticket(PLATFORM, NOW - SECOND, KEYS.seal(PLATFORM, TICKET, "older"))
    assert await tokens.secret(ROSE, TICKET) == ""
    assert await tokens.secret(PLATFORM, TICKET) == "newest"
    assert await StoredTokens(store, KEYS).secret(PLATFORM, TICKET) == "newest"


async def test_keys_are_rotated_while_processes_renew_tokens(store):
    old, new = new_key(), new_key()
    before, after = StoreKeys([old]), StoreKeys([new, old])
    appids = [f"wx{number:016x}" for number in range(12)]
    async with store.begin() as tx:
        for appid in appids:
            await sealed_secrets.put(
                tx, SealedSecret(appid, REFRESH_TOKEN, before.seal(appid, REFRESH_TOKEN, "r0"))
            )

    async def renewing(appid: str) -> None:
        tokens = StoredTokens(store, after)
        for number in range(1, 4):
            assert await tokens.secret(appid, REFRESH_TOKEN) == f"r{number - 1}"
            fence = (await tokens.get(appid, AUTHORIZER)).fence
            assert await tokens.claim(appid, AUTHORIZER, fence, LEASE)
            refresh_token = f"r{number}"
            assert await tokens.put(appid, AUTHORIZER, fence + 1, f"t{number}", LIFE, refresh_token=refresh_token)

    await asyncio.gather(*map(renewing, appids), reseal(store, after, size=5), reseal(store, after, size=5))
    await reseal(store, after)
    alone = StoredTokens(store, StoreKeys([new]))
    assert {await alone.secret(appid, REFRESH_TOKEN) for appid in appids} == {"r3"}
    assert {(await alone.get(appid, AUTHORIZER)).value for appid in appids} == {"t3"}


async def test_ticket_that_comes_while_another_is_stored_is_kept(tokens):
    tokens.keep_ticket(PLATFORM, NOW, KEYS.seal(PLATFORM, TICKET, "first"))
    storing = asyncio.create_task(tokens.store_ticket())
    await asyncio.sleep(0)
    tokens.keep_ticket(PLATFORM, NOW + SECOND, KEYS.seal(PLATFORM, TICKET, "second"))
    await storing
    assert await tokens.secret(PLATFORM, TICKET) == "second"
