"""People act on alerts: what a click changes, for whom, and what it never does; on a real store of both kinds."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.actions import decode
from bot.ports import BlockAction, Blocked, RetryLater
from bot.store import episodes
from bot.store.database import Store
from tests.accounts import bound, invited
from tests.bots import Bot, rejected
from tests.conftest import VirtualClock

pytestmark = pytest.mark.story

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CARE = "<!subteam^S0CARE>"
SOON = invited("bo", expires_in=25 * HOUR)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> Bot:
    """Return a bot whose channel has Bo's 24 h reminder."""
    made = Bot(store, clock, mention=CARE)
    await made.reads(SOON, after=timedelta(0))
    await made.reads(SOON, after=2 * HOUR)
    return made


async def ack(bot: Bot, user: str = "Mei") -> None:
    await bot.clicks("alert.ack", f"v1:{await bot.episode_id()}", user)


def last_view(bot: Bot) -> str:
    return bot.slack.text_now(bot.slack.posted[0].ts)


# Acknowledge


async def test_acknowledgement_shows_in_the_message_at_once_and_in_its_thread(bot):
    await ack(bot)
    assert "Acknowledged by Mei" in last_view(bot)
    line = bot.slack.posted[-1]
    assert (line.thread_ts, line.broadcast) == (bot.slack.posted[0].ts, False)
    assert line.message.blocks[0]["text"]["text"].startswith("👤 Acknowledged by Mei. No more reminders")


async def test_acknowledged_invitation_sends_no_reminders(bot):
    await ack(bot)
    posted = len(bot.slack.posted)
    await bot.reads(SOON, after=18 * HOUR)
    await bot.reads(SOON, after=4.5 * HOUR)
    assert len(bot.slack.posted) == posted


async def test_outcome_of_an_acknowledged_invitation_is_posted_without_a_mention(bot):
    await ack(bot)
    await bot.reads(invited("bo", expires_in=25 * HOUR, status="rejected"))
    broadcast = bot.slack.posted[-1]
    assert broadcast.broadcast
    assert CARE not in str(broadcast.message.blocks)
    assert last_view(bot).startswith("Rejected: Bo")
    assert "Acknowledged by Mei" in last_view(bot)


async def test_second_click_changes_nothing_and_names_the_first_user(bot):
    await ack(bot)
    posted = len(bot.slack.posted)
    done = await bot.clicks("alert.ack", f"v1:{await bot.episode_id()}", "Tom")
    assert (done.changed, [one.acked.name for one in done.found]) == ((), ["Mei"])
    assert len(bot.slack.posted) == posted


@pytest.mark.both_stores
async def test_concurrent_clicks_have_one_effect(bot):
    click = BlockAction("alert.ack", f"v1:{await bot.episode_id()}", "U0MEI", "Mei")
    done = await asyncio.gather(*(bot.acts.perform(decode(click.action_id, click.value), click) for _ in range(5)))
    assert sorted(len(one.changed) for one in done) == [0, 0, 0, 0, 1]


async def test_undone_acknowledgement_reminds_again(bot):
    await ack(bot)
    await bot.reads(SOON, after=18 * HOUR)
    await bot.clicks("alert.undo", f"v1:{await bot.episode_id()}:ack", "Tom")
    assert "Acknowledged" not in last_view(bot)
    assert "less than 6 h left" in last_view(bot)
    said = [line.message.blocks[0]["text"]["text"] for line in bot.slack.posted[2:]]
    assert [line.split(".")[0] for line in said] == [
        "⏰ Less than 6 h left, <!date^1795486320^until {time}|until 02:12 UTC>",
        "👤 Tom undid the acknowledgement",
    ]


async def test_reminder_that_waited_when_it_was_acknowledged_is_not_sent(bot):
    bot.slack.outcomes = [RetryLater(600, "ratelimited")]
    await bot.reads(SOON, after=18 * HOUR)
    await ack(bot)
    bot.clock.forward(minutes=15)
    await bot.deliver()
    assert ["Less than 6 h" in str(posted.message.blocks) for posted in bot.slack.posted] == [False, False]


# Snooze


async def test_snoozed_invitation_is_quiet_until_its_time_and_then_asks_again(bot):
    await bot.clicks("alert.snooze", f"v1:{await bot.episode_id()}:1h", "Tom")
    assert "Snoozed by Tom" in last_view(bot)
    posted = len(bot.slack.posted)
    await bot.reads(SOON, after=50 * MINUTE)
    assert len(bot.slack.posted) == posted
    await bot.reads(SOON, after=10 * MINUTE)
    reminder = bot.slack.posted[-1]
    assert reminder.broadcast
    assert "*Bo* · less than 24 h left" in reminder.message.blocks[0]["text"]["text"]
    assert "Snoozed" not in last_view(bot)


