"""The fields of the forms: what a person typed becomes a value, or an error at its field. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.operations.operation import AccountFacts, OperationKind
from bot.text import visible


class FieldProblem(StrEnum):
    """What is wrong with a submitted form. Each has one text, in `blocks.modals`."""

    # of the WeChat ID
    WX_CHARACTERS = "wx characters"
    WX_PHONE = "wx phone"
    WX_UNKNOWN = "wx unknown"
    ANSWERS_HERE = "answers here"  # `account`: as whom
    INVITED_ALREADY = "invited already"  # `account`: for whom
    HOLDS_TOO_MANY = "holds too many"
    # of the account
    STILL_OPEN = "still open"  # its invitation; `at`: the deadline
    BOUND = "bound"
    GONE = "gone"
    ACCOUNT_FORM = "account form"
    OTHER_SUFFIX = "other suffix"  # `words`: the suffix
    EXISTS = "exists"
    NO_ROOM = "no room"
    NOT_TYPED = "not typed"  # of delete; `words`: the account
    # of the name
    NAME_TOO_LONG = "name too long"  # `number`: of characters
    NAME_REFUSED = "name refused"
    SAME_NAME = "same name"
    # of the operation, at the first field
    IN_PROGRESS = "in progress"  # `words`: who changes the account, `at`: since when
    CHANGED = "changed"  # `words`: the state now
    TOO_MANY = "too many"  # operations in an hour; `number`, `at`: when the next one may begin
    NO_DATABASE = "no database"
    NOT_PERMITTED = "not permitted"
    NOT_CHECKED = "not checked"  # Slack does not say who is in a group
    OUT_OF_DATE = "out of date"


@dataclass(frozen=True, slots=True)
class FieldError:
    """An error of a form. `field` is "wx", "account", "name" or "typed"; "" is the form's first field."""

    problem: FieldProblem
    field: str = ""
    account: AccountFacts | None = None
    at: datetime | None = None
    number: int = 0
    words: str = ""


FORM_FIELDS: Mapping[OperationKind, tuple[str, ...]] = {
    OperationKind.INVITE: ("wx",),
    OperationKind.ADD: ("account", "name"),
    OperationKind.RENAME: ("name",),
    OperationKind.DELETE: ("typed",),
}
MAX_NAME = 16  # characters, by WeChat's documentation
MAX_PREFIX = 10
_WECHAT_ID = re.compile(r"[A-Za-z0-9_-]+")
_PHONE = re.compile(r"(?:\+?86)?1[0-9]{10}")
_PREFIX = re.compile(rf"[A-Za-z0-9_]{{1,{MAX_PREFIX}}}")


def parse_wechat_id(text: str) -> str | FieldError:
    """Return the WeChat ID. Its length is for WeChat to check."""
    typed = _folded(text)
    if _PHONE.fullmatch(typed):
        return FieldError(FieldProblem.WX_PHONE, "wx")
    return typed if _WECHAT_ID.fullmatch(typed) else FieldError(FieldProblem.WX_CHARACTERS, "wx")


def parse_account(text: str, suffix: str) -> str | FieldError:
    """Return the whole account. `@` and the suffix may be typed or not.

    Args:
        suffix: what the listed accounts have after `@`; "" if they share none, and then it must be typed.
    """
    prefix, at, typed_suffix = "".join(_folded(text).split()).partition("@")
    if not _PREFIX.fullmatch(prefix) or (not suffix and not typed_suffix):
        return FieldError(FieldProblem.ACCOUNT_FORM, "account")
    if suffix and at and typed_suffix != suffix:
        return FieldError(FieldProblem.OTHER_SUFFIX, "account", words=suffix)
    return f"{prefix}@{suffix or typed_suffix}"


def parse_name(text: str, present: str | None = None) -> str | FieldError:
    """Return the name that customers see.

    Args:
        present: of an account that is renamed; the same name is refused.
    """
    name = visible(text)
    if len(name) > MAX_NAME:
        return FieldError(FieldProblem.NAME_TOO_LONG, "name", number=len(name))
    if not name:
        return FieldError(FieldProblem.NAME_REFUSED, "name")
    return FieldError(FieldProblem.SAME_NAME, "name") if name == present else name


def check_typed(text: str, kf_account: str) -> FieldError | None:
    """Return an error unless the account was typed, in any case and width. Its name is not enough."""
    typed, wanted = ("".join(_folded(visible(one)).split()).casefold() for one in (text, kf_account))
    if typed == wanted:
        return None
    return FieldError(FieldProblem.NOT_TYPED, "typed", words=kf_account)


def shared_suffix(accounts: Iterable[str]) -> str:
    """Return what all accounts have after `@`; "" if they differ, or there are none."""
    suffixes = {account.partition("@")[2] for account in accounts if account}
    return suffixes.pop() if len(suffixes) == 1 else ""


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()
