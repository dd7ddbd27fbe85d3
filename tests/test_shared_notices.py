"""Troubles of several Official Accounts with one cause, or in one channel within minutes, have one notice."""

from __future__ import annotations

import pytest

from bot.alerting.incidents import SHANGHAI
from tests.outages import Accounts
from tests.samples import MINUTE
from wechat_kf.errors import api_error

pytestmark = pytest.mark.story

ADDRESS = api_error(40164, "invalid ip", address="203.0.113.7")
SECRET = api_error(40125, "invalid appsecret")
RIGHT = api_error(48001, "api unauthorized")
QUOTA = api_error(45009, "reach max api daily quota limit")
WORDS = ("harbour", "kiosk", "orchid", "tea")


@pytest.fixture
async def apart(store, clock) -> Accounts:
    """Return four accounts, each with a channel of its own."""
    accounts = Accounts(store, clock, *WORDS)
    await accounts.begin()
    return accounts


@pytest.fixture
async def together(store, clock) -> Accounts:
    """Return four accounts that share a channel."""
    accounts = Accounts(store, clock, *WORDS, shared_channel="C0SHARED")
    await accounts.begin()
    return accounts


def parents(accounts: Accounts, word: str = "harbour") -> list[str]:
    return [one.message.text for one in accounts.bots[f"wx-{word}"].slack.posted if one.thread_ts is None]


def replies(accounts: Accounts, word: str = "harbour") -> list[str]:
    return [one.message.text for one in accounts.bots[f"wx-{word}"].slack.posted if one.thread_ts]


def newest(accounts: Accounts, word: str = "harbour") -> str:
    """Return the text of the last edit in the channel of an account."""
    return accounts.bots[f"wx-{word}"].slack.edited[-1][1].text


async def test_refused_address_of_accounts_in_three_channels_is_one_notice_that_names_them(apart):
    apart.fail(ADDRESS, "kiosk", "orchid", "tea")
    await apart.run(10 * MINUTE)
    assert len(apart.posts()) == len(parents(apart)) == 1
    assert newest(apart).startswith("WeChat refused this server's address, 203.0.113.7.")
    for name in ("kiosk", "orchid", "tea"):
        assert name in newest(apart)
    apart.come_back("kiosk", "orchid")
    await apart.run(10 * MINUTE)
    assert "refused" in newest(apart)
    apart.come_back("tea")
    await apart.run(10 * MINUTE)
    assert newest(apart).startswith("WeChat answers again. It concerned ")
    assert len(apart.posts()) == 1


@pytest.mark.both_stores
async def test_two_refused_addresses_are_two_notices(apart):
    apart.fail(ADDRESS, "kiosk")
    apart.fail(api_error(40164, "invalid ip", address="203.0.113.8"), "tea")
    await apart.run(10 * MINUTE)
    assert len(apart.posts()) == len(parents(apart)) == 2


@pytest.mark.both_stores
async def test_troubles_of_a_channel_within_ten_minutes_are_one_message_with_a_thread(together):
    together.fail(SECRET, "kiosk")
    together.fail(RIGHT, "tea")
    await together.run(10 * MINUTE)
    assert [text.split(".")[0].split(",")[0] for text in parents(together)] == ["WeChat refused the AppSecret"]
    assert [text.split(".")[0] for text in replies(together)] == ["This account may not use customer service"]
    assert newest(together) == "Several Official Accounts have problems. It concerns kiosk, tea."
    together.come_back("kiosk", "tea")
    await together.run(10 * MINUTE)
    assert newest(together) == "WeChat answers again. It concerned kiosk, tea."
    assert len(parents(together)) == 1
    assert len(replies(together)) == 3


async def test_trouble_that_lasts_after_that_of_the_first_account_keeps_the_notice_open(together):
    together.fail(SECRET, "kiosk", "tea")
    await together.run(10 * MINUTE)
    together.come_back("kiosk")
    await together.run(10 * MINUTE)
    assert newest(together).startswith("WeChat refused the AppSecret.")


async def test_trouble_eleven_minutes_later_has_a_notice_of_its_own(together):
    together.fail(SECRET, "kiosk")
    await together.run(16 * MINUTE)
    together.fail(RIGHT, "tea")
    await together.run(6 * MINUTE)
    assert len(parents(together)) == 2
    assert replies(together) == []


async def test_troubles_in_different_channels_have_a_notice_each(apart):
    apart.fail(SECRET, "kiosk", "tea")
    await apart.run(10 * MINUTE)
    assert [len(parents(apart, word)) for word in WORDS] == [0, 1, 0, 1]


async def test_trouble_of_an_account_does_not_join_the_notice_of_an_outage_or_an_address(together):
    together.fail(ADDRESS, "kiosk")
    await together.run(5 * MINUTE)
    together.fail(RIGHT, "tea")
    await together.run(6 * MINUTE)
    assert len(parents(together)) == 2
    together.go_down()
    await together.run(12 * MINUTE)
    together.fail(SECRET, "orchid")
    await together.run(4 * MINUTE)
    assert len(parents(together)) == 4


async def test_spent_quota_stops_the_polls_of_its_account_until_midnight_in_shanghai_and_no_others(apart):
    apart.fail(QUOTA, "tea")
    await apart.run(10 * MINUTE)
    apart.polls.clear()
    midnight = apart.clock().astimezone(SHANGHAI).replace(hour=23, minute=58)
    apart.clock.now = midnight
    await apart.run(1 * MINUTE)
    assert {appid for _, appid in apart.polls} == {"wx-harbour", "wx-kiosk", "wx-orchid"}
    apart.come_back("tea")
    await apart.run(6 * MINUTE)
    assert "wx-tea" in {appid for _, appid in apart.polls}
