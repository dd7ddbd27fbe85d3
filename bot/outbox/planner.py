"""Plan the messages for the changes of a tick: which ones, in the channel or a thread, in which order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.alerting.acknowledgements import ActionKind
from bot.alerting.episode import (
    AccountStatus,
    AlertKind,
    AlertPolicy,
    Change,
    Disposition,
    Episode,
    UserAction,
    priority,
)
from bot.alerting.quiet_hours import Window
from bot.outbox.grouping import digest, first_run, quiet_summary
from bot.outbox.messages import LAST, LATE, InitialSnapshot, MessageKind, NewMessage, Parent
from bot.outbox.priority import (
    Notification,
    breaks_through_quiet,
    id_of,
    is_last_before_quiet,
    is_urgent,
    notifiable_events,
    priority_of,
    snooze_ended,
)


def plan(
    changes: Sequence[Change],
    parents: Mapping[str, Parent],
    policy: AlertPolicy,
    now: datetime,
    *,
    first: InitialSnapshot | None = None,
) -> list[NewMessage]:
    """Return the messages for the changes of a tick.

    Args:
        parents: by episode id, the parent message that shows it, if there is one.
        first: set on the first run, whose backlog goes into one summary. Of one of several accounts in a channel
            the summary counts the accounts also without a backlog.
    """
    messages = []
    has_backlog = any(event.disposition is Disposition.BACKLOG for one in changes for event in one.new_events)
    if first and (has_backlog or first.appid):
        messages.append(first_run(changes, first, now))
    window = policy.quiet.window_of(now) if policy.quiet else None
    notifications = notifiable_events(changes, policy)
    immediate = [
        notification
        for notification in notifications
        if window is None or _posts_now(notification, policy, window, now)
    ]
    held = [notification for notification in notifications if notification not in immediate]
    if window:
        woken = [change for change in changes if snooze_ended(change) and not _has_notification(change)]
        messages += quiet_summary(held, woken, parents, policy, window)
    if len(immediate) > policy.digest_above:
        messages += digest(immediate, policy, now)
    else:
        for notification in immediate:
            messages += _alert_or_reply(notification, parents.get(notification[0].after.id), policy)
    for change in changes:
        messages += _reply_without_notification(change, parents.get(change.after.id), quiet=window is not None)
    return messages


def user_action_reply(
    episodes: Sequence[Episode], kind: ActionKind, action: UserAction, parent_id: str
) -> NewMessage:
    """Return the thread reply that reports a user action on some episodes."""
    payload = {"deed": kind, "name": action.name}
    until = {"until": int(action.until.timestamp())} if action.until else {}
    count = {"count": len(episodes)} if len(episodes) > 1 else {}
    return NewMessage(
        id=f"{MessageKind.REPLY}-{parent_id}-{kind}-{action.at.timestamp()}",
        kind=MessageKind.REPLY,
        priority=LAST,
        episode_ids=tuple(episode.id for episode in episodes),
        payload=payload | until | count,
        parent_id=parent_id,
        breakthrough=True,  # the user is awake, and the reply mentions no one else
    )


def _posts_now(notification: Notification, policy: AlertPolicy, window: Window, now: datetime) -> bool:
    """Check whether a notification is posted in quiet hours: it is allowed to, or they have just begun."""
    if not breaks_through_quiet(notification, policy):
        return False
    return (policy.quiet is not None and policy.quiet.breakthrough and is_urgent(notification[1], policy)) or (
        now - window.begins <= LATE
    )


def _alert_or_reply(notification: Notification, parent: Parent | None, policy: AlertPolicy) -> list[NewMessage]:
    """Return a reply to the alert that exists, or else a new alert; nothing if a user has dismissed it.

    An urgent event gets a new alert if the old one was deleted, or if the last reminder would be a reply elsewhere.
    """
    event = notification[1]
    urgent = is_urgent(event, policy)
    has_own_alert = parent is not None and parent.kind is MessageKind.ALERT
    # A user who deleted the parent dismissed it: only urgent events get a new alert.
    if parent is not None and parent.is_deleted and not urgent:
        return []
    if parent is None or parent.is_deleted or (event.kind is AlertKind.EXPIRING and urgent and not has_own_alert):
        return [_alert(notification, policy)]
    return [_reply(notification, parent, policy)]


def _alert(notification: Notification, policy: AlertPolicy) -> NewMessage:
    change, event = notification
    return NewMessage(
        id=id_of(MessageKind.ALERT, change.after.id, event),
        kind=MessageKind.ALERT,
        priority=priority_of(event, policy),
        episode_ids=(change.after.id,),
        events=((change.after.id, event),),
        payload=_quiet_until(notification, policy),
        breakthrough=breaks_through_quiet(notification, policy),
    )


def _reply(notification: Notification, parent: Parent, policy: AlertPolicy) -> NewMessage:
    change, event = notification
    # The reminder after a snooze, or before quiet hours, mentions people like a new alert.
    mentions = is_urgent(event, policy) or is_last_before_quiet(notification, policy) or snooze_ended(change)
    return NewMessage(
        id=id_of(MessageKind.REPLY, change.after.id, event),
        kind=MessageKind.REPLY,
        priority=priority_of(event, policy) if mentions else LAST,
        episode_ids=(change.after.id,),
        events=((change.after.id, event),),
        payload={"kind": event.kind, "lead": int(event.lead.total_seconds())}
        | ({"call": True} if mentions else {})
        | _quiet_until(notification, policy),
        parent_id=parent.id,
        broadcast=mentions,
        breakthrough=breaks_through_quiet(notification, policy),
    )


def _quiet_until(notification: Notification, policy: AlertPolicy) -> dict[str, Any]:
    """Return the end of quiet hours as payload of the last reminder before them; nothing for other messages."""
    expires_at = notification[0].after.expires_at
    window = policy.quiet.window_of(expires_at) if policy.quiet and expires_at else None
    return (
        {"before_quiet": int(window.ends.timestamp())}
        if window and is_last_before_quiet(notification, policy)
        else {}
    )


def _reply_without_notification(change: Change, parent: Parent | None, *, quiet: bool) -> list[NewMessage]:
    """Return the reply to an alert for a change without notification: a new state, or an ended snooze."""
    before, after = change.before, change.after
    if before is None or parent is None or parent.is_deleted or parent.kind is not MessageKind.ALERT:
        return []
    if _has_notification(change):
        return []
    if snooze_ended(change) and after.tightest_lead:
        # The summary of quiet hours reminds of it.
        return [] if quiet else [_reminder(after, after.tightest_lead, parent, before.snoozed)]
    if before.state is after.state or after.operated:
        return []  # the reply that reports the operation covers the change
    return state_reply(after, parent)


def state_reply(episode: Episode, parent: Parent | None) -> list[NewMessage]:
    """Return the reply to an alert that reports the present state of its episode; empty without an alert."""
    if parent is None or parent.is_deleted or parent.kind is not MessageKind.ALERT:
        return []
    return [
        NewMessage(
            id=f"{MessageKind.REPLY}-{episode.id}-{episode.state}-{int(episode.state_since.timestamp())}",
            kind=MessageKind.REPLY,
            priority=LAST,
            episode_ids=(episode.id,),
            payload={"state": episode.state},
            parent_id=parent.id,
        )
    ]


def _reminder(episode: Episode, lead: timedelta, parent: Parent, snoozed: UserAction | None) -> NewMessage:
    """Return the reminder that is sent when a snooze ends without a new notification."""
    at = int(snoozed.at.timestamp()) if snoozed else 0
    return NewMessage(
        id=f"{MessageKind.REPLY}-{episode.id}-reminder-{at}",
        kind=MessageKind.REPLY,
        priority=priority(AccountStatus.EXPIRING),
        episode_ids=(episode.id,),
        payload={"kind": AlertKind.EXPIRING, "lead": int(lead.total_seconds()), "call": True},
        parent_id=parent.id,
        broadcast=True,
    )


def _has_notification(change: Change) -> bool:
    return any(event.disposition is Disposition.NOTIFIED for event in change.new_events)
