"""A message about a replaced invitation follows the new one until that is settled."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.ports import RetryLater
from bot.store.database import Store
from bot.store.tables import message
from tests.accounts import account, bound, invited
from tests.bots import Bot, rejected
from tests.conftest import VirtualClock
from wechat_kf import KfAccount

pytestmark = pytest.mark.story

DAY = timedelta(days=1)
ANNA = bound("anna")
AGAIN = invited("dee", wx="dora_example", expires_in=9 * DAY)
DECLINED = invited("dee", wx="dora_example", status="rejected", expires_in=9 * DAY)
THIRD = invited("dee", wx="dave_example", expires_in=12 * DAY)


@pytest.fixture
async def bot(store: Store, clock: VirtualClock) -> Bot:
    """Return a bot that posted Dee's rejection before another person was invited."""
    made = Bot(store, clock)
    await made.reads(ANNA, invited("dee"), after=timedelta(0))
    await made.reads(ANNA, rejected("dee"))
    await made.reads(ANNA, AGAIN)
    return made


def first(bot: Bot) -> str:
    return bot.slack.text_now(bot.slack.posted[0].ts)


def roots(bot: Bot) -> list[str]:
    return [bot.slack.text_now(posted.ts) for posted in bot.slack.posted if posted.thread_ts is None]


async def is_settled(store: Store) -> bool:
    async with store.begin() as tx:
        return bool((await tx.run(sa.select(message.c.is_final).order_by(message.c.created_at))).scalars().first())


async def test_message_shows_invited_again_while_the_new_invitation_waits(bot, store):
    for _ in range(3):
        assert first(bot).startswith("Invited again: Dee (dee@harbour_tea). A new invitation is out to do•••le")
        await bot.reads(ANNA, AGAIN)
    assert not await is_settled(store)


@pytest.mark.parametrize(
    ("row", "opening"),
    [
        (bound("dee", "dora_example"), "Bound: Dee (dee@harbour_tea). do•••le accepted"),
        (
            DECLINED,
            "Rejected: Dee (dee@harbour_tea). do•••le declined the invitation. Ask why, then invite again",
        ),
        (
            invited("dee", wx="dora_example", status="expired", expires_in=9 * DAY),
            "Expired: Dee (dee@harbour_tea), deadline Wed 2 Dec",
        ),
        (account("dee"), "Invitation withdrawn: Dee (dee@harbour_tea)."),
        (None, "Removed: Dee (dee@harbour_tea)."),
    ],
)
async def test_message_ends_with_the_outcome_of_the_new_invitation(bot, row, opening):
    for _ in range(2):
        await bot.reads(ANNA, *([row] if row else []))
    assert first(bot).startswith(opening)
    head, facts = bot.slack.message_now(bot.slack.posted[0].ts).blocks
    assert head["type"] == "section"
    for fact in ("was rejected", "invited again", "first seen"):
        assert fact in facts["elements"][0]["text"]


async def test_new_invitation_that_fails_has_a_message_of_its_own(bot):
    await bot.reads(ANNA, DECLINED)
    own = next(posted for posted in bot.slack.posted[1:] if posted.thread_ts is None)
    assert own.message.text.startswith("Rejected: Dee (dee@harbour_tea). do•••le declined")
    assert bot.slack.message_now(own.ts).blocks[0]["type"] == "header"


async def test_message_follows_from_one_new_invitation_to_the_next(bot, store):
    await bot.reads(ANNA, DECLINED)
    await bot.reads(ANNA, THIRD)
    assert "A new invitation is out to da•••le" in first(bot)
    for _ in range(3):
        await bot.reads(ANNA, bound("dee", "dave_example"))
    assert [text.split(" accepted")[0] for text in roots(bot)] == ["Bound: Dee (dee@harbour_tea). da•••le"] * 2
    assert await is_settled(store)


async def test_message_that_ended_as_rejected_turns_to_bound_after_a_late_acceptance(bot):
    await bot.reads(ANNA, DECLINED)
    await bot.reads(ANNA, bound("dee", "dora_example"))
    assert first(bot).startswith("Bound: Dee")


@pytest.mark.both_stores
async def test_message_follows_a_new_invitation_that_goes_on_after_it_seemed_withdrawn(bot, store):
    for _ in range(3):
        await bot.reads(ANNA, account("dee"))
    assert first(bot).startswith("Invitation withdrawn: Dee")
    assert await is_settled(store)
    await bot.reads(ANNA, AGAIN)
    assert "A new invitation is out to do•••le" in first(bot)


async def test_outcome_stays_when_yet_another_person_is_invited_later(bot):
    for row in (bound("dee", "dora_example"), account("dee"), THIRD):
        await bot.reads(ANNA, row)
    assert first(bot).startswith("Bound: Dee")


async def test_message_follows_the_clock_while_wechat_is_down(bot):
    bot.wechat.go_down()
    bot.clock.now += 10 * DAY
    await bot.watcher.tick()
    await bot.deliver()
    assert first(bot).startswith("Expired: Dee")


async def test_person_who_rejected_and_is_invited_again_at_once_is_followed(store, clock):
    bot = Bot(store, clock)
    await bot.reads(ANNA, invited("dee"), after=timedelta(0))
    for row in (rejected("dee"), invited("dee"), invited("dee")):
        await bot.reads(ANNA, row)
    assert first(bot).startswith("Invited again: Dee (dee@harbour_tea). A new invitation is out to bo•••le")
    await bot.reads(ANNA, bound("dee"))
    assert first(bot).startswith("Bound: Dee")


async def test_digest_counts_a_replaced_member_by_the_outcome_of_the_new_invitation(store, clock):
    bot, names = Bot(store, clock), [f"kf{number}" for number in range(6)]
    await bot.reads(*map(invited, names), after=timedelta(0))
    await bot.reads(*map(rejected, names))
    await bot.reads(*(invited(name, wx="dora_example", expires_in=9 * DAY) for name in names))
    assert "6 invited again" in first(bot)
    outcome: list[KfAccount] = [bound(name, "dora_example") for name in names[:5]]
    await bot.reads(*outcome, invited(names[5], wx="dora_example", status="rejected", expires_in=9 * DAY))
    assert "all settled: 1 rejected, 5 bound" in first(bot)


async def test_digest_that_is_posted_late_does_not_report_what_the_alert_of_a_new_invitation_reports(store, clock):
    bot, names = Bot(store, clock), [f"kf{number}" for number in range(6)]
    await bot.reads(*map(invited, names), after=timedelta(0))
    bot.slack.outcomes = [RetryLater(900, "ratelimited")]
    await bot.reads(*map(rejected, names))
    again = invited(names[0], wx="dora_example", expires_in=9 * DAY)
    declined = invited(names[0], wx="dora_example", status="rejected", expires_in=9 * DAY)
    for row in (again, declined, declined):
        await bot.reads(row, *map(rejected, names[1:]))
    digest = bot.slack.posted[0]
    assert "*Kf0* · invited again" in str(digest.message.blocks)
    assert "*Kf0* · rejected" in str(bot.slack.message_now(digest.ts).blocks)  # by its next update
    assert [text.partition(":")[0] for text in roots(bot)[1:]] == ["Rejected"]


async def test_thread_keeps_a_relevant_reply(bot):
    line = next(posted.message for posted in bot.slack.posted if posted.thread_ts)
    assert line.text.startswith("Invited again: Dee (dee@harbour_tea). A new invitation went out to do•••le")
