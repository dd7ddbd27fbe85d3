"""How often a path may be called on a day in Shanghai."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from wechat_kf.simulator.errcodes import ErrcodeRefusal
from wechat_kf.simulator.issuer import SHANGHAI

OTHER_LIMIT = 500_000
CLEARED_A_MONTH = 10


class Quotas:
    """The calls of one platform by account and path. The limits are by path, and may be changed at any time."""

    def __init__(self, limits: Mapping[str, int]) -> None:
        self.limits = dict(limits)
        self._day = ""
        self._used: Counter[tuple[str, str]] = Counter()
        self._cleared: Counter[tuple[str, str]] = Counter()

    def count(self, appid: str, path: str, now: datetime) -> None:
        """Count a call.

        Raises:
            ErrcodeRefusal: it is one more than the limit (45009).
        """
        self._begin_day(now)
        if self._used[appid, path] >= self.limits.get(path, OTHER_LIMIT):
            raise ErrcodeRefusal(45009)
        self._used[appid, path] += 1

    def clear(self, appid: str, now: datetime) -> None:
        """Set the counts of an account to zero.

        Raises:
            ErrcodeRefusal: for the 11th time in a month (48006).
        """
        month = f"{now.astimezone(SHANGHAI):%Y-%m}"
        if self._cleared[appid, month] >= CLEARED_A_MONTH:
            raise ErrcodeRefusal(48006)
        self._cleared[appid, month] += 1
        self._used = Counter({key: used for key, used in self._used.items() if key[0] != appid})

    def facts(self, appid: str, path: str, now: datetime) -> Mapping[str, object]:
        """Return the answer of quota/get."""
        self._begin_day(now)
        limit, used = self.limits.get(path, OTHER_LIMIT), self._used[appid, path]
        return {
            "errcode": 0,
            "errmsg": "ok",
            "quota": {"daily_limit": limit, "used": used, "remain": limit - used},
            "rate_limit": {"call_count": 4200, "refresh_second": 60},
            "component_rate_limit": {"call_count": 2000, "refresh_second": 60},
        }

    def _begin_day(self, now: datetime) -> None:
        day = f"{now.astimezone(SHANGHAI):%Y-%m-%d}"
        if day != self._day:
            self._day = day
            self._used.clear()
