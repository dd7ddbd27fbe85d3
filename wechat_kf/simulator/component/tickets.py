"""The tickets that WeChat pushes to a platform."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from wechat_kf.simulator.errcodes import ErrcodeRefusal

EVERY = timedelta(minutes=10)
LIFE = timedelta(hours=12)


class Tickets:
    """The tickets of a platform, each one different, and the service that pushes them."""

    def __init__(self, appid: str) -> None:
        self._appid = appid
        self._issued: dict[str, datetime] = {}
        self._latest_at: datetime | None = None
        self.is_running = True  # the service; WeChat stops it at times

    def is_due(self, now: datetime) -> bool:
        """Return whether the service pushes a ticket now."""
        return self.is_running and (self._latest_at is None or now >= self._latest_at + EVERY)

    def issue(self, now: datetime) -> str:
        """Issue a ticket."""
        digest = hashlib.sha256(f"{self._appid} {len(self._issued)}".encode()).hexdigest()
        ticket = f"ticket@@@{digest}"
        self._issued[ticket] = self._latest_at = now
        return ticket

    def check(self, ticket: str, now: datetime) -> None:
        """Accept a ticket.

        Raises:
            ErrcodeRefusal: it is unknown (61006) or expired (61005).
        """
        if ticket not in self._issued:
            raise ErrcodeRefusal(61006)
        if now >= self._issued[ticket] + LIFE:
            raise ErrcodeRefusal(61005)
