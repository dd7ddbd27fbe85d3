"""What parts one piece of news from another: its rank, its id, whether somebody must act now. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from bot.alerting.episode import (
    AccountStatus,
    AlertEvent,
    AlertKind,
    AlertPolicy,
    Change,
    Disposition,
    EpisodeState,
    priority,
)
from bot.outbox.messages import MessageKind

Notification = tuple[Change, AlertEvent]


def notifiable_events(changes: Sequence[Change], policy: AlertPolicy) -> list[Notification]:
    """What is to be told of the changes, in the order of sending."""
    told = [(change, event) for change in changes for event in change.news if event.how is Disposition.TOLD]
    far = max((change.after.expires_at for change, _ in told if change.after.expires_at), default=None)
    return sorted(
        told,
        key=lambda news: (priority_of(news[1], policy), news[0].after.expires_at or far, news[0].after.kf_nick),
    )


def is_urgent(event: AlertEvent, policy: AlertPolicy) -> bool:
    return event.kind is not AlertKind.EXPIRING or event.lead == policy.smallest_lead


def priority_of(event: AlertEvent, policy: AlertPolicy) -> int:
    return priority(AccountStatus(event.kind), urgent=is_urgent(event, policy))


def is_last_before_quiet(news: Notification, policy: AlertPolicy) -> bool:
    """Whether it is the reminder that comes when quiet hours begin."""
    change, event = news
    return event.kind is AlertKind.EXPIRING and event.lead == policy.quiet_lead(change.after.expires_at)


def breaks_through_quiet(news: Notification, policy: AlertPolicy) -> bool:
    """Whether it may be posted in quiet hours: it is set to, or it is the last that people hear before a deadline
    inside them. That is decided by the news, not by when it is written down: its post may come late.
    """
    change, event = news
    if policy.quiet is None or event.kind is not AlertKind.EXPIRING:
        return False
    smallest = event.lead == policy.smallest_lead
    if smallest and policy.quiet.breakthrough:
        return True
    expires_at = change.after.expires_at
    inside = expires_at is not None and policy.quiet.covers(expires_at)
    return is_last_before_quiet(news, policy) or (smallest and inside and policy.quiet_lead(expires_at) is None)


def snooze_ended(change: Change) -> bool:
    """Whether a snooze has run out, and the invitation still waits."""
    before, after = change.before, change.after
    return before is not None and bool(before.snoozed) and not after.snoozed and after.state is EpisodeState.WAITING


def id_of(shape: MessageKind, episode: str, event: AlertEvent) -> str:
    return f"{shape}-{episode}-{event.kind}-{int(event.lead.total_seconds())}"


def id_of_many(shape: MessageKind, ids: Sequence[str]) -> str:
    return f"{shape}-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}"
