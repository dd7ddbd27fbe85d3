"""The accounts of one read of WeChat: state, order and search. No rendering."""

from __future__ import annotations

import difflib
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot import actions
from bot.alerting.episode import (
    NEEDS_ATTENTION,
    AccountStatus,
    AlertPolicy,
    Episode,
    UserAction,
    account_status,
    priority,
)
from bot.alerting.lifecycle import is_same
from bot.text import NAME, clean, fold
from wechat_kf import KfAccount, KfList

FAR = datetime.max.replace(tzinfo=UTC)
EPOCH = datetime.min.replace(tzinfo=UTC)
LIKE = 0.6  # how much of two words has to agree, from 0 to 1
LONGEST = 64  # comparing is quadratic, and a name may be hostile


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account and its state at the moment of the read."""

    account: KfAccount
    status: AccountStatus
    owner: UserAction | None = None  # the user who acknowledged the invitation, or snoozed it `until` a moment
    fault: Exception | None = None  # of a placeholder: the reason why the account cannot be shown

    @classmethod
    def of(cls, account: KfAccount, at: datetime, policy: AlertPolicy) -> AccountRow:
        """Read one account; return a placeholder if that fails."""
        try:
            row = cls(account, account_status(account, at, policy))
            _place(row, at, policy.smallest_lead)
        except Exception as exc:
            return cls.placeholder(account, exc)
        return row

    @classmethod
    def placeholder(cls, account: KfAccount, fault: Exception) -> AccountRow:
        """Return a row that names an account which cannot be shown, and has no other value of it."""
        return cls(KfAccount(kf_account=account.key, kf_nick="", kf_id=""), AccountStatus.UNKNOWN, fault=fault)

    @property
    def deadline(self) -> datetime | None:
        """Return the deadline of the invitation; None for a bound account, whose invitation is over."""
        invitation = self.account.invitation
        return invitation.expires_at if invitation and self.status is not AccountStatus.BOUND else None

    @property
    def invite_wx(self) -> str:
        """Return the WeChat ID of the invited person; "" without one, and for a bound account."""
        invitation = self.account.invitation
        return invitation.invite_wx if invitation and self.status is not AccountStatus.BOUND else ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every account of one read, most urgent first."""

    rows: tuple[AccountRow, ...]
    at: datetime
    smallest_lead: timedelta
    unreadable: int = 0  # rows that could not be read
    is_cached: bool = False  # read for another request, seconds ago
    next_read_at: datetime | None = None  # there were too many reads, so the next one is after this moment

    @classmethod
    def of(cls, listing: KfList, at: datetime, policy: AlertPolicy) -> Snapshot:
        rows = (AccountRow.of(account, at, policy) for account in listing.accounts)
        ordered = sorted(rows, key=lambda row: _place(row, at, policy.smallest_lead))
        return cls(tuple(ordered), at, policy.smallest_lead, listing.unreadable)

    def by_clock(self, now: datetime, policy: AlertPolicy) -> Snapshot:
        """Return the same accounts in the states that they have now, since deadlines pass."""
        return Snapshot.of(KfList(tuple(row.account for row in self.rows), self.unreadable), now, policy)

    def with_owners(self, owned: Iterable[Episode], policy: AlertPolicy) -> Snapshot:
        """Add the user who acknowledged or snoozed to each row, and sort rows without one first within a rank.

        An episode of an earlier invitation than the listed one does not count.
        """
        by_key = {episode.account_key: episode for episode in owned}
        if not by_key:
            return self
        rows = (replace(row, owner=_owner(row, by_key.get(row.account.key), policy)) for row in self.rows)
        ordered = sorted(rows, key=lambda row: (_rank(row, self.at, self.smallest_lead), row.owner is not None))
        return replace(self, rows=tuple(ordered))

    @property
    def counts(self) -> Counter[str]:
        return Counter[str](row.status for row in self.rows)

    @property
    def due(self) -> tuple[AccountRow, ...]:
        """Return the rows that need attention; they come first in `rows`."""
        return tuple(row for row in self.rows if row.status in NEEDS_ATTENTION)

    def only(self, states: Sequence[AccountStatus]) -> tuple[AccountRow, ...]:
        """Return the rows in any of these states; all rows if none is given."""
        return tuple(row for row in self.rows if not states or row.status in states)


def _owner(row: AccountRow, episode: Episode | None, policy: AlertPolicy) -> UserAction | None:
    invitation = row.account.invitation
    if episode is None or invitation is None or row.status is AccountStatus.BOUND:
        return None
    return (episode.acked or episode.snoozed) if is_same(episode, invitation, policy) else None


