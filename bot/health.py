"""Whether the bot works: one pure function from facts to problems. Words and pictures of a problem are elsewhere.

Log, `/readyz`, metrics, heartbeat, `/kf status` and doctor render the value of `diagnose` and decide nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.outages import CLOCK_BOUND, FAILED_READS, Cause, Incident

INTERVALS = 3  # a poll must have completed within so many of them
WRITTEN_WITHIN = timedelta(seconds=90)  # a process writes its own row every 15 s
SLACK_GRACE = timedelta(seconds=60)  # one lost response says nothing about Slack
RECEIVER_GRACE = timedelta(seconds=90)  # a worker that starts, or is replaced during a deploy, needs a while


class ProblemKind(StrEnum):
    """Each kind of problem, worst first. The values are labels of a metric and fields of log lines."""

    STORE_UNREACHABLE = "store_unreachable"  # these are "store_" and the kind of a fault of the store
    STORE_HANGING = "store_hanging"
    STORE_DENIED = "store_denied"
    STORE_READ_ONLY = "store_read_only"
    STORE_FULL = "store_full"
    STORE_DAMAGED = "store_damaged"
    STORE_UNSUITABLE = "store_unsuitable"
    STORE_SCHEMA = "store_schema"
    STORE_UNKNOWN = "store_unknown"  # also: no write for a while
    STORE_BUSY = "store_busy"
    SLACK_BLOCKED = "slack_blocked"  # Slack refuses the channel or the token: a person must act
    SLACK_UNREACHABLE = "slack_unreachable"  # no usable response
    POLL_OVERDUE = "poll_overdue"
    WECHAT_DOWN = "wechat_down"
    WECHAT_CONFIG = "wechat_config"
    WECHAT_QUOTA = "wechat_quota"
    ROWS_FAILED = "rows_failed"  # given up: they cannot be rendered or stored
    ALERTS_OVERDUE = "alerts_overdue"
    ALERTS_HELD = "alerts_held"  # sent with unknown outcome, and not repeated while the clock is wrong
    ALERTS_LOST = "alerts_lost"  # refused, never confirmed or not rendered, in the last day
    MESSAGES_STALE = "messages_stale"  # what they say in the channel may be over
    NO_COMMAND_RECEIVER = "no_command_receiver"
    SETTINGS_DIFFER = "settings_differ"
    POLL_FAILED = "poll_failed"  # fewer times in a row than make an incident
    CLOCK_WRONG = "clock_wrong"  # this server's clock and WeChat's
    CLOCKS_DIFFER = "clocks_differ"  # those of two processes
    REQUESTS_REJECTED = "requests_rejected"
    STARTING = "starting"  # no poll has completed yet


class Severity(StrEnum):
    """How a problem is logged."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"


_WARNINGS = {
    ProblemKind.STORE_BUSY,
    ProblemKind.MESSAGES_STALE,
    ProblemKind.SLACK_UNREACHABLE,
    ProblemKind.WECHAT_DOWN,
    ProblemKind.WECHAT_QUOTA,
    ProblemKind.ALERTS_OVERDUE,
    ProblemKind.ALERTS_HELD,
    ProblemKind.ALERTS_LOST,
    ProblemKind.SETTINGS_DIFFER,
    ProblemKind.POLL_FAILED,
    ProblemKind.CLOCK_WRONG,
    ProblemKind.CLOCKS_DIFFER,
    ProblemKind.REQUESTS_REJECTED,
}
# While one of these lasts, an alert may not arrive, or not in time: the heartbeat pauses. What WeChat does is told
# in the channel, which works.
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
# One outage: which of them is seen depends on whether a connection was open when it was asked.
_AWAY = {ProblemKind.STORE_UNREACHABLE, ProblemKind.STORE_HANGING}
_INCIDENTS = {
    Cause.SOURCE_DOWN: ProblemKind.WECHAT_DOWN,
    Cause.CONFIG_PROBLEM: ProblemKind.WECHAT_CONFIG,
    Cause.QUOTA: ProblemKind.WECHAT_QUOTA,
    Cause.CLOCK_PROBLEM: ProblemKind.CLOCK_WRONG,
}


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """What the store's last error was. `error` are the database's own words, or ""."""

    kind: ProblemKind
    error: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SlackTrouble:
    """What Slack's last response was, if it was no success."""

    error: str  # Slack's word, or the class of the failure: "invalid_auth", "HTTP 503", "TimeoutError"
    since: datetime
    refused: bool  # a person must act; otherwise there was no usable response
    reading: bool = False  # met while reading the channel's history for the first poll, which waits for it


@dataclass(frozen=True, slots=True)
class Receivers:
    """How many of the running processes receive commands and clicks, and how many there are."""

    count: int
    processes: int
    by_socket: bool  # SLACK_APP_TOKEN is set, so a `worker` receives them
    none_since: datetime | None = None  # as long as the process that asks has seen


