"""Group messages: digests, the first run, the summary of quiet hours. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.alerting.episode import AccountStatus, AlertKind, AlertPolicy, Change, Disposition, priority
from bot.alerting.quiet_hours import Window
from bot.outbox.messages import LAST, SEVERAL, InitialSnapshot, MessageKind, NewMessage, OutboxRow, Parent
from bot.outbox.priority import Notification, breaks_through_quiet, id_of, id_of_many, is_urgent, priority_of

NAMES_A_MESSAGE = 25
NAME_MESSAGES = 5


def digest(notifications: Sequence[Notification], policy: AlertPolicy, now: datetime) -> list[NewMessage]:
    """Return one channel message for all events, worst first, and thread replies that list the accounts."""
    episode_ids = tuple(dict.fromkeys(change.after.id for change, _ in notifications))
    breakthrough = any(breaks_through_quiet(notification, policy) for notification in notifications)
    parent = NewMessage(
        id=id_of_many(
            MessageKind.DIGEST,
            [id_of(MessageKind.DIGEST, change.after.id, event) for change, event in notifications],
        ),
        kind=MessageKind.DIGEST,
        priority=priority_of(notifications[0][1], policy),
        episode_ids=episode_ids,
        events=tuple((change.after.id, event) for change, event in notifications),
        payload={"noticed": now.timestamp()},
        breakthrough=breakthrough,
    )
    return [parent, *member_lists(parent)]


def member_lists(parent: NewMessage | OutboxRow) -> list[NewMessage]:
    """Return the thread replies that list the accounts of a digest."""
    episode_ids = parent.episode_ids
    size = max(NAMES_A_MESSAGE, -(-len(episode_ids) // NAME_MESSAGES))
    return [
        NewMessage(
            id=f"{parent.id}-{start // size + 1}",
            kind=MessageKind.MEMBER_LIST,
            priority=LAST,
            episode_ids=episode_ids[start : start + size],
            parent_id=parent.id,
            breakthrough=parent.breakthrough,
        )
        for start in range(0, len(episode_ids), size)
    ]


def first_run(changes: Sequence[Change], first: InitialSnapshot, now: datetime) -> NewMessage:
    """Return the summary of the problems that the first poll finds."""
    backlog = [change for change in changes if change.new_events]
    return NewMessage(
        id=id_of_many(MessageKind.FIRST_RUN, [change.after.id for change in backlog] or [first.appid]),
        kind=MessageKind.FIRST_RUN,
        priority=priority(AccountStatus.REJECTED),
        episode_ids=tuple(change.after.id for change in backlog),
        events=tuple(
            (change.after.id, event)
            for change in backlog
            for event in change.new_events
            if event.disposition is not Disposition.NOTIFIED
        ),
        payload={"total": first.total, "counts": dict(first.counts), "noticed": now.timestamp()}
        | ({SEVERAL: True, "accounts": 1} if first.appid else {}),
    )


def quiet_summary(
    held: Sequence[Notification],
    woken: Sequence[Change],
    parents: Mapping[str, Parent],
    policy: AlertPolicy,
    window: Window,
) -> list[NewMessage]:
    """Return a summary of the events held by quiet hours, and replies in the threads of existing alerts.

    If a summary of the same window is pending, the outbox adds the new events to it instead.

    Args:
        woken: the changes whose snooze has ended, without other events.
    """
    held = [
        notification
        for notification in held
        if is_urgent(notification[1], policy) or not _dismissed(parents.get(notification[0].after.id))
    ]
    woken = [change for change in woken if not _dismissed(parents.get(change.after.id))]
    if not held and not woken:
        return []
    kinds: dict[str, list[str]] = {change.after.id: [AlertKind.EXPIRING] for change in woken}
    for change, event in held:
        kinds.setdefault(change.after.id, []).append(event.kind)
    begins, ends = int(window.begins.timestamp()), int(window.ends.timestamp())
    ids = [id_of(MessageKind.QUIET_SUMMARY, change.after.id, event) for change, event in held]
    ids += [f"{change.after.id}-{begins}" for change in woken]
    parent = NewMessage(
        id=id_of_many(MessageKind.QUIET_SUMMARY, ids),
        kind=MessageKind.QUIET_SUMMARY,
        priority=min([*(priority_of(event, policy) for _, event in held), priority(AccountStatus.EXPIRING)]),
        episode_ids=tuple(kinds),
        events=tuple((change.after.id, event) for change, event in held),
        payload={"begins": begins, "ends": ends, "held": kinds},
    )
    replies = (_reply(notification, parents.get(notification[0].after.id)) for notification in held)
    return [parent, *filter(None, replies)]


def _dismissed(parent: Parent | None) -> bool:
    return parent is not None and parent.is_deleted


def _reply(notification: Notification, parent: Parent | None) -> NewMessage | None:
    """Return the reply to an existing alert, which keeps its thread complete; the summary mentions people."""
    change, event = notification
    if parent is None or parent.is_deleted or parent.kind is not MessageKind.ALERT:
        return None
    return NewMessage(
        id=id_of(MessageKind.REPLY, change.after.id, event),
        kind=MessageKind.REPLY,
        priority=LAST,
        episode_ids=(change.after.id,),
        payload={"kind": event.kind, "lead": int(event.lead.total_seconds())},
        parent_id=parent.id,
    )
