"""A store lost between two polls: posted alerts are not posted again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.ports import HistoryUnreadable, OutcomeUnknown, RetryLater
from bot.store.database import Store
from bot.store.tables import emitted_event, episode, message, poll_state
from bot.watcher.poller import Tick
from bot.watcher.recovery import REACH, Recovery
from tests.accounts import bound, invited
from tests.bots import Bot, rejected
from tests.conftest import VirtualClock
from tests.fakes import FakeChannel

pytestmark = pytest.mark.story

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SOON = invited("bo", expires_in=25 * HOUR)


async def wipe(bot: Bot) -> Bot:
    """Return another process with an empty store and the same channel."""
    async with bot.store.begin() as tx:
        for table in (episode, message, emitted_event):
            await tx.run(sa.delete(table))
        await tx.run(
            sa.update(poll_state).values(
                watching_since=None, last_read_at=None, accounts=0, next_poll_at=bot.clock()
            )
        )
    return Bot(bot.store, bot.clock, bot.slack)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> Bot:
    made = Bot(store, clock)
    await made.reads(bound("anna"), invited("chen"), SOON, after=timedelta(0))
    return made


async def test_posted_problem_is_not_posted_again_and_its_message_is_still_updated(bot):
    await bot.reads(rejected("chen"))
    other = await wipe(bot)
    await other.reads(rejected("chen"))
    assert len(bot.slack.posted) == 1
    assert bot.slack.text_now(bot.slack.posted[0].ts).startswith("Rejected: Chen")
    await other.reads(bound("chen"))
    assert bot.slack.text_now(bot.slack.posted[0].ts).startswith("Bound: Chen")
    assert bot.slack.posted[1].thread_ts == bot.slack.posted[0].ts


@pytest.mark.both_stores
async def test_adopted_message_keeps_the_time_at_which_it_was_noticed(bot):
    await bot.reads(rejected("chen"))
    before = bot.slack.texts[0]
    other = await wipe(bot)
    await other.reads(rejected("chen"), after=5 * HOUR)
    assert bot.slack.text_now(bot.slack.posted[0].ts) == before


async def test_posted_lead_is_not_repeated_and_the_next_one_goes_to_the_thread(bot):
    await bot.reads(SOON, after=2 * HOUR)
    other = await wipe(bot)
    await other.reads(SOON)
    assert len(bot.slack.posted) == 1
    await other.reads(SOON, after=18 * HOUR)
    parent, line = bot.slack.posted
    assert line.thread_ts == parent.ts


async def test_last_reminder_posted_in_a_thread_is_not_posted_again(bot):
    await bot.reads(SOON, after=2 * HOUR)
    await bot.reads(SOON, after=22.5 * HOUR)
    assert len(bot.slack.posted) == 2
    other = await wipe(bot)
    await other.reads(SOON)
    assert len(bot.slack.posted) == 2
    await other.reads(bound("bo"))
    assert bot.slack.text_now(bot.slack.posted[0].ts).startswith("Bound: Bo")


async def test_deadline_that_moved_a_little_meanwhile_is_recognised(bot):
    await bot.reads(SOON, after=2 * HOUR)
    other = await wipe(bot)
    await other.reads(invited("bo", expires_in=25 * HOUR + timedelta(seconds=90)))
    assert len(bot.slack.posted) == 1


async def test_each_repetition_in_the_history_counts_as_emitted(bot):
    again = (rejected("chen"), invited("chen"), invited("chen"))
    for row in (*again, *again, rejected("chen")):
        await bot.reads(row)
    told_before = [text for text in bot.slack.texts if text.startswith("Rejected: Chen")]
    assert len(told_before) == 3
    other = await wipe(bot)
    await other.reads(rejected("chen"))
    for row in (*again[1:], rejected("chen")):
        await other.reads(row)
    assert len([text for text in bot.slack.texts if text.startswith("Rejected: Chen")]) == 4
    events = [
        event_key for posted in bot.slack.posted for event_key in posted.metadata["event_payload"]["e"].split(",")
    ]
    assert len(set(filter(None, events))) == len(list(filter(None, events)))


async def test_invitation_that_waits_after_a_rejection_in_the_history_is_the_next_one(bot):
    await bot.reads(rejected("chen"))
    other = await wipe(bot)
    for row in (invited("chen"), rejected("chen"), rejected("chen")):
        await other.reads(row)
    assert [text.partition(".")[0] for text in bot.slack.texts if text.startswith("Rejected: Chen")] == [
        "Rejected: Chen (chen@harbour_tea)"
    ] * 2


async def test_unposted_problems_are_summarized_as_at_a_first_run(bot):
    await bot.reads(rejected("chen"))
    other = await wipe(bot)
    await other.reads(rejected("chen"), rejected("dee"))
    assert bot.slack.texts[1].startswith("Now watching 2 customer-service accounts")
    assert "Dee" in bot.slack.texts[1]
    assert "Chen" not in bot.slack.texts[1]


async def test_events_of_a_digest_are_not_posted_again(bot):
    names = [f"kf{number}" for number in range(6)]
    await bot.reads(*(invited(name) for name in names))
    await bot.reads(*(rejected(name) for name in names))
    told_before = len(bot.slack.posted)
    other = await wipe(bot)
    await other.reads(*(rejected(name) for name in names))
    await other.reads(bound(names[0]), *(rejected(name) for name in names[1:]))
    assert len(bot.slack.posted) == told_before


async def test_looser_lead_of_a_digest_member_gets_its_own_message(bot):
    soon = [invited(f"kf{number}", expires_in=(25 if number == 0 else 25.9) * HOUR) for number in range(6)]
    await bot.reads(*soon)
    await bot.reads(*soon, after=2 * HOUR)
    other = await wipe(bot)
    await other.reads(*soon)
    told_before = len(bot.slack.posted)
    await other.reads(*soon, after=17.1 * HOUR)
    assert [text.split(",")[0] for text in bot.slack.texts[told_before:]][:1] == ["Expiring: Kf0 (kf0@harbour_tea)"]


async def test_summary_of_one_is_not_taken_for_a_problem(store, clock):
    first = Bot(store, clock)
    await first.reads(rejected("chen"), after=timedelta(0))
    summary = first.slack.texts[0]
    other = await wipe(first)
    await other.reads(rejected("chen"))
    assert first.slack.text_now(first.slack.posted[0].ts) == summary
    assert len(first.slack.posted) == 1


async def test_event_shown_by_a_parent_message_is_not_posted_again(bot):
    bot.slack.outcomes = [RetryLater(7200, "ratelimited")]
    await bot.reads(SOON, after=24 * HOUR)  # the last hour
    await bot.reads(SOON, after=2 * HOUR)  # expired, and the parent message shows it
    assert [text.split(":")[0] for text in bot.slack.texts] == ["Expired"]
    other = await wipe(bot)
    await other.reads(SOON)
    assert len(bot.slack.posted) == 1


async def test_messages_older_than_a_fortnight_are_not_searched(bot):
    await bot.reads(rejected("chen"))
    other = await wipe(bot)
    await other.reads(rejected("chen"), after=REACH + DAY)
    assert bot.slack.texts[1].startswith("Now watching 1 customer-service account")


@pytest.mark.parametrize("word", ["missing_scope", "not_in_channel"])
async def test_recovery_is_skipped_without_the_scope(bot, word):
    await bot.reads(rejected("chen"))
    other = await wipe(bot)
    bot.slack.unreadable = [HistoryUnreadable(word)]
    await other.reads(rejected("chen"))
    assert bot.slack.texts[1].startswith("Now watching 1 customer-service account")


async def test_first_poll_waits_while_slack_does_not_respond(bot):
    await bot.reads(rejected("chen"))
    other = await wipe(bot)
    other.wechat.listed = (rejected("chen"),)
    bot.slack.unreadable = [OutcomeUnknown("TimeoutError"), RetryLater(30, "ratelimited")]
    assert [await other.watcher.tick() for _ in range(2)] == [Tick.WAITS, Tick.NOTHING_DUE]
    bot.clock.forward(seconds=15)
    assert await other.watcher.tick() is Tick.WAITS
    bot.clock.forward(seconds=15)
    assert await other.watcher.tick() is Tick.NOTHING_DUE
    bot.clock.forward(seconds=15)
    assert await other.watcher.tick() is Tick.GOOD
    await other.deliver()
    assert len(bot.slack.posted) == 1


async def test_interrupted_recovery_continues_at_its_cursor(bot, clock):
    await bot.reads(rejected("chen"))
    await bot.reads(rejected("chen"), rejected("bo"))
    bot.slack.page = 1
    recovery = Recovery(bot.slack, clock, lambda: clock().timestamp())
    pages: list[object] = []
    history = bot.slack.history

    async def faltering(**arguments: object) -> object:
        pages.append(arguments["cursor"])
        return RetryLater(1, "ratelimited") if len(pages) == 2 else await history(**arguments)

    bot.slack.history = faltering
    assert await recovery.read("wx") is None
    clock.forward(seconds=1)
    assert [past.ts for past in await recovery.read("wx")] == [posted.ts for posted in reversed(bot.slack.posted)]
    assert pages == ["", "1", "1"]


@pytest.mark.parametrize("wrong", [REACH + DAY, -REACH - DAY], ids=["ahead", "behind"])
async def test_window_of_the_search_follows_slacks_clock(bot, clock, wrong):
    await bot.reads(rejected("chen"))
    windows: list[object] = []
    history = bot.slack.history

    async def noted(**arguments: object) -> object:
        windows.append(arguments["oldest"])
        bot.slack.slack_now = clock  # with the first response
        return await history(**arguments)

    bot.slack.history, bot.slack.slack_now = noted, lambda: None
    recovery = Recovery(bot.slack, lambda: clock.now + wrong, lambda: clock().timestamp())
    assert [past.ts for past in await recovery.read("wx")] == [posted.ts for posted in bot.slack.posted]
    assert windows == [clock.now + wrong - REACH, clock.now - REACH]


async def test_wait_that_slack_asks_for_does_not_depend_on_this_machines_clock(bot, clock):
    elapsed = VirtualClock()
    recovery = Recovery(bot.slack, clock, lambda: elapsed().timestamp())
    bot.slack.unreadable = [RetryLater(30, "ratelimited")]
    assert await recovery.read("wx") is None
    clock.forward(hours=1)  # it was set
    assert (await recovery.read("wx"), recovery.wait) == (None, timedelta(seconds=30))
    clock.forward(hours=-2)
    elapsed.forward(seconds=30)
    assert await recovery.read("wx") == ()


async def test_new_installation_finds_nothing_and_starts(store, clock):
    fresh = Bot(store, clock, FakeChannel(clock=clock))
    await fresh.reads(bound("anna"), after=timedelta(0))
    assert (fresh.slack.looks, fresh.slack.posted) == (1, [])


async def test_accounts_of_a_channel_share_one_read_of_its_history(bot, clock):
    await bot.reads(rejected("chen"))
    shared = Recovery(bot.slack, clock, lambda: clock().timestamp(), readers=3)
    before = bot.slack.looks
    first, second = await asyncio.gather(shared.read("wx-1"), shared.read("wx-2"))
    assert [past.ts for past in first or ()] == [posted.ts for posted in bot.slack.posted]
    assert first is second
    assert bot.slack.looks == before + 1
    assert await shared.read("wx-2") is not first  # its rows are gone since it has read
    assert bot.slack.looks == before + 2
    clock.forward(hours=2)
    await shared.read("wx-3")  # an account that could not be polled for so long
    assert bot.slack.looks == before + 3


async def test_history_is_kept_until_every_account_of_the_channel_has_taken_it(bot, clock):
    shared = Recovery(bot.slack, clock, lambda: clock().timestamp(), readers=2)
    bot.slack.unreadable = [RetryLater(1, "ratelimited")]
    assert await shared.read("wx-1") is None
    clock.forward(seconds=1)
    assert await shared.read("wx-2") == await shared.read("wx-1") == ()
    before = bot.slack.looks
    assert await shared.read("wx-1") == ()
    assert bot.slack.looks == before + 1
