"""Value types of alerting: the policy, account statuses, episodes with their states and events, changes.

An *episode* is one invitation of one account. Its transitions are in `lifecycle`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from bot.alerting.quiet_hours import QuietHours
from wechat_kf import Invitation, KfAccount

V = TypeVar("V")

NO_INVITATION = Invitation(invite_wx="", status="", expires_at=None)


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """The numbers of the alerting rules."""

    leads: tuple[timedelta, ...] = (timedelta(hours=24), timedelta(hours=6), timedelta(hours=1))
    same_deadline: timedelta = timedelta(seconds=120)  # WeChat may shift a deadline this much
    agreeing_polls: int = 2  # before an absence, or a return from expired, is accepted
    agreeing_empty_polls: int = 3  # before an empty list after a full one is accepted
    digest_above: int = 5  # events in one tick
    quiet: QuietHours | None = None

    @property
    def smallest_lead(self) -> timedelta:
        return min(self.leads)

    def quiet_lead(self, expires_at: datetime | None) -> timedelta | None:
        """Return the extra lead of a deadline inside quiet hours: its reminder is due when they begin.

        Return None if the smallest lead ends before they begin.
        """
        window = self.quiet.window_of(expires_at) if self.quiet and expires_at else None
        if window is None or expires_at is None or expires_at - window.begins <= self.smallest_lead:
            return None
        return expires_at - window.begins

    def expiring_until(self, now: datetime) -> datetime:
        """Return the latest deadline that counts as expiring now: a query compares deadlines with it."""
        until = now + max(self.leads)
        window = self.quiet.window_of(now) if self.quiet else None
        return max(until, window.ends - timedelta.resolution) if window else until

    def last_call(self, expires_at: datetime) -> datetime:
        """Return when the last reminder that is not held by quiet hours is due. No snooze ends after it."""
        return expires_at - (self.quiet_lead(expires_at) or self.smallest_lead)


class AccountStatus(StrEnum):
    """The status of a row of the account list at a moment. A row has exactly one, so counts add up."""

    EXPIRING = "expiring"  # waiting, within the largest lead; or the lead before quiet hours has passed
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # a status newer than this code
    WAITING = "waiting"
    IDLE = "idle"  # no user bound or invited
    BOUND = "bound"


PRIORITY = {
    AccountStatus.REJECTED: 2,
    AccountStatus.EXPIRED: 3,
    AccountStatus.EXPIRING: 4,  # 1 within the smallest lead: it can still be saved, and expires first
    AccountStatus.UNKNOWN: 5,
    AccountStatus.WAITING: 6,
    AccountStatus.IDLE: 7,
    AccountStatus.BOUND: 8,
}
NEEDS_ATTENTION = (
    AccountStatus.EXPIRING,
    AccountStatus.REJECTED,
    AccountStatus.EXPIRED,
    AccountStatus.UNKNOWN,
)  # in the order of `AccountStatus`


def priority(status: AccountStatus, *, urgent: bool = False) -> int:
    """Return the place in the order of rows, and of messages to send: the smallest comes first."""
    return 1 if status is AccountStatus.EXPIRING and urgent else PRIORITY[status]


def account_status(account: KfAccount, now: datetime, policy: AlertPolicy) -> AccountStatus:
    """Return the status of a row by the first rule that matches.

    A `waiting` row whose deadline has passed is expired: WeChat updates its status late.
    """
    invitation = account.invitation or NO_INVITATION
    if account.kf_wx:
        return AccountStatus.BOUND
    if invitation.status in (AccountStatus.REJECTED, AccountStatus.EXPIRED):
        return AccountStatus(invitation.status)
    if not invitation.status:
        return AccountStatus.IDLE
    if invitation.status != "waiting":
        return AccountStatus.UNKNOWN
    if invitation.expires_at is None:
        return AccountStatus.WAITING
    left = invitation.expires_at - now
    if left <= timedelta(0):
        return AccountStatus.EXPIRED
    lead = max(policy.leads)
    if left > lead:
        lead = policy.quiet_lead(invitation.expires_at) or lead
    return AccountStatus.EXPIRING if left <= lead else AccountStatus.WAITING


class EpisodeState(StrEnum):
    """The state of an episode: open, a problem, or closed."""

    WAITING = "waiting"
    REJECTED = "rejected"
    EXPIRED = "expired"
    BOUND = "bound"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    REMOVED = "removed"

    @property
    def closed(self) -> bool:
        return self not in (EpisodeState.WAITING, EpisodeState.REJECTED, EpisodeState.EXPIRED)


class AlertKind(StrEnum):
    """The kind of an event."""

    EXPIRING = "expiring"
    EXPIRED = "expired"
    REJECTED = "rejected"


class Disposition(StrEnum):
    """How an event was handled: notified, superseded by a smaller lead, or part of the first summary."""

    NOTIFIED = "told"
    SUPERSEDED = "superseded"
    BACKLOG = "backlog"


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """An event of one episode, emitted at most once. `lead` is zero unless `kind` is expiring."""

    kind: AlertKind
    lead: timedelta = timedelta(0)
    disposition: Disposition = Disposition.NOTIFIED

    @property
    def key(self) -> tuple[AlertKind, timedelta]:
        return self.kind, self.lead


@dataclass(frozen=True, slots=True)
class UserAction:
    """An acknowledgement or, with `until`, a snooze of an invitation by a Slack user."""

    user_id: str
    name: str  # as Slack sent it: foreign text
    at: datetime
    until: datetime | None = None
    batch: str = ""  # the message whose button acknowledged several at once


class OperationStage(StrEnum):
    """How far an operation on the account has come, as far as its alert shows it."""

    SENT = "sent"  # the request may have left; the alert does not change yet
    ACCEPTED = "accepted"  # WeChat answered yes
    UNSURE = "unsure"  # WeChat's answer was lost, and the list decides


@dataclass(frozen=True, slots=True)
class Operated:
    """The newest operation on the account that a person requested in Slack while its invitation was open.

    Once WeChat has accepted it, it ends the reminders of the invitation, as an acknowledgement does.
    """

    operation_id: str
    kind: str  # an `OperationKind`
    user_id: str
    name: str  # as Slack sent it: foreign text
    at: datetime
    invite_wx: str = ""  # of a new invitation
    stage: OperationStage = OperationStage.SENT


@dataclass(frozen=True, slots=True)
class Episode:
    """One invitation of one account, with everything that a message about it may show."""

    id: str
    account_key: str
    invite_wx: str
    expires_at: datetime | None
    state: EpisodeState
    first_seen: datetime
    state_since: datetime  # when the current state was noticed
    kf_account: str = ""
    kf_nick: str = ""
    kf_id: str = ""
    repetition: int = 0  # the number of earlier invitations of the same user with nearly the same deadline
    is_latest: bool = True  # the newest of its account
    pending_state: str = ""  # a state that polls suggest and that is not accepted yet
    confirmations: int = 0
    confirmed_at: datetime | None = None  # the last good poll, if timers changed it without a poll
    successor_wx: str = ""  # of REPLACED: the user invited now,
    successor_expires_at: datetime | None = None  # and until when
    successor_id: str = ""  # and the episode of that invitation
    acked: UserAction | None = None  # ends leads and mentions
    snoozed: UserAction | None = None  # postpones the larger leads
    operated: Operated | None = None  # ends leads and mentions once WeChat has accepted it
    events: tuple[AlertEvent, ...] = ()
    replaced_at: datetime | None = None  # not stored: set while it shows the outcome of its successor

    @property
    def closed(self) -> bool:
        """Check whether the episode is closed or was replaced, whatever the outcome of its successor."""
        return self.state.closed or self.replaced_at is not None

    @property
    def final(self) -> bool:
        """Check whether nothing that a message shows of the episode can change any more."""
        return self.state.closed and not (self.state is EpisodeState.REPLACED and self.replaced_at)

    @property
    def is_handled(self) -> bool:
        """Check whether a person has taken care of it: reminders end."""
        accepted = self.operated is not None and self.operated.stage is OperationStage.ACCEPTED
        return self.acked is not None or accepted

    def has_emitted(self, kind: AlertKind, lead: timedelta = timedelta(0)) -> bool:
        return any(event.key == (kind, lead) for event in self.events)

    def clear_pending(self) -> Episode:
        return replace_if_changed(self, pending_state="", confirmations=0)

    @property
    def tightest_lead(self) -> timedelta | None:
        """Return the smallest lead that has passed, notified or not."""
        return min((event.lead for event in self.events if event.kind is AlertKind.EXPIRING), default=None)


@dataclass(frozen=True, slots=True)
class Change:
    """An episode before (None: it is new) and after, with the new events."""

    before: Episode | None
    after: Episode
    new_events: tuple[AlertEvent, ...] = ()

    @classmethod
    def with_events(cls, before: Episode | None, after: Episode, events: tuple[AlertEvent, ...]) -> Change:
        """Make a change, and add its events to the episode, so that they are not emitted again."""
        return cls(before, replace_if_changed(after, events=after.events + events), events)


def with_successor(episode: Episode, successor: Episode) -> Episode:
    """Return a replaced episode as a message shows it: with the outcome of its newest successor.

    While the successor waits, the episode is "invited again". After that it has the successor's outcome, and keeps
    its own history.
    """
    if successor.state is EpisodeState.WAITING:
        return replace(
            episode,
            successor_wx=successor.invite_wx,
            successor_expires_at=successor.expires_at,
            replaced_at=episode.state_since,
        )
    return replace(
        episode,
        state=successor.state,
        state_since=successor.state_since,
        invite_wx=successor.invite_wx,
        expires_at=successor.expires_at,
        kf_nick=successor.kf_nick,
        kf_id=successor.kf_id,
        replaced_at=episode.state_since,
    )


def replace_if_changed(value: V, **fields: Any) -> V:
    """Return `dataclasses.replace`, or the same object if nothing changes, which is the common case in a poll."""
    for name, new in fields.items():
        if getattr(value, name) != new:
            return replace(value, **fields)  # type: ignore[type-var]  # every caller passes a dataclass
    return value


def episode_id(
    appid: str, account_key: str, invitation: Invitation, first_seen: datetime, repetition: int = 0
) -> str:
    """Return the id of an episode, short enough for button values. It is computed once, from the first deadline."""
    deadline = str(int(invitation.expires_at.timestamp())) if invitation.expires_at else ""
    again = [str(repetition)] if repetition else []
    parts = (appid, account_key, invitation.invite_wx, deadline, first_seen.isoformat(), *again)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
