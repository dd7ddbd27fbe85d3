"""Trouble with WeChat: what is told, when it is over, and how long the watcher waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.outages import Cause, Fault, Health, after_failure, after_good, wait_after_failure
from tests.conftest import NOW
from wechat_kf import APIError, KfError, QuotaError, ResponseError, SetupError, TokenError, TransportError

MINUTE = timedelta(minutes=1)
POLL = 5 * MINUTE
SILENCE = TransportError("GET: ReadTimeout", attempts=3, timed_out=True)
ADDRESS = SetupError(40164, "invalid ip", rid="a-b-c", address="203.0.113.7")
SECRET = SetupError(40125, "invalid appsecret")


def after(*errors: Exception | None) -> Health:
    """The health after these reads, a minute apart; None is a good one."""
    health = Health()
    for number, error in enumerate(errors):
        now = NOW + number * MINUTE
        health = after_failure(health, error, now) if error else after_good(health, now)
    return health


def test_two_silent_reads_are_no_incident():
    assert after(SILENCE, SILENCE).incident is None


def test_three_silent_reads_in_a_row_are_one():
    incident = after(SILENCE, SILENCE, SILENCE, SILENCE).incident
    assert (incident.cause, incident.since, incident.over_at) == (Cause.SOURCE_DOWN, NOW + 2 * MINUTE, None)


def test_a_good_read_between_begins_the_count_anew():
    assert after(SILENCE, SILENCE, None, SILENCE, SILENCE).incident is None


def test_a_silence_is_over_after_two_good_reads():
    assert after(SILENCE, SILENCE, SILENCE, None).incident.over_at is None
    assert after(SILENCE, SILENCE, SILENCE, None, None).incident.over_at == NOW + 4 * MINUTE


@pytest.mark.parametrize("error", [ADDRESS, SECRET, TokenError(40001, "invalid credential")])
def test_what_a_person_must_mend_is_an_incident_at_once_and_over_at_once(error):
    assert after(error).incident.cause is Cause.CONFIG_PROBLEM
    assert after(error, None).incident.over_at == NOW + MINUTE


def test_a_spent_quota_is_an_incident_of_its_own_kind():
    assert after(QuotaError(45009, "api freq out of limit")).incident.cause is Cause.QUOTA


def test_a_silence_that_turns_out_to_be_a_refusal_keeps_its_notice():
    incident = after(SILENCE, SILENCE, SILENCE, ADDRESS).incident
    assert (incident.cause, incident.since) == (Cause.CONFIG_PROBLEM, NOW + 2 * MINUTE)
    assert incident.fault.address == "203.0.113.7"


def test_a_silence_does_not_end_or_change_what_a_person_must_mend():
    assert after(ADDRESS, SILENCE, SILENCE, SILENCE, SILENCE).incident == after(ADDRESS).incident


def test_a_notice_says_the_newest_refusal():
    assert after(ADDRESS, SECRET).incident.fault.errcode == 40125


def test_the_same_trouble_within_the_hour_is_the_old_incident():
    first = after(ADDRESS).incident
    again = after(ADDRESS, None, ADDRESS).incident
    assert (again.id, again.over_at) == (first.id, None)


def test_the_same_trouble_a_day_later_is_a_new_one():
    over = after(ADDRESS, None)
    later = after_failure(over, ADDRESS, NOW + timedelta(days=1)).incident
    assert later.id != over.incident.id


def test_a_trouble_that_comes_and_goes_for_a_day_is_told_anew():
    health = after(ADDRESS)
    for minutes in range(30, 26 * 60, 30):
        health = after_good(health, NOW + minutes * MINUTE)
        health = after_failure(health, ADDRESS, NOW + (minutes + 1) * MINUTE)
    assert health.incident.id != after(ADDRESS).incident.id


def test_two_accounts_of_one_store_have_incidents_of_their_own():
    ids = {after_failure(Health(), ADDRESS, NOW, appid=appid).incident.id for appid in ("wx1", "wx2")}
    assert len(ids) == 2


def test_a_good_read_leaves_an_old_incident_as_it_is():
    assert after(ADDRESS, None, None).incident.over_at == NOW + MINUTE


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ADDRESS, Fault("SetupError", 40164, "invalid ip", "a-b-c", "203.0.113.7")),
        (APIError(99, "what"), Fault("APIError", 99, "what")),
        (SILENCE, Fault("TransportError", detail="time-out after 3 attempts")),
        (TransportError("GET", status=502), Fault("TransportError", detail="HTTP 502")),
        (TransportError("GET", proxy=True), Fault("TransportError", detail="proxy after 1 attempt")),
        (TransportError("GET", attempts=2), Fault("TransportError", detail="no connection after 2 attempts")),
        (KfError("what"), Fault("KfError")),
        (ResponseError("no kf_list"), Fault("ResponseError", detail="no account list")),
    ],
)
def test_a_fault_keeps_what_a_notice_needs(error, expected):
    assert Fault.of(error) == expected


@pytest.mark.parametrize(("failed", "minutes"), [(1, 10), (2, 15), (3, 15), (900, 15)])
def test_silence_doubles_the_wait_up_to_a_quarter_of_an_hour(failed, minutes):
    assert wait_after_failure(SILENCE, failed, POLL, NOW) == minutes * MINUTE


@pytest.mark.parametrize(("poll", "expected"), [(1, 10), (60, 600), (3600, 3600)])
def test_the_wait_is_at_most_ten_polls_and_never_shorter_than_one(poll, expected):
    wait = wait_after_failure(SILENCE, 99, timedelta(seconds=poll), NOW)
    assert wait == timedelta(seconds=expected)


def test_what_a_person_must_mend_is_asked_for_once_a_minute_at_most():
    assert wait_after_failure(ADDRESS, 1, timedelta(seconds=1), NOW) == MINUTE
    assert wait_after_failure(ADDRESS, 9, POLL, NOW) == POLL


@pytest.mark.parametrize(
    ("now", "hours"),
    [
        (datetime(2026, 11, 23, 1, 0, tzinfo=UTC), 15),
        (datetime(2026, 11, 23, 15, 0, tzinfo=UTC), 1),
        (datetime(2026, 11, 23, 16, 0, tzinfo=UTC), 24),
    ],
)
def test_a_spent_quota_is_left_alone_until_midnight_in_shanghai(now, hours):
    assert wait_after_failure(QuotaError(45009, ""), 1, POLL, now) == timedelta(hours=hours)
