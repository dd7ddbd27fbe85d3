"""The state of Slack in the store: each refusal from its start until the response that ends it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.health.facts import SlackTrouble
from bot.ports import Blocked, OutcomeUnknown, RetryLater
from bot.store import slack_state
from bot.store.database import Store
from bot.watcher.poller import Tick
from tests.bots import Bot, rejected
from tests.conftest import NOW

pytestmark = pytest.mark.mostly_sqlite

MINUTE = timedelta(minutes=1)


async def known(store: Store) -> SlackTrouble | None:
    async with store.begin() as tx:
        return await slack_state.load(tx)


async def test_refusal_has_its_own_start(store):
    for after, error in ((0, "not_in_channel"), (5, "not_in_channel"), (10, "is_archived"), (15, "is_archived")):
        async with store.begin() as tx:
            await slack_state.record_refusal(tx, error, NOW + after * MINUTE)
        began = 0 if error == "not_in_channel" else 10
        assert await known(store) == SlackTrouble(error, NOW + began * MINUTE, refused=True)


async def test_silence_starts_at_its_first_failure_and_does_not_hide_a_refusal(store):
    async with store.begin() as tx:
        await slack_state.record_silence(tx, "HTTP 503", NOW)
        await slack_state.record_silence(tx, "TimeoutError", NOW + MINUTE)
    assert await known(store) == SlackTrouble("TimeoutError", NOW, refused=False)
    async with store.begin() as tx:
        await slack_state.record_refusal(tx, "invalid_auth", NOW + 2 * MINUTE)
        await slack_state.record_silence(tx, "HTTP 503", NOW + 3 * MINUTE)
    assert await known(store) == SlackTrouble("invalid_auth", NOW + 2 * MINUTE, refused=True)


async def test_page_of_history_ends_a_silence_and_no_refusal_of_messages(store):
    async with store.begin() as tx:
        await slack_state.record_silence(tx, "HTTP 503", NOW)
        await slack_state.record_success(tx, reading=True)
    assert await known(store) is None
    async with store.begin() as tx:
        await slack_state.record_refusal(tx, "is_archived", NOW)
        await slack_state.record_success(tx, reading=True)
    assert await known(store) == SlackTrouble("is_archived", NOW, refused=True)
    async with store.begin() as tx:
        await slack_state.record_success(tx)
    assert await known(store) is None


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        (Blocked("invalid_auth", of="token"), True),
        (OutcomeUnknown("HTTP 503"), False),
        (OutcomeUnknown("an answer that is no JSON object"), False),
        (RetryLater(10, "ClientProxyConnectionError"), False),
    ],
)
async def test_reason_for_unreadable_history_is_known_to_every_process(store, clock, answer, refused):
    bot = Bot(store, clock)
    bot.slack.unreadable = [answer] * 3
    for _ in range(3):
        clock.forward(minutes=1)
        assert await bot.watcher.tick() is Tick.WAITS
    assert await known(store) == SlackTrouble(answer.error, NOW + MINUTE, refused=refused, reading=True)
    clock.forward(minutes=1)
    assert await bot.watcher.tick() is Tick.GOOD
    assert await known(store) is None


async def test_first_poll_is_tried_once_a_minute_while_slack_refuses_the_token(store, clock):
    bot = Bot(store, clock)
    bot.slack.unreadable = [Blocked("invalid_auth", of="token")] * 99
    for _ in range(40):
        clock.forward(seconds=15)
        await bot.watcher.tick()
    assert len(bot.wechat.reads) == 10


@pytest.mark.parametrize("answer", [OutcomeUnknown("TimeoutError"), RetryLater(10, "ClientConnectorError")])
async def test_post_without_a_usable_response_is_known_until_one_succeeds(store, clock, answer):
    bot = Bot(store, clock)
    await bot.reads()
    bot.slack.outcomes = [answer]
    await bot.reads(rejected())
    trouble = await known(store)
    assert trouble
    assert (trouble.error, trouble.refused, trouble.reading) == (answer.error, False, False)
    await bot.waits_out_a_lease()
    assert len(bot.slack.posted) == 1
    assert await known(store) is None
