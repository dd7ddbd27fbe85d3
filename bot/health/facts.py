"""Facts about the health of the bot, and the problems that follow from them. No wording.

Log, `/readyz`, metrics, heartbeat, `/kf status` and doctor render the problems that
`problem_rules.diagnose` returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from bot.alerting.circuit_breaker import CircuitBreaker
from bot.alerting.incidents import Incident
from bot.tenant_states import TenantState


class ProblemKind(StrEnum):
    """Each kind of problem, worst first. The values are labels of a metric and fields of log events."""

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
    PLATFORM_FAILING = "platform_failing"  # the third-party platform: no ticket, no token, or a wrong setting
    WECHAT_CONFIG = "wechat_config"
    WECHAT_QUOTA = "wechat_quota"
    ROWS_FAILED = "rows_failed"  # given up: they cannot be rendered or stored
    ACCOUNTS_UNREAD = "accounts_unread"  # those of the store: no setting is there to watch them with
    ALERTS_OVERDUE = "alerts_overdue"
    ALERTS_HELD = "alerts_held"  # sent with unknown outcome, and not repeated while the clock is wrong
    ALERTS_LOST = "alerts_lost"  # refused, never confirmed or not rendered, in the last day
    MESSAGES_STALE = "messages_stale"  # their text in the channel may be out of date
    NO_COMMAND_RECEIVER = "no_command_receiver"
    SETTINGS_DIFFER = "settings_differ"
    POLL_FAILED = "poll_failed"  # fewer times in a row than make an incident
    CLOCK_WRONG = "clock_wrong"  # this server's clock and WeChat's
    CLOCKS_DIFFER = "clocks_differ"  # those of two processes
    REPLIES_FAILING = "replies_failing"  # answers to commands and clicks
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
    ProblemKind.REPLIES_FAILING,
    ProblemKind.REQUESTS_REJECTED,
}
# Problems of the processes, of their store, of their answers and of the platform, which Official Accounts share.
OF_ALL = {
    ProblemKind.PLATFORM_FAILING,
    *(kind for kind in ProblemKind if kind.startswith("store_")),
    ProblemKind.ACCOUNTS_UNREAD,
    ProblemKind.NO_COMMAND_RECEIVER,
    ProblemKind.SETTINGS_DIFFER,
    ProblemKind.CLOCKS_DIFFER,
    ProblemKind.REPLIES_FAILING,
    ProblemKind.REQUESTS_REJECTED,
}
# One outage: the kind depends on whether a connection was open when it began.
_AWAY = {ProblemKind.STORE_UNREACHABLE, ProblemKind.STORE_HANGING}


@dataclass(frozen=True, slots=True)
class StoreTrouble:
    """The last error of the store. `error` is the text of the database, or ""."""

    kind: ProblemKind
    error: str
    since: datetime


@dataclass(frozen=True, slots=True)
class SlackTrouble:
    """The last failed response of Slack."""

    error: str  # Slack's error code, or the class of the failure: "invalid_auth", "HTTP 503", "TimeoutError"
    since: datetime
    refused: bool  # a person must act; otherwise there was no usable response
    reading: bool = False  # met while reading the channel's history for the first poll, which waits for it


@dataclass(frozen=True, slots=True)
class Receivers:
    """The number of running processes, and of those that receive commands and clicks."""

    count: int
    processes: int
    by_socket: bool  # SLACK_APP_TOKEN is set, so a `worker` receives them
    none_since: datetime | None = None  # as observed by this process


@dataclass(frozen=True, slots=True)
class RejectedRequests:
    """Requests that were not accepted as Slack's, in the last minutes."""

    reason: str
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class FailedReplies:
    """Answers to commands and clicks that Slack did not accept, in the last minutes."""

    error: str  # of the last one, such as "HTTP 404"; "" if there was no response
    count: int
    since: datetime


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """What is known of the third-party platform."""

    ticket_at: datetime | None = None  # when the last one arrived
    incident: Incident | None = None  # only while it lasts
    accounts: Mapping[TenantState, int] = field(default_factory=dict)  # that authorise it, by state


@dataclass(frozen=True, slots=True)
class HealthFacts:
    """Everything known at one moment, in plain values. None, empty or zero: unknown, or absent."""

    now: datetime
    alerts: bool = True  # False: no watcher and no store
    is_polled: bool = True  # False: by its state
    started_at: datetime | None = None  # the first of the running processes
    store: StoreTrouble | None = None
    written_at: datetime | None = None  # the last successful write of this process
    poll: timedelta = timedelta(minutes=5)
    wait: timedelta | None = None  # the present back-off, if longer than `poll`
    polled_at: datetime | None = None  # when the last poll completed
    next_poll_at: datetime | None = None
    failed_polls: int = 0  # in a row
    failing_since: datetime | None = None
    incident: Incident | None = None
    breaker: CircuitBreaker | None = None  # of several Official Accounts; None for a single one
    platform: PlatformFacts | None = None  # None without a third-party platform
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
    failed_rows: tuple[str, ...] = ()  # accounts whose events cannot be stored: foreign text
    failed_rows_since: datetime | None = None
    unread_accounts: int = 0  # Official Accounts of the store that no process reads
    receivers: Receivers | None = None
    differing_settings: tuple[str, ...] = ()  # names of variables
    process_skew: timedelta = timedelta(0)  # the largest between two processes
    rejected: RejectedRequests | None = None
    failed_replies: FailedReplies | None = None

    @property
    def interval(self) -> timedelta:
        """Return the time between two polls that applies now, back-off included."""
        return max(self.poll, self.wait or self.poll)

    @property
    def poll_age(self) -> timedelta | None:
        """Return the time since the last completed poll; before the first one, since the start."""
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
    alerts: bool = True  # False: none is ever posted
    incident: Incident | None = field(default=None, repr=False)
    is_outage_of_all: bool = False

    @property
    def has_no_account(self) -> bool:
        """Return whether it is shown without the name of the Official Account that reports it."""
        return self.is_outage_of_all or self.kind is ProblemKind.PLATFORM_FAILING

    @property
    def concerns_all(self) -> bool:
        """Return whether all Official Accounts share the problem."""
        return self.kind in OF_ALL or self.is_outage_of_all

    @property
    def severity(self) -> Severity:
        if self.kind is ProblemKind.STARTING:
            return Severity.INFO
        return Severity.WARNING if self.kind in _WARNINGS else Severity.ERROR

    @property
    def key(self) -> tuple[str, ...]:
        """Return a key that stays the same while the problem lasts, though its count grows."""
        kind = ProblemKind.STORE_UNREACHABLE if self.kind in _AWAY else self.kind
        error = self.error if self.kind is ProblemKind.SLACK_BLOCKED else ""
        cause = str(self.incident.fault.errcode or "") if self.incident else ""
        settings = self.names if self.kind is ProblemKind.SETTINGS_DIFFER else ()
        return kind, error, cause, *settings
