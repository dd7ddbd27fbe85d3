"""The circuit breaker in front of WeChat: an outage that all Official Accounts meet, and its probes. Pure.

Closed, it counts polls without an answer. Open, the accounts are not polled: a probe every 15 seconds finds out
when WeChat answers again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.alerting.incidents import FAILED_POLLS, GOOD_POLLS, Cause, ErrorDetails, Incident, is_recurrence
from wechat_kf import BusyError, KfError, ResponseError, TransportError

ACCOUNTS = 3  # that failed, or all if there are fewer, before the breaker opens
SILENCE = timedelta(seconds=30)  # without an answer to any account
PROBE_INTERVAL = timedelta(seconds=15)
OUTAGE_ID = f"{Cause.SOURCE_DOWN}-all"  # the beginning of the ID of its incident


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """The polls without an answer, and the outage that they are."""

    failed_polls: int = 0  # without an answer, in a row, of all accounts
    failing: tuple[str, ...] = ()  # the AppIDs of these, at most ACCOUNTS
    since: datetime | None = None  # the first of these polls
    probe_at: datetime | None = None  # the next probe; None while closed
    good_polls: int = 0  # answered probes in a row
    incident: Incident | None = None  # the newest outage

    @property
    def is_open(self) -> bool:
        return self.probe_at is not None

    @property
    def outage(self) -> Incident | None:
        """Return the outage that lasts."""
        return self.incident if self.incident and not self.incident.resolved_at else None


def is_answer(error: KfError) -> bool:
    """Return whether a failed poll shows that WeChat works: it refused, instead of failing itself."""
    return not isinstance(error, TransportError | ResponseError | BusyError)


def on_no_answer(
    breaker: CircuitBreaker,
    appid: str,
    error: KfError,
    now: datetime,
    *,
    watched: int,
    answered_at: datetime | None,
) -> CircuitBreaker:
    """Count a poll without an answer; while open, it confirms the outage.

    Args:
        watched: the number of accounts that are polled, without those whose own outage is reported.
        answered_at: the last answer to any account, if it is known. One that is older than both `breaker.since` and
            SILENCE makes no difference.
    """
    if not breaker.is_open and breaker.since and answered_at and answered_at >= breaker.since:
        breaker = CircuitBreaker(incident=breaker.incident)
    since = breaker.since or now
    counted = replace(
        breaker,
        failed_polls=breaker.failed_polls + 1,
        failing=tuple(dict.fromkeys((*breaker.failing, appid)))[:ACCOUNTS],
        since=since,
        good_polls=0,
    )
    if not breaker.is_open:
        return replace(counted, probe_at=now) if _opens(counted, now, watched, answered_at) else counted
    # A network that was lost for a moment is not an outage.
    return (
        replace(counted, incident=_outage(breaker.incident, error, since, now))
        if now - since >= SILENCE
        else counted
    )


def _opens(breaker: CircuitBreaker, now: datetime, watched: int, answered_at: datetime | None) -> bool:
    return (
        watched > 1
        and breaker.failed_polls >= FAILED_POLLS
        and len(breaker.failing) >= min(ACCOUNTS, watched)
        and (answered_at is None or now - answered_at >= SILENCE)
    )


def _outage(last: Incident | None, error: KfError, since: datetime, now: datetime) -> Incident:
    if last and not last.resolved_at:
        return last
    if last and is_recurrence(last, Cause.SOURCE_DOWN, now):
        return replace(last, fault=ErrorDetails.of(error), resolved_at=None, began=since)
    return Incident(f"{OUTAGE_ID}-{int(now.timestamp())}", Cause.SOURCE_DOWN, since, ErrorDetails.of(error))


def on_answer(breaker: CircuitBreaker, now: datetime) -> CircuitBreaker:
    """Record an answer. Two probes in a row that are answered close the breaker, and resolve the outage."""
    if not breaker.is_open:
        return CircuitBreaker(incident=breaker.incident)
    if breaker.good_polls + 1 < GOOD_POLLS:
        return replace(breaker, good_polls=breaker.good_polls + 1)
    outage = breaker.outage
    return CircuitBreaker(incident=replace(outage, resolved_at=now) if outage else breaker.incident)


def spread(
    waits: Mapping[str, float], now: datetime, poll: timedelta, polls_per_second: float
) -> Iterable[tuple[str, datetime]]:
    """Return the next poll of each overdue account after an outage, so that they do not all poll at once.

    Args:
        waits: by AppID, a random number from 0 to 1.
        poll: the usual interval.
    """
    longest = max(poll / 2, timedelta(seconds=len(waits) / polls_per_second))
    return ((appid, now + wait * longest) for appid, wait in waits.items())
