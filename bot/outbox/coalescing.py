"""Decide whether a claimed message may be posted now, and merge pending messages that report the same events. Pure.

A group message (a digest, the summary of the first run or of quiet hours) shows the current state of its episodes
when it is posted, so it may cover other pending messages about them. These are linked to it, whichever was stored
first, and which of them is posted is decided when one is claimed. Attempts are counted, not times compared: the
clocks of two machines may differ.

The rows are read and written by `store.merge_pending`. Two conditions of posting are not here, because they choose
among the rows of the queue: its order, and that only messages with `breakthrough` are claimed in quiet hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.alerting.episode import Episode
from bot.alerting.incidents import Incident
from bot.alerting.quiet_hours import QuietHours
from bot.outbox.messages import (
    LAST_CALL,
    LATE,
    ROWS,
    MessageKind,
    MessageStatus,
    NewMessage,
    OutboxRow,
    is_relevant,
)

GROUPED = (MessageKind.DIGEST, MessageKind.FIRST_RUN, MessageKind.QUIET_SUMMARY)
LINK = "gathered"  # in the payload: the group message that may cover this one, and its attempts at that time
WAITS = "waits"  # in the payload: how often it was postponed because such a message was being posted
PAUSE = timedelta(seconds=5)  # the length of such a postponement
LONGEST_WAIT, LEASES = timedelta(minutes=1), 3  # the longest total wait is the longer of a minute and three leases


class Reason(StrEnum):
    """Why a message is dropped or postponed. The reason of a postponement is stored."""

    OBSOLETE = "no longer true"
    SHOWN_BY_PARENT = "shown by its parent"
    PARENT_LOST = "its parent is gone"
    MAYBE_COVERED = "another may have told it"
    QUIET_HOURS = "quiet hours"


@dataclass(frozen=True, slots=True)
class Send:
    """Decision: post the message."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Decision: drop the message. It is queued again if its episodes change."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class YieldTo:
    """Decision: leave the events to a group message. A thread reply is still posted, without mentions."""

    group: OutboxRow


@dataclass(frozen=True, slots=True)
class Postpone:
    """Decision: return the message to the queue, with some columns changed."""

    until: datetime
    reason: Reason
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PromoteToChannel:
    """Decision: queue a thread reply as a channel message, because it mentions people and its parent is gone."""


Withhold = Drop | YieldTo | Postpone | PromoteToChannel


@dataclass(frozen=True, slots=True)
class Rivals:
    """Other messages that may report the events of a claimed one."""

    linked: OutboxRow | None = None  # the group message that the claimed one is linked to
    groups: Sequence[OutboxRow] = ()  # unsent group messages with an episode in common


def decide(
    row: OutboxRow,
    episodes: Sequence[Episode],
    incident: Incident | None,
    parent: OutboxRow | None,
    rivals: Rivals,
    *,
    now: datetime,
    quiet: QuietHours | None,
    channel_id: str,
) -> Send | Withhold:
    """Decide whether a claimed message is posted now. The first reason against it counts."""
    in_quiet_hours = quiet is not None and quiet.covers(now)
    if reason := drop_reason(row, episodes, incident, parent):
        return Drop(reason)
    if rivals.linked and is_covered(row, rivals.linked, in_quiet_hours=in_quiet_hours):
        return YieldTo(rivals.linked)
    if should_postpone(row, rivals.groups, in_quiet_hours=in_quiet_hours):
        waits = {"payload": {**row.payload, WAITS: row.payload.get(WAITS, 0) + 1}}
        return Postpone(now + PAUSE, Reason.MAYBE_COVERED, waits)
    if ends := _end_of_quiet(row, quiet, now):
        return Postpone(ends, Reason.QUIET_HOURS, {"breakthrough": False})
    if parent and (parent.status is MessageStatus.DEAD or parent.is_deleted):
        return without_parent(row)
    if parent and row.broadcast and parent.channel_id != channel_id:
        return PromoteToChannel()  # a mention goes where alerts go now
    return Send()


