"""The trouble of a third-party platform: when it is an incident, what replaces it, and when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.alerting.incidents import Cause, ErrorDetails, Incident, next_midnight
from bot.alerting.platform_faults import (
    NO_TICKET,
    RIVAL,
    PlatformHealth,
    on_check,
)
from bot.blocks.platform_problems import explain_platform
from bot.tenant_states import TenantState
from tests.conftest import NOW
from tests.documents import document
from tests.for_each import for_each
from tests.samples import CONTEXT, HOUR, MINUTE
from wechat_kf.platform import OWN_CALL_CODES

APPID = "wx00000000000000c0"
ADDRESS = ErrorDetails("SetupError", 61004, "access clientip is not registered", address="203.0.113.7")
TICKET = ErrorDetails("BusyError", 61005, "component ticket is expired")
QUOTA = ErrorDetails("QuotaError", 45009, "reach max api daily quota limit")
WELL = PlatformHealth(pushed_at=NOW - MINUTE)


def checked(health: PlatformHealth, now: datetime = NOW) -> Incident:
    incident = on_check(health, APPID, now)
    assert incident
    return incident


def faulty(fault: ErrorDetails, since: timedelta = MINUTE) -> PlatformHealth:
    return replace(WELL, fault=fault, fault_at=NOW - since)


def test_platform_with_recent_tickets_and_good_calls_has_no_incident():
    assert on_check(PlatformHealth(), APPID, NOW) is None
    assert on_check(WELL, APPID, NOW) is None
    assert on_check(replace(WELL, rival_at=NOW - HOUR), APPID, NOW) is None


@pytest.mark.parametrize("fault", [ADDRESS, TICKET, QUOTA])
def test_failed_call_is_an_incident_until_a_call_succeeds(fault):
    began = checked(faulty(fault))
    assert (began.cause, began.since, began.fault) == (Cause.PLATFORM_PROBLEM, NOW - MINUTE, fault)
    assert began.id == f"platform_problem-{APPID}-{int(NOW.timestamp())}"
    assert checked(replace(faulty(fault), pushed_at=NOW + HOUR, incident=began), NOW + HOUR) == began
    later = next_midnight(NOW)
    assert checked(replace(WELL, pushed_at=later, incident=began), later).resolved_at == later


def test_incident_keeps_its_fault_while_only_the_rid_changes():
    began = checked(faulty(ADDRESS))
    again = replace(faulty(replace(ADDRESS, rid="other")), incident=began)
    assert checked(again) == began
    moved = replace(faulty(replace(ADDRESS, address="203.0.113.8")), incident=began)
    assert checked(moved).fault.address == "203.0.113.8"
    assert checked(moved).id == began.id


def test_missing_ticket_is_an_incident_after_half_an_hour():
    assert on_check(PlatformHealth(pushed_at=NOW - 30 * MINUTE), APPID, NOW) is None
    silent = PlatformHealth(pushed_at=NOW - 31 * MINUTE)
    began = checked(silent)
    assert (began.fault.kind, began.since) == (NO_TICKET, NOW - 31 * MINUTE)
    assert checked(replace(silent, incident=began), NOW + 3 * HOUR) == began
    ended = checked(PlatformHealth(pushed_at=NOW + HOUR, incident=began), NOW + HOUR)
    assert ended.resolved_at == NOW + HOUR


def test_platform_that_never_had_a_ticket_waits_half_an_hour_after_it_was_asked_for():
    asked = PlatformHealth(started_at=NOW - 31 * MINUTE)
    began = checked(asked)
    assert began.fault.kind == NO_TICKET
    asked_again = replace(asked, started_at=NOW, incident=began)
    assert checked(asked_again) == began


def test_refused_ticket_is_reported_as_missing_tickets_once_none_has_come_for_half_an_hour():
    assert checked(replace(faulty(TICKET), pushed_at=NOW - HOUR)).fault.kind == NO_TICKET
    assert checked(faulty(TICKET)).fault == TICKET


def test_refused_address_explains_missing_tickets_and_a_rival():
    health = replace(faulty(ADDRESS), pushed_at=NOW - HOUR, rival_at=NOW)
    assert checked(health).fault == ADDRESS


def test_rival_is_an_incident_for_an_hour():
    began = checked(replace(WELL, rival_at=NOW - MINUTE))
    assert began.fault == ErrorDetails(RIVAL)
    ended = checked(replace(WELL, pushed_at=NOW + HOUR, rival_at=NOW - MINUTE, incident=began), NOW + HOUR)
    assert ended.resolved_at


def test_spent_quota_lasts_until_midnight_in_shanghai_though_other_calls_succeed():
    began = checked(faulty(QUOTA))
    midnight = datetime(2026, 11, 23, 16, tzinfo=UTC)
    assert checked(replace(WELL, pushed_at=midnight, incident=began), midnight - MINUTE) == began
    assert checked(replace(WELL, pushed_at=midnight, incident=began), midnight).resolved_at == midnight


def test_trouble_that_returns_within_an_hour_reopens_the_incident():
    over = replace(checked(faulty(ADDRESS)), resolved_at=NOW)
    soon = NOW + 30 * MINUTE
    again = checked(replace(WELL, fault=TICKET, fault_at=soon, pushed_at=soon, incident=over), soon)
    assert (again.id, again.resolved_at, again.began_at, again.fault) == (over.id, None, soon, TICKET)
    late = NOW + 2 * HOUR
    new = checked(replace(WELL, fault=TICKET, fault_at=late, pushed_at=late, incident=over), late)
    assert new.id != over.id


def test_limit_a_minute_is_over_before_a_notice_would_be_read():
    assert on_check(faulty(ErrorDetails("BusyError", 45011)), APPID, NOW) is None


FAULTS = [
    *(ErrorDetails("SetupError", errcode, "in WeChat's words") for errcode in sorted(OWN_CALL_CODES - {45011, -1})),
    ErrorDetails("SetupError", 61004, address="203.0.113.7"),
    ErrorDetails("APIError", 99999),
    ErrorDetails(NO_TICKET),
    ErrorDetails(RIVAL),
]


@for_each("fault", FAULTS)
@for_each("hosted_by", ["", "Heroku"])
def test_every_fault_of_the_platform_has_a_reason_and_a_next_step(fault, hosted_by):
    explanation = explain_platform(fault, replace(CONTEXT, hosted_by=hosted_by))
    assert explanation.title
    assert explanation.why
    assert explanation.next
    past = explanation.past_title
    assert not {"is", "does", "sends", "refuses", "renews", "are"} & {*past.split()}, past
    assert (f"errcode {fault.errcode}" in explanation.facts) == (fault.errcode is not None)


def test_refused_address_of_a_host_without_a_fixed_one_is_to_be_fixed_first():
    fault = ErrorDetails("SetupError", 61004, address="203.0.113.7")
    step = explain_platform(fault, replace(CONTEXT, hosted_by="Heroku")).next
    assert step.startswith("first give this server a fixed outgoing address: on Heroku a proxy add-on")
    assert "Add the address below to the IP list" in step
    unknown = explain_platform(replace(fault, address=""), CONTEXT)
    assert "this server’s address" in unknown.next
    assert unknown.copy == ""


def test_page_of_the_platform_names_every_fault_and_every_state():
    page = document("docs/platform.md")
    (faults,) = page.section("Faults of the platform").tables
    titles = {explain_platform(fault, CONTEXT).title for fault in FAULTS}
    named = {row[0] for row in faults[1:]}
    unnamed = {"WeChat refused a call of the platform", "The bot made a call with the wrong token"}
    assert titles - named == unnamed
    (states,) = page.section("States of an account").tables
    assert {row[0].strip("`") for row in states[1:]} == set(TenantState)
