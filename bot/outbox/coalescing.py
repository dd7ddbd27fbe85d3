"""Decide whether a claimed message may be posted now, and join pending messages that show the same news. Pure.

A group message (a digest, the summary of the first run or of quiet hours) shows its members as they are when it is
posted, so it may cover other pending messages about them. The message stored second is linked to the other, and
which of them is posted is decided when one is claimed. Attempts are counted, not times compared: the clocks of two
machines may differ.

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
from bot.outbox.messages import LATE, ROWS, MessageKind, MessageStatus, NewMessage, OutboxRow, is_relevant

GROUPED = (MessageKind.DIGEST, MessageKind.FIRST_RUN, MessageKind.QUIET)
LINK = "gathered"  # in the facts: the group message that covers this one, and its attempts when that was noted
WAITS = "waits"  # in the facts: how often it was postponed because such a message was being posted
PAUSE = timedelta(seconds=5)  # between these
PATIENCE, LEASES = timedelta(minutes=1), 3  # the longer of a minute and three leases is waited at most


class Reason(StrEnum):
    """Why a message is dropped or postponed. Those of a postponement are stored."""

    OBSOLETE = "no longer true"
    SHOWN_BY_PARENT = "shown by its parent"
    PARENT_LOST = "its parent is gone"
    MAYBE_COVERED = "another may have told it"
    QUIET_HOURS = "quiet hours"


@dataclass(frozen=True, slots=True)
class Send:
    """Post it."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Give it up. It is queued again if its episodes change."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class YieldTo:
    """Leave its news to a group message. A thread reply is still posted, without mentioning anyone."""

    group: OutboxRow


@dataclass(frozen=True, slots=True)
class Postpone:
    """Put it back into the queue with some columns changed."""

    until: datetime
    reason: Reason
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PromoteToChannel:
    """Queue a thread reply as a message of its own, because it mentions people and its parent is gone."""


Withhold = Drop | YieldTo | Postpone | PromoteToChannel


@dataclass(frozen=True, slots=True)
class Rivals:
    """Other messages that may show the news of a claimed one."""

    linked: OutboxRow | None = None  # the group message that it is linked to
    groups: Sequence[OutboxRow] = ()  # unsent group messages with a member in common


def decide(
    row: OutboxRow,
    members: Sequence[Episode],
    incident: Incident | None,
    parent: OutboxRow | None,
    rivals: Rivals,
    *,
    now: datetime,
    quiet: QuietHours | None,
    channel_id: str,
) -> Send | Withhold:
    """Decide whether a claimed message is posted now. The first reason against it counts."""
    at_night = quiet is not None and quiet.covers(now)
    if reason := drop_reason(row, members, incident, parent):
        return Drop(reason)
    if rivals.linked and is_covered(row, rivals.linked, at_night=at_night):
        return YieldTo(rivals.linked)
    if should_postpone(row, rivals.groups, at_night=at_night):
        waits = {"facts": {**row.facts, WAITS: row.facts.get(WAITS, 0) + 1}}
        return Postpone(now + PAUSE, Reason.MAYBE_COVERED, waits)
    if ends := _end_of_quiet(row, quiet, now):
        return Postpone(ends, Reason.QUIET_HOURS, {"breakthrough": False})
    if parent and (parent.status is MessageStatus.DEAD or parent.gone or parent.channel_id != channel_id):
        return without_parent(row)
    return Send()


def drop_reason(
    row: OutboxRow, members: Sequence[Episode], incident: Incident | None, parent: OutboxRow | None
) -> Reason | None:
    """Return why a message is dropped, whatever else is pending; None if it is not."""
    match row.shape:
        case MessageKind.HEALTH:
            obsolete = incident is None or incident.over_at is not None
        case MessageKind.NAMES:
            obsolete = parent is not None and len(parent.members) <= ROWS  # the digest itself shows them all
        case _:
            obsolete = not is_relevant(row.shape, row.facts, members)
    if obsolete:
        return Reason.OBSOLETE
    # A parent that was posted after this reply was stored has shown the news itself.
    if row.shape in (MessageKind.LINE, MessageKind.NOTE) and parent and parent.status is MessageStatus.SENT:
        noted = int(row.facts.get("root_posts", parent.posts))
        return Reason.SHOWN_BY_PARENT if parent.posts > noted else None
    return None


def is_covered(row: OutboxRow, group: OutboxRow, *, at_night: bool) -> bool:
    """Check whether the linked group message is pending, or was posted after the link: then it shows the news."""
    if group.status is MessageStatus.PENDING:
        return not group.is_suspect and _posts_as_soon(row, group, at_night)
    return group.status is not MessageStatus.DEAD and group.posts > row.facts[LINK]["posts"]


def may_be_postponed(row: OutboxRow) -> bool:
    """Check whether a message mentions people, so that a group message with the same news would repeat it."""
    return row.shape in (MessageKind.PROBLEM, MessageKind.DIGEST, MessageKind.QUIET) or row.broadcast


