"""The timers of an invitation: reminders, the deadline, the end of a snooze. Pure.

A reminder is due at each *lead*, a time before the deadline. A tick of the watcher applies the timers to every open
episode.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.alerting.episode import (
    AlertEvent,
    AlertKind,
    AlertPolicy,
    Change,
    Disposition,
    Episode,
    EpisodeState,
    replace_if_changed,
)


def advance(
    known: Iterable[Episode], now: datetime, policy: AlertPolicy, *, confirmed_at: datetime | None = None
) -> list[Change]:
    """Return the changes due to leads and deadlines that have passed, without a new poll.

    Args:
        confirmed_at: the last poll that confirmed these invitations, if WeChat does not answer now.
    """
    changes = []
    for episode in known:
        after, events = apply_timers(episode, now, policy)
        if after != episode:
            changes.append(Change(episode, replace(after, confirmed_at=confirmed_at), events))
    return changes


def next_timer(episode: Episode, policy: AlertPolicy) -> datetime | None:
    """Return when the next lead, deadline or end of a snooze is due, or None."""
    deadline = episode.expires_at
    if episode.state is not EpisodeState.WAITING or deadline is None:
        return None
    if episode.is_handled:
        return deadline
    tightest = episode.tightest_lead or timedelta.max
    pending = [
        lead for lead in leads_of(episode, policy) if lead < tightest and not _has_emitted(episode, lead, policy)
    ]
    if episode.snoozed and episode.snoozed.until:
        return min(episode.snoozed.until, deadline - min(pending, default=timedelta(0)))
    return deadline - max(pending, default=timedelta(0))


def apply_timers(episode: Episode, now: datetime, policy: AlertPolicy) -> tuple[Episode, tuple[AlertEvent, ...]]:
    """Apply the leads and the deadline that have passed. Return the episode and its new events.

    An episode that a person has taken care of has no leads; a snoozed one has only the smallest. Of the leads that
    passed meanwhile, the smallest is notified when the acknowledgement or snooze ends.
    """
    if episode.state is not EpisodeState.WAITING:
        return episode, ()
    if has_passed(episode, now):
        events: tuple[AlertEvent, ...] = (
            () if episode.has_emitted(AlertKind.EXPIRED) else (AlertEvent(AlertKind.EXPIRED),)
        )
        expired = replace(episode.clear_pending(), state=EpisodeState.EXPIRED, state_since=now, snoozed=None)
        return Change.with_events(episode, expired, events).after, events
    if episode.is_handled:
        return episode, ()
    leads = elapsed_leads(episode, now, policy)
    if episode.snoozed and not _has_snooze_ended(episode, leads, now, policy):
        return episode, ()
    episode = replace_if_changed(episode, snoozed=None)
    events = _lead_events(episode, leads, policy)
    return Change.with_events(episode, episode, events).after, events


def _lead_events(episode: Episode, leads: list[timedelta], policy: AlertPolicy) -> tuple[AlertEvent, ...]:
    pending = [lead for lead in leads if not _has_emitted(episode, lead, policy)]
    # A lead that was added to the settings is not notified if a smaller one has passed already.
    notified = min(leads, default=timedelta.max)
    if episode.tightest_lead and episode.tightest_lead <= notified:
        notified = timedelta.max
    return tuple(
        AlertEvent(AlertKind.EXPIRING, lead, Disposition.NOTIFIED if lead == notified else Disposition.SUPERSEDED)
        for lead in pending
    )


def _has_snooze_ended(episode: Episode, leads: list[timedelta], now: datetime, policy: AlertPolicy) -> bool:
    """Check whether a snooze has ended. The smallest lead ends it, too: no later lead could be postponed."""
    until = episode.snoozed.until if episode.snoozed else None
    return until is None or until <= now or policy.smallest_lead in leads


def has_passed(episode: Episode, now: datetime) -> bool:
    """Check whether the deadline has passed: with zero seconds left it has, without a deadline never."""
    return episode.expires_at is not None and episode.expires_at <= now


def elapsed_leads(episode: Episode, now: datetime, policy: AlertPolicy) -> list[timedelta]:
    """Return the leads that have passed: no more than each is left until the deadline. Largest first."""
    if episode.expires_at is None:
        return []
    return [lead for lead in leads_of(episode, policy) if episode.expires_at - now <= lead]


def leads_of(episode: Episode, policy: AlertPolicy) -> list[timedelta]:
    """Return the leads of an episode, largest first: the configured ones, and the one before quiet hours."""
    extra = policy.quiet_lead(episode.expires_at)
    return sorted({*policy.leads, *([extra] if extra else [])}, reverse=True)


def _has_emitted(episode: Episode, lead: timedelta, policy: AlertPolicy) -> bool:
    if episode.has_emitted(AlertKind.EXPIRING, lead):
        return True
    # The lead before quiet hours moves with a deadline that WeChat shifts a little, and stays the same event.
    return lead not in policy.leads and any(
        event.kind is AlertKind.EXPIRING
        and event.lead not in policy.leads
        and abs(event.lead - lead) <= policy.same_deadline
        for event in episode.events
    )
