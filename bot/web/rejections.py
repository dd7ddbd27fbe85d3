"""Requests that were not accepted as Slack's, or WeChat's: logged once a minute by reason.

Those of Slack are counted for the health report.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.health.facts import RejectedRequests
from bot.ports import Clock, utc_now
from bot.runtime.logs import LogEvent

log = logging.getLogger(__name__)

LINE_EVERY = timedelta(minutes=1)
RECENT = timedelta(minutes=10)  # the health report contains a reason for this long after its last request
MOST_REASONS = 20  # kept at once: senders can choose any path
LONGEST_PATH = 60  # characters
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SIGNATURE, CLOCK, PATH, PUSH = "signature", "clock", "path", "push"


@dataclass(slots=True)
class _Reason:
    """The requests that were rejected for one reason."""

    shown: str
    since: datetime
    last: datetime
    by_slack: int = 0  # requests that look like Slack's: the others show nothing about the bot
    unlogged: int = 0
    logged_at: datetime = EPOCH


class Rejections:
    """The rejected requests of this process."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._reasons: dict[tuple[str, bool], _Reason] = {}

    def signature(self, *, by_slack: bool) -> None:
        """Note a request whose signature `SLACK_SIGNING_SECRET` does not produce."""
        self._note(SIGNATURE, SIGNATURE, by_slack=by_slack)

    def clock(self, seconds: float, *, by_slack: bool) -> None:
        """Note a request whose timestamp is too far from this server's clock."""
        self._note(CLOCK, f"clock off={seconds:.0f} s", by_slack=by_slack)

    def path(self, path: str, *, by_slack: bool) -> None:
        """Note a POST to a path that accepts none."""
        short = path if len(path) <= LONGEST_PATH else f"{path[: LONGEST_PATH - 1]}…"
        self._note(f"path={short}" if by_slack else PATH, f"path={short}", by_slack=by_slack)

    def push(self, status: int) -> None:
        """Note a push to the third-party platform that was rejected. They have one line, with the last status."""
        self._note(PUSH, f"push status={status}", by_slack=False)

    def accept(self) -> None:
        """Forget rejected requests: an accepted one proves secret and clock right, so the others were forged."""
        for kind in (SIGNATURE, CLOCK):
            self._reasons.pop((kind, True), None)

    @property
    def recent(self) -> RejectedRequests | None:
        """Return the most frequent reason of the last minutes, among requests that look like Slack's."""
        now = self._clock()
        found = [one for one in self._reasons.values() if one.by_slack and abs(now - one.last) <= RECENT]
        worst = max(found, key=lambda one: one.by_slack, default=None)
        return RejectedRequests(worst.shown, worst.by_slack, worst.since) if worst else None

    def _note(self, kind: str, shown: str, *, by_slack: bool) -> None:
        now, key = self._clock(), (kind, by_slack)
        reason = self._reasons.pop(key, None)
        if reason is None or abs(now - reason.last) > RECENT:
            reason = _Reason(shown, now, now)
        self._reasons[key] = reason  # the latest is the last
        if len(self._reasons) > MOST_REASONS:
            del self._reasons[next(iter(self._reasons))]
        reason.shown, reason.last = shown, now
        reason.by_slack += by_slack
        reason.unlogged += 1
        if abs(now - reason.logged_at) >= LINE_EVERY:
            count = reason.unlogged if reason.unlogged > 1 else None
            log.warning(LogEvent("request rejected", reason=shown, count=count))
            reason.unlogged, reason.logged_at = 0, now
