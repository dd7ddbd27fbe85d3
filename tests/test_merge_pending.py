"""Merging of pending messages: quiet hours, storms and messages pending before them."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.alerting.episode import AlertPolicy
from bot.outbox.coalescing import LINK
from bot.outbox.messages import DropReason, MessageKind, MessageStatus, NewMessage
from bot.ports import RetryLater
from bot.store import merge_pending, outbox
from bot.store.database import Store
from bot.store.tables import message
from tests.accounts import bound, invited
from tests.bots import Bot, rejected
from tests.conftest import VirtualClock
from tests.test_quiet_hours import CARE, LOUD_NIGHT, NIGHT, Night, at, night_of, until
from wechat_kf import KfAccount

pytestmark = pytest.mark.story

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WAITS = RetryLater(900, "ratelimited")


def tomorrow(hours: float, status: str = "waiting") -> KfAccount:
    """Return Bo's invitation, with a deadline this many hours after nine in the evening."""
    return invited("bo", status=status, expires_in=hours * HOUR, at=at("21:00"))


def posted_lines(bot: Bot) -> list[tuple[str, str]]:
    """Return the place and the first line of each post."""
    places = ("root" if p.thread_ts is None else "broadcast" if p.broadcast else "line" for p in bot.slack.posted)
    return [(place, post.message.text.split(".")[0]) for place, post in zip(places, bot.slack.posted, strict=True)]


def calls(bot: Bot) -> int:
    return sum(CARE in str(post.message.blocks) for post in bot.slack.posted)


async def lets_all_out(bot: Bot) -> None:
    bot.clock.forward(minutes=20)
    await bot.deliver()


async def test_pending_reminder_is_merged_into_the_quiet_summary(store, clock):
    night = await night_of(store, clock)
    await night.sees("21:01", tomorrow(24 + 50 / 60))
    night.slack.outcomes = [WAITS]
    await night.sees("21:50", tomorrow(24 + 50 / 60))
    await night.sees("23:00", tomorrow(24 + 50 / 60, "rejected"))
    await night.sees("08:00", tomorrow(24 + 50 / 60, "rejected"))
    await lets_all_out(night)
    assert posted_lines(night) == [("root", "While it was quiet: 1 needs attention")]
    assert calls(night) == 1


async def test_pending_reminder_is_merged_into_the_digest_that_names_it(store, clock):
    names = [f"kf{number}" for number in range(6)]
    bot = Bot(store, clock, mention=CARE)
    await bot.reads(*map(invited, names), invited("bo", expires_in=25 * HOUR), after=timedelta(0))
    bot.slack.outcomes = [WAITS]
    await bot.reads(*map(invited, names), invited("bo", expires_in=25 * HOUR), after=HOUR + MINUTE)
    await bot.reads(*map(rejected, names), invited("bo", status="rejected", expires_in=25 * HOUR))
    await lets_all_out(bot)
    assert [place for place, _ in posted_lines(bot)] == ["root"]
    assert calls(bot) == 1
    assert "7 rejected" in bot.slack.posted[0].message.text
    await bot.reads(*map(rejected, names), bound("bo"))
    assert "6 still open" in bot.slack.message_now(bot.slack.posted[0].ts).text


@pytest.mark.both_stores
async def test_expiry_during_a_blocked_queue_is_only_in_the_quiet_summary(store, clock):
    night = await night_of(store, clock)
    bo = until("bo", "07:30")
    await night.sees("21:30", bo)
    night.slack.outcomes = [RetryLater(10 * 3600, "ratelimited")]
    await night.sees("22:00", bo)
    await night.sees("06:31", bo)
    await night.sees("08:00", bo)
    await lets_all_out(night)
    assert posted_lines(night) == [("root", "While it was quiet: 1 needs attention")]
    assert "Expired: Bo" in night.slack.posted[0].message.text
    assert calls(night) == 1


