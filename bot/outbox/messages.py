"""Value types of the outbox: kinds and states of messages, new messages, stored rows. Values only.

A *parent* message is in the channel and shows the current state of its episodes: it is edited when they change. A
thread reply records one event, or mentions people again if it is broadcast. `blocks` renders the text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.alerting.episode import AccountStatus, AlertEvent, AlertKind, Episode, EpisodeState

LAST_CALL = 1  # the priority of the last reminder before a deadline
LAST = 9  # history without mentions is sent after everything else
LATE = timedelta(minutes=15)  # how long after the start of quiet hours the reminder before them may still be posted
URGENT = 3  # a message of this priority or a smaller one is repeated rather than lost
DEMOTED = 10  # added to the priority of a message that Slack refused: it comes after all others
SEVERAL = "several"  # in the payload: the message is about several Official Accounts of its channel
COMMON = "common"  # in the payload: it is about accounts of any channel, and stays in the one it was recorded for
ROWS = 10  # episodes that a group message shows as rows; a digest of more lists them in its thread


class MessageKind(StrEnum):
    """The kind of a message: seven in the channel, then three of thread replies."""

    ALERT = "problem"
    DIGEST = "digest"
    FIRST_RUN = "first_run"
    QUIET_SUMMARY = "quiet"  # the events that quiet hours held
    INCIDENT = "health"
    OPERATION = "operation"  # what an operator did to an account without an alert; it is never edited
    NOTICE = "notice"  # in the default channel: another channel takes no messages; it is never edited
    REPLY = "line"  # in the thread of an alert, or of a digest after a user action
    MEMBER_LIST = "names"
    INCIDENT_REPLY = "note"  # in the thread of an incident


class MessageStatus(StrEnum):
    """The status of a message row. A `sending` row with an expired lease has an unknown outcome."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    DEAD = "dead"


class DropReason(StrEnum):
    """Why a message is not sent."""

    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"
    OBSOLETE = "no longer true"
    MERGED = "told by another"
    FAILED = "failed"  # it could not be rendered, or the database refuses its values


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to store. `payload` is JSON: the values to render beside the current state of the episodes."""

    id: str
    kind: MessageKind
    priority: int
    episode_ids: tuple[str, ...] = ()
    events: tuple[tuple[str, AlertEvent], ...] = ()  # (episode id, event): this message reports it
    payload: Mapping[str, Any] = field(default_factory=dict)
    parent_id: str | None = None
    broadcast: bool = False
    breakthrough: bool = False  # may be posted in quiet hours


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A stored message. `attempt` is a fencing token: a process that claims it later has a higher one."""

    id: str
    appid: str
    kind: MessageKind
    priority: int
    episode_ids: tuple[str, ...]
    event_keys: tuple[str, ...]
    payload: dict[str, Any]
    parent_id: str | None
    broadcast: bool
    breakthrough: bool
    status: MessageStatus
    attempt: int
    post_attempts: int  # attempts to post; the other attempts were lookups
    started_at: datetime | None  # of the newest attempt to post
    failed_lookups: int
    posting_lease_until: datetime | None
    target: str  # the channel that it is meant for; "" if an earlier release recorded it
    channel_id: str | None
    ts: str | None
    text_only: bool
    applied_hash: str | None
    is_deleted: bool
    error: str | None  # Slack's last error; of a sent message: why it cannot be updated

    @property
    def of_several(self) -> bool:
        """Check whether it is about several Official Accounts that share its channel."""
        return SEVERAL in self.payload

    @property
    def base_priority(self) -> int:
        """Return the priority before Slack refused the message."""
        return self.priority % DEMOTED

    @property
    def was_rejected(self) -> bool:
        """Check whether Slack has refused the message, so that no other message should depend on it."""
        return self.priority >= DEMOTED or self.text_only


@dataclass(frozen=True, slots=True)
class Parent:
    """The parent message that shows an episode. `is_deleted`: a user deleted it."""

    id: str
    kind: MessageKind
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class InitialSnapshot:
    """The result of the first poll: the number of accounts, and of those with each status."""

    total: int
    counts: Mapping[AccountStatus, int]
    appid: str = ""  # if other Official Accounts share the channel, whose first runs are one message


def is_relevant(kind: MessageKind, payload: Mapping[str, Any], episodes: Sequence[Episode]) -> bool:
    """Check whether a pending message is still true of at least one of its episodes."""
    match kind:
        case MessageKind.REPLY if payload.get("kind") == AlertKind.EXPIRING:
            return any(_is_reminder_due(episode, timedelta(seconds=payload["lead"])) for episode in episodes)
        case MessageKind.REPLY if "kind" in payload:
            # A rejected invitation that expires is still a problem; the reply shows the current state.
            return any(
                episode.state in (EpisodeState.EXPIRED, EpisodeState.REJECTED) and not episode.closed
                for episode in episodes
            )
        case MessageKind.ALERT:
            return any(
                not episode.closed and (not episode.is_handled or episode.state is not EpisodeState.WAITING)
                for episode in episodes
            )
        case MessageKind.DIGEST | MessageKind.FIRST_RUN:
            return any(not episode.closed for episode in episodes)
        case MessageKind.QUIET_SUMMARY:
            return any(not _has_owner(episode) for episode in episodes)
    return True


def _is_reminder_due(episode: Episode, lead: timedelta) -> bool:
    """Check whether a pending reminder still applies: no user stopped it, and no smaller lead has passed."""
    tightest = episode.tightest_lead
    return (
        episode.state is EpisodeState.WAITING and not _has_owner(episode) and (tightest is None or lead <= tightest)
    )


def _has_owner(episode: Episode) -> bool:
    """Check whether a user acknowledged or snoozed a waiting invitation, or replaced it by an operation."""
    return episode.state is EpisodeState.WAITING and (episode.is_handled or episode.snoozed is not None)
