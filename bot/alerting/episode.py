"""What there is to know of an invitation: how a row reads, an episode, its states, its events. Values only.

An *episode* is one invitation of one seat. How it moves is the business of `invitations`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
    """Every number of the rules, in one place."""

    leads: tuple[timedelta, ...] = (timedelta(hours=24), timedelta(hours=6), timedelta(hours=1))
    same_deadline: timedelta = timedelta(seconds=120)  # WeChat may shift a deadline this much
    agreeing_reads: int = 2  # before an absence, or a return from expired, is believed
    agreeing_empty_reads: int = 3  # before an empty list after a full one is believed
    digest_above: int = 5  # events in one tick
    quiet: QuietHours | None = None

    @property
    def smallest_lead(self) -> timedelta:
        return min(self.leads)

    def quiet_lead(self, expires_at: datetime | None) -> timedelta | None:
        """The extra lead of a deadline inside quiet hours: from their beginning, while people still read.

        None when the smallest lead comes before them anyway.
        """
        window = self.quiet.window_of(expires_at) if self.quiet and expires_at else None
        if window is None or expires_at is None or expires_at - window.begins <= self.smallest_lead:
            return None
        return expires_at - window.begins

    def last_call(self, expires_at: datetime) -> datetime:
        """When the last reminder that people hear is due. Nothing is postponed beyond it."""
        return expires_at - (self.quiet_lead(expires_at) or self.smallest_lead)


class AccountStatus(StrEnum):
    """What one row of the list says of its account, at a moment. Disjoint, so counts add up."""

    EXPIRING = "expiring"  # waiting, within the largest lead
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # a status word that is newer than this code
    WAITING = "waiting"
    IDLE = "idle"  # nobody bound, nobody invited
    BOUND = "bound"


PRIORITY = {
    AccountStatus.REJECTED: 2,
    AccountStatus.EXPIRED: 3,
    AccountStatus.EXPIRING: 4,  # 1 within the smallest lead: first what can still be saved in the hour
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
)  # in the order of `Seen`


def priority(what: AccountStatus, *, urgent: bool = False) -> int:
    """The place in any order, of rows and of sending alike: smaller is sooner."""
    return 1 if what is AccountStatus.EXPIRING and urgent else PRIORITY[what]


def account_status(account: KfAccount, now: datetime, leads: Sequence[timedelta]) -> AccountStatus:
    """Read one row; the first rule that fits wins.

    A `waiting` row whose deadline has passed is expired: WeChat relabels it late.
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
    return AccountStatus.EXPIRING if left <= max(leads) else AccountStatus.WAITING


class EpisodeState(StrEnum):
    """Where an episode stands: open, a problem, or closed."""

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
    """What an event tells."""

    EXPIRING = "expiring"
    EXPIRED = "expired"
    REJECTED = "rejected"


class Disposition(StrEnum):
    """What became of an event: told by itself, passed over for a tighter lead, or part of the first summary."""

    TOLD = "told"
    SUPERSEDED = "superseded"
    BACKLOG = "backlog"


@dataclass(frozen=True, slots=True)
class AlertEvent:
    """A piece of news about one episode, emitted once for ever. `lead` is zero unless `kind` is expiring."""

    kind: AlertKind
    lead: timedelta = timedelta(0)
    how: Disposition = Disposition.TOLD

    @property
    def key(self) -> tuple[AlertKind, timedelta]:
        return self.kind, self.lead


@dataclass(frozen=True, slots=True)
class UserAction:
    """A person who took an invitation in hand: acknowledged it, or snoozed it `until` a moment."""

    user_id: str
    name: str  # as Slack sent it: foreign text
    at: datetime
    until: datetime | None = None
    batch: str = ""  # the message whose button took many in hand at once


@dataclass(frozen=True, slots=True)
class Episode:
    """One invitation of one seat, with all that a message about it may show."""

    id: str
    seat: str
    invite_wx: str
    expires_at: datetime | None
    state: EpisodeState
    first_seen: datetime
    since: datetime  # when the present state was noticed
    kf_account: str = ""
    kf_nick: str = ""
    kf_id: str = ""
    repetition: int = 0  # how many invitations of the same person with nearly the same deadline came before
    latest: bool = True  # the seat's newest; the others are only remembered
    doubt: str = ""  # a state that reads suggest and that is not yet believed
    doubt_reads: int = 0
    confirmed_at: datetime | None = None  # set while the clock alone spoke: the last good read before it
    next_wx: str = ""  # of REPLACED: who is invited now,
    next_expires_at: datetime | None = None  # and until when
    successor_id: str = ""  # and the episode of that invitation
    acked: UserAction | None = None  # ends leads and mentions
    snoozed: UserAction | None = None  # postpones the looser leads
    told: tuple[AlertEvent, ...] = ()
    replaced_at: datetime | None = None  # not stored: set while it shows the outcome of its successor

    @property
    def closed(self) -> bool:
        """Whether it is over, whatever the outcome of the invitation that replaced it."""
        return self.state.closed or self.replaced_at is not None

    @property
    def final(self) -> bool:
        """Whether nothing that a message shows of it will change again."""
        return self.state.closed and not (self.state is EpisodeState.REPLACED and self.replaced_at)

    def has_told(self, kind: AlertKind, lead: timedelta = timedelta(0)) -> bool:
        return any(event.key == (kind, lead) for event in self.told)

    def without_doubt(self) -> Episode:
        return replace_if_changed(self, doubt="", doubt_reads=0)

    @property
    def tightest_lead(self) -> timedelta | None:
        """The smallest lead that has passed, told or not."""
        return min((event.lead for event in self.told if event.kind is AlertKind.EXPIRING), default=None)


@dataclass(frozen=True, slots=True)
class Change:
    """An episode as it was (None: just made) and as it is, with the events that are new."""

    before: Episode | None
    after: Episode
    news: tuple[AlertEvent, ...] = ()

    @classmethod
    def telling(cls, before: Episode | None, after: Episode, news: tuple[AlertEvent, ...]) -> Change:
        """A change whose news are noted in the episode, so that they are never news again."""
        return cls(before, replace_if_changed(after, told=after.told + news), news)


def with_successor(episode: Episode, successor: Episode) -> Episode:
    """Return a replaced episode as a message shows it: with the outcome of its newest successor.

    While that one waits it is "invited again". Then it has the successor's outcome, and keeps its own history.
    """
    if successor.state is EpisodeState.WAITING:
        return replace(
            episode,
            next_wx=successor.invite_wx,
            next_expires_at=successor.expires_at,
            replaced_at=episode.since,
        )
    return replace(
        episode,
        state=successor.state,
        since=successor.since,
        invite_wx=successor.invite_wx,
        expires_at=successor.expires_at,
        kf_nick=successor.kf_nick,
        kf_id=successor.kf_id,
        replaced_at=episode.since,
    )


def replace_if_changed(value: V, **parts: Any) -> V:
    """The value with these parts: itself when it has them already, as most have in most looks."""
    for name, part in parts.items():
        if getattr(value, name) != part:
            return replace(value, **parts)  # type: ignore[type-var]  # all of ours are dataclasses
    return value


def episode_id(appid: str, seat: str, invitation: Invitation, first_seen: datetime, repetition: int = 0) -> str:
    """The short name of an episode in button values. It stays when the deadline moves a little."""
    deadline = str(int(invitation.expires_at.timestamp())) if invitation.expires_at else ""
    again = [str(repetition)] if repetition else []
    parts = (appid, seat, invitation.invite_wx, deadline, first_seen.isoformat(), *again)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
