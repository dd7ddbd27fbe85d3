"""Ticks on a real store of both kinds: polls, confirmations and recorded events. Nothing is sent here."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from bot.alerting.cadence import Cadence
from bot.alerting.episode import AlertPolicy
from bot.outbox.event_keys import EventKeys
from bot.outbox.messages import MessageKind
from bot.recorder import Recorder
from bot.store import poll_state
from bot.store.database import Store
from bot.store.tables import emitted_event, episode, message
from bot.store.tables import poll_state as poll_state_table
from bot.watcher.poller import Tick, Watcher
from bot.watcher.recovery import Recovery
from tests.accounts import account, bound, invited
from tests.conftest import APPID, NOW, VirtualClock
from tests.fakes import FakeAccounts, FakeChannel
from wechat_kf import Invitation, QuotaError, ResponseError, SetupError, TokenError, TransportError

pytestmark = pytest.mark.mostly_sqlite

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
POLL = timedelta(seconds=300)


@pytest.fixture
def wechat() -> FakeAccounts:
    return FakeAccounts([bound("anna")])


@pytest.fixture
def watcher(wechat: FakeAccounts, store: Store, clock: VirtualClock) -> Watcher:
    return make_watcher(wechat, store, clock)


def make_watcher(wechat: FakeAccounts, store: Store, clock: VirtualClock, poll: timedelta = POLL) -> Watcher:
    recorder = Recorder(AlertPolicy(), EventKeys("secret", APPID), APPID)
    recovery = Recovery(FakeChannel(clock=clock), clock, lambda: clock().timestamp())
    return Watcher(wechat, store, recorder=recorder, recovery=recovery, cadence=Cadence(poll, poll))


async def poll(watcher: Watcher, clock: VirtualClock, times: int = 1) -> None:
    for _ in range(times):
        clock.forward(seconds=301)
        await watcher.tick()


async def written(store: Store) -> list[tuple[str, str]]:
    """Return the pending messages in order: (kind, the kind of the first event)."""
    async with store.begin() as tx:
        first = (
            sa.select(sa.func.min(emitted_event.c.kind))
            .where(emitted_event.c.message_id == message.c.id)
            .scalar_subquery()
        )
        query = sa.select(message.c.kind, message.c.created_at, message.c.priority, first.label("event_kind"))
        found = sorted(await tx.run(query), key=lambda row: (int(row.created_at.timestamp()), row.priority))
        return [(row.kind, row.event_kind or "") for row in found]


async def states(store: Store) -> list[str]:
    async with store.begin() as tx:
        query = sa.select(episode.c.state).where(episode.c.kind == "invitation").order_by(episode.c.first_seen)
        return [row.state for row in await tx.run(query)]


@pytest.mark.both_stores
async def test_store_is_opened_by_the_first_tick(empty_url, wechat, clock):
    store = Store.from_url(empty_url, APPID, clock=clock)
    assert await store.check()
    assert await make_watcher(wechat, store, clock).tick() is Tick.GOOD
    assert await store.check() is None
    await store.close()


async def test_poll_comes_once_an_interval(watcher, wechat, clock):
    assert [await watcher.tick() for _ in range(3)] == [Tick.GOOD, Tick.NOTHING_DUE, Tick.NOTHING_DUE]
    clock.forward(seconds=300)
    assert await watcher.tick() is Tick.GOOD
    assert len(wechat.reads) == 2


@pytest.mark.both_stores
async def test_two_watchers_on_one_store_share_the_polls(watcher, wechat, store, clock):
    other = make_watcher(wechat, store, clock)
    for _ in range(5):
        await asyncio.gather(watcher.tick(), other.tick())
        clock.forward(seconds=300)
    assert len(wechat.reads) == 5


async def test_first_run_without_problems_writes_nothing(watcher, wechat, store):
    wechat.listed = (bound("anna"), invited("bo"), account("eve"))
    await watcher.tick()
    assert await written(store) == []
    assert await states(store) == ["waiting"]


@pytest.mark.both_stores
async def test_first_run_posts_its_backlog_in_one_summary(watcher, wechat, store):
    wechat.listed = (
        bound("anna"),
        invited("chen", status="rejected"),
        invited("dee", status="expired", expires_in=-DAY),
        invited("lin", expires_in=18 * HOUR),
    )
    await watcher.tick()
    assert await written(store) == [(MessageKind.FIRST_RUN, "expired")]
    async with store.begin() as tx:
        (summary,) = (await tx.run(sa.select(message))).mappings()
    assert len(summary["episode_ids"]) == 3
    assert summary["payload"]["total"] == 4
    assert summary["payload"]["counts"]["bound"] == 1


async def test_first_run_gives_the_last_hour_a_message_of_its_own(watcher, wechat, store):
    wechat.listed = (invited("bo", expires_in=41 * timedelta(minutes=1)), invited("chen", status="rejected"))
    await watcher.tick()
    assert await written(store) == [(MessageKind.ALERT, "expiring"), (MessageKind.FIRST_RUN, "expiring")]


async def test_change_after_the_first_run_is_posted_separately_and_once(watcher, wechat, store, clock):
    wechat.listed = (invited("bo"),)
    await watcher.tick()
    wechat.listed = (invited("bo", status="rejected"),)
    await poll(watcher, clock, times=4)
    assert await written(store) == [(MessageKind.ALERT, "rejected")]


async def test_alerts_are_not_repeated_after_a_restart(watcher, wechat, store, store_url, clock):
    wechat.listed = (invited("bo"),)
    await watcher.tick()
    wechat.listed = (invited("bo", status="rejected"),)
    await poll(watcher, clock)
    again = Store.from_url(store_url, APPID, clock=clock)
    await poll(make_watcher(wechat, again, clock), clock, times=3)
    await again.close()
    assert await written(store) == [(MessageKind.ALERT, "rejected")]


async def test_lead_and_rejection_share_one_parent_message(watcher, wechat, store, clock):
    wechat.listed = (invited("bo", expires_in=25 * HOUR),)
    await watcher.tick()
    clock.forward(hours=2)
    await watcher.tick()
    wechat.listed = (invited("bo", expires_in=25 * HOUR, status="rejected"),)
    await poll(watcher, clock)
    assert await written(store) == [(MessageKind.ALERT, "expiring"), (MessageKind.REPLY, "rejected")]


async def test_six_events_at_once_become_a_digest(watcher, wechat, store, clock):
    names = [f"kf{number}" for number in range(60)]
    wechat.listed = tuple(invited(name) for name in names)
    await watcher.tick()
    wechat.listed = tuple(invited(name, status="rejected") for name in names)
    await poll(watcher, clock)
    shapes = [shape for shape, _ in await written(store)]
    assert shapes == [MessageKind.DIGEST, MessageKind.MEMBER_LIST, MessageKind.MEMBER_LIST, MessageKind.MEMBER_LIST]


async def test_five_events_at_once_are_five_messages(watcher, wechat, store, clock):
    wechat.listed = tuple(invited(f"kf{number}") for number in range(5))
    await watcher.tick()
    wechat.listed = tuple(invited(f"kf{number}", status="rejected") for number in range(5))
    await poll(watcher, clock)
    assert [shape for shape, _ in await written(store)] == [MessageKind.ALERT] * 5


# Deadlines do not depend on polling


@pytest.mark.both_stores
async def test_expiry_is_posted_while_wechat_is_down(watcher, wechat, store, clock):
    wechat.listed = (invited("bo", expires_in=2 * HOUR),)
    await watcher.tick()
    wechat.go_down()
    for _ in range(3 * 12):
        clock.forward(minutes=5)
        await watcher.tick()
    kinds = [kind for shape, kind in await written(store) if shape != MessageKind.INCIDENT]
    assert kinds == ["expiring", "expired"]
    async with store.begin() as tx:
        (row,) = await tx.run(sa.select(episode.c.confirmed_at).where(episode.c.kind == "invitation"))
    assert row.confirmed_at == NOW


async def test_list_without_the_account_confirms_a_reminder_of_an_outage(watcher, wechat, store, clock):
    wechat.listed = (invited("bo", expires_in=2 * HOUR), bound("anna"))
    await watcher.tick()
    wechat.go_down()
    for _ in range(15):
        clock.forward(minutes=5)
        await watcher.tick()
    confirmed_at = sa.select(episode.c.confirmed_at).where(episode.c.kind == "invitation")
    async with store.begin() as tx:
        assert (await tx.run(confirmed_at)).scalars().all() == [NOW]
    wechat.come_back()
    wechat.listed = (bound("anna"),)
    await watcher.make_due()
    await watcher.tick()
    async with store.begin() as tx:
        assert (await tx.run(confirmed_at)).scalars().all() == [None]


async def test_deadline_is_verified_by_one_short_poll_when_the_last_is_old(wechat, store, clock):
    watcher = make_watcher(wechat, store, clock, poll=timedelta(hours=5))
    wechat.listed = (invited("bo", expires_in=2 * HOUR),)
    await watcher.tick()
    wechat.listed = (bound("bo"),)
    clock.forward(hours=1)
    async with store.begin() as tx:  # a poll of five hours that was taken in long ago
        await tx.run(sa.update(poll_state_table).values(last_read_at=NOW - 6 * HOUR))
    await watcher.tick()
    assert wechat.reads[-1] == (5, 1)
    assert await states(store) == ["bound"]
    assert await written(store) == []


@pytest.mark.both_stores
async def test_unverified_deadline_is_posted_anyway(wechat, store, clock):
    watcher = make_watcher(wechat, store, clock, poll=timedelta(hours=5))
    wechat.listed = (invited("bo", expires_in=2 * HOUR),)
    await watcher.tick()
    async with store.begin() as tx:
        await tx.run(sa.update(poll_state_table).values(last_read_at=NOW - 6 * HOUR))
    wechat.go_down()
    clock.forward(hours=1)
    await watcher.tick()
    assert [kind for _, kind in await written(store)] == ["expiring"]
    async with store.begin() as tx:
        (row,) = await tx.run(sa.select(episode.c.confirmed_at))
    assert row.confirmed_at == NOW - 6 * HOUR


async def test_deadline_is_posted_without_a_poll_when_the_last_is_fresh(watcher, wechat, store, clock):
    wechat.listed = (invited("bo", expires_in=2 * HOUR),)
    await watcher.tick()
    clock.forward(seconds=3590)
    await watcher.tick()
    reads = len(wechat.reads)
    clock.forward(seconds=15)
    await watcher.tick()
    assert len(wechat.reads) == reads
    assert [kind for _, kind in await written(store)] == ["expiring"]


# Polls that prove nothing


async def test_failed_poll_changes_nothing(watcher, wechat, store, clock):
    wechat.listed = (invited("bo"), invited("chen", status="rejected"))
    await watcher.tick()
    wechat.error = ResponseError("no kf_list")
    await poll(watcher, clock, times=2)
    assert await states(store) == ["waiting", "rejected"]


async def test_partial_poll_removes_no_account(watcher, wechat, store, clock):
    wechat.listed = (invited("bo"),)
    await watcher.tick()
    wechat.listed, wechat.unreadable = (), 1
    await poll(watcher, clock, times=5)
    assert await states(store) == ["waiting"]


async def test_empty_list_after_a_full_one_is_accepted_at_the_third_poll(watcher, wechat, store, clock):
    wechat.listed = (invited("bo"),)
    await watcher.tick()
    full, wechat.listed = wechat.listed, ()
    await poll(watcher, clock)
    wechat.listed = full
    await poll(watcher, clock)
    wechat.listed = ()
    await poll(watcher, clock, times=2)
    assert await states(store) == ["waiting"]
    await poll(watcher, clock)
    assert await states(store) == ["removed"]


@pytest.mark.both_stores
async def test_timers_run_while_an_empty_list_is_unconfirmed(watcher, wechat, store, clock):
    wechat.listed = (invited("bo", expires_in=HOUR + timedelta(seconds=301)),)
    await watcher.tick()
    wechat.listed = ()
    await poll(watcher, clock)
    assert [kind for _, kind in await written(store)] == ["expiring"]


@pytest.mark.both_stores
async def test_older_poll_that_ends_late_is_dropped(watcher, wechat, store, clock):
    wechat.listed = (invited("bo"),)
    await watcher.tick()
    times = iter([NOW - HOUR, NOW + HOUR])  # it was begun first, and is taken in last
    slow = make_watcher(wechat, store, lambda: next(times))
    wechat.listed = (invited("bo", status="rejected"),)
    async with store.begin() as tx:
        await poll_state.schedule_poll(tx, NOW - DAY)
    assert await slow.tick() is Tick.GOOD
    assert await states(store) == ["waiting"]


async def test_clock_that_was_ahead_does_not_stop_the_watcher(watcher, wechat, store, clock):
    wechat.listed = (invited("bo", expires_in=90 * DAY),)
    clock.forward(days=30)
    await watcher.tick()
    clock.forward(days=-30)
    wechat.listed = (invited("bo", expires_in=90 * DAY, status="rejected"),)
    await poll(watcher, clock, times=2)
    assert await written(store) == [(MessageKind.ALERT, "rejected")]


async def test_list_without_readable_rows_is_not_a_first_poll(watcher, wechat, store, clock):
    wechat.listed, wechat.unreadable = (), 3
    await watcher.tick()
    wechat.listed, wechat.unreadable = tuple(invited(f"kf{number}", status="rejected") for number in range(8)), 0
    await poll(watcher, clock)
    assert [shape for shape, _ in await written(store)] == [MessageKind.FIRST_RUN]


@pytest.mark.both_stores
async def test_absurd_id_does_not_stop_the_watcher(watcher, wechat, store, clock):
    long = "".join(chr(97 + (number * number + number // 7) % 26) for number in range(5000))
    wechat.listed = (invited("bo", wx=long), invited("dee", kf_account=long), invited("chen"))
    await watcher.tick()
    wechat.listed = (invited("bo", wx=long), invited("dee", kf_account=long), invited("chen", status="rejected"))
    await poll(watcher, clock)
    assert await written(store) == [(MessageKind.ALERT, "rejected")]


@pytest.mark.both_stores
async def test_last_representable_moment_can_be_a_deadline(watcher, wechat, store, clock):
    if store.kind == "PostgreSQL":
        async with store.begin() as tx:
            name = (await tx.run(sa.text("SELECT current_database()"))).scalar_one()
            await tx.run(sa.text(f"ALTER DATABASE {name} SET timezone = 'Asia/Shanghai'"))
        await store.close()
    end = Invitation("bo_example", "waiting", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    wechat.listed = (account("bo", invitation=end),)
    await watcher.tick()
    await poll(watcher, clock)
    assert await states(store) == ["waiting"]


@pytest.mark.both_stores
async def test_accounts_with_unstorable_names_are_watched(watcher, wechat, store, clock):
    wechat.listed = (invited("b\0o", wx="bo\ud800", kf_nick="\0\udfff"),)
    await watcher.tick()
    wechat.listed = (invited("b\0o", wx="bo\ud800", kf_nick="\0\udfff", status="rejected"),)
    await poll(watcher, clock, times=3)
    assert await written(store) == [(MessageKind.ALERT, "rejected")]


# Incidents at WeChat


async def test_three_failed_polls_are_one_notice(watcher, wechat, store, clock):
    await watcher.tick()
    wechat.go_down()
    await poll(watcher, clock, times=2)
    assert await written(store) == []
    for _ in range(12):
        clock.forward(minutes=15)
        await watcher.tick()
    assert await written(store) == [(MessageKind.INCIDENT, "")]


@pytest.mark.both_stores
@pytest.mark.parametrize(
    "error",
    [
        SetupError(40164, "invalid ip 203.0.113.7", rid="a-b-c", address="203.0.113.7"),
        SetupError(65400, "please enable new custom service"),
    ],
)
async def test_misconfiguration_is_posted_at_once(watcher, wechat, store, clock, error):
    wechat.error = error
    await poll(watcher, clock, times=5)
    assert await written(store) == [(MessageKind.INCIDENT, "")]


async def test_refused_token_is_notified_after_three_failed_polls(watcher, wechat, store, clock):
    wechat.error = TokenError(40001, "invalid credential")
    await poll(watcher, clock, times=2)
    assert await written(store) == []
    await poll(watcher, clock)
    assert await written(store) == [(MessageKind.INCIDENT, "")]


async def test_watcher_backs_off_while_wechat_is_down(watcher, wechat, clock):
    wechat.go_down()
    for _ in range(60 * 2):
        await watcher.tick()
        clock.forward(seconds=60)
    assert 6 <= len(wechat.reads) <= 11


async def test_spent_quota_stops_polls_until_tomorrow_in_shanghai(watcher, wechat, store, clock):
    wechat.error = QuotaError(45009, "reach max api daily quota limit")
    await watcher.tick()
    clock.forward(hours=14)
    await watcher.tick()
    assert len(wechat.reads) == 1
    clock.forward(hours=1)
    await watcher.tick()
    assert len(wechat.reads) == 2
    assert await written(store) == [(MessageKind.INCIDENT, "")]


@pytest.mark.both_stores
async def test_successful_request_of_another_caller_ends_the_back_off(watcher, wechat, store, clock):
    wechat.error = QuotaError(45009, "reach max api daily quota limit")
    await watcher.tick()
    wechat.come_back()
    async with store.begin() as tx:
        await poll_state.poll_now(tx, clock())
    assert await watcher.tick() is Tick.GOOD


@pytest.mark.both_stores
async def test_store_that_fails_midway_loses_nothing(watcher, wechat, store, clock):
    wechat.listed = (invited("bo"),)
    await watcher.tick()
    wechat.listed = (invited("bo", status="rejected"),)
    async with store.begin() as tx:  # the message cannot be written: the state must not be, either
        await tx.run(sa.text("ALTER TABLE message RENAME TO message_gone"))
    clock.forward(seconds=301)
    with pytest.raises(sa.exc.DBAPIError):
        await watcher.tick()
    async with store.begin() as tx:
        await tx.run(sa.text("ALTER TABLE message_gone RENAME TO message"))
    assert await states(store) == ["waiting"]
    await poll(watcher, clock)
    assert await written(store) == [(MessageKind.ALERT, "rejected")]


async def test_poll_without_a_response_does_not_stop_the_watcher(watcher, wechat, clock):
    wechat.error = TransportError("GET: ReadTimeout")
    assert await watcher.tick() is Tick.FAILED
    wechat.come_back()
    clock.forward(seconds=601)
    assert await watcher.tick() is Tick.GOOD


async def test_unreadable_deadline_is_logged_once_until_it_changes(watcher, wechat, clock, caplog):
    logged = []
    for value in ("soon", "soon", None, "soon", "later"):
        wechat.unreadable_deadlines = (("bo@harbour_tea", value),) if value else ()
        caplog.clear()
        clock.now += POLL * 1.1
        await watcher.tick()
        logged.append("deadline not readable" in caplog.text and f"value={value}" in caplog.text)
        assert "bo@harbour_tea" not in caplog.text
    assert logged == [True, False, False, True, True]
