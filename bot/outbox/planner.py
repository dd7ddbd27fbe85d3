"""What a tick's news becomes: which messages are written down, where they go, in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    roots: Mapping[str, Parent],
    policy: AlertPolicy,
    now: datetime,
    *,
    first: InitialSnapshot | None = None,
) -> list[NewMessage]:
    """Decide what is written down for a tick.

    Args:
        roots: by episode id, the root that tells it, if there is one.
        first: set on the first run, whose backlog goes into one summary.
    """
    drafts = [first_run(changes, first, now)] if first and _has_backlog(changes) else []
    window = policy.quiet.window_of(now) if policy.quiet else None
    news = notifiable_events(changes, policy)
    loud = [one for one in news if window is None or _posts_now(one, policy, window, now)]
    silent = [one for one in news if one not in loud]
    if window:
        woken = [change for change in changes if snooze_ended(change) and not _has_notification(change)]
        drafts += quiet_summary(silent, woken, roots, policy, window)
    if len(loud) > policy.digest_above:
        drafts += digest(loud, policy, now)
    else:
        for one in loud:
            drafts += _alert_or_reply(one, roots.get(one[0].after.id), policy)
    for change in changes:
        drafts += _history(change, roots.get(change.after.id), quiet=window is not None)
    return drafts


def user_action_reply(members: Sequence[Episode], deed: ActionKind, hand: UserAction, root_id: str) -> NewMessage:
    """The line that says in a thread what a person did about these."""
    facts = {"deed": deed, "name": hand.name}
    until = {"until": int(hand.until.timestamp())} if hand.until else {}
    count = {"count": len(members)} if len(members) > 1 else {}
    return NewMessage(
        id=f"{MessageKind.LINE}-{root_id}-{deed}-{hand.at.timestamp()}",
        shape=MessageKind.LINE,
        rank=LAST,
        members=tuple(member.id for member in members),
        facts=facts | until | count,
        root_id=root_id,
        breakthrough=True,  # whoever did it is awake, and it pings nobody else
    )


def _posts_now(news: Notification, policy: AlertPolicy, window: Window, now: datetime) -> bool:
    """Whether news of quiet hours is told in them. The last reminder before them is late after a while."""
    if not breaks_through_quiet(news, policy):
        return False
    return (policy.quiet is not None and policy.quiet.breakthrough and is_urgent(news[1], policy)) or (
        now - window.begins <= LATE
    )


def _alert_or_reply(news: Notification, root: Parent | None, policy: AlertPolicy) -> list[NewMessage]:
    """A root of its own, or a line in the thread of the one that stands."""
    event = news[1]
    now_or_never = is_urgent(event, policy)
    own = root is not None and root.shape is MessageKind.PROBLEM
    # A deleted root was dismissed by a person: only what needs eyes anew gets another.
    if root is not None and root.gone and not now_or_never:
        return []
    if root is None or root.gone or (event.kind is AlertKind.EXPIRING and now_or_never and not own):
        return [_alert(news, policy)]
    return [_reply(news, root, policy)]


def _alert(news: Notification, policy: AlertPolicy) -> NewMessage:
    change, event = news
    return NewMessage(
        id=id_of(MessageKind.PROBLEM, change.after.id, event),
        shape=MessageKind.PROBLEM,
        rank=priority_of(event, policy),
        members=(change.after.id,),
        tells=((change.after.id, event),),
        facts=_quiet_until(news, policy),
        breakthrough=breaks_through_quiet(news, policy),
    )


def _reply(news: Notification, root: Parent, policy: AlertPolicy) -> NewMessage:
    change, event = news
    # What comes after a snooze, or before quiet hours, needs eyes like a new message.
    call = is_urgent(event, policy) or is_last_before_quiet(news, policy) or snooze_ended(change)
    return NewMessage(
        id=id_of(MessageKind.LINE, change.after.id, event),
        shape=MessageKind.LINE,
        rank=priority_of(event, policy) if call else LAST,
        members=(change.after.id,),
        tells=((change.after.id, event),),
        facts={"kind": event.kind, "lead": int(event.lead.total_seconds())}
        | ({"call": True} if call else {})
        | _quiet_until(news, policy),
        root_id=root.id,
        broadcast=call,
        breakthrough=breaks_through_quiet(news, policy),
    )


def _quiet_until(news: Notification, policy: AlertPolicy) -> dict[str, Any]:
    """Until when no other reminder comes."""
    expires_at = news[0].after.expires_at
    window = policy.quiet.window_of(expires_at) if policy.quiet and expires_at else None
    return {"before_quiet": int(window.ends.timestamp())} if window and is_last_before_quiet(news, policy) else {}


def _history(change: Change, root: Parent | None, *, quiet: bool) -> list[NewMessage]:
    """A line in the thread of an own root for what is no news: a change of state, a snooze that ran out."""
    before, after = change.before, change.after
    if before is None or root is None or root.gone or root.shape is not MessageKind.PROBLEM:
        return []
    if _has_notification(change):
        return []
    if snooze_ended(change) and after.tightest_lead:
        # The morning's root asks again.
        return [] if quiet else [_reminder(after, after.tightest_lead, root, before.snoozed)]
    if before.state is after.state:
        return []
    return [
        NewMessage(
            id=f"{MessageKind.LINE}-{after.id}-{after.state}-{int(after.since.timestamp())}",
            shape=MessageKind.LINE,
            rank=LAST,
            members=(after.id,),
            facts={"state": after.state},
            root_id=root.id,
        )
    ]


def _reminder(episode: Episode, lead: timedelta, root: Parent, snoozed: UserAction | None) -> NewMessage:
    """What a person asked for who snoozed: said again, though nothing new has happened."""
    at = int(snoozed.at.timestamp()) if snoozed else 0
    return NewMessage(
        id=f"{MessageKind.LINE}-{episode.id}-reminder-{at}",
        shape=MessageKind.LINE,
        rank=priority(AccountStatus.EXPIRING),
        members=(episode.id,),
        facts={"kind": AlertKind.EXPIRING, "lead": int(lead.total_seconds()), "call": True},
        root_id=root.id,
        broadcast=True,
    )


def _has_notification(change: Change) -> bool:
    return any(event.how is Disposition.TOLD for event in change.news)


def _has_backlog(changes: Iterable[Change]) -> bool:
    return any(event.how is Disposition.BACKLOG for change in changes for event in change.news)
