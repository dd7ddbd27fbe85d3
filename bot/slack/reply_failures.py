"""Count the answers that Slack did not accept, for the health report."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.health.facts import FailedReplies
from bot.ports import Clock, utc_now

RECENT = timedelta(minutes=10)  # the health report contains the failures for this long after the last


class ReplyFailures:
    """The answers of this process that were given up since one was accepted."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._failed: FailedReplies | None = None
        self._last: datetime | None = None

    def note(self, status: int) -> None:
        """Note an answer that was given up after a response with this status; 0 for no response."""
        now = self._clock()
        before = self.recent
        error = f"HTTP {status}" if status else ""
        self._failed = FailedReplies(error, before.count + 1 if before else 1, before.since if before else now)
        self._last = now

    def accept(self) -> None:
        """Forget the failures: Slack accepts answers."""
        self._failed = None

    @property
    def recent(self) -> FailedReplies | None:
        """Return the failures, unless the last is long ago."""
        return self._failed if self._last and abs(self._clock() - self._last) <= RECENT else None
