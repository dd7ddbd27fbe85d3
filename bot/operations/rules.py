"""The rules of operations: which state of an account allows which, and what the list says about a write. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.alerting.episode import AccountStatus, AlertPolicy, Episode, EpisodeState, account_status
from bot.operations.operation import MAX_ACCOUNTS, AccountFacts, EndReason, Operation, OperationKind, Wanted, find
from bot.text import visible
from wechat_kf import Invitation, KfAccount, KfList

_NO_LEADS = AlertPolicy(leads=(timedelta(0),))  # expiring counts as waiting
INVITABLE = (AccountStatus.REJECTED, AccountStatus.EXPIRED, AccountStatus.IDLE)
_BLOCKING = {
    AccountStatus.BOUND: EndReason.BOUND,
    AccountStatus.WAITING: EndReason.WAITING,
    AccountStatus.UNKNOWN: EndReason.UNKNOWN_STATE,
}


def facts_of(account: KfAccount, now: datetime) -> AccountFacts:
    """Return what an operation keeps of a listed account."""
    invitation = account.invitation
    return AccountFacts(
        kf_account=account.kf_account,
        kf_nick=account.kf_nick,
        kf_id=account.kf_id,
        status=account_status(account, now, _NO_LEADS),
        kf_wx=account.kf_wx or "",
        invite_wx=invitation.invite_wx if invitation else "",
        expires_at=invitation.expires_at if invitation else None,
    )


def facts_of_episode(episode: Episode) -> AccountFacts:
    """Return what an operation keeps of the account of an alert, as far as the store knows it.

    The status of a removed account is "removed", which is not an `AccountStatus`.
    """
    invite_wx, expires_at, status = episode.invite_wx, episode.expires_at, str(episode.state)
    match episode.state:
        case EpisodeState.REPLACED:
            invite_wx, expires_at = episode.successor_wx, episode.successor_expires_at
            status = AccountStatus.WAITING
        case EpisodeState.CANCELLED:
            invite_wx, expires_at, status = "", None, AccountStatus.IDLE
    return AccountFacts(
        kf_account=episode.kf_account,
        kf_nick=episode.kf_nick,
        kf_id=episode.kf_id,
        status=status,
        kf_wx=episode.invite_wx if episode.state is EpisodeState.BOUND else "",
        invite_wx=invite_wx,
        expires_at=expires_at,
    )


def is_absent(kind: OperationKind, listing: KfList, wanted: Wanted, known: int) -> bool | None:
    """Return whether the list shows that an account does not exist; None if it proves nothing.

    A list with unreadable rows proves no absence, nor does an empty one, unless it lacks nothing but this account.

    Args:
        known: the number of accounts in the last list that the watcher has accepted.
    """
    if find(listing.accounts, wanted.kf_account):
        return False
    expected = 0 if kind is OperationKind.ADD else 1
    return True if listing.complete and (listing.accounts or known <= expected) else None


def obstacle(
    kind: OperationKind, wanted: Wanted, accounts: Sequence[KfAccount], now: datetime, *, absent: bool | None
) -> EndReason | None:
    """Return why the list rules an operation out; None if it does not.

    Args:
        accounts: a list that was read just now.
        absent: whether it shows that the account does not exist; None lets WeChat decide.
    """
    account = find(accounts, wanted.kf_account)
    if kind is OperationKind.ADD:
        if account:
            return EndReason.EXISTS
        return EndReason.NO_ROOM if len(accounts) >= MAX_ACCOUNTS else None
    if account is None:
        return EndReason.GONE if absent else None
    if kind is OperationKind.INVITE:
        return _BLOCKING.get(account_status(account, now, _NO_LEADS))
    if kind is OperationKind.RENAME and visible(account.kf_nick) == wanted.nickname:
        return EndReason.ALREADY_SO
    return None


def has_happened(
    operation: Operation, accounts: Sequence[KfAccount], now: datetime, *, absent: bool | None
) -> bool:
    """Check whether the list shows the change, which the list before the write did not show.

    Args:
        accounts: a list that was read after the write.
        absent: whether it shows that the account does not exist.
    """
    wanted = operation.wanted
    account = find(accounts, wanted.kf_account)
    match operation.kind:
        case OperationKind.DELETE:
            return absent is True
        case OperationKind.ADD:
            return account is not None
        case OperationKind.RENAME:
            return account is not None and visible(account.kf_nick) == wanted.nickname
    if account is None:
        return False
    if account.kf_wx:
        return account.kf_wx == wanted.invite_wx
    invitation = account.invitation
    if invitation is None or invitation.invite_wx != wanted.invite_wx:
        return False
    # The person may have declined already.
    waits = account_status(account, now, _NO_LEADS) is AccountStatus.WAITING
    return waits or _is_another(invitation, operation.before)


def _is_another(invitation: Invitation, before: AccountFacts | None) -> bool:
    """Check whether an invitation of the same person is not the one from before, by its deadline."""
    if before is None or before.invite_wx != invitation.invite_wx:
        return True
    if before.expires_at is None or invitation.expires_at is None:
        return False
    return abs(invitation.expires_at - before.expires_at) > _NO_LEADS.same_deadline