async def test_lead_that_passed_during_a_snooze_ends_it(bot):
    await bot.reads(SOON, after=15 * HOUR)  # 8 h left
    await bot.clicks("alert.snooze", f"v1:{await bot.episode_id()}:4h")
    await bot.reads(SOON, after=3 * HOUR)
    assert len(bot.slack.posted) == 2
    await bot.reads(SOON, after=HOUR)
    (reminder,) = bot.slack.posted[2:]
    assert reminder.broadcast
    assert "less than 6 h left" in str(reminder.message.blocks)


async def test_undone_snooze_is_over_without_a_reminder(bot):
    await bot.clicks("alert.snooze", f"v1:{await bot.episode_id()}:4h")
    await bot.clicks("alert.undo", f"v1:{await bot.episode_id()}:snooze", "Tom")
    assert bot.slack.posted[-1].message.blocks[0]["text"]["text"] == "👤 Tom undid the snooze."
    await bot.reads(SOON, after=5 * HOUR)
    assert len(bot.slack.posted) == 3


async def test_second_snooze_changes_nothing_and_names_the_first_user(bot):
    value = f"v1:{await bot.episode_id()}"
    await bot.clicks("alert.snooze", f"{value}:1h", "Tom")
    posted = len(bot.slack.posted)
    done = await bot.clicks("alert.snooze", f"{value}:4h", "Mei")
    assert (done.changed, [one.snoozed.name for one in done.found]) == ((), ["Tom"])
    assert len(bot.slack.posted) == posted


@pytest.mark.both_stores
async def test_undo_that_is_out_of_date_takes_nothing_else_back(bot):
    value = f"v1:{await bot.episode_id()}"
    await bot.clicks("alert.snooze", f"{value}:4h", "Tom")
    await ack(bot)
    assert (await bot.clicks("alert.undo", f"{value}:snooze", "Tom")).changed == ()
    assert "Acknowledged by Mei" in last_view(bot)


async def test_status_lists_snoozed_invitations_with_their_ends(bot):
    clicked_at = bot.clock()
    await bot.clicks("alert.snooze", f"v1:{await bot.episode_id()}:1h")
    async with bot.store.begin() as tx:
        assert [(one.kf_nick, one.snoozed.until - clicked_at) for one in await episodes.snoozed(tx)] == [
            ("Bo", HOUR)
        ]


async def test_pending_last_reminder_that_was_acknowledged_is_sent_after_an_undo(bot):
    bot.slack.outcomes = [RetryLater(600, "ratelimited")]
    await bot.reads(SOON, after=22.5 * HOUR)
    await ack(bot)
    bot.clock.forward(minutes=15)
    await bot.deliver()
    assert not any("less than 1 h" in str(posted.message.blocks) for posted in bot.slack.posted)
    await bot.clicks("alert.undo", f"v1:{await bot.episode_id()}:ack")
    assert any("less than 1 h" in str(posted.message.blocks) and posted.broadcast for posted in bot.slack.posted)


async def test_click_emits_nothing_that_no_poll_confirmed(bot):
    bot.wechat.listed = (bound("bo"),)
    bot.clock.now += 30 * HOUR  # the deadline has passed without a poll
    click = BlockAction("alert.ack", f"v1:{await bot.episode_id()}", "U0MEI", "Mei")
    await bot.acts.perform(decode(click.action_id, click.value), click)
    await bot.watcher.tick()
    await bot.deliver()
    assert last_view(bot).startswith("Bound: Bo")
    assert not any("did not answer in time" in text for text in bot.slack.texts)


async def test_tighter_lead_replaces_a_pending_reminder(bot):
    bot.slack.outcomes = [Blocked("not_in_channel")]
    await bot.reads(SOON, after=18 * HOUR)
    bot.slack.outcomes = [Blocked("not_in_channel")] * 2
    await bot.reads(SOON, after=4.5 * HOUR)
    bot.slack.outcomes = []
    bot.clock.forward(minutes=10)
    await bot.deliver()
    said = [str(posted.message.blocks) for posted in bot.slack.posted[1:]]
    assert ["less than 1 h" in line for line in said] == [True]


# Mentions


async def test_urgent_alert_mentions_the_set_people_until_its_first_edit(bot):
    await bot.reads(rejected("chen"), SOON)
    parent = bot.slack.posted[-1]
    assert CARE in str(parent.message.blocks)
    assert CARE not in parent.message.text
    assert bot.slack.edited == []
    await bot.clicks("alert.ack", f"v1:{await bot.episode_id('chen')}")
    assert CARE not in str(bot.slack.edited[-1][1].blocks)


