"""When the bot itself is in trouble with WeChat: one incident at a time, and how long to wait. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from enum import StrEnum

from wechat_kf import APIError, KfError, QuotaError, ResponseError, SetupError, TokenError, TransportError

SHANGHAI = timezone(timedelta(hours=8))  # WeChat counts its days there; that zone has no summer time
FAILED_POLLS = 3  # in a row, before a silence is told
GOOD_POLLS = 2  # in a row, before it is over
LONGEST_WAIT = timedelta(minutes=15)
SETUP_WAIT = timedelta(seconds=60)  # the least, while only a person can mend it
SAME_DAY = timedelta(days=1)  # and after a day it is told anew
SAME_TROUBLE = timedelta(hours=1)  # back so soon, it is the old incident: its notice changes, nobody is pinged
CLOCK_BOUND = timedelta(seconds=60)  # a clock may be off by this much; an answer takes seconds to arrive
SKEWED_POLLS = 3  # in a row, before a wrong clock is told
SPANS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "days": timedelta(days=1)}


class Cause(StrEnum):
    """What is told about the bot itself."""

    SOURCE_DOWN = "source_down"  # WeChat does not answer, or not readably
    CONFIG_PROBLEM = "config_problem"  # only a person can mend it
    QUOTA = "quota"  # until tomorrow, in Shanghai
    CLOCK_PROBLEM = "clock_problem"  # this machine's clock and WeChat's differ


@dataclass(frozen=True, slots=True)
class ErrorDetails:
    """What a failed read was, in plain values: it is stored, and shown by the words of `blocks`."""

    kind: str  # the name of the error's class, or "ClockSkew"
    errcode: int | None = None
    errmsg: str = ""
    rid: str = ""
    address: str = ""
    detail: str = ""  # "HTTP 502", "time-out after 3 attempts", by how much a clock is off: "4 min"

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
    """One stretch of trouble. `over_at` is None while it lasts."""

    id: str
    cause: Cause
    since: datetime
    fault: ErrorDetails
    over_at: datetime | None = None
    began: datetime | None = None  # the present trouble, when the incident has become another one, or returned

    @property
    def began_at(self) -> datetime:
        """Return when the present trouble began, which may be later than the incident."""
        return self.began or self.since


@dataclass(frozen=True, slots=True)
class PollHealth:
    """How the reads have gone: failed and good ones in a row, and the incident that is told."""

    failed_reads: int = 0
    good_reads: int = 0
    incident: Incident | None = None
    failing_since: datetime | None = None  # the first of the failed reads in a row


def on_poll_success(health: PollHealth, now: datetime) -> PollHealth:
    """A read succeeded. What a person mended is over at once, a silence after two reads."""
    good = min(health.good_reads + 1, GOOD_POLLS)  # more says nothing more, and need not be written down
    incident = health.incident
    if incident and not incident.over_at:
        needed = GOOD_POLLS if incident.cause is Cause.SOURCE_DOWN else 1
        if good >= needed:
            incident = replace(incident, over_at=now)
    return PollHealth(failed_reads=0, good_reads=good, incident=incident)


def on_poll_failure(health: PollHealth, error: KfError, now: datetime, *, appid: str = "") -> PollHealth:
    """A read failed. One cause, one notice: a silence does not end a problem that a person must mend."""
    failed = health.failed_reads + 1
    since = health.failing_since or now
    incident = _incident(health.incident, error, failed, since, now, appid)
    return PollHealth(failed_reads=failed, good_reads=0, incident=incident, failing_since=since)


def _incident(
    last: Incident | None, error: KfError, failed: int, since: datetime, now: datetime, appid: str
) -> Incident | None:
    cause = _cause(error)
    if cause is Cause.SOURCE_DOWN and (failed < FAILED_POLLS or (last and not last.over_at)):
        return last
    # One of WeChat's nodes may refuse a good token for some minutes.
    if isinstance(error, TokenError) and failed < FAILED_POLLS:
        return last
    # A silence began with the first read that failed; what a person must mend, with the answer that said so.
    began = since if cause is Cause.SOURCE_DOWN else now
    if last and last.over_at is None:
        # What is told stands already; it says the newest.
        began = last.began_at if last.cause is cause else began
        return replace(last, cause=cause, fault=ErrorDetails.of(error), began=began)
    if last and _is_recurrence(last, cause, now):
        return replace(last, cause=cause, fault=ErrorDetails.of(error), over_at=None, began=began)
    return Incident(f"{cause}-{appid}-{int(now.timestamp())}", cause, began, ErrorDetails.of(error))


def _is_recurrence(last: Incident, cause: Cause, now: datetime) -> bool:
    over_at = last.over_at or now
    return last.cause is cause and now - over_at <= SAME_TROUBLE and now - last.since <= SAME_DAY


@dataclass(frozen=True, slots=True)
class ClockSkew:
    """How this machine's clock compares with WeChat's, beside `Health`: reads go on, times are not corrected.

    `since` and `over_at` of the incident are told by the clock that is wrong.
    """

    skewed_reads: int = 0  # in a row
    incident: Incident | None = None


def on_clock_sample(
    health: ClockSkew, served_at: datetime | None, began: datetime, now: datetime, *, appid: str = ""
) -> ClockSkew:
    """WeChat answered, and said its time. One read within the bound ends the trouble: a clock, once set, stays set.

    Without a time (None) nothing is learnt, and a row of reads is not broken.

    Args:
        began: when WeChat was asked. It answered between that and `now`, and however long that took is no error.
    """
    if served_at is None:
        return health
    last, off = health.incident, clock_error(served_at, began, now)
    if off <= CLOCK_BOUND:
        lasting = last is not None and last.over_at is None
        return ClockSkew(incident=replace(last, over_at=now) if last and lasting else last)
    skewed = health.skewed_reads + 1
    if last and last.over_at is None:
        return ClockSkew(skewed, _grown(last, off))
    if skewed < SKEWED_POLLS:
        return ClockSkew(skewed, last)
    return ClockSkew(skewed, _clock_problem(last, off, now, appid))


def clock_error(served_at: datetime, began: datetime, now: datetime) -> timedelta:
    """By how much two clocks differ at the least, when one was read at some time between `began` and `now`."""
    return max(began - served_at, served_at - now, timedelta(0))


def _clock_problem(last: Incident | None, off: timedelta, now: datetime, appid: str) -> Incident:
    cause, fault = Cause.CLOCK_PROBLEM, ErrorDetails(kind="ClockSkew", detail=_span(off))
    if last and _is_recurrence(last, cause, now):
        return replace(last, fault=fault, over_at=None, began=now)
    return Incident(f"{cause}-{appid}-{int(now.timestamp())}", cause, now, fault)


def _grown(incident: Incident, off: timedelta) -> Incident:
    """Say the newest only when it is twice what was said: each change edits a message in the channel."""
    if off < 2 * _length(incident.fault.detail):
        return incident
    return replace(incident, fault=replace(incident.fault, detail=_span(off)))


def _span(off: timedelta) -> str:
    """A minute or more in one unit, rounded down: `4 min`, `2 h`, `3 days`."""
    unit = "min" if off < SPANS["h"] else "h" if off < 2 * SPANS["days"] else "days"
    return f"{off // SPANS[unit]} {unit}"


def _length(span: str) -> timedelta:
    """What `_span` wrote; nothing for the words of another release, which are then written anew."""
    number, _, unit = span.partition(" ")
    return int(number) * SPANS[unit] if number.isdecimal() and unit in SPANS else timedelta(0)


def backoff(error: KfError, failed_reads: int, poll: timedelta, now: datetime) -> timedelta:
    """How long the watcher leaves WeChat alone after a failed read. Never shorter than a poll."""
    cause = _cause(error)
    if cause is Cause.QUOTA:
        local = now.astimezone(SHANGHAI)
        midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        return max(poll, midnight - local)
    if cause is Cause.CONFIG_PROBLEM:
        return max(poll, SETUP_WAIT)
    doubled: timedelta = poll * 2 ** min(failed_reads, 10)
    return max(poll, min(doubled, poll * 10, LONGEST_WAIT))


def _cause(error: KfError) -> Cause:
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
    what = "proxy" if error.proxy else "time-out" if error.timed_out else "no connection"
    return f"{what} after {error.attempts} attempt{'s' if error.attempts != 1 else ''}"
