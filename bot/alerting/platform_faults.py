"""Trouble of a third-party platform, which all its accounts share: one incident at a time. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.alerting.incidents import Cause, ErrorDetails, Incident, is_recurrence, next_midnight

NO_TICKET_AFTER = timedelta(minutes=30)  # WeChat pushes one every 10 minutes
RIVAL_FOR = timedelta(hours=1)  # since the last sign of another system that renews the platform's token
TICKET_CODES = (61005, 61006)  # WeChat refuses the ticket
QUOTA_CODE = 45009
MINUTE_QUOTA_CODE = 45011  # over within a minute
NO_TICKET, RIVAL = "NoTicket", "Rival"  # kinds of `ErrorDetails` that are no error of a call


@dataclass(frozen=True, slots=True)
class PlatformHealth:
    """What is known of the platform; None: not yet, or not now."""

    fault: ErrorDetails | None = None  # the last error that concerns all of it, until a call succeeds
    fault_at: datetime | None = None
    pushed_at: datetime | None = None  # when the last ticket arrived
    started_at: datetime | None = None  # when WeChat was last asked to push tickets
    rival_at: datetime | None = None
    incident: Incident | None = None  # the newest

    @property
    def lasting(self) -> Incident | None:
        """Return the incident that is not over."""
        return self.incident if self.incident and not self.incident.resolved_at else None


def on_check(health: PlatformHealth, appid: str, now: datetime) -> Incident | None:
    """Return the newest incident of the platform as it is now. Trouble that returns within an hour reopens it."""
    last, lasting = health.incident, health.lasting
    found = _trouble(health, now)
    if found is None:
        return replace(lasting, resolved_at=now) if lasting and not _is_quota_spent(lasting, now) else last
    fault, since = found
    if lasting:
        same = _shown(lasting.fault) == _shown(fault)
        return lasting if same else replace(lasting, fault=fault, began=since)
    if last and is_recurrence(last, Cause.PLATFORM_PROBLEM, now):
        return replace(last, fault=fault, resolved_at=None, began=since)
    cause = Cause.PLATFORM_PROBLEM
    return Incident(f"{cause}-{appid}-{int(now.timestamp())}", cause, since, fault)


def _trouble(health: PlatformHealth, now: datetime) -> tuple[ErrorDetails, datetime] | None:
    """Return the present trouble and when it began: an error that a person must see before its consequences."""
    fault = health.fault if health.fault and health.fault.errcode != MINUTE_QUOTA_CODE else None
    if fault and fault.errcode not in TICKET_CODES:
        return fault, health.fault_at or now
    if health.rival_at and now - health.rival_at < RIVAL_FOR:
        return ErrorDetails(RIVAL), health.rival_at
    if (silent_since := _without_ticket_since(health, now)) is not None:
        return ErrorDetails(NO_TICKET), silent_since
    return (fault, health.fault_at or now) if fault else None


def _without_ticket_since(health: PlatformHealth, now: datetime) -> datetime | None:
    """Return when the last ticket came, or was first asked for, if that is too long ago.

    WeChat is asked again and again, so an open incident lasts until a ticket comes.
    """
    lasting = health.lasting
    if health.pushed_at is None and lasting and lasting.fault.kind == NO_TICKET:
        return lasting.began_at
    last = health.pushed_at or health.started_at
    return last if last and now - last > NO_TICKET_AFTER else None


def _is_quota_spent(incident: Incident, now: datetime) -> bool:
    """Return whether renewals are still impossible, though other calls succeed."""
    return incident.fault.errcode == QUOTA_CODE and now < next_midnight(incident.began_at)


def _shown(fault: ErrorDetails) -> tuple[object, ...]:
    """Return the parts of a fault that its notice shows: the `rid` differs at each call."""
    return fault.kind, fault.errcode, fault.address
