"""The codes with which a platform opens WeChat's page of consent."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from wechat_kf.simulator.component.consent import LinkRefusedError


class PreAuthCodes:
    """The codes of a platform, each for one consent."""

    def __init__(self, appid: str) -> None:
        self.life = timedelta(minutes=30)  # the documentation's text; its sample has ten
        self._appid = appid
        self._issued = 0
        self._expires_at: dict[str, datetime] = {}  # of those that are not used

    def issue(self, now: datetime) -> str:
        """Issue a code."""
        self._issued += 1
        code = f"preauthcode@@@{hashlib.sha256(f'{self._appid} {self._issued}'.encode()).hexdigest()}"
        self._expires_at[code] = now + self.life
        return code

    def check(self, code: str, now: datetime) -> None:
        """Accept a code that can be used.

        Raises:
            LinkRefusedError: it is unknown, used or expired.
        """
        if code not in self._expires_at:
            raise LinkRefusedError("pre_auth_code is unknown, or was used")
        if now >= self._expires_at[code]:
            raise LinkRefusedError("pre_auth_code has expired")

    def use(self, code: str) -> None:
        """Use up a code."""
        del self._expires_at[code]
