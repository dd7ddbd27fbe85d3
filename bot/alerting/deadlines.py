"""What the clock alone says of an invitation: leads and deadlines that have passed. Pure."""

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
    """Let the clock alone speak: leads and deadlines that have passed.

    Args:
        confirmed_at: when WeChat last confirmed these invitations, if it does not answer now.
    """
    changes = []
    for episode in known:
        after, news = apply_timers(episode, now, policy)
        if after != episode:
            changes.append(Change(episode, replace(after, confirmed_at=confirmed_at), news))
    return changes


def next_timer(episode: Episode, policy: AlertPolicy) -> datetime | None:
    """The next moment at which the clock alone has something to say about an episode."""
    deadline = episode.expires_at
    if episode.state is not EpisodeState.WAITING or deadline is None:
        return None
    if episode.acked:
        return deadline
    tightest = episode.tightest_lead or timedelta.max
    untold = [lead for lead in leads_of(episode, policy) if lead < tightest and not _told(episode, lead, policy)]
    if episode.snoozed and episode.snoozed.until:
        return min(episode.snoozed.until, deadline - min(untold, default=timedelta(0)))
    return deadline - max(untold, default=timedelta(0))


def apply_timers(episode: Episode, now: datetime, policy: AlertPolicy) -> tuple[Episode, tuple[AlertEvent, ...]]:
    """The episode after the leads and the deadline that have passed, and what of it is news.

    While somebody has acknowledged it no lead passes; while it is snoozed, only the smallest. What passed meanwhile
    speaks when that is over: the tightest of it.
    """
    if episode.state is not EpisodeState.WAITING:
        return episode, ()
    if has_passed(episode, now):
        news: tuple[AlertEvent, ...] = (
            () if episode.has_told(AlertKind.EXPIRED) else (AlertEvent(AlertKind.EXPIRED),)
        )
        expired = replace(episode.without_doubt(), state=EpisodeState.EXPIRED, since=now, snoozed=None)
        return Change.telling(episode, expired, news).after, news
    if episode.acked:
        return episode, ()
    leads = elapsed_leads(episode, now, policy)
    if episode.snoozed and not _is_over(episode, leads, now, policy):
        return episode, ()
    episode = replace_if_changed(episode, snoozed=None)
    news = _lead_events(episode, leads, policy)
    return Change.telling(episode, episode, news).after, news


def _lead_events(episode: Episode, leads: list[timedelta], policy: AlertPolicy) -> tuple[AlertEvent, ...]:
    untold = [lead for lead in leads if not _told(episode, lead, policy)]
    # A lead that was set anew says nothing when a tighter one has been passed already.
    speaks = min(leads, default=timedelta.max)
    if episode.tightest_lead and episode.tightest_lead <= speaks:
        speaks = timedelta.max
    return tuple(
        AlertEvent(AlertKind.EXPIRING, lead, Disposition.TOLD if lead == speaks else Disposition.SUPERSEDED)
        for lead in untold
    )


def _is_over(episode: Episode, leads: list[timedelta], now: datetime, policy: AlertPolicy) -> bool:
    """Whether a snooze has run out. The smallest lead ends it: later there is nothing to postpone."""
    until = episode.snoozed.until if episode.snoozed else None
    return until is None or until <= now or policy.smallest_lead in leads


def has_passed(episode: Episode, now: datetime) -> bool:
    """Whether the deadline is over. Zero seconds left is over; no deadline never is."""
    return episode.expires_at is not None and episode.expires_at <= now


def elapsed_leads(episode: Episode, now: datetime, policy: AlertPolicy) -> list[timedelta]:
    """The leads that the deadline is nearer than, largest first."""
    if episode.expires_at is None:
        return []
    return [lead for lead in leads_of(episode, policy) if episode.expires_at - now <= lead]


def leads_of(episode: Episode, policy: AlertPolicy) -> list[timedelta]:
    """The leads of an episode, largest first: those that are set, and the one before quiet hours."""
    extra = policy.quiet_lead(episode.expires_at)
    return sorted({*policy.leads, *([extra] if extra else [])}, reverse=True)


def _told(episode: Episode, lead: timedelta, policy: AlertPolicy) -> bool:
    if episode.has_told(AlertKind.EXPIRING, lead):
        return True
    # The lead before quiet hours moves with a deadline that is moved a little, and stays the same news.
    return lead not in policy.leads and any(
        event.kind is AlertKind.EXPIRING
        and event.lead not in policy.leads
        and abs(event.lead - lead) <= policy.same_deadline
        for event in episode.told
    )