@dataclass(frozen=True, slots=True)
class RejectedRequests:
    """Requests that were not accepted as Slack's, in the last minutes."""

    reason: str
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """What is known at one moment, in plain values. None, empty or zero: not known, or not there."""

    now: datetime
    alerts: bool = True  # False: no watcher and no store
    started_at: datetime | None = None  # the first of the running processes
    store: StoreTrouble | None = None
    written_at: datetime | None = None  # the last successful write of this process
    poll: timedelta = timedelta(minutes=5)
    wait: timedelta | None = None  # until the next poll, when that is longer: the back-off in force
    polled_at: datetime | None = None  # when the last poll completed
    next_poll_at: datetime | None = None
    failed_polls: int = 0  # in a row
    failing_since: datetime | None = None
    incident: Incident | None = None
    clock_incident: Incident | None = None
    slack: SlackTrouble | None = None
    pending: int = 0
    oldest_pending: datetime | None = None
    overdue: int = 0  # pending for more than five minutes, time in quiet hours not counted
    overdue_since: datetime | None = None
    held_unconfirmed: int = 0  # outcome unknown, not repeated during a clock incident
    refused: int = 0
    unconfirmed: int = 0
    failed: int = 0  # could not be rendered, or claimed in the database
    lost_since: datetime | None = None
    stale: int = 0  # messages in the channel that cannot be updated, for the same reasons
    failed_rows: tuple[str, ...] = ()  # accounts whose news cannot be written down: foreign text
    failed_rows_since: datetime | None = None
    receivers: Receivers | None = None
    differing_settings: tuple[str, ...] = ()  # names of variables
    process_skew: timedelta = timedelta(0)  # the largest between two processes
    rejected: RejectedRequests | None = None

    @property
    def interval(self) -> timedelta:
        """The time between two polls that is in force."""
        return max(self.poll, self.wait or self.poll)

    @property
    def poll_age(self) -> timedelta | None:
        """The time since the last completed poll; before the first one, since the start."""
        since = self.polled_at or self.started_at
        return max(self.now - since, timedelta(0)) if since else None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, with the values that its sentences need."""

    kind: ProblemKind
    since: datetime | None = None
    error: str = ""  # in the words of Slack, WeChat or the database: foreign text
    count: int = 0
    of: int = 0
    parts: tuple[int, ...] = ()  # of the count
    names: tuple[str, ...] = ()  # of settings, or of accounts: foreign text
    until: datetime | None = None
    length: timedelta | None = None
    reading: bool = False
    incident: Incident | None = field(default=None, repr=False)

    @property
    def severity(self) -> Severity:
        if self.kind is ProblemKind.STARTING:
            return Severity.INFO
        return Severity.WARNING if self.kind in _WARNINGS else Severity.ERROR

    @property
    def key(self) -> tuple[str, ...]:
        """What makes it the same problem as a moment ago, though its count has grown."""
        kind = ProblemKind.STORE_UNREACHABLE if self.kind in _AWAY else self.kind
        error = self.error if self.kind is ProblemKind.SLACK_BLOCKED else ""
        cause = str(self.incident.fault.errcode or "") if self.incident else ""
        settings = self.names if self.kind is ProblemKind.SETTINGS_DIFFER else ()
        return kind, error, cause, *settings


def diagnose(facts: HealthFacts) -> tuple[Problem, ...]:
    """Return every problem, worst first. Nothing returned means: works normally."""
    order = list(ProblemKind)
    found = [*_of_store(facts), *_of_slack(facts), *_of_processes(facts)]
    if facts.alerts:
        found += [*_of_polls(facts), *_of_alerts(facts)]
    return tuple(sorted(found, key=lambda problem: order.index(problem.kind)))


def may_be_silent(problems: tuple[Problem, ...]) -> bool:
    """Return True when an alert might not arrive in time."""
    return any(problem.kind in _SILENCING for problem in problems)


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
        # Nothing has asked Slack again since the queue is empty.
        if slack.reading or facts.pending:
            yield Problem(
                ProblemKind.SLACK_BLOCKED,
                slack.since,
                error=slack.error,
                count=facts.pending,
                reading=slack.reading,
            )
    elif slack.reading or facts.now - slack.since > SLACK_GRACE:
        yield Problem(
            ProblemKind.SLACK_UNREACHABLE,
            slack.since,
            error=slack.error,
            count=facts.pending,
            reading=slack.reading,
        )


def _of_polls(facts: HealthFacts) -> Iterator[Problem]:
    incident = facts.incident
    if incident and not incident.over_at:
        yield Problem(_INCIDENTS[incident.cause], incident.began_at, until=facts.next_poll_at, incident=incident)
    elif facts.failed_polls:
        yield Problem(
            ProblemKind.POLL_FAILED,
            facts.failing_since,
            count=facts.failed_polls,
            of=FAILED_READS,
            until=facts.next_poll_at,
        )
    clock = facts.clock_incident
    if clock and not clock.over_at:
        yield Problem(ProblemKind.CLOCK_WRONG, clock.began_at, error=clock.fault.detail, incident=clock)
    if facts.store is None:
        yield from _overdue(facts)


def _overdue(facts: HealthFacts) -> Iterator[Problem]:
    """A poll must have completed within three intervals; a process that has just started gets as long."""
    allowed = INTERVALS * facts.interval
    late = facts.polled_at is None or facts.now - facts.polled_at > allowed
    if not late or _is_failing_on_time(facts):
        return
    young = facts.started_at is not None and facts.now - facts.started_at <= allowed
    yield Problem(
        ProblemKind.STARTING if young else ProblemKind.POLL_OVERDUE,
        facts.polled_at or facts.started_at,
        length=facts.poll_age,
    )


def _is_failing_on_time(facts: HealthFacts) -> bool:
    """Return True when polls go on and fail: then that is the problem."""
    planned = facts.next_poll_at
    return facts.failed_polls > 0 and planned is not None and facts.now - planned <= INTERVALS * facts.interval


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
    if facts.rejected:
        rejected = facts.rejected
        yield Problem(ProblemKind.REQUESTS_REJECTED, rejected.since, error=rejected.reason, count=rejected.count)
