"""What parts one piece of news from another: its rank, its id, whether somebody must act now. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bot.episodes import AlertPolicy, Change, Event, How, Kind, Seen, State, rank
from bot.outbox import Shape

News = tuple[Change, Event]


def told_news(changes: Sequence[Change], policy: AlertPolicy) -> list[News]:
    """What is to be told of the changes, in the order of sending."""
    told = [(change, event) for change in changes for event in change.news if event.how is How.TOLD]
    far = max((change.after.expires_at for change, _ in told if change.after.expires_at), default=None)
    return sorted(
        told, key=lambda news: (rank_of(news[1], policy), news[0].after.expires_at or far, news[0].after.kf_nick)
    )


def urgent(event: Event, policy: AlertPolicy) -> bool:
    return event.kind is not Kind.EXPIRING or event.lead == policy.smallest_lead


def rank_of(event: Event, policy: AlertPolicy) -> int:
    return rank(Seen(event.kind), urgent=urgent(event, policy))


def before_quiet(news: News, policy: AlertPolicy) -> bool:
    """Whether it is the reminder that comes when quiet hours begin."""
    change, event = news
    return event.kind is Kind.EXPIRING and event.lead == policy.quiet_lead(change.after.expires_at)


def breaks_in(news: News, policy: AlertPolicy) -> bool:
    """Whether it may be posted in quiet hours: it is set to, or it is the last that people hear before a deadline
    inside them. That is decided by the news, not by when it is written down: its post may come late.
    """
    change, event = news
    if policy.quiet is None or event.kind is not Kind.EXPIRING:
        return False
    smallest = event.lead == policy.smallest_lead
    if smallest and policy.quiet.breakthrough:
        return True
    expires_at = change.after.expires_at
    inside = expires_at is not None and policy.quiet.covers(expires_at)
    return before_quiet(news, policy) or (smallest and inside and policy.quiet_lead(expires_at) is None)


def woke(change: Change) -> bool:
    """Whether a snooze has run out, and the invitation still waits."""
    before, after = change.before, change.after
    return before is not None and bool(before.snoozed) and not after.snoozed and after.state is State.WAITING


def id_of(shape: Shape, episode: str, event: Event) -> str:
    return f"{shape}-{episode}-{event.kind}-{int(event.lead.total_seconds())}"


def id_of_many(shape: Shape, ids: Sequence[str]) -> str:
    return f"{shape}-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}"
