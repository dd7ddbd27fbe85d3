"""Delivery of message rows to Slack, on a real store of both kinds, with a channel whose faults a test sets."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.ports import Blocked, NotFound, OutcomeUnknown, Refused, RetryLater, Unlisted
from bot.store import outbox, published, slack_state, stats
from bot.store.database import Store
from bot.store.tables import message
from bot.store.tables import poll_state as poll_state_table
from tests.accounts import account, bound, invited
from tests.bots import LEASE, Bot, rejected
from tests.conftest import APPID, NOW, VirtualClock
from wechat_kf import SetupError

pytestmark = pytest.mark.story

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> Bot:
    made = Bot(store, clock)
    await made.reads(bound("anna"), invited("bo"), after=timedelta(0))
    return made


async def test_rejection_is_posted_once_with_keys_that_reveal_no_names(bot):
    await bot.reads(rejected())
    await bot.reads(rejected())
    (posted,) = bot.slack.posted
    assert posted.message.text.startswith("Rejected: Bo (bo@harbour_tea).")
    assert posted.thread_ts is None
    payload = posted.metadata["event_payload"]
    assert posted.metadata["event_type"] == "kf_alert"
    assert payload["v"] == 1
    assert len(payload["k"]) == len(payload["e"]) == 32
    assert "bo" not in str(posted.metadata["event_payload"]["e"] + payload["k"]).replace("b0", "")


async def test_sent_message_follows_the_outcome_of_its_invitation(bot):
    await bot.reads(rejected())
    await bot.reads(bound("bo"))
    (ts, edited), *_ = bot.slack.edited
    assert ts == bot.slack.posted[0].ts
    assert edited.text.startswith("Bound: Bo")
    line = bot.slack.posted[1]
    assert (line.thread_ts, line.broadcast) == (bot.slack.posted[0].ts, False)


async def test_unchanged_message_is_not_edited(bot):
    await bot.reads(rejected())
    for _ in range(4):
        await bot.reads(rejected())
    assert bot.slack.edited == []


async def test_final_parent_message_is_not_rendered_again(bot):
    await bot.reads(rejected())
    await bot.reads(bound("bo"))
    await bot.reads(bound("bo"))
    async with bot.store.begin() as tx:
        assert await published.editable(tx, bot.clock()) == []


async def test_final_parent_message_is_updated_again_when_its_invitation_returns(bot):
    await bot.reads(rejected())
    await bot.reads()
    await bot.reads(bound("anna"))
    await bot.reads(bound("anna"))
    assert bot.slack.edited[-1][1].text.startswith("Removed")
    await bot.reads(bound("anna"), rejected())
    assert bot.slack.edited[-1][1].text.startswith("Rejected")
    assert len([posted for posted in bot.slack.posted if posted.thread_ts is None]) == 1


async def test_new_problem_of_a_reported_invitation_is_broadcast_from_its_thread(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    await bot.reads(soon, after=2 * HOUR)
    await bot.reads(invited("bo", expires_in=25 * HOUR, status="rejected"))
    parent, line = bot.slack.posted
    assert (line.thread_ts, line.broadcast) == (parent.ts, True)
    assert "Bo" in line.message.text
    assert bot.slack.edited[-1][1].text.startswith("Rejected: Bo")


async def test_looser_lead_is_a_plain_reply_in_the_thread(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    await bot.reads(soon, after=2 * HOUR)
    await bot.reads(soon, after=18 * HOUR)
    parent, line = bot.slack.posted
    assert (line.thread_ts, line.broadcast) == (parent.ts, False)


async def test_pending_problem_that_changed_still_mentions_people(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    await bot.reads(soon, after=2 * HOUR)
    bot.slack.outcomes = [RetryLater(600, "ratelimited")]
    await bot.reads(soon, after=24 * HOUR)  # expired, by the clock
    await bot.reads(invited("bo", expires_in=25 * HOUR, status="rejected"))
    bot.clock.forward(minutes=10)
    await bot.deliver()
    (call,) = [posted for posted in bot.slack.posted if posted.broadcast]
    assert "rejected" in call.message.blocks[0]["text"]["text"]


async def test_expiry_that_was_withdrawn_mentions_people_when_it_happens(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    await bot.reads(soon, after=2 * HOUR)
    bot.slack.outcomes = [RetryLater(1500, "ratelimited")]
    await bot.reads(invited("bo", expires_in=25 * HOUR, status="expired"))
    await bot.reads(soon)
    await bot.reads(soon)
    await bot.reads(soon, after=HOUR)
    assert [posted for posted in bot.slack.posted if posted.broadcast] == []
    await bot.reads(soon, after=25 * HOUR)
    assert [posted.message.text.split(":")[0] for posted in bot.slack.posted if posted.broadcast] == ["Expired"]


async def test_clock_that_was_hours_ahead_does_not_stop_posts(bot):
    bot.clock.forward(hours=6)
    await bot.reads(rejected("bo"))
    bot.slack.outcomes = [OutcomeUnknown("TimeoutError")]
    await bot.reads(rejected("bo"), rejected("chen"))
    bot.clock.forward(hours=-6)
    await bot.reads(rejected("bo"), rejected("chen"), rejected("dee"))
    await bot.reads(rejected("bo"), rejected("chen"), rejected("dee"))
    assert {text.split(" (")[0] for text in bot.slack.texts} == {"Rejected: Bo", "Rejected: Chen", "Rejected: Dee"}


@pytest.mark.both_stores
async def test_event_keys_beyond_the_limit_are_left_out_and_the_message_is_sent(bot):
    bot.slack.outcomes = [Refused("metadata_too_large")]
    await bot.reads(rejected())
    (posted,) = bot.slack.posted
    assert posted.message.blocks
    assert posted.metadata["event_payload"]["e"] == ""


async def test_reply_that_its_parent_message_already_shows_is_not_sent(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    bot.slack.outcomes = [RetryLater(600, "ratelimited")]
    await bot.reads(soon, after=2 * HOUR)
    await bot.reads(invited("bo", expires_in=25 * HOUR, status="rejected"))
    bot.clock.forward(minutes=15)
    await bot.deliver()
    (only,) = bot.slack.posted
    assert only.message.text.startswith("Rejected: Bo")
    assert await bot.statuses() == [("sent", None), ("dead", "no longer true")]


async def test_message_that_became_obsolete_while_pending_is_dropped(bot):
    bot.slack.outcomes = [RetryLater(600, "ratelimited")]
    await bot.reads(rejected())
    await bot.reads(bound("bo"))
    bot.clock.forward(minutes=15)
    await bot.deliver()
    assert bot.slack.posted == []
    assert set(await bot.statuses()) == {("dead", "no longer true")}


async def test_posts_go_out_one_a_second_problems_first(bot):
    soon = invited("lin", expires_in=25 * HOUR)
    await bot.reads(invited("bo"), soon)
    bot.wechat.listed = (rejected(), soon)
    bot.clock.forward(hours=2)
    await bot.watcher.tick()
    for _ in range(2):
        assert await bot.delivery.sender.send_next()
    assert len(bot.slack.posted) == 1  # the other follows in a second
    bot.clock.forward(seconds=1)
    assert await bot.delivery.sender.send_next()
    assert [text.split(":")[0] for text in bot.slack.texts] == ["Rejected", "Expiring"]


async def test_rate_limit_pauses_the_queue_as_long_as_slack_requires_and_keeps_the_order(bot):
    bot.wechat.listed = (rejected("bo"), rejected("chen"))
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    await bot.fails(RetryLater(30, "ratelimited"))
    bot.clock.forward(seconds=27)
    await bot.deliver()
    assert bot.slack.posted == []
    bot.clock.forward(seconds=2)
    await bot.deliver()
    assert len(bot.slack.posted) == 2
    assert bot.slack.attempts == 3


async def test_refusing_channel_blocks_the_queue_at_one_attempt_in_five_minutes(bot):
    bot.slack.outcomes = [Blocked("not_in_channel")] * 4
    bot.wechat.listed = (rejected("bo"), rejected("chen"))
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    for _ in range(15):
        await bot.deliver()
        bot.clock.forward(minutes=1)
    assert bot.slack.attempts == 3
    async with bot.store.begin() as tx:
        trouble = await slack_state.load(tx)
    assert trouble
    assert (trouble.error, trouble.refused) == ("not_in_channel", True)


async def test_message_refused_with_an_unknown_code_lets_the_others_go_first_and_follows_as_text(bot):
    bot.wechat.listed = (rejected("bo"), rejected("chen"))
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    await bot.fails(Unlisted("a_word_of_tomorrow"))
    for _ in range(2):
        bot.clock.forward(seconds=1)
        await bot.delivery.run()
    assert [text.split(" (")[0] for text in bot.slack.texts] == ["Rejected: Chen", "Rejected: Bo"]
    assert [bool(posted.message.blocks) for posted in bot.slack.posted] == [True, False]


async def test_unknown_code_blocks_the_queue_when_nothing_gets_through(bot):
    bot.slack.outcomes = [Unlisted("a_word_of_tomorrow")] * 3
    await bot.reads(rejected("bo"), rejected("chen"))
    assert bot.slack.attempts == 3  # each with blocks, the first of them as text
    async with bot.store.begin() as tx:
        trouble = await slack_state.load(tx)
    assert trouble
    assert (trouble.error, trouble.refused) == ("a_word_of_tomorrow", True)
    bot.clock.forward(minutes=5)
    await bot.deliver()
    assert sorted(text.split(" (")[0] for text in bot.slack.texts) == ["Rejected: Bo", "Rejected: Chen"]


async def test_message_that_is_always_refused_with_an_unknown_code_never_delays_later_ones(bot):
    await bot.reads(invited("bo"), invited("chen"))
    bot.slack.refuses = "Bo ("
    listed = [rejected("bo"), rejected("chen")]
    await bot.reads(*listed)
    for name in ("dee", "fan", "gao"):
        listed.append(rejected(name))
        await bot.reads(*listed)
        assert bot.slack.texts[-1].startswith(f"Rejected: {name.capitalize()} (")


@pytest.mark.both_stores
async def test_edit_refused_with_an_unknown_code_lets_the_other_edits_go_on(bot):
    await bot.reads(rejected("bo"), rejected("chen"))
    bot.wechat.listed = (bound("bo"), bound("chen"))
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    bot.slack.outcomes = [Unlisted("a_word_of_tomorrow")] * 2
    await bot.delivery.updater.update_all()
    assert len(bot.slack.edited) == 1
    bot.clock.forward(minutes=5)
    await bot.delivery.updater.update_all()
    assert len(bot.slack.edited) == 2


async def test_relevant_messages_are_sent_after_a_block(bot):
    bot.slack.outcomes = [Blocked("not_in_channel")]
    await bot.reads(rejected("bo"), rejected("chen"))
    await bot.reads(bound("bo"), rejected("chen"))
    assert [text.split(".")[0] for text in bot.slack.texts] == ["Rejected: Chen (chen@harbour_tea)"]
    async with bot.store.begin() as tx:
        assert await slack_state.load(tx) is None


async def test_refused_message_goes_once_more_as_text_alone(bot):
    bot.slack.outcomes = [Refused("invalid_blocks")]
    await bot.reads(rejected())
    (posted,) = bot.slack.posted
    assert posted.message.blocks == ()
    assert posted.message.text.startswith("Rejected: Bo")


async def test_message_that_is_refused_as_text_too_is_given_up(bot):
    bot.slack.outcomes = [Refused("invalid_blocks"), Refused("no_text")]
    await bot.reads(rejected())
    assert await bot.statuses() == [("dead", "refused")]
    async with bot.store.begin() as tx:
        assert (await stats.queue_stats(tx, bot.clock())).refused == 1
        assert (await stats.queue_stats(tx, bot.clock() + DAY)).refused == 0


async def test_urgent_reply_to_a_refused_parent_message_goes_to_the_channel(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    bot.slack.outcomes = [OutcomeUnknown("reset")]
    await bot.reads(soon, after=2 * HOUR)
    bot.wechat.listed = (invited("bo", expires_in=25 * HOUR, status="rejected"),)
    bot.clock.forward(seconds=331)
    bot.slack.outcomes = [Refused("invalid_blocks"), Refused("no_text")]
    await bot.watcher.tick()
    await bot.deliver()
    await bot.waits_out_a_lease()
    (posted,) = bot.slack.posted
    assert posted.thread_ts is None
    assert posted.message.text.startswith("Rejected: Bo")
    await bot.reads(bound("bo"))
    assert bot.slack.edited[-1][1].text.startswith("Bound: Bo")


async def test_plain_reply_to_a_refused_parent_message_is_dropped(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    bot.slack.outcomes = [OutcomeUnknown("reset")]
    await bot.reads(soon, after=2 * HOUR)
    bot.clock.forward(hours=17)
    bot.slack.outcomes = [Refused("invalid_blocks"), Refused("no_text")]
    await bot.watcher.tick()
    await bot.deliver()
    await bot.waits_out_a_lease()
    assert bot.slack.posted == []
    assert sorted(await bot.statuses(), key=str) == [("dead", "no longer true"), ("dead", "refused")]


@pytest.mark.both_stores
async def test_message_that_a_person_deleted_is_forgotten(bot):
    await bot.reads(rejected())
    bot.slack.outcomes = [NotFound("message_not_found")] * 3
    await bot.reads(bound("bo"))
    bot.slack.outcomes = []
    await bot.reads(account("bo"))
    assert bot.slack.edited == []
    assert len(bot.slack.posted) == 1


async def test_new_problem_after_a_deleted_message_gets_a_new_one(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    await bot.reads(soon, after=2 * HOUR)
    bot.slack.outcomes = [NotFound("message_not_found")]
    await bot.reads(invited("bo", expires_in=25 * HOUR, status="rejected"))
    assert [posted.thread_ts for posted in bot.slack.posted] == [None, None]
    assert bot.slack.texts[1].startswith("Rejected: Bo")


@pytest.mark.both_stores
async def test_looser_lead_after_a_deleted_message_stays_silent(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon)
    await bot.reads(soon, after=2 * HOUR)
    async with bot.store.begin() as tx:
        await tx.run(sa.update(message).values(is_deleted=True))
    await bot.reads(soon, after=18 * HOUR)
    assert len(bot.slack.posted) == 1
    await bot.reads(soon, after=4 * HOUR)
    assert len(bot.slack.posted) == 2


# Edits


async def test_edit_of_unknown_outcome_is_repeated_and_not_before_ten_seconds(bot):
    await bot.reads(rejected())
    bot.slack.outcomes = [OutcomeUnknown("TimeoutError")]
    bot.wechat.listed = (bound("bo"),)
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    await bot.delivery.updater.update_all()
    await bot.delivery.updater.update_all()
    assert bot.slack.edited == []
    bot.clock.forward(seconds=10)
    await bot.delivery.updater.update_all()
    assert len(bot.slack.edited) == 1


async def test_refused_edit_is_tried_as_text_alone_and_then_left(bot):
    await bot.reads(rejected())
    bot.wechat.listed = (bound("bo"),)
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    bot.slack.outcomes = [Refused("invalid_blocks"), Refused("invalid_blocks")]
    for _ in range(3):
        await bot.delivery.updater.update_all()
        bot.clock.forward(seconds=10)
    assert bot.slack.edited == []
    assert bot.slack.outcomes == []


@pytest.mark.both_stores
async def test_concurrent_edit_by_another_process_is_not_overwritten(bot):
    await bot.reads(rejected("bo"), rejected("chen"))
    bot.wechat.listed = (bound("bo"), bound("chen"))
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    other = Bot(bot.store, bot.clock, bot.slack)
    await asyncio.gather(bot.delivery.updater.update_all(), other.delivery.updater.update_all())
    assert len(bot.slack.edited) == 2


@pytest.mark.both_stores
@pytest.mark.parametrize(("outcome", "wait"), [(RetryLater(30, "ratelimited"), 30), (Blocked("is_archived"), 300)])
async def test_edits_pause_when_slack_accepts_none(bot, outcome, wait):
    await bot.reads(rejected("bo"), rejected("chen"))
    bot.wechat.listed = (bound("bo"), bound("chen"))
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    bot.slack.outcomes = [outcome]
    await bot.delivery.updater.update_all()
    assert bot.slack.edited == []
    bot.clock.forward(seconds=wait)
    await bot.delivery.updater.update_all()
    assert len(bot.slack.edited) == 2


# Summaries and incidents


async def test_digest_names_all_members_and_follows_them(bot):
    names = [f"kf{number}" for number in range(60)]
    await bot.reads(*(invited(name) for name in names))
    await bot.reads(*(rejected(name) for name in names))
    parent, *thread = bot.slack.posted
    assert parent.message.text.startswith("60 invitations changed at once: 60 rejected")
    assert [line.thread_ts for line in thread] == [parent.ts] * 3
    await bot.reads(*(bound(name) for name in names[:19]), *(rejected(name) for name in names[19:]))
    assert "41 still open" in bot.slack.edited[-1][1].text
    assert len(bot.slack.posted) == 4


async def test_storm_of_a_hundred_rejections_is_five_posts_through_every_429(bot):
    names = [f"kf{number:03}" for number in range(100)]
    await bot.reads(*(invited(name) for name in names))
    bot.slack.outcomes = [RetryLater(30, "ratelimited")] * 3
    await bot.reads(*(rejected(name) for name in names))
    for _ in range(10):
        bot.slack.outcomes = [RetryLater(30, "ratelimited")] * 2
        bot.clock.forward(seconds=30)
        await bot.deliver()
    bot.slack.outcomes = []
    bot.clock.forward(seconds=30)
    await bot.deliver()
    parent, *thread = bot.slack.posted
    assert parent.message.text.startswith("100 invitations changed at once: 100 rejected")
    assert [line.thread_ts for line in thread] == [parent.ts] * 4
    named = "".join(str(line.message.blocks) for line in thread)
    assert [name for name in names if name.capitalize() not in named] == []
    first_named = [line.message.text.split("(")[1].split("@")[0] for line in thread]
    assert first_named == sorted(first_named)


async def test_private_channel_with_a_late_invitation_gets_the_relevant_messages(bot):
    refused = [Blocked("channel_not_found")] * 3
    bot.slack.outcomes = [*refused]
    await bot.reads(rejected("bo"), rejected("chen"), rejected("dee"))
    await bot.reads(rejected("bo"), bound("chen"), rejected("dee"))
    await bot.reads(rejected("bo"), bound("chen"), rejected("dee"))
    assert bot.slack.posted == []
    bot.slack.outcomes = []  # /invite
    bot.clock.forward(minutes=5)
    await bot.deliver()
    assert sorted(text.split(" (")[0] for text in bot.slack.texts) == ["Rejected: Bo", "Rejected: Dee"]


async def test_last_reminder_of_an_account_in_a_digest_gets_its_own_parent_message(bot):
    names = [f"kf{number}" for number in range(6)]
    soon = [invited(name, expires_in=25 * HOUR) for name in names]
    await bot.reads(*soon)
    await bot.reads(*soon, after=2 * HOUR)
    assert len(bot.slack.posted) == 1
    later = [invited(name, expires_in=25 * HOUR, status="rejected") for name in names[1:]]
    await bot.reads(soon[0], *later[:2], *soon[3:])
    assert [posted.broadcast for posted in bot.slack.posted[1:]] == [True, True]
    await bot.reads(soon[0], *later, after=22 * HOUR)
    assert bot.slack.posted[-1].thread_ts is None or bot.slack.posted[-1].broadcast
    assert [p.message.text for p in bot.slack.posted if p.thread_ts is None and "less than 1 h" in p.message.text]


async def test_notice_of_an_incident_is_edited_when_it_is_resolved(bot):
    bot.wechat.error = SetupError(40164, "invalid ip 203.0.113.7, not in whitelist", address="203.0.113.7")
    await bot.reads()
    assert "203.0.113.7" in bot.slack.texts[0]
    bot.wechat.come_back()
    await bot.reads(invited("bo"), after=timedelta(minutes=10))
    bot.clock.forward(seconds=10)
    await bot.deliver()
    assert bot.slack.edited[-1][1].text.startswith("WeChat answers again")
    async with bot.store.begin() as tx:
        assert await published.editable(tx, bot.clock() + DAY) == []


async def test_incident_resolved_before_its_notice_was_sent_is_not_posted(bot):
    bot.wechat.error = SetupError(40164, "invalid ip 203.0.113.7, not in whitelist", address="203.0.113.7")
    bot.slack.outcomes = [RetryLater(900, "ratelimited")]
    await bot.reads()
    bot.wechat.come_back()
    await bot.reads(invited("bo"), after=timedelta(minutes=16))
    assert bot.slack.posted == []


async def test_recurring_incident_is_shown_by_its_notice_again(bot):
    trouble = SetupError(40164, "invalid ip 203.0.113.7, not in whitelist", address="203.0.113.7")
    bot.wechat.error = trouble
    await bot.reads()
    bot.wechat.come_back()
    await bot.reads(invited("bo"), after=timedelta(minutes=10))
    for _ in range(2):
        bot.clock.forward(seconds=10)
        await bot.deliver()
    bot.wechat.error = trouble
    await bot.reads(after=timedelta(minutes=10))
    notice, *thread = bot.slack.posted
    assert [(line.thread_ts, line.broadcast) for line in thread] == [(notice.ts, False)] * 2
    assert bot.slack.edited[-1][1].text.startswith("WeChat refused this server's address")


async def test_recurring_incident_with_a_dropped_notice_is_posted(bot):
    trouble = SetupError(40164, "invalid ip 203.0.113.7, not in whitelist", address="203.0.113.7")
    bot.wechat.error = trouble
    bot.slack.outcomes = [RetryLater(900, "ratelimited")]
    await bot.reads()
    bot.wechat.come_back()
    await bot.reads(invited("bo"), after=timedelta(minutes=16))
    bot.wechat.error = trouble
    await bot.reads(after=timedelta(minutes=10))
    assert len(bot.slack.posted) == 1


async def test_recurring_problem_with_a_dropped_alert_is_posted(bot):
    bot.slack.outcomes = [RetryLater(600, "ratelimited")]
    await bot.reads(rejected(), bound("anna"))
    await bot.reads(bound("anna"))
    await bot.reads(bound("anna"))
    assert bot.slack.posted == []
    await bot.reads(rejected(), bound("anna"))
    assert [text.split(" (")[0] for text in bot.slack.texts] == ["Rejected: Bo"]


async def test_urgent_reply_to_a_closed_thread_goes_to_the_channel_and_blocks_no_other(bot):
    soon = invited("bo", expires_in=25 * HOUR)
    await bot.reads(soon, invited("chen"))
    await bot.reads(soon, invited("chen"), after=2 * HOUR)
    late = invited("bo", expires_in=25 * HOUR, status="rejected")
    bot.slack.outcomes = [NotFound("restricted_action_thread_locked", of="thread")]
    await bot.reads(late, rejected("chen"))
    assert [posted.thread_ts for posted in bot.slack.posted] == [None] * 3


async def test_message_always_refused_with_an_unknown_code_blocks_no_other(bot):
    bot.slack.refuses = "Bo ("
    names = ("bo", "chen", "dee", "fan")
    await bot.reads(*(invited(name) for name in names))
    await bot.reads(*(rejected(name) for name in names))
    for _ in range(10):
        bot.clock.forward(minutes=1)
        await bot.deliver()
    assert sorted(text.split(" (")[0] for text in bot.slack.texts) == [
        "Rejected: Chen",
        "Rejected: Dee",
        "Rejected: Fan",
    ]


@pytest.mark.both_stores
async def test_store_error_after_a_post_does_not_lose_its_ts(bot, monkeypatch):
    bot.wechat.listed = (rejected(),)
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    begin, failures = bot.store.begin, [OSError("away"), OSError("away")]

    def stumble():
        if bot.slack.posted and failures:
            raise failures.pop()
        return begin()

    monkeypatch.setattr(bot.store, "begin", stumble)
    await bot.delivery.sender.send_next()
    bot.clock.now += LEASE
    await bot.deliver()
    assert len(bot.slack.posted) == 1


async def test_slow_edits_do_not_delay_posts(bot):
    names = [f"kf{number}" for number in range(5)]
    await bot.reads(*(invited(name) for name in names))
    await bot.reads(*(rejected(name) for name in names))
    bot.wechat.listed = tuple(bound(name) for name in names)
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    bot.slack.slowness = lambda: bot.clock.forward(seconds=4)
    await bot.delivery.updater.update_all()
    assert len(bot.slack.edited) == 2


# Several processes


@pytest.mark.both_stores
async def test_two_deliveries_on_one_store_post_each_message_once(bot):
    names = [f"kf{number}" for number in range(5)]
    await bot.reads(*(invited(name) for name in names))
    bot.wechat.listed = tuple(rejected(name) for name in names)
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    other = Bot(bot.store, bot.clock, bot.slack)
    for _ in range(8):
        await asyncio.gather(*(delivery.sender.send_next() for delivery in (bot.delivery, other.delivery)))
        bot.clock.forward(seconds=1)
    assert len(bot.slack.posted) == 5


async def test_worker_that_wakes_after_half_its_lease_does_not_begin(bot):
    await bot.reads(invited("bo"))
    bot.wechat.listed = (rejected(),)
    bot.clock.forward(seconds=331)
    await bot.watcher.tick()
    times = iter([bot.clock.now, bot.clock.now, bot.clock.now + LEASE])
    paused = Bot(bot.store, lambda: next(times), bot.slack)  # it wakes up a lease later
    await paused.delivery.sender.send_next()
    assert bot.slack.attempts == 0
    await bot.waits_out_a_lease()
    assert len(bot.slack.posted) == 1


async def test_worker_that_lost_its_lease_changes_nothing(bot):
    bot.slack.outcomes = [OutcomeUnknown("reset")]
    await bot.reads(rejected())
    (sending,) = await bot.rows()
    async with bot.store.begin() as tx:
        first = await outbox.get(tx, sending["id"])
    await bot.waits_out_a_lease()
    async with bot.store.begin() as tx:
        assert not await outbox.mark_sent(tx, first, channel_id="C0", ts="1.2", applied_hash="", now=NOW)
    assert [row["ts"] for row in await bot.rows()] == [bot.slack.posted[0].ts]


async def test_posts_wait_for_the_store(empty_url, clock):
    fresh = Bot(Store.from_url(empty_url, APPID, clock=clock), clock)
    assert await fresh.delivery.run() is None
    await fresh.store.close()


async def test_rows_of_another_account_are_left_alone(bot, store_url):
    bot.slack.outcomes = [RetryLater(1, "ratelimited")]
    await bot.reads(rejected())
    other = Bot(Store.from_url(store_url, "wx-other", clock=bot.clock), bot.clock)
    await other.store.open()
    bot.clock.forward(minutes=5)
    await other.deliver()
    assert other.slack.posted == []
    async with other.store.begin() as tx:
        assert (await tx.run(sa.select(sa.func.count()).select_from(poll_state_table))).scalar_one() == 2
    await other.store.close()
