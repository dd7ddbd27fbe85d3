"""Issue and check the tokens of stable_token."""

from __future__ import annotations

import hashlib
from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from wechat_kf.simulator.errcodes import ErrcodeRefusal

RENEWED_BEFORE = timedelta(
    minutes=5
)  # the next token is issued this long before the end, until which both are valid
FORCED_A_DAY = 20
FORCED_APART = timedelta(seconds=30)
TOKEN_FORM = "87_"  # noqa: S105  the beginning of every token
SHANGHAI = timezone(timedelta(hours=8))


def token_prefix(appid: str) -> str:
    """Return the beginning of an account's tokens, which no other account's tokens have."""
    return f"{TOKEN_FORM}{hashlib.sha256(appid.encode()).hexdigest()[:16]}"


PREFIX_LENGTH = len(token_prefix(""))


@dataclass(frozen=True, slots=True)
class Issued:
    token: str
    expires_at: datetime


class Issuer:
    """The issuer of one account's tokens, each valid for `life`."""

    def __init__(self, appid: str, *, life: timedelta) -> None:
        self._appid = appid
        self.life = life
        self._issued: dict[str, Issued] = {}
        self._latest: Issued | None = None
        self._killed: set[str] = set()
        self._expired: set[str] = set()
        self._forced: list[datetime] = []

    @property
    def issued(self) -> Set[str]:
        """Return every token so far, valid or not."""
        return self._issued.keys()

    def normal(self, now: datetime) -> Issued:
        """Return the current token, or a new one shortly before its end."""
        if self._latest and now < self._latest.expires_at - RENEWED_BEFORE:
            return self._latest
        return self._issue(now)

    def forced(self, now: datetime) -> Issued:
        """Issue a new token, and invalidate all earlier ones.

        Raises:
            ErrcodeRefusal: less than 30 s after the last time (45011), or for the 21st time of the day (45009).
        """
        if self._forced and now - self._forced[-1] < FORCED_APART:
            raise ErrcodeRefusal(45011)
        today = now.astimezone(SHANGHAI).date()
        self._forced = [moment for moment in self._forced if moment.astimezone(SHANGHAI).date() == today]
        if len(self._forced) >= FORCED_A_DAY:
            raise ErrcodeRefusal(45009)
        self._forced.append(now)
        self.kill()
        return self._issue(now)

    def kill(self) -> None:
        """Invalidate every token so far."""
        self._killed.update(self._issued)
        self._latest = None

    def expire(self) -> None:
        """Expire every token so far."""
        self._expired.update(self._issued)
        self._latest = None

    def check(self, token: str, now: datetime) -> None:
        """Accept a valid token.

        Raises:
            ErrcodeRefusal: it is empty (41001), unknown or invalidated (40001), or expired (42001).
        """
        if not token:
            raise ErrcodeRefusal(41001)
        if token not in self._issued or token in self._killed:
            raise ErrcodeRefusal(40001)
        if token in self._expired or now >= self._issued[token].expires_at:
            raise ErrcodeRefusal(42001)

    def _issue(self, now: datetime) -> Issued:
        digest = hashlib.sha256(f"{self._appid} {len(self._issued)}".encode()).hexdigest()
        self._latest = Issued(f"{token_prefix(self._appid)}{digest}", now + self.life)
        self._issued[self._latest.token] = self._latest
        return self._latest
