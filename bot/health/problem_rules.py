"""Rules that turn the facts of health into problems, most severe first. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import timedelta

from bot.alerting.incidents import CLOCK_BOUND, FAILED_POLLS, Cause
from bot.health.facts import (
    HealthFacts,
    Problem,
    ProblemKind,
    Receivers,
)

INTERVALS = 3  # a poll must have completed within so many of them
PROBES_WITHIN = timedelta(minutes=2)  # during an outage of all accounts there is one every 15 s


WRITTEN_WITHIN = timedelta(seconds=90)  # a process writes its own row every 15 s


SLACK_GRACE = timedelta(seconds=60)  # one lost response does not prove an outage of Slack


RECEIVER_GRACE = timedelta(seconds=90)  # a worker that starts, or is replaced during a deploy, needs a while


# While one of these lasts, an alert may not arrive, or not in time: the heartbeat pauses. Not so for faults of
# WeChat: they are posted to the channel.
_SILENCING = {
    *(kind for kind in ProblemKind if kind.value.startswith("store_")),
    ProblemKind.POLL_OVERDUE,
    ProblemKind.SLACK_BLOCKED,
    ProblemKind.SLACK_UNREACHABLE,
    ProblemKind.ROWS_FAILED,
    ProblemKind.ALERTS_OVERDUE,
    ProblemKind.ALERTS_HELD,
    ProblemKind.STARTING,
}


_OVERDUE = {ProblemKind.ALERTS_OVERDUE, ProblemKind.ALERTS_HELD}  # messages that have not arrived


_INCIDENTS = {
    Cause.SOURCE_DOWN: ProblemKind.WECHAT_DOWN,
    Cause.CONFIG_PROBLEM: ProblemKind.WECHAT_CONFIG,
    Cause.QUOTA: ProblemKind.WECHAT_QUOTA,
    Cause.CLOCK_PROBLEM: ProblemKind.CLOCK_WRONG,
}


def diagnose(facts: HealthFacts) -> tuple[Problem, ...]:
    """Return every problem, worst first. If there is none, the bot works normally."""
    order = list(ProblemKind)
    found = [*_of_store(facts), *_of_slack(facts), *_of_processes(facts)]
    if facts.alerts and facts.is_polled:
        found += _of_polls(facts)
    if facts.alerts:
        found += _of_alerts(facts)
    if facts.alerts and facts.platform and (incident := facts.platform.incident):
        found.append(Problem(ProblemKind.PLATFORM_FAILING, incident.began_at, incident=incident))
    return tuple(sorted(found, key=lambda problem: order.index(problem.kind)))


def may_be_silent(problems: tuple[Problem, ...]) -> bool:
    """Return whether an alert might not arrive in time, or no account can be polled."""
    return any(map(_silences, problems))


def _silences(problem: Problem) -> bool:
    return problem.kind in _SILENCING or problem.is_outage_of_all


def fleet_may_be_silent(found: Iterable[Collection[Problem]], accounts: int) -> bool:
    """Return whether alerts of several accounts might not arrive in time, or none of them can be polled.

    Of a hundred accounts, one may be late or refused, or thousands would hardly ever have a heartbeat. No message
    may be overdue. Among fewer accounts, each counts.

    Args:
        found: the problems of each account that has some.
        accounts: how many there are.
    """
    silent = [[*filter(_silences, problems)] for problems in found]
    of_all = any(problem.concerns_all or problem.kind in _OVERDUE for problems in silent for problem in problems)
    return of_all or sum(map(bool, silent)) > accounts // 100


def _of_store(facts: HealthFacts) -> Iterator[Problem]:
    if facts.store:
        yield Problem(facts.store.kind, facts.store.since, error=facts.store.error)
    elif facts.alerts and facts.written_at and facts.now - facts.written_at > WRITTEN_WITHIN:
        yield Problem(ProblemKind.STORE_UNKNOWN, facts.written_at)


def _of_slack(facts: HealthFacts) -> Iterator[Problem]:
    slack = facts.slack
    if slack is None:
        return
    if slack.refused:
        yield Problem(
            ProblemKind.SLACK_BLOCKED,
            slack.since,
            error=slack.error,
            count=facts.pending,
            reading=slack.reading,
            alerts=facts.alerts,
        )
    elif slack.reading or facts.now - slack.since > SLACK_GRACE:
        yield Problem(
            ProblemKind.SLACK_UNREACHABLE,
            slack.since,
            error=slack.error,
            count=facts.pending,
            reading=slack.reading,
            alerts=facts.alerts,
        )


def _of_polls(facts: HealthFacts) -> Iterator[Problem]:
    breaker, own = facts.breaker, _own_trouble(facts)
    if breaker and (outage := breaker.outage):
        kind, since = ProblemKind.WECHAT_DOWN, outage.began_at
        yield Problem(kind, since, until=breaker.probe_at, incident=outage, is_outage_of_all=True)
        if own and own.kind in (kind, ProblemKind.POLL_FAILED):
            own = None
    if own:
        yield own
    clock = facts.clock_incident
    if clock and not clock.resolved_at:
        yield Problem(ProblemKind.CLOCK_WRONG, clock.began_at, error=clock.fault.detail, incident=clock)
    if facts.store is None:
        yield from _overdue(facts)


def _own_trouble(facts: HealthFacts) -> Problem | None:
    """Return the trouble that the last polls of the account met."""
    incident, until = facts.incident, facts.next_poll_at
    if incident and not incident.resolved_at:
        return Problem(_INCIDENTS[incident.cause], incident.began_at, until=until, incident=incident)
    if not facts.failed_polls:
        return None
    failed = facts.failed_polls
    return Problem(ProblemKind.POLL_FAILED, facts.failing_since, count=failed, of=FAILED_POLLS, until=until)


def _overdue(facts: HealthFacts) -> Iterator[Problem]:
    """Yield the problem of polls that are overdue: none completed in three intervals, or since the start."""
    allowed = INTERVALS * facts.interval
    late = facts.polled_at is None or facts.now - facts.polled_at > allowed
    if not late or _is_failing_on_time(facts) or _is_held_back(facts):
        return
    young = facts.started_at is not None and facts.now - facts.started_at <= allowed
    yield Problem(
        ProblemKind.STARTING if young else ProblemKind.POLL_OVERDUE,
        facts.polled_at or facts.started_at,
        length=facts.poll_age,
    )


def _is_failing_on_time(facts: HealthFacts) -> bool:
    """Return whether polls go on and fail, which is a problem of its own."""
    planned = facts.next_poll_at
    return facts.failed_polls > 0 and planned is not None and facts.now - planned <= INTERVALS * facts.interval


def _is_held_back(facts: HealthFacts) -> bool:
    """Return whether an outage of all accounts holds polls back, or has until lately, and its probes go on."""
    breaker = facts.breaker
    if breaker is None:
        return False
    if breaker.probe_at:
        return facts.now - breaker.probe_at <= PROBES_WITHIN
    over_at = breaker.incident.resolved_at if breaker.incident else None
    return over_at is not None and facts.now - over_at <= facts.interval


def _of_alerts(facts: HealthFacts) -> Iterator[Problem]:
    if facts.failed_rows:
        rows = facts.failed_rows
        yield Problem(ProblemKind.ROWS_FAILED, facts.failed_rows_since, count=len(rows), names=rows)
    if facts.overdue:
        yield Problem(ProblemKind.ALERTS_OVERDUE, facts.overdue_since, count=facts.overdue)
    if facts.held_unconfirmed:
        yield Problem(ProblemKind.ALERTS_HELD, count=facts.held_unconfirmed)
    if lost := facts.refused + facts.unconfirmed + facts.failed:
        parts = (facts.refused, facts.unconfirmed, facts.failed)
        yield Problem(ProblemKind.ALERTS_LOST, facts.lost_since, count=lost, parts=parts)
    if facts.stale:
        yield Problem(ProblemKind.MESSAGES_STALE, count=facts.stale)


def _is_settled(facts: HealthFacts, receivers: Receivers) -> bool:
    moments = (facts.started_at, receivers.none_since)
    return all(facts.now - moment > RECEIVER_GRACE for moment in moments if moment)


def _of_processes(facts: HealthFacts) -> Iterator[Problem]:
    if facts.alerts and facts.unread_accounts:
        yield Problem(ProblemKind.ACCOUNTS_UNREAD, count=facts.unread_accounts)
    receivers = facts.receivers
    if receivers and receivers.processes and not receivers.count and _is_settled(facts, receivers):
        yield Problem(
            ProblemKind.NO_COMMAND_RECEIVER,
            receivers.none_since,
            names=("SLACK_APP_TOKEN",) if receivers.by_socket else (),
        )
    if facts.differing_settings:
        yield Problem(ProblemKind.SETTINGS_DIFFER, names=facts.differing_settings)
    if facts.process_skew > CLOCK_BOUND:
        yield Problem(ProblemKind.CLOCKS_DIFFER, length=facts.process_skew)
    if facts.failed_replies:
        failed = facts.failed_replies
        yield Problem(ProblemKind.REPLIES_FAILING, failed.since, error=failed.error, count=failed.count)
    if facts.rejected:
        rejected = facts.rejected
        yield Problem(ProblemKind.REQUESTS_REJECTED, rejected.since, error=rejected.reason, count=rejected.count)
