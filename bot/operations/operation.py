"""Value types of operations: kinds, states, the stored row, and the policy with its numbers.

An *operation* is one write to WeChat that a person requested in Slack: it invites, adds, renames or deletes an
account. Its row is committed before the request leaves, so that every process can find its outcome.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from wechat_kf import KfAccount

MAX_ACCOUNTS = 100  # of one Official Account, by WeChat's documentation
REFUSAL_STAYS = timedelta(hours=24)  # for which WeChat's refusal of a family counts, unless one succeeds


class OperationKind(StrEnum):
    """What an operation does to the account."""

    INVITE = "invite"
    ADD = "add"
    RENAME = "rename"
    DELETE = "delete"

    @property
    def family(self) -> str:
        """Return the group of interfaces that WeChat grants together: the right to rename is granted separately."""
        return "rename" if self is OperationKind.RENAME else "invite/add/delete"


class OperationState(StrEnum):
    """The state of an operation. While it is open or unsure, no other one of the same account can begin."""

    OPEN = "open"  # requested; the write may be on its way
    UNSURE = "unsure"  # the write may have taken effect: reads of the list decide
    DONE = "done"
    REFUSED = "refused"  # WeChat or the list ruled it out; nothing changed
    FAILED = "failed"  # it did not happen, or nothing could confirm it

    @property
    def ended(self) -> bool:
        return self in (OperationState.DONE, OperationState.REFUSED, OperationState.FAILED)


class EndReason(StrEnum):
    """Why an operation did not happen, as stored; GONE also explains a deletion that was not needed.

    Refusals by WeChat have their errcode as well.
    """

    ERRCODE = "errcode"  # WeChat refused it
    BOUND = "bound"  # the list, read just before the write, showed a state that rules it out
    WAITING = "waiting"
    GONE = "gone"
    EXISTS = "exists"
    NO_ROOM = "no room"  # add: there are as many accounts as WeChat allows
    UNKNOWN_STATE = "unknown"
    ALREADY_SO = "already so"  # rename: the account has this name
    NOT_SENT = "not sent"  # no request left: WeChat could not be reached, or the process ended before
    NO_CHANGE = "no change"  # the reads of `settle_after` show no change
    STILL_LISTED = "still listed"  # delete: WeChat answered 0, and the list still shows the account
    NOT_CONFIRMED = "not confirmed"  # the list could not be read in time


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What an operation keeps of an account: as the form showed it, then as the read before the write found it."""

    kf_account: str
    kf_nick: str = ""
    kf_id: str = ""
    status: str = ""  # an `AccountStatus`
    kf_wx: str = ""
    invite_wx: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the person asked for. Which fields are set depends on the kind."""

    kf_account: str  # the whole account, with its suffix
    nickname: str = ""  # of add and rename
    invite_wx: str = ""  # of invite


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an operation ended, or what is known of it so far."""

    reason: EndReason | None = None  # of REFUSED, FAILED, and a deletion that was not needed
    errcode: int | None = None  # WeChat's answer to the write; None without one
    rid: str = ""
    expires_at: datetime | None = None  # of an invitation, as the list shows it
    is_listed: bool = False  # the list shows the change
    error: str = ""  # WeChat's words; without an answer "time-out", "no connection", "proxy" or "HTTP 502"
    address: str = ""  # of this server, if WeChat refused it
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Operation:
    """A stored operation. `attempt` is a fencing token: a process that claims the row later has a higher one."""

    id: str
    kind: OperationKind
    account_key: str
    wanted: Wanted
    user_id: str
    user_name: str
    asked_at: datetime
    lease_until: datetime | None  # of one that did not happen: until its modal must show it
    state: OperationState = OperationState.OPEN
    before: AccountFacts | None = None  # None for an account that is to be added
    # Of the alert whose button opened the form, or ""; from `sent_at` on, of the account's open invitation.
    episode_id: str = ""
    view_id: str = ""  # of the modal that shows the result
    submission: str = ""  # unique: a form that is submitted twice is one operation
    language: str = ""  # of the modal: the process that updates it may not know the person
    sent_at: datetime | None = None  # from here on the request may have left
    attempt: int = 1
    polls: int = 0  # successful reads of the list since the outcome became unsure
    outcome: Outcome = Outcome()
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OperationPolicy:
    """The numbers of operations."""

    lease: timedelta = timedelta(seconds=45)
    settle_after: tuple[timedelta, ...] = (timedelta(0), timedelta(seconds=5), timedelta(seconds=60))  # from unsure
    give_up: timedelta = timedelta(minutes=10)  # after the write, if the list cannot be read
    reads_after: tuple[timedelta, ...] = (timedelta(0), timedelta(seconds=1), timedelta(seconds=3))  # an errcode 0
    write_seconds: float = 10
    answer_within: float = 1.5  # seconds that a submission waits for the outcome; Slack counts 3 from its sending
    update_after: float = (
        1.0  # seconds after the acknowledgement: an earlier update of the modal can be overwritten
    )
    per_hour: int = 20  # operations of all people together
    deletions_per_hour: int = 5

    @classmethod
    def with_lease(cls, lease: timedelta) -> OperationPolicy:
        """Return the policy of a shorter lease: the write, which must end within it, and the reads shrink too."""
        default = cls()
        share = min(1.0, lease / default.lease)
        return replace(
            default,
            lease=lease,
            settle_after=tuple(share * after for after in default.settle_after),
            write_seconds=share * default.write_seconds,
        )


class Availability(StrEnum):
    """Whether operations can be offered. Rights that WeChat does not grant are looked up by family."""

    ON = "on"
    OFF = "off"  # KF_OPERATORS names no user
    NO_STORE = "no store"  # ALERTS=off: there would be no audit log
    NO_RIGHT = "no right"  # WeChat answered 48001 lately


def find(accounts: Iterable[KfAccount], kf_account: str) -> KfAccount | None:
    """Return the listed account of this name; None without one."""
    return next((account for account in accounts if account.kf_account == kf_account), None)