def _rank(row: AccountRow, now: datetime, smallest_lead: timedelta) -> int:
    return priority(row.status, urgent=(row.deadline or FAR) - now <= smallest_lead)


def _place(row: AccountRow, now: datetime, smallest_lead: timedelta) -> tuple[object, ...]:
    lost = row.status in (AccountStatus.REJECTED, AccountStatus.EXPIRED)
    # The newest rejected or expired one first; one without a deadline last.
    when = FAR - (row.deadline or EPOCH) if lost else (row.deadline or FAR) - EPOCH
    return (
        _rank(row, now, smallest_lead),
        when,
        by_name(clean(row.account.kf_nick, NAME) or row.account.key),
        row.account.key,
    )


# GB 2312 lists its 3,755 common characters by pinyin; these are the first of each initial letter.
_FIRSTS = [char.encode("gb2312") for char in "啊芭擦搭蛾发噶哈击喀垃妈拿哦啪期然撒塌挖昔压匝"]
_INITIALS = "abcdefghjklmnopqrstwxyz"
_LAST = "座".encode("gb2312")


def by_name(name: str) -> list[tuple[str, bytes]]:
    """Return the sort key of a name: by pinyin, so 陈师傅 comes between Anna and Fan, and symbols last."""
    return [_letter(char) for char in fold(name)]


def _letter(char: str) -> tuple[str, bytes]:
    code = char.encode("gb2312", "ignore")
    if _FIRSTS[0] <= code <= _LAST:
        return _INITIALS[bisect_right(_FIRSTS, code) - 1], code
    return char if char.isalnum() or char == " " else f"\uffff{char}", b""


def find_accounts(rows: Sequence[AccountRow], text: str) -> list[AccountRow]:
    """Return the rows that match: exact matches, then those that begin with the text, then those that hold it.

    A seat number matches from its beginning only. Inside each group the order of `rows` is kept.
    """
    # A name that was copied from an answer may end with the `…` of a cut.
    wanted = fold(text).removesuffix("...")
    found = [(place, row) for row in rows if wanted and (place := _match(row, wanted)) is not None]
    return [row for _, row in sorted(found, key=lambda each: each[0])]


def _match(row: AccountRow, wanted: str) -> int | None:
    """Rank a match: 0 exact, 1 a beginning, 2 any part. Return None if nothing matches."""
    seat_number = fold(row.account.kf_id)
    words = [*_words(row, wanted), *([seat_number] if seat_number.startswith(wanted) else [])]
    return min(
        (0 if word == wanted else 1 if word.startswith(wanted) else 2 for word in words if wanted in word),
        default=None,
    )


def account_of(rows: Sequence[AccountRow], handle: str) -> AccountRow | None:
    """Return the account with exactly this handle; None without one."""
    hits = [row for row in rows if actions.handle(row.account.key) == handle]
    return hits[0] if len(hits) == 1 else None


def pick_account(rows: Sequence[AccountRow], text: str) -> AccountRow | None:
    """Return the account with this handle, else the only match of a whole word, else of any part; or None."""
    wanted = fold(text)
    if not wanted:
        return None
    ways = (
        [row for row in rows if actions.handle(row.account.key) == text],
        [row for row in rows if wanted in (*_words(row, wanted), fold(row.account.kf_id))],
        find_accounts(rows, text),
    )
    hits = next(filter(None, ways), [])
    return hits[0] if len(hits) == 1 else None


def nearest_account(rows: Sequence[AccountRow], text: str) -> AccountRow | None:
    """Return the account with the most similar spelling, if any is near."""
    owners = {word[:LONGEST]: row for row in reversed(rows) for word in _spellings(row)}
    close = difflib.get_close_matches(fold(text)[:LONGEST], owners, n=1, cutoff=LIKE)
    return owners[close[0]] if close else None


def _words(row: AccountRow, wanted: str) -> list[str]:
    """Return the words of a row that a search compares.

    All accounts share the part after `@`, so it counts only if the search has an `@` too.
    """
    account = row.account
    kf_account = account.kf_account if "@" in wanted else account.kf_account.partition("@")[0]
    words = (account.kf_nick, kf_account, account.kf_openid, account.kf_wx, row.invite_wx)
    return [fold(word) for word in words if word]


def _spellings(row: AccountRow) -> list[str]:
    return [*_words(row, "@"), fold(row.account.kf_account).partition("@")[0]]
