"""Incidents of one account: failing polls and a wrong clock, one of each at a time, and the back-off. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum

from wechat_kf import APIError, KfError, QuotaError, ResponseError, SetupError, TokenError, TransportError

SHANGHAI = timezone(timedelta(hours=8))  # WeChat counts its days there; that zone has no summer time
FAILED_POLLS = 3  # in a row, before an outage is reported
GOOD_POLLS = 2  # in a row, before an outage is resolved
LONGEST_WAIT = timedelta(minutes=15)
SETUP_WAIT = timedelta(seconds=60)  # at least, while only a person can fix it
SAME_DAY = timedelta(days=1)  # after a day a recurrence is a new incident
SAME_TROUBLE = timedelta(hours=1)  # a recurrence this soon reopens the incident: its message is edited, silently
CLOCK_BOUND = timedelta(seconds=60)  # a clock may be off by this much: a response takes seconds to arrive
SKEWED_POLLS = 3  # in a row, before a wrong clock is reported
SPANS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "days": timedelta(days=1)}


class Cause(StrEnum):
    """The cause of an incident."""

    SOURCE_DOWN = "source_down"  # WeChat does not answer, or not in the documented form
    CONFIG_PROBLEM = "config_problem"  # only a person can fix it
    QUOTA = "quota"  # until tomorrow, in Shanghai
    PLATFORM_PROBLEM = "platform_problem"  # of all accounts that authorise the third-party platform
    CLOCK_PROBLEM = "clock_problem"  # this machine's clock and WeChat's differ


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """The error of a failed poll, or the skew of a clock, in plain values. They are stored; `blocks` words them."""

    kind: str  # the name of the error's class, or "ClockSkew"
    errcode: int | None = None
    errmsg: str = ""
    rid: str = ""
    address: str = ""
    detail: str = ""  # "HTTP 502", "time-out after 3 attempts", or the skew of a clock: "4 min"

    @classmethod
    def of(cls, error: KfError) -> ErrorDetails:
        if isinstance(error, APIError):
            return cls(
                kind=type(error).__name__,
                errcode=error.errcode,
                errmsg=error.errmsg,
                rid=error.rid or "",
                address=getattr(error, "address", None) or "",
            )
        return cls(kind=type(error).__name__, detail=_detail(error))


@dataclass(frozen=True, slots=True)
class Incident:
    """One period of trouble; without `resolved_at` it is open."""

    id: str
    cause: Cause
    since: datetime
    fault: ErrorDetails
    resolved_at: datetime | None = None
    began: datetime | None = None  # the current trouble, if the cause has changed or the incident was reopened

    @property
    def began_at(self) -> datetime:
        """Return when the current trouble began, which may be later than the incident."""
        return self.began or self.since


@dataclass(frozen=True, slots=True)
class PollHealth:
    """The results of the last polls: failed and good ones in a row, and the reported incident."""

    failed_polls: int = 0
    good_polls: int = 0
    incident: Incident | None = None
    failing_since: datetime | None = None  # the first of the failed polls in a row


def on_poll_success(health: PollHealth, now: datetime) -> PollHealth:
    """Record a good poll. Two in a row resolve an outage, one resolves any other problem."""
    good = min(health.good_polls + 1, GOOD_POLLS)  # a higher count has no effect, and would be written at each poll
    incident = health.incident
    if incident and not incident.resolved_at:
        needed = GOOD_POLLS if incident.cause is Cause.SOURCE_DOWN else 1
        if good >= needed:
            incident = replace(incident, resolved_at=now)
    return PollHealth(failed_polls=0, good_polls=good, incident=incident)


def on_poll_failure(health: PollHealth, error: KfError, now: datetime, *, appid: str = "") -> PollHealth:
    """Record a failed poll. An outage does not replace an open problem that a person must fix."""
    failed = health.failed_polls + 1
    since = health.failing_since or now
    incident = _incident(health.incident, error, failed, since, now, appid)
    return PollHealth(failed_polls=failed, good_polls=0, incident=incident, failing_since=since)


def _incident(
    last: Incident | None, error: KfError, failed: int, since: datetime, now: datetime, appid: str
) -> Incident | None:
    cause = cause_of(error)
    if cause is Cause.SOURCE_DOWN and (failed < FAILED_POLLS or (last and not last.resolved_at)):
        return last
    # A WeChat node may refuse a valid token for some minutes.
    if isinstance(error, TokenError) and failed < FAILED_POLLS:
        return last
    # An outage began with the first failed poll, a problem that a person must fix with the response that named it.
    began = since if cause is Cause.SOURCE_DOWN else now
    if last and last.resolved_at is None:
        # The incident is already posted: update it in place.
        began = last.began_at if last.cause is cause else began
        return replace(last, cause=cause, fault=ErrorDetails.of(error), began=began)
    if last and is_recurrence(last, cause, now):
        return replace(last, cause=cause, fault=ErrorDetails.of(error), resolved_at=None, began=began)
    return Incident(f"{cause}-{appid}-{int(now.timestamp())}", cause, began, ErrorDetails.of(error))


def is_recurrence(last: Incident, cause: Cause, now: datetime) -> bool:
    """Return whether trouble with this cause reopens an incident that is over, instead of being a new one."""
    resolved_at = last.resolved_at or now
    return last.cause is cause and now - resolved_at <= SAME_TROUBLE and now - last.since <= SAME_DAY


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """The difference between this machine's clock and WeChat's. Polls continue, and times are not corrected.

    `since` and `resolved_at` of the incident are times of the wrong clock.
    """

    skewed_polls: int = 0  # in a row
    incident: Incident | None = None


def on_clock_sample(
    health: ClockSkew,
    served_at: datetime | None,
    began: datetime,
    now: datetime,
    *,
    appid: str = "",
    is_reported: bool = False,
) -> ClockSkew:
    """Compare the time in WeChat's response. One poll within the bound resolves the incident.

    A response without a time (None) changes nothing, so it does not interrupt a series of skewed polls.

    Args:
        began: the start of the request. WeChat read its clock between that and `now`; only more is skew.
        is_reported: a notice of another Official Account reports the clock of this machine.
    """
    if served_at is None:
        return health
    last, off = health.incident, clock_error(served_at, began, now)
    if not is_skewed(served_at, began, now):
        is_open = last is not None and last.resolved_at is None
        return ClockSkew(incident=replace(last, resolved_at=now) if last and is_open else last)
    skewed = health.skewed_polls + 1
    if last and last.resolved_at is None:
        return ClockSkew(skewed, _with_skew(last, off))
    if skewed < SKEWED_POLLS or is_reported:
        return ClockSkew(skewed, last)
    return ClockSkew(skewed, _clock_problem(last, off, now, appid))


def is_skewed(served_at: datetime | None, began: datetime, now: datetime) -> bool:
    """Return whether the clocks of this machine and of WeChat differ by more than a response takes."""
    return served_at is not None and clock_error(served_at, began, now) > CLOCK_BOUND


def clock_error(served_at: datetime, began: datetime, now: datetime) -> timedelta:
    """Return the smallest possible difference of two clocks, if one was read between `began` and `now`."""
    return max(began - served_at, served_at - now, timedelta(0))


def _clock_problem(last: Incident | None, off: timedelta, now: datetime, appid: str) -> Incident:
    cause, fault = Cause.CLOCK_PROBLEM, ErrorDetails(kind="ClockSkew", detail=_format_span(off))
    if last and is_recurrence(last, cause, now):
        return replace(last, fault=fault, resolved_at=None, began=now)
    return Incident(f"{cause}-{appid}-{int(now.timestamp())}", cause, now, fault)


def _with_skew(incident: Incident, off: timedelta) -> Incident:
    """Update the skew only when it has doubled: each change edits a message in the channel."""
    if off < 2 * parse_span(incident.fault.detail):
        return incident
    return replace(incident, fault=replace(incident.fault, detail=_format_span(off)))


def _format_span(off: timedelta) -> str:
    """Format a minute or more in one unit, rounded down: `4 min`, `2 h`, `3 days`."""
    unit = "min" if off < SPANS["h"] else "h" if off < 2 * SPANS["days"] else "days"
    return f"{off // SPANS[unit]} {unit}"


def parse_span(span: str) -> timedelta:
    """Parse the text of `_format_span`. The text of another release counts as zero, so that it is replaced."""
    number, _, unit = span.partition(" ")
    return int(number) * SPANS[unit] if number.isdecimal() and unit in SPANS else timedelta(0)


def backoff(error: KfError, failed_polls: int, poll: timedelta, now: datetime) -> timedelta:
    """Return the wait after a failed poll, at least the interval. A spent quota: until midnight in Shanghai."""
    cause = cause_of(error)
    if cause is Cause.QUOTA:
        return max(poll, next_midnight(now) - now)
    if cause is Cause.CONFIG_PROBLEM:
        return max(poll, SETUP_WAIT)
    doubled: timedelta = poll * 2 ** min(failed_polls, 10)
    return max(poll, min(doubled, poll * 10, LONGEST_WAIT))


def next_midnight(now: datetime) -> datetime:
    """Return when WeChat renews a quota: at midnight in Shanghai."""
    local = now.astimezone(SHANGHAI)
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


def cause_of(error: KfError) -> Cause:
    """Return the cause of the incident that such failures make."""
    if isinstance(error, QuotaError):
        return Cause.QUOTA
    if isinstance(error, SetupError | TokenError):
        return Cause.CONFIG_PROBLEM
    return Cause.SOURCE_DOWN


def _detail(error: KfError) -> str:
    if isinstance(error, ResponseError):
        return "no account list"
    if not isinstance(error, TransportError):
        return ""
    if error.status:
        return f"HTTP {error.status}"
    cause = "proxy" if error.proxy else "time-out" if error.timed_out else "no connection"
    return f"{cause} after {error.attempts} attempt{'s' if error.attempts != 1 else ''}"
