"""Incidents at WeChat: when they are reported and resolved, and how long the watcher backs off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.alerting.incidents import (
    Cause,
    ClockSkew,
    ErrorDetails,
    PollHealth,
    backoff,
    on_clock_sample,
    on_poll_failure,
    on_poll_success,
)
from tests.conftest import NOW
from wechat_kf import APIError, KfError, QuotaError, ResponseError, SetupError, TokenError, TransportError

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
POLL = 5 * MINUTE
SILENCE = TransportError("GET: ReadTimeout", attempts=3, timed_out=True)
ADDRESS = SetupError(40164, "invalid ip", rid="a-b-c", address="203.0.113.7")
SECRET = SetupError(40125, "invalid appsecret")
TOKEN = TokenError(40001, "invalid credential")


def after(*errors: Exception | None) -> PollHealth:
    """Return the health after these polls, a minute apart; None is a successful one."""
    health = PollHealth()
    for number, error in enumerate(errors):
        now = NOW + number * MINUTE
        health = on_poll_failure(health, error, now) if error else on_poll_success(health, now)
    return health


def test_two_silent_polls_are_not_an_incident():
    assert after(SILENCE, SILENCE).incident is None


def test_three_silent_polls_in_a_row_are_an_incident():
    incident = after(SILENCE, SILENCE, SILENCE, SILENCE).incident
    assert (incident.cause, incident.since, incident.resolved_at) == (Cause.SOURCE_DOWN, NOW, None)


def test_successful_poll_resets_the_count():
    assert after(SILENCE, SILENCE, None, SILENCE, SILENCE).incident is None


def test_silence_is_resolved_after_two_successful_polls():
    assert after(SILENCE, SILENCE, SILENCE, None).incident.resolved_at is None
    assert after(SILENCE, SILENCE, SILENCE, None, None).incident.resolved_at == NOW + 4 * MINUTE


@pytest.mark.parametrize("error", [ADDRESS, SECRET])
def test_misconfiguration_is_an_incident_at_once_and_resolved_at_once(error):
    assert after(error).incident.cause is Cause.CONFIG_PROBLEM
    assert after(error, None).incident.resolved_at == NOW + MINUTE


def test_refused_token_is_an_incident_after_three_failed_polls_and_resolved_at_once():
    assert after(TOKEN, TOKEN).incident is None
    incident = after(TOKEN, TOKEN, TOKEN).incident
    assert (incident.cause, incident.fault.errcode) == (Cause.CONFIG_PROBLEM, 40001)
    assert after(TOKEN, TOKEN, None, TOKEN, TOKEN).incident is None
    assert after(TOKEN, TOKEN, TOKEN, None).incident.resolved_at == NOW + 3 * MINUTE
    assert after(SILENCE, SILENCE, TOKEN).incident.cause is Cause.CONFIG_PROBLEM


def test_refused_token_leaves_another_notice_as_it_is_at_first():
    assert after(ADDRESS, TOKEN).incident == after(ADDRESS).incident


def test_refused_token_is_polled_again_at_the_usual_interval():
    assert backoff(TOKEN, 3, timedelta(minutes=5), NOW) == timedelta(minutes=5)


def test_spent_quota_is_an_incident_of_its_own_kind():
    assert after(QuotaError(45009, "api freq out of limit")).incident.cause is Cause.QUOTA


def test_silence_that_turns_out_to_be_a_refusal_keeps_its_notice():
    incident = after(SILENCE, SILENCE, SILENCE, ADDRESS).incident
    assert (incident.cause, incident.began_at) == (Cause.CONFIG_PROBLEM, NOW + 3 * MINUTE)
    assert incident.fault.address == "203.0.113.7"


def test_silence_does_not_end_or_change_a_misconfiguration():
    assert after(ADDRESS, SILENCE, SILENCE, SILENCE, SILENCE).incident == after(ADDRESS).incident


def test_notice_has_the_newest_refusal():
    assert after(ADDRESS, SECRET).incident.fault.errcode == 40125


def test_recurrence_within_the_hour_continues_the_incident():
    first = after(ADDRESS).incident
    again = after(ADDRESS, None, ADDRESS).incident
    assert (again.id, again.resolved_at) == (first.id, None)


def test_recurrence_a_day_later_is_a_new_incident():
    over = after(ADDRESS, None)
    later = on_poll_failure(over, ADDRESS, NOW + timedelta(days=1)).incident
    assert later.id != over.incident.id


def test_intermittent_problem_is_posted_again_after_a_day():
    health = after(ADDRESS)
    for minutes in range(30, 26 * 60, 30):
        health = on_poll_success(health, NOW + minutes * MINUTE)
        health = on_poll_failure(health, ADDRESS, NOW + (minutes + 1) * MINUTE)
    assert health.incident.id != after(ADDRESS).incident.id


def test_two_accounts_of_one_store_have_separate_incidents():
    ids = {on_poll_failure(PollHealth(), ADDRESS, NOW, appid=appid).incident.id for appid in ("wx1", "wx2")}
    assert len(ids) == 2


def test_successful_poll_keeps_a_resolved_incident():
    assert after(ADDRESS, None, None).incident.resolved_at == NOW + MINUTE


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ADDRESS, ErrorDetails("SetupError", 40164, "invalid ip", "a-b-c", "203.0.113.7")),
        (APIError(99, "what"), ErrorDetails("APIError", 99, "what")),
        (SILENCE, ErrorDetails("TransportError", detail="time-out after 3 attempts")),
        (TransportError("GET", status=502), ErrorDetails("TransportError", detail="HTTP 502")),
        (TransportError("GET", proxy=True), ErrorDetails("TransportError", detail="proxy after 1 attempt")),
        (
            TransportError("GET", attempts=2),
            ErrorDetails("TransportError", detail="no connection after 2 attempts"),
        ),
        (KfError("what"), ErrorDetails("KfError")),
        (ResponseError("no kf_list"), ErrorDetails("ResponseError", detail="no account list")),
    ],
)
def test_error_details_keep_the_fields_of_a_notice(error, expected):
    assert ErrorDetails.of(error) == expected


@pytest.mark.parametrize(("failed", "minutes"), [(1, 10), (2, 15), (3, 15), (900, 15)])
def test_silence_doubles_the_wait_up_to_a_quarter_of_an_hour(failed, minutes):
    assert backoff(SILENCE, failed, POLL, NOW) == minutes * MINUTE


@pytest.mark.parametrize(("poll", "expected"), [(1, 10), (60, 600), (3600, 3600)])
def test_wait_is_at_most_ten_polls_and_never_shorter_than_one(poll, expected):
    wait = backoff(SILENCE, 99, timedelta(seconds=poll), NOW)
    assert wait == timedelta(seconds=expected)


def test_misconfigured_account_is_polled_at_most_once_a_minute():
    assert backoff(ADDRESS, 1, timedelta(seconds=1), NOW) == MINUTE
    assert backoff(ADDRESS, 9, POLL, NOW) == POLL


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 11, 23, 1, 0, tzinfo=UTC), 15),
        (datetime(2026, 11, 23, 15, 0, tzinfo=UTC), 1),
        (datetime(2026, 11, 23, 16, 0, tzinfo=UTC), 24),
    ],
)
def test_spent_quota_stops_polls_until_midnight_in_shanghai(now, hours):
    assert backoff(QuotaError(45009, ""), 1, POLL, now) == timedelta(hours=hours)


def compared(*offs: timedelta | None, health: ClockSkew | None = None) -> ClockSkew:
    """Return the clock state after polls a minute apart with these skews; None is a response without a time."""
    health = health or ClockSkew()
    for number, off in enumerate(offs):
        now = NOW + number * MINUTE
        health = on_clock_sample(health, None if off is None else now + off, now, now, appid="wx1")
    return health


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("off", "told"), [(60 * SECOND, False), (61 * SECOND, True)])
def test_clock_skew_of_more_than_a_minute_is_reported(off, sign, told):
    assert bool(compared(*[sign * off] * 3).incident) is told


@pytest.mark.parametrize("served", [0 * HOUR, HOUR / 2, HOUR])
def test_slow_response_is_not_clock_skew(served):
    health = ClockSkew()
    for _ in range(4):
        health = on_clock_sample(health, NOW + served, NOW, NOW + HOUR)
    assert health == ClockSkew()


def test_skew_limit_is_exact_to_the_microsecond():
    assert compared(*[MINUTE + timedelta(microseconds=1)] * 3).incident


def test_wrong_clock_is_reported_at_the_third_poll_in_a_row():
    assert compared(4 * MINUTE, 4 * MINUTE).incident is None
    incident = compared(4 * MINUTE, 4 * MINUTE, 4 * MINUTE).incident
    assert (incident.cause, incident.since, incident.resolved_at) == (Cause.CLOCK_PROBLEM, NOW + 2 * MINUTE, None)
    assert incident.fault == ErrorDetails("ClockSkew", detail="4 min")
    assert incident.id == f"clock_problem-wx1-{int((NOW + 2 * MINUTE).timestamp())}"


def test_poll_without_skew_resets_the_count():
    assert compared(HOUR, HOUR, SECOND, HOUR, HOUR).incident is None


def test_response_without_a_time_neither_counts_nor_resets_the_count():
    assert compared(HOUR, None, HOUR) == compared(HOUR, HOUR)
    assert compared(HOUR, None, HOUR, HOUR).incident


def test_response_without_a_time_does_not_resolve_the_incident():
    lasting = compared(HOUR, HOUR, HOUR)
    assert on_clock_sample(lasting, None, NOW, NOW) is lasting


@pytest.mark.parametrize(
    ("off", "detail"),
    [
        (61 * SECOND, "1 min"),
        (119 * SECOND, "1 min"),
        (HOUR - SECOND, "59 min"),
        (HOUR, "1 h"),
        (8 * HOUR + 2 * SECOND, "8 h"),
        (48 * HOUR - SECOND, "47 h"),
        (48 * HOUR, "2 days"),
        (-3650 * 24 * HOUR, "3650 days"),
    ],
)
def test_wrong_clock_is_reported_in_one_unit(off, detail):
    assert compared(off, off, off).incident.fault.detail == detail


@pytest.mark.parametrize(
    ("later", "detail"),
    [
        (2 * MINUTE, "4 min"),
        (8 * MINUTE - SECOND, "4 min"),
        (8 * MINUTE, "8 min"),
        (-3 * HOUR, "3 h"),
    ],
)
def test_notice_of_a_wrong_clock_changes_only_when_the_skew_doubles(later, detail):
    begun = compared(4 * MINUTE, 4 * MINUTE, 4 * MINUTE + 59 * SECOND)
    after = compared(later, health=begun)
    assert after.incident.fault.detail == detail
    assert (after.incident is begun.incident) is (detail == "4 min")


@pytest.mark.parametrize("words", ["", "about an hour", "9 weeks"])
def test_notice_text_of_another_release_is_replaced(words):
    begun = compared(HOUR, HOUR, HOUR)
    foreign = replace(begun.incident, fault=ErrorDetails("ClockSkew", detail=words))
    assert compared(HOUR, health=replace(begun, incident=foreign)).incident.fault.detail == "1 h"


def test_poll_without_skew_resolves_the_incident():
    after = compared(HOUR, HOUR, HOUR, MINUTE)
    assert after.incident.resolved_at == NOW + 3 * MINUTE
    assert after.skewed_polls == 0
    assert compared(SECOND, health=after).incident == after.incident


def test_clock_skew_again_within_the_hour_continues_the_incident_after_three_polls():
    begun = compared(HOUR, HOUR, HOUR)
    over = compared(HOUR, HOUR, HOUR, SECOND)
    assert compared(2 * HOUR, 2 * HOUR, health=over).incident == over.incident
    again = compared(2 * HOUR, 2 * HOUR, 2 * HOUR, health=over).incident
    assert (again.id, again.since, again.resolved_at) == (begun.incident.id, begun.incident.since, None)
    assert again.fault.detail == "2 h"


def test_clock_skew_again_later_is_a_new_incident():
    over = replace(compared(HOUR, HOUR, HOUR, SECOND), skewed_polls=2)
    for gap, same in ((HOUR, True), (HOUR + SECOND, False)):
        now = NOW + 3 * MINUTE + gap
        incident = on_clock_sample(over, now + HOUR, now, now).incident
        assert (incident.id == over.incident.id) is same


def test_clock_skew_does_not_affect_poll_health():
    assert after(None, None, None, None) == after(None, None) == PollHealth(good_polls=2)