@pytest.mark.both_stores
async def test_alert_allowed_in_quiet_hours_does_not_wait_for_their_summary(store, clock):
    night = await night_of(store, clock, LOUD_NIGHT)
    bo = until("bo", "07:30")
    await night.sees("21:01", bo)
    await night.sees("01:31", bo)  # six hours left: for the morning
    posted_before = len(night.slack.posted)
    await night.sees("06:31", bo)
    assert next(text for _, text in posted_lines(night)[posted_before:]).startswith(
        "Expiring: Bo (bo@harbour_tea), less than 1 h left"
    )


async def test_reminder_before_quiet_hours_is_not_posted_during_them(store, clock):
    night = await night_of(store, clock)
    bo = until("bo", "07:30")
    await night.sees("21:30", bo)
    night.slack.outcomes = [RetryLater(5 * 3600, "ratelimited")]
    await night.sees("22:00", bo)
    await night.sees("03:05", bo)
    assert night.slack.posted == []
    await night.sees("07:00", bound("bo"))
    await night.sees("08:00", bound("bo"))
    await lets_all_out(night)
    assert calls(night) == 0


async def summary_after_click(store: Store, clock: VirtualClock, action_id: str, choice: str) -> Night:
    """Let a reminder fall into quiet hours, act on the evening's message, and return the bot."""
    clock.now = at("21:00")
    policy = AlertPolicy(quiet=NIGHT, leads=(24 * HOUR, 18 * HOUR, HOUR))
    night = Night(store, clock, policy=policy, mention=CARE)
    await night.reads(tomorrow(24.5), after=timedelta(0))
    await night.sees("21:31", tomorrow(24.5))
    await night.sees("03:31", tomorrow(24.5))
    clock.now = at("07:30")
    await night.clicks(action_id, f"v1:{await night.episode_id()}{choice}")
    await night.sees("08:00", tomorrow(24.5))
    await lets_all_out(night)
    return night


@pytest.mark.parametrize(("action_id", "choice"), [("alert.ack", ""), ("alert.snooze", ":4h")])
async def test_quiet_summary_omits_acknowledged_invitations(store, clock, action_id, choice):
    night = await summary_after_click(store, clock, action_id, choice)
    parents = [text for place, text in posted_lines(night) if place != "line"]
    assert len(parents) == 1
    assert parents[0].startswith("Expiring: Bo (bo@harbour_tea), less than 24 h left")
    assert not any("18 h" in text for _, text in posted_lines(night))


async def test_snooze_that_ends_in_quiet_hours_reminds_in_the_quiet_summary(store, clock):
    night = await night_of(store, clock)
    bo = tomorrow(24.5)
    await night.sees("21:01", bo)
    await night.sees("21:31", bo)
    await night.clicks("alert.snooze", f"v1:{await night.episode_id()}:1h")
    posted_before = len(night.slack.posted)
    await night.sees("22:32", bo)
    await night.sees("23:32", rejected("kf0"), bo)
    await night.sees("08:00", rejected("kf0"), bo)
    await lets_all_out(night)
    assert posted_lines(night)[posted_before:] == [("root", "While it was quiet: 2 need attention")]


async def test_messages_of_a_dropped_digest_and_their_replies_are_each_read_by_one_query(store):
    await store.open()
    dropped = {"status": MessageStatus.DEAD, "reason": DropReason.MERGED}
    async with store.begin() as tx:
        new = [NewMessage(f"m-{number}", MessageKind.ALERT, 2) for number in range(20)]
        await outbox.enqueue(tx, new, {}, tx.now)
        for number, one in enumerate(new):
            root = "m-0" if number > 10 else "digest"
            await outbox.update(tx, one.id, payload={LINK: {"root": root, "posts": 0}}, **dropped)
    queries: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        queries.extend([statement] if statement.startswith("SELECT message") else ())

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    async with store.begin() as tx:
        await merge_pending.restore_covered(tx, "digest")
    sa.event.remove(sa.Engine, "before_cursor_execute", note)
    async with store.begin() as tx:
        assert set((await tx.run(sa.select(message.c.status))).scalars()) == {MessageStatus.PENDING}
    assert len(queries) == 2
