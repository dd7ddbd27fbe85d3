"""Clocks that disagree: of two processes, of this side and Slack, of this side and WeChat."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.alerting.incidents import Cause, ClockSkew, ErrorDetails, Incident
from bot.demo.slack_simulator import reply_lost, slow
from bot.ports import HistoryUnreadable, OutcomeUnknown
from bot.slack.web_api import SlackClock
from bot.store import poll_state, processes, stats
from bot.store.database import Store
from bot.store.processes import ProcessInfo
from tests.accounts import invited
from tests.bots import LEASE, Bot, rejected
from tests.conftest import APPID, NOW, VirtualClock
from tests.fakes import LOST, FakeChannel
from tests.running import bot_in_loop, until, world

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def skewed(seconds: float):
    return lambda: datetime.now(UTC) + timedelta(seconds=seconds)


@pytest.mark.parametrize("seconds", [pytest.param(75, marks=pytest.mark.test_all), -75, 180])
async def test_processes_on_postgresql_whose_clocks_differ_post_once_while_slack_is_slow(postgres_url, seconds):
    async with world(postgres_url) as place:
        key = place.invite("bo", timedelta(days=3))
        place.slack.arm("chat.postMessage", slow(2))
        limits = {"ALERT_LEASE_SECONDS": "12"}
        async with bot_in_loop(place, **limits), bot_in_loop(place, "worker", clock=skewed(seconds), **limits):
            await until(lambda: len(place.wechat.log) > 3)
            place.wechat.reject(key)
            await until(lambda: place.texts)
            await asyncio.sleep(1)
        posts = [call for call in place.slack.calls if call.method == "chat.postMessage"]
    assert len(posts) == 1


@pytest.mark.parametrize("seconds", [180, pytest.param(-180, marks=pytest.mark.test_all)])
async def test_process_with_a_wrong_clock_finds_a_post_whose_response_was_lost(postgres_url, seconds):
    async with world(postgres_url) as place:
        key = place.invite("bo", timedelta(days=3))
        async with bot_in_loop(place, clock=skewed(seconds), ALERT_LEASE_SECONDS="2"):
            await until(lambda: len(place.wechat.log) > 2)
            place.slack.arm("chat.postMessage", reply_lost())
            place.wechat.reject(key)
            await until(lambda: place.texts)
            await until(lambda: sum(call.method == "conversations.history" for call in place.slack.calls) > 1)
            await asyncio.sleep(1.5)
    assert len(place.texts) == 1


@pytest.mark.server
@pytest.mark.parametrize("seconds", [600, -600])
async def test_process_ten_minutes_off_finds_its_post_by_the_date_that_slack_sends(sqlite_url, caplog, seconds):
    caplog.set_level("INFO")
    async with world(sqlite_url) as place:
        key = place.invite("bo", timedelta(days=3))
        async with bot_in_loop(place, clock=skewed(seconds), ALERT_LEASE_SECONDS="2"):
            await until(lambda: len(place.wechat.log) > 2)
            place.slack.arm("chat.postMessage", reply_lost())
            place.wechat.reject(key)
            await until(lambda: "delivery lookup" in caplog.text)
    looked_up = [line for line in caplog.messages if line.startswith("delivery lookup")]
    assert [line.partition(" outcome=")[2] for line in looked_up] == ["found"]
    assert len({*place.texts}) == len(place.texts)


def test_clock_of_slack_is_that_of_its_last_response_continued_by_a_stopwatch():
    elapsed = 7.0
    slack = SlackClock(lambda: elapsed)
    assert slack.now() is None
    slack.learn({"Date": "Mon, 23 Nov 2026 01:12:00 GMT"})
    elapsed += 90
    assert slack.now() == NOW + timedelta(seconds=90)
    for unusable in ({}, {"Date": "soon"}):
        slack.learn(unusable)
        assert slack.now() == NOW + timedelta(seconds=90)
    slack.learn({"date": "Mon, 23 Nov 2026 02:00:00 GMT"})
    assert slack.now() == NOW + 48 * MINUTE


@pytest.mark.mostly_sqlite
async def test_search_window_follows_slacks_clock(store, clock):
    class Ahead(FakeChannel):
        """Slack, ten minutes ahead of this side."""

        def now(self):
            return self.clock() + 10 * MINUTE

    slack = Ahead(clock=clock)
    bot = Bot(store, clock, slack)
    await bot.reads(invited("bo"), after=timedelta(0))
    slack.outcomes = [LOST]
    await bot.reads(rejected("bo"))
    (posted,) = slack.posted
    posted.ts = f"{float(posted.ts) + 600:.6f}"  # as Slack stamps it
    await bot.waits_out_a_lease()
    assert [row["status"] for row in await bot.rows()] == ["sent"]
    assert len(slack.posted) == 1


@pytest.mark.mostly_sqlite
async def test_clock_that_jumps_forward_does_not_bring_the_second_lookup_forward(store, clock):
    elapsed = VirtualClock()
    bot = Bot(store, clock, stopwatch=lambda: elapsed().timestamp())
    await bot.reads(invited("bo"), after=timedelta(0))
    await bot.fails()
    bot.slack.outcomes = [OutcomeUnknown("reset")]
    await bot.reads(rejected("bo"))
    clock.now += 1.25 * LEASE
    elapsed.now += 1.25 * LEASE
    await bot.delivery.run()
    assert (bot.slack.looks, len(bot.slack.posted)) == (2, 0)  # the first poll has read the history, too
    clock.now += HOUR  # set; hardly any time has passed
    await bot.delivery.run()
    assert (bot.slack.looks, len(bot.slack.posted)) == (2, 0)
    clock.now += LEASE / 4
    elapsed.now += LEASE / 4
    await bot.delivery.run()
    assert bot.slack.looks == 3


async def with_wrong_clock(store: Store, *, over: bool = False) -> None:
    fault = ErrorDetails("ClockSkew", detail="4 min")
    incident = Incident("clock-1", Cause.CLOCK_PROBLEM, NOW, fault, NOW + MINUTE if over else None)
    async with store.begin() as tx:
        known = await poll_state.load(tx)
        await poll_state.record_clock(tx, known.clock, ClockSkew(3, incident=incident))


@pytest.mark.mostly_sqlite
@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([], marks=pytest.mark.both_stores, id="readable"),
        pytest.param([HistoryUnreadable("missing_scope")] * 20, id="unreadable"),
    ],
)
async def test_unknown_outcome_is_held_while_the_clock_is_wrong_and_repeated_after_an_hour(store, clock, answers):
    bot = Bot(store, clock)
    await bot.reads(invited("bo"), after=timedelta(0))
    await with_wrong_clock(store)
    bot.slack.outcomes, bot.slack.unreadable = [OutcomeUnknown("reset")], answers
    await bot.reads(rejected("bo"))
    for _ in range(10):
        clock.now += 5 * MINUTE
        await bot.deliver()
    assert [text for text in bot.slack.texts if text.startswith("Rejected")] == []
    async with store.begin() as tx:
        assert (await stats.queue_stats(tx, tx.now)).held_unconfirmed == 1
        assert (await stats.queue_stats(tx, tx.now)).overdue(tx.now).count == 1
    for _ in range(3):
        clock.now += 5 * MINUTE
        await bot.deliver()
    (text,) = [text for text in bot.slack.texts if text.startswith("Rejected")]
    assert text.endswith("Possible repeat: Slack did not confirm the first posting.")


@pytest.mark.mostly_sqlite
async def test_unknown_outcome_is_sent_again_once_the_clock_is_right(store, clock):
    bot = Bot(store, clock)
    await bot.reads(invited("bo"), after=timedelta(0))
    await with_wrong_clock(store, over=True)
    bot.slack.outcomes = [OutcomeUnknown("reset")]
    await bot.reads(rejected("bo"))
    await bot.waits_out_a_lease()
    (text,) = [text for text in bot.slack.texts if text.startswith("Rejected")]
    assert "Possible repeat" not in text


async def test_store_on_postgresql_has_the_clock_of_the_database(postgres_url):
    store = Store.from_url(postgres_url, APPID)
    await store.open()
    async with store.begin() as tx:
        assert abs(tx.now - datetime.now(UTC)) < timedelta(seconds=5)
        await processes.touch(tx, ProcessInfo("behind"), datetime.now(UTC) - 3 * MINUTE)
        assert abs(await processes.skew(tx) - 3 * MINUTE) < timedelta(seconds=5)
    await store.close()
