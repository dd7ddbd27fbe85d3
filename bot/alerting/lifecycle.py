"""The state machine of a binding invitation: which state follows, and which events are new. Pure.

An *episode* is one invitation of one account, from the poll that first listed it until it is closed: bound,
replaced, cancelled or removed. `observe` applies one poll, whose *rows* are the listed accounts, to the episodes
and returns the changes with their new events. Leads and deadlines are
in `deadlines`. Nothing here depends on messages, the store or Slack.
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
    """Apply one good poll, and the timers, to the episodes of the accounts.

    Args:
        known: the latest episode of each account, and the earlier ones whose invitation is listed again.
        complete: False if a row could not be read; then no absence is accepted.
        reads: the number of agreeing polls that this one counts for.
        first_run: no poll was recorded before, so problems are backlog.

    Returns the changed episodes in the list's order, then those of absent accounts.
    """
    by_account: dict[str, list[Episode]] = {}
    for episode in known:
        by_account.setdefault(episode.account_key, []).append(episode)
    batch = _PollBatch(now, policy, appid, first_run, reads)
    changes: list[Change] = []
    rows = {account.key: account for account in reversed(list(accounts)) if account.key}
    for key, account in reversed(rows.items()):
        changes += batch.apply_row(by_account.pop(key, []), account)
    for episodes in by_account.values() if complete else ():
        changes += batch.apply_absence(episodes)
    return changes


def unmatched_invitations(
    known: Iterable[Episode], accounts: Iterable[KfAccount], policy: AlertPolicy
) -> list[tuple[str, str]]:
    """Return (account key, `invite_wx`) of rows that do not continue the latest episode; an earlier one may fit."""
    latest = {episode.account_key: episode for episode in known if episode.is_latest}
    return [
        (account.key, invitation.invite_wx)
        for account in accounts
        if (invitation := account.invitation)
        and invitation.status
        and not (account.key in latest and _continues(latest[account.key], invitation, policy))
    ]


@dataclass(frozen=True, slots=True)
class _PollBatch:
    """The values that all rows of one poll share, and the rules for each row."""

    now: datetime
    policy: AlertPolicy
    appid: str
    first_run: bool
    reads: int

    def apply_row(self, episodes: list[Episode], account: KfAccount) -> list[Change]:
        latest = next((episode for episode in episodes if episode.is_latest), None)
        status = account_status(account, self.now, self.policy)
        if status in (AccountStatus.WAITING, AccountStatus.EXPIRING, AccountStatus.EXPIRED, AccountStatus.REJECTED):
            return self._apply_invitation(episodes, latest, account, status)
        if latest is None or latest.state.closed:
            return []
        listed = _with_fields(latest, account, latest.expires_at)
        if status is AccountStatus.BOUND:
            return self._change(latest, self._enter(listed, EpisodeState.BOUND))
        if (
            status is AccountStatus.IDLE
            and latest.state is EpisodeState.WAITING
            and not has_passed(latest, self.now)
        ):
            return self._change(latest, self._debounce(listed, EpisodeState.CANCELLED))
        return self._change(latest, listed.clear_pending())

    def apply_absence(self, episodes: list[Episode]) -> list[Change]:
        return [
            change
            for episode in episodes
            if episode.is_latest and not episode.state.closed
            for change in self._change(
                episode, self._debounce(replace_if_changed(episode, confirmed_at=None), EpisodeState.REMOVED)
            )
        ]

    def _apply_invitation(
        self, episodes: list[Episode], latest: Episode | None, account: KfAccount, status: AccountStatus
    ) -> list[Change]:
        invitation = account.invitation or NO_INVITATION
        matched = self._match_episode(episodes, latest, invitation)
        repetition = 0
        if matched and self._is_invited_again(matched, invitation, status):
            suspected = self._debounce(matched, EpisodeState.REPLACED)
            if matched is latest and suspected.state is not EpisodeState.REPLACED:
                return self._change(matched, _with_fields(suspected, account, matched.expires_at))
            repetition = 1 + max(one.repetition for one in episodes if is_same(one, invitation, self.policy))
            invitation = replace(
                invitation,
                invite_wx=invitation.invite_wx or matched.invite_wx,
                expires_at=invitation.expires_at or matched.expires_at,
            )
            matched = None
        if matched is None:
            new = self._new_episode(account, invitation, status, repetition)
            successor, changes = new.after, [new]
        else:
            after = _with_fields(matched, account, invitation.expires_at or matched.expires_at)
            successor = matched
            changes = self._change(matched, self._apply_status(replace_if_changed(after, is_latest=True), status))
        if latest is None or latest is successor:
            return changes
        return self._change(latest, self._mark_replaced(latest, invitation, successor.id)) + changes

    def _is_invited_again(self, episode: Episode, invitation: Invitation, status: AccountStatus) -> bool:
        """Check whether a row is a new invitation although user and deadline are those of this episode.

        WeChat allows a new invitation right after a rejection, and a rejected one never waits again.
        """
        if status not in (AccountStatus.WAITING, AccountStatus.EXPIRING):
            return False
        was_rejected = episode.state is EpisodeState.REPLACED and episode.has_emitted(AlertKind.REJECTED)
        deadline = invitation.expires_at or episode.expires_at
        return (episode.state is EpisodeState.REJECTED or was_rejected) and (
            deadline is None or deadline > self.now
        )

    def _match_episode(
        self, episodes: list[Episode], latest: Episode | None, invitation: Invitation
    ) -> Episode | None:
        if latest and _continues(latest, invitation, self.policy):
            return latest
        earlier = [
            episode
            for episode in episodes
            if episode.invite_wx == invitation.invite_wx and is_same(episode, invitation, self.policy)
        ]
        return max(earlier, key=lambda one: one.repetition, default=None)

    def _new_episode(
        self, account: KfAccount, invitation: Invitation, status: AccountStatus, repetition: int
    ) -> Change:
        episode = Episode(
            id=episode_id(self.appid, account.key, invitation, self.now, repetition),
            account_key=account.key,
            invite_wx=invitation.invite_wx,
            expires_at=invitation.expires_at,
            state=EpisodeState.WAITING,
            first_seen=self.now,
            state_since=self.now,
            repetition=repetition,
        )
        after = _with_fields(episode, account, invitation.expires_at)
        if status in (AccountStatus.EXPIRED, AccountStatus.REJECTED):
            disposition = Disposition.BACKLOG if self.first_run else Disposition.NOTIFIED
            return Change.with_events(
                None,
                replace(after, state=EpisodeState(status)),
                (AlertEvent(AlertKind(status), disposition=disposition),),
            )
        smallest = self.policy.smallest_lead
        elapsed = elapsed_leads(after, self.now, self.policy)
        # A new short-lived invitation is not notified, unless the smallest lead has passed already.
        events = tuple(
            AlertEvent(
                AlertKind.EXPIRING, lead, Disposition.NOTIFIED if lead == smallest else Disposition.SUPERSEDED
            )
            for lead in elapsed
        )
        return Change.with_events(None, after, events)

    def _apply_status(self, episode: Episode, status: AccountStatus) -> Episode:
        if episode.state.closed:  # listed again: it continues in the state of the row, and keeps its events
            episode = self._enter(episode, EpisodeState.WAITING)
        if episode.state is EpisodeState.REJECTED:
            return episode.clear_pending()
        if status is AccountStatus.REJECTED:
            return self._enter(episode, EpisodeState.REJECTED)
        if status is AccountStatus.EXPIRED:
            return (
                episode.clear_pending()
                if episode.state is EpisodeState.EXPIRED
                else self._enter(episode, EpisodeState.EXPIRED)
            )
        if episode.state is EpisodeState.EXPIRED and (episode.expires_at is None or episode.expires_at > self.now):
            return self._debounce(episode, EpisodeState.WAITING)
        return episode.clear_pending()

    def _mark_replaced(self, latest: Episode, invitation: Invitation, successor_id: str) -> Episode:
        if latest.state.closed:
            return replace(latest, is_latest=False)
        return replace(
            self._enter(latest, EpisodeState.REPLACED),
            is_latest=False,
            successor_wx=invitation.invite_wx,
            successor_expires_at=invitation.expires_at,
            successor_id=successor_id,
        )

    def _debounce(self, episode: Episode, state: EpisodeState) -> Episode:
        """Count a poll that suggests `state`; enter the state when enough polls agree."""
        reads = (episode.confirmations if episode.pending_state == state else 0) + self.reads
        if reads >= self.policy.agreeing_polls:
            return self._enter(episode, state)
        return replace(episode, pending_state=state, confirmations=reads)

    def _enter(self, episode: Episode, state: EpisodeState) -> Episode:
        # Any state but WAITING ends a snooze; an acknowledgement stays.
        snoozed = episode.snoozed if state is EpisodeState.WAITING else None
        return replace(episode.clear_pending(), state=state, state_since=self.now, snoozed=snoozed)

    def _change(self, before: Episode, after: Episode) -> list[Change]:
        """Return the change of an episode by a row; an empty list if nothing changed.

        Apply the timers too, unless the row itself caused an event.
        """
        was_not_reported = before.state is EpisodeState.WAITING or before.state.closed
        events = [
            AlertEvent(AlertKind(after.state))
            for kind in (EpisodeState.REJECTED, EpisodeState.EXPIRED)
            # From EXPIRED to REJECTED is a correction of the posted event, not a new one.
            if after.state is kind
            and was_not_reported
            and before.state is not kind
            and not after.has_emitted(AlertKind(kind))
        ]
        if not events:
            after, timer_events = apply_timers(after, self.now, self.policy)
            return [Change(before, after, timer_events)] if after != before else []
        return [Change.with_events(before, after, tuple(events))]


def is_same(episode: Episode, invitation: Invitation, policy: AlertPolicy) -> bool:
    """Check whether a listed invitation is this episode's.

    An invited user that the row lacks counts as equal, and so does a deadline that either of them lacks.
    """
    if invitation.invite_wx and invitation.invite_wx != episode.invite_wx:
        return False
    if invitation.expires_at is None or episode.expires_at is None:
        return True
    return abs(invitation.expires_at - episode.expires_at) <= policy.same_deadline


def is_listed(closed: Episode, invitations: Iterable[Invitation], policy: AlertPolicy) -> bool:
    """Check whether the rows of an account still have the invitation of a closed episode, whatever their status.

    Such a row may reopen the episode at a later poll, for example when the account is unbound.
    """
    return any(_continues(closed, invitation, policy) for invitation in invitations)


def _continues(latest: Episode, invitation: Invitation, policy: AlertPolicy) -> bool:
    """Check whether a row continues the latest episode of its account.

    A row without invited user and deadline reopens a closed episode only if that one has no invited user either.
    """
    is_blank = not invitation.invite_wx and invitation.expires_at is None
    if is_blank and latest.state.closed:
        return not latest.invite_wx
    return is_same(latest, invitation, policy)


def _with_fields(episode: Episode, account: KfAccount, expires_at: datetime | None) -> Episode:
    return replace_if_changed(
        episode,
        expires_at=expires_at,
        kf_account=account.kf_account,
        kf_nick=account.kf_nick,
        kf_id=account.kf_id,
        confirmed_at=None,
    )
