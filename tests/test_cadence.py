"""How often an account is polled: at the quick pace while something is expected."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.alerting.cadence import Cadence, is_idle, is_requested
from bot.alerting.episode import EpisodeState
from bot.store import poll_state
from bot.store.tables import poll_state as poll_state_table
from bot.watcher.poller import Watcher
from bot.watcher.recovery import Recovery
from tests.accounts import bound, invited
from tests.bots import Bot
from tests.conftest import NOW
from tests.episodes import episode

pytestmark = pytest.mark.mostly_sqlite

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CADENCE = Cadence(5 * MINUTE, 30 * MINUTE)


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        (EpisodeState.WAITING, 100 * HOUR, False),
        (EpisodeState.REJECTED, 23 * HOUR, False),
        (EpisodeState.EXPIRED, 25 * HOUR, True),
        (EpisodeState.BOUND, HOUR, True),
        (EpisodeState.REMOVED, HOUR, True),
    ],
)
def test_account_is_idle_without_an_invitation_that_waits_and_without_a_recent_problem(state, age, expected):
    over = episode(EpisodeState.BOUND)
    assert is_idle([over, replace(episode(state), state_since=NOW - age)], NOW) is expected
    assert is_idle([], NOW)


def test_request_counts_for_an_hour():
    assert [is_requested(NOW - minutes * MINUTE, NOW) for minutes in (1, 59, 60)] == [True, True, False]
    assert not is_requested(None, NOW)


def test_idle_interval_is_never_the_shorter_one():
    assert [CADENCE.wait(idle=idle) for idle in (False, True)] == [5 * MINUTE, 30 * MINUTE]
    assert Cadence(HOUR, MINUTE).wait(idle=True) == HOUR
    assert Cadence(HOUR, timedelta(0), lambda: 1.1).wait(idle=True) == 1.1 * HOUR


@pytest.fixture
def bot(store, clock):
    bot = Bot(store, clock)
    recovery = Recovery(bot.slack, clock, lambda: clock().timestamp())
    bot.watcher = Watcher(bot.wechat, store, recorder=bot.recorder, recovery=recovery, cadence=CADENCE)
    return bot


async def waits(bot: Bot, *accounts) -> timedelta:
    """Poll when it is due, and return the time until the next poll."""
    async with bot.store.begin() as tx:
        next_poll_at = (await poll_state.load(tx)).next_poll_at
    await bot.reads(*accounts, after=max(timedelta(0), next_poll_at - bot.clock()))
    async with bot.store.begin() as tx:
        row = (await tx.run(sa.select(poll_state_table.c.next_poll_at, poll_state_table.c.poll_wait))).one()
    assert timedelta(seconds=row.poll_wait) == row.next_poll_at - bot.clock()
    return row.next_poll_at - bot.clock()


@pytest.mark.both_stores
async def test_polls_of_an_idle_account_are_rare_until_an_invitation_is_seen(bot):
    idle, busy = (bound("anna"),), (bound("anna"), invited("bo", at=NOW, expires_in=100 * HOUR))
    assert [await waits(bot, *idle) for _ in range(4)] == [5 * MINUTE, 5 * MINUTE, 30 * MINUTE, 30 * MINUTE]
    assert [await waits(bot, *busy) for _ in range(3)] == [5 * MINUTE] * 3


async def test_polls_are_frequent_for_an_hour_after_a_person_needed_one(bot):
    for _ in range(3):
        await waits(bot, bound("anna"))
    await bot.watcher.make_due()
    assert [await waits(bot, bound("anna")) for _ in range(13)] == [5 * MINUTE] * 12 + [30 * MINUTE]
