"""The data of the kf interfaces, as frozen values. No parsing, no I/O, no rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation of a WeChat ID to serve as an account."""

    invite_wx: str  # "" when the row names no one
    status: str  # waiting, rejected, expired, or a newer word, verbatim; "" when the row has none
    expires_at: datetime | None = None  # aware, UTC; `invite_expire_time` on the wire; None when not known


@dataclass(frozen=True, slots=True)
class KfAccount:
    """One customer-service account (a seat) as in its row: bound (`kf_wx`), invited, or neither.

    The invitation is kept as WeChat sends it, even on a bound seat, where it is obsolete.
    """

    kf_account: str  # "prefix@official-account-id"; "" for a seat that was added by WeChat ID
    kf_nick: str
    kf_id: str
    kf_headimgurl: str = ""
    kf_wx: str | None = None
    kf_openid: str | None = None
    invitation: Invitation | None = None

    @property
    def key(self) -> str:
        """Return the seat's identifier: `kf_account`, else `kf_openid`, else `kf_id`; "" without any."""
        return self.kf_account or self.kf_openid or self.kf_id


@dataclass(frozen=True, slots=True)
class KfList:
    """Every account of one answer, in its order."""

    accounts: tuple[KfAccount, ...]
    unreadable: int = 0  # rows that were not JSON objects
    served_at: datetime | None = None  # WeChat's clock as it answered; aware, UTC; None when it is not known
    unreadable_deadlines: tuple[tuple[str, str], ...] = ()  # the `key` of an account, and the text of its deadline

    @property
    def complete(self) -> bool:
        """Return whether a seat that is not in `accounts` certainly no longer exists."""
        return self.unreadable == 0


@dataclass(frozen=True, slots=True)
class OnlineKf:
    """One account that is logged in to the web client."""

    kf_account: str
    kf_id: str
    status: int | None = None  # 0 offline, 1 web client; older documents also have 2 mobile and 3 both
    accepted_case: int | None = None  # conversations served now; not always sent
    kf_openid: str | None = None

    @property
    def key(self) -> str:
        """Return the seat's identifier, as `KfAccount.key` does."""
        return self.kf_account or self.kf_openid or self.kf_id