def should_postpone(row: OutboxRow, groups: Iterable[OutboxRow], *, at_night: bool) -> bool:
    """Check whether a group message with the same news is being posted, so that its outcome should be known first.

    If it was not posted, it is sent again and shows its members as they are by then, including this news. A digest
    also waits for a pending summary of quiet hours, which merges it when it is claimed.
    """
    if not may_be_postponed(row):
        return False
    waited = row.facts.get(WAITS, 0) * PAUSE  # not by the clock: nothing is looked up while no process runs
    return any(
        group.id not in (row.id, row.root_id) and _is_ahead(row, group, at_night) and waited < _patience(group)
        for group in groups
    )


def _is_ahead(row: OutboxRow, group: OutboxRow, at_night: bool) -> bool:
    if group.status is MessageStatus.SENDING:
        return True
    if group.shape is not MessageKind.QUIET or row.shape is not MessageKind.DIGEST:
        return False
    return not (group.is_suspect or row.is_suspect) and _posts_as_soon(row, group, at_night)


def _posts_as_soon(row: OutboxRow, group: OutboxRow, at_night: bool) -> bool:
    """Check that a message allowed in quiet hours is not left to one that is held until they end."""
    return not at_night or group.breakthrough or not row.breakthrough


def _patience(group: OutboxRow) -> timedelta:
    """Return how long to wait: both lookups are over by then, unless Slack does not allow them."""
    if group.started_at is None or group.lookable_from is None:
        return PATIENCE
    return max(PATIENCE, LEASES * (group.lookable_from - group.started_at))


def _end_of_quiet(row: OutboxRow, quiet: QuietHours | None, now: datetime) -> datetime | None:
    """Return the end of quiet hours if a reminder meant for their start is too late to post; None if it is not."""
    window = quiet.window_of(now) if quiet else None
    if (
        quiet is None
        or window is None
        or row.shape not in (MessageKind.PROBLEM, MessageKind.DIGEST, MessageKind.LINE)
    ):
        return None
    awake = "deed" in row.facts or (quiet.breakthrough and row.own_rank == 1)
    return None if awake or now - window.begins <= LATE else window.ends


def without_parent(row: OutboxRow) -> Drop | PromoteToChannel:
    """Decide what a thread reply becomes when its parent was given up or deleted, or is in another channel."""
    return PromoteToChannel() if row.broadcast else Drop(Reason.PARENT_LOST)


def link_to(row: OutboxRow, group_id: str, posts: int) -> dict[str, Any]:
    """Return the facts of a message that a group message covers if it is posted at a later attempt than `posts`."""
    return {**row.facts, LINK: {"root": group_id, "posts": posts}}


def taken_over(group: OutboxRow, row: OutboxRow, now: datetime) -> dict[str, Any]:
    """Return the columns of a group message that change when a message yields to it: it becomes as urgent."""
    columns: dict[str, Any] = {}
    if group.status in (MessageStatus.PENDING, MessageStatus.SENDING):
        columns["rank"] = group.rank - group.own_rank + min(group.own_rank, row.own_rank)
    if group.status is MessageStatus.PENDING:
        columns |= {"events": _union(group.events, row.events), "not_before": now}
    return columns


def merged(row: OutboxRow, other: OutboxRow, reported: Iterable[tuple[str, str]]) -> OutboxRow:
    """Return a digest, or the summary of quiet hours, with the members, events and facts of another digest.

    Args:
        reported: episode id and kind of each event of the other; a summary shows them with those of quiet hours.
    """
    facts = {name: value for name, value in other.facts.items() if name not in (LINK, WAITS)} | row.facts
    if row.shape is MessageKind.QUIET:
        held = {member: list(kinds) for member, kinds in row.facts["held"].items()}
        for episode_id, kind in reported:
            held[episode_id] = [kind, *held.get(episode_id, ())]  # it had come before
        facts["held"] = held
    return replace(
        row,
        rank=min(row.rank, other.rank),
        members=tuple(_union(row.members, other.members)),
        events=tuple(_union(row.events, other.events)),
        facts=facts,
        breakthrough=row.breakthrough or other.breakthrough,
    )


def names_left(names: OutboxRow, row: OutboxRow) -> list[str]:
    """Return the members that a reply of a merged digest still has to name in the thread of `row`.

    A digest names its own members there already. The summary of quiet hours has no replies with names.
    """
    named = names.members if row.shape is MessageKind.QUIET else row.members
    return [member for member in names.members if member not in named]


def extended(summary: OutboxRow, draft: NewMessage, events: Iterable[str]) -> dict[str, Any]:
    """Return the columns of a pending summary of quiet hours that change when there is more news for it."""
    held = {**summary.facts["held"]}
    for member, kinds in draft.facts["held"].items():
        held[member] = [*held.get(member, ()), *kinds]
    return {
        "members": _union(summary.members, draft.members),
        "events": [*summary.events, *events],
        "facts": {**summary.facts, "held": held},
        "rank": min(summary.rank, draft.rank),
        "settled": False,
    }


def brought_forward(parent: OutboxRow, reply: NewMessage, events: Iterable[str]) -> dict[str, Any]:
    """Return the columns of an unsent parent that change when it gets a reply.

    The reply can only be posted after its parent, so the parent becomes as urgent and as loud. The parent shows the
    news of the reply, too, so it carries its event keys.
    """
    columns: dict[str, Any] = {"rank": min(parent.rank, reply.rank), "events": [*parent.events, *events]}
    return columns | ({"breakthrough": True} if reply.breakthrough else {})


def _union(one: Iterable[str], other: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*one, *other]))
