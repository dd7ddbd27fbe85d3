"""Problems of several Official Accounts, read together: the same as of each alone, once where all share them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.alerting.circuit_breaker import CircuitBreaker
from bot.alerting.incidents import Cause, ErrorDetails, Incident
from bot.alerting.quiet_hours import SHANGHAI, QuietHours
from bot.fleet import build_fleet
from bot.health.facts import OF_ALL, HealthFacts, Problem, ProblemKind
from bot.health.problem_groups import grouped
from bot.health.problem_rules import fleet_may_be_silent
from bot.health_log import HealthLog
from bot.interactions import fleet_health
from bot.interactions.fleet_answers import FleetAnswers
from bot.interactions.fleet_health import FleetHealth
from bot.interactions.status_reporter import StatusReporter
from bot.outbox.messages import DropReason, MessageKind, MessageStatus
from bot.readiness import problems_of_several
from bot.runtime.logs import LineFormatter
from bot.runtime.metrics import CAUSES, Figures, FleetFigures, Metrics
from bot.settings.values import Settings
from bot.store import circuit_breaker_row, fleet_health_rows, incident_rows, processes, slack_state, tenants
from bot.store.database import Store
from bot.store.processes import ProcessInfo
from bot.store.tables import message, poll_state
from bot.store.tenants import StoredTenant
from bot.store.unconfirmed import CLOCK_WRONG
from bot.tenant_states import TenantState
from bot.tenants.tenant import Tenant, TenantOrigin
from tests.conftest import NOW, at_now
from tests.running import sqlite
from tests.samples import CONTEXT, DAY, HOUR, MINUTE
from tests.test_fleet_overview import statements
from tests.test_readers import People

POLLED = {"polled_at": NOW - MINUTE, "poll_wait": 300, "good_polls": 2}
OUTAGE = Incident("outage", Cause.SOURCE_DOWN, NOW - HOUR, ErrorDetails("TransportError"))
REFUSAL = Incident("refused", Cause.CONFIG_PROBLEM, NOW - HOUR, ErrorDetails("SetupError", 40164))
SPENT = Incident("spent", Cause.QUOTA, NOW - HOUR, ErrorDetails("QuotaError", 45009))
OVER = replace(OUTAGE, id="over", resolved_at=NOW - MINUTE)
SKEWED = Incident("skewed", Cause.CLOCK_PROBLEM, NOW - HOUR, ErrorDetails("ClockSkew", detail="4 min"))
OLD = {"status": MessageStatus.PENDING, "created_at": NOW - HOUR}
DEAD = {"status": MessageStatus.DEAD, "created_at": NOW - HOUR}
NIGHT = QuietHours(time(8), time(10), SHANGHAI)  # now
# By handle: the columns of `poll_state`, the messages, and what differs in the settings.
ACCOUNTS: Mapping[str, tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]] = {
    "well": (POLLED, [], {}),
    "never": ({}, [], {}),
    "never_failing": ({"failed_polls": 1, "failing_since": NOW - MINUTE}, [], {}),
    "late": (POLLED | {"polled_at": NOW - HOUR}, [], {}),
    "slow": (POLLED | {"polled_at": NOW - 20 * MINUTE}, [], {"poll_seconds": 1800}),
    "backing_off": (POLLED | {"polled_at": NOW - 40 * MINUTE, "poll_wait": 900}, [], {}),
    "old_release": ({"last_read_at": NOW - HOUR}, [], {}),
    "failing": (POLLED | {"failed_polls": 2, "failing_since": NOW - HOUR, "next_poll_at": NOW + MINUTE}, [], {}),
    "down": (POLLED | {"failed_polls": 9, "good_polls": 0, "incident": "outage"}, [], {}),
    "refused": (POLLED | {"good_polls": 0, "incident": "refused"}, [], {}),
    "spent": (POLLED | {"good_polls": 0, "incident": "spent"}, [], {}),
    "recovered": (POLLED | {"good_polls": 1, "incident": "over"}, [], {}),
    "skewed": (POLLED | {"clock_incident": "skewed"}, [], {}),
    "blocked": (POLLED, [OLD, OLD], {}),
    "silent": (POLLED, [], {}),
    "failed_rows": (POLLED | {"failing_rows": {"bo@x": {"error": "DataError", "since": NOW.timestamp()}}}, [], {}),
    "overdue": (POLLED, [OLD, OLD | {"created_at": NOW}, OLD | {"breakthrough": True}], {}),
    "asleep": (POLLED, [OLD], {"quiet": NIGHT}),
    "awake": (POLLED, [OLD, OLD | {"breakthrough": True}], {"quiet": NIGHT}),
    "held": (POLLED, [{"status": MessageStatus.SENDING, "created_at": NOW, "error": CLOCK_WRONG}], {}),
    "lost": (POLLED, [DEAD | {"reason": one} for one in DropReason] + [DEAD | {"created_at": NOW - 2 * DAY}], {}),
    "stale": (POLLED, [{"status": MessageStatus.SENT, "created_at": NOW, "error": "HTTP 500"}], {}),
    "sent": (POLLED, [{"status": MessageStatus.SENT, "created_at": NOW, "error": "x", "is_final": True}], {}),
}


def tenant(slug: str, **own: Any) -> Tenant:
    settings = Settings(f"wx-{slug}", "secret", "xoxb-token", slack_alert_channel=f"C0{slug.upper()}", **own)
    return Tenant(slug, slug.capitalize(), (), TenantOrigin.FILE, settings)


FLEET = [tenant(slug, **own) for slug, (_, _, own) in ACCOUNTS.items()]


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[Store]:
    made = Store.from_url(sqlite(tmp_path), "wx-well", clock=at_now)
    yield made
    await made.close()


async def fill(store) -> None:
    """Store all accounts and their states."""
    store.include(one.appid for one in FLEET)
    await store.open()
    async with store.begin() as tx:
        await tenants.record(tx, [StoredTenant(one.appid, one.slug, one.name, one.origin) for one in FLEET])
    for slug, (columns, messages, _) in ACCOUNTS.items():
        async with store.of(f"wx-{slug}", f"C0{slug.upper()}").begin() as tx:
            if slug == "blocked":
                await slack_state.record_refusal(tx, "is_archived", NOW - HOUR)
            if slug == "silent":
                await slack_state.record_silence(tx, "HTTP 503", NOW - HOUR)
            mine = sa.update(poll_state).where(poll_state.c.appid == tx.appid)
            await tx.run(mine.values(**columns | {"next_poll_at": columns.get("next_poll_at", NOW + MINUTE)}))
            for number, one in enumerate(messages):
                common = {"kind": MessageKind.ALERT, "priority": 1, "not_before": one["created_at"], "payload": {}}
                row = {"id": f"{slug}-{number}", "appid": tx.appid, "episode_ids": [], "event_keys": [], **common}
                await tx.run(sa.insert(message).values(**row | one))
    async with store.begin() as tx:
        for incident in (OUTAGE, REFUSAL, SPENT, OVER, SKEWED):
            await incident_rows.record(tx, None, incident)


@pytest.mark.both_stores
@pytest.mark.parametrize(
    ("started_at", "late"), [(None, ProblemKind.POLL_OVERDUE), (NOW - MINUTE, ProblemKind.STARTING)]
)
async def test_problems_that_are_read_together_are_those_of_each_account_alone(store, clock, started_at, late):
    await fill(store)
    async with store.begin() as tx:
        if started_at:
            await processes.touch(tx, ProcessInfo("one", "web", started_at, True, of_all=True), NOW)
    together = await FleetHealth(store, FLEET).read(started_at)
    alone = {}
    for one in FLEET:
        reporter = StatusReporter(
            store.of(one.appid, one.settings.slack_alert_channel), one.settings, lambda: None, clock
        )
        alone[one.appid] = await reporter.problems()
    assert together.problems == {appid: problems for appid, problems in alone.items() if problems}
    kinds = {problem.kind for found in alone.values() for problem in found}
    assert kinds == {late, *ProblemKind} - OF_ALL - ({ProblemKind.POLL_OVERDUE, ProblemKind.STARTING} - {late})


async def test_account_whose_row_cannot_be_read_does_not_hide_the_others(on_sqlite):
    store = on_sqlite  # PostgreSQL accepts no such value
    await fill(store)
    async with store.begin() as tx:
        await tx.run(sa.text("UPDATE poll_state SET failed_polls = 1, poll_wait = 1e300 WHERE appid = 'wx-well'"))
    known = await FleetHealth(store, FLEET).read(started_at=None)
    assert [problem.kind for problem in known.problems["wx-well"]] == [ProblemKind.STORE_UNKNOWN]
    assert len(known.problems) > 10


async def test_account_that_is_no_longer_watched_has_no_problem(store):
    await fill(store)
    async with store.begin() as tx:
        await tenants.record(tx, [StoredTenant("wx-late", "late", "Late", "file")])
    known = await FleetHealth(store, FLEET).read(started_at=None)
    assert "wx-late" in known.problems
    assert "wx-never" not in known.problems
    assert known.oldest_poll == NOW - HOUR
    assert known.accounts == {**dict.fromkeys(TenantState, 0), "active": 1, "paused": len(FLEET) - 1}


async def test_problems_stay_known_while_the_store_cannot_be_read(on_sqlite, monkeypatch):
    store = on_sqlite
    await fill(store)
    health = FleetHealth(store, FLEET)
    known = await health.read(started_at=None)
    monkeypatch.setattr(fleet_health, "REST", 0)
    async with store.begin() as tx:
        await tx.run(sa.text("ALTER TABLE message RENAME TO gone"))
    assert await health.read(started_at=None) is known


async def test_reading_that_took_long_is_not_repeated_at_once(on_sqlite):
    await fill(on_sqlite)
    health = FleetHealth(on_sqlite, FLEET)
    known = await health.read(started_at=None)
    assert await health.read(started_at=None) is known


async def test_messages_that_are_counted_are_found_by_an_index(on_sqlite):
    await fill(on_sqlite)
    async with on_sqlite.begin() as tx:
        with statements(tx) as seen:
            await fleet_health_rows.read(tx, 5 * MINUTE)
        plans = [
            row.detail
            for statement, parameters in seen
            for row in await tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert len(seen) == 10
    assert [step for step in plans if step.startswith("SCAN message")] == []
    assert len([step for step in plans if "message_status" in step]) == 3


async def test_outage_of_all_accounts_is_a_problem_of_the_first_one_alone(tmp_path):
    loaded = [tenant(slug, database_url=sqlite(tmp_path)) for slug in ("harbour", "kiosk", "orchid")]
    down = replace(OUTAGE, id="source_down-all-1")
    async with build_fleet(loaded[0].settings, loaded, at_now) as fleet:
        store = fleet.first.store
        assert store
        await store.open()
        async with store.begin() as tx:
            await tenants.record(tx, [StoredTenant(one.appid, one.slug, one.name, one.origin) for one in loaded])
            held_back = {"polled_at": NOW - HOUR, "next_poll_at": NOW - 55 * MINUTE}
            await tx.run(sa.update(poll_state).values(**held_back))
            failing = {"failed_polls": 2, "failing_since": NOW - HOUR}
            await tx.run(sa.update(poll_state).where(poll_state.c.appid == "wx-kiosk").values(**failing))
            breaker = await circuit_breaker_row.load(tx, lock=True)
            await circuit_breaker_row.record(
                tx, breaker, CircuitBreaker(9, since=NOW - HOUR, probe_at=NOW, incident=down)
            )
        problems, ready = await fleet.problems(), await fleet.check()
        text = Metrics().render(await fleet.figures()).decode()
        may_operate = fleet.shared.operators.people.include
        answers = FleetAnswers(store, People().readers, at_now, CONTEXT, fleet.problems, may_operate)
        answer = await answers.status(loaded[1:], "U0MEI")
    assert answer.text.startswith("2 Official Accounts · WeChat does not answer. All Official Accounts: ")
    assert "Kiosk" not in answer.text
    assert [(one.slug, [problem.kind for problem in each]) for one, each in problems] == [
        ("harbour", [ProblemKind.WECHAT_DOWN])
    ]
    (line,) = problems_of_several(ready)
    assert line.startswith("WeChat does not answer")
    assert fleet_may_be_silent([each for _, each in problems], 10_000)
    assert "wechat_kf_source_up 0.0" in text
    assert 'wechat_kf_accounts_in_trouble{cause="unreachable"} 0.0' in text


def test_outage_of_all_accounts_is_logged_without_a_handle(caplog):
    caplog.set_level("INFO")
    caplog.handler.setFormatter(LineFormatter([]))
    own = Problem(ProblemKind.WECHAT_DOWN, NOW - HOUR, incident=OUTAGE)
    HealthLog().note({"harbour": [own]})
    assert "handle=harbour" in caplog.text
    caplog.clear()
    HealthLog().note({"harbour": [replace(own, is_outage_of_all=True)]})
    assert "kind=wechat_down" in caplog.text
    assert "handle=" not in caplog.text


# What is made of them

LATE = Problem(ProblemKind.POLL_OVERDUE, NOW - HOUR, length=HOUR)
REFUSED = Problem(ProblemKind.SLACK_BLOCKED, NOW, error="is_archived", count=1)
WAITING = Problem(ProblemKind.ALERTS_OVERDUE, NOW - HOUR, count=3)
HARBOUR, KIOSK, ORCHID = tenant("harbour"), tenant("kiosk"), tenant("orchid")


def test_same_problem_of_several_accounts_is_one_and_the_most_frequent_of_a_kind_comes_first():
    archived, revoked = REFUSED, replace(REFUSED, error="token_revoked")
    found = grouped([("a", [archived]), ("b", [revoked, WAITING]), ("c", [revoked, replace(WAITING, count=9)])])
    assert [(group.problem, [*group.accounts]) for group in found] == [
        (revoked, ["b", "c"]),
        (archived, ["a"]),
        (WAITING, ["b", "c"]),
    ]


def test_readiness_has_a_line_for_each_problem_with_some_of_its_accounts():
    many = [tenant(f"brand{number}") for number in range(31)]
    lines = problems_of_several([*((one, [LATE]) for one in many), (HARBOUR, [WAITING])])
    assert lines[0].startswith("31 accounts: ")
    assert lines[0].endswith(" (@brand0, @brand1, @brand2, @brand3, @brand4 and 26 more)")
    assert lines[1].startswith("Harbour: 3 alerts wait")
    assert len(lines) == 2


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return found


def test_problem_of_a_few_accounts_is_a_line_for_each_and_of_many_a_single_one(caplog):
    caplog.set_level("INFO")
    log = HealthLog()
    few = {f"brand{number}": [LATE] for number in range(20)}
    log.note(few)
    assert len(lines(caplog)) == 20
    log.note(few)
    assert lines(caplog) == []
    log.note(few | {f"new{number}": [replace(LATE, length=2 * HOUR)] for number in range(31)})
    (line,) = lines(caplog)
    assert line.startswith("problem began kind=poll_overdue ")
    assert line.endswith(" accounts=31 handles=new0,new1,new2,new3,new4")
    log.note({"brand0": [LATE]})
    (line,) = lines(caplog)
    assert line.startswith("problem ended kind=poll_overdue accounts=50 handles=")
    log.note({})
    assert lines(caplog) == ["problem ended kind=poll_overdue"]


@pytest.mark.parametrize(
    ("late", "accounts", "silent"),
    [(0, 1, False), (1, 1, True), (1, 99, True), (1, 100, False), (2, 100, True), (100, 10_000, False)],
)
def test_heartbeat_pauses_when_more_than_one_account_in_a_hundred_is_late(late, accounts, silent):
    assert fleet_may_be_silent([(LATE,)] * late, accounts) is silent


@pytest.mark.parametrize("kind", [ProblemKind.STORE_HANGING, ProblemKind.ALERTS_OVERDUE, ProblemKind.ALERTS_HELD])
def test_heartbeat_pauses_for_one_overdue_message_or_a_fault_of_all(kind):
    assert fleet_may_be_silent([(Problem(kind),)], 10_000)


def test_heartbeat_goes_on_while_wechat_fails():
    assert not fleet_may_be_silent([(Problem(ProblemKind.WECHAT_CONFIG),)] * 5_000, 10_000)


def gauges(fleet: FleetFigures, **facts: Any) -> str:
    return Metrics().render(Figures(HealthFacts(NOW, polled_at=NOW, **facts), {}, fleet=fleet)).decode()


def test_metrics_count_the_accounts_by_state_and_by_cause():
    troubled = [
        {ProblemKind.WECHAT_DOWN, ProblemKind.POLL_FAILED},
        {ProblemKind.POLL_OVERDUE},
        {ProblemKind.POLL_OVERDUE},
    ]
    text = gauges(FleetFigures({"active": 5, "paused": 1}, troubled, 2, NOW - HOUR, NOW - MINUTE))
    for line in (
        'wechat_kf_accounts{state="active"} 5.0',
        'wechat_kf_accounts_in_trouble{cause="unreachable"} 1.0',
        'wechat_kf_accounts_in_trouble{cause="overdue"} 2.0',
        'wechat_kf_accounts_in_trouble{cause="quota"} 0.0',
        "wechat_kf_channels_blocked 2.0",
        'wechat_kf_problem{kind="poll_overdue"} 1.0',
        "wechat_kf_last_successful_poll_age_seconds 3600.0",
        "wechat_kf_oldest_unsent_age_seconds 60.0",
    ):
        assert line in text.splitlines()


def test_every_problem_of_an_account_has_a_cause_but_the_clock():
    assert {*CAUSES} == {*ProblemKind} - OF_ALL - {ProblemKind.CLOCK_WRONG}
    assert len({*CAUSES.values()}) == 6


async def test_fleet_reports_the_problems_of_all_its_accounts(tmp_path):
    loaded = [tenant(slug, database_url=sqlite(tmp_path)) for slug in ("harbour", "kiosk", "orchid")]
    async with build_fleet(loaded[0].settings, loaded, at_now, role="web") as fleet:
        store = fleet.shared.store
        assert store
        await store.open()
        async with store.begin() as tx:
            await tenants.record(tx, [StoredTenant(one.appid, one.slug, one.name, one.origin) for one in loaded])
            for one in loaded:
                await slack_state.record_refusal(tx.of("", one.settings.slack_alert_channel), "is_archived", NOW)
        problems, ready = await fleet.problems(), await fleet.check()
        text = Metrics().render(await fleet.figures()).decode()
    assert [one.slug for one, _ in problems] == [one.slug for one, _ in ready] == ["harbour", "kiosk", "orchid"]
    assert "wechat_kf_channels_blocked 3.0" in text
    assert 'wechat_kf_accounts{state="active"} 3.0' in text
    assert not any(word in text for word in ("harbour", "kiosk", "orchid"))