def drop_reason(
    row: OutboxRow, episodes: Sequence[Episode], incident: Incident | None, parent: OutboxRow | None
) -> Reason | None:
    """Return the reason to drop a message, regardless of other pending messages, or None."""
    match row.kind:
        case MessageKind.INCIDENT:
            obsolete = incident is None or incident.resolved_at is not None
        case MessageKind.MEMBER_LIST:
            obsolete = parent is not None and len(parent.episode_ids) <= ROWS  # the digest itself shows them all
        case _:
            obsolete = not is_relevant(row.kind, row.payload, episodes)
    if obsolete:
        return Reason.OBSOLETE
    # A parent that was posted after this reply was stored has shown the event itself.
    if (
        row.kind in (MessageKind.REPLY, MessageKind.INCIDENT_REPLY)
        and parent
        and parent.status is MessageStatus.SENT
    ):
        known_attempts = int(row.payload.get("root_posts", parent.post_attempts))
        return Reason.SHOWN_BY_PARENT if parent.post_attempts > known_attempts else None
    return None


def is_covered(row: OutboxRow, group: OutboxRow, *, in_quiet_hours: bool) -> bool:
    """Check whether the linked group message is pending, or has had an attempt to post it since the link."""
    if group.status is MessageStatus.PENDING:
        return not group.was_rejected and _posts_as_soon(row, group, in_quiet_hours)
    return group.status is not MessageStatus.DEAD and group.post_attempts > row.payload[LINK]["posts"]


def may_be_postponed(row: OutboxRow) -> bool:
    """Check whether a message may wait for a group message: both mention people, for the same events."""
    return row.kind in (MessageKind.ALERT, MessageKind.DIGEST, MessageKind.QUIET_SUMMARY) or row.broadcast


def should_postpone(row: OutboxRow, groups: Iterable[OutboxRow], *, in_quiet_hours: bool) -> bool:
    """Check whether a group message with the same events is being posted: its outcome should be known first.

    If it was not posted, it is sent again with the state of its episodes at that time, including these events. A
    digest also waits for a pending summary of quiet hours, which merges it when it is claimed, unless Slack has
    refused one of them or quiet hours hold the summary longer.
    """
    if not may_be_postponed(row):
        return False
    waited = row.payload.get(WAITS, 0) * PAUSE  # not by the clock: no outcome is looked up while no process runs
    return any(
        group.id not in (row.id, row.parent_id)
        and _is_ahead(row, group, in_quiet_hours)
        and waited < _longest_wait(group)
        for group in groups
    )


def _is_ahead(row: OutboxRow, group: OutboxRow, in_quiet_hours: bool) -> bool:
    if group.status is MessageStatus.SENDING:
        return True
    if group.kind is not MessageKind.QUIET_SUMMARY or row.kind is not MessageKind.DIGEST:
        return False
    return not (group.was_rejected or row.was_rejected) and _posts_as_soon(row, group, in_quiet_hours)


def _posts_as_soon(row: OutboxRow, group: OutboxRow, in_quiet_hours: bool) -> bool:
    """Check that a message allowed in quiet hours is not left to one that is held until they end."""
    return not in_quiet_hours or group.breakthrough or not row.breakthrough


def _longest_wait(group: OutboxRow) -> timedelta:
    """Return the longest total wait. Both lookups are over by then, unless Slack rejects them."""
    if group.started_at is None or group.posting_lease_until is None:
        return LONGEST_WAIT
    return max(LONGEST_WAIT, LEASES * (group.posting_lease_until - group.started_at))


def _end_of_quiet(row: OutboxRow, quiet: QuietHours | None, now: datetime) -> datetime | None:
    """Return the end of quiet hours if a reminder meant for their start is too late to post; None if it is not."""
    window = quiet.window_of(now) if quiet else None
    if (
        quiet is None
        or window is None
        or row.of_several  # the other accounts may have no quiet hours now
        or row.kind not in (MessageKind.ALERT, MessageKind.DIGEST, MessageKind.REPLY)
    ):
        return None
    answers_person = not {"deed", "operation"}.isdisjoint(row.payload)  # who is awake
    breaks_through = answers_person or (quiet.breakthrough and row.base_priority == LAST_CALL)
    return None if breaks_through or now - window.begins <= LATE else window.ends


def without_parent(row: OutboxRow) -> Drop | PromoteToChannel:
    """Decide what to do with a thread reply whose parent was dropped, deleted or made inaccessible."""
    stands_alone = row.broadcast or "operation" in row.payload
    return PromoteToChannel() if stands_alone else Drop(Reason.PARENT_LOST)


