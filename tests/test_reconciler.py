"""Lost responses: the message is looked up in the channel by its event key, on a real store of both kinds."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa

from bot.outbox.event_keys import EventKeys
from bot.outbox.messages import MessageKind
from bot.ports import Blocked, HistoryUnreadable, Message, NotFound, OutcomeUnknown, RetryLater
from bot.store import stats, unconfirmed
from bot.store.database import Store
from tests.accounts import bound, invited
from tests.bots import LEASE, Bot, rejected
from tests.conftest import APPID, VirtualClock
from tests.fakes import LOST

pytestmark = pytest.mark.mostly_sqlite

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NEVER_ARRIVED = OutcomeUnknown("TimeoutError")


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> Bot:
    made = Bot(store, clock)
    await made.reads(bound("anna"), invited("bo"), after=timedelta(0))
    made.slack.looks = 0
    return made


async def test_message_with_a_lost_response_is_found_and_adopted(bot):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected())
    assert await bot.statuses() == [("sending", None)]
    await bot.waits_out_a_lease()
    (posted,) = bot.slack.posted
    assert [(row["status"], row["ts"]) for row in await bot.rows()] == [("sent", posted.ts)]
    assert (bot.slack.attempts, bot.slack.looks) == (1, 1)


async def test_adopted_message_follows_its_invitation_like_any_other(bot):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected())
    await bot.waits_out_a_lease()
    await bot.reads(bound("bo"))
    assert bot.slack.text_now(bot.slack.posted[0].ts).startswith("Bound: Bo")
    assert bot.slack.posted[1].thread_ts == bot.slack.posted[0].ts


async def test_message_not_found_twice_is_sent_again(bot):
    bot.slack.outcomes = [NEVER_ARRIVED]
    await bot.reads(rejected())
    await bot.waits_out_a_lease()
    assert (bot.slack.attempts, bot.slack.looks, len(bot.slack.posted)) == (2, 2, 1)
    assert "Possible repeat" not in bot.slack.texts[0]
    assert [(row["status"], row["post_attempts"]) for row in await bot.rows()] == [("sent", 2)]


async def test_lookups_follow_a_quarter_and_a_half_of_the_lease_after_its_end(bot):
    bot.slack.outcomes = [NEVER_ARRIVED]
    await bot.reads(rejected())
    bot.clock.forward(seconds=-1)  # the pass after the post
    for seconds, looks in ((45, 0), (11, 0), (0.25, 1), (11, 1), (0.25, 2)):
        bot.clock.forward(seconds=seconds)
        await bot.delivery.run()
        assert bot.slack.looks == looks, seconds


async def test_second_lookup_that_finds_the_message_adopts_it(bot):
    bot.slack.outcomes = [NEVER_ARRIVED]
    await bot.reads(rejected())
    bot.clock.now += 1.25 * LEASE
    await bot.deliver()
    (row,) = await bot.rows()
    metadata = EventKeys("secret", APPID).metadata(row["id"], MessageKind.ALERT, row["event_keys"])
    await bot.slack.post(Message("Rejected: Bo"), metadata=metadata, within=1)  # Slack shows it late
    bot.clock.now += LEASE / 4
    await bot.deliver()
    assert [row["status"] for row in await bot.rows()] == ["sent"]
    assert len(bot.slack.posted) == 1


async def test_obsolete_message_with_an_unknown_outcome_is_not_sent_again(bot):
    bot.slack.outcomes = [NEVER_ARRIVED]
    await bot.reads(rejected())
    bot.wechat.listed = (bound("bo"),)
    bot.clock.now += 1.25 * LEASE
    await bot.watcher.make_due()
    await bot.watcher.tick()
    await bot.deliver()
    bot.clock.now += LEASE / 4
    await bot.deliver()
    assert bot.slack.posted == []
    assert ("dead", "no longer true") in await bot.statuses()


async def test_reply_in_a_thread_is_looked_up_in_its_thread(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    await bot.reads(soon, after=2 * HOUR)
    bot.slack.outcomes = [LOST]
    await bot.reads(soon, after=18 * HOUR)
    await bot.waits_out_a_lease()
    parent, line = bot.slack.posted
    assert line.thread_ts == parent.ts
    assert {row["status"] for row in await bot.rows()} == {"sent"}


async def test_message_deep_in_a_busy_channel_is_found(bot):
    bot.slack.outcomes = [LOST]
    bot.wechat.listed = tuple(rejected(f"kf{number}") for number in range(4))
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    await bot.deliver()
    bot.slack.page = 1
    await bot.waits_out_a_lease()
    assert len(bot.slack.posted) == 4
    assert {row["status"] for row in await bot.rows()} == {"sent"}
    assert bot.slack.looks == 4


async def test_messages_after_the_attempt_are_not_searched(bot):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected())
    bot.clock.now += 1.25 * LEASE
    asked = []
    history = bot.slack.history

    async def listening(**arguments: object) -> object:
        asked.append(arguments)
        return await history(**arguments)

    bot.slack.history = listening
    (row,) = await bot.rows()
    await bot.deliver()
    (look,) = asked
    assert (row["started_at"] - look["oldest"], look["latest"] - row["lease_until"]) == (2 * MINUTE, 2 * MINUTE)


async def test_lookup_without_a_response_is_repeated_and_not_counted(bot):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected())
    bot.slack.unreadable = [OutcomeUnknown("TimeoutError"), RetryLater(30, "ratelimited"), Blocked("invalid_auth")]
    for seconds in (57, 23, 30, 300):
        assert [row["status"] for row in await bot.rows()] == ["sending"]
        bot.clock.forward(seconds=seconds)
        await bot.deliver()
    assert [row["status"] for row in await bot.rows()] == ["sent"]
    assert (bot.slack.looks, bot.slack.attempts) == (4, 1)


async def test_lookup_of_a_killed_process_is_repeated_by_the_next(bot):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected())
    bot.clock.now += 1.25 * LEASE

    class KilledError(BaseException):
        pass

    async def killed(**_: object) -> None:
        raise KilledError

    history, bot.slack.history = bot.slack.history, killed
    with pytest.raises(KilledError):
        await bot.delivery.run()
    bot.slack.history = history
    other = Bot(bot.store, bot.clock, bot.slack)
    await other.deliver()
    assert [row["status"] for row in await bot.rows()] == ["sending"]
    bot.clock.now += LEASE
    await other.deliver()
    assert [(row["status"], row["post_attempts"]) for row in await bot.rows()] == [("sent", 1)]


# Without the history


@pytest.mark.parametrize("word", ["missing_scope", "not_in_channel"])
async def test_urgent_message_is_repeated_with_a_note_without_the_history(bot, word):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected())
    bot.slack.unreadable = [HistoryUnreadable(word)]
    await bot.waits_out_a_lease()
    first, second = bot.slack.texts
    assert second == f"{first} Possible repeat: Slack did not confirm the first posting."
    assert [(row["status"], row["post_attempts"]) for row in await bot.rows()] == [("sent", 2)]


async def test_minor_message_is_closed_and_counted_without_the_history(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    bot.slack.outcomes = [LOST]
    await bot.reads(soon, after=2 * HOUR)
    bot.slack.unreadable = [HistoryUnreadable("missing_scope")]
    await bot.waits_out_a_lease()
    assert await bot.statuses() == [("dead", "unconfirmed")]
    async with bot.store.begin() as tx:
        assert (await stats.queue_stats(tx, bot.clock())).unconfirmed == 1


async def test_lookup_without_the_scope_does_not_block_the_queue(bot):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected("bo"), rejected("chen"))
    bot.slack.unreadable = [HistoryUnreadable("not_in_channel")]
    await bot.waits_out_a_lease()
    assert [text.split(" (")[0] for text in bot.slack.texts] == ["Rejected: Bo", "Rejected: Chen", "Rejected: Bo"]


# Threads that are gone


@pytest.mark.both_stores
async def test_urgent_reply_to_a_deleted_thread_goes_to_the_channel(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    await bot.reads(soon, after=2 * HOUR)
    bot.slack.outcomes = [OutcomeUnknown("TimeoutError")]
    bot.wechat.listed = (invited("bo", expires_in=25 * HOUR, status="rejected"),)
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    await bot.delivery.sender.send_next()
    bot.slack.unreadable = [NotFound("thread_not_found")]
    await bot.waits_out_a_lease()
    assert bot.slack.posted[-1].thread_ts is None
    assert bot.slack.texts[-1].startswith("Rejected: Bo")


@pytest.mark.both_stores
async def test_message_is_looked_up_by_one_of_two_workers(bot):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected())
    bot.clock.now += 1.25 * LEASE
    other = Bot(bot.store, bot.clock, bot.slack)
    looked = [await bot.delivery.reconciler.check_next(), await other.delivery.reconciler.check_next()]
    assert looked == [True, False]
    assert bot.slack.looks == 1


@pytest.mark.both_stores
async def test_late_response_after_the_start_of_a_lookup_is_ignored(bot):
    bot.slack.outcomes = [LOST]
    await bot.reads(rejected())
    (sending,) = await bot.rows()
    await bot.waits_out_a_lease()
    (row,) = await bot.rows()
    assert row["attempt"] == sending["attempt"] + 1
    assert row["post_attempts"] == sending["post_attempts"] == 1


@pytest.mark.both_stores
@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)  # SQLite's transactions exclude each other
async def test_lookup_that_another_process_finished_meanwhile_is_not_claimed(bot, store_url, clock):
    bot.slack.outcomes = [NEVER_ARRIVED]
    await bot.reads(rejected())
    clock.now += 1.25 * LEASE

    def finish_first(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        """Change the row between the choice of the message and its claim, as another process would."""
        if statement.startswith("UPDATE message") and not others:
            others.append(statement)
            with psycopg.connect(store_url, autocommit=True) as other:
                other.execute("UPDATE message SET attempt = attempt + 2")

    others: list[str] = []
    sa.event.listen(sa.Engine, "before_cursor_execute", finish_first)
    try:
        async with bot.store.begin() as tx:
            assert await unconfirmed.claim(tx, tx.now, LEASE) is None
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", finish_first)
    assert others
    async with bot.store.begin() as tx:
        assert await unconfirmed.claim(tx, tx.now, LEASE)
