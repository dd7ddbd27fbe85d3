"""An outage of WeChat that several Official Accounts meet is one notice, and holds their polls back."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from bot.interactions.watcher_calls import WatcherCalls
from bot.runtime.tasks import BackgroundTasks
from bot.store import circuit_breaker_row
from bot.store.database import Store
from tests.accounts import invited
from tests.budgets import share
from tests.conftest import VirtualClock
from tests.outages import POLL, Accounts
from tests.samples import MINUTE
from wechat_kf.errors import api_error

pytestmark = pytest.mark.story

SECOND = timedelta(seconds=1)
ACCOUNTS = share(24, 200)
DOWN, AGAIN = "WeChat does not answer, so states may be old", "WeChat answers again"


async def watched(store: Store, clock: VirtualClock, *words: str) -> Accounts:
    accounts = Accounts(store, clock, *words)
    await accounts.begin()
    return accounts


@pytest.fixture
async def four(store: Store, clock: VirtualClock) -> Accounts:
    return await watched(store, clock, "harbour", "kiosk", "orchid", "tea")


async def test_outage_that_all_accounts_meet_is_one_notice_with_their_number_and_one_end(four):
    four.go_down()
    await four.run(20 * MINUTE)
    assert four.posts() == [DOWN]
    (posted,) = four.bots["wx-harbour"].slack.posted
    assert "It concerns 4 Official Accounts, which have no notices of their own." in str(posted.message.blocks)
    four.come_back()
    await four.run(10 * MINUTE)
    assert four.posts("harbour")[1].startswith(AGAIN)
    assert len(four.posts()) == 2
    assert four.bots["wx-harbour"].slack.edited[-1][1].text.startswith(AGAIN)


async def test_single_account_without_an_answer_has_a_notice_of_its_own(four):
    four.go_down("tea")
    await four.run(60 * MINUTE)
    assert four.posts() == four.posts("tea") == [DOWN]
    assert len(four.polls) > 3 * 60 / 5  # the others are polled as usual


@pytest.mark.both_stores
async def test_failing_share_of_accounts_is_not_an_outage(store, clock):
    accounts = await watched(store, clock, *(f"shop{number}" for number in range(10)))
    accounts.go_down("shop3", "shop4", "shop5")
    await accounts.run(40 * MINUTE)
    assert [accounts.posts(word) for word in ("shop3", "shop4", "shop5")] == [[DOWN]] * 3
    assert len(accounts.posts()) == 3
    async with store.begin() as tx:
        assert not (await circuit_breaker_row.load(tx)).is_open


async def test_wrong_secret_of_one_account_is_reported_during_an_outage(four):
    four.go_down()
    await four.run(10 * MINUTE)
    four.fail(api_error(40125, "invalid appsecret"), "tea")
    await four.run(5 * MINUTE)
    assert four.posts("harbour") == [DOWN]
    assert [text.split(",")[0] for text in four.posts("tea")] == ["WeChat refused the AppSecret"]


@pytest.mark.both_stores
async def test_probes_of_two_processes_are_fifteen_seconds_apart(store, clock):
    one = await watched(store, clock, "harbour", "kiosk", "orchid")
    other = Accounts(store, clock, "harbour", "kiosk", "orchid")
    one.go_down()
    other.go_down()
    await one.run(10 * MINUTE)
    one.polls.clear()
    for _ in range(30):
        await one.pass_time(1)
        await other.pass_time(1)
    times = sorted(when for when, _ in one.polls + other.polls)
    assert len(times) in (4, 5)
    assert min(after - before for before, after in pairwise(times)) >= 15 * SECOND
    assert one.posts() + other.posts() == [DOWN]


@pytest.mark.both_stores
async def test_person_makes_the_next_probe_due(four):
    four.go_down()
    await four.run(10 * MINUTE)
    await four.pass_time(15)
    before, woken, tasks = len(four.polls), [], BackgroundTasks()
    await four.pass_time(1)
    assert len(four.polls) == before
    WatcherCalls(four.store, tasks, four.clock, lambda: woken.append(True), is_one_of_several=True).poll_now()
    await tasks.drain(1)
    await four.pass_time(1)
    assert (len(four.polls), woken) == (before + 1, [True])


async def test_flapping_wechat_has_one_notice_that_is_edited(four):
    for _ in range(3):
        four.go_down()
        await four.run(6 * MINUTE)
        four.come_back()
        await four.run(2 * MINUTE)
    parents = [one for one in four.bots["wx-harbour"].slack.posted if one.thread_ts is None]
    assert len(parents) == 1
    assert len(four.posts()) == len(four.posts("harbour"))


async def test_outage_of_all_accounts_of_ten_minutes_delays_no_deadline_and_is_caught_up_in_five(store, clock):
    accounts = await watched(store, clock, *(f"shop{number}" for number in range(ACCOUNTS)))
    began = clock()
    deadlines = {f"shop{minutes}": began + minutes * MINUTE for minutes in (2, 4, 7, 9)}
    for word, deadline in deadlines.items():
        bot = accounts.bots[f"wx-{word}"]
        bot.wechat.listed = (invited("bo", at=deadline, expires_in=timedelta(0)),)
        async with bot.store.begin() as tx:
            await circuit_breaker_row.schedule(tx, [(f"wx-{word}", tx.now)])
    await accounts.pass_time(1)
    accounts.polls.clear()
    accounts.go_down()
    await accounts.run(10 * MINUTE)
    notices = [text for text in accounts.posts() if text == DOWN]
    assert notices == accounts.posts("shop0") == [DOWN]
    during = [when for when, _ in accounts.polls if when >= began + MINUTE]
    assert len(during) <= 9 * 6
    assert min(after - before for before, after in pairwise(during)) >= 10 * SECOND
    for word, deadline in deadlines.items():
        slack = accounts.bots[f"wx-{word}"].slack
        reply = slack.posted[-1]
        assert reply.message.text.startswith("Expired: Bo")
        alert = slack.message_now(reply.thread_ts)
        assert ("last confirmed" in str(alert.blocks)) == (deadline - began > POLL)
        assert 0 <= float(reply.ts) - deadline.timestamp() <= 20
    accounts.come_back()
    accounts.polls.clear()
    await accounts.run(5 * MINUTE)
    assert {appid for _, appid in accounts.polls} == set(accounts.appids)
    busiest = max(len([1 for when, _ in accounts.polls if when == moment]) for moment, _ in accounts.polls)
    assert busiest <= ACCOUNTS / 8  # in fifteen of 150 seconds
    assert [text for text in accounts.posts() if text == DOWN] == [DOWN]
