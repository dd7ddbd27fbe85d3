"""Issue the tokens of a platform: a new one ends the one before soon, but not at once."""

from __future__ import annotations

from datetime import datetime, timedelta

from wechat_kf.simulator.errcodes import ErrcodeRefusal
from wechat_kf.simulator.issuer import Issued, Issuer


class OverlappingIssuer(Issuer):
    """The issuer of the tokens of one owner. A token is refused `overlap` after the next one was issued."""

    def __init__(self, owner: str, *, life: timedelta, overlap: timedelta) -> None:
        super().__init__(owner, life=life)
        self.overlap = overlap
        self._replaced_at: dict[str, datetime] = {}

    def renewed(self, now: datetime) -> Issued:
        """Issue a token."""
        if self._latest is not None:
            self._replaced_at[self._latest.token] = now
        return self._issue(now)

    def check(self, token: str, now: datetime) -> None:
        """Accept a valid token.

        Raises:
            ErrcodeRefusal: as of an `Issuer`, and 40001 also for a token that was replaced.
        """
        replaced_at = self._replaced_at.get(token)
        if replaced_at is not None and now >= replaced_at + self.overlap:
            raise ErrcodeRefusal(40001)
        super().check(token, now)
