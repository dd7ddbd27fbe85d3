"""The rules of a binding invitation: which state follows, and what of it is news. Pure.

`observe` feeds episodes a read of the list and gives back what changed, with the events that are new. What the
clock alone says is in `deadlines`. Nothing here knows of messages, rows or Slack.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.alerting.deadlines import apply_timers, elapsed_leads, has_passed
from bot.alerting.episode import (
    NO_INVITATION,
    AccountStatus,
    AlertEvent,
    AlertKind,
    AlertPolicy,
    Change,
    Disposition,
    Episode,
    EpisodeState,
    account_status,
    episode_id,
    replace_if_changed,
)
from wechat_kf import Invitation, KfAccount


def observe(
    known: Iterable[Episode],
    accounts: Iterable[KfAccount],
    now: datetime,
    policy: AlertPolicy,
    *,
    appid: str = "",
    complete: bool = True,
    reads: int = 1,
    first_run: bool = False,
) -> list[Change]:
    """Feed one good read of the list, and the clock, to the episodes of its seats.

    Args:
        known: the latest episode of each seat, and those earlier ones whose invitation is listed again.
        complete: False when a row could not be read; then no absence is believed.
        reads: how many agreeing reads this one stands for.
        first_run: nothing was watched before; what is there is backlog.

    Returns the changed episodes in the list's order, then those of absent seats.
    """
    remembered: dict[str, list[Episode]] = {}
    for episode in known:
        remembered.setdefault(episode.seat, []).append(episode)
    look = _PollBatch(now, policy, appid, first_run, reads)
    changes: list[Change] = []
    rows = {account.key: account for account in reversed(list(accounts)) if account.key}
    for seat, account in reversed(rows.items()):
        changes += look.at_row(remembered.pop(seat, []), account)
    for episodes in remembered.values() if complete else ():
        changes += look.at_absence(episodes)
    return changes


def unmatched_invitations(
    known: Iterable[Episode], accounts: Iterable[KfAccount], policy: AlertPolicy
) -> list[tuple[str, str]]:
    """The (seat, `invite_wx`) of rows that are not their seat's latest: an earlier episode may be theirs."""
    latest = {episode.seat: episode for episode in known if episode.latest}
    return [
        (account.key, invitation.invite_wx)
        for account in accounts
        if (invitation := account.invitation)
        and invitation.status
        and not (account.key in latest and _continues(latest[account.key], invitation, policy))
    ]