async def test_looser_lead_mentions_no_one(bot):
    assert CARE not in str(bot.slack.posted[0].message.blocks)


async def test_last_reminder_mentions_people_in_the_thread(bot):
    await bot.reads(SOON, after=22.5 * HOUR)
    line = bot.slack.posted[-1]
    assert line.broadcast
    assert f"{CARE} please ask" in line.message.blocks[0]["text"]["text"]


# Digests


@pytest.fixture
async def storm(store: Store, clock: VirtualClock) -> Bot:
    made = Bot(store, clock)
    names = [f"kf{number}" for number in range(6)]
    await made.reads(*(invited(name) for name in names), after=timedelta(0))
    await made.reads(*(rejected(name) for name in names))
    return made


def batch_of(bot: Bot) -> str:
    buttons = next(block for block in bot.slack.posted[0].message.blocks if block["type"] == "actions")["elements"]
    return next(button["value"] for button in buttons if button["action_id"] == "alert.ack")


async def test_digest_is_acknowledged_as_a_whole(storm):
    done = await storm.clicks("alert.ack", batch_of(storm))
    assert len(done.changed) == 6
    assert "Acknowledged by" in str(storm.slack.edited[-1][1].blocks)
    line = storm.slack.posted[-1].message.blocks[0]["text"]["text"]
    assert line == "👤 Acknowledged by Mei. No more reminders for these 6 invitations."
    assert (await storm.clicks("alert.undo", batch_of(storm))).changed


async def test_undo_of_a_digest_keeps_acknowledgements_of_its_members(storm):
    await storm.clicks("alert.ack", f"v1:{await storm.episode_id('kf0')}", "Mei")
    await storm.clicks("alert.ack", batch_of(storm), "Tom")
    assert len((await storm.clicks("alert.undo", batch_of(storm), "Tom")).changed) == 5
    kf0_id = await storm.episode_id("kf0")
    async with storm.store.begin() as tx:
        (kf0,) = (await episodes.get_many(tx, [kf0_id])).values()
    assert kf0.acked.name == "Mei"


async def test_digest_with_a_closed_member_is_acknowledged_for_the_others(storm):
    await storm.reads(bound("kf0"), *(rejected(f"kf{number}") for number in range(1, 6)))
    assert len((await storm.clicks("alert.ack", batch_of(storm))).changed) == 5


# Odd clicks


@pytest.mark.parametrize(
    ("action_id", "value"),
    [
        ("alert.ack", ""),
        ("alert.ack", "v2:{id}"),
        ("alert.ack", "v1:{id}:1h"),
        ("alert.ack", "v1:{id}\n"),
        ("alert.snooze", "v1:{id}"),
        ("alert.snooze", "v1:{id}:9h"),
        ("alert.snooze", "v1:batch:{id}:1h"),
        ("alert.undo", "v1:{id}"),  # of a release whose value did not name the action it undoes
        ("alert.undo", "v1:{id}:1h"),
        ("alert.undo", "v1:batch:{id}:snooze"),
        ("alert.frobnicate", "v1:{id}"),
        ("alert.ack", "v1:" + "x" * 5000),
        ("alert.ack", "v1:\x00"),
    ],
)
async def test_forged_or_outdated_value_has_no_effect(bot, action_id, value):
    assert decode(action_id, value.format(id=await bot.episode_id())) is None


@pytest.mark.both_stores
@pytest.mark.parametrize("value", ["v1:0123456789abcdef", "v1:batch:nothing", "v1:batch:{id}"])
async def test_action_on_an_unknown_episode_has_no_effect(bot, value):
    done = await bot.clicks("alert.ack", value.format(id=await bot.episode_id()))
    assert (done.changed, done.found) == ((), ())


async def test_another_accounts_alert_is_out_of_reach(bot):
    other = bot.store.of("wx_other", "")
    await other.open()
    intruder = Bot(other, bot.clock)
    done = await intruder.clicks("alert.ack", f"v1:{await bot.episode_id()}")
    assert done.found == ()


@pytest.mark.parametrize("name", ["<!channel>", "\x00\ud800", "", "x" * 5000])
async def test_hostile_name_is_harmless(bot, name):
    await ack(bot, name)
    assert (await bot.rows())[0]["status"] == "sent"
    assert "<!channel>" not in str(bot.slack.posted[-1].message)


async def test_click_after_the_end_changes_nothing(bot):
    await bot.reads(bound("bo"))
    value = f"v1:{await bot.episode_id()}"
    for action_id, suffix in (("alert.ack", ""), ("alert.snooze", ":1h"), ("alert.undo", ":ack")):
        assert (await bot.clicks(action_id, value + suffix)).changed == ()
