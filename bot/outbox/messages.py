"""The shapes of what is written down to be told. Values only.

A *root* stands in the channel and is a view of its members: it is rendered anew when they change. A thread
message is a line of history, or one more ping when it is broadcast. Words are the business of `blocks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.alerting.episode import AccountStatus, AlertEvent, AlertKind, Episode, EpisodeState

LAST = 9  # history that pings nobody goes out when nothing else waits
LATE = timedelta(minutes=15)  # the reminder before quiet hours may come into them by this much
URGENT = 3  # up to this rank a message is repeated rather than lost
DEMOTED = 10  # added to the rank of a message that Slack refused: beyond every other
ROWS = 10  # members that a group message shows as rows; a digest of more names them in its thread


class MessageKind(StrEnum):
    """What a message is: five kinds of root, then three of thread message."""

    PROBLEM = "problem"
    DIGEST = "digest"
    FIRST_RUN = "first_run"
    QUIET = "quiet"  # what came while the channel was left alone
    HEALTH = "health"
    LINE = "line"  # of a problem's thread, or of a digest's when a person acts on it
    NAMES = "names"
    NOTE = "note"  # of a health notice's thread


class MessageStatus(StrEnum):
    """Where a message row is. A `sending` row whose lease ran out is the unknown outcome."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"


class DropReason(StrEnum):
    """Why a message was given up."""

    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    UNTRUE = "no longer true"
    TOLD = "told by another"
    FAILED = "failed"  # it could not be rendered, or the database refuses what it needs


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to write down. `facts` is JSON: what a rendering needs beside the members' present state."""

    id: str
    shape: MessageKind
    rank: int
    members: tuple[str, ...] = ()  # episode ids
    tells: tuple[tuple[str, AlertEvent], ...] = ()  # (episode id, event): told by this message, for ever
    facts: Mapping[str, Any] = field(default_factory=dict)
    root_id: str | None = None
    broadcast: bool = False
    breakthrough: bool = False  # goes out in quiet hours, too


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A stored message. `attempt` is a fencing token: a process that claims it later has a higher one."""

    id: str
    shape: MessageKind
    rank: int
    members: tuple[str, ...]
    events: tuple[str, ...]
    facts: dict[str, Any]
    root_id: str | None
    broadcast: bool
    breakthrough: bool
    status: MessageStatus
    attempt: int
    posts: int  # attempts to post; the other attempts were lookups
    started_at: datetime | None  # of the newest attempt to post
    looks: int
    lookable_from: datetime | None
    channel_id: str | None
    ts: str | None
    text_only: bool
    applied_hash: str | None
    gone: bool
    error: str | None  # Slack's last error; of a sent message: why it cannot be updated

    @property
    def own_rank(self) -> int:
        """Its rank before Slack refused it."""
        return self.rank % DEMOTED

    @property
    def is_suspect(self) -> bool:
        """Slack has refused it: no other message should depend on it."""
        return self.rank >= DEMOTED or self.text_only


@dataclass(frozen=True, slots=True)
class Parent:
    """The message that tells an episode at present. `gone`: a person deleted it."""

    id: str
    shape: MessageKind
    gone: bool = False


@dataclass(frozen=True, slots=True)
class InitialSnapshot:
    """The first read ever: how many accounts there are, and how many in each state."""

    total: int
    counts: Mapping[AccountStatus, int]


def is_relevant(shape: MessageKind, facts: Mapping[str, Any], members: Sequence[Episode]) -> bool:
    """Whether a message that waited still says something that holds of its members."""
    match shape:
        case MessageKind.LINE if facts.get("kind") == AlertKind.EXPIRING:
            return any(_may_remind(member, timedelta(seconds=facts["lead"])) for member in members)
        case MessageKind.LINE if "kind" in facts:
            # A problem that has become the other one still has to be told; the line shows what it is now.
            return any(
                member.state in (EpisodeState.EXPIRED, EpisodeState.REJECTED) and not member.closed
                for member in members
            )
        case MessageKind.PROBLEM:
            return any(not member.closed and not _in_hand(member) for member in members)
        case MessageKind.DIGEST | MessageKind.FIRST_RUN:
            return any(not member.closed for member in members)
        case MessageKind.QUIET:
            return any(not _is_left_alone(member) for member in members)
    return True


def _may_remind(member: Episode, lead: timedelta) -> bool:
    """Whether a reminder that waited is still one: nobody has stopped it, and no tighter one has come."""
    tightest = member.tightest_lead
    return (
        member.state is EpisodeState.WAITING
        and not _is_left_alone(member)
        and (tightest is None or lead <= tightest)
    )


def _is_left_alone(member: Episode) -> bool:
    """Whether a person wants no reminder of an invitation, for ever or for now."""
    return member.state is EpisodeState.WAITING and (member.acked is not None or member.snoozed is not None)


def _in_hand(member: Episode) -> bool:
    """Whether somebody has stopped the reminders of an invitation."""
    return member.state is EpisodeState.WAITING and member.acked is not None
