"""The loop of the polls of all accounts: what it claims, what one account may do to others, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.alerting.cadence import Cadence
from bot.fleet import Fleet, build_fleet
from bot.outbox.messages import SEVERAL, MessageKind, NewMessage
from bot.poll_loop import PollLoop
from bot.settings.values import Settings
from bot.store import episodes, outbox, poll_state, tenants
from bot.store.database import Store, insert_new
from bot.store.tables import poll_state as poll_state_table
from bot.store.tenants import COMMAND, StoredTenant
from bot.tenants.tenant import Tenant, TenantOrigin
from bot.watcher.poller import Tick, Watcher
from bot.watcher.recovery import Recovery
from tests.accounts import bound, invited
from tests.conftest import NOW, VirtualClock
from tests.fakes import FakeAccounts, FakeChannel
from tests.running import until
from wechat_kf import KfList

POLL = timedelta(seconds=300)


class Accounts(FakeAccounts):
    """WeChat's accounts, which answer when they are let go."""

    def __init__(self) -> None:
        super().__init__([bound("anna")])
        self.go = asyncio.Event()
        self.go.set()

    async def kf_list(self, *, within: float = 10, attempts: int = 3) -> KfList:
        listed = await super().kf_list(within=within, attempts=attempts)
        await self.go.wait()
        return listed


class Polls:
    """The loop of a process, its accounts by AppID, and the polls that it has made."""

    def __init__(self, fleet: Fleet, clock: VirtualClock) -> None:
        self.fleet, self.clock = fleet, clock
        self.task: asyncio.Task[None]
        self.done: list[tuple[str, Tick | None]] = []
        self.steps: list[Exception | None] = []
        self.accounts = {appid: Accounts() for appid in fleet.tenants}
        for one in (fleet.accounts[appid] for appid in fleet.tenants):
            recovery = Recovery(FakeChannel(clock=clock), clock, lambda: clock().timestamp())
            one.watcher = Watcher(
                self.accounts[one.tenant.appid],
                one.store,
                recorder=one.recorder,
                recovery=recovery,
                cadence=Cadence(POLL, POLL),
                unchanged_polls=fleet.shared.unchanged_polls,
                recording=fleet.shared.recording,
                outages=fleet.shared.outages,
            )
        self.loop = PollLoop(
            fleet,
            fleet.shared.store,
            lambda one, tick: self.done.append((one.tenant.appid, tick)),
            self.steps.append,
        )

    def hold(self, *appids: str) -> None:
        for appid in appids:
            self.accounts[appid].go.clear()

    def let_go(self) -> None:
        for account in self.accounts.values():
            account.go.set()

    async def polls_again(self, wanted: int, after: float = 301) -> None:
        """Let time pass, and wait for so many polls more."""
        expected = len(self.done) + wanted
        self.clock.forward(seconds=after)
        self.loop.wake()
        await until(lambda: len(self.done) >= expected)

    @property
    def running(self) -> list[str]:
        return [appid for appid in self.accounts if self.loop.is_polling(appid)]

    def polled(self, *appids: str) -> Callable[[], bool]:
        return lambda: {appid for appid, _ in self.done} >= set(appids)


@pytest.fixture
def polls(migrated_sqlite, tmp_path, clock):
    @asynccontextmanager
    async def make(number: int, url: str = "", **settings: object) -> AsyncIterator[Polls]:
        if not url:
            shutil.copy(migrated_sqlite, tmp_path / "kf.db")
            url = f"sqlite:///{tmp_path / 'kf.db'}"
        base = Settings("", "", "xoxb-1", slack_alert_channel="C0ALERTS", database_url=url, **settings)
        tenants = [tenant(base, f"wx-{index}") for index in range(number)]
        async with build_fleet(base, tenants, clock, role="web") as fleet:
            made = Polls(fleet, clock)
            made.task = asyncio.create_task(made.loop.run())
            yield made
            made.let_go()
            made.loop.stop()
            await made.task

    return make


def tenant(base: Settings, appid: str) -> Tenant:
    settings = Settings(appid, "secret", base.slack_bot_token, slack_alert_channel=base.slack_alert_channel)
    return Tenant(appid, appid, (), TenantOrigin.FILE, settings)


async def test_each_account_is_polled_once_an_interval(polls):
    async with polls(20, poll_concurrency=4) as made:
        await until(made.polled(*made.accounts))
        assert sorted(appid for appid, _ in made.done) == sorted(made.accounts)
        await made.polls_again(wanted=20)
    assert {tick for _, tick in made.done} == {Tick.GOOD}


async def test_account_that_hangs_holds_one_slot_and_no_other_account(polls):
    async with polls(8, poll_concurrency=2) as made:
        made.hold("wx-0")
        await until(made.polled(*(f"wx-{index}" for index in range(1, 8))))
        assert made.running == ["wx-0"]


async def test_polls_whose_outcomes_wait_for_the_database_leave_a_connection_to_others(polls, postgres_url):
    async with polls(20, postgres_url, poll_concurrency=20) as made:
        made.hold(*made.accounts)
        await until(lambda: len(made.running) == 20)
        other = Store.from_url(postgres_url, "wx-0", "C0ALERTS")
        async with other.begin() as tx:
            await poll_state.lock(tx, made.accounts)
            made.let_go()
            await asyncio.sleep(0.5)
            async with asyncio.timeout(2), made.fleet.shared.store.begin():
                pass
        await other.close()
        await until(made.polled(*made.accounts))
    assert {tick for _, tick in made.done} == {Tick.GOOD}


