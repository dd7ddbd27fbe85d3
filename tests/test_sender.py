"""The order of sending: a message that Slack refuses does not block posts or edits of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from bot.ports import (
    Blocked,
    HistoryPage,
    HistoryUnreadable,
    Message,
    NotFound,
    Outcome,
    OutcomeUnknown,
    RetryLater,
    Unlisted,
)
from bot.store.database import Store
from bot.watcher.recovery import Recovery
from tests.accounts import bound, invited
from tests.bots import Bot, rejected
from tests.conftest import VirtualClock
from tests.fakes import LOST, FakeChannel

pytestmark = pytest.mark.story

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@dataclass
class Stubborn(FakeChannel):
    """Takes all but the edits of some messages."""

    bad: Mapping[str, Outcome] = field(default_factory=dict)  # by ts
    tried: list[str] = field(default_factory=list)

    async def update(self, message: Message, *, ts: str, **rest: Any) -> Outcome:
        self.tried.append(ts)
        if ts in self.bad:
            return self.bad[ts]
        return await super().update(message, ts=ts, **rest)


async def three_alerts(store: Store, clock: VirtualClock) -> tuple[Bot, list[str]]:
    """Post three rejections, each in a separate message, and return their ts."""
    bot = Bot(store, clock, Stubborn(clock=clock))
    names = ["kf0", "kf1", "kf2"]
    await bot.reads(*map(invited, names), after=timedelta(0))
    for number in (1, 2, 3):
        await bot.reads(*map(rejected, names[:number]), *map(invited, names[number:]))
    return bot, [post.ts for post in bot.slack.posted]


async def pass_by(bot: Bot, span: timedelta, step: timedelta = timedelta(seconds=15)) -> None:
    """Let time pass, with a delivery pass at each step: shorter than any wait that these tests are about."""
    for _ in range(span // step):
        bot.clock.now += step
        await bot.delivery.run()


@pytest.mark.parametrize(
    "outcome", [OutcomeUnknown("internal_error"), Unlisted("a_word_of_tomorrow"), RetryLater(1, "ratelimited")]
)
async def test_uneditable_messages_do_not_delay_edits_of_others(store, clock, outcome):
    bot, (first, second, third) = await three_alerts(store, clock)
    bot.slack.bad = {first: outcome, second: outcome}
    await bot.reads(bound("kf0"), bound("kf1"), bound("kf2"))
    await pass_by(bot, 20 * MINUTE)
    assert bot.slack.text_now(third).startswith("Bound")


async def test_messages_in_a_former_channel_are_not_updated(store, clock):
    bot, (first, *_) = await three_alerts(store, clock)
    bot.slack.id = "C0NEW"
    bot.slack.bad = {first: Blocked("is_archived", of="channel")}
    await bot.reads(bound("kf0"), bound("kf1"), bound("kf2"))
    await pass_by(bot, HOUR, step=MINUTE)
    assert bot.slack.tried.count(first) == 1


async def test_replies_stay_in_their_channel(store, clock):
    bot, parents = await three_alerts(store, clock)
    bot.slack.id = "C0NEW"
    await bot.reads(bound("kf0"), rejected("kf1"), rejected("kf2"))
    assert [(one.channel_id, one.thread_ts) for one in bot.slack.posted[3:]] == [("C0ALERTS", parents[0])]


async def test_most_urgent_message_is_sent_first_after_a_refusal(store, clock):
    bot = Bot(store, clock)
    bo = invited("bo", expires_in=65 * MINUTE)
    await bot.reads(bo, *(invited(f"kf{number}") for number in range(3)), after=timedelta(0))
    bot.slack.outcomes = [Blocked("not_in_channel", of="channel")] * 2
    await bot.reads(bo, *(invited(f"kf{number}") for number in range(3)))
    await bot.reads(bo, *(rejected(f"kf{number}") for number in range(3)))
    clock.forward(minutes=6)
    await bot.deliver()
    assert [text.split(":")[0] for text in bot.slack.texts] == ["Expiring", "Rejected", "Rejected", "Rejected"]


async def test_unconfirmed_alert_is_repeated_at_growing_intervals(store, clock):
    @dataclass
    class Mute(FakeChannel):
        async def post(self, *args: object, **named: object) -> Outcome:
            self.outcomes = [LOST]
            return await super().post(*args, **named)

    bot = Bot(store, clock, Mute(clock=clock, unreadable=[HistoryUnreadable("missing_scope")] * 999))
    await bot.reads(invited("bo"), after=timedelta(0))
    await bot.reads(rejected("bo"))
    await pass_by(bot, 5 * MINUTE)
    assert len(bot.slack.posted) == 2
    await pass_by(bot, 2 * HOUR, step=MINUTE)
    assert 4 <= len(bot.slack.posted) <= 7


async def test_rebuilding_a_lost_store_waits_as_long_as_slack_asks(store, clock):
    bot = Bot(store, clock, FakeChannel(clock=clock, unreadable=[RetryLater(600, "ratelimited")] * 99))
    bot.wechat.listed = (rejected("bo"),)
    for _ in range(40):
        await bot.watcher.tick()
        clock.forward(seconds=15)
    assert bot.slack.looks == 1
    await bot.watcher.tick()
    assert bot.slack.looks == 2


async def test_rebuilding_a_lost_store_ends_under_any_rate_limit(clock):
    class Slow(FakeChannel):
        asked = 0

        async def history(self, *, cursor: str = "", **_: object) -> HistoryPage | RetryLater:
            self.asked += 1
            if self.asked % 2:
                return RetryLater(900, "ratelimited")
            page = int(cursor or 0) + 1
            return HistoryPage((), str(page) if page < 20 else "")

    recovery = Recovery(Slow(clock=clock), clock, lambda: clock().timestamp())
    for _ in range(30):
        if await recovery.read("wx") is not None:
            return
        clock.forward(seconds=901)
    pytest.fail("it began again and again")


# A click is answered, where the channel cannot show it


async def test_click_on_an_uneditable_message_is_answered(store, clock):
    bot, (first, *_) = await three_alerts(store, clock)
    bot.slack.bad = {first: NotFound("edit_window_closed")}
    value = f"v1:{await bot.episode_id('kf0')}"
    assert (await bot.clicks("alert.ack", value)).is_shown
    undone = await bot.clicks("alert.undo", f"{value}:ack")
    assert (bool(undone.changed), undone.is_shown) == (True, False)
    other = await bot.clicks("alert.ack", f"v1:{await bot.episode_id('kf1')}")
    assert other.is_shown
