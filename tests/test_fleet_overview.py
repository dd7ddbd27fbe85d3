"""Figures and open invitations of several Official Accounts, read from one store."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from bot.alerting.episode import NEEDS_ATTENTION, AccountStatus, AlertPolicy, Change, EpisodeState, account_status
from bot.alerting.incidents import Cause, PollHealth, on_poll_failure, on_poll_success
from bot.alerting.quiet_hours import QuietHours
from bot.fleet_overview import (
    STORED_STATES,
    InvitationPage,
    TenantFigures,
    TenantName,
    TenantOverview,
    choose,
    nearest_tenants,
    worst_first,
)
from bot.store import episodes, fleet_figures, poll_state
from bot.store.database import Store, Tx
from bot.store.tables import episode as episode_table
from tests.accounts import invited
from tests.conftest import NOW
from tests.episodes import episode, user_action
from wechat_kf import TransportError
from wechat_kf.errors import api_error

pytestmark = pytest.mark.mostly_sqlite

HOUR = timedelta(hours=1)
POLICY = AlertPolicy()
HARBOUR, KIOSK, CABIN = (f"wx{digit * 16}" for digit in "123")
ALL = (HARBOUR, KIOSK, CABIN)
UNTIL = dict.fromkeys(ALL, NOW + 24 * HOUR)
R, X, W = EpisodeState.REJECTED, EpisodeState.EXPIRED, EpisodeState.WAITING


async def save(store: Store, appid: str, *found: tuple[str, EpisodeState, float | None], **fields: object) -> None:
    """Store invitations by name, state and hours left, as they were noticed an hour ago."""
    async with store.of(appid, "").begin() as tx:
        changes = [
            Change(
                None,
                episode(
                    state,
                    name,
                    id=f"{appid}-{name}",
                    expires_at=None if left is None else NOW + left * HOUR,
                    **{"state_since": NOW - HOUR, **fields},
                ),
            )
            for name, state, left in found
        ]
        await episodes.save(tx, changes, {}, POLICY, NOW)


async def figures(store: Store, until: dict[str, datetime] = UNTIL) -> dict[str, TenantFigures]:
    async with store.begin() as tx:
        return await fleet_figures.figures(tx, until, NOW)


async def page(
    store: Store, states: tuple[AccountStatus, ...] = STORED_STATES, until: dict[str, datetime] = UNTIL, **at: int
) -> InvitationPage:
    async with store.begin() as tx:
        return await fleet_figures.open_invitations(tx, until, NOW, states, **at)


def names(found: InvitationPage) -> list[str]:
    return [row.kf_nick for row in found.rows]


@pytest.fixture
async def fleet(store: Store) -> Store:
    """Return a store with three Official Accounts, of which the last was never polled."""
    for appid in ALL:
        store.of(appid, "")
    await store.open()
    for appid, age, accounts in ((HARBOUR, 3, 12), (KIOSK, 9, 5)):
        async with store.of(appid, "").begin() as tx:
            known, began = await poll_state.load(tx), NOW - timedelta(minutes=age)
            await poll_state.record_read(tx, known, began=began, now=began, accounts=accounts, empty_polls=0)
    return store


async def test_figures_of_each_official_account_are_its_own(fleet):
    await save(fleet, HARBOUR, ("a", R, 9), ("b", R, None), ("c", X, -2), ("d", W, 2), ("e", W, 90), ("f", W, None))
    await save(fleet, HARBOUR, ("g", EpisodeState.BOUND, 5), ("h", EpisodeState.REPLACED, 5))
    await save(fleet, HARBOUR, ("i", R, 9), is_latest=False)
    await save(fleet, KIOSK, ("a", R, 9))
    await save(fleet, "wx_of_another_installation", ("a", R, 9))
    assert await figures(fleet) == {
        HARBOUR: TenantFigures(
            accounts=12,
            read_at=NOW - timedelta(minutes=3),
            counts={
                AccountStatus.REJECTED: 2,
                AccountStatus.EXPIRED: 1,
                AccountStatus.EXPIRING: 1,
                AccountStatus.WAITING: 2,
            },
        ),
        KIOSK: TenantFigures(accounts=5, read_at=NOW - timedelta(minutes=9), counts={AccountStatus.REJECTED: 1}),
        CABIN: TenantFigures(),
    }


@pytest.mark.both_stores
async def test_invitation_whose_deadline_has_passed_counts_as_expired_before_wechat_reports_it(fleet):
    await save(fleet, HARBOUR, ("a", W, 0), ("b", W, -3))
    assert (await figures(fleet))[HARBOUR].counts == {AccountStatus.EXPIRED: 2}


@pytest.mark.both_stores
async def test_deadline_counts_as_expiring_by_the_policy_of_its_own_official_account(fleet):
    for appid in (HARBOUR, KIOSK):
        await save(fleet, appid, ("a", W, 5), ("b", W, 6), ("c", W, 7))
    found = await figures(fleet, {HARBOUR: NOW + 6 * HOUR, KIOSK: NOW + HOUR, CABIN: NOW + HOUR})
    assert found[HARBOUR].counts == {AccountStatus.EXPIRING: 2, AccountStatus.WAITING: 1}
    assert found[KIOSK].counts == {AccountStatus.WAITING: 3}


async def test_acknowledged_accounts_count_if_they_need_attention(fleet):
    await save(fleet, HARBOUR, ("a", R, 9), ("b", W, 2), ("c", W, 90), acked=user_action())
    await save(fleet, HARBOUR, ("d", R, 9), ("e", X, -1))
    found = (await figures(fleet))[HARBOUR]
    assert (found.due, found.acknowledged) == (4, 2)


async def test_open_incident_is_reported_until_a_good_poll_resolves_it(fleet):
    async def record(change: object) -> TenantFigures:
        async with fleet.of(KIOSK, "").begin() as tx:
            before = (await poll_state.load(tx)).health
            await poll_state.record_health(tx, before, change(before))
        return (await figures(fleet))[KIOSK]

    failing = await record(lambda health: on_poll_failure(health, TransportError("x", attempts=1), NOW))
    assert (failing.incident, failing.failing_since) == (None, NOW)
    failing = await record(lambda health: on_poll_failure(health, api_error(40125, "x"), NOW + HOUR))
    assert failing.incident is not None
    assert (failing.incident.cause, failing.failing_since) == (Cause.CONFIG_PROBLEM, NOW)
    good = await record(lambda health: on_poll_success(health, NOW + HOUR))
    assert (good.incident, good.failing_since) == (None, None)
    assert (await figures(fleet))[HARBOUR].incident is None


async def test_official_account_without_rows_has_empty_figures(fleet):
    assert await figures(fleet, {"wx_new": NOW}) == {"wx_new": TenantFigures()}
    assert await figures(fleet, {}) == {}
    await save(fleet, "wx_new", ("a", R, 9))
    assert await figures(fleet, {"wx_new": NOW}) == {"wx_new": TenantFigures(counts={AccountStatus.REJECTED: 1})}


async def test_open_invitations_come_by_state_and_the_oldest_first(fleet):
    await save(fleet, HARBOUR, ("r2", R, 9), ("x", X, -2), ("e2", W, 3), ("w", W, None))
    await save(fleet, KIOSK, ("e1", W, 2), ("w1", W, 90))
    await save(fleet, KIOSK, ("r1", R, None), state_since=NOW - 2 * HOUR)
    found = await page(fleet)
    assert names(found) == ["E1", "E2", "R1", "R2", "X", "W1", "W"]
    assert [row.appid for row in found.rows[:3]] == [KIOSK, HARBOUR, KIOSK]
    assert [row.status for row in found.rows] == [
        *(AccountStatus.EXPIRING, AccountStatus.EXPIRING, AccountStatus.REJECTED, AccountStatus.REJECTED),
        *(AccountStatus.EXPIRED, AccountStatus.WAITING, AccountStatus.WAITING),
    ]
    assert (found.read_at, found.never_read) == (NOW - timedelta(minutes=9), 1)


async def test_open_invitations_have_what_a_row_shows(fleet):
    await save(fleet, HARBOUR, ("bo", W, 2), snoozed=user_action(until=NOW + HOUR))
    (row,) = (await page(fleet)).rows
    assert (row.appid, row.account_key, row.kf_account) == (HARBOUR, "bo@harbour_tea", "bo@harbour_tea")
    assert (row.kf_nick, row.kf_id, row.invite_wx, row.expires_at) == ("Bo", "2001", "bo_example", NOW + 2 * HOUR)
    assert row.owner == user_action(until=NOW + HOUR)


async def test_open_invitations_are_those_in_the_states_and_of_the_given_official_accounts(fleet):
    await save(fleet, HARBOUR, ("a", R, 9), ("b", W, 2), ("c", W, -1))
    await save(fleet, KIOSK, ("d", R, 9))
    assert names(await page(fleet, (AccountStatus.REJECTED,))) == ["A", "D"]
    assert names(await page(fleet, (AccountStatus.EXPIRED,))) == ["C"]
    assert names(await page(fleet, NEEDS_ATTENTION, {HARBOUR: NOW})) == ["A", "C"]
    empty = await page(fleet, (AccountStatus.BOUND,))
    assert (empty.rows, empty.total, empty.number) == ([], 0, 1)


async def test_pages_are_cut_by_the_store_and_one_that_does_not_exist_is_the_last(fleet):
    await save(fleet, HARBOUR, *((f"n{number}", R, 9) for number in range(7)))
    first, last = await page(fleet, size=3), await page(fleet, number=9999, size=3)
    assert (names(first), first.number, first.total) == (["N0", "N1", "N2"], 1, 7)
    assert (names(last), last.number, last.total) == (["N6"], 3, 7)


@pytest.mark.both_stores
async def test_damaged_acknowledgement_hides_no_row(fleet):
    await save(fleet, HARBOUR, ("a", R, 9), acked=user_action())
    async with fleet.begin() as tx:
        await tx.run(sa.update(episode_table).values(acked={"who": 1}))
    assert [row.owner for row in (await page(fleet)).rows] == [None]


@contextmanager
def statements(tx: Tx) -> Iterator[list[tuple[str, object]]]:
    """Collect the statements that reach the database, with their parameters."""
    seen: list[tuple[str, object]] = []

    def note(_: object, __: object, statement: str, parameters: object, *___: object) -> None:
        seen.append((statement, parameters))

    engine = tx.connection.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


async def read_all(tx: Tx, until: dict[str, datetime]) -> None:
    await fleet_figures.figures(tx, until, NOW)
    await fleet_figures.open_invitations(tx, until, NOW, NEEDS_ATTENTION)


@pytest.mark.both_stores
@pytest.mark.parametrize("number", [1, 300])
async def test_number_of_queries_does_not_grow_with_official_accounts(fleet, number):
    await save(fleet, f"wx{0:016}", ("a", R, 9))
    async with fleet.begin() as tx:
        with statements(tx) as seen:
            await read_all(tx, {f"wx{index:016}": NOW + index % 3 * HOUR for index in range(number)})
    assert len(seen) == 5


async def test_no_query_scans_a_table(migrated_sqlite, tmp_path):
    # Not on PostgreSQL, which reads a small table whole.
    store = Store.from_url(f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'kf.db')}", HARBOUR)
    await save(store, HARBOUR, ("a", R, 9))
    async with store.begin() as tx:
        with statements(tx) as seen:
            await read_all(tx, UNTIL)
        plans = [
            row.detail
            for statement, parameters in seen
            for row in await tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    # The AppIDs are a table, too: one parameter.
    assert [step for step in plans if step.startswith("SCAN") and "VIRTUAL" not in step] == []
    using = "SEARCH episode USING INDEX episode_open (appid=? AND kind=? AND is_latest=? AND state=?)"
    assert plans.count(using) == 3
    await store.close()


quiet_hours = st.builds(
    QuietHours,
    st.sampled_from([time(22), time(0, 30)]),
    st.sampled_from([time(8), time(9, 15)]),
    st.just(ZoneInfo("UTC")),
)


@given(
    st.none() | quiet_hours,
    st.integers(0, 47).map(lambda half: NOW + half * HOUR / 2),
    st.integers(-4, 120).map(lambda quarter: quarter * HOUR / 4),
    st.sampled_from([(24,), (6, 1), (2,)]),
)
def test_latest_expiring_deadline_agrees_with_the_status_of_a_row(quiet, now, left, hours):
    policy = AlertPolicy(leads=tuple(number * HOUR for number in hours), quiet=quiet)
    for deadline in (
        now + left,
        policy.expiring_until(now),
        policy.expiring_until(now) + timedelta(microseconds=1),
    ):
        if deadline > now:
            status = account_status(invited("bo", expires_in=deadline - now, at=now), now, policy)
            assert (status is AccountStatus.EXPIRING) == (deadline <= policy.expiring_until(now))


def tenant(slug: str, title: str = "", **figures: object) -> TenantOverview:
    name = TenantName(f"wx_{slug}", slug, title or slug.capitalize())
    return TenantOverview(name, replace(TenantFigures(read_at=NOW), **figures))


def slugs(rows: list[TenantOverview]) -> list[str]:
    return [row.tenant.slug for row in rows]


def test_worst_official_account_comes_first():
    down = on_poll_failure(PollHealth(), api_error(40125, "x"), NOW).incident
    two = {AccountStatus.REJECTED: 2}
    rows = [
        tenant("zoo"),
        tenant("b", counts={AccountStatus.WAITING: 9}),
        tenant("new", read_at=None),
        tenant("taken", counts=two, acknowledged=2),
        tenant("one", counts={AccountStatus.EXPIRED: 1}),
        tenant("two", counts=two),
        tenant("down", incident=down),
    ]
    assert slugs(worst_first(rows)) == ["down", "two", "one", "taken", "new", "b", "zoo"]
    assert [row.needs_attention for row in worst_first(rows)] == [True] * 4 + [False] * 3


def test_official_accounts_are_chosen_by_state_name_handle_and_appid():
    rows = [tenant("harbour", "Harbour Tea 海港"), tenant("kiosk", counts={AccountStatus.REJECTED: 1})]
    assert slugs(choose(rows)) == ["harbour", "kiosk"]
    assert slugs(choose(rows, (AccountStatus.REJECTED, AccountStatus.EXPIRED))) == ["kiosk"]
    assert slugs(choose(rows, text="ＴＥＡ")) == slugs(choose(rows, text="@harb")) == ["harbour"]
    assert slugs(choose(rows, text="wx_k")) == ["kiosk"]
    assert choose(rows, (AccountStatus.REJECTED,), "tea") == []


def test_nearest_official_accounts_have_a_similar_handle_or_name():
    visible = [tenant(slug, title).tenant for slug, title in (("harbour", "Harbour Tea"), ("kiosk", "夜班亭"))]
    assert nearest_tenants("HARBUOR", visible) == visible[:1]
    assert nearest_tenants("夜亭", visible) == visible[1:]
    assert nearest_tenants("zzz", visible) == nearest_tenants("harbour", []) == []
    nearest_tenants("x" * 5000, [TenantName("wx", "y" * 5000, "")])