async def test_error_of_one_account_is_logged_once_and_stops_no_other(polls, caplog):
    caplog.set_level(logging.INFO)
    async with polls(3, poll_concurrency=1) as made:
        made.accounts["wx-0"].error = ZeroDivisionError()
        await until(made.polled(*made.accounts))
        await made.polls_again(wanted=1, after=61)  # the lease of the one that failed is over
        made.accounts["wx-0"].error = None
        await made.polls_again(wanted=1, after=61)
    assert [tick for appid, tick in made.done if appid == "wx-0"] == [None, None, Tick.GOOD]
    assert made.steps == []
    lines = [record.getMessage() for record in caplog.records if "loop" in record.getMessage()]
    assert lines == ["loop step failed loop=watcher", "loop recovered loop=watcher"]


async def test_poll_that_a_person_requests_does_not_wait_for_a_slot(polls):
    async with polls(6, poll_concurrency=2) as made:
        await until(made.polled(*made.accounts))
        made.hold(*made.accounts)
        made.clock.forward(seconds=301)
        made.loop.wake()
        await until(lambda: len(made.running) == 2)
        wanted = next(appid for appid in made.accounts if appid not in made.running)
        async with made.fleet.shared.store.of(wanted, "").begin() as tx:
            await poll_state.poll_now(tx, tx.now, always=True)
        made.loop.wake()
        await until(lambda: wanted in made.running)
        assert len(made.running) == 3


async def test_account_that_this_process_does_not_have_is_left_to_others(polls):
    async with polls(1) as made:
        await until(made.polled("wx-0"))
        store = made.fleet.shared.store
        async with store.begin() as tx:
            await tx.run(
                insert_new(tx, poll_state_table).values(appid="wx-other", next_poll_at=NOW, next_post_at=NOW)
            )
        await made.polls_again(wanted=1)
        async with store.begin() as tx:
            columns = sa.select(poll_state_table.c.next_poll_at, poll_state_table.c.due_at)
            assert tuple((await tx.run(columns.where(poll_state_table.c.appid == "wx-other"))).one()) == (NOW, None)


async def test_other_bot_that_starts_on_the_same_database_stops_no_poll(polls):
    async with polls(1) as made:
        await until(made.polled("wx-0"))
        async with made.fleet.shared.store.begin() as tx:
            await tenants.record(tx, [StoredTenant("wx-other", "other", "", TenantOrigin.ENVIRONMENT)])
        await made.polls_again(wanted=1)


async def test_accounts_of_commands_that_no_setting_lets_the_process_read_are_counted_at_the_start(polls):
    async with polls(1) as made:
        store, reporter = made.fleet.shared.store, made.fleet.first.status_reporter
        async with store.begin() as tx:
            await tenants.save(tx, StoredTenant("wx-rose", "rose", "", COMMAND))
        store.migrated = False  # as at a start
        made.loop.wake()

        async def is_counted() -> bool:
            return store.migrated and (await reporter.facts()).unread_accounts == 1

        await until(is_counted)


async def test_digest_of_an_account_that_is_gone_becomes_that_of_another_at_the_start(polls):
    async with polls(2) as made:
        made.accounts["wx-0"].listed = (invited("bo"),)
        await until(made.polled(*made.accounts))
        store = made.fleet.shared.store
        async with store.of("wx-0", "C0ALERTS").begin() as tx:
            (bo,) = await episodes.latest(tx, ["bo@harbour_tea"])
            gone = tx.of("wx-gone", "C0ALERTS")
            for of, about in (("mine", [bo.id]), ("another bot's", ["other"])):
                digest = NewMessage(of, MessageKind.DIGEST, 2, tuple(about), payload={SEVERAL: True})
                await outbox.enqueue(gone, [digest], {}, tx.now)
        store.migrated = False
        await made.polls_again(wanted=2)
        async with store.begin() as tx:
            rows = [await outbox.get(tx, one) for one in ("mine", "another bot's")]
    assert [row and row.appid for row in rows] == ["wx-0", "wx-gone"]


async def test_running_polls_are_finished_and_no_other_begins_at_the_end(polls):
    async with polls(4, poll_concurrency=2) as made:
        made.hold(*made.accounts)
        await until(lambda: len(made.running) == 2)
        made.loop.stop()
        await asyncio.wait([made.task], timeout=0.05)
        assert not made.task.done()
        made.let_go()
        await made.task
        assert len(made.done) == 2


async def test_no_more_polls_are_made_in_a_second_than_allowed(polls):
    async with polls(12, polls_per_second=4) as made:
        await until(lambda: len(made.done) >= 4)
        assert len(made.done) + len(made.running) < 12
        await until(made.polled(*made.accounts))


async def test_store_that_fails_is_reported_until_it_works_again(polls):
    async with polls(1) as made:
        await until(made.polled("wx-0"))
        store = made.fleet.shared.store
        async with store.begin() as tx:
            await tx.run(sa.text("ALTER TABLE poll_state RENAME TO gone"))
        made.loop.wake()
        await until(lambda: len(made.steps) == 1)
        async with store.begin() as tx:
            await tx.run(sa.text("ALTER TABLE gone RENAME TO poll_state"))
        await made.polls_again(wanted=1)
    assert isinstance(made.steps[0], sa.exc.DBAPIError)
    assert made.steps[1:] == [None]


async def test_outage_leaves_one_probe_every_fifteen_seconds_until_wechat_answers(polls):
    async with polls(4) as made:
        await until(lambda: len(made.done) == 4)
        for account in made.accounts.values():
            account.go_down()
        await made.polls_again(4)
        for number in range(4):
            await made.polls_again(1, after=15)
            assert len(made.done) == 9 + number
        assert {tick for _, tick in made.done[4:]} == {Tick.FAILED}
        for account in made.accounts.values():
            account.come_back()
        await made.polls_again(1, after=15)
        await made.polls_again(1, after=15)
        await made.polls_again(2, after=150)
        assert Tick.FAILED not in {tick for _, tick in made.done[12:]}
