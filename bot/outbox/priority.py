"""Priority, urgency and ids of notifications, and which of them break through quiet hours. Pure."""

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
    """Return the events to notify, with their changes, in the order of sending."""
    notifications = [
        (change, event)
        for change in changes
        for event in change.new_events
        if event.disposition is Disposition.NOTIFIED
    ]
    latest = max((change.after.expires_at for change, _ in notifications if change.after.expires_at), default=None)
    return sorted(
        notifications,
        key=lambda notification: (
            priority_of(notification[1], policy),
            notification[0].after.expires_at or latest,
            notification[0].after.kf_nick,
        ),
    )


def is_urgent(event: AlertEvent, policy: AlertPolicy) -> bool:
    return event.kind is not AlertKind.EXPIRING or event.lead == policy.smallest_lead


def priority_of(event: AlertEvent, policy: AlertPolicy) -> int:
    return priority(AccountStatus(event.kind), urgent=is_urgent(event, policy))


def is_last_before_quiet(notification: Notification, policy: AlertPolicy) -> bool:
    """Check whether the event is the reminder that is due when quiet hours begin."""
    change, event = notification
    return event.kind is AlertKind.EXPIRING and event.lead == policy.quiet_lead(change.after.expires_at)


def breaks_through_quiet(notification: Notification, policy: AlertPolicy) -> bool:
    """Check whether an event may be posted in quiet hours: breakthrough is set, or it is the last reminder before a
    deadline inside them.

    The time of the post does not matter, because it may be late.
    """
    change, event = notification
    if policy.quiet is None or event.kind is not AlertKind.EXPIRING:
        return False
    smallest = event.lead == policy.smallest_lead
    if smallest and policy.quiet.breakthrough:
        return True
    expires_at = change.after.expires_at
    inside = expires_at is not None and policy.quiet.covers(expires_at)
    return is_last_before_quiet(notification, policy) or (
        smallest and inside and policy.quiet_lead(expires_at) is None
    )


def snooze_ended(change: Change) -> bool:
    """Check whether a snooze has ended while the invitation still waits."""
    before, after = change.before, change.after
    return before is not None and bool(before.snoozed) and not after.snoozed and after.state is EpisodeState.WAITING


def id_of(kind: MessageKind, episode: str, event: AlertEvent) -> str:
    return f"{kind}-{episode}-{event.kind}-{int(event.lead.total_seconds())}"


def id_of_many(kind: MessageKind, ids: Sequence[str]) -> str:
    return f"{kind}-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:16]}"