def as_channel_message(reply: OutboxRow) -> dict[str, Any]:
    """Return the columns that make a thread reply a message of the channel, whose words name the account.

    In the channel, quiet hours hold the report of an operation; in a thread they do not.
    """
    columns: dict[str, Any] = {"parent_id": None, "broadcast": False}
    if "operation" in reply.payload:
        return columns | {"kind": MessageKind.OPERATION, "breakthrough": False}
    return columns | {"kind": MessageKind.ALERT}


def link_to(row: OutboxRow, group_id: str, posts: int) -> dict[str, Any]:
    """Return the payload that marks a message as covered if the group is posted at a later attempt than `posts`."""
    return {**row.payload, LINK: {"root": group_id, "posts": posts}}


def taken_over(group: OutboxRow, row: OutboxRow, now: datetime) -> dict[str, Any]:
    """Return the changed columns of a group message when a message yields to it: it becomes as urgent."""
    columns: dict[str, Any] = {}
    if group.status in (MessageStatus.PENDING, MessageStatus.SENDING):
        columns["priority"] = _raised(group, row.base_priority)
    if group.status is MessageStatus.PENDING:
        columns |= {"event_keys": union(group.event_keys, row.event_keys), "not_before": now}
    return columns


def merged(row: OutboxRow, other: OutboxRow, reported: Iterable[tuple[str, str]]) -> OutboxRow:
    """Return a digest, or the summary of quiet hours, with the episodes, events and payload of another digest.

    Of a payload key that both have, the value of `row` is kept.

    Args:
        reported: episode id and kind of each event of the other; a summary shows them with those of quiet hours.
    """
    payload = {name: value for name, value in other.payload.items() if name not in (LINK, WAITS)} | row.payload
    if row.kind is MessageKind.QUIET_SUMMARY:
        held = {episode_id: list(kinds) for episode_id, kinds in row.payload["held"].items()}
        for episode_id, kind in reported:
            held[episode_id] = [kind, *held.get(episode_id, ())]  # it was noticed earlier
        payload["held"] = held
    return replace(
        row,
        priority=min(row.priority, other.priority),
        episode_ids=tuple(union(row.episode_ids, other.episode_ids)),
        event_keys=tuple(union(row.event_keys, other.event_keys)),
        payload=payload,
        breakthrough=row.breakthrough or other.breakthrough,
    )


def episodes_left_to_list(reply: OutboxRow, row: OutboxRow) -> list[str]:
    """Return the episodes that a reply of a merged digest still has to list in the thread of `row`.

    A digest lists its own episodes there already. The summary of quiet hours has no replies with a list.
    """
    if row.kind is MessageKind.QUIET_SUMMARY:
        return []
    return [episode_id for episode_id in reply.episode_ids if episode_id not in row.episode_ids]


def extended(summary: OutboxRow, new: NewMessage, events: Iterable[str]) -> dict[str, Any]:
    """Return the changed columns of a pending summary of quiet hours that gets more events."""
    held = {**summary.payload["held"]}
    for episode_id, kinds in new.payload["held"].items():
        held[episode_id] = [*held.get(episode_id, ()), *kinds]
    return {
        "episode_ids": union(summary.episode_ids, new.episode_ids),
        "event_keys": [*summary.event_keys, *events],
        "payload": {**summary.payload, "held": held},
        "priority": min(summary.priority, new.priority),
        "is_final": False,
    }


def brought_forward(parent: OutboxRow, reply: NewMessage, events: Iterable[str], now: datetime) -> dict[str, Any]:
    """Return the changed columns of an unsent parent that gets a reply.

    The reply can only be posted after its parent, so the parent gets its priority, and breaks through quiet hours
    if the reply does. The parent shows the events of the reply, too, so it carries their keys.
    """
    columns: dict[str, Any] = {
        "priority": _raised(parent, reply.priority),
        "event_keys": [*parent.event_keys, *events],
    }
    if reply.priority == LAST_CALL and parent.post_attempts == 0 and parent.error is None:
        columns["not_before"] = now  # it waits for other messages of the channel no longer
    return columns | ({"breakthrough": True} if reply.breakthrough else {})


def _raised(row: OutboxRow, priority: int) -> int:
    """Return the priority of a message that becomes as urgent as another. One that Slack refused stays demoted."""
    return row.priority - row.base_priority + min(row.base_priority, priority)


def union(first: Iterable[str], other: Iterable[str]) -> list[str]:
    """Return the values of both, each once, in their order."""
    return list(dict.fromkeys([*first, *other]))
