"""Claims of polls: each due row once, never more than requested, and one lease for a process that was killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.runtime.metrics import OverduePolls
from bot.store import claims, poll_state, tenants
from bot.store.claims import ClaimedPoll
from bot.store.database import Store, insert_new
from bot.store.tables import poll_state as poll_state_table
from bot.store.tenants import COMMAND, StoredTenant
from tests.conftest import APPID, NOW

pytestmark = [pytest.mark.both_stores, pytest.mark.driver_thread]
LEASE = timedelta(seconds=60)
MINUTE = timedelta(minutes=1)
A, B, C = "wx-a", "wx-b", "wx-c"


async def add(store: Store, *appids: str, **values: object) -> None:
    """Add accounts, each due a second before the next."""
    async with store.begin() as tx:
        for number, appid in enumerate(appids):
            row = {"next_poll_at": NOW - timedelta(seconds=len(appids) - number), "next_post_at": NOW, **values}
            await tx.run(insert_new(tx, poll_state_table).values(appid=appid, **row))


async def claim(store: Store, limit: int = 10, without: Sequence[str] = (APPID,)) -> list[str]:
    async with store.begin() as tx:
        return [one.appid for one in await claims.claim(tx, limit, LEASE, without=without)]


async def overdue(store: Store) -> OverduePolls:
    async with store.begin() as tx:
        return await claims.overdue(tx, [A, B, C])


async def due_at(store: Store, appid: str) -> object:
    async with store.begin() as tx:
        columns = (poll_state_table.c.next_poll_at, poll_state_table.c.due_at)
        return tuple((await tx.run(sa.select(*columns).where(poll_state_table.c.appid == appid))).one())


@pytest.fixture
async def three(store: Store) -> Store:
    await store.open()
    await add(store, A, B, C)
    return store


async def test_poll_that_is_due_longest_is_claimed_first(three):
    assert await claim(three, 2) == [A, B]
    assert await claim(three, 2) == [C]
    assert await claim(three, 2) == []


async def test_claim_costs_a_lease_when_its_process_is_killed(three, clock):
    await claim(three)
    clock.forward(seconds=59)
    assert await claim(three) == []
    clock.forward(seconds=1)
    assert await claim(three) == [A, B, C]


async def test_claim_says_since_when_the_poll_was_due_also_after_a_kill(three, clock):
    async with three.begin() as tx:
        (first, *_) = await claims.claim(tx, 3, LEASE, without=[APPID])
    assert first == ClaimedPoll(A, NOW, NOW - timedelta(seconds=3), True, False, None)
    clock.forward(seconds=60)
    async with three.begin() as tx:
        (again, *_) = await claims.claim(tx, 3, LEASE, without=[APPID])
    assert again.due_at == first.due_at


async def test_outcome_sets_the_next_poll_and_ends_the_claim(three):
    await claim(three)
    async with three.of(A, "").begin() as tx:
        await poll_state.schedule_poll(tx, NOW + 5 * MINUTE, wait=5 * MINUTE, began=NOW)
    assert await due_at(three, A) == (NOW + 5 * MINUTE, None)


async def test_poll_that_is_requested_during_another_follows_it_at_once(three, clock):
    await claim(three)
    clock.forward(seconds=1)
    async with three.of(A, "").begin() as tx:
        await poll_state.poll_now(tx, tx.now, always=True)
        await poll_state.schedule_poll(tx, tx.now + 5 * MINUTE, wait=5 * MINUTE, began=NOW)
    assert await claim(three) == [A]


async def test_poll_that_was_requested_while_the_clock_was_ahead_delays_no_later_one(three, clock):
    async with three.of(A, "").begin() as tx:
        await poll_state.poll_now(tx, NOW + timedelta(days=1), always=True)
        await poll_state.schedule_poll(tx, NOW + MINUTE, wait=MINUTE, began=NOW)
    assert await due_at(three, A) == (NOW + MINUTE, None)


async def test_account_that_one_bot_does_not_have_is_left_to_another_on_the_same_database(three):
    async with three.begin() as tx:
        for appid in (A, B):
            await tenants.record(tx, [StoredTenant(appid, appid[3:], appid, "environment")])
        assert await claims.others(tx, [B]) == {A, C, APPID}
    assert await claim(three) == [A, B, C]


async def test_account_that_a_command_pauses_is_not_claimed_from_then_on(three):
    async with three.begin() as tx:
        for appid in (A, B, C):
            await tenants.save(tx, StoredTenant(appid, appid[3:], appid, COMMAND))
        await tenants.pause(tx, A)
        await tenants.pause(tx, B)
        await tenants.resume(tx, B)
        await tenants.remove(tx, C)
    assert await claim(three) == [B]


async def test_claim_that_is_given_back_is_due_as_before(three):
    before = await due_at(three, A)
    await claim(three)
    async with three.begin() as tx:
        await claims.give_back(tx, [A])
    assert await due_at(three, A) == before


async def test_poll_that_a_person_requested_is_claimed_before_older_ones(three, clock):
    async with three.of(C, "").begin() as tx:
        await poll_state.poll_now(tx, tx.now, always=True)
    async with three.begin() as tx:
        (claimed,) = await claims.claim_requested(tx, 5, LEASE, without=[])
    assert claimed.appid == C
    async with three.of(C, "").begin() as tx:  # it was made, and is due again
        known = await poll_state.load(tx)
        later = NOW + timedelta(seconds=1)
        await poll_state.record_read(
            tx, known, began=later, now=later, accounts=1, empty_polls=0, wait=timedelta(seconds=1)
        )
    clock.forward(seconds=2)
    async with three.begin() as tx:
        assert await claims.claim_requested(tx, 5, LEASE, without=[]) == []


async def test_overdue_polls_are_those_that_no_process_has_claimed(three, clock):
    async with three.of(APPID, "").begin() as tx:
        await poll_state.schedule_poll(tx, NOW + 5 * MINUTE)
    assert await overdue(three) == OverduePolls(3, 3.0)
    await claim(three, 1)
    clock.forward(seconds=10)
    assert await overdue(three) == OverduePolls(2, 12.0)
    await claim(three)
    assert await overdue(three) == OverduePolls()


async def test_next_poll_is_that_of_the_accounts_of_this_process(three):
    async with three.begin() as tx:
        assert await claims.next_due(tx, without=[APPID, A]) == NOW - timedelta(seconds=2)
        assert await claims.next_due(tx, without=[APPID, A, B, C]) is None


async def test_poll_for_the_queue_is_taken_once(three, clock):
    async with three.begin() as tx:
        await claims.claim(tx, 1, LEASE, without=[APPID], queue=True)
    clock.forward(seconds=30)
    async with three.begin() as tx:
        taken = [await claims.take(tx, A, LEASE) for _ in range(2)]
    assert taken == [
        ClaimedPoll(A, NOW + timedelta(seconds=30), NOW - timedelta(seconds=3), True, False, None),
        None,
    ]
    clock.forward(seconds=59)
    assert await claim(three) == [B, C]  # the lease began again when it was taken


async def test_poll_for_the_queue_is_not_taken_after_its_lease(three, clock):
    async with three.begin() as tx:
        await claims.claim(tx, 1, LEASE, without=[APPID], queue=True)
    clock.forward(seconds=60)
    async with three.begin() as tx:
        assert await claims.take(tx, A, LEASE) is None


@pytest.mark.parametrize(("planned", "is_repaired"), [(11, False), (13, True)])
async def test_poll_that_a_wrong_clock_planned_far_ahead_is_repaired(store, planned, is_repaired):
    await store.open()
    await add(store, A, next_poll_at=NOW + planned * MINUTE, poll_wait=300)
    async with store.begin() as tx:
        await claims.repair(tx, LEASE)
    assert (await claim(store) == [A]) is is_repaired


async def test_repair_leaves_claims_in_force_alone(three):
    await claim(three)
    async with three.begin() as tx:
        await claims.repair(tx, LEASE)
    assert await claim(three) == []


async def test_three_claimers_claim_each_due_poll_once_and_never_more_than_requested(store, store_url):
    await store.open()
    appids = [f"wx-{number:03}" for number in range(900)]
    async with store.begin() as tx:
        await tx.connection.execute(
            sa.insert(poll_state_table),
            [{"appid": appid, "next_poll_at": NOW - MINUTE, "next_post_at": NOW} for appid in appids],
        )
    claimed: list[list[str]] = []

    async def claim_all(own: Store) -> None:
        while found := await claim(own, 16):
            claimed.append(found)

    others = [Store.from_url(store_url, APPID, clock=lambda: NOW) for _ in range(2)]
    await asyncio.gather(*(claim_all(one) for one in (store, *others)))
    for one in others:
        await one.close()
    assert Counter(appid for found in claimed for appid in found) == Counter(appids)
    assert max(map(len, claimed)) == 16


@pytest.mark.parametrize("others", [0, 99, 100, 250])
async def test_account_without_a_poll_is_found_among_any_number_of_others(store, others):
    await store.open()
    await add(store, *(f"a{number}" for number in range(others)), "z")
    async with store.begin() as tx:
        assert await poll_state.any_unpolled(tx, {"z", "y"})
        assert not await poll_state.any_unpolled(tx, {"y"})
