"""Which account an operation command means, and what it fills into the form. Pure.

/kf invite 小波 bo_example      the account 小波, and the WeChat ID
/kf rename Night 1 夜班一号      the account Night 1, and its new name
/kf add eve 夜班二号             an account that does not exist yet, and its name
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.accounts import AccountRow, find_accounts, pick_account
from bot.operations.operation import OperationKind
from bot.requests import QUOTES
from wechat_kf import KfAccount

MOST_WORDS = 20  # of an account's name: a hostile text must not keep the event loop busy


@dataclass(frozen=True, slots=True)
class Target:
    """The words of a command, divided. `account` is set if `typed` means exactly one."""

    account: KfAccount | None = None
    typed: str = ""  # the words for the account; of add, the account to be
    rest: str = ""  # the WeChat ID of invite, the name of add and rename
    hits: int = 0  # how many accounts `typed` may mean


def pick(kind: OperationKind, text: str, rows: Sequence[AccountRow]) -> Target:
    """Divide the text of a command. An account is found as by `/kf show`.

    Args:
        rows: the accounts of the last list; none for `add`, which needs no list.
    """
    words = text.split()
    if kind is OperationKind.ADD:
        return Target(typed=_joined(words[:1]), rest=_joined(words[1:]))
    return next(
        (
            Target(row.account, _joined(words[:number]), _joined(words[number:]), 1)
            for number in _beginnings(kind, len(words))
            if (row := pick_account(rows, _joined(words[:number])))
        ),
        Target(typed=_joined(words), hits=len(find_accounts(rows, _joined(words)))),
    )


def _beginnings(kind: OperationKind, number: int) -> Sequence[int]:
    """Return how many words, of all, may be the account, in the order of preference."""
    match kind:
        case OperationKind.INVITE:  # the last word is the WeChat ID if the others are an account
            return [few for few in (number - 1, number) if few]
        case OperationKind.RENAME:
            return range(min(number, MOST_WORDS), 0, -1)
    return [number]


def _joined(words: Sequence[str]) -> str:
    return " ".join(words).strip(QUOTES + " ")
