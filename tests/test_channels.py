"""The pace of channels and of the workspace, and what an earlier release leaves to them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.outbox.messages import MessageKind, NewMessage
from bot.ports import Blocked
from bot.store import channels, outbox, slack_state
from bot.store.channels import NotItsTurnError
from bot.store.database import Store
from bot.store.engine import make_engine
from bot.store.outbox import claim
from tests.accounts import bound, invited
from tests.bots import Bot, rejected
from tests.conftest import APPID, NOW, at_now
from tests.fakes import FakeChannel
from tests.old_stores import migrate_to

pytestmark = pytest.mark.mostly_sqlite

SECOND = timedelta(seconds=1)
LEASE = 45 * SECOND
HARBOUR, KIOSK = "C0HARBOUR", "C0KIOSK"


async def queue(store: Store, *ids: str) -> None:
    async with store.begin() as tx:
        await outbox.enqueue(tx, [NewMessage(one, MessageKind.ALERT, 1) for one in ids], {}, tx.now)


async def claimed(store: Store) -> str | None:
    async with store.begin() as tx:
        row = await claim(tx, tx.now, LEASE)
        return row.id if row else None


@pytest.fixture
async def accounts(store):
    """Return two accounts in one channel, and one in another."""
    found = [store.of("wx-harbour", HARBOUR), store.of("wx-tea", HARBOUR), store.of("wx-kiosk", KIOSK)]
    await store.open()
    for one in found:
        await queue(one, *(f"{one.appid}-{number}" for number in range(3)))
    return found


@pytest.mark.both_stores
async def test_accounts_take_turns_in_a_channel_that_they_share(accounts, clock):
    harbour, tea, kiosk = accounts
    assert await claimed(harbour) == "wx-harbour-0"
    with pytest.raises(NotItsTurnError):
        await claimed(tea)
    with pytest.raises(NotItsTurnError):
        await claimed(harbour)
    assert await claimed(kiosk) == "wx-kiosk-0"
    clock.forward(seconds=1)
    assert await claimed(tea) == "wx-tea-0"


async def test_refused_channel_blocks_its_own_queue_only(accounts, clock):
    harbour, tea, kiosk = accounts
    async with harbour.begin() as tx:
        await claim(tx, tx.now, LEASE)
        await channels.pause(tx, tx.now + 30 * SECOND)
        await slack_state.record_refusal(tx, "is_archived", tx.now)
    clock.forward(seconds=2)
    assert await claimed(tea) is None
    assert await claimed(kiosk)
    for one, error in ((tea, "is_archived"), (kiosk, None)):
        async with one.begin() as tx:
            trouble = await slack_state.load(tx)
        assert (trouble and trouble.error) == error
    clock.forward(seconds=28)
    assert await claimed(tea)


async def test_pause_that_a_wrong_clock_has_set_is_over(accounts, clock):
    harbour = accounts[0]
    clock.forward(hours=3)
    assert await claimed(harbour)
    async with harbour.begin() as tx:
        assert await channels.may_post(tx, tx.now)
    clock.forward(hours=-3)
    assert await claimed(harbour)
    async with harbour.begin() as tx:
        assert await channels.may_post(tx, tx.now)


@pytest.mark.both_stores
@pytest.mark.parametrize(("turn", "a_minute"), [(channels.may_post, 120), (channels.may_edit, 40)])
async def test_workspace_takes_so_many_a_minute_over_all_channels(store, clock, turn, a_minute):
    async def taken(seconds: int) -> int:
        number = 0
        for _ in range(seconds):
            async with store.begin() as tx:
                while await turn(tx, tx.now):
                    number += 1
            clock.forward(seconds=1)
        return number

    rested = await taken(1)
    assert rested == channels.BURST
    assert await taken(60) in range(a_minute - 2, a_minute + 3)
    clock.forward(minutes=1)
    assert await taken(1) == channels.BURST


async def test_post_that_comes_last_takes_a_turn_only_if_some_are_left_for_others(store, clock):
    async def taken(*, is_last: bool) -> int:
        async with store.begin() as tx:
            number = 0
            while await channels.may_post(tx, tx.now, is_last=is_last):
                number += 1
        return number

    assert await taken(is_last=True) == channels.BURST_OF_LAST
    assert await taken(is_last=False) == channels.BURST - channels.BURST_OF_LAST
    clock.forward(seconds=1)
    assert await taken(is_last=True) == 0
    assert await taken(is_last=False) == 2
    clock.forward(minutes=1)
    assert await taken(is_last=True) == channels.BURST_OF_LAST


async def test_posts_of_the_workspace_do_not_use_up_its_edits(store):
    async with store.begin() as tx:
        while await channels.may_post(tx, tx.now):
            pass
        assert await channels.may_edit(tx, tx.now)


async def test_unsent_message_follows_its_account_to_another_channel_and_a_reply_stays(store, clock):
    harbour = store.of("wx-harbour", HARBOUR)
    await store.open()
    await queue(harbour, "parent", "second")
    async with harbour.begin() as tx:
        row = await claim(tx, tx.now, LEASE)
        assert row
        assert (row.id, row.target) == ("parent", HARBOUR)
        await outbox.mark_sent(tx, row, channel_id=HARBOUR, ts="1.000001", applied_hash=None, now=tx.now)
        reply = NewMessage("reply", MessageKind.REPLY, 9, parent_id="parent")
        await outbox.enqueue(tx, [reply], {}, tx.now)
    moved = store.of("wx-harbour", "C0NEW")
    targets = {}
    for _ in range(2):
        clock.forward(seconds=1)
        async with moved.begin() as tx:
            row = await claim(tx, tx.now, LEASE)
            assert row
            targets[row.id] = row.target
    assert targets == {"second": "C0NEW", "reply": HARBOUR}


@pytest.mark.both_stores
@pytest.mark.parametrize("posted", [True, False])
async def test_migration_keeps_the_block_of_a_channel_that_has_messages(empty_url, posted):
    at = f"'{NOW:%Y-%m-%d %H:%M:%S}'"
    blocked = (
        "INSERT INTO poll_state (appid, next_poll_at, next_post_at, paused_at, accounts, empty_polls, failed_polls,"
        " good_polls, blocked_by, slack_error, slack_error_since, slack_refuses)"
        f" VALUES ('{APPID}', {at}, {at}, {at}, 0, 0, 0, 0, 'is_archived', 'is_archived', {at}, true)"
    )
    sent = (
        "INSERT INTO message (id, appid, kind, priority, episode_ids, event_keys, payload, status, broadcast,"
        " created_at, not_before, attempt, text_only, is_final, is_deleted, channel_id, sent_at)"
        f" VALUES ('m', '{APPID}', 'problem', 1, '[]', '[]', '{{}}', 'sent', false, {at}, {at}, 1, false, true,"
        f" false, '{HARBOUR}', {at})"
    )
    await migrate_to(empty_url, "0006_message_status", [blocked, *([sent] if posted else [])])
    again = Store(make_engine(empty_url), APPID, HARBOUR, at_now)
    await again.open()
    async with again.begin() as tx:
        trouble = await slack_state.load(tx)
    assert (trouble and (trouble.error, trouble.since, trouble.refused)) == (
        ("is_archived", NOW, True) if posted else None
    )
    await queue(again, "next")
    assert await claimed(again) == "next"
    await again.close()


async def moved(store, clock, *outcomes):
    """Return an account with an alert in a former channel, whose person has accepted since."""
    before = Bot(store, clock)
    await before.reads(invited("bo"), after=timedelta(0))
    await before.reads(rejected("bo"))
    assert [one.channel_id for one in before.slack.posted] == ["C0ALERTS"]
    bot = Bot(store, clock, FakeChannel(clock=clock, id="C0NEW"))
    bot.slack.outcomes = list(outcomes)
    await bot.reads(bound("bo"))
    return bot


async def test_replies_and_edits_of_a_message_stay_in_its_channel(store, clock):
    bot = await moved(store, clock)
    assert [(one.channel_id, bool(one.thread_ts)) for one in bot.slack.posted] == [("C0ALERTS", True)]
    assert len(bot.slack.edited) == 1
    await bot.reads(bound("bo"), rejected("chen"))
    assert [one.channel_id for one in bot.slack.posted] == ["C0ALERTS", "C0NEW"]


async def test_former_channel_that_is_archived_blocks_nothing(store, clock):
    bot = await moved(store, clock, Blocked("is_archived"))
    assert bot.slack.posted == []
    assert (await bot.statuses())[-1] == ("dead", "no longer true")
    await bot.reads(bound("bo"), rejected("chen"))
    assert [one.channel_id for one in bot.slack.posted] == ["C0NEW"]


async def test_many_edits_are_spread_over_the_minute(store, clock):
    bot, names = Bot(store, clock), [f"n{number}" for number in range(14)]
    await bot.reads(*map(invited, names), after=timedelta(0))
    for number in range(len(names)):  # one at a time, so that each has its own alert
        await bot.reads(*map(rejected, names[: number + 1]), *map(invited, names[number + 1 :]))
    edited = len(bot.slack.edited)
    bot.wechat.listed = tuple(map(bound, names))
    clock.forward(minutes=6)
    await bot.watcher.tick()
    await bot.delivery.updater.update_all()
    assert len(bot.slack.edited) - edited == channels.BURST
    clock.forward(seconds=1.5)
    await bot.delivery.updater.update_all()
    assert len(bot.slack.edited) - edited == channels.BURST + 1
    clock.forward(seconds=15)
    await bot.delivery.updater.update_all()
    assert len(bot.slack.edited) - edited == len(names)