@dataclass(frozen=True, slots=True)
class _PollBatch:
    """One read of the list, and what all its rows share."""

    now: datetime
    policy: AlertPolicy
    appid: str
    first_run: bool
    reads: int

    def at_row(self, episodes: list[Episode], account: KfAccount) -> list[Change]:
        latest = next((episode for episode in episodes if episode.latest), None)
        what = account_status(account, self.now, self.policy.leads)
        if what in (AccountStatus.WAITING, AccountStatus.EXPIRING, AccountStatus.EXPIRED, AccountStatus.REJECTED):
            return self._invited(episodes, latest, account, what)
        if latest is None or latest.state.closed:
            return []
        met = _with_facts(latest, account, latest.expires_at)
        if what is AccountStatus.BOUND:
            return self._settle(latest, self._enter(met, EpisodeState.BOUND))
        if what is AccountStatus.IDLE and latest.state is EpisodeState.WAITING and not has_passed(latest, self.now):
            return self._settle(latest, self._suspect(met, EpisodeState.CANCELLED))
        return self._settle(latest, met.without_doubt())

    def at_absence(self, episodes: list[Episode]) -> list[Change]:
        return [
            change
            for episode in episodes
            if episode.latest and not episode.state.closed
            for change in self._settle(episode, self._suspect(episode, EpisodeState.REMOVED))
        ]

    def _invited(
        self, episodes: list[Episode], latest: Episode | None, account: KfAccount, what: AccountStatus
    ) -> list[Change]:
        invitation = account.invitation or NO_INVITATION
        mine = self._belongs(episodes, latest, invitation)
        repetition = 0
        if mine and self._is_invited_again(mine, invitation, what):
            suspected = self._suspect(mine, EpisodeState.REPLACED)
            if mine is latest and suspected.state is not EpisodeState.REPLACED:
                return self._settle(mine, _with_facts(suspected, account, mine.expires_at))
            repetition = 1 + max(one.repetition for one in episodes if is_same(one, invitation, self.policy))
            invitation = _completed(invitation, mine)
            mine = None
        begun = self._begin(account, invitation, what, repetition) if mine is None else None
        changes = []
        if latest is not None and latest is not mine:
            successor_id = mine.id if mine else begun.after.id if begun else ""
            changes = self._settle(latest, self._succeed(latest, invitation, successor_id))
        if mine is None:
            return [*changes, *([begun] if begun else [])]
        after = _with_facts(mine, account, invitation.expires_at or mine.expires_at)
        return changes + self._settle(mine, self._apply(replace_if_changed(after, latest=True), what))

    def _is_invited_again(self, episode: Episode, invitation: Invitation, what: AccountStatus) -> bool:
        """Check whether a row shows a new invitation although person and deadline are those of this episode.

        WeChat lets a person who rejected be invited again at once. A rejected invitation never waits again.
        """
        if what not in (AccountStatus.WAITING, AccountStatus.EXPIRING):
            return False
        rejected = episode.state is EpisodeState.REPLACED and episode.has_told(AlertKind.REJECTED)
        deadline = invitation.expires_at or episode.expires_at
        return (episode.state is EpisodeState.REJECTED or rejected) and (deadline is None or deadline > self.now)

    def _belongs(self, episodes: list[Episode], latest: Episode | None, invitation: Invitation) -> Episode | None:
        if latest and _continues(latest, invitation, self.policy):
            return latest
        earlier = [
            episode
            for episode in episodes
            if episode.invite_wx == invitation.invite_wx and is_same(episode, invitation, self.policy)
        ]
        return max(earlier, key=lambda one: one.repetition, default=None)

    def _begin(self, account: KfAccount, invitation: Invitation, what: AccountStatus, repetition: int) -> Change:
        made = Episode(
            id=episode_id(self.appid, account.key, invitation, self.now, repetition),
            seat=account.key,
            invite_wx=invitation.invite_wx,
            expires_at=invitation.expires_at,
            state=EpisodeState.WAITING,
            first_seen=self.now,
            since=self.now,
            repetition=repetition,
        )
        after = _with_facts(made, account, invitation.expires_at)
        if what in (AccountStatus.EXPIRED, AccountStatus.REJECTED):
            how = Disposition.BACKLOG if self.first_run else Disposition.TOLD
            return Change.telling(
                None, replace(after, state=EpisodeState(what)), (AlertEvent(AlertKind(what), how=how),)
            )
        smallest = self.policy.smallest_lead
        passed = elapsed_leads(after, self.now, self.policy)
        # A fresh short-lived invitation is no news when it is made; only the smallest lead cannot wait.
        news = tuple(
            AlertEvent(AlertKind.EXPIRING, lead, Disposition.TOLD if lead == smallest else Disposition.SUPERSEDED)
            for lead in passed
        )
        return Change.telling(None, after, news)

    def _apply(self, episode: Episode, what: AccountStatus) -> Episode:
        if episode.state.closed:  # seen again: it goes on where the row says, and what was told stays told
            episode = self._enter(episode, EpisodeState.WAITING)
        if episode.state is EpisodeState.REJECTED:
            return episode.without_doubt()
        if what is AccountStatus.REJECTED:
            return self._enter(episode, EpisodeState.REJECTED)
        if what is AccountStatus.EXPIRED:
            return (
                episode.without_doubt()
                if episode.state is EpisodeState.EXPIRED
                else self._enter(episode, EpisodeState.EXPIRED)
            )
        if episode.state is EpisodeState.EXPIRED and (episode.expires_at is None or episode.expires_at > self.now):
            return self._suspect(episode, EpisodeState.WAITING)
        return episode.without_doubt()

    def _succeed(self, latest: Episode, invitation: Invitation, successor_id: str) -> Episode:
        if latest.state.closed:
            return replace(latest, latest=False)
        return replace(
            self._enter(latest, EpisodeState.REPLACED),
            latest=False,
            next_wx=invitation.invite_wx,
            next_expires_at=invitation.expires_at,
            successor_id=successor_id,
        )

    def _suspect(self, episode: Episode, state: EpisodeState) -> Episode:
        """Count a read that suggests `state`; believe it when enough of them agree."""
        reads = (episode.doubt_reads if episode.doubt == state else 0) + self.reads
        if reads >= self.policy.agreeing_reads:
            return self._enter(episode, state)
        return replace(episode, doubt=state, doubt_reads=reads)

    def _enter(self, episode: Episode, state: EpisodeState) -> Episode:
        # Whatever ends the waiting ends a snooze; what somebody acknowledged stays in their hands.
        snoozed = episode.snoozed if state is EpisodeState.WAITING else None
        return replace(episode.without_doubt(), state=state, since=self.now, snoozed=snoozed)

    def _settle(self, before: Episode, after: Episode) -> list[Change]:
        """What a row did to an episode, and the clock after it; nothing if nothing changed."""
        fresh = before.state is EpisodeState.WAITING or before.state.closed
        events = [
            AlertEvent(AlertKind(after.state))
            for kind in (EpisodeState.REJECTED, EpisodeState.EXPIRED)
            # From EXPIRED to REJECTED is a correction of what was told, not news.
            if after.state is kind and fresh and before.state is not kind and not after.has_told(AlertKind(kind))
        ]
        if not events:
            after, clock = apply_timers(after, self.now, self.policy)
            events = list(clock)
            return [Change(before, after, clock)] if after != before else []
        return [Change.telling(before, after, tuple(events))]


def is_same(episode: Episode, invitation: Invitation, policy: AlertPolicy) -> bool:
    """Whether a listed invitation is this episode's. A field that either leaves blank counts as equal."""
    if invitation.invite_wx and invitation.invite_wx != episode.invite_wx:
        return False
    if invitation.expires_at is None or episode.expires_at is None:
        return True
    return abs(invitation.expires_at - episode.expires_at) <= policy.same_deadline


def _completed(invitation: Invitation, episode: Episode) -> Invitation:
    """Fill in what a row leaves blank with what is known of this person's invitation before."""
    return replace(
        invitation,
        invite_wx=invitation.invite_wx or episode.invite_wx,
        expires_at=invitation.expires_at or episode.expires_at,
    )


def _continues(latest: Episode, invitation: Invitation, policy: AlertPolicy) -> bool:
    """Whether a row goes on with its seat's latest episode. A row that names nobody revives no closed one."""
    nameless = not invitation.invite_wx and invitation.expires_at is None
    if nameless and latest.state.closed:
        return not latest.invite_wx
    return is_same(latest, invitation, policy)


def _with_facts(episode: Episode, account: KfAccount, expires_at: datetime | None) -> Episode:
    return replace_if_changed(
        episode,
        expires_at=expires_at,
        kf_account=account.kf_account,
        kf_nick=account.kf_nick,
        kf_id=account.kf_id,
        confirmed_at=None,
    )
