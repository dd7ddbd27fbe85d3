"""Quiet hours on a real store of both kinds: held messages, breakthrough, and the summary."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from bot.alerting.episode import AlertPolicy
from bot.alerting.quiet_hours import QuietHours
from bot.operations.operation import OperationKind
from bot.outbox import operation_messages
from bot.ports import RetryLater
from bot.store import outbox, stats
from bot.store.database import Store
from bot.store.tables import message
from tests.accounts import bound, invited
from tests.bots import Bot, rejected
from tests.conftest import VirtualClock
from tests.operations import operation
from wechat_kf import KfAccount, SetupError

pytestmark = pytest.mark.story

SHANGHAI = ZoneInfo("Asia/Shanghai")
NIGHT = QuietHours(time(22), time(8), SHANGHAI)
LOUD_NIGHT = QuietHours(time(22), time(8), SHANGHAI, breakthrough=True)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
CARE = "<!subteam^S0CARE>"


def at(text: str) -> datetime:
    """Return a time of that night in Shanghai: `21:30` on the 23rd, `03:00` on the 24th."""
    hour = time.fromisoformat(text)
    return datetime.combine(date(2026, 11, 23 if hour.hour >= 12 else 24), hour, SHANGHAI).astimezone(UTC)


def until(name: str, text: str, status: str = "waiting") -> KfAccount:
    return invited(name, status=status, expires_in=at(text) - at("21:00"), at=at("21:00"))


class Night(Bot):
    """A bot that watches from nine in the evening."""

    async def sees(self, text: str, *accounts: KfAccount) -> None:
        """Poll WeChat with these accounts at this time, and deliver what may be sent."""
        self.wechat.listed = accounts
        self.clock.now = at(text)
        await self.watcher.make_due()
        await self.watcher.tick()
        await self.deliver()

    @property
    def posted_lines(self) -> list[str]:
        """Return the first line of each post, without its markup."""
        return [
            str(block["text"]["text"]).splitlines()[0] for block in (p.message.blocks[0] for p in self.slack.posted)
        ]


async def night_of(store: Store, clock: VirtualClock, quiet: QuietHours = NIGHT) -> Night:
    clock.now = at("21:00")
    made = Night(store, clock, policy=AlertPolicy(quiet=quiet), mention=CARE)
    await made.reads(bound("anna"), *(invited(f"kf{n}", at=at("21:00")) for n in range(9)), after=timedelta(0))
    return made


@pytest.fixture
async def night(store: Store, clock: VirtualClock) -> Night:
    return await night_of(store, clock)


@pytest.mark.both_stores
async def test_events_of_quiet_hours_become_one_summary(night):
    await night.sees("23:00", rejected("kf0"))
    await night.sees("02:00", rejected("kf0"), rejected("kf1"))
    await night.sees("07:59", rejected("kf0"), rejected("kf1"))
    assert night.slack.posted == []
    await night.sees("08:00", rejected("kf0"), rejected("kf1"))
    assert night.posted_lines == ["While it was quiet: 2 need attention"]
    assert CARE in str(night.slack.posted[0].message.blocks)


async def test_resolved_problem_is_named_without_a_mention(night):
    await night.sees("23:00", rejected("kf0"))
    await night.sees("02:00", bound("kf0"))
    await night.sees("08:00", bound("kf0"))
    assert night.posted_lines == ["✅ *While it was quiet, all was settled.*"]
    assert "Kf0, rejected then bound" in str(night.slack.posted[0].message.blocks)
    assert CARE not in str(night.slack.posted[0].message.blocks)


async def test_quiet_hours_without_events_have_no_summary(night):
    await night.sees("08:00", bound("anna"))
    assert night.slack.posted == []


async def test_storm_in_quiet_hours_is_one_message_too(night):
    await night.sees("23:00", *(rejected(f"kf{n}") for n in range(9)))
    await night.sees("08:00", *(rejected(f"kf{n}") for n in range(9)))
    assert night.posted_lines == ["While it was quiet: 9 need attention"]


async def test_quiet_summary_follows_its_episodes(night):
    await night.sees("23:00", rejected("kf0"), rejected("kf1"))
    await night.sees("08:00", rejected("kf0"), rejected("kf1"))
    await night.sees("09:00", bound("kf0"), rejected("kf1"))
    assert "1 still open" in night.slack.text_now(night.slack.posted[0].ts)
    assert len(night.slack.posted) == 1


async def test_edits_continue_in_quiet_hours_and_replies_follow_afterwards(night):
    await night.sees("21:30", rejected("kf0"))
    parent = night.slack.posted[0]
    await night.sees("23:00", bound("kf0"))
    assert night.slack.text_now(parent.ts).startswith("Bound: Kf0")
    assert len(night.slack.posted) == 1
    await night.sees("08:00", bound("kf0"))
    (line,) = night.slack.posted[1:]
    assert (line.thread_ts, line.broadcast) == (parent.ts, False)


async def test_event_of_a_reported_invitation_waits_for_the_quiet_summary_and_adds_a_reply(night):
    soon = until("bo", "07:30")
    await night.sees("21:30", soon)
    await night.sees("21:55", soon)
    await night.sees("22:00", soon)  # the reminder before the night
    posted_before = len(night.slack.posted)
    await night.sees("23:00", until("bo", "07:30", "rejected"))
    assert len(night.slack.posted) == posted_before
    await night.sees("08:00", until("bo", "07:30", "rejected"))
    _, line = night.slack.posted[posted_before:]
    assert night.posted_lines[posted_before].startswith("While it was quiet: 1 needs attention")
    assert (line.thread_ts, line.broadcast) == (night.slack.posted[0].ts, False)


# The reminder before quiet hours


async def test_start_of_quiet_hours_is_an_extra_lead_for_deadlines_within_them(night):
    soon, late = until("bo", "03:00"), until("dee", "09:30")
    await night.sees("21:01", soon, late)
    await night.sees("21:59", soon, late)
    assert night.slack.posted == []  # both were first seen within the 24 h
    await night.sees("22:00", soon, late)
    assert night.posted_lines == ["⏰ *Bo* · less than 5 h left"]
    await night.sees("22:05", soon, late)
    assert len(night.slack.posted) == 1


async def test_slightly_moved_deadline_has_no_second_reminder(night):
    await night.sees("21:01", until("bo", "03:00"))
    await night.sees("22:00", until("bo", "03:00"))
    await night.sees("22:01", until("bo", "02:59"))
    await night.sees("22:02", until("bo", "03:01"))
    assert len(night.slack.posted) == 1


async def test_smallest_lead_before_quiet_hours_replaces_the_extra_reminder(night):
    soon = until("bo", "22:40")
    await night.sees("21:30", soon)
    await night.sees("21:40", soon)
    await night.sees("22:00", soon)
    assert night.posted_lines == ["⏰ Bo · less than 1 h left"]


async def test_bot_back_hours_into_quiet_hours_posts_no_extra_reminder(night):
    soon = until("bo", "07:00")
    await night.sees("21:01", soon)
    await night.sees("00:30", soon)
    await night.sees("07:01", soon)
    assert night.slack.posted == []
    await night.sees("08:00", soon)
    assert night.posted_lines == ["While it was quiet: 1 needs attention"]


async def test_last_reminder_before_quiet_hours_may_be_a_little_late(night):
    soon = until("bo", "22:59")
    await night.sees("21:01", soon)
    night.slack.outcomes = [RetryLater(10, "ClientConnectorError")]
    await night.sees("21:59", soon)
    await night.sees("22:00", soon)
    assert night.posted_lines == ["⏰ Bo · less than 1 h left"]


async def test_user_actions_in_quiet_hours_are_posted_at_once(night):
    await night.sees("21:30", rejected("kf0"))
    night.clock.now = at("23:00")
    await night.clicks("alert.ack", f"v1:{await night.episode_id('kf0')}")
    assert "Acknowledged by Mei" in str(night.slack.posted[1].message.blocks)


async def test_report_of_an_operation_that_leaves_its_thread_waits_for_the_end_of_quiet_hours(night):
    await night.sees("21:30", rejected("kf0"))
    async with night.store.begin() as tx:
        (alert,) = (await tx.run(sa.update(message).values(is_deleted=True).returning(message.c.id))).scalars()
        deleted = operation(OperationKind.DELETE, "kf0", at=at("23:00"), status="rejected")
        await outbox.enqueue(tx, [operation_messages.completed(deleted, "", alert)], {}, at("23:00"))
    await night.sees("23:00", rejected("kf0"))
    assert len(night.slack.posted) == 1
    await night.sees("08:00", rejected("kf0"))
    assert night.slack.posted[1].message.text == "Deleted by Lin: Kf0 (kf0@harbour_tea)."


# The last reminder in quiet hours


async def test_last_reminder_waits_without_breakthrough(night):
    soon = until("bo", "03:00")
    await night.sees("21:01", soon)
    await night.sees("22:00", soon)
    await night.sees("02:00", soon)
    await night.sees("03:00", soon)
    assert len(night.slack.posted) == 1
    await night.sees("08:00", soon)
    assert night.posted_lines[1:2] == ["While it was quiet: 1 needs attention"]


async def test_last_reminder_is_posted_in_quiet_hours_with_breakthrough(store, clock):
    night = await night_of(store, clock, LOUD_NIGHT)
    soon = until("bo", "03:00")
    await night.sees("21:01", soon)
    await night.sees("22:00", soon)
    await night.sees("02:00", soon, rejected("kf1"))
    assert [line.broadcast for line in night.slack.posted] == [False, True]
    assert CARE in str(night.slack.posted[1].message.blocks)
    await night.sees("03:00", soon, rejected("kf1"))
    assert len(night.slack.posted) == 2
    await night.sees("08:00", soon, rejected("kf1"))
    assert "While it was quiet: 2 need attention" in night.posted_lines


async def test_reminder_before_quiet_hours_sends_its_pending_parent_message(night):
    soon = until("bo", "03:55")
    await night.sees("21:01", soon)
    night.slack.outcomes = [RetryLater(1000, "ratelimited")]
    await night.sees("21:55", soon)
    await night.sees("22:00", soon)
    assert night.slack.posted == []
    await night.sees("22:12", soon)
    assert night.posted_lines == ["⏰ *Bo* · less than 5 h 55 min left"]


# Other pending messages


async def test_message_not_posted_before_quiet_hours_waits_for_their_end(night):
    night.slack.outcomes = [RetryLater(600, "ratelimited")]
    await night.sees("21:55", rejected("kf0"))
    await night.sees("22:30", rejected("kf0"))
    assert night.slack.posted == []
    await night.sees("08:00", rejected("kf0"))
    assert night.posted_lines == ["⛔ Kf0 · rejected"]


async def test_incident_in_quiet_hours_is_posted_afterwards_if_it_lasts(night):
    night.wechat.error = SetupError(40164, "invalid ip 203.0.113.7, not in whitelist", address="203.0.113.7")
    await night.sees("23:00")
    assert night.slack.posted == []
    await night.sees("08:00")
    assert night.slack.texts[0].startswith("WeChat refused this server's address")


async def test_message_held_by_quiet_hours_is_not_overdue_before_their_end(night):
    async def overdue(text: str, audible_since: str) -> bool:
        async with night.store.begin() as tx:
            queue = await stats.queue_stats(tx, at(text))
        return bool(queue.overdue(at(text), at(audible_since)).count)

    await night.sees("23:00", rejected("kf0"))
    assert not await overdue("07:00", "07:00")
    assert not await overdue("08:04", "08:00")
    assert await overdue("08:06", "08:00")
