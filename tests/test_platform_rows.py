"""The row of the platform: what moves forward only, what one process does at a time, and faults."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.store import platform_rows, sealed_secrets
from bot.store.platform_rows import PlatformRow
from bot.store.sealed_secrets import TICKET
from tests.conftest import NOW

pytestmark = pytest.mark.mostly_sqlite

APPID = "wx00000000000000c0"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def run(store):
    """Return a function that runs one of the module in a transaction of its own."""

    async def run(work, *args, **named):
        async with store.begin() as tx:
            return await work(tx, APPID, *args, **named)

    return run


async def test_platform_that_is_not_known_yet_has_an_empty_row(run):
    assert await run(platform_rows.load) == PlatformRow()


async def test_ticket_only_moves_forward_and_its_age_counts_from_its_arrival(run, clock):
    assert await run(platform_rows.take_ticket, NOW, "0a1b2c3d:first")
    clock.forward(minutes=9)
    assert not await run(platform_rows.take_ticket, NOW, "0a1b2c3d:same")
    assert not await run(platform_rows.take_ticket, NOW - MINUTE, "0a1b2c3d:older")
    assert (await run(platform_rows.load)).pushed_at == NOW
    assert await run(platform_rows.take_ticket, NOW + MINUTE, "0a1b2c3d:second")
    row = await run(platform_rows.load)
    assert (row.ticket_at, row.pushed_at) == (NOW + MINUTE, NOW + 9 * MINUTE)
    assert await run(sealed_secrets.load, TICKET) == "0a1b2c3d:second"


async def test_ticket_that_is_more_than_a_day_ahead_stops_no_later_one(run):
    assert await run(platform_rows.take_ticket, NOW + 400 * 24 * HOUR, "0a1b2c3d:far ahead")
    assert await run(platform_rows.take_ticket, NOW + MINUTE, "0a1b2c3d:next")
    assert not await run(platform_rows.take_ticket, NOW, "0a1b2c3d:older")
    assert await run(platform_rows.take_ticket, NOW + 24 * HOUR, "0a1b2c3d:a little ahead")
    assert not await run(platform_rows.take_ticket, NOW + 2 * MINUTE, "0a1b2c3d:older")


async def test_wechat_is_asked_for_tickets_once_an_hour_by_all_processes(run, clock):
    assert [await run(platform_rows.claim_start, HOUR) for _ in range(2)] == [True, False]
    clock.forward(hours=1)
    assert await run(platform_rows.claim_start, HOUR)
    clock.forward(hours=-5)  # it was wrong before
    assert await run(platform_rows.claim_start, HOUR)


async def test_list_is_read_by_one_process_at_a_time_and_again_after_an_hour(run, clock):
    until = await run(platform_rows.claim_list, MINUTE, HOUR)
    assert until == NOW + MINUTE
    assert await run(platform_rows.claim_list, MINUTE, HOUR) is None
    assert await run(platform_rows.finish_list, until, is_complete=True)
    assert (await run(platform_rows.load)).listed_at == NOW
    assert await run(platform_rows.claim_list, MINUTE, HOUR) is None
    assert await run(platform_rows.claim_list, MINUTE, timedelta(0)) == until  # a person asks for it
    clock.forward(hours=1)
    assert await run(platform_rows.claim_list, MINUTE, HOUR) == NOW + HOUR + MINUTE


@pytest.mark.both_stores
async def test_list_whose_reading_was_cut_short_is_read_again_after_the_lease(run, clock):
    lost = await run(platform_rows.claim_list, MINUTE, HOUR)
    clock.forward(minutes=1)
    until = await run(platform_rows.claim_list, MINUTE, HOUR)
    assert not await run(platform_rows.finish_list, lost, is_complete=True)
    assert await run(platform_rows.finish_list, until, is_complete=False)
    assert await run(platform_rows.claim_list, MINUTE, HOUR) is not None
    clock.forward(days=-1)  # it was wrong before
    assert await run(platform_rows.claim_list, MINUTE, HOUR) is not None


async def test_fault_keeps_its_begin_until_a_call_succeeds(run, clock):
    await run(platform_rows.record_fault, {"errcode": 61004})
    clock.forward(minutes=5)
    await run(platform_rows.record_fault, {"errcode": 61005})
    row = await run(platform_rows.load)
    assert (row.fault, row.fault_at) == ({"errcode": 61005}, NOW)
    await run(platform_rows.clear_fault)
    row = await run(platform_rows.load)
    assert (row.fault, row.fault_at, row.next_call_at) == (None, None, None)


@pytest.mark.both_stores
async def test_one_call_a_minute_is_made_while_calls_have_stopped(run, clock):
    assert [await run(platform_rows.may_call, MINUTE) for _ in range(2)] == [True, True]
    await run(platform_rows.record_fault, {"errcode": 61004}, clock() + MINUTE)
    assert not await run(platform_rows.may_call, MINUTE)
    clock.forward(minutes=1)
    assert [await run(platform_rows.may_call, MINUTE) for _ in range(2)] == [True, False]
    clock.forward(days=-1)  # it was wrong before
    assert [await run(platform_rows.may_call, MINUTE) for _ in range(2)] == [True, False]
    await run(platform_rows.clear_fault)
    assert [await run(platform_rows.may_call, MINUTE) for _ in range(2)] == [True, True]
