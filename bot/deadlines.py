"""What the clock alone says of an invitation: leads and deadlines that have passed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.episodes import AlertPolicy, Change, Episode, Event, How, Kind, State


def advance(
    known: Iterable[Episode], now: datetime, policy: AlertPolicy, *, confirmed_at: datetime | None = None
) -> list[Change]:
    """Let the clock alone speak: leads and deadlines that have passed.

    Args:
        confirmed_at: when WeChat last confirmed these invitations, if it does not answer now.
    """
    changes = []
    for episode in known:
        after, news = by_the_clock(episode, now, policy)
        if after != episode:
            changes.append(Change(episode, replace(after, confirmed_at=confirmed_at), news))
    return changes


def next_timer(episode: Episode, policy: AlertPolicy) -> datetime | None:
    """The next moment at which the clock alone has something to say about an episode."""
    if episode.state is not State.WAITING or episode.expires_at is None:
        return None
    untold = [lead for lead in policy.leads if not episode.has_told(Kind.EXPIRING, lead)]
    tightest = episode.tightest_lead or timedelta.max
    return episode.expires_at - max((lead for lead in untold if lead < tightest), default=timedelta(0))


def by_the_clock(episode: Episode, now: datetime, policy: AlertPolicy) -> tuple[Episode, tuple[Event, ...]]:
    """The episode after the leads and the deadline that have passed, and what of it is news."""
    if episode.state is not State.WAITING:
        return episode, ()
    if has_passed(episode, now):
        news: tuple[Event, ...] = () if episode.has_told(Kind.EXPIRED) else (Event(Kind.EXPIRED),)
        expired = replace(episode.without_doubt(), state=State.EXPIRED, since=now)
        return Change.telling(episode, expired, news).after, news
    leads = passed_leads(episode, now, policy)
    untold = [lead for lead in leads if not episode.has_told(Kind.EXPIRING, lead)]
    # A lead that was set anew says nothing when a tighter one has been passed already.
    speaks = min(leads, default=timedelta.max)
    if episode.tightest_lead and episode.tightest_lead <= speaks:
        speaks = timedelta.max
    news = tuple(Event(Kind.EXPIRING, lead, How.TOLD if lead == speaks else How.SUPERSEDED) for lead in untold)
    return Change.telling(episode, episode, news).after, news


def has_passed(episode: Episode, now: datetime) -> bool:
    """Whether the deadline is over. Zero seconds left is over; no deadline never is."""
    return episode.expires_at is not None and episode.expires_at <= now


def passed_leads(episode: Episode, now: datetime, policy: AlertPolicy) -> list[timedelta]:
    """The leads that the deadline is nearer than, largest first."""
    if episode.expires_at is None:
        return []
    return [lead for lead in policy.leads if episode.expires_at - now <= lead]
