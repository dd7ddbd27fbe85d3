"""Why an operation was refused, by WeChat or by the list, as an error at a field of its form. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.alerting.episode import AccountStatus, EpisodeState
from bot.operations.fields import FORM_FIELDS, FieldError, FieldProblem
from bot.operations.operation import (
    AccountFacts,
    EndReason,
    Operation,
    OperationKind,
    OperationState,
    Wanted,
    find,
)
from bot.operations.rules import facts_of
from wechat_kf import KfAccount

# A call may return any of these codes, whatever WeChat's documentation of that call says.
AT_FIELD: Mapping[int, tuple[FieldProblem, str]] = {
    40132: (FieldProblem.WX_UNKNOWN, "wx"),
    65409: (FieldProblem.WX_UNKNOWN, "wx"),
    65407: (FieldProblem.ANSWERS_HERE, "wx"),
    65408: (FieldProblem.INVITED_ALREADY, "wx"),
    65410: (FieldProblem.HOLDS_TOO_MANY, "wx"),
    65411: (FieldProblem.STILL_OPEN, "wx"),
    65412: (FieldProblem.BOUND, "wx"),
    65401: (FieldProblem.GONE, ""),
    61452: (FieldProblem.GONE, ""),
    65403: (FieldProblem.NAME_REFUSED, "name"),
    65404: (FieldProblem.ACCOUNT_FORM, "account"),
    61454: (FieldProblem.ACCOUNT_FORM, "account"),
    61455: (FieldProblem.ACCOUNT_FORM, "account"),
    65405: (FieldProblem.NO_ROOM, "account"),
    61456: (FieldProblem.NO_ROOM, "account"),
    65406: (FieldProblem.EXISTS, "account"),
    61453: (FieldProblem.EXISTS, "account"),
}
GONE_CODES = frozenset({65401, 61452})
NO_RIGHT_CODES = frozenset({48001, 61002, 61007, 61016, 61017})  # WeChat does not grant the interface
_WITH_DEADLINE = (FieldProblem.STILL_OPEN, FieldProblem.INVITED_ALREADY)
_CHANGED_TO: Mapping[EndReason, str] = {
    EndReason.BOUND: AccountStatus.BOUND,
    EndReason.UNKNOWN_STATE: AccountStatus.UNKNOWN,
    EndReason.GONE: EpisodeState.REMOVED,
}


def refused_by_wechat(
    kind: OperationKind, errcode: int, wanted: Wanted, accounts: Sequence[KfAccount], now: datetime
) -> FieldError | None:
    """Return the error at a field for an errcode; None for a code that the whole modal explains.

    An error of a field that the form lacks is at its first one. An account that WeChat does not know when it is to
    be deleted is gone, which is no error.

    Args:
        accounts: the last list; it has the other account, and the deadline, that WeChat's answer does not name.
    """
    if errcode not in AT_FIELD or (kind is OperationKind.DELETE and errcode in GONE_CODES):
        return None
    problem, field = AT_FIELD[errcode]
    account = _listed(problem, wanted, accounts, now)
    return FieldError(
        problem,
        field if field in FORM_FIELDS[kind] else "",
        account=account,
        at=account.expires_at if account and problem in _WITH_DEADLINE else None,
    )


def refused_by_list(reason: EndReason, kind: OperationKind, account: AccountFacts | None) -> FieldError | None:
    """Return the error at a field for a reason that the list gave; None for a reason that the whole modal explains.

    Args:
        account: as the list shows it; None if it does not.
    """
    match reason:
        case EndReason.WAITING:
            at = account.expires_at if account else None
            return FieldError(FieldProblem.STILL_OPEN, FORM_FIELDS[kind][0], account, at=at)
        case EndReason.EXISTS:
            return FieldError(FieldProblem.EXISTS, "account", account)
        case EndReason.NO_ROOM:
            return FieldError(FieldProblem.NO_ROOM, "account")
        case EndReason.ALREADY_SO:
            return FieldError(FieldProblem.SAME_NAME, "name", account)
        case EndReason.GONE if kind is OperationKind.DELETE:
            return None
        case EndReason.BOUND | EndReason.UNKNOWN_STATE | EndReason.GONE:
            return FieldError(FieldProblem.CHANGED, "", account, words=_CHANGED_TO[reason])
    return None


def refusal_of(operation: Operation, accounts: Sequence[KfAccount], now: datetime) -> FieldError | None:
    """Return why an operation was refused, as an error at a field; None if the whole modal explains it."""
    outcome, kind = operation.outcome, operation.kind
    if operation.state is not OperationState.REFUSED or outcome.reason is None:
        return None
    if outcome.reason is not EndReason.ERRCODE:
        account = find(accounts, operation.wanted.kf_account)
        return refused_by_list(outcome.reason, kind, facts_of(account, now) if account else None)
    if outcome.errcode is None:
        return None
    return refused_by_wechat(kind, outcome.errcode, operation.wanted, accounts, now)


def was_gone(operation: Operation) -> bool:
    """Return whether an account that was to be deleted did not exist any more."""
    outcome = operation.outcome
    gone = outcome.reason is EndReason.GONE or outcome.errcode in GONE_CODES
    return operation.kind is OperationKind.DELETE and gone


def _listed(
    problem: FieldProblem, wanted: Wanted, accounts: Sequence[KfAccount], now: datetime
) -> AccountFacts | None:
    """Return the account that WeChat's answer is about."""
    all_facts = [facts_of(account, now) for account in accounts]
    match problem:
        case FieldProblem.ANSWERS_HERE:
            found = [facts for facts in all_facts if facts.kf_wx and facts.kf_wx == wanted.invite_wx]
        case FieldProblem.INVITED_ALREADY:
            waiting = [facts for facts in all_facts if facts.status == AccountStatus.WAITING]
            found = [facts for facts in waiting if facts.invite_wx == wanted.invite_wx]
        case _:
            found = [facts for facts in all_facts if facts.kf_account == wanted.kf_account]
    return found[0] if found else None
