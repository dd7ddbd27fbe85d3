"""The circuit breaker in front of WeChat: when an outage is that of all accounts, and when it is over."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.alerting.circuit_breaker import CircuitBreaker, is_answer, on_answer, on_no_answer, spread
from bot.alerting.incidents import Cause
from tests.conftest import NOW
from tests.samples import HOUR, MINUTE
from wechat_kf import KfError, ResponseError, TransportError
from wechat_kf.errors import api_error

SECOND = timedelta(seconds=1)
SILENCE = TransportError("GET: ReadTimeout", attempts=3, timed_out=True)


class Polls:
    """Polls of several accounts, by name, ten seconds apart. WeChat answered right before the first one."""

    def __init__(self, watched: int = 10, answered_at: datetime | None = NOW - SECOND) -> None:
        self.breaker = CircuitBreaker()
        self.now = NOW
        self.watched = watched
        self.answered_at = answered_at

    def fail(self, *names: str) -> CircuitBreaker:
        for name in names:
            self.breaker = on_no_answer(
                self.breaker, name, SILENCE, self.now, watched=self.watched, answered_at=self.answered_at
            )
            self.now += 10 * SECOND
        return self.breaker

    def succeed(self) -> None:
        self.answered_at, self.now = self.now, self.now + 10 * SECOND

    def answer_probes(self, number: int) -> CircuitBreaker:
        for _ in range(number):
            self.breaker = on_answer(self.breaker, self.now)
            self.now += 15 * SECOND
        return self.breaker


def test_three_accounts_without_an_answer_for_thirty_seconds_open_it():
    polls = Polls()
    assert not polls.fail("a", "b", "c").is_open
    assert polls.fail("d").is_open
    assert polls.breaker.probe_at == NOW + 30 * SECOND


def test_three_polls_of_fewer_accounts_do_not_open_it():
    assert not Polls().fail(*"ababababab").is_open


def test_both_of_two_accounts_open_it():
    assert Polls(watched=2).fail(*"abab").is_open
    assert not Polls(watched=2).fail(*"aaaa").is_open


def test_single_account_never_opens_it():
    assert not Polls(watched=1).fail(*"aaaaaaaa").is_open


def test_answer_to_one_account_begins_the_count_again():
    polls = Polls()
    for first, second in ("ab", "cd", "ef"):
        polls.fail(first, second)
        polls.succeed()
    polls.fail("g", "h")
    assert (polls.breaker.failed_polls, polls.breaker.failing) == (2, ("g", "h"))


@pytest.mark.parametrize("accounts", [10, 100])
def test_failing_share_of_thirty_percent_never_opens_it(accounts):
    polls = Polls(accounts)
    for number in range(20 * accounts):
        if number % 10 in (2, 5, 8):
            polls.fail(str(number % accounts))
        else:
            polls.succeed()
        assert not polls.breaker.is_open


def test_outage_is_reported_when_it_has_lasted_for_thirty_seconds():
    polls = Polls(answered_at=NOW - 5 * MINUTE)
    assert polls.fail(*"abc").is_open
    assert polls.breaker.incident is None
    outage = polls.fail("d").outage
    assert (outage.cause, outage.since, outage.fault.kind) == (Cause.SOURCE_DOWN, NOW, "TransportError")


def test_short_loss_of_the_network_is_not_reported():
    polls = Polls(answered_at=NOW - 5 * MINUTE)
    assert polls.fail(*"abc").is_open
    assert polls.answer_probes(2) == CircuitBreaker()


def test_two_answered_probes_in_a_row_close_it_and_resolve_the_outage():
    polls = Polls()
    polls.fail(*"abcdef")
    assert polls.answer_probes(1).is_open
    polls.fail("a")
    assert polls.answer_probes(1).is_open
    resolved_at = polls.now
    assert not polls.answer_probes(1).is_open
    assert polls.breaker == CircuitBreaker(incident=replace(polls.breaker.incident, resolved_at=resolved_at))


def test_flapping_outage_is_one_incident_for_an_hour_and_never_older_than_a_day():
    polls = Polls()
    first = polls.fail(*"abcdef").incident
    ids = {first.id: first.since}
    for _ in range(5 * 24):
        polls.answer_probes(2)
        polls.answered_at = polls.now
        polls.now += 14 * MINUTE
        incident = polls.fail(*"abcdef").outage
        ids.setdefault(incident.id, incident.since)
        assert incident.began_at == polls.now - 60 * SECOND
    started = sorted(ids.values())
    assert len(started) == 2
    assert started[1] - started[0] > 24 * HOUR


def test_outage_an_hour_later_is_a_new_one():
    polls = Polls()
    first = polls.fail(*"abcdef").incident
    polls.answer_probes(2)
    polls.answered_at, polls.now = polls.now, polls.now + 2 * HOUR
    assert polls.fail(*"abcdef").outage.id != first.id


@pytest.mark.parametrize(
    ("error", "answers"),
    [
        (SILENCE, False),
        (TransportError("HTTP 502", status=502), False),
        (ResponseError("an HTML page"), False),
        (api_error(-1, "system error"), False),
        (api_error(40164, "invalid ip"), True),
        (api_error(40001, "invalid credential"), True),
        (api_error(45009, "reach max api daily quota limit"), True),
        (api_error(48001, "api unauthorized"), True),
        (api_error(99999, "unknown"), True),
    ],
)
def test_refusal_is_an_answer_and_a_failure_of_wechat_is_not(error: KfError, answers: bool):
    assert is_answer(error) is answers


def test_overdue_accounts_are_spread_over_half_an_interval_or_the_limit_of_polls():
    waits = {str(number): number / 1000 for number in range(1000)}
    few = dict(spread({"a": 0.0, "b": 0.5, "c": 1.0}, NOW, 5 * MINUTE, 50))
    assert few == {"a": NOW, "b": NOW + 75 * SECOND, "c": NOW + 150 * SECOND}
    assert max(when for _, when in spread(waits, NOW, MINUTE / 60, 2)) == NOW + 0.999 * 500 * SECOND
