"""An outage of WeChat that several Official Accounts meet is one notice."""

from __future__ import annotations

import pytest

from bot.alerting.incidents import FAILED_POLLS
from bot.store import tenants
from bot.store.database import Store
from bot.store.tenants import StoredTenant
from tests.bots import Bot
from tests.conftest import APPID, VirtualClock
from tests.samples import MINUTE
from wechat_kf import SetupError

pytestmark = pytest.mark.both_stores
KIOSK = "wx-kiosk"


class TwoAccounts:
    """Two Official Accounts in one database, each with a channel of its own."""

    def __init__(self, store: Store, clock: VirtualClock) -> None:
        self.clock = clock
        self.harbour, self.kiosk = Bot(store, clock), Bot(store.of(KIOSK, ""), clock)

    async def begin(self, *watched: str) -> None:
        await self.harbour.store.open()
        async with self.harbour.store.begin() as tx:
            await tenants.record(tx, [StoredTenant(appid, appid, "", "file") for appid in watched])
        await self.poll(1)

    async def poll(self, times: int = FAILED_POLLS, *bots: Bot) -> None:
        """Let these accounts, or both, be polled so often, and post what there is. They follow each other."""
        for _ in range(times):
            self.clock.forward(minutes=16)
            for bot in bots or (self.harbour, self.kiosk):
                await bot.watcher.tick()
                await bot.deliver()

    def texts(self, bot: Bot) -> list[str]:
        return [one.message.text for one in bot.slack.posted]


@pytest.fixture
async def two(store: Store, clock: VirtualClock) -> TwoAccounts:
    accounts = TwoAccounts(store, clock)
    await accounts.begin(APPID, KIOSK)
    return accounts


async def test_outage_that_both_accounts_meet_is_one_notice_and_one_end(two):
    for bot in (two.harbour, two.kiosk):
        bot.wechat.go_down()
    await two.poll()
    assert [text.split(",")[0] for text in two.texts(two.harbour)] == ["WeChat does not answer"]
    assert two.texts(two.kiosk) == []
    for bot in (two.harbour, two.kiosk):
        bot.wechat.come_back()
    await two.poll(2)
    assert "answers again" in two.texts(two.harbour)[-1]
    assert two.texts(two.kiosk) == []


async def test_account_that_fails_longer_than_the_reported_one_has_a_notice_then(two):
    for bot in (two.harbour, two.kiosk):
        bot.wechat.go_down()
    await two.poll()
    two.harbour.wechat.come_back()
    await two.poll(3)
    assert [text.split(",")[0] for text in two.texts(two.kiosk)] == ["WeChat does not answer"]


async def test_problem_of_one_account_is_reported_during_an_outage(two):
    two.harbour.wechat.go_down()
    await two.poll()
    two.kiosk.wechat.error = SetupError(48001, "api unauthorized")
    await two.poll(1)
    assert len(two.texts(two.kiosk)) == 1


async def test_wrong_clock_of_the_server_is_one_notice(two):
    for bot in (two.harbour, two.kiosk):
        bot.wechat.clock = lambda: two.clock.now + 9 * MINUTE
    await two.poll(4)
    assert [len(two.texts(bot)) for bot in (two.harbour, two.kiosk)] == [1, 0]


async def test_outage_of_an_account_that_is_no_longer_watched_silences_no_other(store, clock):
    two = TwoAccounts(store, clock)
    await two.begin(APPID, KIOSK)
    two.harbour.wechat.go_down()
    await two.poll(FAILED_POLLS, two.harbour)
    async with store.begin() as tx:
        await tenants.record(tx, [StoredTenant(KIOSK, KIOSK, "", "file")])
    two.kiosk.wechat.go_down()
    await two.poll(FAILED_POLLS, two.kiosk)
    assert len(two.texts(two.kiosk)) == 1
