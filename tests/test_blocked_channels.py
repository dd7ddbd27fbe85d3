"""A channel that Slack has refused for an hour is reported in the default channel, once."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from bot.blocks.channel.channel_notices import blocked_channel
from bot.blocks.context import RenderContext
from bot.blocks.tenant_label import TenantLabel
from bot.delivery.dependencies import DefaultChannel
from bot.language import Language
from bot.outbox.messages import MessageKind, NewMessage
from bot.ports import Blocked
from bot.store import outbox
from tests.accounts import invited
from tests.bots import Bot, rejected
from tests.conftest import APPID
from tests.episodes import assert_fit
from tests.fakes import FakeChannel
from tests.samples import CONTEXT

pytestmark = pytest.mark.mostly_sqlite

KIOSK = "wx-kiosk"
REFUSED = Blocked("is_archived")
DEFAULT = DefaultChannel(APPID, "C0ALERTS")


@pytest.fixture
async def accounts(store, clock):
    """Return the account of the default channel, and one whose channel is archived."""
    harbour = Bot(store, clock, label=TenantLabel(APPID, "Harbour Tea"), default_channel=DEFAULT)
    slack = FakeChannel(clock=clock, id="C0KIOSK")
    kiosk = Bot(
        store.of(KIOSK, "C0KIOSK"), clock, slack, label=TenantLabel(KIOSK, "Kiosk"), default_channel=DEFAULT
    )
    await store.open()
    for one in (harbour, kiosk):
        await one.reads(invited("bo"), invited("chen"), after=timedelta(0))
    return harbour, kiosk


async def waits(minutes: int, *bots: Bot) -> None:
    for _ in range(0, minutes, 5):
        for bot in bots:
            await bot.deliver()
        bots[0].clock.forward(minutes=5)


@pytest.mark.both_stores
async def test_channel_that_is_blocked_for_an_hour_is_reported_once(accounts):
    harbour, kiosk = accounts
    kiosk.slack.outcomes = [REFUSED] * 99
    await kiosk.reads(rejected("bo"), rejected("chen"))
    await waits(55, kiosk, harbour)
    assert harbour.slack.texts == []
    await waits(15, kiosk, harbour)
    (notice,) = harbour.slack.texts
    assert notice.startswith("2 messages wait for another channel. ")
    assert "since Mon 23 Nov 01:17 UTC: it is archived. Unarchive it" in notice
    assert kiosk.slack.posted == []


async def test_block_after_a_success_is_reported_again(accounts):
    harbour, kiosk = accounts
    kiosk.slack.outcomes = [REFUSED] * 14
    await kiosk.reads(rejected("bo"))
    await waits(80, kiosk, harbour)
    assert (len(harbour.slack.texts), len(kiosk.slack.texts)) == (1, 1)
    kiosk.slack.outcomes = [REFUSED] * 99
    await kiosk.reads(rejected("bo"), rejected("chen"))
    await waits(80, kiosk, harbour)
    assert len(harbour.slack.texts) == 2


async def test_block_of_the_default_channel_has_no_notice(accounts):
    harbour, kiosk = accounts
    harbour.slack.outcomes = [REFUSED] * 99
    await harbour.reads(rejected("bo"))
    await waits(75, harbour, kiosk)
    assert {row["kind"] for row in await harbour.rows()} == {"problem"}


async def test_notices_for_a_blocked_default_channel_hold_up_no_alert_of_their_account(store, clock):
    slack = FakeChannel(clock=clock, id="C0HARBOUR")
    harbour = Bot(
        store.of(APPID, "C0HARBOUR"),
        clock,
        slack,
        label=TenantLabel(APPID, "Harbour Tea"),
        default_channel=DEFAULT,
    )
    await store.open()
    await harbour.reads(invited("bo"), after=timedelta(0))
    async with store.begin() as tx:
        payload = {"channel": "C0KIOSK", "error": "is_archived", "since": 1_790_000_000, "waiting": 1}
        notices = [NewMessage(f"notice-{one}", MessageKind.NOTICE, 0, payload=payload) for one in range(2)]
        await outbox.enqueue(tx.of(APPID, DEFAULT.id), notices, {}, tx.now)
    slack.outcomes = [REFUSED]  # the first of them
    await harbour.deliver()
    await harbour.watcher.make_due()
    await harbour.reads(rejected("bo"), after=timedelta(minutes=1))
    assert [text.split(":")[0] for text in slack.texts] == ["Harbour Tea · Rejected"]


@pytest.mark.parametrize("language", [Language.ENGLISH, Language.CHINESE])
@pytest.mark.parametrize("error", ["is_archived", "a_word_of_tomorrow"])
def test_notice_names_channel_reason_and_number(language, error):
    context = RenderContext(CONTEXT.policy, language=language)
    payload = {"channel": "C0KIOSK", "error": error, "since": 1_790_000_000, "waiting": 1}
    message = blocked_channel(payload, context)
    assert_fit(message)
    shown = json.dumps(message.blocks)
    assert "1" in message.text
    assert "<#C0KIOSK>" in shown
    assert (error in shown) == (error == "a_word_of_tomorrow")
